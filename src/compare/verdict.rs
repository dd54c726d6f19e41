//! The verdict in words, computed from the data: who is ahead where, and by how much.
//!
//! Called by reports and by the command. Every model is judged by the rule in `rank`; here
//! neighbouring places at which it comes out alike become a region of the axis, and a sentence. No
//! model is named in this file.

use super::charts::{places, workloads};
use super::figure::{Better, Figure};
use super::quantity::times;
use super::rank::{Behind, Rank, failing, rank, shares_a_core};
use super::result::{Point, Results};
use super::workload::Workload;

/// What a comparison shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// What is to be known before anything is believed, in sentences.
    pub doubts: Vec<String>,
    /// What was found, workload by workload.
    pub findings: Vec<Finding>,
    /// How far each model is behind the best, by each workload's most telling figure.
    pub standings: Vec<Standing>,
}

/// What was found of one figure of a workload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finding {
    /// The workload.
    pub workload: String,
    /// The figure, or nothing where it is said what is missing.
    pub figure: &'static str,
    /// A sentence a region of the axis; model names stand between backticks.
    pub sentences: Vec<String>,
}

/// A model in a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The workload.
    pub workload: String,
    /// By which figure.
    pub figure: &'static str,
    /// The model.
    pub model: String,
    /// At how many places of the axis it was ranked.
    pub ranked: usize,
    /// At how many of them it was the best or level with it.
    pub ahead: usize,
    /// How many times behind the best it is at its worst place, and what that place is.
    pub worst: Option<(f64, String)>,
}

/// The verdict on a comparison.
pub fn judge(results: &Results) -> Verdict {
    let mut verdict = Verdict { doubts: doubts(results), ..Verdict::default() };
    for name in workloads(results) {
        let workload = Workload::named(name);
        for (index, figure) in workload.judged.iter().enumerate() {
            let ranks = ranks(results, name, *figure);
            let sentences = sentences(&workload, *figure, &places(results, name), &ranks);
            if !sentences.is_empty() {
                let figure = figure.name();
                verdict.findings.push(Finding { workload: name.into(), figure, sentences });
            }
            if index == 0 {
                verdict.standings.extend(standings(results, name, *figure, &ranks));
            }
        }
        let missing = missing(results, name);
        if !missing.is_empty() {
            let finding = Finding { workload: name.into(), figure: "", sentences: missing };
            verdict.findings.push(finding);
        }
    }
    verdict
}

/// The verdict as plain text for a terminal, in lines of so many characters (40 at least).
pub fn text(verdict: &Verdict, width: usize) -> String {
    let mut text = String::new();
    for doubt in &verdict.doubts {
        wrap(&mut text, "! ", doubt, width);
    }
    let mut workload = "";
    for finding in &verdict.findings {
        if finding.workload != workload {
            workload = &finding.workload;
            text.push_str(&format!("\n{workload}\n"));
        }
        let lead = if finding.figure.is_empty() { "not ranked" } else { finding.figure };
        text.push_str(&format!("  {lead}\n"));
        for sentence in &finding.sentences {
            wrap(&mut text, "    ", sentence, width);
        }
    }
    text
}

/// A paragraph whose lines all begin alike.
fn wrap(text: &mut String, margin: &str, sentence: &str, width: usize) {
    let mut line = String::new();
    for word in sentence.split_whitespace() {
        let long = margin.len() + line.chars().count() + 1 + word.chars().count() > width.max(40);
        if long && !line.is_empty() {
            text.push_str(&format!("{margin}{line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    text.push_str(&format!("{margin}{line}\n"));
}

/// What puts all of it in doubt.
fn doubts(results: &Results) -> Vec<String> {
    let mut doubts = Vec::new();
    if !results.complete {
        doubts.push("The comparison was interrupted: what follows is of what had been run.".into());
    }
    if shares_a_core(&results.machine) {
        doubts.push(
            "Server and client shared a core: rates and latencies show both of them together, and \
             nothing is claimed of them."
                .into(),
        );
    }
    doubts.extend(results.machine.cautions.iter().cloned());
    doubts
}

/// How the models rank at each place of a workload.
fn ranks(results: &Results, workload: &str, figure: Figure) -> Vec<(f64, Rank)> {
    let at = |x: f64| {
        let here = |point: &&Point| point.workload == workload && point.x == x;
        let points: Vec<&Point> = results.points.iter().filter(here).collect();
        Some((x, rank(&points, figure, &results.machine)?))
    };
    places(results, workload).into_iter().filter_map(at).collect()
}

/// Neighbouring places that come out alike, in one sentence.
fn sentences(
    workload: &Workload,
    figure: Figure,
    axis: &[f64],
    ranks: &[(f64, Rank)],
) -> Vec<String> {
    let mut said = Vec::new();
    let mut rest = ranks;
    while let Some(((from, first), _)) = rest.split_first() {
        let alike = rest.iter().take_while(|(_, rank)| key(rank) == key(first)).count();
        let (region, later) = rest.split_at(alike);
        let to = region.last().map_or(*from, |(x, _)| *x);
        let place = workload.region(axis, *from, to);
        said.push(format!("{}: {}.", capital(&place), words(figure, region)));
        rest = later;
    }
    said
}

/// What must be equal for places to be spoken of together: the same are ahead.
fn key(rank: &Rank) -> (usize, Vec<&str>) {
    match rank {
        Rank::Ranked { best, level, behind, at_least, .. } => {
            let mut ahead: Vec<&str> = level.iter().map(String::as_str).collect();
            ahead.push(best);
            ahead.sort_unstable();
            (if behind.is_empty() { 0 } else { 1 + usize::from(*at_least) }, ahead)
        }
        Rank::Alone(model) => (3, vec![model]),
        Rank::TooFew => (4, Vec::new()),
        Rank::Client => (5, Vec::new()),
        Rank::OneCore => (6, Vec::new()),
    }
}

/// What is said of places that came out alike.
fn words(figure: Figure, region: &[(f64, Rank)]) -> String {
    let name = figure.name();
    let Some((_, first)) = region.first() else { return String::new() };
    match first {
        Rank::Alone(model) => format!("only `{model}` has {name} to show"),
        Rank::TooFew => format!("too few runs to rank {name}"),
        Rank::Client => {
            format!("the client was the bottleneck, so nothing is claimed of {name}")
        }
        Rank::OneCore => {
            format!("server and client shared a core, so nothing is claimed of {name}")
        }
        Rank::Ranked { best, level, behind, at_least, .. } => {
            let mut said = match (level.is_empty(), behind.is_empty()) {
                (true, true) => format!("`{best}` has {name}, the others cannot be judged"),
                (true, false) => format!("`{best}` {}", leads(figure)),
                (false, true) => format!("no difference among {}", list(&key(first).1)),
                (false, false) => format!("{} cannot be told apart", list(&key(first).1)),
            };
            if let Some(distance) = distance(figure, region, *at_least, !level.is_empty()) {
                said.push_str(&distance);
            }
            let unclear = unclear(region);
            if !unclear.is_empty() {
                said.push_str(&format!(" (client or runs too weak to judge {})", list(&unclear)));
            }
            said
        }
    }
}

/// What the leader of a figure does.
fn leads(figure: Figure) -> String {
    match figure {
        Figure::PerCpu => "serves the most requests per CPU second".into(),
        Figure::Rate => "answers the most requests per second".into(),
        Figure::Memory => "needs the least memory for a connection".into(),
        Figure::Recovery => "recovers the fastest".into(),
        _ if figure.better() == Better::Higher => format!("has the highest {}", figure.name()),
        _ => format!("has the lowest {}", figure.name()),
    }
}

/// How far the next is behind one leader or several, and how far the last.
fn distance(
    figure: Figure,
    region: &[(f64, Rank)],
    at_least: bool,
    several: bool,
) -> Option<String> {
    let behind = |(_, rank): &'_ (f64, Rank)| match rank {
        Rank::Ranked { behind, .. } => behind.clone(),
        _ => Vec::new(),
    };
    let all: Vec<Vec<Behind>> = region.iter().map(behind).collect();
    let next: Vec<&Behind> = all.iter().filter_map(|behind| behind.first()).collect();
    let last: Vec<&Behind> =
        all.iter().filter(|behind| behind.len() > 1).filter_map(|behind| behind.last()).collect();
    let least = if at_least { "at least " } else { "" };
    let (names, range, spread) = summed(&next)?;
    if several {
        let last =
            summed(&last).map(|(names, range, _)| format!("; the last, {names}, {range} times"));
        let said = format!("; the next, {names}, is {least}{range} times behind {spread}");
        return Some(said + &last.unwrap_or_default());
    }
    let mut said = match figure.better() {
        Better::Higher => format!(", {least}{range} times {spread} as many as the next, {names}"),
        _ => format!("; the next, {names}, {least}{range} times as much {spread}"),
    };
    if let Some((names, range, _)) = summed(&last) {
        said.push_str(&match figure.better() {
            Better::Higher => format!(", and {range} times as many as the last, {names}"),
            _ => format!("; the last, {names}, {range} times"),
        });
    }
    Some(said)
}

/// Who they are, how far behind by their medians, and the spread of all their runs.
fn summed(behind: &[&Behind]) -> Option<(String, String, String)> {
    let mut names: Vec<&str> = Vec::new();
    for one in behind {
        if !names.contains(&one.model.as_str()) {
            names.push(&one.model);
        }
    }
    let fold = |of: fn(&Behind) -> f64, pick: fn(f64, f64) -> f64| {
        behind.iter().map(|one| of(one)).reduce(pick)
    };
    let least = fold(|one| one.times.median, f64::min)?;
    let most = fold(|one| one.times.median, f64::max)?;
    let low = fold(|one| one.times.low, f64::min)?;
    let high = fold(|one| one.times.high, f64::max)?;
    let (least, most) = (times(least), times(most));
    let range = if least == most { least } else { format!("{least} to {most}") };
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    Some((names.join(" or "), range, format!("[{}–{}]", times(low), times(high))))
}

fn unclear(region: &[(f64, Rank)]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for (_, rank) in region {
        if let Rank::Ranked { unclear, .. } = rank {
            names.extend(unclear.iter().map(String::as_str));
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// Every model's distance to the best, over a workload.
fn standings(
    results: &Results,
    name: &str,
    figure: Figure,
    ranks: &[(f64, Rank)],
) -> Vec<Standing> {
    let of = |model: &str| {
        let mut standing = Standing {
            workload: name.into(),
            figure: figure.name(),
            model: model.into(),
            ranked: 0,
            ahead: 0,
            worst: None,
        };
        for (x, rank) in ranks {
            let Rank::Ranked { best, level, behind, .. } = rank else { continue };
            if best == model || level.iter().any(|level| level == model) {
                standing.ranked += 1;
                standing.ahead += 1;
            } else if let Some(behind) = behind.iter().find(|behind| behind.model == model) {
                standing.ranked += 1;
                let far = behind.times.median;
                if standing.worst.as_ref().is_none_or(|(worst, _)| far > *worst) {
                    standing.worst = Some((far, Workload::named(name).at(*x)));
                }
            }
        }
        standing
    };
    results.models.iter().map(|model| of(&model.name)).collect()
}

/// What was refused, and who did not serve everyone: left out of the ranking, not out of sight.
fn missing(results: &Results, name: &str) -> Vec<String> {
    let workload = Workload::named(name);
    let mut said = Vec::new();
    for model in &results.models {
        let ours = |point: &&Point| point.workload == name && point.model == model.name;
        let mut points: Vec<&Point> = results.points.iter().filter(ours).collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        let refused: Vec<(f64, String)> =
            points.iter().filter_map(|point| Some((point.x, point.refused.clone()?))).collect();
        let failed: Vec<(f64, String)> =
            points.iter().filter_map(|point| Some((point.x, failing(point)?))).collect();
        let axis = places(results, name);
        for (places, what) in [(refused, "was not run"), (failed, "is not ranked")] {
            if let (Some((from, why)), Some((to, _))) = (places.first(), places.last()) {
                let place = workload.region(&axis, *from, *to);
                let at = if from == to { "" } else { " at the first of these points" };
                said.push(format!("`{}` {what} {place}: {why}{at}.", model.name));
            }
        }
    }
    said
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((only, _)) => only.clone(),
        None => String::new(),
    }
}

fn capital(text: &str) -> String {
    let mut signs = text.chars();
    signs.next().map_or(String::new(), |first| first.to_uppercase().chain(signs).collect())
}

#[cfg(test)]
mod tests;
