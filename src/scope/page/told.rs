//! How things of the loop are written in JSON: tokens, peers, moments, the counters.
//!
//! Used by whatever the page tells. It writes and decides nothing.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::error::CloseReason;
use crate::probe::{Counters, Origin};
use crate::time::Moment;
use crate::token::Token;

/// A token as `INDEX.GENERATION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named(pub(super) Token);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{}.{}", self.0.index(), self.0.generation()))
    }
}

/// The token that [`Named`] wrote, with or without a `#`.
pub(super) fn token(text: &str) -> Option<Token> {
    let text = text.strip_prefix('#').unwrap_or(text);
    let (index, generation) = text.split_once('.')?;
    Some(Token::new(index.parse().ok()?, generation.parse().ok()?))
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct From(pub(super) Origin);

impl Serialize for From {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

/// Nanoseconds; what does not fit is as good as endless.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A moment in nanoseconds, if it ever comes.
pub(super) fn moment(at: Moment) -> Option<u64> {
    (!at.is_never()).then(|| at.as_nanos())
}

/// The totals by name.
pub(super) struct Totals<'c>(pub(super) &'c Counters);

impl Serialize for Totals<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let c = self.0;
        let mut map = to.serialize_map(None)?;
        for (name, value) in [
            ("turns", c.turns),
            ("events", c.events),
            ("stale", c.stale),
            ("accepted", c.accepted),
            ("adopted", c.adopted),
            ("dialled", c.dialled),
            ("reads", c.reads),
            ("read_bytes", c.read_bytes),
            ("writes", c.writes),
            ("written_bytes", c.written_bytes),
            ("would_blocks", c.would_blocks),
            ("failures", c.failures),
            ("wakes", c.wakes),
            ("accepts_in_vain", c.accepts_in_vain),
            ("budget_stops", c.budget_stops),
            ("timers_armed", c.timers_armed),
            ("timers_fired", c.timers_fired),
            ("high_waters", c.high_waters),
            ("stalls", c.stalls),
            ("accept_pauses", c.accept_pauses),
            ("descriptor_exhaustions", c.descriptor_exhaustions),
            ("shed", c.shed),
            ("datagrams_received", c.datagrams_received),
            ("datagrams_sent", c.datagrams_sent),
            ("datagrams_dropped", c.datagrams_dropped),
            ("datagram_bytes_in", c.datagram_bytes_in),
            ("datagram_bytes_out", c.datagram_bytes_out),
        ] {
            map.serialize_entry(name, &value)?;
        }
        map.serialize_entry("closed", &Closed(&c.closed))?;
        map.serialize_entry("responses", &c.responses)?;
        map.end()
    }
}

/// Closed connections by the word of their reason.
struct Closed<'c>(&'c [u64; CloseReason::KINDS]);

impl Serialize for Closed<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let counts = CloseReason::WORDS.iter().zip(self.0).filter(|(_, count)| **count > 0);
        to.collect_map(counts)
    }
}

/// The distributions, each counted by powers of two.
#[derive(Debug, Serialize)]
pub(super) struct Spreads<'c> {
    busy: &'c [u64],
    late: &'c [u64],
    lag: &'c [u64],
    ready: &'c [u64],
}

impl<'c> Spreads<'c> {
    pub(super) fn of(counters: &'c Counters) -> Self {
        Spreads {
            busy: &counters.busy.0,
            late: &counters.late.0,
            lag: &counters.lag.spread.0,
            ready: &counters.ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        for text in ["5.7", "#5.7"] {
            assert_eq!(token(text), Some(Token::new(5, 7)));
        }
        for text in ["", "5", "5.", ".7", "#", "-1.2", "5.7.9", "4294967296.0"] {
            assert_eq!(token(text), None, "{text}");
        }
        let written = serde_json::to_string(&Named(Token::new(5, 7))).expect("a text");
        assert_eq!(written, "\"5.7\"");
    }
}
