//! A fact in words: one line each, made to be read and to be found by `grep`.
//!
//! `readyloop scope` prints them, and the page tells a connection's story with them. After the token
//! comes the fact's own name, as in a recording. Texts of peers are shown without control characters.
//! Nothing here knows where a fact came from.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::recording::name;
use crate::probe::LEVEL;
use crate::probe::{Fact, Labels, Record};
use crate::time::Moment;

/// A record that shows itself as a line: `12.345678s #5.7 read 143 of 65536`.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// What is shown.
    pub record: &'a Record,
    /// Whose numbers its labels are.
    pub labels: &'a Labels,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record { at, fact } = self.record;
        write!(f, "{} ", Clock(*at))?;
        if let Some(token) = fact.token() {
            write!(f, "{token} ")?;
        }
        f.write_str(name(fact))?;
        rest(f, *at, fact, self.labels)
    }
}

/// What follows the name.
fn rest(f: &mut fmt::Formatter<'_>, at: Moment, fact: &Fact, labels: &Labels) -> fmt::Result {
    match *fact {
        Fact::Polled { began, until, events } => {
            write!(f, " {events} ready, waited {}", Span(at.since(began)))?;
            match until.is_never() {
                true => f.write_str(", without limit"),
                false => write!(f, " of {}", Span(until.since(began))),
            }
        }
        Fact::Woken { commands } => write!(f, " by {commands} commands"),
        Fact::Event { bits, .. } | Fact::Interest { bits, .. } => write!(f, "{}", Bits(bits)),
        Fact::Accepted { from, .. } => write!(f, " by {from}"),
        Fact::Peer { peer, .. } => write!(f, " {peer}"),
        Fact::Read { asked, bytes, .. } | Fact::Wrote { asked, bytes, .. } => {
            write!(f, " {bytes} of {asked}")
        }
        Fact::Failed { during, errno, .. } => {
            write!(f, " {}: {}", during.as_str(), std::io::Error::from_raw_os_error(errno))
        }
        Fact::Called { call, began, .. } => {
            write!(f, " {} for {}", call.as_str(), Span(at.since(began)))
        }
        Fact::Request { label, .. } => write!(f, " {}", Clean(labels.text(label))),
        Fact::State { from, to, why, .. } => {
            write!(f, " {} -> {} by {}", from.as_str(), to.as_str(), why.as_str())
        }
        Fact::Stall { began, computing, .. } => {
            let (took, computing) = (at.since(began), Duration::from_nanos(computing));
            let cause = if computing.saturating_mul(2) >= took { "computing" } else { "parked" };
            write!(f, " for {}, {cause}: {} of CPU", Span(took), Span(computing))
        }
        Fact::Blocked { writing, .. } => f.write_str(if writing { " writing" } else { " reading" }),
        Fact::Budget { .. } => f.write_str(" used up: the rest waits in the run queue"),
        Fact::Armed { due, .. } => match due.is_never() {
            true => f.write_str(" for never"),
            false => write!(f, " for {}, in {}", Clock(due), Span(due.since(at))),
        },
        Fact::Fired { due, .. } => write!(f, " {} late", Span(at.since(due))),
        Fact::Buffer { unsent, .. } => write!(f, " {unsent} unsent"),
        Fact::HighWater { unsent, .. } => write!(f, " {unsent} unsent: reading stops"),
        Fact::LowWater { unsent, .. } => write!(f, " {unsent} unsent: reading goes on"),
        Fact::Paused { descriptors, .. } => {
            f.write_str(if descriptors { ": out of descriptors" } else { ": full" })
        }
        Fact::Descriptors { used, limit: 0 } => write!(f, " {used} used"),
        Fact::Descriptors { used, limit } => write!(f, " {used} of {limit}"),
        Fact::Received { bytes, .. } | Fact::Sent { bytes, .. } => write!(f, " {bytes}"),
        Fact::Closed { reason, .. } => write!(f, ": {}", Clean(&reason.to_string())),
        Fact::Stale { .. }
        | Fact::Dialled { .. }
        | Fact::Adopted { .. }
        | Fact::NobodyWaits { .. }
        | Fact::Driven { .. }
        | Fact::Resumed { .. }
        | Fact::Removed { .. }
        | Fact::Shed { .. }
        | Fact::Dropped { .. } => Ok(()),
    }
}

/// A moment as seconds with six digits: `12.345678s`.
#[derive(Clone, Copy, Debug)]
pub struct Clock(pub Moment);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_never() {
            return f.write_str("never");
        }
        let micros = self.0.as_nanos() / 1000;
        write!(f, "{}.{:06}s", micros / 1_000_000, micros % 1_000_000)
    }
}

/// A length of time with three digits that count: `850ns`, `12.3us`, `203ms`, `1.50s`; in prose, by
/// `{:#}`, `203 ms`.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let gap = if f.alternate() { " " } else { "" };
        let (unit, size) = match nanos {
            0..1_000 => return write!(f, "{nanos}{gap}ns"),
            1_000..1_000_000 => ("us", 1e3),
            1_000_000..1_000_000_000 => ("ms", 1e6),
            _ => ("s", 1e9),
        };
        let value = nanos as f64 / size;
        // What would be rounded up to four digits has none behind the point.
        let digits = if value >= 99.95 { 0 } else { 2 - usize::from(value >= 9.995) };
        write!(f, "{value:.digits$}{gap}{unit}")
    }
}

/// Readiness in words.
struct Bits(u8);

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The bits of `reactor::world::Ready`, and what loops written by hand add: others have no
        // name.
        const WORDS: [(u8, &str); 5] = [
            (1, "readable"),
            (2, "writable"),
            (4, "read-closed"),
            (8, "closed"),
            (LEVEL, "level-triggered"),
        ];
        let mut others = self.0;
        for (bit, word) in WORDS.iter().filter(|(bit, _)| self.0 & bit != 0) {
            others &= !bit;
            write!(f, " {word}")?;
        }
        if others != 0 || self.0 == 0 {
            write!(f, " {others:#x}")?;
        }
        Ok(())
    }
}

/// A text of somebody else's: it can neither move the cursor nor begin a line.
#[derive(Clone, Copy, Debug)]
pub struct Clean<'a>(pub &'a str);

impl fmt::Display for Clean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            if letter.is_control() {
                write!(f, "{}", letter.escape_default())?;
            } else {
                f.write_char(letter)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Call, Stage};
    use crate::token::Token;

    fn said(fact: Fact, labels: &Labels) -> String {
        Line { record: &Record { at: Moment::from_nanos(12_345_678_900), fact }, labels }
            .to_string()
    }

    #[test]
    fn facts_are_said_in_one_line_that_begins_with_when_and_whose() {
        let (token, mut labels) = (Token::new(5, 7), Labels::default());
        let label = labels.pair("GET", "/a\u{1b}[2J\nb");
        let began = Moment::from_nanos(12_345_578_900);
        for (fact, expected) in [
            (Fact::Read { token, asked: 65_536, bytes: 143 }, "#5.7 read 143 of 65536"),
            (
                Fact::Polled { began, until: Moment::NEVER, events: 3 },
                "polled 3 ready, waited 100us, without limit",
            ),
            (Fact::Event { token, bits: 5 }, "#5.7 event readable read-closed"),
            (Fact::Request { token, label }, "#5.7 request GET /a\\u{1b}[2J\\nb"),
            (Fact::Called { token, call: Call::Data, began }, "#5.7 called data for 100us"),
            (
                Fact::State { token, from: Stage::Idle, to: Stage::Head, why: Call::Data },
                "#5.7 state idle -> head by data",
            ),
            (Fact::NobodyWaits { token }, "#5.7 nobody-waits"),
        ] {
            assert_eq!(said(fact, &labels), format!("12.345678s {expected}"));
        }
    }

    #[test]
    fn times_have_three_digits() {
        for (nanos, shown) in [
            (0, "0ns"),
            (999, "999ns"),
            (1_000, "1.00us"),
            (12_345, "12.3us"),
            (99_960, "100us"),
            (203_000_000, "203ms"),
            (1_500_000_000, "1.50s"),
            (9_996_000_000, "10.0s"),
            (u64::MAX, "18446744074s"),
        ] {
            assert_eq!(Span(Duration::from_nanos(nanos)).to_string(), shown);
            assert_eq!(format!("{:#}", Span(Duration::from_nanos(nanos))).replace(' ', ""), shown);
        }
    }
}
