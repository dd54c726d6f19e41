//! Two comparisons side by side: what changed from one to the other.
//!
//! Called by `readyloop compare --from BEFORE AFTER`. Points are matched by workload, place and
//! model. The runs of two comparisons were not interleaved, so nothing pairs them: a change is
//! shown only if the runs of one all lie beyond those of the other, and by more than is negligible.

use super::figure::{Better, Figure};
use super::markup::{escape, prose};
use super::quantity::times;
use super::report::{page, section};
use super::result::{Point, Results};
use super::statistics::{ENOUGH, NEGLIGIBLE, Spread};
use super::workload::Workload;

/// What is compared.
const FIGURES: [Figure; 10] = [
    Figure::Rate,
    Figure::PerCpu,
    Figure::P50,
    Figure::P99,
    Figure::P999,
    Figure::Calls,
    Figure::Switches,
    Figure::Memory,
    Figure::HandshakeP99,
    Figure::Recovery,
];

/// One figure of one model at one place, before and after.
#[derive(Clone, Debug, PartialEq)]
struct Change {
    workload: String,
    x: f64,
    model: String,
    figure: Figure,
    before: Spread,
    after: Spread,
}

impl Change {
    /// How many times as much it is.
    fn ratio(&self) -> f64 {
        self.after.median / self.before.median
    }

    /// The least and the most that the runs allow.
    fn range(&self) -> (f64, f64) {
        (self.after.low / self.before.high, self.after.high / self.before.low)
    }

    /// True if it is larger than what runs differ by anyway.
    fn is_shown(&self) -> bool {
        let (low, high) = self.range();
        let enough = self.before.n >= ENOUGH && self.after.n >= ENOUGH;
        enough && (low > 1.0 || high < 1.0) && self.size() > NEGLIGIBLE.ln_1p()
    }

    /// Twice as much is as large a change as half as much.
    fn size(&self) -> f64 {
        self.ratio().ln().abs()
    }

    /// "better" or "worse".
    fn says(&self) -> &'static str {
        match (self.ratio() > 1.0, self.figure.better()) {
            (true, Better::Higher) | (false, Better::Lower) => "better",
            _ => "worse",
        }
    }

    fn place(&self) -> String {
        format!("{}, {}", self.workload, Workload::named(&self.workload).at(self.x))
    }

    fn spread(&self) -> String {
        let (low, high) = self.range();
        format!("[{}–{}]", times(low), times(high))
    }
}

/// All figures that both have, the largest change first.
fn changes(before: &Results, after: &Results) -> Vec<Change> {
    let mut changes = Vec::new();
    for point in &after.points {
        let Some(earlier) = before.points.iter().find(|earlier| same(earlier, point)) else {
            continue;
        };
        for figure in FIGURES {
            let (Some(before), Some(after)) = (figure.spread(earlier), figure.spread(point)) else {
                continue;
            };
            let (workload, model) = (point.workload.clone(), point.model.clone());
            let change = Change { workload, x: point.x, model, figure, before, after };
            if change.size().is_finite() {
                changes.push(change);
            }
        }
    }
    changes.sort_by(|a, b| b.size().total_cmp(&a.size()));
    changes
}

fn same(one: &Point, other: &Point) -> bool {
    one.workload == other.workload && one.model == other.model && one.x == other.x
}

/// What makes the two hard to compare, in sentences.
fn doubts(before: &Results, after: &Results) -> Vec<String> {
    /// What is another thing each time; where it was too much, each result says so itself.
    const PASSING: [&str; 2] = ["load before", "stolen"];
    /// What is of the program; to see what that changes is what one compares for.
    const PROGRAM: [&str; 3] = ["readyloop", "commit", "build"];

    let mut doubts = Vec::new();
    let facts = |results: &Results, name: &str| {
        let found = results.machine.facts.iter().find(|(fact, _)| fact == name);
        found.map_or("unknown".to_string(), |(_, value)| value.clone())
    };
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in before.machine.facts.iter().chain(&after.machine.facts) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    for name in names {
        let (old, new) = (facts(before, name), facts(after, name));
        if old != new && !PASSING.contains(&name) {
            let whose = if PROGRAM.contains(&name) { "programs" } else { "machines" };
            doubts.push(format!("The {whose} differ in {name}: {old}, then {new}."));
        }
    }
    let cpus = |results: &Results| {
        (results.machine.server_cpus.clone(), results.machine.client_cpus.clone())
    };
    if cpus(before) != cpus(after) {
        doubts.push("Server and client had other CPUs.".into());
    }
    for (results, which) in [(before, "first"), (after, "second")] {
        if !results.complete {
            doubts.push(format!("The {which} was interrupted."));
        }
    }
    let lone = |these: &Results, those: &Results| {
        let alone = |point: &&Point| !those.points.iter().any(|other| same(point, other));
        these.points.iter().filter(alone).count()
    };
    let (gone, new) = (lone(before, after), lone(after, before));
    if gone + new > 0 {
        doubts.push(format!("{gone} points are only in the first, {new} only in the second."));
    }
    doubts
}

/// The changes as text for a terminal, not wider than that many characters (80 at least).
pub fn table(before: &Results, after: &Results, width: usize) -> String {
    let width = width.max(80);
    let mut text = String::new();
    for doubt in doubts(before, after) {
        text.push_str(&format!("! {doubt}\n"));
    }
    let changes = changes(before, after);
    let (shown, equal): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|change| change.is_shown());
    for change in &shown {
        let figure = change.figure.unit();
        let what = format!("{} {}: {}", change.place(), change.model, change.figure.name());
        let figures =
            format!("{} → {}", figure.show(change.before.median), figure.show(change.after.median));
        let ratio = format!("×{} {}", times(change.ratio()), change.spread());
        let room = width - 2 - 21 - 20 - 7;
        let what: String = what.chars().take(room).collect();
        text.push_str(&format!("{what:room$} {figures:>21} {ratio:>20} {}\n", change.says()));
    }
    text.push_str(&summary(shown.len(), equal.len()));
    text.push('\n');
    text
}

fn summary(shown: usize, equal: usize) -> String {
    format!("{shown} figures changed by more than their runs differ, {equal} did not.")
}

/// The changes as a page.
pub fn render(before: &Results, after: &Results) -> String {
    let changes = changes(before, after);
    let (shown, equal): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|change| change.is_shown());
    let doubts = doubts(before, after);
    let mut main = String::new();
    if !doubts.is_empty() {
        let items: String =
            doubts.iter().map(|doubt| format!("<li>{}</li>", prose(doubt))).collect();
        main.push_str(&format!(
            "<aside class=\"doubts\"><h2>What makes them hard to compare</h2><ul>{items}</ul></aside>\n"
        ));
    }
    let body = if shown.is_empty() { String::new() } else { rows(&shown) };
    let note = "The largest change first. One is shown if the runs of one comparison all lie beyond \
                those of the other, and by more than 3 %; in brackets is the least and the most that \
                the runs allow.";
    main.push_str(&section("changes", &summary(shown.len(), equal.len()), note, &body));
    let all =
        format!("<details class=\"card\"><summary>All of them</summary>{}</details>", rows(&equal));
    main.push_str(&section("equal", "What did not change", "", &all));
    let lead = format!("Begun {}, and {}.", before.taken, after.taken);
    page("Two comparisons side by side", &lead, &main)
}

fn rows(changes: &[&Change]) -> String {
    let mut rows = String::new();
    for change in changes {
        let show = |value| escape(&change.figure.unit().show(value));
        let cell = |spread: &Spread| {
            format!("<td>{}<i>{}–{}</i>", show(spread.median), show(spread.low), show(spread.high))
        };
        let says = if change.is_shown() { change.says() } else { "" };
        rows.push_str(&format!(
            "<tr class=\"first\"><td>{}<td><code>{}</code><td>{}{}{}<td class=\"{says}\">× {}<i>{}</i><td>{says}\n",
            escape(&change.place()),
            escape(&change.model),
            escape(change.figure.name()),
            cell(&change.before),
            cell(&change.after),
            times(change.ratio()),
            change.spread()
        ));
    }
    format!(
        "<div class=\"wide\"><table class=\"figures\"><thead><tr><th scope=\"col\">where\
         <th scope=\"col\">model<th scope=\"col\">figure<th scope=\"col\">before<th scope=\"col\">after\
         <th scope=\"col\">ratio<th scope=\"col\"></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::{make_up, point};

    fn of(model: &str, runs: &[(u64, u64)]) -> Results {
        let points = vec![point("keep-alive", 64.0, model, runs)];
        Results { complete: true, points, ..Results::default() }
    }

    const SOME: &[(u64, u64)] = &[(100, 10), (101, 10), (99, 10)];
    const MORE: &[(u64, u64)] = &[(150, 10), (151, 10), (149, 10)];
    const WIDE: &[(u64, u64)] = &[(150, 10), (151, 10), (95, 10)];

    #[test]
    fn a_change_is_one_only_beyond_the_runs() {
        let shown = |after| {
            let changes = changes(&of("a", SOME), &of("a", after));
            changes.iter().filter(|change| change.is_shown()).count()
        };
        assert_eq!(shown(MORE), 4, "rate, per CPU, p50, p99");
        assert_eq!((shown(WIDE), shown(SOME), shown(&MORE[..2])), (0, 0, 0));
    }

    #[test]
    fn better_and_worse_are_as_the_figure_has_it() {
        let changes = changes(&of("a", SOME), &of("a", MORE));
        let says = |figure| changes.iter().find(|change| change.figure == figure).map(Change::says);
        assert_eq!((says(Figure::Rate), says(Figure::P99)), (Some("better"), Some("better")));
        let text = table(&of("a", MORE), &of("a", SOME), 100);
        assert!(text.contains("worse") && !text.contains("better"), "{text}");
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        let (mut before, after) = (of("a", SOME), of("b", SOME));
        before.machine.facts = vec![("kernel".into(), "one".into())];
        before.complete = false;
        let text = table(&before, &after, 80);
        assert!(text.contains("differ in kernel: one, then unknown"));
        assert!(
            text.contains("The first was interrupted") && text.contains("1 only in the second")
        );
    }

    #[test]
    fn the_largest_change_comes_first_and_nothing_is_too_wide() {
        let before = make_up();
        let mut after = make_up();
        for run in after.points.iter_mut().flat_map(|point| &mut point.runs) {
            run.load.answered = run.load.answered * 3 / 4;
            run.load.ticks.iter_mut().for_each(|tick| tick.answered = tick.answered * 3 / 4);
        }
        let changes = changes(&before, &after);
        assert!(changes.windows(2).all(|pair| pair[0].size() >= pair[1].size()));
        for width in [80, 120] {
            let text = table(&before, &after, width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        }
        assert!(render(&before, &after).contains("<section id=\"changes\">"));
    }
}
