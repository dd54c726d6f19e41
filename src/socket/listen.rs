//! How to listen: every option of a listening socket, the same whoever waits on it.

use std::time::Duration;

use super::Address;

/// How to listen.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Where.
    pub address: Address,
    /// Connections that the system queues before they are accepted.
    pub backlog: u32,
    /// Several sockets may bind the same address and share its load (`SO_REUSEPORT`).
    pub reuse_port: bool,
    /// An IPv6 wildcard address takes IPv4 as well (`IPV6_V6ONLY` off).
    pub dual_stack: bool,
    /// Accepted sockets send at once (`TCP_NODELAY`).
    pub nodelay: bool,
    /// Probe silent peers (`SO_KEEPALIVE`) after this long.
    pub keep_alive: Option<Duration>,
    /// The peer speaks first: it is accepted when its first bytes are there
    /// (`TCP_DEFER_ACCEPT`), where the system knows how.
    pub peer_speaks_first: bool,
    /// Kernel send and receive buffer sizes, where the default does not suit.
    pub send_buffer: Option<usize>,
    /// See `send_buffer`.
    pub recv_buffer: Option<usize>,
}

impl Listen {
    /// The usual way to listen at `address`.
    pub fn new(address: Address) -> Self {
        Listen {
            address,
            backlog: 4096,
            reuse_port: false,
            dual_stack: true,
            nodelay: true,
            keep_alive: None,
            peer_speaks_first: false,
            send_buffer: None,
            recv_buffer: None,
        }
    }
}

impl From<std::net::SocketAddr> for Listen {
    fn from(address: std::net::SocketAddr) -> Self {
        Listen::new(Address::Inet(address))
    }
}
