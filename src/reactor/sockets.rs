//! Non-blocking sockets, whoever polls them: edge-triggered, level-triggered or not at all.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net as unix;
use std::path::PathBuf;
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use socket2::SockRef;

use crate::session::datagram::Peer;
use crate::socket::{self, Address, Connect, Listen, NODELAY_IS_INHERITED, Socketed, unix_peer};

/// A connection.
pub type StreamSocket = Socketed<TcpStream, UnixStream>;

impl StreamSocket {
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

    /// A connection that is to come about.
    pub(super) fn connect(how: &Connect) -> io::Result<Self> {
        let socket = socket::connect(how)?;
        Ok(match how.address {
            Address::Inet(_) => Socketed::Inet(TcpStream::from_std(socket.into())),
            Address::Unix(_) => Socketed::Unix(UnixStream::from_std(socket.into())),
        })
    }

    /// What mio registers.
    pub(super) fn source(&mut self) -> &mut dyn Source {
        match self {
            Socketed::Inet(stream) => stream,
            Socketed::Unix(stream) => stream,
        }
    }
}

/// Closes without waiting for what the kernel has not sent: it would offer megabytes to a reader
/// that takes a byte a second, or none, long after we have given up on him.
pub(super) fn abort(stream: StreamSocket) {
    if let Socketed::Inet(stream) = &stream {
        // Fails when the connection is gone already, which is what we want.
        let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }
}

/// A listening socket. A Unix one removes its path when it closes.
#[derive(Debug)]
pub enum ListenSocket {
    /// TCP.
    Inet(TcpListener),
    /// A Unix socket and its path.
    Unix(UnixListener, PathBuf),
}

impl ListenSocket {
    /// Listens, not yet registered anywhere.
    pub(super) fn open(how: &Listen) -> io::Result<Self> {
        let socket = socket::listen(how)?;
        Ok(match &how.address {
            Address::Inet(_) => ListenSocket::Inet(TcpListener::from_std(socket.into())),
            Address::Unix(path) => {
                ListenSocket::Unix(UnixListener::from_std(socket.into()), path.clone())
            }
        })
    }

    /// What mio registers.
    pub(super) fn source(&mut self) -> &mut dyn Source {
        match self {
            ListenSocket::Inet(listener) => listener,
            ListenSocket::Unix(listener, _) => listener,
        }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> io::Result<Address> {
        match self {
            ListenSocket::Inet(listener) => Ok(Address::Inet(listener.local_addr()?)),
            ListenSocket::Unix(_, path) => Ok(Address::Unix(path.clone())),
        }
    }

    /// Accepts one connection and names its peer.
    pub(super) fn accept(&self, how: &Listen) -> io::Result<(StreamSocket, Peer)> {
        match self {
            ListenSocket::Inet(listener) => {
                let (stream, address) = listener.accept()?;
                if how.nodelay && !NODELAY_IS_INHERITED {
                    // Fails only on a connection that is gone already; the read will say so.
                    let _ = stream.set_nodelay(true);
                }
                Ok((Socketed::Inet(stream), Peer::Inet(address)))
            }
            ListenSocket::Unix(listener, _) => {
                let (stream, address) = listener.accept()?;
                Ok((Socketed::Unix(stream), unix_peer(&address)))
            }
        }
    }

    /// Turns new connections away; those under way may still be accepted.
    pub(super) fn refuse(&self) {
        if let ListenSocket::Inet(listener) = self {
            socket::refuse_connections(listener);
        }
    }

    /// Closes it.
    pub(super) fn close(self) {
        if let ListenSocket::Unix(_, path) = &self {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl AsFd for ListenSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            ListenSocket::Inet(listener) => listener.as_fd(),
            ListenSocket::Unix(listener, _) => listener.as_fd(),
        }
    }
}
