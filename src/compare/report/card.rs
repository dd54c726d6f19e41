//! The words of a page: doubts, verdict, machine, models, and how to run it again.
//!
//! Called by `report`.

use std::collections::BTreeMap;

use super::section;
use crate::compare::charts::Charts;
use crate::compare::markup::{escape, prose};
use crate::compare::plot::key;
use crate::compare::quantity::times;
use crate::compare::result::{Model, Results};
use crate::compare::verdict::{Finding, Standing, Verdict};
use crate::compare::workload::Workload;

/// What is to be known before anything is believed; in front of everything else.
pub(super) fn doubts(verdict: &Verdict) -> String {
    if verdict.doubts.is_empty() {
        return String::new();
    }
    let items = items(&verdict.doubts);
    format!(
        "<aside class=\"doubts\"><h2>What this machine cannot show</h2><ul>{items}</ul></aside>\n"
    )
}

fn items(sentences: &[String]) -> String {
    sentences.iter().map(|sentence| format!("<li>{}</li>", prose(sentence))).collect()
}

/// The verdict: an overview, then sentences.
pub(super) fn verdict(results: &Results, verdict: &Verdict) -> String {
    let mut body = standings(results, &verdict.standings);
    let mut cards = String::new();
    let mut findings = verdict.findings.as_slice();
    while let Some((first, _)) = findings.split_first() {
        let ours = findings.iter().take_while(|finding| finding.workload == first.workload).count();
        let (these, rest) = findings.split_at(ours);
        cards.push_str(&finding(&first.workload, these));
        findings = rest;
    }
    body.push_str(&format!("<div class=\"findings\">\n{cards}</div>\n"));
    let note = "Computed from the runs by one rule for all models: one is behind another only if it \
                is so in every pair of runs, and by more than 3 %; in brackets is the spread of the \
                ratio from run to run.";
    section("verdict", "Verdict", note, &body)
}

fn finding(workload: &str, findings: &[Finding]) -> String {
    let what = Workload::named(workload).what;
    let mut html = format!(
        "<article class=\"card\"><h3>{}</h3><p class=\"soft\">{}</p>",
        escape(workload),
        escape(what)
    );
    for finding in findings {
        let name = if finding.figure.is_empty() { "not ranked" } else { finding.figure };
        html.push_str(&format!("<h4>{}</h4><ul>{}</ul>", escape(name), items(&finding.sentences)));
    }
    html.push_str("</article>\n");
    html
}

/// How far everyone is behind the best, workload by workload.
fn standings(results: &Results, standings: &[Standing]) -> String {
    if standings.is_empty() {
        return String::new();
    }
    let heads: String = results
        .models
        .iter()
        .map(|model| format!("<th scope=\"col\"><code>{}</code></th>", escape(&model.name)))
        .collect();
    let mut rows = String::new();
    for row in standings.chunk_by(|a, b| a.workload == b.workload) {
        let Some(first) = row.first() else { continue };
        let cells: String = row.iter().map(cell).collect();
        rows.push_str(&format!(
            "<tr><th scope=\"row\">{}<small>{}</small></th>{cells}</tr>\n",
            escape(&first.workload),
            escape(first.figure)
        ));
    }
    format!(
        "<p class=\"soft\">How many times each is behind the best at its worst place, and at how many \
         places it is best or level with the best:</p>\n<div class=\"wide\"><table class=\"standings\">\
         <thead><tr><td></td>{heads}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )
}

fn cell(standing: &Standing) -> String {
    let Standing { ranked, ahead, worst, .. } = standing;
    if *ranked == 0 {
        return "<td class=\"none\">–</td>".into();
    }
    let ahead = format!("<small>ahead {ahead} of {ranked}</small>");
    match worst {
        None => format!("<td class=\"best\">best{ahead}</td>"),
        Some((far, place)) => {
            // The further behind, the deeper the colour; ten times is as deep as it gets.
            let depth = (far.ln() / 10_f64.ln()).clamp(0.0, 1.0) * 100.0;
            format!(
                "<td style=\"--depth:{depth:.0}%\" title=\"{}\">{}×{ahead}</td>",
                escape(place),
                times(*far)
            )
        }
    }
}

/// The machine card.
pub(super) fn machine(results: &Results) -> String {
    let machine = &results.machine;
    let list = |cpus: &[usize]| {
        let names: Vec<String> = cpus.iter().map(usize::to_string).collect();
        if names.is_empty() { "any".into() } else { names.join(", ") }
    };
    let pinned = [
        ("server's CPUs".to_string(), list(&machine.server_cpus)),
        ("client's CPUs".to_string(), list(&machine.client_cpus)),
    ];
    let facts: String = machine
        .facts
        .iter()
        .chain(&pinned)
        .map(|(name, value)| {
            format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value))
        })
        .collect();
    section("machine", "Machine", "", &format!("<dl class=\"facts card\">{facts}</dl>\n"))
}

/// The models and what each ran with: what all share once, what is its own with each.
pub(super) fn models(results: &Results, charts: &Charts<'_>) -> String {
    let shared = shared(&results.models);
    let rows: String = results
        .models
        .iter()
        .map(|model| {
            let slot = charts.looks().iter().find(|(name, _)| *name == model.name);
            let own = model.options.iter().filter(|(name, _)| !shared.contains_key(*name));
            format!(
                "<tr><th scope=\"row\">{}<code>{}</code></th><td>{}</td><td>{}</td></tr>\n",
                slot.map_or(String::new(), |(_, slot)| key(*slot, false)),
                escape(&model.name),
                prose(&model.what),
                options(own)
            )
        })
        .collect();
    let body = format!(
        "<div class=\"wide\"><table class=\"models\"><thead><tr><th scope=\"col\">Model</th>\
         <th scope=\"col\">What it is</th><th scope=\"col\">Options of its own</th></tr></thead>\n\
         <tbody>\n{rows}</tbody></table></div>\n\
         <p class=\"shared\">Options that all share: {}</p>\n",
        options(shared.iter())
    );
    section("models", "Models", "", &body)
}

fn shared(models: &[Model]) -> BTreeMap<String, String> {
    let Some((first, others)) = models.split_first() else { return BTreeMap::new() };
    let everywhere = |(name, value): &(&String, &String)| {
        others.iter().all(|model| model.options.get(*name) == Some(*value))
    };
    let options = first.options.iter().filter(everywhere);
    options.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn options<'o>(options: impl Iterator<Item = (&'o String, &'o String)>) -> String {
    let all: Vec<String> = options
        .map(|(name, value)| format!("<span>{}: <b>{}</b></span>", escape(name), escape(value)))
        .collect();
    if all.is_empty() { "none".into() } else { all.join(" ") }
}

/// What was left out, how to run it again, and where the raw data is.
pub(super) fn rerun(results: &Results) -> String {
    let mut body = String::new();
    if !results.left_out.is_empty() {
        body.push_str(&format!("<h3>Left out</h3><ul>{}</ul>\n", items(&results.left_out)));
    }
    body.push_str(&format!(
        "<h3>Run it again</h3><pre><code>{}</code></pre>\n\
         <p>The raw data, with the histograms of the middle run of each point, is in \
         <code>results.json</code> beside this page. <code>readyloop compare --from results.json</code> \
         makes this page of it again.</p>\n",
        escape(&results.command)
    ));
    section("rerun", "Left out, and how to run it again", "", &body)
}
