//! Resident memory of an idle connection: the server's with many of them, less the server's with
//! none, by their number.

use std::io;
use std::time::Duration;

use super::child::{Loaded, Served};
use super::goal::Goal;
use super::load::{Kind, Plan};
use super::role::{Job, Server};
use super::scenario::Idle;
use super::trial::Effort;

/// Bytes for each connection.
pub(crate) struct Weight {
    pub(crate) server: Server,
    pub(crate) connections: usize,
    /// Before the connection has asked anything.
    pub(crate) before: f64,
    /// After it was answered once and is idle again.
    pub(crate) after: f64,
    pub(crate) errors: u64,
    /// What it must not weigh more than, once served.
    pub(crate) goal: Option<Goal>,
}

/// Weighs `connections` of them on a fresh server.
pub(crate) fn weigh(
    server: Server,
    idle: &Idle,
    connections: usize,
    effort: &Effort,
) -> io::Result<Weight> {
    let job = idle.job;
    let plan = |connections| Plan { kind: Kind::Keep, connections, depth: 1, tls: job == Job::Tls };
    let loads = effort.cores.map(|(_, loads)| loads);
    let served = Served::start(server, job, Kind::Keep, effort)?;
    // What the loop itself touches at its first connection does not belong to the others.
    Loaded::start(loads, served.port, &plan(1))?.run(Duration::ZERO)?;
    served.settle()?;
    let none = served.memory()?;
    let mut load = Loaded::start(loads, served.port, &plan(connections))?;
    served.settle()?;
    let silent = served.memory()?;
    let tally = load.run(Duration::ZERO)?;
    served.settle()?;
    let served_once = served.memory()?;
    let each = |bytes: u64| (bytes as f64 - none as f64) / connections as f64;
    // A run of no time begins every connection once and no connection twice.
    let missing = connections as u64 - tally.requests.min(connections as u64);
    Ok(Weight {
        server,
        connections,
        before: each(silent),
        after: each(served_once),
        errors: tally.errors + missing,
        goal: Goal::of(server, idle.goal, each(served_once)),
    })
}
