//! What is known of each connection: a [`Tally`], kept up to date by the facts and nothing else.
//!
//! So a recording that is read back has the same tallies as the loop that made it.

use super::{Fact, Label, Origin, Stage};
use crate::time::Moment;
use crate::token::Token;

/// What kind of socket an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nothing tells.
    #[default]
    Unknown,
    /// A connection that was accepted.
    Accepted,
    /// A connection that began here.
    Dialled,
    /// A connection that was handed over.
    Adopted,
    /// A listener.
    Listener,
    /// A datagram socket.
    Datagram,
}

impl Kind {
    /// One lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Unknown => "unknown",
            Kind::Accepted => "accepted",
            Kind::Dialled => "dialled",
            Kind::Adopted => "adopted",
            Kind::Listener => "listener",
            Kind::Datagram => "datagram",
        }
    }
}

/// Totals and the present state of one socket.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Whose; its generation is not that of the slot's next life.
    pub token: Token,
    /// What it is.
    pub kind: Kind,
    /// Where the connection is in its life.
    pub life: Stage,
    /// Where its session is in its protocol; [`Stage::Unknown`] if it has no stages.
    pub stage: Stage,
    /// What the system was asked to watch it for: bits of readiness.
    pub interest: u8,
    /// The bits that the last event carried.
    pub bits: u8,
    /// Reading has stopped at the high watermark.
    pub is_full: bool,
    /// A listener has stopped accepting.
    pub is_paused: bool,
    /// Its budget ran out: it waits in the run queue.
    pub is_queued: bool,
    /// Who is at the other end.
    pub peer: Origin,
    /// What it was last asked for.
    pub label: Label,
    /// Unsent bytes.
    pub unsent: usize,
    /// When it began.
    pub opened: Moment,
    /// When it was last heard of.
    pub last: Moment,
    /// When it is due to time out.
    pub due: Moment,
    /// Bytes read, or received as datagrams.
    pub bytes_in: u64,
    /// Bytes written, or sent.
    pub bytes_out: u64,
    /// Reads that returned something; datagrams received; connections accepted.
    pub reads: u64,
    /// Writes; datagrams sent.
    pub writes: u64,
    /// Requests.
    pub requests: u64,
    /// Calls of its session.
    pub calls: u64,
    /// Nanoseconds that those took.
    pub busy: u64,
    /// The longest of them, in ns.
    pub longest: u64,
    /// Reads and writes that would have blocked.
    pub blocked: u64,
    /// Times that its budget ran out.
    pub budgets: u64,
    /// Calls that held the loop.
    pub stalls: u64,
}

impl Tally {
    fn new(token: Token, kind: Kind, now: Moment) -> Self {
        Tally {
            token,
            kind,
            life: Stage::Unknown,
            stage: Stage::Unknown,
            interest: 0,
            bits: 0,
            is_full: false,
            is_paused: false,
            is_queued: false,
            peer: Origin::default(),
            label: Label::default(),
            unsent: 0,
            opened: now,
            last: now,
            due: Moment::NEVER,
            bytes_in: 0,
            bytes_out: 0,
            reads: 0,
            writes: 0,
            requests: 0,
            calls: 0,
            busy: 0,
            longest: 0,
            blocked: 0,
            budgets: 0,
            stalls: 0,
        }
    }
}

/// The tallies of all sockets that are open, by their index in the loop's table.
#[derive(Clone, Debug, Default)]
pub struct Tallies {
    slots: Vec<Option<Tally>>,
    open: usize,
}

impl Tallies {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.open
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// One socket's, if it is open.
    pub fn get(&self, token: Token) -> Option<&Tally> {
        let slot = self.slots.get(token.index())?.as_ref();
        slot.filter(|tally| tally.token == token)
    }

    /// All, in the order of their index.
    pub fn iter(&self) -> impl Iterator<Item = &Tally> {
        self.slots.iter().flatten()
    }

    /// How many places there are for them, taken or free.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Those at an index from `from` on: to look at a few at a time.
    pub fn from(&self, from: usize) -> impl Iterator<Item = &Tally> {
        self.slots.get(from..).unwrap_or_default().iter().flatten()
    }

    /// Where it is.
    #[inline]
    pub(super) fn at(&mut self, token: Token, now: Moment) -> &mut Tally {
        let index = token.index();
        // One comparison where nothing is new, which is nearly always.
        let known = matches!(self.slots.get(index), Some(Some(tally)) if tally.token == token);
        if !known {
            self.enter(token, Kind::Unknown, now);
        }
        let slot = &mut self.slots[index];
        slot.get_or_insert_with(|| Tally::new(token, Kind::Unknown, now))
    }

    #[cold]
    fn enter(&mut self, token: Token, kind: Kind, now: Moment) {
        let index = token.index();
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        if self.slots[index].is_none() {
            self.open += 1;
        }
        self.slots[index] = Some(Tally::new(token, kind, now));
    }

    fn leave(&mut self, token: Token) {
        if let Some(slot) = self.slots.get_mut(token.index())
            && slot.as_ref().is_some_and(|tally| tally.token == token)
        {
            *slot = None;
            self.open -= 1;
        }
    }

    /// Takes a fact in, which happened at `now`.
    #[inline(always)]
    pub fn take(&mut self, fact: &Fact, now: Moment) {
        match *fact {
            Fact::Polled { .. }
            | Fact::Woken { .. }
            | Fact::Descriptors { .. }
            | Fact::Stale { .. }
            | Fact::Driven { .. } => return,
            Fact::Closed { token, .. } | Fact::Removed { token } => return self.leave(token),
            Fact::Accepted { token, from } => {
                self.enter(token, Kind::Accepted, now);
                let listener = self.at(from, now);
                listener.kind = Kind::Listener;
                listener.reads += 1;
                listener.is_queued = false;
                return;
            }
            Fact::Dialled { token } => return self.enter(token, Kind::Dialled, now),
            Fact::Adopted { token } => return self.enter(token, Kind::Adopted, now),
            _ => {}
        }
        let Some(token) = fact.token() else { return };
        let tally = self.at(token, now);
        tally.last = now;
        match *fact {
            Fact::Event { bits, .. } => tally.bits = bits,
            Fact::Read { bytes, .. } => {
                tally.reads += 1;
                tally.bytes_in += bytes as u64;
            }
            Fact::Wrote { bytes, .. } => {
                tally.writes += 1;
                tally.bytes_out += bytes as u64;
            }
            Fact::Called { began, .. } => {
                let took = now.since(began).as_nanos() as u64;
                tally.calls += 1;
                tally.busy += took;
                tally.longest = tally.longest.max(took);
                tally.is_queued = false;
            }
            Fact::Request { label, .. } => {
                tally.requests += 1;
                tally.label = label;
            }
            fact => rarer(tally, fact),
        }
    }
}

/// What does not happen in each exchange.
#[inline(never)]
fn rarer(tally: &mut Tally, fact: Fact) {
    match fact {
        Fact::Peer { peer, .. } => tally.peer = peer,
        Fact::Interest { bits, .. } => tally.interest = bits,
        Fact::State { to, .. } if to.layer() == super::Layer::Connection => tally.life = to,
        Fact::State { to, .. } => tally.stage = to,
        Fact::Stall { .. } => tally.stalls += 1,
        Fact::Blocked { .. } => tally.blocked += 1,
        Fact::Budget { .. } => {
            tally.budgets += 1;
            tally.is_queued = true;
        }
        Fact::Armed { due, .. } => tally.due = due,
        Fact::Fired { .. } => tally.due = Moment::NEVER,
        Fact::Buffer { unsent, .. } => tally.unsent = unsent,
        Fact::HighWater { unsent, .. } => {
            tally.unsent = unsent;
            tally.is_full = true;
        }
        Fact::LowWater { unsent, .. } => {
            tally.unsent = unsent;
            tally.is_full = false;
        }
        Fact::Paused { .. } => {
            tally.kind = Kind::Listener;
            tally.is_paused = true;
        }
        Fact::Resumed { .. } => tally.is_paused = false,
        Fact::NobodyWaits { .. } | Fact::Shed { .. } => {
            tally.kind = Kind::Listener;
            tally.is_queued = false;
        }
        Fact::Received { bytes, .. } => {
            tally.kind = Kind::Datagram;
            tally.reads += 1;
            tally.bytes_in += bytes as u64;
        }
        Fact::Sent { bytes, .. } => {
            tally.kind = Kind::Datagram;
            tally.writes += 1;
            tally.bytes_out += bytes as u64;
        }
        _ => {}
    }
}
