//! A comparison as one page, `report.html`, and as single pictures.
//!
//! Called by `readyloop compare`. The page needs nothing from elsewhere: style, pictures and a small
//! script are in it, and without the script only the highlighting of a model is missing. Nothing
//! that was found is left out; nothing is read or written here.

mod card;
mod figures;
mod gallery;

use super::charts::{Charts, workloads};
use super::figure::Figure;
use super::markup::{escape, prose};
use super::plot::{self, Frame, Plot};
use super::result::Results;
use super::verdict::judge;

/// The page.
pub fn render(results: &Results) -> String {
    let verdict = judge(results);
    let charts = Charts::of(results);
    let mut main = String::new();
    main.push_str(&card::doubts(&verdict));
    main.push_str(&card::verdict(results, &verdict));
    main.push_str(&card::machine(results));
    main.push_str(&card::models(results, &charts));
    main.push_str(&gallery::sections(&charts));
    main.push_str(&figures::all(results));
    main.push_str(&card::rerun(results));
    page("I/O models compared", &lead(results), &main)
}

/// Single pictures that look right where they stand alone, in light and in dark: a name without an
/// ending, and SVG. Those without data are left out.
pub fn pictures(results: &Results) -> Vec<(String, String)> {
    let charts = Charts::of(results);
    let titled = |plot: Plot, title: &str| Plot { title: title.into(), ..plot };
    let against = |workload: &str, figure: Figure, title: &str| {
        charts.against(workload, figure).map(|plot| titled(plot, title))
    };
    // It shows what correction is, not a model; a project shows its own, if it was there.
    let stalled = charts.stalled();
    let own = stalled.iter().find(|(model, _)| *model == "loop");
    let stall = own.or(stalled.first()).copied();
    let stall = stall.and_then(|(model, x)| charts.stall(model, x));
    let all = [
        ("throughput", against("keep-alive", Figure::Rate, "HTTP keep-alive: requests per second")),
        ("latency-knee", against("open", Figure::P99, "Latency (p99) against offered load")),
        ("stall", stall),
        ("cpu", against("keep-alive", Figure::Cpu, "HTTP keep-alive: server's CPU per request")),
        ("memory", against("idle", Figure::Memory, "Resident memory of a connection")),
    ];
    all.into_iter()
        .filter_map(|(name, plot)| Some((name.to_string(), plot?.svg(Frame::Alone))))
        .collect()
}

/// A whole page around what is in it.
pub(super) fn page(title: &str, lead: &str, main: &str) -> String {
    let (light, dark) = plot::palette();
    let colours = format!(
        ":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}\
         @media print{{:root{{{light}}}}}"
    );
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{colours}\n{}\n{}\n{}\n{}</style>\n</head>\n<body>\n\
         <header>\n<h1>{title}</h1>\n<p class=\"lead\">{}</p>\n</header>\n\
         <main>\n{main}</main>\n<script>\n{}</script>\n</body>\n</html>\n",
        plot::RULES,
        plot::painted(),
        plot::spotlight(),
        include_str!("report.css"),
        prose(lead),
        include_str!("report.js"),
    )
}

fn lead(results: &Results) -> String {
    let runs = results.points.iter().map(|point| point.runs.len());
    let count: usize = runs.clone().sum();
    let most = runs.max().unwrap_or(0);
    let minutes = results.seconds / 60.0;
    format!(
        "{} models under {} workloads: {count} runs, up to {most} of each model at each point, \
         interleaved; each a fresh server and a fresh client. Begun {}, done after {minutes:.0} min.",
        results.models.len(),
        workloads(results).len(),
        results.taken,
    )
}

/// A section of the page.
pub(super) fn section(id: &str, title: &str, note: &str, body: &str) -> String {
    let note = match note.is_empty() {
        true => String::new(),
        false => format!("<p class=\"note\">{}</p>\n", prose(note)),
    };
    format!("<section id=\"{id}\">\n<h2>{}</h2>\n{note}{body}</section>\n", escape(title))
}
