//! Processor time for each request, measured so that a drifting machine does not matter.
//!
//! All servers of a scenario run at once on one processor, the loads on another. Short slices
//! alternate between them, forwards and backwards in turn (A B B A …), so that the neighbours
//! which are compared saw the same speed of the machine; the figure is the median of their ratios.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::calls::{self, Calls};
use super::child::{Loaded, Served, Tally};
use super::goal::Goal;
use super::load::Kind;
use super::role::{Job, Server};
use super::scenario::Scenario;
use super::stat::{self, Median};

/// What the yardsticks answer: what our server does, so that all send the same bytes.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    /// On a kept connection.
    pub(crate) keep: String,
    /// On one that closes.
    pub(crate) fresh: String,
}

impl Answers {
    pub(crate) fn to(&self, kind: Kind) -> &str {
        if kind == Kind::Fresh { &self.fresh } else { &self.keep }
    }

    /// Asks our server.
    pub(crate) fn fetch(effort: &Effort) -> io::Result<Answers> {
        let served = Served::start(Server::Ours, Job::Http, Kind::Keep, effort)?;
        Ok(Answers { keep: served.answer(Kind::Keep)?, fresh: served.answer(Kind::Fresh)? })
    }
}

/// How long and where to measure.
#[derive(Clone, Debug)]
pub(crate) struct Effort {
    /// All slices of one server together.
    pub(crate) time: Duration,
    /// At least so many slices of each server, even if they take longer.
    pub(crate) rounds: usize,
    /// The length of a slice, where the scenario's own does not suit.
    pub(crate) slice: Option<Duration>,
    /// Processors of the servers and of the loads.
    pub(crate) cores: Option<(usize, usize)>,
    /// The answers of the yardsticks.
    pub(crate) answers: Answers,
    /// Count system calls too.
    pub(crate) calls: bool,
    /// An earlier build of this bench, whose server takes part.
    pub(crate) before: Option<PathBuf>,
}

impl Effort {
    pub(crate) fn slice(&self, scenario: &Scenario) -> Duration {
        self.slice.unwrap_or_else(|| scenario.slice()).min(self.time)
    }

    pub(crate) fn rounds(&self, scenario: &Scenario) -> usize {
        let rounds = self.time.div_duration_f64(self.slice(scenario)).round() as usize;
        rounds.max(self.rounds)
    }
}

/// One slice of one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice {
    pub(crate) cpu: Duration,
    pub(crate) tally: Tally,
}

impl Slice {
    /// Microseconds of processor time for each request.
    pub(crate) fn cost(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.tally.requests as f64
    }

    fn rate(&self) -> f64 {
        self.tally.requests as f64 / self.tally.elapsed.as_secs_f64()
    }

    fn busy(&self) -> f64 {
        self.cpu.as_secs_f64() / self.tally.elapsed.as_secs_f64()
    }
}

/// What came out for one server.
pub(crate) struct Figures {
    pub(crate) server: Server,
    pub(crate) slices: Vec<Slice>,
    /// Microseconds of processor time for each request.
    pub(crate) cost: Median,
    /// Its cost over the yardstick's, slice by slice.
    pub(crate) ratio: Median,
    /// Requests in a second.
    pub(crate) rate: f64,
    /// The share of its processor that it used.
    pub(crate) busy: f64,
    pub(crate) errors: u64,
    /// System calls, or why there are none.
    pub(crate) calls: Result<Calls, String>,
    /// What the ratio must not exceed.
    pub(crate) goal: Option<Goal>,
}

struct Contender {
    served: Served,
    loaded: Loaded,
    slices: Vec<Slice>,
    errors: u64,
}

impl Contender {
    fn slice(&mut self, time: Duration) -> io::Result<Slice> {
        let before = self.served.cpu()?;
        let tally = self.loaded.run(time)?;
        let cpu = self.served.cpu()? - before;
        self.errors += tally.errors;
        Ok(Slice { cpu, tally })
    }
}

/// Measures one scenario. `tick` is told of each slice.
pub(crate) fn run(
    scenario: &Scenario,
    servers: &[Server],
    effort: &Effort,
    mut tick: impl FnMut(),
) -> io::Result<Vec<Figures>> {
    let (slice, rounds) = (effort.slice(scenario), effort.rounds(scenario));
    let mut contenders = Vec::new();
    for &server in servers {
        contenders.push(start(scenario, server, effort)?);
    }
    for contender in &mut contenders {
        // The first slice pays for page faults and growing buffers.
        contender.slice(slice)?;
    }
    for round in 0..rounds {
        for index in 0..contenders.len() {
            let index = turn(round, index, contenders.len());
            let measured = contenders[index].slice(slice)?;
            contenders[index].slices.push(measured);
            tick();
        }
    }
    let mut counted = Vec::new();
    for contender in &mut contenders {
        counted.push(match effort.calls {
            true => calls::count(&contender.served, &mut contender.loaded, slice),
            false => Err("not asked for".into()),
        });
    }
    Ok(figures(scenario, contenders, counted))
}

/// Whose slice comes at `place` of a round: forwards and backwards in turn, each time from another
/// one, so that everybody has every neighbour.
fn turn(round: usize, place: usize, count: usize) -> usize {
    let place = if round.is_multiple_of(2) { place } else { count - 1 - place };
    (place + round / 2) % count
}

fn start(scenario: &Scenario, server: Server, effort: &Effort) -> io::Result<Contender> {
    let loads = effort.cores.map(|(_, loads)| loads);
    let served = Served::start(server, scenario.job, scenario.plan.kind, effort)?;
    let loaded = Loaded::start(loads, served.port, &scenario.plan)?;
    Ok(Contender { served, loaded, slices: Vec::new(), errors: 0 })
}

fn figures(
    scenario: &Scenario,
    contenders: Vec<Contender>,
    counted: Vec<Result<Calls, String>>,
) -> Vec<Figures> {
    let yardstick: Vec<f64> = contenders[0].slices.iter().map(Slice::cost).collect();
    let each = contenders.into_iter().zip(counted);
    each.map(|(contender, calls)| {
        let slices = contender.slices;
        let pairs = slices.iter().zip(&yardstick);
        let server = contender.served.server;
        let ratio = stat::median(pairs.map(|(slice, yardstick)| slice.cost() / yardstick));
        Figures {
            server,
            cost: stat::median(slices.iter().map(Slice::cost)),
            ratio,
            goal: Goal::of(server, scenario.goal_of(server), ratio.value),
            rate: stat::median(slices.iter().map(Slice::rate)).value,
            busy: stat::median(slices.iter().map(Slice::busy)).value,
            errors: contender.errors,
            calls,
            slices,
        }
    })
    .collect()
}
