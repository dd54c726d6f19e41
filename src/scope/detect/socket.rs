//! What a detector remembers of one socket, and the rules that need nothing else.
//!
//! Each rule is a method that a fact calls; it answers what it has found, as a kind and the words.

use std::time::Duration;

use super::finding::FindingKind;
use super::turn::Turn;
use super::{Bounds, READ_CLOSED, READABLE, WRITABLE};
use crate::probe::{LEVEL, Label, Stage, Tally};
use crate::time::Moment;
use crate::token::Token;

/// A rule's answer.
pub(super) type Found = Option<(FindingKind, String)>;

/// How long the loop must have waited before work that was left is taken for forgotten.
pub(super) const FORGOTTEN: Duration = Duration::from_millis(50);
/// How long a peer may leave its bytes above the high watermark.
const SLOW: Duration = Duration::from_secs(3);
/// Write events for nothing, one after the other, that are a spin.
const SPIN: u32 = 100;
/// Failed accepts in turns that did not wait that are a spin.
const REFUSALS: u32 = 50;
/// Steps by which unsent bytes grow beyond their cap before somebody should have stopped.
const GROWTH: u32 = 8;
/// Bytes of a write that Nagle's algorithm may hold back: less than a segment.
const SMALL: usize = 1400;
/// What a delayed acknowledgement takes on Linux, and a little for the way.
const DELAYED: std::ops::RangeInclusive<u128> = 36..=75;
/// Exchanges that took so long before it is more than chance.
const DELAYS: u8 = 4;
/// How late a send is that was not sent when it was due.
const LATE: Duration = Duration::from_millis(50);
/// Late sends before they are a habit.
const LATES: u8 = 3;
/// How far in the past a deadline may be set; clocks are read now and then only.
const PAST: Duration = Duration::from_millis(5);

/// One socket.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    pub(super) token: Token,
    /// In which turn it was born; [`Socket::UNKNOWN`] if nobody saw that.
    pub(super) born: u64,
    pub(super) dialled: bool,
    pub(super) label: Label,
    pub(super) life: Stage,
    /// What the system was asked to watch it for, if that is known.
    pub(super) interest: Option<u8>,
    /// Bits of the kinds that were told of it.
    pub(super) told: u16,
    /// It is in the list of suspects.
    pub(super) suspected: bool,
    /// It may hold unread bytes, or unaccepted connections: since the loop had waited for so long.
    owed: Option<Duration>,
    /// An event said that the peer has ended its stream; no further one will.
    ending: bool,
    pub(super) ended: bool,
    /// Reading has stopped at the high watermark.
    pub(super) is_full: bool,
    pub(super) unsent: usize,
    /// A write was not taken whole: since the loop had waited for so long.
    stuck: Option<Duration>,
    /// Since when its unsent bytes are above the high watermark.
    over: Moment,
    growth: u32,
    vain: u32,
    /// Reads and writes in this turn.
    operations: u32,
    turn: u64,
    small: u8,
    wrote: Moment,
    delays: u8,
    due: Moment,
    read: Moment,
    late: u8,
    refusals: u32,
    /// Out of descriptors, and how many sockets had been closed by then.
    refused: Option<u64>,
    /// There are descriptors again: since the loop had waited for so long.
    freed: Option<Duration>,
    pub(super) is_paused: bool,
}

impl Socket {
    pub(super) const UNKNOWN: u64 = u64::MAX;

    pub(super) fn new(token: Token, born: u64) -> Self {
        Socket {
            token,
            born,
            dialled: false,
            label: Label::default(),
            life: Stage::Unknown,
            interest: None,
            told: 0,
            suspected: false,
            owed: None,
            ending: false,
            ended: false,
            is_full: false,
            unsent: 0,
            stuck: None,
            over: Moment::NEVER,
            growth: 0,
            vain: 0,
            operations: 0,
            turn: 0,
            small: 0,
            wrote: Moment::START,
            delays: 0,
            due: Moment::NEVER,
            read: Moment::START,
            late: 0,
            refusals: 0,
            refused: None,
            freed: None,
            is_paused: false,
        }
    }

    /// A socket of which facts are missing, and whose unsent bytes are above the high watermark, as
    /// they were if it was `known` before.
    pub(super) fn full(tally: &Tally, known: Option<&Socket>, at: Moment) -> Self {
        let known = known.filter(|known| known.token == tally.token);
        let over = known.map_or(at, |known| match known.told & FindingKind::SlowReader.bit() {
            0 => known.over.min(at),
            _ => Moment::NEVER,
        });
        Socket {
            label: tally.label,
            life: tally.life,
            interest: Some(tally.interest).filter(|bits| *bits != 0),
            told: known.map_or(0, |known| known.told),
            suspected: true,
            is_full: tally.is_full,
            unsent: tally.unsent,
            over,
            ..Socket::new(tally.token, Socket::UNKNOWN)
        }
    }

    /// Its whole life has been seen, so what is missing in it is missing.
    fn is_known(&self) -> bool {
        self.born != Socket::UNKNOWN
    }

    /// It is not read, and should not be: there is a reason, and whoever took it away will read.
    fn may_not_read(&self) -> bool {
        let interest = self.interest.unwrap_or(READABLE);
        self.ended
            || self.is_full
            || self.unsent > 0
            || interest & READABLE == 0
            || interest & LEVEL != 0
            || !matches!(self.life, Stage::Unknown | Stage::Open)
    }

    /// True if it is worth a look whenever the loop has waited.
    pub(super) fn is_suspect(&self) -> bool {
        self.owed.is_some()
            || self.stuck.is_some()
            || !self.over.is_never()
            || self.refused.is_some()
    }

    /// Whatever was a reason not to read may have ended: the time counts from now.
    pub(super) fn restart(&mut self, turn: &Turn) {
        if self.owed.is_some() {
            self.owed = Some(turn.waited);
        }
    }

    pub(super) fn event(&mut self, bits: u8, turn: &Turn) -> Found {
        if self.is_known() && bits & READABLE != 0 && !self.ended {
            self.owed = Some(turn.waited);
        }
        self.ending |= bits & READ_CLOSED != 0;
        // The accept that follows will tell.
        self.freed = None;
        if self.born == turn.number && turn.number > 0 {
            let text = "an event reached it in the very turn in which it was opened. It was harvested \
                        before, for the socket that had this place in the table then: compare the \
                        generation, not the index alone";
            return Some((FindingKind::StaleToken, text.into()));
        }
        if bits != WRITABLE || !turn.is_eager {
            self.vain = 0;
            return None;
        }
        self.vain += 1;
        if self.vain < SPIN || !(self.vain == SPIN || self.vain.is_power_of_two()) {
            return None;
        }
        let text = format!(
            "{} turns in a row did not wait, because it can be written to, and nothing was written: \
             stop watching for WRITABLE when nothing is left to send",
            self.vain
        );
        Some((FindingKind::KeptWritable, text))
    }

    /// A read returned `bytes`.
    pub(super) fn read(
        &mut self,
        asked: usize,
        bytes: usize,
        at: Moment,
        turn: &Turn,
        bounds: &Bounds,
    ) -> Found {
        self.ended |= bytes == 0;
        self.connected();
        let is_left = bytes > 0 && (bytes == asked || self.ending);
        self.owed = (is_left && self.is_known()).then_some(turn.waited);
        self.vain = 0;
        let delayed = self.delayed(at);
        self.read = at;
        self.small = 0;
        self.operation(at, turn, bounds).or(delayed)
    }

    /// Whoever reads or writes is connected, whether or not it was said.
    fn connected(&mut self) {
        if self.life == Stage::Connecting {
            self.life = Stage::Unknown;
        }
    }

    /// A read would have blocked: the socket is empty.
    pub(super) fn drained(&mut self) {
        self.owed = None;
        self.vain = 0;
    }

    /// The rest is to be read later, and somebody remembers it.
    pub(super) fn budget(&mut self, turn: &Turn) {
        self.restart(turn);
    }

    /// Two or more small writes, and then a peer that takes just as long as a delayed
    /// acknowledgement to go on.
    fn delayed(&mut self, at: Moment) -> Found {
        if self.small < 2 {
            return None;
        }
        let gap = at.since(self.wrote).as_millis();
        if !DELAYED.contains(&gap) {
            self.delays = self.delays.saturating_sub(1);
            return None;
        }
        self.delays = self.delays.saturating_add(1);
        let text = || {
            format!(
                "{} small writes, and then nothing for {gap} ms, again and again: the second waits \
                 until the peer acknowledges the first, and the peer delays that. Write once, or set \
                 TCP_NODELAY",
                self.small
            )
        };
        (self.delays >= DELAYS).then(|| (FindingKind::NagleDelayedAck, text()))
    }

    pub(super) fn wrote(
        &mut self,
        asked: usize,
        bytes: usize,
        at: Moment,
        turn: &Turn,
        bounds: &Bounds,
    ) -> Found {
        self.connected();
        self.vain = 0;
        self.stuck = (bytes < asked).then_some(turn.waited);
        let is_next = self.small > 0 && at.since(self.wrote) < Duration::from_millis(20);
        self.small = match bytes {
            _ if bytes >= SMALL => 0,
            _ if is_next => self.small.saturating_add(1),
            _ => 1,
        };
        self.wrote = at;
        self.sent_late(at).or_else(|| self.operation(at, turn, bounds))
    }

    /// A send that was due at a time when the answer to the one before was still awaited.
    fn sent_late(&mut self, at: Moment) -> Found {
        let late = at.since(self.due);
        if !self.dialled || self.due.is_never() || late < LATE || self.read < self.due {
            return None;
        }
        self.due = Moment::NEVER;
        self.late = self.late.saturating_add(1);
        let text = || {
            format!(
                "a request was sent {} after it was due, because the answer to the one before was \
                 awaited: measured from when it was sent, that wait is in no figure. Measure from \
                 when it was due",
                millis(late)
            )
        };
        (self.late >= LATES).then(|| (FindingKind::CoordinatedOmission, text()))
    }

    /// One more read or write in this turn.
    fn operation(&mut self, at: Moment, turn: &Turn, bounds: &Bounds) -> Found {
        if self.turn != turn.number {
            self.turn = turn.number;
            self.operations = 0;
        }
        self.operations = self.operations.saturating_add(1);
        let lasts = at.since(turn.at);
        let is_alone = turn.events < 2 && lasts < bounds.stall;
        if turn.number == 0 || self.operations <= bounds.operations || is_alone {
            return None;
        }
        let is_new = self.told & FindingKind::Starvation.bit() == 0;
        if !is_new && !self.operations.is_power_of_two() {
            return None;
        }
        let text = format!(
            "{} reads and writes of it in one turn, for {} so far, while everybody else waits: stop \
             at a budget and queue the rest",
            self.operations,
            millis(lasts)
        );
        Some((FindingKind::Starvation, text))
    }

    /// A write would have blocked.
    pub(super) fn blocked(&mut self, turn: &Turn) {
        self.vain = 0;
        self.stuck = Some(turn.waited);
    }

    /// So many bytes are kept now.
    pub(super) fn buffer(&mut self, unsent: usize, at: Moment, turn: &Turn, b: &Bounds) -> Found {
        let before = std::mem::replace(&mut self.unsent, unsent);
        self.vain = 0;
        self.stuck = (unsent > 0).then_some(turn.waited);
        self.restart(turn);
        if unsent < b.high_water {
            self.over = Moment::NEVER;
        } else {
            self.over = self.over.min(at);
        }
        if unsent < before {
            self.growth = 0;
        } else if unsent > before && unsent > b.cap && !self.is_full {
            self.growth += 1;
            if self.growth == GROWTH || self.growth > GROWTH && self.growth.is_power_of_two() {
                let text = format!(
                    "{unsent} bytes wait to be sent and more come, with nothing that stops what \
                     produces them: stop at a high watermark and go on below a low one"
                );
                return Some((FindingKind::UnboundedOutput, text));
            }
        }
        None
    }

    pub(super) fn armed(&mut self, due: Moment, at: Moment, turn: &Turn) -> Found {
        self.due = due;
        // A loop that overslept finds deadlines that have passed meanwhile.
        let overslept = turn.until <= due && due <= turn.at;
        (due + PAST <= at && !overslept).then(|| {
            let text = format!(
                "its deadline was over for {} when it was set: it was counted from a time that was \
                 looked at too long ago",
                millis(at.since(due))
            );
            (FindingKind::StaleNow, text)
        })
    }

    /// Its deadline has come: somebody came back to it.
    pub(super) fn fired(&mut self) {
        self.due = Moment::NEVER;
        self.refused = None;
    }

    /// A listener has accepted somebody; more may wait.
    pub(super) fn accepted(&mut self, turn: &Turn) {
        self.attended();
        self.owed = Some(turn.waited);
    }

    /// Nobody is left to accept.
    pub(super) fn attended(&mut self) {
        self.paused(false);
        self.refused = None;
    }

    /// It accepts nobody for a while, or does so again.
    pub(super) fn paused(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
        self.owed = None;
        self.refusals = 0;
    }

    /// An accept failed for want of a descriptor.
    pub(super) fn refused(&mut self, closed: u64, turn: &Turn) -> Found {
        self.owed = None;
        self.refused = Some(closed);
        self.freed = None;
        if self.is_paused {
            return None;
        }
        self.refusals = if turn.is_eager { self.refusals + 1 } else { 1 };
        if self.refusals < REFUSALS
            || !(self.refusals == REFUSALS || self.refusals.is_power_of_two())
        {
            return None;
        }
        let text = format!(
            "no descriptor is left, and accepting was tried {} times without a pause: stop listening \
             for events until a connection has closed, or a while has passed",
            self.refusals
        );
        Some((FindingKind::DescriptorSpin, text))
    }

    /// The loop has waited: is something left that nobody will come back for?
    pub(super) fn look(&mut self, at: Moment, turn: &Turn, closed: u64) -> Found {
        self.lost_edge(turn)
            .or_else(|| self.forgotten(turn))
            .or_else(|| self.slow(at))
            .or_else(|| self.silent(turn, closed))
    }

    fn lost_edge(&mut self, turn: &Turn) -> Found {
        let since = self.owed?;
        if self.may_not_read() || self.is_paused {
            self.restart(turn);
            return None;
        }
        let waited = turn.waited.saturating_sub(since);
        (waited >= FORGOTTEN).then(|| {
            self.owed = None;
            let text = format!(
                "it was ready, was not read until it was empty, and the loop waited for {}: under \
                 edge triggering no further event tells of what is left. Read until a read is short \
                 or would block, or come back by yourself",
                millis(waited)
            );
            (FindingKind::LostEdge, text)
        })
    }

    fn forgotten(&mut self, turn: &Turn) -> Found {
        let since = self.stuck?;
        if self.interest.is_none_or(|bits| bits & WRITABLE != 0) || self.life == Stage::Connecting {
            self.stuck = None;
            return None;
        }
        let waited = turn.waited.saturating_sub(since);
        (waited >= FORGOTTEN).then(|| {
            self.stuck = None;
            let text = format!(
                "a write was not taken whole, the loop waited for {}, and nobody has asked to be told \
                 of room: watch for WRITABLE until the rest is sent",
                millis(waited)
            );
            (FindingKind::ForgottenWritable, text)
        })
    }

    fn slow(&mut self, at: Moment) -> Found {
        let since = at.since(self.over);
        (!self.over.is_never() && since >= SLOW).then(|| {
            self.over = Moment::NEVER;
            let text = format!(
                "{} bytes wait because the peer does not take them, for {} above the high watermark",
                self.unsent,
                millis(since)
            );
            (FindingKind::SlowReader, text)
        })
    }

    fn silent(&mut self, turn: &Turn, closed: u64) -> Found {
        // A timer will have it tried again.
        if closed <= self.refused? || !self.due.is_never() {
            return None;
        }
        let waited = turn.waited.saturating_sub(*self.freed.get_or_insert(turn.waited));
        (waited >= FORGOTTEN * 2).then(|| {
            self.refused = None;
            let text = format!(
                "no descriptor was left when it accepted last. Since then connections have been \
                 closed, the loop has waited for {}, and nobody has tried again: the clients in the \
                 queue raise no new event. Try again when a connection closes, and after a while",
                millis(waited)
            );
            (FindingKind::DescriptorSilence, text)
        })
    }
}

/// A time for a sentence.
pub(super) fn millis(time: Duration) -> String {
    match time.as_millis() {
        0 => format!("{} µs", time.as_micros()),
        millis @ 1..10_000 => format!("{millis} ms"),
        millis => format!("{} s", millis / 1000),
    }
}
