//! Connecting without waiting: the socket of a connection that begins here.
//!
//! Every driver that dials uses it. It knows no poll: a socket is registered only after it was told
//! to connect, since before that Linux reports it as hung up.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::Address;

/// How to connect.
#[derive(Clone, Debug)]
pub struct Connect {
    /// Where to.
    pub address: Address,
    /// The address of ours that it comes from, where the system's choice does not suit: one address
    /// has ports for some 28,000 connections to one peer.
    pub source: Option<IpAddr>,
    /// It ends by a reset (`SO_LINGER` of zero), after which nobody keeps its port in TIME-WAIT.
    /// What has not been sent by then is lost.
    pub resets: bool,
    /// Send at once (`TCP_NODELAY`).
    pub nodelay: bool,
    /// Kernel send and receive buffer sizes, where the default does not suit.
    pub send_buffer: Option<usize>,
    /// See `send_buffer`.
    pub recv_buffer: Option<usize>,
}

impl Connect {
    /// The usual way to connect to `address`.
    pub fn new(address: Address) -> Self {
        Connect {
            address,
            source: None,
            resets: false,
            nodelay: true,
            send_buffer: None,
            recv_buffer: None,
        }
    }
}

/// A non-blocking socket on its way to the address, or there already.
///
/// # Errors
///
/// The system refuses an option or the address; on a Unix socket `WouldBlock` is a listener whose
/// queue is full.
pub(crate) fn connect(how: &Connect) -> io::Result<Socket> {
    let (address, domain, protocol) = match &how.address {
        Address::Inet(address) => {
            (SockAddr::from(*address), Domain::for_address(*address), Some(Protocol::TCP))
        }
        Address::Unix(path) => (SockAddr::unix(path)?, Domain::UNIX, None),
    };
    let socket = Socket::new(domain, Type::STREAM, protocol)?;
    socket.set_nonblocking(true)?;
    if how.nodelay && domain != Domain::UNIX {
        socket.set_tcp_nodelay(true)?;
    }
    if let Some(size) = how.send_buffer {
        socket.set_send_buffer_size(size)?;
    }
    if let Some(size) = how.recv_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    if how.resets && domain != Domain::UNIX {
        socket.set_linger(Some(Duration::ZERO))?;
    }
    if let Some(source) = how.source {
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    match socket.connect(&address) {
        Err(error) if !is_under_way(&error) => Err(error),
        _ => Ok(socket),
    }
}

fn is_under_way(error: &io::Error) -> bool {
    // An interrupted connect goes on too (connect(2)).
    error.raw_os_error() == Some(libc::EINPROGRESS) || error.kind() == ErrorKind::Interrupted
}
