//! One look at a loop, as its `/_loop/sample` tells it: plain data out of JSON.
//!
//! What a server leaves out is zero, empty or unknown here, and what it adds is passed over, so that
//! a command and a server of different versions understand each other as far as they can.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What a loop is at. All times are in ns on its own clock.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sample {
    pub(super) now: u64,
    pub(super) uptime: u64,
    #[serde(deserialize_with = "lenient")]
    pub(super) version: String,
    /// It records: without that, calls and connections are not known.
    pub(super) on: bool,
    pub(super) live: u64,
    /// Facts that were overwritten before anybody read them.
    pub(super) lost: u64,
    pub(super) counters: BTreeMap<String, Value>,
    pub(super) limits: Option<Limits>,
    pub(super) descriptors: Descriptors,
    pub(super) spreads: Spreads,
    pub(super) turns: Vec<Turn>,
    pub(super) connections: Vec<Connection>,
    /// How many connections are in the list, and how many there are.
    pub(super) shown: u64,
    pub(super) open: u64,
    pub(super) stalls: Vec<Stall>,
    /// How many there were altogether.
    pub(super) stalled: u64,
    pub(super) findings: Vec<Finding>,
}

/// The limits of the loop that are of use here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Limits {
    /// From how long on a call is a stall.
    pub(super) stall: u64,
}

/// What the process may have open.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Descriptors {
    pub(super) used: u64,
    pub(super) limit: u64,
    /// Listeners that do not accept at the moment.
    #[serde(deserialize_with = "count")]
    pub(super) paused: u64,
}

/// Distributions by powers of two: `[i]` counts what took less than 2^i ns.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Spreads {
    pub(super) busy: Vec<u64>,
    pub(super) late: Vec<u64>,
    pub(super) lag: Vec<u64>,
    /// Events of a turn: `[i]` counts turns with fewer than 2^i.
    pub(super) ready: Vec<u64>,
}

/// One turn: it waited from `began` to `at`, and then worked for `busy`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Turn {
    pub(super) at: u64,
    pub(super) began: u64,
    pub(super) ready: u64,
    pub(super) busy: u64,
    pub(super) parts: Vec<Part>,
}

/// A call of a session in a turn.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Part {
    pub(super) token: String,
    pub(super) call: String,
    pub(super) began: u64,
    pub(super) took: u64,
}

/// One socket.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Connection {
    pub(super) token: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) kind: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) peer: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) life: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) stage: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) label: String,
    pub(super) unsent: u64,
    /// Reading has stopped at the high watermark.
    pub(super) full: bool,
    /// A listener that does not accept.
    pub(super) paused: bool,
    /// It waits in the run queue.
    pub(super) queued: bool,
    #[serde(rename = "in")]
    pub(super) came: u64,
    #[serde(rename = "out")]
    pub(super) went: u64,
    pub(super) reads: u64,
    pub(super) writes: u64,
    pub(super) requests: u64,
    pub(super) calls: u64,
    pub(super) busy: u64,
    pub(super) longest: u64,
    pub(super) blocked: u64,
    pub(super) budgets: u64,
    pub(super) stalls: u64,
    pub(super) age: u64,
    pub(super) idle: u64,
    /// It is the one that this sample came by.
    pub(super) me: bool,
}

/// A call that held the loop.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Stall {
    pub(super) token: String,
    pub(super) call: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) label: String,
    pub(super) began: u64,
    pub(super) took: u64,
    /// How much of it the thread was computing.
    pub(super) computing: u64,
}

/// What a detector has found.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Finding {
    pub(super) kind: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) token: String,
    pub(super) at: u64,
    pub(super) text: String,
}

impl Sample {
    /// A sample out of JSON.
    pub(super) fn parse(text: &str) -> Result<Sample, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// A counter by its name; several numbers are added up.
    pub(super) fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).map_or(0, sum)
    }

    /// From how long on a turn is told to be long.
    pub(super) fn threshold(&self) -> u64 {
        let told = self.limits.as_ref().map_or(0, |limits| limits.stall);
        if told > 0 { told } else { crate::Limits::default().stall.as_nanos() as u64 }
    }

    /// HTTP requests answered.
    pub(super) fn requests(&self) -> u64 {
        self.counter("responses")
    }
}

impl Turn {
    /// How long it waited.
    pub(super) fn waited(&self) -> u64 {
        self.at.saturating_sub(self.began)
    }
}

impl Connection {
    /// Where it is, in a word or two: the stage of its session says more than that of its life,
    /// unless that is about to end.
    pub(super) fn state(&self) -> String {
        let known = |word: &str| !word.is_empty() && word != "unknown";
        let mut state = match (known(&self.life), known(&self.stage)) {
            (true, true) if self.life == "open" => self.stage.clone(),
            (true, _) => self.life.clone(),
            (false, true) => self.stage.clone(),
            (false, false) if known(&self.kind) => self.kind.clone(),
            (false, false) => "-".to_owned(),
        };
        for (is, mark) in [(self.full, " full"), (self.paused, " paused"), (self.queued, " queued")]
        {
            state.push_str(if is { mark } else { "" });
        }
        state
    }
}

fn sum(value: &Value) -> u64 {
    match value {
        Value::Array(several) => several.iter().map(sum).sum(),
        Value::Object(several) => several.values().map(sum).sum(),
        value => value.as_u64().unwrap_or(0),
    }
}

/// A text, or nothing where there is none.
fn lenient<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Option::<String>::deserialize(from).map(Option::unwrap_or_default)
}

/// A number, or yes and no for one and none.
fn count<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Bool(is) => u64::from(is),
        value => sum(&value),
    })
}

/// The bound below which `share` (0 to 1) of a distribution is, in ns; `None` if it is empty. The
/// first of the powers of two counts what took no time at all.
pub(super) fn at_most(spread: &[u64], share: f64) -> Option<u64> {
    let all: u64 = spread.iter().sum();
    let wanted = (all as f64 * share).ceil() as u64;
    let mut seen = 0;
    let found = spread.iter().position(|count| {
        seen += count;
        seen >= wanted && seen > 0
    });
    found.map(|bits| match bits {
        0 => 0,
        bits => 1_u64.checked_shl(bits as u32).unwrap_or(u64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_empty_and_what_is_new_is_passed_over() {
        let sample = Sample::parse("{}").expect("an object");
        assert_eq!((sample.uptime, sample.on, sample.turns.len()), (0, false, 0));
        let text = r#"{"uptime":5,"new":{"a":[1]},"counters":{"responses":[0,0,7,0,2,0],"turns":3},
            "descriptors":{"used":9,"limit":100,"paused":true},
            "turns":[{"at":7,"began":2,"until":null,"parts":[{"token":"1.0","took":3}]}],
            "connections":[{"token":"2.0","label":null,"due":null,"in":5,"me":true}]}"#;
        let sample = Sample::parse(text).expect("a sample");
        assert_eq!((sample.requests(), sample.counter("turns")), (9, 3));
        assert_eq!((sample.counter("none"), sample.descriptors.paused), (0, 1));
        assert_eq!((sample.connections[0].came, sample.connections[0].me), (5, true));
        assert_eq!(sample.turns[0].parts[0].took, 3);
        assert!(Sample::parse("[").is_err() && Sample::parse("7").is_err());
    }

    #[test]
    fn a_state_is_the_word_that_says_most() {
        let connection = |life: &str, stage: &str, kind: &str| Connection {
            life: life.into(),
            stage: stage.into(),
            kind: kind.into(),
            ..Connection::default()
        };
        assert_eq!(connection("open", "reply", "accepted").state(), "reply");
        assert_eq!(connection("lingering", "reply", "accepted").state(), "lingering");
        assert_eq!(connection("open", "unknown", "accepted").state(), "open");
        let listener = Connection { paused: true, ..connection("unknown", "unknown", "listener") };
        assert_eq!(listener.state(), "listener paused");
        assert_eq!(Connection::default().state(), "-");
    }

    #[test]
    fn a_share_of_a_distribution_has_its_bound() {
        assert_eq!(at_most(&[], 0.5), None);
        assert_eq!(at_most(&[0, 0], 0.5), None);
        assert_eq!(at_most(&[9, 1], 0.5), Some(0));
        assert_eq!(at_most(&[0, 0, 99, 1], 0.99), Some(4));
        assert_eq!(at_most(&[0, 0, 99, 1], 1.0), Some(8));
        assert_eq!(at_most(&[0; 200].map(|_: i32| 1), 1.0), Some(u64::MAX));
    }
}
