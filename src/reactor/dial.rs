//! Dialling: connections that begin here. [`Dial`] says where to and how.
//!
//! A socket that connects is registered for both directions at once and does nothing until the
//! world reports it; then `conclude` asks what became of it. It has one deadline, and its session
//! is not called before there is a connection, or none.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::connection::Connection;
use crate::connection::tls::{Tls, TlsPeer};
use crate::error::CloseReason;
use crate::probe::{Call, Fact, Operation};
use crate::reactor::core::Core;
use crate::reactor::lifecycle;
use crate::reactor::rule::Rule;
use crate::reactor::stream::StreamEntry;
use crate::reactor::table::{Entry, Table};
use crate::reactor::world::{Ready, World};
use crate::reactor::write::write_through;
use crate::session::Session;
use crate::socket::{Address, Connect, Stream};
use crate::token::Token;

/// Where to connect to, and how.
#[derive(Clone, Debug)]
pub struct Dial {
    /// Where to, and with which options.
    pub socket: Connect,
    /// How long the peer may take to answer. A TLS handshake has its own time, `Limits::handshake`.
    pub timeout: Duration,
    /// TLS, with the server that must prove to be there: from
    /// [`ClientTls::peer`](crate::connection::tls::ClientTls::peer).
    pub tls: Option<TlsPeer>,
}

impl Dial {
    /// The usual way to connect to `address`.
    pub fn new(address: Address) -> Self {
        Dial { socket: Connect::new(address), timeout: Duration::from_secs(10), tls: None }
    }
}

impl From<SocketAddr> for Dial {
    fn from(address: SocketAddr) -> Self {
        Dial::new(Address::Inet(address))
    }
}

/// Makes an entry for a connection that is to come about.
pub(crate) fn dial<W: World>(
    how: &Dial,
    session: Box<dyn Session>,
    table: &mut Table<W>,
    core: &mut Core<W>,
) -> Token {
    let token = table.next_token();
    let deadline = core.env.now + how.timeout;
    let begun = begin(how, token, core);
    core.fact(Fact::Dialled { token });
    if let Address::Inet(at) = how.socket.address {
        core.fact(Fact::Peer { token, peer: at.into() });
    }
    match begun {
        Ok((socket, tls)) => {
            core.env.live += 1;
            let connection = Connection::dialled(session, tls, deadline);
            core.interest(token, true, true);
            core.stages(token, &connection, Call::Open);
            let entry = StreamEntry::connecting(socket, connection, token.generation());
            table.insert(token, Entry::Stream(entry));
            lifecycle::start(token, table, core);
        }
        Err((reason, error)) => {
            if let Some(error) = error {
                core.failed(token, Operation::Connect, &error);
            }
            Connection::dialled(session, None, deadline).closed(reason, &mut core.env);
            core.fact(Fact::Closed { token, reason });
        }
    }
    token
}

/// Why nothing comes of it, and the system's words for it.
type Refused = (CloseReason, Option<io::Error>);

/// A registered socket on its way, and the TLS for it.
fn begin<W: World>(
    how: &Dial,
    token: Token,
    core: &mut Core<W>,
) -> Result<(W::Stream, Option<Tls>), Refused> {
    // A loop that ends begins nothing.
    if core.env.draining {
        return Err((CloseReason::Drained, None));
    }
    let tls = how.tls.as_ref().map(TlsPeer::connect).transpose().map_err(|error| {
        log::error!("TLS cannot start: {error}");
        (CloseReason::Tls, None)
    })?;
    let failed = |error: io::Error| {
        log::debug!("dialling {}: {error}", how.socket.address);
        (CloseReason::from_connect(&error), Some(error))
    };
    let mut socket = core.world.connect(&how.socket).map_err(failed)?;
    match core.world.register(&mut socket, token, true) {
        Ok(()) => Ok((socket, tls)),
        Err(error) => {
            core.world.close(socket);
            Err(failed(error))
        }
    }
}

/// The world has something to say about a socket that connects: asks what, and opens the connection
/// or answers why there is none.
#[cold]
pub(super) fn conclude<W: World>(
    entry: &mut StreamEntry<W::Stream>,
    token: Token,
    core: &mut Core<W>,
) -> Option<CloseReason> {
    let gone = entry.ready.has(Ready::CLOSED);
    if !gone && !entry.ready.has(Ready::WRITABLE) {
        return None;
    }
    let answer = match core.rules.keep(Rule::ConnectAsks) {
        true => entry.socket.connected(),
        false => Ok(true),
    };
    match answer {
        Ok(true) => {
            let began = core.clock();
            entry.connection.connected(&mut core.io(token, 0));
            core.called(token, Call::Open, began, &entry.connection);
            write_through(entry, token, core)
        }
        // Its error was taken by somebody else.
        Ok(false) if gone => Some(CloseReason::Reset),
        Ok(false) => {
            entry.ready.remove(Ready::WRITABLE);
            None
        }
        Err(error) => {
            core.failed(token, Operation::Connect, &error);
            Some(CloseReason::from_connect(&error))
        }
    }
}
