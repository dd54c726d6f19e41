//! What a load found, seen from the client.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Spectrum;

/// The result of one run of a load. Only the measured window counts, not the warm-up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What was asked.
    pub url: String,
    /// Every option of the load, as `--json` readers and reruns want it.
    pub options: BTreeMap<String, String>,
    /// Connections that were to be open at a time.
    pub connections: u64,
    /// Those of them, and of the idle ones beside them, that the server had not answered once when
    /// the window began: it may not even have accepted them.
    #[serde(default)]
    pub unready: u64,
    /// The measured window, s.
    pub seconds: f64,
    /// Requests that were to be sent in it, of an open loop; of a closed one those that were sent.
    pub offered: u64,
    /// Answers that came, whole and right.
    pub answered: u64,
    /// What went wrong.
    pub errors: Errors,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// From the *intended* start of each request to the end of its answer. In a closed loop a
    /// request is intended when it is sent, so this equals `service`.
    pub latency: Spectrum,
    /// From the moment that each request was really sent: what a load that forgets the intended
    /// start would show.
    pub service: Spectrum,
    /// From asking for a connection to having it (over TLS: the TCP part).
    pub connect: Spectrum,
    /// TLS handshakes.
    pub handshake: Spectrum,
    /// How late the load itself was in sending what was due although a connection was free. When
    /// this is large the client was the bottleneck.
    pub late: Spectrum,
    /// How evenly the connections were served.
    pub fairness: Option<Fairness>,
    /// The window in equal parts.
    pub ticks: Vec<Tick>,
    /// What the client itself spent.
    pub client: ClientUse,
}

/// What went wrong, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// Connections that could not be made.
    pub connect: u64,
    /// Connections that ended before their answer.
    pub closed: u64,
    /// Requests that waited longer than the load's patience, or were unanswered at its end; also
    /// those that hung from before the window on, whose waiting counts from its begin.
    pub timed_out: u64,
    /// Answers with a status other than 2xx.
    pub status: u64,
    /// Answers that are not what they should be.
    pub wrong: u64,
    /// TLS failures.
    pub tls: u64,
}

impl Errors {
    /// All of them together.
    pub fn total(&self) -> u64 {
        self.connect + self.closed + self.timed_out + self.status + self.wrong + self.tls
    }
}

/// How evenly connections that asked alike were served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fairness {
    /// Jain's index of answers per connection: 1 is even, 1/n is all to one.
    pub jain: f64,
    /// Connections that got no answer at all, from the first request on. None are told of an open
    /// loop that had hardly a request for each.
    pub unserved: u64,
    /// The lowest 99th percentile of a connection, ns.
    pub p99_min: u64,
    /// The middle one.
    pub p99_median: u64,
    /// The highest one.
    pub p99_max: u64,
}

/// One part of the measured window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// Its start, ms from the window's start.
    pub at_ms: f64,
    /// Answers that came in it.
    pub answered: u64,
    /// The longest time since the intended start among requests that were *due* in it, ns.
    pub latency_max: u64,
    /// The longest time since sending among requests that were *sent* in it, ns.
    pub service_max: u64,
}

/// What the client spent in the measured window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientUse {
    /// CPU time in user code, µs.
    pub user_us: u64,
    /// CPU time in the kernel, µs.
    pub system_us: u64,
    /// Voluntary context switches.
    pub voluntary: u64,
    /// Involuntary context switches.
    pub involuntary: u64,
    /// True if it spins between planned sends, so that its CPU time means nothing.
    pub spins: bool,
}
