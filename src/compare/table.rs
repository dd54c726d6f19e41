//! A comparison as text for a terminal: a table for each workload.
//!
//! Called by `readyloop compare` when it is done. As many columns as the width has room for, the
//! most telling first; the best at a place is marked, and losers stay.

use super::charts::{places, workloads};
use super::figure::Figure;
use super::quantity::NOTHING;
use super::rank::{ahead, failing};
use super::result::{Point, Results};
use super::workload::Workload;

/// Columns in their order, each with its rank when there is no room for all.
const COLUMNS: [(Figure, &str, u8); 14] = [
    (Figure::Rate, "req/s", 0),
    (Figure::PerCpu, "req/CPU s", 2),
    (Figure::P50, "p50", 4),
    (Figure::P99, "p99", 1),
    (Figure::P999, "p99.9", 5),
    (Figure::ServiceP999, "uncorr.", 4),
    (Figure::Max, "longest", 10),
    (Figure::Cpu, "CPU/req", 3),
    (Figure::Calls, "calls/req", 7),
    (Figure::Switches, "switch/req", 9),
    (Figure::Memory, "mem/conn", 8),
    (Figure::HandshakeP99, "handshake", 11),
    (Figure::Recovery, "recovers", 4),
    (Figure::Errors, "errors", 6),
];

/// Room of a column, with the space before it.
const COLUMN: usize = 11;

/// Room of the model's name.
const MODEL: usize = 11;

/// The tables, not wider than that many characters (80 at least).
pub fn render(results: &Results, width: usize) -> String {
    let tables = workloads(results).into_iter().map(|name| table(results, name, width.max(80)));
    let tables: Vec<String> = tables.collect();
    tables.join("\n")
}

fn table(results: &Results, name: &str, width: usize) -> String {
    let workload = Workload::named(name);
    let ours = results.points.iter().filter(|point| point.workload == name);
    let points: Vec<&Point> = ours.collect();
    let axis = places(results, name);
    let marks = axis.iter().map(|x| workload.mark(*x).chars().count());
    // The place and its mark, then a space.
    let first = marks.max().unwrap_or(0).max(6) + 1;
    let columns = columns(&points, width.saturating_sub(first + MODEL) / COLUMN);
    let mut text = format!("{name}: {}\n", workload.what);
    let margin = first + MODEL;
    text.push_str(&format!("{:margin$}", ""));
    for (_, title) in &columns {
        text.push_str(&format!("{title:>COLUMN$}"));
    }
    text.push_str(&format!("\n{}\n", workload.axis));
    for x in axis {
        let here: Vec<&Point> = points.iter().copied().filter(|point| point.x == x).collect();
        let ahead: Vec<Vec<String>> =
            columns.iter().map(|(figure, _)| ahead(&here, *figure, &results.machine)).collect();
        for (index, point) in here.iter().enumerate() {
            let mark = if index == 0 { workload.mark(x) } else { String::new() };
            text.push_str(&format!("{mark:>w$} {:MODEL$}", point.model, w = first - 1));
            text.push_str(row(point, &columns, &ahead, width - first - MODEL).trim_end());
            text.push('\n');
        }
    }
    text
}

/// The columns that have figures, as many as there is room for.
fn columns(points: &[&Point], room: usize) -> Vec<(Figure, &'static str)> {
    let has = |figure: Figure| points.iter().any(|point| figure.spread(point).is_some());
    let median = |point: &Point, figure: Figure| figure.spread(point).map(|spread| spread.median);
    let telling = |figure: Figure| match figure {
        Figure::Errors => {
            points.iter().any(|point| figure.spread(point).is_some_and(|spread| spread.high > 0.0))
        }
        // What forgetting the intended start would have hidden, where it would have hidden much.
        Figure::ServiceP999 => points.iter().any(|point| {
            median(point, Figure::P999)
                .zip(median(point, figure))
                .is_some_and(|(corrected, uncorrected)| corrected > 2.0 * uncorrected)
        }),
        _ => true,
    };
    let mut ranked: Vec<_> =
        COLUMNS.into_iter().filter(|(figure, ..)| has(*figure) && telling(*figure)).collect();
    ranked.sort_by_key(|(.., rank)| *rank);
    ranked.truncate(room);
    let kept = |column: &(Figure, &str, u8)| ranked.iter().any(|(figure, ..)| *figure == column.0);
    COLUMNS.into_iter().filter(kept).map(|(figure, title, _)| (figure, title)).collect()
}

fn row(point: &Point, columns: &[(Figure, &str)], ahead: &[Vec<String>], room: usize) -> String {
    if let Some(why) = &point.refused {
        return format!("  {NOTHING} {why}").chars().take(room).collect();
    }
    let mut text = String::new();
    for ((figure, _), ahead) in columns.iter().zip(ahead) {
        let shown = match figure.spread(point) {
            None => format!("{NOTHING} "),
            Some(spread) => {
                let best = ahead.contains(&point.model);
                let mark = if best { '*' } else { ' ' };
                format!("{}{mark}", figure.unit().show(spread.median))
            }
        };
        text.push_str(&format!("{shown:>COLUMN$}"));
    }
    if failing(point).is_some() {
        let after = room.saturating_sub(text.chars().count());
        if let Some(why) = failing(point).filter(|why| why.chars().count() + 2 <= after) {
            text.push_str(&format!("  {why}"));
        }
    }
    text
}

/// What the signs in the tables mean.
pub const LEGEND: &str = "* ahead: the best, or level with it; the figures are the middle of the runs; CPU and calls are the server's";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::{make_up, point};

    #[test]
    fn it_fits_any_terminal() {
        let results = make_up();
        for width in [80, 100, 160] {
            let text = render(&results, width);
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
        assert_eq!(render(&Results::default(), 80), "");
    }

    #[test]
    fn the_best_is_marked_and_losers_stay() {
        let fast = point("keep-alive", 64.0, "a", &[(200, 10), (200, 10), (200, 10)]);
        let slow = point("keep-alive", 64.0, "b", &[(100, 10), (100, 10), (100, 10)]);
        let refused = Point { runs: Vec::new(), refused: Some("too much".into()), ..slow.clone() };
        let results = Results { points: vec![fast, slow, refused], ..Results::default() };
        let text = render(&results, 80);
        let rows: Vec<&str> = text.lines().skip(3).collect();
        assert!(rows[0].contains("200*") && rows[0].contains("64 a"), "{text}");
        assert!(rows[1].contains("100 ") && rows[2].contains("– too much"), "{text}");
    }
}
