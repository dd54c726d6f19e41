//! The socket of a connection that begins here: connecting without waiting, and what became of it.
//!
//! Worlds of real sockets call it. It knows no poll. A socket is registered only after `connect`
//! was called on it: before that, Linux reports it as hung up.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::reactor::dial::Dial;
use crate::reactor::world::Address;

/// A non-blocking socket on its way to the address, or there already.
pub(crate) fn begin(how: &Dial) -> io::Result<Socket> {
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
    match socket.connect(&address) {
        // On a Unix socket `WouldBlock` is a listener whose queue is full: nothing is under way.
        Err(error) if !is_under_way(&error) => Err(error),
        _ => Ok(socket),
    }
}

fn is_under_way(error: &io::Error) -> bool {
    // An interrupted connect goes on too (connect(2)).
    error.raw_os_error() == Some(libc::EINPROGRESS) || error.kind() == ErrorKind::Interrupted
}

/// What became of a connect.
///
/// A socket has a peer as soon as it is connected. Asking for that first costs one system call where
/// all is well, and tells an event that means nothing from one that means success.
pub(crate) fn outcome(socket: &impl AsFd) -> io::Result<bool> {
    let socket = SockRef::from(socket);
    if socket.peer_addr().is_ok() {
        return Ok(true);
    }
    socket.take_error()?.map_or(Ok(false), Err)
}
