//! Who is at the other end of an HTTP connection: [`Origin`]. Made when it opens, kept with it.

use std::net::{SocketAddr, SocketAddrV4};

use crate::session::datagram::Peer;
use crate::session::{ConnInfo, TlsInfo};

/// Who is at the other end of a connection, as its handlers see it.
///
/// Every idle connection keeps one, so what most of them are is small.
#[derive(Clone, Debug)]
pub struct Origin(Who);

#[derive(Clone, Debug)]
enum Who {
    PlainV4(SocketAddrV4),
    Other(Box<(Peer, Option<TlsSummary>)>),
}

/// What a TLS handshake agreed on, kept for the life of the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSummary {
    /// The name that the client asked for (RFC 6066 §3), if any.
    pub server_name: Option<Box<str>>,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite by its IANA name.
    pub suite: &'static str,
    /// True if an earlier session was resumed.
    pub resumed: bool,
    /// The client's certificate in DER, verified, if it sent one.
    pub client_certificate: Option<Box<[u8]>>,
}

impl Origin {
    pub(crate) fn of(info: &ConnInfo<'_>) -> Self {
        Origin(match (info.peer, &info.tls) {
            (Peer::Inet(SocketAddr::V4(address)), None) => Who::PlainV4(*address),
            (peer, tls) => Who::Other(Box::new((peer.clone(), tls.as_ref().map(TlsSummary::of)))),
        })
    }

    /// The peer's address.
    pub fn peer(&self) -> Peer {
        match &self.0 {
            Who::PlainV4(address) => Peer::Inet(SocketAddr::V4(*address)),
            Who::Other(other) => other.0.clone(),
        }
    }

    /// What the TLS handshake agreed on, over TLS.
    pub fn tls(&self) -> Option<&TlsSummary> {
        match &self.0 {
            Who::PlainV4(_) => None,
            Who::Other(other) => other.1.as_ref(),
        }
    }
}

impl TlsSummary {
    fn of(tls: &TlsInfo<'_>) -> Self {
        TlsSummary {
            server_name: tls.server_name.map(Box::from),
            version: tls.version,
            suite: tls.suite,
            resumed: tls.resumed,
            client_certificate: tls.client_certificate.map(Box::from),
        }
    }
}
