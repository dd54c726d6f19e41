//! The verdict on made-up comparisons: regions, ties, losers, gaps and doubts.

use super::*;
use crate::compare::result::{Machine, Model};
use crate::compare::tests::{make_up, point};

type Runs = &'static [(u64, u64)];

const MUCH: Runs = &[(140_000, 700_000), (141_000, 700_000), (139_000, 700_000)];
const SOME: Runs = &[(100_000, 700_000), (101_000, 700_000), (99_000, 700_000)];
const LESS: Runs = &[(50_000, 700_000), (51_000, 700_000), (49_000, 700_000)];

fn results(points: Vec<Point>) -> Results {
    let names = ["loop", "threads", "spin"];
    let model = |name: &str| Model { name: name.into(), ..Model::default() };
    let machine = Machine { server_cpus: vec![0], client_cpus: vec![1], ..Machine::default() };
    let models = names.map(model).into();
    Results { complete: true, machine, models, points, ..Results::default() }
}

/// At each place, the runs of `loop` and of `threads`.
fn keep_alive(places: &[(f64, Runs, Runs)]) -> Results {
    let both = places.iter().flat_map(|(x, ours, theirs)| {
        [point("keep-alive", *x, "loop", ours), point("keep-alive", *x, "threads", theirs)]
    });
    results(both.collect())
}

fn said(results: &Results) -> Vec<String> {
    let verdict = judge(results);
    let of = |finding: &&Finding| finding.figure == "requests per CPU second";
    verdict.findings.iter().find(of).map(|finding| finding.sentences.clone()).unwrap_or_default()
}

#[test]
fn neighbouring_places_that_come_out_alike_are_a_region() {
    let results = keep_alive(&[
        (1.0, SOME, SOME),
        (16.0, SOME, SOME),
        (64.0, MUCH, SOME),
        (256.0, MUCH, SOME),
    ]);
    assert_eq!(
        said(&results),
        [
            "Up to 16 connections: no difference among `loop` and `threads`.",
            "From 64 connections on: `loop` serves the most requests per CPU second, 1.40 times \
             [1.40–1.40] as many as the next, `threads`.",
        ]
    );
}

#[test]
fn where_the_loop_loses_is_said_in_the_same_words() {
    let ours = keep_alive(&[(1.0, MUCH, SOME), (4.0, SOME, MUCH)]);
    let theirs = keep_alive(&[(1.0, SOME, MUCH), (4.0, MUCH, SOME)]);
    let swap = |sentence: &String| {
        sentence.replace("loop", "?").replace("threads", "loop").replace('?', "threads")
    };
    assert_eq!(said(&ours), said(&theirs).iter().map(swap).collect::<Vec<_>>());
    assert!(said(&ours)[1].starts_with("At 4 connections: `threads` serves"), "{:?}", said(&ours));
}

#[test]
fn the_last_is_named_and_several_may_lead() {
    let mut results = keep_alive(&[(64.0, MUCH, MUCH)]);
    results.points.push(point("keep-alive", 64.0, "spin", LESS));
    assert_eq!(
        said(&results),
        ["At 64 connections: `loop` and `threads` cannot be told apart; the next, `spin`, is 2.8 \
          times behind [2.8–2.8]."]
    );
    let mut results = keep_alive(&[(64.0, MUCH, SOME)]);
    results.points.push(point("keep-alive", 64.0, "spin", LESS));
    assert!(said(&results)[0].ends_with("`threads`, and 2.8 times as many as the last, `spin`."));
}

#[test]
fn missing_points_are_said() {
    let mut results = keep_alive(&[(64.0, MUCH, SOME), (256.0, MUCH, &[])]);
    results.points[3].refused = Some("no memory".into());
    let verdict = judge(&results);
    let last = verdict.findings.last().expect("findings");
    assert_eq!(last.sentences, ["`threads` was not run at 256 connections: no memory."]);
    assert!(said(&results)[1].contains("only `loop`"));
    let standing = &verdict.standings[1];
    assert_eq!((standing.model.as_str(), standing.ranked, standing.ahead), ("threads", 1, 0));
}

#[test]
fn who_leaves_connections_unserved_is_said_to() {
    let mut results = keep_alive(&[(64.0, MUCH, SOME)]);
    let fairness = crate::measure::Fairness { unserved: 63, ..Default::default() };
    results.points[1].runs.iter_mut().for_each(|run| run.load.fairness = Some(fairness));
    let verdict = judge(&results);
    assert_eq!(
        verdict.findings.last().expect("findings").sentences,
        ["`threads` is not ranked at 64 connections: 63 connections were never served."]
    );
}

#[test]
fn doubts_come_first() {
    let mut results = keep_alive(&[(64.0, MUCH, SOME)]);
    results.complete = false;
    results.machine.client_cpus = vec![0];
    results.machine.cautions = vec!["Clocks were throttled.".into()];
    let verdict = judge(&results);
    assert_eq!(verdict.doubts.len(), 3);
    let rate = verdict.findings.iter().find(|finding| finding.figure == "requests/s");
    assert!(rate.expect("a finding").sentences[0].contains("shared a core"));
    let text = text(&verdict, 60);
    assert!(text.starts_with("! The comparison was interrupted"));
    assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
}

#[test]
fn a_whole_comparison_is_judged() {
    let results = make_up();
    let verdict = judge(&results);
    assert_eq!(verdict.standings.len(), 15 * results.models.len());
    assert!(judge(&Results::default()).findings.is_empty());
}
