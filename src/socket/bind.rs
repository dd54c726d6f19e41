//! Binding: the options of a socket that everybody listens with, the reactor and the blocking
//! drivers alike.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net as unix;
use std::path::Path;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::{Address, Listen, sockopt};
use crate::session::datagram::Peer;

/// Linux copies `TCP_NODELAY` from the listener to what it accepts, which saves a system call for
/// each connection. Elsewhere that is nowhere promised.
pub(crate) const NODELAY_IS_INHERITED: bool = cfg!(target_os = "linux");

/// The name of a Unix socket's other end.
pub(crate) fn unix_peer(address: &unix::SocketAddr) -> Peer {
    address.as_pathname().map_or(Peer::Unnamed, |path| Peer::Unix(path.to_path_buf()))
}

/// A listening, non-blocking socket with the options asked for.
///
/// # Errors
///
/// The system refuses the address or an option.
pub(crate) fn listen(how: &Listen) -> io::Result<Socket> {
    let socket = bind(how, Type::STREAM)?;
    socket.listen(i32::try_from(how.backlog).unwrap_or(i32::MAX))?;
    if how.peer_speaks_first && matches!(how.address, Address::Inet(_)) {
        sockopt::defer_accept(socket.as_fd());
    }
    Ok(socket)
}

/// A bound, non-blocking socket with the options asked for.
///
/// # Errors
///
/// As for [`listen`].
pub(crate) fn bind(how: &Listen, kind: Type) -> io::Result<Socket> {
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
