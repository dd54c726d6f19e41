//! Who is ahead at one place of a workload, by one rule for all models.
//!
//! Called by `verdict`, which joins neighbouring places and says it in words. The rule: the model
//! with the best median is the best; another is behind it only if it is so in every pair of runs and
//! by more than is negligible, otherwise it is level. Who did not serve everyone is not ranked, and
//! where the client was the bottleneck nothing is said of what the client bounds.

use std::collections::BTreeSet;

use super::figure::{Better, Figure};
use super::result::{Machine, Point, Run};
use super::statistics::{Ratio, Shown, Spread};
use super::workload::Workload;

/// More failed requests than this share, and a model does not serve the load.
const FAILING: f64 = 0.01;

/// A client that computes for more than this share of the window has no time left.
const BUSY: f64 = 0.9;

/// How far a model is behind the best.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Behind {
    pub(super) model: String,
    /// How many times, and its spread from run to run.
    pub(super) times: Spread,
}

/// What is shown at a place.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rank {
    /// Some are ahead of others, or all are level.
    Ranked {
        /// The one with the best median.
        best: String,
        /// Those that cannot be told from it.
        level: Vec<String>,
        /// Those behind, the nearest first.
        behind: Vec<Behind>,
        /// Those whose client was too busy for a judgement.
        unclear: Vec<String>,
        /// True if the best might be better still: its client was the bottleneck.
        at_least: bool,
    },
    /// One model alone has the figure.
    Alone(String),
    /// Too few runs to tell.
    TooFew,
    /// The client was the bottleneck for all.
    Client,
    /// Server and client had the same core.
    OneCore,
}

/// Ranks the models of one place by one figure; none if nobody has it.
pub(super) fn rank(points: &[&Point], figure: Figure, machine: &Machine) -> Option<Rank> {
    let fit = points.iter().filter(|point| failing(point).is_none());
    let mut fit: Vec<(&Point, Spread)> =
        fit.filter_map(|point| Some((*point, figure.spread(point)?))).collect();
    let higher = match figure.better() {
        Better::Higher => true,
        Better::Lower => false,
        Better::Neither => return None,
    };
    fit.sort_by(|(_, a), (_, b)| match higher {
        true => b.median.total_cmp(&a.median),
        false => a.median.total_cmp(&b.median),
    });
    let ((best, _), others) = fit.split_first()?;
    if others.is_empty() {
        return Some(Rank::Alone(best.model.clone()));
    }
    let bounded = figure.needs_a_free_client();
    if bounded && shares_a_core(machine) {
        return Some(Rank::OneCore);
    }
    let busy = |point: &Point| bounded && is_client_bound(point);
    let at_least = busy(best);
    if at_least && others.iter().all(|(point, _)| busy(point)) {
        return Some(Rank::Client);
    }
    let (mut level, mut behind, mut unclear) = (Vec::new(), Vec::new(), Vec::new());
    let mut few = true;
    for (point, _) in others {
        let ratio = match higher {
            true => paired(best, point, figure),
            false => paired(point, best, figure),
        };
        let Some(ratio) = ratio else { continue };
        let model = point.model.clone();
        few &= ratio.shows() == Shown::TooFew;
        match ratio.shows() {
            _ if busy(point) => unclear.push(model),
            Shown::More => behind.push(Behind { model, times: ratio.0 }),
            Shown::Less | Shown::Nothing => level.push(model),
            Shown::TooFew => unclear.push(model),
        }
    }
    if few {
        return Some(Rank::TooFew);
    }
    behind.sort_by(|a, b| a.times.median.total_cmp(&b.times.median));
    Some(Rank::Ranked { best: best.model.clone(), level, behind, unclear, at_least })
}

/// Who is ahead at a place: the best and those level with it, if somebody is behind them.
pub(super) fn ahead(points: &[&Point], figure: Figure, machine: &Machine) -> Vec<String> {
    match rank(points, figure, machine) {
        Some(Rank::Ranked { best, mut level, behind, .. }) if !behind.is_empty() => {
            level.push(best);
            level
        }
        _ => Vec::new(),
    }
}

/// Runs of the same round, if all tell theirs: where one has failed, the following ones are not of
/// the same place in the list.
fn paired(these: &Point, those: &Point, figure: Figure) -> Option<Ratio> {
    let of = |run: &Run| figure.of(run);
    let these_runs: Vec<_> = these.runs.iter().map(of).collect();
    let tells = |point: &Point| {
        let rounds: BTreeSet<u32> = point.runs.iter().map(|run| run.round).collect();
        rounds.len() == point.runs.len()
    };
    let those_runs: Vec<_> = if tells(these) && tells(those) {
        let same = |this: &Run| those.runs.iter().find(|that| that.round == this.round);
        these.runs.iter().map(|run| same(run).and_then(of)).collect()
    } else {
        those.runs.iter().map(of).collect()
    };
    Ratio::paired(&these_runs, &those_runs)
}

/// Why a model does not serve the load of a point, if it does not.
pub(super) fn failing(point: &Point) -> Option<String> {
    // Where more is offered than can be done, somebody has to go without.
    if Workload::named(&point.workload).overloads() {
        return None;
    }
    if let Some(unserved) = Figure::Unserved.spread(point).filter(|spread| spread.median > 0.0) {
        return Some(format!("{:.0} connections were never served", unserved.median));
    }
    // Some worked for those alone whom they had let in, and had the less to do.
    let unready = Spread::of(point.runs.iter().map(|run| run.load.unready as f64));
    if let Some(unready) = unready.filter(|spread| spread.median > 0.0) {
        let many = unready.median.ceil();
        return Some(format!("{many} connections had not been answered when the window began"));
    }
    let errors = Figure::Errors.spread(point).filter(|spread| spread.median > FAILING)?;
    Some(format!("{:.0} % of the requests failed", (errors.median * 100.0).max(1.0)))
}

/// True if server and client were on the same core.
pub(super) fn shares_a_core(machine: &Machine) -> bool {
    machine.server_cpus.iter().any(|cpu| machine.client_cpus.contains(cpu))
}

/// True if the client was the bottleneck in most runs: it computed nearly all the time, or it sent
/// what was due later than answers took. It is one thread, however many CPUs it may choose from.
pub(super) fn is_client_bound(point: &Point) -> bool {
    let bound = |run: &&Run| {
        let client = &run.load.client;
        let share = (client.user_us + client.system_us) as f64 / 1e6 / run.load.seconds;
        let busy = !client.spins && share.is_finite() && share > BUSY;
        let late = &run.load.late;
        let latency = &run.load.latency;
        busy || (late.count > 0 && latency.count > 0 && late.p99 > latency.p50)
    };
    point.runs.iter().filter(bound).count() * 2 > point.runs.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::point;

    fn machine() -> Machine {
        Machine { server_cpus: vec![0], client_cpus: vec![1], ..Machine::default() }
    }

    fn ranked(points: &[Point], figure: Figure) -> Option<Rank> {
        rank(&points.iter().collect::<Vec<_>>(), figure, &machine())
    }

    const FAST: &[(u64, u64)] = &[(200_000, 900_000), (201_000, 901_000), (199_000, 899_000)];
    const SLOW: &[(u64, u64)] = &[(100_000, 900_000), (101_000, 901_000), (102_000, 899_000)];
    const WIDE: &[(u64, u64)] = &[(210_000, 900_000), (195_000, 901_000), (190_000, 899_000)];

    fn names(rank: Option<Rank>) -> (String, Vec<String>, Vec<String>) {
        match rank {
            Some(Rank::Ranked { best, level, behind, .. }) => {
                (best, level, behind.into_iter().map(|behind| behind.model).collect())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_rule_knows_no_names() {
        for (fast, slow) in [("loop", "threads"), ("threads", "loop")] {
            let points = [point("w", 1.0, slow, SLOW), point("w", 1.0, fast, FAST)];
            let (best, level, behind) = names(ranked(&points, Figure::PerCpu));
            assert_eq!((best.as_str(), level.len()), (fast, 0));
            assert_eq!(behind, [slow]);
        }
    }

    #[test]
    fn within_the_spread_is_level() {
        let points = [point("w", 1.0, "a", FAST), point("w", 1.0, "b", WIDE)];
        let (best, level, behind) = names(ranked(&points, Figure::Rate));
        assert_eq!((best.as_str(), behind.len()), ("a", 0));
        assert_eq!(level, ["b"]);
        let two = points.iter().collect::<Vec<_>>();
        assert!(ahead(&two, Figure::Rate, &machine()).is_empty(), "nobody is behind");
        let last = point("w", 1.0, "c", SLOW);
        assert_eq!(ahead(&[two[0], two[1], &last], Figure::Rate, &machine()), ["b", "a"]);
    }

    #[test]
    fn too_few_runs_and_missing_models() {
        let points = [point("w", 1.0, "a", &FAST[..2]), point("w", 1.0, "b", &SLOW[..2])];
        assert_eq!(ranked(&points, Figure::Rate), Some(Rank::TooFew));
        let points = [point("w", 1.0, "a", FAST), point("w", 1.0, "b", &[])];
        assert_eq!(ranked(&points, Figure::Rate), Some(Rank::Alone("a".into())));
        assert_eq!(ranked(&[point("w", 1.0, "a", &[])], Figure::Rate), None);
    }

    #[test]
    fn who_does_not_serve_everyone_is_not_ranked() {
        let mut broken = point("w", 1.0, "broken", FAST);
        broken.runs.iter_mut().for_each(|run| run.load.errors.timed_out = 30_000);
        let points = [broken, point("w", 1.0, "a", SLOW), point("w", 1.0, "b", SLOW)];
        let (_, level, behind) = names(ranked(&points, Figure::Rate));
        assert_eq!((level.len(), behind.len()), (1, 0));
        assert_eq!(failing(&points[0]).as_deref(), Some("13 % of the requests failed"));

        let mut closed = point("w", 1.0, "closed", FAST);
        closed.runs.iter_mut().for_each(|run| run.load.unready = 40);
        let points = [closed, point("w", 1.0, "a", SLOW), point("w", 1.0, "b", SLOW)];
        let (_, level, behind) = names(ranked(&points, Figure::Rate));
        assert_eq!((level.len(), behind.len()), (1, 0));
        let says = "40 connections had not been answered when the window began";
        assert_eq!(failing(&points[0]).as_deref(), Some(says));
        assert_eq!(failing(&points[1]), None);
    }

    #[test]
    fn a_busy_client_forbids_claims_of_what_it_bounds() {
        let mut fast = point("w", 1.0, "fast", FAST);
        let mut slow = point("w", 1.0, "slow", SLOW);
        fast.runs.iter_mut().for_each(|run| run.load.client.user_us = 950_000);
        let points = [fast.clone(), slow.clone()];
        let Some(Rank::Ranked { at_least, .. }) = ranked(&points, Figure::Rate) else {
            panic!("ranked: the slow one was not bound by its client");
        };
        assert!(at_least);
        slow.runs.iter_mut().for_each(|run| run.load.client.user_us = 950_000);
        let points = [fast, slow];
        assert_eq!(ranked(&points, Figure::Rate), Some(Rank::Client));
        assert_eq!(names(ranked(&points, Figure::PerCpu)).0, "fast", "its CPU is its own");
    }

    #[test]
    fn a_client_is_one_thread_however_many_cpus_it_has() {
        let mut points = [point("w", 1.0, "a", FAST), point("w", 1.0, "b", SLOW)];
        for run in points.iter_mut().flat_map(|point| &mut point.runs) {
            run.load.client.user_us = 950_000;
        }
        let machine = Machine { client_cpus: vec![1, 2, 3], ..machine() };
        let points: Vec<&Point> = points.iter().collect();
        assert_eq!(rank(&points, Figure::Rate, &machine), Some(Rank::Client));
    }

    #[test]
    fn who_recovers_at_once_is_ahead_of_who_never_does() {
        use crate::compare::recovery::recovery_ms;
        use crate::measure::Tick;
        use std::time::Duration;

        let ticks = |latencies: [u64; 8]| {
            let tick = |(place, latency_max)| Tick {
                at_ms: f64::from(place) * 10.0,
                latency_max,
                ..Tick::default()
            };
            (0_u32..).zip(latencies).map(tick).collect::<Vec<_>>()
        };
        let times = (Duration::from_millis(30), Duration::from_millis(40));
        let of = |model: &str, latencies| {
            let mut point = point("stall", 1.0, model, FAST);
            for run in &mut point.runs {
                run.recovery_ms = recovery_ms(&ticks(latencies), times);
            }
            point
        };
        let never = of("never", [5, 5, 5, 90, 90, 90, 90, 90]);
        let points = [of("once", [5, 5, 5, 90, 5, 5, 5, 5]), never];
        let (best, level, behind) = names(ranked(&points, Figure::Recovery));
        assert_eq!((best.as_str(), level.len()), ("once", 0));
        assert_eq!(behind, ["never"]);
    }

    #[test]
    fn runs_of_one_round_are_a_pair_also_after_one_has_failed() {
        // The machine was slower from round to round, for both.
        let weather = [400_000, 300_000, 200_000, 100_000].map(|rate| (rate, 900_000));
        let half = weather.map(|(rate, cpu)| (rate / 2, cpu));
        let mut points = [point("w", 1.0, "a", &weather), point("w", 1.0, "b", &half)];
        for point in &mut points {
            (0..).zip(&mut point.runs).for_each(|(round, run)| run.round = round);
        }
        points[1].runs.remove(0);
        let Some(Rank::Ranked { behind, .. }) = ranked(&points, Figure::Rate) else {
            panic!("three pairs are enough");
        };
        let times = behind.first().map(|behind| (behind.times.low, behind.times.high));
        assert_eq!(times, Some((2.0, 2.0)));
    }

    #[test]
    fn one_core_for_both_shows_no_rate() {
        let points = [point("w", 1.0, "a", FAST), point("w", 1.0, "b", SLOW)];
        let points: Vec<&Point> = points.iter().collect();
        let one = Machine { server_cpus: vec![0], client_cpus: vec![0], ..Machine::default() };
        assert_eq!(rank(&points, Figure::P99, &one), Some(Rank::OneCore));
        assert!(matches!(rank(&points, Figure::PerCpu, &one), Some(Rank::Ranked { .. })));
    }
}
