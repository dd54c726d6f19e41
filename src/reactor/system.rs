//! A world on real sockets: [`System`]. How it waits is a [`Poller`]'s business, and that alone is
//! what the readiness models differ in.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::limits::Limits;
use crate::probe::{Fact, Probe};
use crate::reactor::offload::Pool;
use crate::reactor::sockets::{self, DatagramPort, ListenSocket, StreamSocket};
use crate::reactor::world::{Readiness, Ready, Wake, World};
use crate::session::datagram::Peer;
use crate::session::{Job, Message};
use crate::socket::{Address, Connect, Listen};
use crate::time::Moment;
use crate::token::Token;

/// A way to wait for many descriptors at once.
pub trait Poller: Sized {
    /// It reports readiness for as long as it lasts rather than when it begins.
    const LEVEL: bool;

    /// A poller that waits for nothing yet.
    ///
    /// # Errors
    ///
    /// The system has no descriptor for it.
    fn new() -> io::Result<Self>;
    /// As [`World::poll`].
    fn poll(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()>;
    /// As [`World::waker`].
    fn waker(&self) -> Arc<dyn Wake>;
    /// Watches a descriptor; `interest` is of [`Ready::READABLE`] and [`Ready::WRITABLE`].
    fn add(&mut self, fd: BorrowedFd<'_>, token: Token, interest: Ready) -> io::Result<()>;
    /// Watches it for something else.
    fn change(&mut self, fd: BorrowedFd<'_>, token: Token, interest: Ready) -> io::Result<()>;
    /// Watches it no longer although it stays open.
    fn remove(&mut self, fd: BorrowedFd<'_>);
    /// It is about to be closed, which by itself ends the system's watching.
    fn closing(&mut self, fd: BorrowedFd<'_>) {
        let _ = fd;
    }
}

/// Real sockets, watched by `K`. `P` hears the facts of the loop.
pub struct System<K, P = ()> {
    pub(super) poller: K,
    start: Instant,
    pool: Pool,
    /// A descriptor held back, to be able to turn a client away when none is left.
    reserve: Option<File>,
    probe: P,
}

impl<K: Poller> System<K> {
    /// A world that nobody watches.
    ///
    /// # Errors
    ///
    /// The system has no descriptor for the poll.
    pub fn new(limits: &Limits) -> io::Result<Self> {
        System::with_probe(limits, ())
    }
}

impl<K: Poller, P: Probe> System<K, P> {
    /// A world whose facts go to `probe`.
    ///
    /// # Errors
    ///
    /// As for `new`.
    pub fn with_probe(limits: &Limits, probe: P) -> io::Result<Self> {
        Ok(System {
            poller: K::new()?,
            start: Instant::now(),
            pool: Pool::new(limits.offload_threads, limits.offload_queue),
            reserve: reserve(),
            probe,
        })
    }

    /// Whoever watches.
    pub fn probe(&mut self) -> &mut P {
        &mut self.probe
    }
}

fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Reading always, writing if asked.
fn interest(writable: bool) -> Ready {
    wanted(true, writable)
}

fn wanted(reads: bool, writes: bool) -> Ready {
    let mut interest = Ready::default();
    if reads {
        interest.insert(Ready::READABLE);
    }
    if writes {
        interest.insert(Ready::WRITABLE);
    }
    interest
}

impl<K, P: Probe> Probe for System<K, P> {
    #[inline(always)]
    fn fact(&mut self, fact: Fact) {
        self.probe.fact(fact);
    }
}

impl<K: Poller, P: Probe> World for System<K, P> {
    type Stream = StreamSocket;
    type Listener = ListenSocket;
    type Datagram = DatagramPort;
    type External = OwnedFd;

    const SENDS_FILES: bool = cfg!(target_os = "linux");
    const LEVEL: bool = K::LEVEL;

    #[inline]
    fn now(&mut self) -> Moment {
        Moment::START + self.start.elapsed()
    }

    fn cpu(&mut self) -> Duration {
        let asked = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID);
        asked.map_or(Duration::ZERO, Duration::from)
    }

    fn wall(&mut self) -> SystemTime {
        SystemTime::now()
    }

    #[inline]
    fn poll(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        self.poller.poll(ready, timeout)
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.poller.waker()
    }

    fn listen(&mut self, how: &Listen, token: Token) -> io::Result<ListenSocket> {
        let listener = ListenSocket::open(how)?;
        self.poller.add(listener.as_fd(), token, Ready::READABLE)?;
        Ok(listener)
    }

    fn listening(&self, listener: &ListenSocket) -> io::Result<Address> {
        listener.address()
    }

    fn accept(
        &mut self,
        listener: &ListenSocket,
        how: &Listen,
    ) -> io::Result<(StreamSocket, Peer)> {
        listener.accept(how)
    }

    fn connect(&mut self, how: &Connect) -> io::Result<StreamSocket> {
        StreamSocket::connect(how)
    }

    fn attend(&mut self, listener: &ListenSocket, token: Token, accepts: bool) {
        if let Err(error) = self.poller.change(listener.as_fd(), token, wanted(accepts, false)) {
            log::debug!("interest of {token}: {error}");
        }
    }

    fn refuse(&mut self, listener: &ListenSocket) {
        listener.refuse();
    }

    fn unlisten(&mut self, listener: ListenSocket) {
        self.poller.closing(listener.as_fd());
        listener.close();
    }

    fn register(
        &mut self,
        stream: &mut StreamSocket,
        token: Token,
        writable: bool,
    ) -> io::Result<()> {
        self.poller.add(stream.as_fd(), token, interest(writable))
    }

    fn watch_writes(&mut self, stream: &mut StreamSocket, token: Token) -> io::Result<()> {
        self.poller.change(stream.as_fd(), token, interest(true))
    }

    fn want(
        &mut self,
        stream: &mut StreamSocket,
        token: Token,
        reads: bool,
        writes: bool,
    ) -> io::Result<()> {
        self.poller.change(stream.as_fd(), token, wanted(reads, writes))
    }

    /// Closing the descriptor takes it out of the poll: one system call, not two.
    fn close(&mut self, stream: StreamSocket) {
        self.poller.closing(stream.as_fd());
    }

    fn abort(&mut self, stream: StreamSocket) {
        self.poller.closing(stream.as_fd());
        sockets::abort(stream);
    }

    fn bind(&mut self, how: &Listen, token: Token) -> io::Result<DatagramPort> {
        let socket = DatagramPort::open(how)?;
        // A datagram socket can be written to nearly always: told so again and again, a loop would
        // never sleep.
        self.poller.add(socket.as_fd(), token, interest(!K::LEVEL))?;
        Ok(socket)
    }

    fn want_datagram(&mut self, socket: &DatagramPort, token: Token, writes: bool) {
        if let Err(error) = self.poller.change(socket.as_fd(), token, interest(writes)) {
            log::debug!("interest of {token}: {error}");
        }
    }

    fn bound(&self, socket: &DatagramPort) -> io::Result<Address> {
        socket.address()
    }

    fn unbind(&mut self, socket: DatagramPort) {
        self.poller.closing(socket.as_fd());
        socket.close();
    }

    fn watch(&mut self, external: &mut OwnedFd, token: Token) -> io::Result<()> {
        self.poller.add(external.as_fd(), token, Ready::READABLE)
    }

    fn unwatch(&mut self, external: OwnedFd) {
        // The host may have duplicates of its descriptor, so closing ours would not be enough.
        self.poller.remove(external.as_fd());
    }

    fn spend_reserve(&mut self) {
        self.reserve = None;
    }

    fn renew_reserve(&mut self) {
        if self.reserve.is_none() {
            self.reserve = reserve();
        }
    }

    fn offload(&mut self, job: Job, done: Box<dyn FnOnce(Message) + Send>) -> bool {
        self.pool.run(job, done)
    }
}
