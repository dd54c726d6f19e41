//! What a reactor needs from an operating system.
//!
//! `edge.rs` implements it with mio and socket2; the simulator implements it with nothing at all.

use std::fmt;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::buf::FileSpan;
use crate::probe::Probe;
use crate::reactor::dial::Dial;
use crate::session::Job;
use crate::session::datagram::{Datagram, Outbox, Peer};
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

/// An address to listen on, or to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP or UDP over IPv4 or IPv6.
    Inet(std::net::SocketAddr),
    /// A Unix socket's path.
    Unix(PathBuf),
}

impl Address {
    /// The IP address and port, unless it is a Unix socket's.
    pub fn as_inet(&self) -> Option<std::net::SocketAddr> {
        match self {
            Address::Inet(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }
}

impl From<std::net::SocketAddr> for Address {
    fn from(address: std::net::SocketAddr) -> Self {
        Address::Inet(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Inet(address) => write!(f, "{address}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How to listen.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Where.
    pub address: Address,
    /// Connections that the system queues before they are accepted.
    pub backlog: u32,
    /// Several sockets may bind the same address and share its load (`SO_REUSEPORT`).
    pub reuse_port: bool,
    /// An IPv6 wildcard address takes IPv4 as well (`IPV6_V6ONLY` off).
    pub dual_stack: bool,
    /// Accepted sockets send at once (`TCP_NODELAY`).
    pub nodelay: bool,
    /// Probe silent peers (`SO_KEEPALIVE`) after this long.
    pub keep_alive: Option<Duration>,
    /// The peer speaks first: it is accepted when its first bytes are there
    /// (`TCP_DEFER_ACCEPT`), where the system knows how.
    pub peer_speaks_first: bool,
    /// Kernel send and receive buffer sizes, where the default does not suit.
    pub send_buffer: Option<usize>,
    /// See `send_buffer`.
    pub recv_buffer: Option<usize>,
}

impl Listen {
    /// The usual way to listen at `address`.
    pub fn new(address: Address) -> Self {
        Listen {
            address,
            backlog: 4096,
            reuse_port: false,
            dual_stack: true,
            nodelay: true,
            keep_alive: None,
            peer_speaks_first: false,
            send_buffer: None,
            recv_buffer: None,
        }
    }
}

impl From<std::net::SocketAddr> for Listen {
    fn from(address: std::net::SocketAddr) -> Self {
        Listen::new(Address::Inet(address))
    }
}

/// A non-blocking stream socket. Readiness is edge-triggered.
pub trait Stream {
    /// Reads what is there; zero is the end of the stream.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize>;
    /// Writes what is taken of `bytes`.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Writes the slices in order, as far as they are taken.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Called once, before the first `send_file`.
    fn expect_files(&mut self) {}
    /// Has the system send the beginning of a span of a file; only where `World::SENDS_FILES`.
    /// Zero means that the file ended before the span did.
    fn send_file(&mut self, span: &FileSpan) -> io::Result<usize>;
    /// Writes our last bytes: as soon as they are taken our direction ends, so the system may wait
    /// for that and send both in one packet.
    #[inline]
    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }
    /// Ends our direction.
    fn shutdown_write(&mut self) -> io::Result<()>;
    /// What became of a connect: true once there is a connection, false while it is under way.
    fn connected(&mut self) -> io::Result<bool>;
    /// Takes the pending error of the socket, if there is one.
    fn take_error(&mut self) -> Option<io::Error>;
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

    /// The time. Never goes back.
    fn now(&mut self) -> Moment;
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
    /// Turns new connections away while those under way may still be accepted. First step of a
    /// drain; a no-op where the system cannot.
    fn refuse(&mut self, listener: &Self::Listener);
    /// Closes a listening socket.
    fn unlisten(&mut self, listener: Self::Listener);

    /// Begins a connection, not yet registered. An answer that has not come yet is a success;
    /// `Stream::connected` says later what became of it.
    fn connect(&mut self, how: &Dial) -> io::Result<Self::Stream>;

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
    /// Closes a connection.
    fn close(&mut self, stream: Self::Stream);
    /// Closes a connection whose last bytes will never come: the peer sees a reset, and the system
    /// keeps nothing for it. A plain close, in a world that has no resets.
    fn abort(&mut self, stream: Self::Stream) {
        self.close(stream);
    }

    /// Opens a datagram socket; events arrive under `token`.
    fn bind(&mut self, how: &Listen, token: Token) -> io::Result<Self::Datagram>;
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
