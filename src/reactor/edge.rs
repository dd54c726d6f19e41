//! The default world: mio, edge-triggered, with socket2 for the options. The only file that names mio.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net as unix;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mio::net::{TcpListener, TcpStream, UnixDatagram, UnixListener, UnixStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Waker};
#[cfg(target_os = "linux")]
use nix::sys::sendfile::sendfile;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::buf::FileSpan;
use crate::limits::Limits;
use crate::probe::{Fact, Probe};
use crate::reactor::Reactor;
use crate::reactor::connect;
use crate::reactor::datagrams::Batch;
use crate::reactor::dial::Dial;
use crate::reactor::offload::Pool;
use crate::reactor::sockopt;
use crate::reactor::world::{
    Address, DatagramSocket, Listen, Readiness, Ready, Stream, Wake, World,
};
use crate::session::datagram::{Datagram, Outbox, Peer};
use crate::session::{Job, Message};
use crate::time::Moment;
use crate::token::Token;

/// Events taken from the kernel at a time.
const EVENTS: usize = 1024;

/// Linux copies `TCP_NODELAY` from the listener to what it accepts, which saves a system call for
/// each connection. Elsewhere that is nowhere promised.
const NODELAY_IS_INHERITED: bool = cfg!(target_os = "linux");

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

/// A TCP or Unix connection.
#[derive(Debug)]
pub enum Socketed<T, U> {
    /// TCP, or UDP.
    Inet(T),
    /// A Unix socket.
    Unix(U),
}

/// A connection.
pub type EdgeStream = Socketed<TcpStream, UnixStream>;

/// A listening socket. A Unix one removes its path when it closes.
#[derive(Debug)]
pub enum EdgeListener {
    /// TCP.
    Inet(TcpListener),
    /// A Unix socket and its path.
    Unix(UnixListener, std::path::PathBuf),
}

impl EdgeStream {
    /// A connection from a standard one, made non-blocking.
    ///
    /// # Errors
    ///
    /// The system cannot make it non-blocking.
    pub fn from_tcp(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Socketed::Inet(TcpStream::from_std(stream)))
    }

    /// A connection from a standard one, made non-blocking.
    ///
    /// # Errors
    ///
    /// The system cannot make it non-blocking.
    pub fn from_unix(stream: unix::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Socketed::Unix(UnixStream::from_std(stream)))
    }
}

impl Stream for EdgeStream {
    #[inline]
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Socketed::Inet(stream) => stream.read(into),
            Socketed::Unix(stream) => stream.read(into),
        }
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socketed::Inet(stream) => stream.write(bytes),
            Socketed::Unix(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socketed::Inet(stream) => stream.write_vectored(slices),
            Socketed::Unix(stream) => stream.write_vectored(slices),
        }
    }

    #[cfg(target_os = "linux")]
    fn expect_files(&mut self) {
        // What waits of a file is not copied: it stays in the memory that the system keeps the file
        // in. So the system may take as much as it likes, and send it when acknowledgements come
        // in rather than when we are woken: that takes a quarter of the time.
        if let Socketed::Inet(stream) = self
            && let Err(error) = SockRef::from(&*stream).set_tcp_notsent_lowat(u32::MAX)
        {
            log::debug!("TCP_NOTSENT_LOWAT: {error}");
        }
    }

    #[cfg(target_os = "linux")]
    fn send_file(&mut self, span: &FileSpan) -> io::Result<usize> {
        let mut offset = i64::try_from(span.offset).map_err(|_| ErrorKind::InvalidInput)?;
        let socket = match &*self {
            Socketed::Inet(stream) => stream.as_fd(),
            Socketed::Unix(stream) => stream.as_fd(),
        };
        Ok(sendfile(socket, &*span.file, Some(&mut offset), span.length)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn send_file(&mut self, _: &FileSpan) -> io::Result<usize> {
        Err(ErrorKind::Unsupported.into())
    }

    #[cfg(target_os = "linux")]
    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socketed::Inet(stream) => sockopt::send_and_hold(stream, bytes),
            Socketed::Unix(stream) => stream.write(bytes),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Socketed::Inet(stream) => stream.shutdown(Shutdown::Write),
            Socketed::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    fn connected(&mut self) -> io::Result<bool> {
        match self {
            Socketed::Inet(stream) => connect::outcome(stream),
            Socketed::Unix(stream) => connect::outcome(stream),
        }
    }

    fn take_error(&mut self) -> Option<io::Error> {
        match self {
            Socketed::Inet(stream) => stream.take_error(),
            Socketed::Unix(stream) => stream.take_error(),
        }
        .unwrap_or_else(Some)
    }
}

impl<P: Probe> World for Edge<P> {
    type Stream = EdgeStream;
    type Listener = EdgeListener;
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

    fn listen(&mut self, how: &Listen, token: Token) -> io::Result<EdgeListener> {
        let socket = bind(how, Type::STREAM)?;
        socket.listen(i32::try_from(how.backlog).unwrap_or(i32::MAX))?;
        let (token, interest) = (mio::Token(token.as_u64() as usize), Interest::READABLE);
        match &how.address {
            Address::Inet(_) => {
                let mut listener = TcpListener::from_std(socket.into());
                if how.peer_speaks_first {
                    sockopt::defer_accept(listener.as_fd());
                }
                self.registry().register(&mut listener, token, interest)?;
                Ok(EdgeListener::Inet(listener))
            }
            Address::Unix(path) => {
                let mut listener = UnixListener::from_std(socket.into());
                self.registry().register(&mut listener, token, interest)?;
                Ok(EdgeListener::Unix(listener, path.clone()))
            }
        }
    }

    fn listening(&self, listener: &EdgeListener) -> io::Result<Address> {
        match listener {
            EdgeListener::Inet(listener) => Ok(Address::Inet(listener.local_addr()?)),
            EdgeListener::Unix(_, path) => Ok(Address::Unix(path.clone())),
        }
    }

    fn accept(&mut self, listener: &EdgeListener, how: &Listen) -> io::Result<(EdgeStream, Peer)> {
        match listener {
            EdgeListener::Inet(listener) => {
                let (stream, address) = listener.accept()?;
                if how.nodelay && !NODELAY_IS_INHERITED {
                    // Fails only on a connection that is gone already; the read will say so.
                    let _ = stream.set_nodelay(true);
                }
                Ok((Socketed::Inet(stream), Peer::Inet(address)))
            }
            EdgeListener::Unix(listener, _) => {
                let (stream, address) = listener.accept()?;
                Ok((Socketed::Unix(stream), unix_peer(&address)))
            }
        }
    }

    fn connect(&mut self, how: &Dial) -> io::Result<EdgeStream> {
        let socket = connect::begin(how)?;
        Ok(match how.address {
            Address::Inet(_) => Socketed::Inet(TcpStream::from_std(socket.into())),
            Address::Unix(_) => Socketed::Unix(UnixStream::from_std(socket.into())),
        })
    }

    fn refuse(&mut self, listener: &EdgeListener) {
        if let EdgeListener::Inet(listener) = listener {
            sockopt::refuse_connections(listener);
        }
    }

    fn unlisten(&mut self, listener: EdgeListener) {
        if let EdgeListener::Unix(_, path) = &listener {
            let _ = std::fs::remove_file(path);
        }
    }

    fn register(
        &mut self,
        stream: &mut EdgeStream,
        token: Token,
        writable: bool,
    ) -> io::Result<()> {
        let interest =
            if writable { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let token = mio::Token(token.as_u64() as usize);
        match stream {
            Socketed::Inet(stream) => self.registry().register(stream, token, interest),
            Socketed::Unix(stream) => self.registry().register(stream, token, interest),
        }
    }

    fn watch_writes(&mut self, stream: &mut EdgeStream, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = mio::Token(token.as_u64() as usize);
        match stream {
            Socketed::Inet(stream) => self.registry().reregister(stream, token, interest),
            Socketed::Unix(stream) => self.registry().reregister(stream, token, interest),
        }
    }

    /// Closing the descriptor takes it out of the poll: one system call, not two.
    fn close(&mut self, stream: EdgeStream) {
        drop(stream);
    }

    /// Without waiting for what the kernel has not sent: it would offer megabytes to a reader that
    /// takes a byte a second, or none, long after we have given up on him.
    fn abort(&mut self, stream: EdgeStream) {
        if let Socketed::Inet(stream) = &stream {
            // Fails when the connection is gone already, which is what we want.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        self.close(stream);
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

fn unix_peer(address: &unix::SocketAddr) -> Peer {
    address.as_pathname().map_or(Peer::Unnamed, |path| Peer::Unix(path.to_path_buf()))
}

/// A bound, non-blocking socket with the options asked for.
fn bind(how: &Listen, kind: Type) -> io::Result<Socket> {
    let (address, domain) = match &how.address {
        Address::Inet(address) => (SockAddr::from(*address), Domain::for_address(*address)),
        Address::Unix(path) => (SockAddr::unix(path)?, Domain::UNIX),
    };
    let inet = domain != Domain::UNIX;
    let protocol = match kind {
        Type::STREAM if inet => Some(Protocol::TCP),
        Type::DGRAM if inet => Some(Protocol::UDP),
        _ => None,
    };
    let socket = Socket::new(domain, kind, protocol)?;
    socket.set_nonblocking(true)?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(!how.dual_stack)?;
    }
    if inet && kind == Type::STREAM {
        // A restart must not wait for the last run's connections to be forgotten.
        socket.set_reuse_address(true)?;
        limit_unsent(&socket);
        if NODELAY_IS_INHERITED {
            socket.set_tcp_nodelay(how.nodelay)?;
        }
        if let Some(time) = how.keep_alive {
            socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(time))?;
        }
    }
    if how.reuse_port && inet {
        socket.set_reuse_port(true)?;
    }
    if let Some(size) = how.send_buffer {
        socket.set_send_buffer_size(size)?;
    }
    if let Some(size) = how.recv_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    match (socket.bind(&address), &how.address) {
        (Err(error), Address::Unix(path)) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_stale(path, kind).ok_or(error)?;
            socket.bind(&address)?;
        }
        (result, _) => result?,
    }
    Ok(socket)
}

/// What a slow reader has not taken waits in our backlog, which is measured and bounded, rather than
/// in megabytes of the kernel's, where nobody sees that he is slow. Connections inherit it from
/// their listener; large enough that a fast reader never waits for us.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn limit_unsent(socket: &Socket) {
    const UNSENT: u32 = 128 * 1024;
    if let Err(error) = socket.set_tcp_notsent_lowat(UNSENT) {
        log::debug!("TCP_NOTSENT_LOWAT: {error}");
    }
}

/// Other systems keep to their own bounds.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn limit_unsent(_: &Socket) {}

/// Removes a Unix socket's path if nobody listens behind it any more.
fn remove_stale(path: &Path, kind: Type) -> Option<()> {
    let answers = match kind {
        Type::DGRAM => unix::UnixDatagram::unbound().and_then(|socket| socket.connect(path)),
        _ => unix::UnixStream::connect(path).map(drop),
    };
    match answers {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).ok()
        }
        _ => None,
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
