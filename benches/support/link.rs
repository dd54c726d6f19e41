//! One connection of the load: a non-blocking socket, over TLS if asked.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection};
use socket2::{Domain, Socket, Type};

/// Connections that one loopback address opens before the next one takes over.
const PER_SOURCE: usize = 10_000;

pub(crate) struct Link {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// Bytes for the wire that the socket did not take.
    rest: Vec<u8>,
    /// Bytes of an answer that is not complete.
    pub(crate) carry: Vec<u8>,
    /// Answers (or handshakes) that are still to come.
    pub(crate) awaited: usize,
    /// Bytes sent and received, for the echo.
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

impl Link {
    /// Connects and waits until it is established. `index` chooses the source address, because
    /// one address has too few ports for all.
    pub(crate) fn open(target: SocketAddr, index: usize) -> io::Result<Link> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        reset_at_end(&socket)?;
        socket.set_tcp_nodelay(true)?;
        if index >= PER_SOURCE {
            let source = Ipv4Addr::new(127, 0, 0, 1 + (index / PER_SOURCE) as u8);
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        // A full accept queue drops the SYN; its first repetition comes after a second.
        socket.connect_timeout(&target.into(), Duration::from_secs(10))?;
        socket.set_nonblocking(true)?;
        Ok(Link::new(socket))
    }

    /// Begins to connect; on loopback it is mostly established when this returns.
    pub(crate) fn begin(target: SocketAddr) -> io::Result<Link> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
        reset_at_end(&socket)?;
        match socket.connect(&target.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
            _ => Ok(Link::new(socket)),
        }
    }

    fn new(socket: Socket) -> Link {
        Link {
            stream: socket.into(),
            tls: None,
            rest: Vec::new(),
            carry: Vec::new(),
            awaited: 0,
            sent: 0,
            received: 0,
        }
    }

    /// Puts TLS on it.
    pub(crate) fn secure(&mut self, config: &Arc<ClientConfig>) -> io::Result<()> {
        let name = "localhost".try_into().expect("a valid name");
        let tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        self.tls = Some(Box::new(tls));
        self.flush()
    }

    /// Over TLS: the handshake is not complete.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Sends all of `bytes`, now or later.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(bytes)?,
            None => self.rest.extend_from_slice(bytes),
        }
        self.flush()
    }

    /// Sends what the socket takes at once and answers how much that was; plain only.
    pub(crate) fn offer(&mut self, bytes: &[u8]) -> io::Result<usize> {
        blocked(self.stream.write(bytes))
    }

    /// Tells the peer that no more will come; TLS only.
    pub(crate) fn notify_close(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        self.flush()
    }

    /// Sends what waits.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while !self.rest.is_empty() {
            let n = blocked(self.stream.write(&self.rest))?;
            if n == 0 {
                return Ok(());
            }
            self.rest.drain(..n);
        }
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.wants_write() {
            match tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(error) if is_blocked(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Something waits for the socket to become writable.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.rest.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Reads once. Appends what came, deciphered, to `into`; answers false at the end. What TLS
    /// has to say to it waits for a flush, to go out together with what the caller adds.
    pub(crate) fn receive(&mut self, wire: &mut [u8], into: &mut Vec<u8>) -> io::Result<bool> {
        let n = match self.stream.read(wire) {
            Ok(0) => return Ok(false),
            Ok(n) => n,
            Err(error) if is_blocked(&error) => return Ok(true),
            Err(error) => return Err(error),
        };
        let mut wire = &wire[..n];
        let Some(tls) = &mut self.tls else {
            into.extend_from_slice(wire);
            return Ok(true);
        };
        while !wire.is_empty() {
            tls.read_tls(&mut wire)?;
            let state = tls.process_new_packets().map_err(io::Error::other)?;
            let at = into.len();
            into.resize(at + state.plaintext_bytes_to_read(), 0);
            tls.reader().read_exact(&mut into[at..])?;
            if state.peer_has_closed() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Has the socket's end be a reset, which frees the peer of its TIME-WAIT. Tens of thousands of
/// those would slow down whoever opens and closes connections next.
fn reset_at_end(socket: &Socket) -> io::Result<()> {
    socket.set_linger(Some(Duration::ZERO))
}

impl AsRawFd for Link {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

/// A connection that is not yet established counts as blocked.
fn is_blocked(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}

fn blocked(result: io::Result<usize>) -> io::Result<usize> {
    result.or_else(|error| if is_blocked(&error) { Ok(0) } else { Err(error) })
}
