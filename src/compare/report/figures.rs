//! Every figure of every model at every point, in tables that open.
//!
//! Called by `report`. A column that nobody has a figure in is left out.

use super::section;
use crate::compare::charts::{places, workloads};
use crate::compare::figure::{Better, Figure};
use crate::compare::markup::escape;
use crate::compare::rank::failing;
use crate::compare::result::{Point, Results};
use crate::compare::workload::Workload;

/// All tables.
pub(super) fn all(results: &Results) -> String {
    let tables: String = workloads(results).into_iter().map(|name| table(results, name)).collect();
    let note = "The middle of the runs, and below it the lowest and the highest. The best at a place \
                is marked; who did not serve everyone is greyed, and not in the running.";
    if tables.is_empty() { tables } else { section("figures", "All figures", note, &tables) }
}

fn table(results: &Results, name: &str) -> String {
    let workload = Workload::named(name);
    let ours = results.points.iter().filter(|point| point.workload == name);
    let points: Vec<&Point> = ours.collect();
    let has = |figure: &Figure| points.iter().any(|point| figure.spread(point).is_some());
    let columns: Vec<Figure> = Figure::ALL.into_iter().filter(has).collect();
    let heads: String = columns
        .iter()
        .map(|figure| format!("<th scope=\"col\">{}", escape(figure.name())))
        .collect();
    let mut rows = String::new();
    for x in places(results, name) {
        let here: Vec<&Point> = points.iter().copied().filter(|point| point.x == x).collect();
        let best: Vec<Option<f64>> = columns.iter().map(|figure| best(&here, *figure)).collect();
        for (index, point) in here.iter().enumerate() {
            let first = if index == 0 { " class=\"first\"" } else { "" };
            rows.push_str(&format!(
                "<tr{first}><th scope=\"row\">{}<td class=\"model\">{}{}\n",
                escape(&workload.mark(x)),
                escape(&point.model),
                row(point, &columns, &best)
            ));
        }
    }
    format!(
        "<details class=\"card\"><summary><b>{}</b> <span class=\"soft\">{}</span></summary>\n\
         <div class=\"wide\"><table class=\"figures\"><thead><tr><th scope=\"col\">{}\
         <th scope=\"col\">model<th scope=\"col\">runs{heads}</thead>\n<tbody>\n{rows}</tbody></table>\
         </div></details>\n",
        escape(name),
        escape(workload.what),
        escape(workload.axis)
    )
}

fn row(point: &Point, columns: &[Figure], best: &[Option<f64>]) -> String {
    if let Some(why) = &point.refused {
        return format!("<td>0<td class=\"refused\" colspan=\"{}\">{}", columns.len(), escape(why));
    }
    let mut cells = format!("<td>{}", point.runs.len());
    let grey = failing(point).is_some();
    for (figure, best) in columns.iter().zip(best) {
        let Some(spread) = figure.spread(point) else {
            cells.push_str("<td>–");
            continue;
        };
        let show = |value| escape(&figure.unit().show(value));
        let class = match (grey, *best == Some(spread.median)) {
            (true, _) => " class=\"grey\"",
            (false, true) => " class=\"best\"",
            (false, false) => "",
        };
        let interval = spread.interval.map_or(String::new(), |(low, high)| {
            format!(" title=\"median within {} – {}, 95 %\"", show(low), show(high))
        });
        cells.push_str(&format!("<td{class}{interval}>{}", show(spread.median)));
        if spread.low < spread.high {
            cells.push_str(&format!("<i>{}–{}</i>", show(spread.low), show(spread.high)));
        }
    }
    cells
}

/// The best median of a figure among those that serve everyone, if it ranks them at all.
fn best(points: &[&Point], figure: Figure) -> Option<f64> {
    let fit = points.iter().filter(|point| failing(point).is_none());
    let medians: Vec<f64> =
        fit.filter_map(|point| figure.spread(point)).map(|spread| spread.median).collect();
    let best = match figure.better() {
        Better::Higher => medians.iter().copied().reduce(f64::max),
        Better::Lower => medians.iter().copied().reduce(f64::min),
        Better::Neither => None,
    };
    // Where all are the same nobody is the best.
    best.filter(|best| medians.iter().any(|median| median != best))
}
