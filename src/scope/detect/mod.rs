//! Detectors: what is wrong with a loop, found in its facts and named.
//!
//! A [`Detector`] is fed one fact after the other, live, from a recording, or by a lesson's loop that
//! was written by hand, and finds the same in all three: it is a pure function of the facts. It keeps
//! a little of each open socket and the last findings; both are bounded. The live page and
//! `readyloop learn` show what it finds. It never looks at a clock and never at a socket.
//!
//! What it says is what the facts show. A finding of a live server is a place to look at, not a
//! verdict: [`FindingKind::SlowReader`] is the peer's doing.

mod finding;
mod socket;
mod turn;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::limits::Limits;
use crate::probe::{Fact, Labels, Layer, Operation, Record, Recorder, Stage, Tallies};
use crate::time::Moment;
use crate::token::Token;

use finding::Findings;
pub use finding::{Finding, FindingKind};
use socket::{Found, Socket, millis};
use turn::Turn;

/// The bits of `Interest` and `Event`, as the loop's worlds have them.
const READABLE: u8 = 1;
const WRITABLE: u8 = 2;
const READ_CLOSED: u8 = 4;

/// `ENFILE` and `EMFILE`: the same numbers on every Unix.
const EXHAUSTED: [i32; 2] = [23, 24];

/// Sockets that are watched: those of the first so many places in the table.
const SOCKETS: usize = 1 << 16;

/// Suspects that are looked at after one poll; the others' turn comes after the next ones.
const LOOKS: usize = 64;

/// What is too much.
#[derive(Clone, Debug)]
struct Bounds {
    /// Reads and writes of one socket in one turn.
    operations: u32,
    stall: Duration,
    high_water: usize,
    cap: usize,
}

/// Finds what is wrong with a loop.
#[derive(Clone, Debug)]
pub struct Detector {
    bounds: Bounds,
    turn: Turn,
    sockets: Vec<Option<Box<Socket>>>,
    /// Places of sockets that may have been forgotten.
    suspects: Vec<usize>,
    /// Where among them the next look begins.
    next: usize,
    /// Sockets closed so far.
    closed: u64,
    findings: Findings,
    /// Facts of a recorder that were taken.
    cursor: u64,
}

impl Detector {
    /// A detector for a loop with these limits.
    pub fn new(limits: &Limits) -> Self {
        let bounds = Bounds {
            // Each read may be answered by a write, and both sides have their own budget; what is
            // left of the last turn and a timer may come on top.
            operations: limits.reads_per_drive.saturating_mul(8).max(64),
            stall: limits.stall,
            high_water: limits.high_water,
            cap: limits.backlog_cap,
        };
        Detector {
            bounds,
            turn: Turn::new(),
            sockets: Vec::new(),
            suspects: Vec::new(),
            next: 0,
            closed: 0,
            findings: Findings::default(),
            cursor: 0,
        }
    }

    /// The last findings, in the order in which they were first made; each kind once for each socket.
    pub fn findings(&self) -> &[Finding] {
        self.findings.list()
    }

    /// How many different ones there were altogether.
    pub fn total(&self) -> u64 {
        self.findings.total()
    }

    /// Takes what a recorder has recorded since the last call. What is lost by then is forgiven: see
    /// [`gap`](Self::gap).
    pub fn follow(&mut self, recorder: &Recorder) {
        if recorder.total() < self.cursor {
            // It has begun anew.
            self.cursor = 0;
            self.gap(recorder.tallies(), recorder.now());
        }
        let (first, records) = recorder.since(self.cursor);
        if first > self.cursor {
            self.gap(recorder.tallies(), recorder.now());
        }
        for record in records {
            self.take(record, recorder.labels());
        }
        self.cursor = recorder.total();
    }

    /// Facts are missing here: nothing is concluded from what sockets seem not to have done. What
    /// `tallies` say of them at `at` is known all the same: whose bytes wait, and go on waiting.
    pub fn gap(&mut self, tallies: &Tallies, at: Moment) {
        let mut before = std::mem::take(&mut self.sockets);
        self.suspects.clear();
        self.turn = Turn { number: self.turn.number, ..Turn::new() };
        for tally in tallies.iter().filter(|tally| tally.unsent >= self.bounds.high_water) {
            let token = tally.token;
            let Some(slot) = slot(&mut self.sockets, token) else { continue };
            let known = before.get_mut(token.index()).and_then(Option::take);
            *slot = Some(Box::new(Socket::full(tally, known.as_deref(), at)));
            self.suspects.push(token.index());
        }
    }

    /// Takes one fact in.
    pub fn take(&mut self, record: &Record, labels: &Labels) {
        let Record { at, fact } = *record;
        match fact {
            Fact::Polled { began, until, events } => {
                self.turn.begin(began, until, at, events);
                self.look_around(at, labels);
            }
            Fact::Accepted { token, from } => {
                self.enter(token);
                self.with(from, at, labels, |socket, turn, _| {
                    socket.accepted(turn);
                    None
                });
            }
            Fact::Adopted { token } => self.enter(token),
            Fact::Dialled { token } => {
                self.enter(token);
                self.with(token, at, labels, |socket, _, _| {
                    socket.dialled = true;
                    socket.life = Stage::Connecting;
                    None
                });
            }
            Fact::Closed { token, .. } => self.leave(token),
            Fact::Failed { token, during: Operation::Accept, errno }
                if EXHAUSTED.contains(&errno) =>
            {
                let closed = self.closed;
                self.with(token, at, labels, |socket, turn, _| socket.refused(closed, turn));
            }
            // Whom it names is gone.
            Fact::Stale { .. } => {}
            fact => {
                let Some(token) = fact.token() else { return };
                self.with(token, at, labels, |socket, turn, bounds| {
                    rule(socket, fact, at, turn, bounds)
                });
            }
        }
    }

    /// A socket that is new in this turn.
    fn enter(&mut self, token: Token) {
        let born = self.turn.number;
        if let Some(slot) = slot(&mut self.sockets, token) {
            // The list of suspects names places: whoever had this one may be in it still.
            let suspected = slot.as_ref().is_some_and(|before| before.suspected);
            let mut socket = Socket::new(token, born);
            socket.suspected = suspected;
            *slot = Some(Box::new(socket));
        }
    }

    fn leave(&mut self, token: Token) {
        self.closed += 1;
        if let Some(slot) = self.sockets.get_mut(token.index())
            && slot.as_ref().is_some_and(|socket| socket.token == token)
        {
            *slot = None;
        }
    }

    /// Has a rule look at a socket, and reports what it finds.
    #[inline]
    fn with(
        &mut self,
        token: Token,
        at: Moment,
        labels: &Labels,
        rule: impl FnOnce(&mut Socket, &Turn, &Bounds) -> Found,
    ) {
        let Some(slot) = slot(&mut self.sockets, token) else { return };
        if slot.as_ref().is_none_or(|socket| socket.token != token) {
            *slot = Some(Box::new(Socket::new(token, Socket::UNKNOWN)));
        }
        let Some(socket) = slot else { return };
        let found = rule(socket, &self.turn, &self.bounds);
        let is_new_suspect = !socket.suspected && socket.is_suspect();
        socket.suspected |= is_new_suspect;
        let told = found.map(|found| tell(socket, at, labels, found));
        if is_new_suspect {
            self.suspects.push(token.index());
        }
        if let Some(finding) = told {
            self.findings.add(finding);
        }
    }

    /// The loop has waited: looks at some of those that may have been forgotten.
    fn look_around(&mut self, at: Moment, labels: &Labels) {
        for _ in 0..self.suspects.len().min(LOOKS) {
            if self.next >= self.suspects.len() {
                self.next = 0;
            }
            let Some(&index) = self.suspects.get(self.next) else { return };
            let slot = self.sockets.get_mut(index).and_then(Option::as_mut);
            let Some(socket) = slot.filter(|socket| socket.is_suspect()) else {
                self.acquit(index);
                continue;
            };
            if let Some(found) = socket.look(at, &self.turn, self.closed) {
                let finding = tell(socket, at, labels, found);
                self.findings.add(finding);
            }
            self.next += 1;
        }
    }

    /// Nothing is left that it is suspected of. The last in the list takes its place there.
    fn acquit(&mut self, index: usize) {
        self.suspects.swap_remove(self.next);
        if let Some(Some(socket)) = self.sockets.get_mut(index) {
            socket.suspected = false;
        }
    }
}

/// A socket's place.
fn slot(sockets: &mut Vec<Option<Box<Socket>>>, token: Token) -> Option<&mut Option<Box<Socket>>> {
    let index = token.index();
    if index >= SOCKETS {
        return None;
    }
    if index >= sockets.len() {
        sockets.resize_with(index + 1, || None);
    }
    sockets.get_mut(index)
}

/// A finding about a socket, in words.
fn tell(
    socket: &mut Socket,
    at: Moment,
    labels: &Labels,
    (kind, text): (FindingKind, String),
) -> Finding {
    socket.told |= kind.bit();
    let label = labels.text(socket.label);
    let text = match socket.label.0 {
        0 => format!("{}: {text}", socket.token),
        _ => format!("{} ({label}): {text}", socket.token),
    };
    Finding { kind, token: Some(socket.token), at, text, times: 1 }
}

/// What a fact means for the socket that it is of.
fn rule(socket: &mut Socket, fact: Fact, at: Moment, turn: &Turn, bounds: &Bounds) -> Found {
    match fact {
        Fact::Event { bits, .. } => return socket.event(bits, turn),
        Fact::Read { asked, bytes, .. } => return socket.read(asked, bytes, at, turn, bounds),
        Fact::Wrote { asked, bytes, .. } => return socket.wrote(asked, bytes, at, turn, bounds),
        Fact::Buffer { unsent, .. } => return socket.buffer(unsent, at, turn, bounds),
        Fact::Armed { due, .. } => return socket.armed(due, at, turn),
        Fact::Stall { began, computing, .. } => return Some(stalled(at.since(began), computing)),
        Fact::Blocked { writing: false, .. } => socket.drained(),
        Fact::Blocked { writing: true, .. } => socket.blocked(turn),
        Fact::Budget { .. } => socket.budget(turn),
        Fact::Fired { .. } => socket.fired(),
        Fact::NobodyWaits { .. } => socket.attended(),
        Fact::Paused { .. } => socket.paused(true),
        Fact::Resumed { .. } => socket.paused(false),
        Fact::Interest { bits, .. } => socket.interest = Some(bits),
        Fact::Request { label, .. } => socket.label = label,
        Fact::State { to, .. } if to.layer() == Layer::Connection => {
            socket.life = to;
            socket.restart(turn);
        }
        Fact::HighWater { unsent, .. } => {
            socket.is_full = true;
            return socket.buffer(unsent, at, turn, bounds);
        }
        Fact::LowWater { unsent, .. } => {
            socket.is_full = false;
            return socket.buffer(unsent, at, turn, bounds);
        }
        _ => {}
    }
    None
}

/// A call held the loop for `took`, computing for so many nanoseconds of it.
fn stalled(took: Duration, computing: u64) -> (FindingKind, String) {
    let computing = Duration::from_nanos(computing);
    let cause = if computing * 2 >= took {
        "computing"
    } else {
        "parked: asleep, or waiting for a disk, a lock or a CPU"
    };
    let text = format!(
        "its handler held the loop for {}, {cause}. Nobody else was served meanwhile: give such work \
         to a thread and answer when it is done",
        millis(took)
    );
    (FindingKind::BlockedHandler, text)
}
