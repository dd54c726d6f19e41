//! What a comparison keeps: `results.json`, from which every table, plot and sentence can be made
//! again, and refuted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::{Outcome, Sample};

/// The version of this form; a reader refuses others.
pub const VERSION: u32 = 1;

/// A whole comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`VERSION`].
    pub version: u32,
    /// When it began, RFC 3339.
    pub taken: String,
    /// The command that runs it again.
    pub command: String,
    /// True if it came to its end; false if it was interrupted.
    pub complete: bool,
    /// How long it took, s.
    pub seconds: f64,
    /// Where it ran.
    pub machine: Machine,
    /// What was compared.
    pub models: Vec<Model>,
    /// What was found, a model's runs at a point each.
    pub points: Vec<Point>,
    /// What was left out, and why: "https: 10,000 connections need more descriptors than 1,024".
    pub left_out: Vec<String>,
}

/// The machine card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Facts in the order in which they are shown: CPU, cores, memory, kernel, limits, versions.
    pub facts: Vec<(String, String)>,
    /// CPUs of the server.
    pub server_cpus: Vec<usize>,
    /// CPUs of the client.
    pub client_cpus: Vec<usize>,
    /// What this machine cannot show, in sentences; empty on one that can.
    pub cautions: Vec<String>,
}

/// An I/O model as it was run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Its name on the command line.
    pub name: String,
    /// What it is, in a few words.
    pub what: String,
    /// Every option it ran with; those that all share are the same for all.
    pub options: BTreeMap<String, String>,
}

/// A load, and one model's runs under it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The workload's name, such as `keep-alive`.
    pub workload: String,
    /// The place on its axis: connections, requests per second, bytes, µs of computing.
    pub x: f64,
    /// The model's name.
    pub model: String,
    /// At least five in a whole comparison, interleaved with the other models'.
    pub runs: Vec<Run>,
    /// Why there are none, if there are none.
    pub refused: Option<String>,
}

/// One run: a fresh server, a fresh client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// In which round, from zero: runs of one round saw the same weather.
    #[serde(default)]
    pub round: u32,
    /// What the client saw. Its histograms are kept for the middle run of a point only, by p99;
    /// the percentiles of all.
    pub load: Outcome,
    /// The server before its first connection.
    pub idle: Sample,
    /// The server at the beginning of the measured window; its memory, threads and descriptors are
    /// not looked at then.
    pub before: Sample,
    /// The server at its end.
    pub after: Sample,
    /// Memory of what was queued in all sockets of this machine, so of both ends, at the end of the
    /// window, less before the server's start, bytes; where the system tells.
    #[serde(default)]
    pub kernel_bytes: Option<i64>,
    /// Memory of the kernel for sockets, files and their names, of both ends, when all connections
    /// were open, less before the first, bytes; where the system tells, and whom.
    #[serde(default)]
    pub slab_bytes: Option<i64>,
    /// Connections that the kernel dropped because the accept queue was full, since before the
    /// server's start.
    pub accept_overflows: u64,
    /// After a stall or an overload: how long until latency was as before, ms; if it never was, how
    /// long that was watched.
    pub recovery_ms: Option<f64>,
    /// System calls a request as a tracer counted them, where one looked; those for making the
    /// connections are among them.
    pub traced_calls: Option<f64>,
}

impl Run {
    /// Answers that arrived in the window, whenever they were asked for. What the server spends is
    /// counted over the same time.
    pub fn arrived(&self) -> u64 {
        match self.load.ticks.as_slice() {
            [] => self.load.answered,
            ticks => ticks.iter().map(|tick| tick.answered).sum(),
        }
    }
}
