//! What a server says of itself at one moment. All totals are since its start.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The first line of a server under control: where it listens and with which options.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ready {
    /// The model's name, such as `threads`.
    pub model: String,
    /// Address of each row that is served: `http`, `https`, `tcp-echo`.
    pub rows: BTreeMap<String, String>,
    /// Every option that the model runs with, its own and those that all models share.
    pub options: BTreeMap<String, String>,
}

/// Totals of a server process since its start, ended threads included where the system does so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When the times and switches were read, µs since the server's start by a clock that nobody
    /// sets; zero of a server that does not tell.
    #[serde(default)]
    pub at_us: u64,
    /// CPU time in user code, µs (`getrusage`).
    pub user_us: u64,
    /// CPU time in the kernel, µs (`getrusage`).
    pub system_us: u64,
    /// Voluntary context switches: it waited for something.
    pub voluntary: u64,
    /// Involuntary context switches: it was preempted.
    pub involuntary: u64,
    /// Time that its living threads were ready to run and did not, ns, where the system tells.
    pub run_delay_ns: Option<u64>,
    /// Resident memory, KiB.
    pub resident_kb: u64,
    /// Threads, without the one that takes this sample.
    pub threads: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Connections that are open.
    pub connections: u64,
    /// System calls, as the model counts them in process; a foreign server does not.
    pub calls: Option<Calls>,
    /// Turns of the loop; of the loop models only.
    pub turns: Option<Turns>,
}

/// System calls made for sockets, counted where they are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Waits for readiness: `epoll_wait`, `poll`. A blocking model has none: it waits in `read`.
    pub polls: u64,
    /// Reads that returned bytes or the end.
    pub reads: u64,
    /// Writes that took bytes.
    pub writes: u64,
    /// Reads, writes and accepts that would have blocked (or whose time was up).
    pub would_blocks: u64,
    /// Connections accepted.
    pub accepts: u64,
}

impl Calls {
    /// All of them together.
    pub fn total(&self) -> u64 {
        self.polls + self.reads + self.writes + self.would_blocks + self.accepts
    }
}

/// What a loop says of its turns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turns {
    /// Turns.
    pub count: u64,
    /// Events that polls returned.
    pub events: u64,
    /// Times that a budget ran out.
    pub budget_stops: u64,
    /// How long turns computed: `busy[i]` turns took less than 2^i ns and no less than half of it.
    pub busy: Vec<u64>,
    /// How late timers were handled, in the same form.
    pub late: Vec<u64>,
}
