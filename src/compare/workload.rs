//! What is known of each workload: what its axis is, how it is drawn, and by what it is judged.
//!
//! A workload that is not known here is still shown and judged, by the figures that fit most.

use super::figure::Figure;
use super::quantity::{Unit, significant};

/// How a workload is shown and judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Workload {
    /// Its name in the results.
    pub(super) name: &'static str,
    /// What is done, in a few words.
    pub(super) what: &'static str,
    /// What its axis counts, as the title of an axis.
    pub(super) axis: &'static str,
    /// One place on it, in a sentence; `{}` stands for the figure.
    place: &'static str,
    /// What the axis counts in.
    pub(super) unit: Unit,
    /// What one step of the axis is in that unit.
    pub(super) step: f64,
    /// By what it is judged, the most telling first.
    pub(super) judged: &'static [Figure],
}

const SPENDING: &[Figure] = &[Figure::PerCpu, Figure::Rate, Figure::P99];

/// All that are known, in the order in which they are shown.
pub(super) const KNOWN: [Workload; 15] = [
    Workload {
        name: "keep-alive",
        what: "GET /plaintext over connections that stay open, closed loop",
        axis: "connections",
        place: "{} connections",
        unit: Unit::Count,
        step: 1.0,
        judged: SPENDING,
    },
    Workload {
        name: "open",
        what: "requests at planned times over 64 connections, open loop",
        axis: "offered requests/s",
        place: "{} requests/s",
        unit: Unit::PerSecond,
        step: 1.0,
        judged: &[Figure::P99, Figure::P999, Figure::PerCpu],
    },
    Workload {
        name: "churn",
        what: "a new connection for each request",
        axis: "connections",
        place: "{} connections",
        unit: Unit::Count,
        step: 1.0,
        judged: SPENDING,
    },
    Workload {
        name: "idle",
        what: "16 active connections beside many that only stay open",
        axis: "idle connections",
        place: "{} idle connections",
        unit: Unit::Count,
        step: 1.0,
        judged: &[Figure::Memory, Figure::PerCpu, Figure::P99],
    },
    Workload {
        name: "slow",
        what: "16 active connections beside slow readers and slow writers",
        axis: "slow connections",
        place: "{} slow connections",
        unit: Unit::Count,
        step: 1.0,
        judged: SPENDING,
    },
    Workload {
        name: "tls",
        what: "GET /plaintext over TLS connections that stay open",
        axis: "connections",
        place: "{} connections",
        unit: Unit::Count,
        step: 1.0,
        judged: SPENDING,
    },
    Workload {
        name: "handshakes",
        what: "TLS handshakes and nothing else",
        axis: "connections",
        place: "{} connections",
        unit: Unit::Count,
        step: 1.0,
        judged: &[Figure::PerCpu, Figure::Rate, Figure::HandshakeP99],
    },
    Workload {
        name: "pipeline",
        what: "several requests sent before the first answer",
        axis: "requests in flight on a connection",
        place: "{} in flight",
        unit: Unit::Count,
        step: 1.0,
        judged: &[Figure::PerCpu, Figure::Rate],
    },
    Workload {
        name: "payload",
        what: "answers of growing size",
        axis: "size of an answer",
        place: "answers of {}",
        unit: Unit::Bytes,
        step: 1.0,
        judged: SPENDING,
    },
    Workload {
        name: "compute",
        what: "a handler that computes on the thread that serves",
        axis: "computing per request",
        place: "{} of computing",
        unit: Unit::Nanoseconds,
        step: 1_000.0,
        judged: &[Figure::Rate, Figure::P99],
    },
    Workload {
        name: "mix",
        what: "1 request in 100 computes, the others do not",
        axis: "computing of 1 request in 100",
        place: "{} of computing",
        unit: Unit::Nanoseconds,
        step: 1_000.0,
        judged: &[Figure::P50, Figure::P99, Figure::Rate],
    },
    Workload {
        name: "echo",
        what: "TCP echo",
        axis: "connections",
        place: "{} connections",
        unit: Unit::Count,
        step: 1.0,
        judged: SPENDING,
    },
    Workload {
        name: "websocket",
        what: "WebSocket echo",
        axis: "connections",
        place: "{} connections",
        unit: Unit::Count,
        step: 1.0,
        judged: SPENDING,
    },
    Workload {
        name: "stall",
        what: "the server is stopped for a while under a planned load, open loop",
        axis: "stopped for",
        place: "a stop of {}",
        unit: Unit::Nanoseconds,
        step: 1_000_000.0,
        judged: &[Figure::Recovery, Figure::P999],
    },
    Workload {
        name: "overload",
        what: "more is offered than the server can do, then less again",
        axis: "offered ÷ capacity",
        place: "{} times the capacity",
        unit: Unit::Count,
        step: 1.0,
        judged: &[Figure::Recovery, Figure::Rate],
    },
];

/// For a workload that is not known.
const OTHER: Workload = Workload {
    name: "",
    what: "",
    axis: "load",
    place: "{}",
    unit: Unit::Count,
    step: 1.0,
    judged: SPENDING,
};

impl Workload {
    /// The one of that name, or one that fits any.
    pub(super) fn named(name: &str) -> Self {
        KNOWN.into_iter().find(|known| known.name == name).unwrap_or(OTHER)
    }

    /// True if what is offered is more than can be done, so that errors are part of it.
    pub(super) fn overloads(&self) -> bool {
        self.name == "overload"
    }

    /// A place on the axis, short: for tables.
    pub(super) fn mark(&self, x: f64) -> String {
        match self.unit {
            // Connections are counted, not rounded.
            Unit::Count if x.fract() == 0.0 && x.abs() < 1e15 => grouped(x),
            Unit::Count => significant(x),
            unit => unit.tick(x * self.step),
        }
    }

    /// A place on the axis in a sentence.
    pub(super) fn at(&self, x: f64) -> String {
        let said = self.place.replace("{}", &self.mark(x));
        if x == 1.0 { said.trim_end_matches('s').into() } else { said }
    }

    /// Several places that follow each other: what is said of them, where they lie.
    pub(super) fn region(&self, all: &[f64], from: f64, to: f64) -> String {
        let (first, last) = (all.first() == Some(&from), all.last() == Some(&to));
        match (first, last) {
            (true, true) if all.len() > 1 => "at every point".into(),
            _ if from == to => format!("at {}", self.at(from)),
            (true, _) => format!("up to {}", self.at(to)),
            (_, true) => format!("from {} on", self.at(from)),
            _ => format!("from {} to {}", self.mark(from), self.at(to)),
        }
    }
}

/// Whole numbers with commas between thousands.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    if value < 0.0 { format!("-{shown}") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_said_in_words() {
        let keep = Workload::named("keep-alive");
        assert_eq!(keep.at(1.0), "1 connection");
        assert_eq!(keep.at(15_000.0), "15,000 connections");
        assert_eq!(Workload::named("payload").at(16_384.0), "answers of 16 KiB");
        assert_eq!(Workload::named("compute").at(100.0), "100 µs of computing");
        assert_eq!(Workload::named("stall").at(1_000.0), "a stop of 1 s");
        assert_eq!(Workload::named("overload").at(1.5), "1.50 times the capacity");
        assert_eq!(Workload::named("unheard of").at(3.0), "3");
    }

    #[test]
    fn regions_are_said_in_words() {
        let keep = Workload::named("keep-alive");
        let all = [1.0, 16.0, 64.0, 256.0];
        assert_eq!(keep.region(&all, 1.0, 256.0), "at every point");
        assert_eq!(keep.region(&all, 1.0, 16.0), "up to 16 connections");
        assert_eq!(keep.region(&all, 64.0, 256.0), "from 64 connections on");
        assert_eq!(keep.region(&all, 16.0, 64.0), "from 16 to 64 connections");
        assert_eq!(keep.region(&all, 1.0, 1.0), "at 1 connection");
        assert_eq!(keep.region(&all[..1], 1.0, 1.0), "at 1 connection");
    }
}
