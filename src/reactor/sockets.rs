//! Non-blocking sockets, whoever polls them: edge-triggered, level-triggered or not at all.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net as unix;
use std::path::PathBuf;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use socket2::{SockRef, Type};

use crate::reactor::datagrams::Batch;
use crate::reactor::world::DatagramSocket;
use crate::session::datagram::{Datagram, Outbox, Peer};
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

/// The longest datagram that a Unix socket receives whole.
const MAX_DATAGRAM: usize = 64 * 1024;

/// A UDP or Unix datagram socket with its receive buffers.
pub struct DatagramPort(Datagrams);

enum Datagrams {
    Inet(UdpSocket, Batch),
    Unix(UnixDatagram, PathBuf, Vec<u8>),
}

impl DatagramPort {
    /// Binds it, not yet registered anywhere.
    pub(super) fn open(how: &Listen) -> io::Result<Self> {
        let socket = socket::bind(how, Type::DGRAM)?;
        Ok(DatagramPort(match &how.address {
            Address::Inet(_) => Datagrams::Inet(UdpSocket::from_std(socket.into()), Batch::new()),
            Address::Unix(path) => {
                let socket = UnixDatagram::from_std(socket.into());
                Datagrams::Unix(socket, path.clone(), vec![0; MAX_DATAGRAM])
            }
        }))
    }

    /// Where it is bound.
    pub(super) fn address(&self) -> io::Result<Address> {
        match &self.0 {
            Datagrams::Inet(socket, _) => Ok(Address::Inet(socket.local_addr()?)),
            Datagrams::Unix(_, path, _) => Ok(Address::Unix(path.clone())),
        }
    }

    /// Closes it.
    pub(super) fn close(self) {
        if let Datagrams::Unix(_, path, _) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl AsFd for DatagramPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Datagrams::Inet(socket, _) => socket.as_fd(),
            Datagrams::Unix(socket, _, _) => socket.as_fd(),
        }
    }
}

impl DatagramSocket for DatagramPort {
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
