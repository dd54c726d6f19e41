//! The default world: mio, edge-triggered. With `sockets.rs` the only file that names mio.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mio::net::UnixDatagram;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Waker};
use socket2::{SockRef, Type};

use crate::limits::Limits;
use crate::probe::{Fact, Probe};
use crate::reactor::Reactor;
use crate::reactor::datagrams::Batch;
use crate::reactor::offload::Pool;
use crate::reactor::sockets::{self, ListenSocket, StreamSocket};
use crate::reactor::world::{DatagramSocket, Readiness, Ready, Wake, World};
use crate::session::datagram::{Datagram, Outbox, Peer};
use crate::session::{Job, Message};
use crate::socket::{Address, Connect, Listen, bind, unix_peer};
use crate::time::Moment;
use crate::token::Token;

/// Events taken from the kernel at a time.
const EVENTS: usize = 1024;

/// The waker's token: no entry ever has it.
const WAKE: mio::Token = mio::Token(usize::MAX);

/// epoll or kqueue, through mio. `P` hears the facts of the loop.
pub struct Edge<P: Probe = ()> {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
    start: Instant,
    pool: Pool,
    /// A descriptor held back, to be able to turn a client away when none is left.
    reserve: Option<File>,
    probe: P,
}

impl Edge<()> {
    /// A world that nobody watches.
    ///
    /// # Errors
    ///
    /// The system has no descriptor for the poll.
    pub fn new(limits: &Limits) -> io::Result<Self> {
        Edge::with_probe(limits, ())
    }
}

impl<P: Probe> Edge<P> {
    /// A world whose facts go to `probe`.
    ///
    /// # Errors
    ///
    /// As for `new`.
    pub fn with_probe(limits: &Limits, probe: P) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        Ok(Edge {
            poll,
            events: Events::with_capacity(EVENTS),
            waker,
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

    fn registry(&self) -> &Registry {
        self.poll.registry()
    }
}

fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

/// The loop's own descriptor, for a host with a poll of its own: readable, level-triggered,
/// whenever a turn would find events.
impl<P: Probe> AsFd for Reactor<Edge<P>> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.core.world.registry().as_fd()
    }
}

/// The poll's own descriptor: readable, level-triggered, whenever a turn would find events.
impl<P: Probe> AsFd for Edge<P> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.registry().as_fd()
    }
}

impl<P: Probe> AsRawFd for Edge<P> {
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}

impl<P: Probe> Probe for Edge<P> {
    #[inline(always)]
    fn fact(&mut self, fact: Fact) {
        self.probe.fact(fact);
    }
}

impl<P: Probe> World for Edge<P> {
    type Stream = StreamSocket;
    type Listener = ListenSocket;
    type Datagram = EdgeDatagram;
    type External = OwnedFd;

    const SENDS_FILES: bool = cfg!(target_os = "linux");

    #[inline]
    fn now(&mut self) -> Moment {
        Moment::START + self.start.elapsed()
    }

    fn wall(&mut self) -> SystemTime {
        SystemTime::now()
    }

    fn poll(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            if event.token() != WAKE {
                ready.push(Readiness {
                    token: Token::from_u64(event.token().0 as u64),
                    ready: bits(event),
                });
            }
        }
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(EdgeWaker(Arc::clone(&self.waker)))
    }

    fn listen(&mut self, how: &Listen, token: Token) -> io::Result<ListenSocket> {
        let mut listener = ListenSocket::open(how)?;
        let token = mio::Token(token.as_u64() as usize);
        self.registry().register(listener.source(), token, Interest::READABLE)?;
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

    fn refuse(&mut self, listener: &ListenSocket) {
        listener.refuse();
    }

    fn unlisten(&mut self, listener: ListenSocket) {
        listener.close();
    }

    fn register(
        &mut self,
        stream: &mut StreamSocket,
        token: Token,
        writable: bool,
    ) -> io::Result<()> {
        let interest =
            if writable { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let token = mio::Token(token.as_u64() as usize);
        self.registry().register(stream.source(), token, interest)
    }

    fn watch_writes(&mut self, stream: &mut StreamSocket, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = mio::Token(token.as_u64() as usize);
        self.registry().reregister(stream.source(), token, interest)
    }

    /// Closing the descriptor takes it out of the poll: one system call, not two.
    fn close(&mut self, stream: StreamSocket) {
        drop(stream);
    }

    fn abort(&mut self, stream: StreamSocket) {
        sockets::abort(stream);
    }

    fn bind(&mut self, how: &Listen, token: Token) -> io::Result<EdgeDatagram> {
        let socket = bind(how, Type::DGRAM)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = mio::Token(token.as_u64() as usize);
        match &how.address {
            Address::Inet(_) => {
                let mut socket = mio::net::UdpSocket::from_std(socket.into());
                self.registry().register(&mut socket, token, interest)?;
                Ok(EdgeDatagram(Datagrams::Inet(socket, Batch::new())))
            }
            Address::Unix(path) => {
                let mut socket = UnixDatagram::from_std(socket.into());
                self.registry().register(&mut socket, token, interest)?;
                Ok(EdgeDatagram(Datagrams::Unix(socket, path.clone(), vec![0; MAX_DATAGRAM])))
            }
        }
    }

    fn bound(&self, socket: &EdgeDatagram) -> io::Result<Address> {
        match &socket.0 {
            Datagrams::Inet(socket, _) => Ok(Address::Inet(socket.local_addr()?)),
            Datagrams::Unix(_, path, _) => Ok(Address::Unix(path.clone())),
        }
    }

    fn unbind(&mut self, socket: EdgeDatagram) {
        if let Datagrams::Unix(_, path, _) = &socket.0 {
            let _ = std::fs::remove_file(path);
        }
    }

    fn watch(&mut self, external: &mut OwnedFd, token: Token) -> io::Result<()> {
        let token = mio::Token(token.as_u64() as usize);
        self.registry().register(&mut SourceFd(&external.as_raw_fd()), token, Interest::READABLE)
    }

    fn unwatch(&mut self, external: OwnedFd) {
        // The host may have duplicates of its descriptor, so closing ours would not be enough.
        let _ = self.registry().deregister(&mut SourceFd(&external.as_raw_fd()));
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

#[inline]
fn bits(event: &mio::event::Event) -> Ready {
    let mut ready = Ready::default();
    if event.is_readable() {
        ready.insert(Ready::READABLE);
    }
    if event.is_writable() {
        ready.insert(Ready::WRITABLE);
    }
    if event.is_read_closed() {
        ready.insert(Ready::READABLE);
        ready.insert(Ready::READ_CLOSED);
    }
    if event.is_error() || event.is_read_closed() && event.is_write_closed() {
        ready.insert(Ready::READABLE);
        ready.insert(Ready::CLOSED);
    }
    ready
}

struct EdgeWaker(Arc<Waker>);

impl Wake for EdgeWaker {
    fn wake(&self) {
        // The only failure is a loop that is gone.
        let _ = self.0.wake();
    }
}

/// The longest datagram that a Unix socket receives whole.
const MAX_DATAGRAM: usize = 64 * 1024;

/// A UDP or Unix datagram socket with its receive buffers.
pub struct EdgeDatagram(Datagrams);

enum Datagrams {
    Inet(mio::net::UdpSocket, Batch),
    Unix(UnixDatagram, std::path::PathBuf, Vec<u8>),
}

impl DatagramSocket for EdgeDatagram {
    fn receive(&mut self, max: usize, each: &mut dyn FnMut(Datagram<'_>)) -> io::Result<usize> {
        match &mut self.0 {
            Datagrams::Inet(socket, batch) => batch.receive(SockRef::from(&*socket), max, each),
            Datagrams::Unix(socket, _, buffer) => {
                let mut count = 0;
                while count < max {
                    let (length, address) = match socket.recv_from(buffer) {
                        Ok(received) => received,
                        Err(error) if count > 0 && error.kind() == io::ErrorKind::WouldBlock => {
                            break;
                        }
                        Err(error) => return Err(error),
                    };
                    let from = &unix_peer(&address);
                    each(Datagram {
                        from,
                        data: &buffer[..length],
                        truncated: length == buffer.len(),
                    });
                    count += 1;
                }
                Ok(count)
            }
        }
    }

    fn send(&mut self, outbox: &Outbox) -> io::Result<usize> {
        match &mut self.0 {
            Datagrams::Inet(socket, batch) => batch.send(SockRef::from(&*socket), outbox),
            Datagrams::Unix(socket, _, _) => match outbox.iter().next() {
                Some((Peer::Unix(path), data)) => socket.send_to(data, path).map(|_| 1),
                // Whoever has no name cannot be answered.
                Some(_) => Err(io::ErrorKind::AddrNotAvailable.into()),
                None => Ok(0),
            },
        }
    }
}
