//! What a reactor needs from an operating system.
//!
//! `system.rs` implements it with real sockets, watched edge-triggered, level-triggered or by looking
//! again and again; the simulator implements it with nothing at all.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::probe::Probe;
use crate::session::Job;
use crate::session::datagram::{Datagram, Outbox, Peer};
pub use crate::socket::{Address, Connect, Listen, Stream};
use crate::time::Moment;
use crate::token::Token;

/// The readiness of one socket, as a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready(pub u8);

impl Ready {
    /// A read may make progress.
    pub const READABLE: Ready = Ready(1);
    /// A write may make progress.
    pub const WRITABLE: Ready = Ready(2);
    /// The peer has ended its direction. A hint: only a read of zero bytes decides.
    pub const READ_CLOSED: Ready = Ready(4);
    /// Both directions are gone, or the socket has an error.
    pub const CLOSED: Ready = Ready(8);

    /// True if `self` has any bit of `other`.
    #[inline]
    pub const fn has(self, other: Ready) -> bool {
        self.0 & other.0 != 0
    }

    /// Adds the bits of `other`.
    #[inline]
    pub fn insert(&mut self, other: Ready) {
        self.0 |= other.0;
    }

    /// Takes the bits of `other` away.
    #[inline]
    pub fn remove(&mut self, other: Ready) {
        self.0 &= !other.0;
    }
}

/// One event of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Which entry; possibly one that is gone.
    pub token: Token,
    /// What it is ready for.
    pub ready: Ready,
}

/// A non-blocking datagram socket. Readiness is edge-triggered.
pub trait DatagramSocket {
    /// Receives what is there, at most `max` datagrams, and calls `each` with every one of them.
    /// `WouldBlock` when there is none; fewer than `max` means that there are no more.
    fn receive(&mut self, max: usize, each: &mut dyn FnMut(Datagram<'_>)) -> io::Result<usize>;
    /// Sends from the front of `outbox`; answers how many were taken. An error concerns the first
    /// one only.
    fn send(&mut self, outbox: &Outbox) -> io::Result<usize>;
}

/// Wakes a poll from another thread. Many wakes before one poll are one.
pub trait Wake: Send + Sync {
    /// Makes the current or the next poll return.
    fn wake(&self);
}

/// An operating system, real or simulated.
pub trait World: Probe {
    /// A connection.
    type Stream: Stream;
    /// A listening socket.
    type Listener;
    /// A datagram socket.
    type Datagram: DatagramSocket;
    /// A descriptor of the host's own.
    type External;

    /// Its streams can send files without showing them to us.
    const SENDS_FILES: bool;
    /// It reports readiness for as long as it lasts, so it must be told what is wanted, or input
    /// that nobody reads would keep it from sleeping.
    const LEVEL: bool = false;

    /// The time. Never goes back.
    fn now(&mut self) -> Moment;
    /// The CPU time that this thread has used. Asked for only while a recorder is on, and rarely.
    fn cpu(&mut self) -> Duration;
    /// The wall clock.
    fn wall(&mut self) -> SystemTime;
    /// Waits until something is ready, the timeout has passed or a wake came; appends what is
    /// ready. `None` waits without limit. An interrupted wait is an empty success.
    fn poll(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()>;
    /// The waker of this world's poll.
    fn waker(&self) -> Arc<dyn Wake>;

    /// Opens a listening socket; events arrive under `token`.
    fn listen(&mut self, how: &Listen, token: Token) -> io::Result<Self::Listener>;
    /// The address it is bound to, with the port that the system chose.
    fn listening(&self, listener: &Self::Listener) -> io::Result<Address>;
    /// Accepts one connection, not yet registered, and names its peer.
    fn accept(
        &mut self,
        listener: &Self::Listener,
        how: &Listen,
    ) -> io::Result<(Self::Stream, Peer)>;
    /// Whether connections are accepted now. Asked for only where readiness is a level.
    fn attend(&mut self, listener: &Self::Listener, token: Token, accepts: bool) {
        let _ = (listener, token, accepts);
    }
    /// Turns new connections away while those under way may still be accepted. First step of a
    /// drain; a no-op where the system cannot.
    fn refuse(&mut self, listener: &Self::Listener);
    /// Closes a listening socket.
    fn unlisten(&mut self, listener: Self::Listener);

    /// Begins a connection, not yet registered. An answer that has not come yet is a success;
    /// [`Stream::connected`] says later what became of it.
    fn connect(&mut self, how: &Connect) -> io::Result<Self::Stream>;

    /// Registers a connection: READABLE always, WRITABLE too if `writable`. Readiness that already
    /// exists raises an event.
    fn register(
        &mut self,
        stream: &mut Self::Stream,
        token: Token,
        writable: bool,
    ) -> io::Result<()>;
    /// Adds WRITABLE to a registered connection.
    fn watch_writes(&mut self, stream: &mut Self::Stream, token: Token) -> io::Result<()>;
    /// What of a registered connection is wanted now. Told after each drive, only where readiness is
    /// a level.
    fn want(
        &mut self,
        stream: &mut Self::Stream,
        token: Token,
        reads: bool,
        writes: bool,
    ) -> io::Result<()> {
        let _ = (stream, token, reads, writes);
        Ok(())
    }
    /// Closes a connection.
    fn close(&mut self, stream: Self::Stream);
    /// Closes a connection whose last bytes will never come: the peer sees a reset, and the system
    /// keeps nothing for it. A plain close, in a world that has no resets.
    fn abort(&mut self, stream: Self::Stream) {
        self.close(stream);
    }

    /// Opens a datagram socket; events arrive under `token`.
    fn bind(&mut self, how: &Listen, token: Token) -> io::Result<Self::Datagram>;
    /// Whether a datagram socket waits to be written to. Told only where readiness is a level.
    fn want_datagram(&mut self, socket: &Self::Datagram, token: Token, writes: bool) {
        let _ = (socket, token, writes);
    }
    /// The address it is bound to.
    fn bound(&self, socket: &Self::Datagram) -> io::Result<Address>;
    /// Closes a datagram socket.
    fn unbind(&mut self, socket: Self::Datagram);

    /// Watches a descriptor of the host's.
    fn watch(&mut self, external: &mut Self::External, token: Token) -> io::Result<()>;
    /// Watches it no longer.
    fn unwatch(&mut self, external: Self::External);

    /// Gives up the reserve descriptor, so that one connection can be accepted and turned away.
    fn spend_reserve(&mut self);
    /// Tries to take a reserve descriptor again.
    fn renew_reserve(&mut self);

    /// Runs a job away from the loop and hands its result to `done`, on any thread. `false` if
    /// the queue is full; the job is dropped then.
    fn offload(&mut self, job: Job, done: Box<dyn FnOnce(crate::session::Message) + Send>) -> bool;
}
