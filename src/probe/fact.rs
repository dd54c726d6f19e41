//! The vocabulary of the loop: what can happen in it, one variant each.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Call, Label, Stage};
use crate::error::CloseReason;
use crate::time::Moment;
use crate::token::Token;

/// Something that just happened in the loop.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fact {
    /// A poll returned; so many events were ready. A turn begins; the one before it ended when this
    /// poll began.
    Polled {
        /// When the loop began to wait.
        began: Moment,
        /// Until when it would have waited; [`Moment::NEVER`] for without limit.
        until: Moment,
        /// Events returned.
        events: usize,
    },
    /// Other threads have sent commands.
    Woken {
        /// How many are taken in this turn.
        commands: usize,
    },
    /// An event reached a live entry.
    Event {
        /// Whose.
        token: Token,
        /// The readiness bits that it carried.
        bits: u8,
    },
    /// An event, a message or a timer named an entry that is gone.
    Stale {
        /// Whose it had been.
        token: Token,
    },
    /// A connection was accepted.
    Accepted {
        /// Its new token.
        token: Token,
        /// The listener's token.
        from: Token,
    },
    /// Who is at the other end of a connection that was accepted or dialled.
    Peer {
        /// Its token.
        token: Token,
        /// Who.
        peer: Origin,
    },
    /// A connection was begun from here; whether it comes about, `Closed` or a call of its session
    /// will tell.
    Dialled {
        /// Its new token.
        token: Token,
    },
    /// A handed-over connection was adopted.
    Adopted {
        /// Its new token.
        token: Token,
    },
    /// A read returned bytes; zero is the end of the stream.
    Read {
        /// Whose.
        token: Token,
        /// How many there was room for.
        asked: usize,
        /// How many came.
        bytes: usize,
    },
    /// A write took bytes.
    Wrote {
        /// Whose.
        token: Token,
        /// How many it was offered.
        asked: usize,
        /// How many it took.
        bytes: usize,
    },
    /// A read, a write, an accept or a connect failed for good.
    Failed {
        /// Whose.
        token: Token,
        /// Which of them.
        during: Operation,
        /// The system's number for it; 0 if it has none.
        errno: i32,
    },
    /// The world was asked to watch a socket for these.
    Interest {
        /// Whose.
        token: Token,
        /// The readiness bits, and [`LEVEL`] if readiness is told for as long as it lasts.
        bits: u8,
    },
    /// A listener, a datagram socket or a descriptor of the host's was given back.
    Removed {
        /// Whose.
        token: Token,
    },
    /// A session was called, and has returned.
    Called {
        /// Whose.
        token: Token,
        /// For what.
        call: Call,
        /// When it was called.
        began: Moment,
    },
    /// A request is about to be handled.
    Request {
        /// Whose.
        token: Token,
        /// Its method and path.
        label: Label,
    },
    /// A call has changed where a connection or its session is.
    State {
        /// Whose.
        token: Token,
        /// Where it was.
        from: Stage,
        /// Where it is.
        to: Stage,
        /// The call that changed it.
        why: Call,
    },
    /// A call held the loop for longer than [`Limits::stall`](crate::Limits::stall). Its `Called`
    /// comes before it.
    Stall {
        /// Whose.
        token: Token,
        /// When it was called.
        began: Moment,
        /// How much of the time since then the thread was computing, in ns, by its own CPU clock. The
        /// rest it was parked: asleep, waiting for a disk or a lock, or not given a CPU.
        computing: u64,
    },
    /// A read or write would have blocked.
    Blocked {
        /// Whose.
        token: Token,
        /// True for a write.
        writing: bool,
    },
    /// An accept found nobody waiting.
    NobodyWaits {
        /// The listener.
        token: Token,
    },
    /// A budget ran out; the rest waits in the run queue.
    Budget {
        /// Whose.
        token: Token,
    },
    /// A deadline was put into the timer heap, or fell away.
    Armed {
        /// Whose.
        token: Token,
        /// When it fires; [`Moment::NEVER`] if there is none any more.
        due: Moment,
    },
    /// A deadline was reached and acted upon.
    Fired {
        /// Whose.
        token: Token,
        /// When it was due.
        due: Moment,
    },
    /// A stream's session is about to be called: proof that a socket was driven.
    Driven {
        /// Whose.
        token: Token,
    },
    /// Unsent bytes were kept, or what was kept became less.
    Buffer {
        /// Whose.
        token: Token,
        /// How many wait now.
        unsent: usize,
    },
    /// Reading stopped because the peer does not take what it is sent.
    HighWater {
        /// Whose.
        token: Token,
        /// Its unsent bytes.
        unsent: usize,
    },
    /// The peer has taken enough of it: reading goes on.
    LowWater {
        /// Whose.
        token: Token,
        /// Its unsent bytes.
        unsent: usize,
    },
    /// A listener stopped accepting: full, or out of descriptors.
    Paused {
        /// The listener.
        token: Token,
        /// True if the system ran out of descriptors, false at our own cap.
        descriptors: bool,
    },
    /// How many descriptors there are, said when accepting pauses.
    Descriptors {
        /// Connections, of which each has one.
        used: usize,
        /// Allowed; 0 if nobody said.
        limit: usize,
    },
    /// A listener accepts again.
    Resumed {
        /// The listener.
        token: Token,
    },
    /// A client was turned away at the door: no descriptor was left. It never was a connection.
    Shed {
        /// The listener.
        token: Token,
    },
    /// A datagram was received.
    Received {
        /// The socket.
        token: Token,
        /// Its size.
        bytes: usize,
    },
    /// A datagram was sent.
    Sent {
        /// The socket.
        token: Token,
        /// Its size.
        bytes: usize,
    },
    /// A datagram was dropped, or refused by the system.
    Dropped {
        /// The socket.
        token: Token,
    },
    /// An entry ended.
    Closed {
        /// Whose.
        token: Token,
        /// Why.
        reason: CloseReason,
    },
}

impl Fact {
    /// Whose it is; nobody's for facts of the loop itself.
    pub const fn token(&self) -> Option<Token> {
        match *self {
            Fact::Polled { .. } | Fact::Woken { .. } | Fact::Descriptors { .. } => None,
            Fact::Event { token, .. }
            | Fact::Stale { token }
            | Fact::Accepted { token, .. }
            | Fact::Peer { token, .. }
            | Fact::Dialled { token }
            | Fact::Adopted { token }
            | Fact::Read { token, .. }
            | Fact::Wrote { token, .. }
            | Fact::Failed { token, .. }
            | Fact::Interest { token, .. }
            | Fact::Removed { token }
            | Fact::Called { token, .. }
            | Fact::Request { token, .. }
            | Fact::State { token, .. }
            | Fact::Stall { token, .. }
            | Fact::Blocked { token, .. }
            | Fact::NobodyWaits { token }
            | Fact::Budget { token }
            | Fact::Armed { token, .. }
            | Fact::Fired { token, .. }
            | Fact::Driven { token }
            | Fact::Buffer { token, .. }
            | Fact::HighWater { token, .. }
            | Fact::LowWater { token, .. }
            | Fact::Paused { token, .. }
            | Fact::Resumed { token }
            | Fact::Shed { token }
            | Fact::Received { token, .. }
            | Fact::Sent { token, .. }
            | Fact::Dropped { token }
            | Fact::Closed { token, .. } => Some(token),
        }
    }
}

/// The bit of [`Fact::Interest`] that says: level-triggered.
pub const LEVEL: u8 = 0x40;

/// What was tried on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Accepting.
    Accept,
    /// Connecting.
    Connect,
}

impl Operation {
    /// One lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Operation::Read => "read",
            Operation::Write => "write",
            Operation::Accept => "accept",
            Operation::Connect => "connect",
        }
    }
}

/// Who is at the other end, in little room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Nobody said.
    #[default]
    Unknown,
    /// Nobody with an address: a Unix socket.
    Unix,
    /// IPv4.
    V4([u8; 4], u16),
    /// IPv6.
    V6([u8; 16], u16),
}

impl From<SocketAddr> for Origin {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(at) => Origin::V4(at.ip().octets(), at.port()),
            SocketAddr::V6(at) => Origin::V6(at.ip().octets(), at.port()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Origin::Unknown => f.write_str("unknown"),
            Origin::Unix => f.write_str("unix"),
            Origin::V4(ip, port) => write!(f, "{}:{port}", Ipv4Addr::from(ip)),
            Origin::V6(ip, port) => write!(f, "[{}]:{port}", Ipv6Addr::from(ip)),
        }
    }
}
