//! What can be read from a run: each figure's name, unit, and which way is better.
//!
//! Called by tables, plots, verdicts and differences, so that all of them speak of the same thing.
//! A figure that a run does not have is `None`, never zero. Rates and costs are of the answers that
//! arrived in the window; latency and errors are of the requests that were meant for it.

use super::quantity::Unit;
use super::result::{Point, Run};
use super::statistics::Spread;
use crate::measure::Sample;

/// One figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    Rate,
    Kept,
    PerCpu,
    Errors,
    P50,
    P90,
    P99,
    P999,
    Max,
    ServiceP999,
    Cpu,
    UserCpu,
    SystemCpu,
    ClientCpu,
    Calls,
    Traced,
    Polls,
    Blocked,
    Switches,
    Voluntary,
    Involuntary,
    RunDelay,
    Memory,
    Kernel,
    Slabs,
    Threads,
    Descriptors,
    ConnectP50,
    ConnectP99,
    HandshakeP99,
    Overflows,
    Jain,
    Unserved,
    Uneven,
    Events,
    TurnP50,
    TurnP99,
    TurnMax,
    BudgetStops,
    TimerP99,
    Recovery,
}

/// Which way of a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Better {
    Higher,
    Lower,
    /// It explains, it does not rank.
    Neither,
}

/// Memory that a few connections seem to need is that of code that ran for the first time.
const MANY: u64 = 64;

/// Samples whose distance differs from the window by more than this share of it are of another time.
const ASTRAY: f64 = 0.1;

impl Figure {
    /// All, in the order in which they are shown.
    pub(super) const ALL: [Self; 41] = [
        Self::Rate,
        Self::Kept,
        Self::PerCpu,
        Self::Errors,
        Self::P50,
        Self::P90,
        Self::P99,
        Self::P999,
        Self::Max,
        Self::ServiceP999,
        Self::Cpu,
        Self::UserCpu,
        Self::SystemCpu,
        Self::ClientCpu,
        Self::Calls,
        Self::Traced,
        Self::Polls,
        Self::Blocked,
        Self::Switches,
        Self::Voluntary,
        Self::Involuntary,
        Self::RunDelay,
        Self::Memory,
        Self::Kernel,
        Self::Slabs,
        Self::Threads,
        Self::Descriptors,
        Self::ConnectP50,
        Self::ConnectP99,
        Self::HandshakeP99,
        Self::Overflows,
        Self::Jain,
        Self::Unserved,
        Self::Uneven,
        Self::Events,
        Self::TurnP50,
        Self::TurnP99,
        Self::TurnMax,
        Self::BudgetStops,
        Self::TimerP99,
        Self::Recovery,
    ];

    /// Its name, its unit and which way is better.
    fn facts(self) -> (&'static str, Unit, Better) {
        use Better::{Higher, Lower, Neither};
        use Unit::{Bytes, Count, Nanoseconds, PerSecond, Share};
        match self {
            Self::Rate => ("requests/s", PerSecond, Higher),
            Self::Kept => ("answered of offered", Share, Higher),
            Self::PerCpu => ("requests per CPU second", PerSecond, Higher),
            Self::Errors => ("errors", Share, Lower),
            Self::P50 => ("p50", Nanoseconds, Lower),
            Self::P90 => ("p90", Nanoseconds, Lower),
            Self::P99 => ("p99", Nanoseconds, Lower),
            Self::P999 => ("p99.9", Nanoseconds, Lower),
            Self::Max => ("longest", Nanoseconds, Lower),
            Self::ServiceP999 => ("p99.9 uncorrected", Nanoseconds, Neither),
            Self::Cpu => ("CPU/request", Nanoseconds, Lower),
            Self::UserCpu => ("CPU/request, user", Nanoseconds, Lower),
            Self::SystemCpu => ("CPU/request, system", Nanoseconds, Lower),
            Self::ClientCpu => ("client's CPU/request", Nanoseconds, Neither),
            Self::Calls => ("system calls/request", Count, Lower),
            Self::Traced => ("system calls/request, traced", Count, Lower),
            Self::Polls => ("polls/request", Count, Neither),
            Self::Blocked => ("would-blocks/request", Count, Neither),
            Self::Switches => ("context switches/request", Count, Lower),
            Self::Voluntary => ("voluntary switches/request", Count, Lower),
            Self::Involuntary => ("involuntary switches/request", Count, Lower),
            Self::RunDelay => ("run-queue delay/request", Nanoseconds, Lower),
            Self::Memory => ("memory/connection", Bytes, Lower),
            Self::Kernel => ("kernel's queued bytes/connection, both ends", Bytes, Neither),
            Self::Slabs => ("kernel's own memory/connection, both ends", Bytes, Neither),
            Self::Threads => ("threads", Count, Neither),
            Self::Descriptors => ("descriptors", Count, Neither),
            Self::ConnectP50 => ("connect, p50", Nanoseconds, Lower),
            Self::ConnectP99 => ("connect, p99", Nanoseconds, Lower),
            Self::HandshakeP99 => ("TLS handshake, p99", Nanoseconds, Lower),
            Self::Overflows => ("accept overflows", Count, Lower),
            Self::Jain => ("Jain's index", Count, Higher),
            Self::Unserved => ("connections never served", Count, Lower),
            Self::Uneven => ("slowest connection's p99 ÷ middle one's", Count, Lower),
            Self::Events => ("events/turn", Count, Neither),
            Self::TurnP50 => ("turn, p50", Nanoseconds, Neither),
            Self::TurnP99 => ("turn, p99", Nanoseconds, Lower),
            Self::TurnMax => ("turn, longest", Nanoseconds, Lower),
            Self::BudgetStops => ("budget stops/1,000 turns", Count, Neither),
            Self::TimerP99 => ("timers late by, p99", Nanoseconds, Lower),
            Self::Recovery => ("time to recover", Nanoseconds, Lower),
        }
    }

    /// What it is called.
    pub(super) fn name(self) -> &'static str {
        self.facts().0
    }

    /// What it counts in.
    pub(super) fn unit(self) -> Unit {
        self.facts().1
    }

    /// Which way is better.
    pub(super) fn better(self) -> Better {
        self.facts().2
    }

    /// True if it cannot be better than the client allows. What the server spends on a request can.
    pub(super) fn needs_a_free_client(self) -> bool {
        matches!(
            self,
            Self::Rate | Self::Kept | Self::P50 | Self::P90 | Self::P99 | Self::P999 | Self::Max
        )
    }

    /// Its value in a run, if the run has it.
    pub(super) fn of(self, run: &Run) -> Option<f64> {
        self.of_load(run)
            .or_else(|| self.of_use(run))
            .or_else(|| self.of_turns(run))
            .filter(|value| value.is_finite())
    }

    /// Those of the client.
    fn of_load(self, run: &Run) -> Option<f64> {
        let load = &run.load;
        let of = |spectrum: &crate::measure::Spectrum, value: u64| {
            (spectrum.count > 0).then_some(value as f64)
        };
        match self {
            Self::Rate => (load.seconds > 0.0).then(|| run.arrived() as f64 / load.seconds),
            // Answers to what was asked before the window can make it a little more than all.
            Self::Kept => {
                (load.offered > 0).then(|| (run.arrived() as f64 / load.offered as f64).min(1.0))
            }
            Self::Errors => {
                let all = load.answered + load.errors.total();
                (all > 0).then(|| load.errors.total() as f64 / all as f64)
            }
            Self::P50 => of(&load.latency, load.latency.p50),
            Self::P90 => of(&load.latency, load.latency.p90),
            Self::P99 => of(&load.latency, load.latency.p99),
            Self::P999 => of(&load.latency, load.latency.p999),
            Self::Max => of(&load.latency, load.latency.max),
            Self::ServiceP999 => of(&load.service, load.service.p999),
            Self::ConnectP50 => of(&load.connect, load.connect.p50),
            Self::ConnectP99 => of(&load.connect, load.connect.p99),
            Self::HandshakeP99 => of(&load.handshake, load.handshake.p99),
            Self::ClientCpu if load.client.spins => None,
            Self::ClientCpu => {
                each(run, ((load.client.user_us + load.client.system_us) * 1000) as f64)
            }
            Self::Jain => load.fairness.map(|fairness| fairness.jain),
            Self::Unserved => load.fairness.map(|fairness| fairness.unserved as f64),
            Self::Uneven => load
                .fairness
                .filter(|fairness| fairness.p99_median > 0)
                .map(|fairness| fairness.p99_max as f64 / fairness.p99_median as f64),
            _ => None,
        }
    }

    /// Those of the server's process and of the kernel.
    fn of_use(self, run: &Run) -> Option<f64> {
        let spent = |of: fn(&Sample) -> u64| of(&run.after).saturating_sub(of(&run.before));
        let user = spent(|sample| sample.user_us);
        let system = spent(|sample| sample.system_us);
        let voluntary = spent(|sample| sample.voluntary);
        let involuntary = spent(|sample| sample.involuntary);
        let calls = || Some((run.after.calls?, run.before.calls?));
        let per_answer = |total: u64| each(run, total as f64 * share(run)?);
        let open = run.after.connections.max(run.before.connections);
        let per_connection = |bytes: f64| (open >= MANY).then(|| bytes / open as f64);
        match self {
            Self::PerCpu => (user + system > 0 && run.arrived() > 0)
                .then(|| Some(run.arrived() as f64 * 1e6 / (user + system) as f64 / share(run)?))
                .flatten(),
            Self::Cpu => per_answer((user + system) * 1000),
            Self::UserCpu => per_answer(user * 1000),
            Self::SystemCpu => per_answer(system * 1000),
            Self::Switches => per_answer(voluntary + involuntary),
            Self::Voluntary => per_answer(voluntary),
            Self::Involuntary => per_answer(involuntary),
            Self::Calls => {
                calls().and_then(|(a, b)| per_answer(a.total().saturating_sub(b.total())))
            }
            Self::Polls => calls().and_then(|(a, b)| per_answer(a.polls.saturating_sub(b.polls))),
            Self::Blocked => {
                calls().and_then(|(a, b)| per_answer(a.would_blocks.saturating_sub(b.would_blocks)))
            }
            Self::Traced => run.traced_calls,
            // Threads that ended take theirs along, and where connections come they may.
            Self::RunDelay => {
                let accepts = |sample: &Sample| sample.calls.map(|calls| calls.accepts);
                (accepts(&run.before) == accepts(&run.after)).then_some(())?;
                per_answer(run.after.run_delay_ns?.saturating_sub(run.before.run_delay_ns?))
            }
            Self::Memory => per_connection(
                (run.after.resident_kb as f64 - run.idle.resident_kb as f64) * 1024.0,
            ),
            Self::Kernel => per_connection(run.kernel_bytes? as f64),
            Self::Slabs => per_connection(run.slab_bytes? as f64),
            Self::Threads => Some(run.after.threads as f64).filter(|threads| *threads > 0.0),
            Self::Descriptors => Some(run.after.descriptors as f64).filter(|open| *open > 0.0),
            Self::Overflows => Some(run.accept_overflows as f64),
            Self::Recovery => run.recovery_ms.map(|ms| ms * 1e6),
            _ => None,
        }
    }

    /// Those of loops.
    fn of_turns(self, run: &Run) -> Option<f64> {
        let (after, before) = (run.after.turns.as_ref()?, run.before.turns.as_ref()?);
        let turns = after.count.saturating_sub(before.count);
        let per_turn =
            |total: u64, thousand: f64| (turns > 0).then(|| total as f64 * thousand / turns as f64);
        let busy = || counted(&after.busy, &before.busy);
        match self {
            Self::Events => per_turn(after.events.saturating_sub(before.events), 1.0),
            Self::BudgetStops => {
                per_turn(after.budget_stops.saturating_sub(before.budget_stops), 1000.0)
            }
            Self::TurnP50 => below(&busy(), 0.5),
            Self::TurnP99 => below(&busy(), 0.99),
            Self::TurnMax => below(&busy(), 1.0),
            Self::TimerP99 => below(&counted(&after.late, &before.late), 0.99),
            _ => None,
        }
    }

    /// Its middle and spread over the runs of a point.
    pub(super) fn spread(self, point: &Point) -> Option<Spread> {
        Spread::of(point.runs.iter().filter_map(|run| self.of(run)))
    }
}

fn each(run: &Run, total: f64) -> Option<f64> {
    (run.arrived() > 0).then(|| total / run.arrived() as f64)
}

/// How much of what was spent between the two samples was spent in the window, if the samples are
/// of the window at all. A server that is busy answers the question for a sample late.
fn share(run: &Run) -> Option<f64> {
    let micros = run.after.at_us.saturating_sub(run.before.at_us);
    if micros == 0 {
        // Results of before samples had a time.
        return Some(1.0);
    }
    let share = run.load.seconds * 1e6 / micros as f64;
    (1.0 / share - 1.0).abs().le(&ASTRAY).then_some(share)
}

/// What was counted in the window, by powers of two.
fn counted(after: &[u64], before: &[u64]) -> Vec<u64> {
    let earlier = before.iter().copied().chain(std::iter::repeat(0));
    after.iter().zip(earlier).map(|(after, before)| after.saturating_sub(before)).collect()
}

/// The power of two below which a share of all that was counted lies, ns.
fn below(counts: &[u64], share: f64) -> Option<f64> {
    let all: u64 = counts.iter().sum();
    let wanted = (all as f64 * share).ceil().max(1.0);
    let mut seen = 0;
    counts.iter().enumerate().find_map(|(power, count)| {
        seen += count;
        (seen as f64 >= wanted).then(|| 2_f64.powi(i32::try_from(power).unwrap_or(i32::MAX)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Calls, Fairness, Tick, Turns};

    fn run() -> Run {
        let mut run = Run::default();
        run.load.answered = 1_000;
        run.load.seconds = 2.0;
        run.load.errors.closed = 250;
        run.after.user_us = 3_000;
        run.before.user_us = 1_000;
        run.after.system_us = 3_000;
        run
    }

    #[test]
    fn figures_are_of_the_window_and_of_answered_requests() {
        let run = run();
        assert_eq!(Figure::Rate.of(&run), Some(500.0));
        assert_eq!(Figure::PerCpu.of(&run), Some(200_000.0));
        assert_eq!(Figure::Cpu.of(&run), Some(5_000.0));
        assert_eq!(Figure::UserCpu.of(&run), Some(2_000.0));
        assert_eq!(Figure::Errors.of(&run), Some(0.2));
    }

    #[test]
    fn what_arrived_in_the_window_is_what_the_cost_is_divided_by() {
        let mut run = run();
        // A backlog of before the window was answered in it, and its own remained.
        run.load.answered = 10;
        run.load.offered = 4_000;
        run.load.ticks = vec![Tick { answered: 600, ..Tick::default() }; 2];
        assert_eq!(Figure::Rate.of(&run), Some(600.0));
        assert_eq!(Figure::Kept.of(&run), Some(0.3));
        assert_eq!(Figure::PerCpu.of(&run), Some(240_000.0));
        assert_eq!(Figure::Cpu.of(&run), Some(5_000_000.0 / 1_200.0));
        run.load.client.user_us = 12;
        assert_eq!(Figure::ClientCpu.of(&run), Some(10.0));
    }

    #[test]
    fn costs_are_of_the_window_or_not_told() {
        let mut run = run();
        run.before.at_us = 500_000;
        // Two seconds of window, but 2.1 between the samples.
        run.after.at_us = 2_600_000;
        run.after.user_us += 5_000 / 20;
        assert_eq!(Figure::Cpu.of(&run), Some(5_000.0));
        assert_eq!(Figure::PerCpu.of(&run).map(f64::round), Some(200_000.0));
        for late in [2_800_000, 2_200_000] {
            run.after.at_us = late;
            for figure in [Figure::Cpu, Figure::PerCpu, Figure::Switches, Figure::Voluntary] {
                assert_eq!(figure.of(&run), None, "{figure:?}");
            }
            assert_eq!(Figure::Rate.of(&run), Some(500.0), "it is the client's");
        }
    }

    #[test]
    fn what_a_run_lacks_is_not_zero() {
        let run = Run::default();
        for figure in Figure::ALL {
            let value = figure.of(&run);
            assert!(value.is_none() || figure == Figure::Overflows, "{figure:?} {value:?}");
        }
    }

    #[test]
    fn memory_is_told_from_many_connections_on() {
        let mut run = run();
        run.idle.resident_kb = 1_000;
        run.after.resident_kb = 2_000;
        run.after.connections = 10;
        assert_eq!(Figure::Memory.of(&run), None);
        run.after.connections = 100;
        assert_eq!(Figure::Memory.of(&run), Some(10_240.0));
    }

    #[test]
    fn calls_turns_and_fairness() {
        let mut run = run();
        run.before.calls = Some(Calls::default());
        run.after.calls =
            Some(Calls { reads: 1_000, writes: 1_000, polls: 30, ..Calls::default() });
        assert_eq!(Figure::Calls.of(&run), Some(2.03));
        run.before.turns = Some(Turns { busy: vec![5], ..Turns::default() });
        let busy = vec![5, 0, 98, 0, 2];
        run.after.turns = Some(Turns { count: 100, events: 250, busy, ..Turns::default() });
        assert_eq!(Figure::Events.of(&run), Some(2.5));
        assert_eq!(Figure::TurnP50.of(&run), Some(4.0));
        assert_eq!(Figure::TurnP99.of(&run), Some(16.0));
        assert_eq!(Figure::TimerP99.of(&run), None);
        run.load.fairness = Some(Fairness { p99_median: 10, p99_max: 30, ..Fairness::default() });
        assert_eq!(Figure::Uneven.of(&run), Some(3.0));
    }
}
