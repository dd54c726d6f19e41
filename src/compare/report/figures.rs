//! Every figure of every model at every point, in tables that open.
//!
//! Called by `report`. A column that nobody has a figure in is left out.

use super::section;
use crate::compare::charts::{places, workloads};
use crate::compare::figure::Figure;
use crate::compare::markup::escape;
use crate::compare::rank::{ahead, failing};
use crate::compare::result::{Point, Results};
use crate::compare::workload::Workload;

/// All tables.
pub(super) fn all(results: &Results) -> String {
    let tables: String = workloads(results).into_iter().map(|name| table(results, name)).collect();
    let note = "The middle of the runs, and below it the lowest and the highest. Who is ahead \
                at a place is marked: the best, and those level with it. Who did not serve everyone is greyed, and not ranked.";
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
        let ahead: Vec<Vec<String>> =
            columns.iter().map(|figure| ahead(&here, *figure, &results.machine)).collect();
        for (index, point) in here.iter().enumerate() {
            let first = if index == 0 { " class=\"first\"" } else { "" };
            rows.push_str(&format!(
                "<tr{first}><th scope=\"row\">{}<td class=\"model\">{}{}\n",
                escape(&workload.mark(x)),
                escape(&point.model),
                row(point, &columns, &ahead)
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

fn row(point: &Point, columns: &[Figure], ahead: &[Vec<String>]) -> String {
    if let Some(why) = &point.refused {
        return format!("<td>0<td class=\"refused\" colspan=\"{}\">{}", columns.len(), escape(why));
    }
    let mut cells = format!("<td>{}", point.runs.len());
    let grey = failing(point).is_some();
    for (figure, ahead) in columns.iter().zip(ahead) {
        let Some(spread) = figure.spread(point) else {
            cells.push_str("<td>–");
            continue;
        };
        let show = |value| escape(&figure.unit().show(value));
        let class = match (grey, ahead.contains(&point.model)) {
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
