//! One simulated connection: two directions, each with the sender's and the receiver's buffer.
//!
//! Only states and their consequences; when something happens, and which fault strikes, is decided
//! by `net.rs`.

use std::collections::VecDeque;

use crate::reactor::world::Ready;
use crate::token::Token;

/// Which way bytes flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// From the peer to the loop.
    In,
    /// From the loop to the peer.
    Out,
}

/// The end of a direction, on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fin {
    /// More may be written.
    #[default]
    No,
    /// Nothing more will be written; the end follows the bytes under way.
    Sent,
    /// The receiver has it, behind the bytes that wait for it.
    Arrived,
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    /// Written, not yet arrived: the sender's buffer and the wire.
    pub(crate) sending: VecDeque<u8>,
    pub(crate) send_cap: usize,
    /// Arrived, not yet read.
    pub(crate) arrived: VecDeque<u8>,
    pub(crate) recv_cap: usize,
    pub(crate) fin: Fin,
    /// A step of this direction is on the agenda.
    pub(crate) moving: bool,
    /// Bytes that ever arrived.
    pub(crate) total: usize,
}

impl Pipe {
    pub(crate) fn new(send_cap: usize, recv_cap: usize) -> Self {
        Pipe { send_cap, recv_cap, ..Pipe::default() }
    }

    /// Room in the sender's buffer.
    pub(crate) fn room(&self) -> usize {
        self.send_cap.saturating_sub(self.sending.len())
    }

    /// Bytes that could arrive now.
    pub(crate) fn movable(&self) -> usize {
        self.sending.len().min(self.recv_cap.saturating_sub(self.arrived.len()))
    }

    /// True if there is a step to take: bytes to move, or the end.
    pub(crate) fn has_step(&self) -> bool {
        self.movable() > 0 || self.sending.is_empty() && self.fin == Fin::Sent
    }

    /// Moves `count` bytes to the receiver, and the end if it is next.
    pub(crate) fn step(&mut self, count: usize) {
        self.arrived.extend(self.sending.drain(..count));
        self.total += count;
        if self.sending.is_empty() && self.fin == Fin::Sent {
            self.fin = Fin::Arrived;
        }
    }

    /// Takes what has arrived into `into`.
    pub(crate) fn read(&mut self, into: &mut [u8], count: usize) {
        for (slot, byte) in into.iter_mut().zip(self.arrived.drain(..count)) {
            *slot = byte;
        }
    }

    /// The receiver has ended reading its end, or nothing will ever come.
    pub(crate) fn at_end(&self) -> bool {
        self.arrived.is_empty() && self.fin == Fin::Arrived
    }
}

/// Whether the loop's end is a connection yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Connecting {
    /// It is, or was.
    #[default]
    No,
    /// There is no answer yet.
    UnderWay,
    /// The answer was no.
    Refused,
}

/// The loop's socket of a connection as its kernel sees it.
#[derive(Debug, Default)]
pub(crate) struct Local {
    pub(crate) token: Option<Token>,
    /// Write readiness is reported too.
    pub(crate) writes: bool,
    /// Edges raised and not yet harvested.
    pub(crate) edge: Ready,
    /// Edges that a fault owes and that are on the agenda.
    pub(crate) owed: Ready,
    /// A write was blocked or stopped short: the next room is an edge (`SOCK_NOSPACE`).
    pub(crate) wants_room: bool,
    pub(crate) connecting: Connecting,
    pub(crate) closed: bool,
    pub(crate) reset: bool,
    /// Bytes ever read and written by the loop.
    pub(crate) read: usize,
    pub(crate) wrote: usize,
    /// Slices of the last write, if it took all of them.
    pub(crate) offered: usize,
    /// Polls since readable data was announced and not read.
    pub(crate) unserved: u32,
}

/// A connection between a peer and the loop.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) inward: Pipe,
    pub(crate) outward: Pipe,
    pub(crate) local: Local,
    /// The peer that holds the other end.
    pub(crate) peer: usize,
    pub(crate) peer_closed: bool,
    /// The peer has seen a reset.
    pub(crate) peer_reset: bool,
}

impl Conn {
    pub(crate) fn pipe(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::In => &mut self.inward,
            Way::Out => &mut self.outward,
        }
    }

    /// Room worth an event: like Linux, a third of the buffer.
    pub(crate) fn has_room(&self) -> bool {
        self.outward.room() * 3 >= self.outward.send_cap
    }

    /// The level: what the socket is ready for now, whoever asks.
    pub(crate) fn level(&self) -> Ready {
        let mut ready = Ready::default();
        match self.local.connecting {
            Connecting::No => {}
            Connecting::UnderWay => return ready,
            Connecting::Refused => return Ready(15),
        }
        let ended = self.inward.fin == Fin::Arrived;
        let shut = self.outward.fin != Fin::No;
        if !self.inward.arrived.is_empty() || ended || self.local.reset {
            ready.insert(Ready::READABLE);
        }
        if self.has_room() || shut || self.local.reset {
            ready.insert(Ready::WRITABLE);
        }
        if ended || self.local.reset {
            ready.insert(Ready::READ_CLOSED);
        }
        if ended && shut || self.local.reset {
            ready.insert(Ready::CLOSED);
        }
        ready
    }

    /// Raises edges, as far as the loop asked for them. Answers whether there is any new.
    pub(crate) fn raise(&mut self, edge: Ready) -> bool {
        let local = &mut self.local;
        if local.token.is_none() || local.closed {
            return false;
        }
        let before = local.edge;
        if edge.has(Ready::READABLE) {
            local.edge.insert(Ready::READABLE);
        }
        if edge.has(Ready::WRITABLE) && local.writes {
            local.edge.insert(Ready::WRITABLE);
        }
        before.0 == 0 && local.edge.0 != 0
    }
}
