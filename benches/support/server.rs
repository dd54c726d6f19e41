//! What the servers of a bench have in common: the child's side of a server process.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

/// Bytes that every server reads at a time.
pub(crate) const READ: usize = 64 * 1024;

/// How a yardstick answers HTTP without looking at it.
#[derive(Clone, Default)]
pub(crate) struct Http {
    /// Bytes of one request.
    pub(crate) request: usize,
    /// The answer to each.
    pub(crate) answer: Vec<u8>,
    /// Close after the first answer.
    pub(crate) close: bool,
    /// Accept when the request is there, and read at once.
    pub(crate) defer: bool,
}

impl Http {
    /// As many answers as one full read can ask for.
    pub(crate) fn batch(&self) -> Vec<u8> {
        self.answer.repeat(READ / self.request + 1)
    }
}

/// Listens on a free port of loopback and tells the parent which, once the loop's listener exists.
///
/// Accepted sockets inherit `TCP_NODELAY` from the listener, which saves a call for each.
pub(crate) fn listen(defer: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    if defer {
        super::sys::defer_accept(&socket)?;
    }
    socket.listen(4096)?;
    let listener = TcpListener::from(socket);
    announce(listener.local_addr()?)?;
    Ok(listener)
}

/// Tells the parent where the server listens.
pub(crate) fn announce(address: SocketAddr) -> io::Result<()> {
    println!("port {}", address.port());
    io::stdout().flush()
}
