//! Accepting: a share per turn, a cap, and what to do when the system runs out of descriptors.
//!
//! Under edge triggering a listener that stops at `EMFILE` would never be heard of again: its
//! readiness does not change. So it pauses, and tries again on a timer and whenever a connection
//! closes. While it is full it turns one waiting client away at each tick of the timer, with the
//! descriptor held in reserve, so that clients learn that they are refused instead of hanging.

use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use crate::connection::Connection;
use crate::connection::tls::TlsConfig;
use crate::error::CloseReason;
use crate::probe::{Call, Fact, Operation, Origin};
use crate::reactor::core::Core;
use crate::reactor::lifecycle;
use crate::reactor::listener::ListenerEntry;
use crate::reactor::rule::Rule;
use crate::reactor::stream::StreamEntry;
use crate::reactor::table::{Entry, Table};
use crate::reactor::world::World;
use crate::session::Service;
use crate::session::datagram::Peer;
use crate::time::Moment;
use crate::token::Token;

/// How often a shortage is logged.
const COMPLAINT: Duration = Duration::from_secs(60);

/// `ENFILE`, `EMFILE`: the same numbers on every Unix.
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24)) || error.kind() == ErrorKind::OutOfMemory
}

/// Errors of a connection that waited, not of the listener (accept(2) lists them).
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::PermissionDenied
            | ErrorKind::TimedOut
            | ErrorKind::NetworkDown
            | ErrorKind::NetworkUnreachable
            | ErrorKind::HostUnreachable
    ) || error.raw_os_error() == Some(libc::EPROTO)
}

/// Accepts this turn's share.
pub(crate) fn accept<W: World>(listener: Token, table: &mut Table<W>, core: &mut Core<W>) {
    for _ in 0..core.env.limits.accepts_per_turn {
        let full = core.env.live >= core.env.limits.connections;
        let Some(Entry::Listener(entry)) = table.get(listener) else { return };
        if !entry.readable {
            return;
        }
        if full {
            return pause(entry, listener, core, None);
        }
        match core.world.accept(&entry.listener, &entry.how) {
            Ok((socket, peer)) => {
                resumed(entry, listener, core);
                let (service, tls) = (Rc::clone(&entry.service), entry.tls.clone());
                open(socket, peer, listener, &service, tls, table, core);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                core.fact(Fact::NobodyWaits { token: listener });
                entry.readable = false;
                return resumed(entry, listener, core);
            }
            Err(error) if is_exhaustion(&error) => {
                return pause(entry, listener, core, Some(error));
            }
            // The connection was gone before it was accepted; the next one may be well.
            Err(error) if is_of_one_connection(&error) => {
                core.failed(listener, Operation::Accept, &error);
                log::debug!("accept on {listener}: {error}")
            }
            // Whatever it is, it will not be over at once.
            Err(error) => return pause(entry, listener, core, Some(error)),
        }
    }
    if let Some(Entry::Listener(entry)) = table.get(listener)
        && core.rules.keep(Rule::AcceptRequeues)
    {
        core.fact(Fact::Budget { token: listener });
        queue(entry, listener, core);
    }
}

/// Puts a listener on the run queue, once.
pub(crate) fn queue<W: World>(entry: &mut ListenerEntry<W>, token: Token, core: &mut Core<W>) {
    if !entry.queued {
        entry.queued = true;
        core.run.push_back(token);
    }
}

fn pause<W: World>(
    entry: &mut ListenerEntry<W>,
    token: Token,
    core: &mut Core<W>,
    shortage: Option<io::Error>,
) {
    let descriptors = shortage.is_some();
    if let Some(error) = &shortage {
        core.failed(token, Operation::Accept, error);
    }
    if !entry.paused {
        entry.paused = true;
        core.env.paused += 1;
        core.fact(Fact::Paused { token, descriptors });
        // One for each connection; what else the process has open, only the system knows.
        let limit = core.env.recorder.descriptor_limit();
        core.fact(Fact::Descriptors { used: core.env.live, limit });
        if W::LEVEL {
            core.world.attend(&entry.listener, token, false);
        }
    }
    // At the limit every connection that ends lets one in, and the shortage begins anew.
    if core.complained <= core.env.now {
        core.complained = core.env.now + COMPLAINT;
        match &shortage {
            Some(error) => log::warn!(
                "accepting pauses at {} connections: {error}; raise the limit of open files (ulimit -n)",
                core.env.live
            ),
            None => log::warn!(
                "accepting pauses at {} connections, the configured limit",
                core.env.live
            ),
        }
    }
    if descriptors && core.rules.keep(Rule::AcceptRetry) {
        entry.retry = core.env.now + core.env.limits.accept_retry;
        core.arm(&mut entry.armed, entry.retry, token);
    }
}

/// A descriptor could be had again, whether or not anybody waited for it.
fn resumed<W: World>(entry: &mut ListenerEntry<W>, token: Token, core: &mut Core<W>) {
    if entry.paused {
        entry.paused = false;
        core.env.paused -= 1;
        core.fact(Fact::Resumed { token });
        if W::LEVEL {
            core.world.attend(&entry.listener, token, true);
        }
    }
}

/// The retry timer of a listener has come.
pub(crate) fn retry<W: World>(listener: Token, table: &mut Table<W>, core: &mut Core<W>) {
    let Some(Entry::Listener(entry)) = table.get(listener) else { return };
    let due = std::mem::replace(&mut entry.armed, Moment::NEVER);
    if entry.retry > core.env.now {
        let retry = entry.retry;
        return core.arm(&mut entry.armed, retry, listener);
    }
    entry.retry = Moment::NEVER;
    core.fact(Fact::Fired { token: listener, due });
    accept(listener, table, core);
    if let Some(Entry::Listener(entry)) = table.get(listener)
        && entry.retry != Moment::NEVER
    {
        shed(entry, listener, core);
    }
}

/// Turns away the client that has waited longest.
fn shed<W: World>(entry: &mut ListenerEntry<W>, token: Token, core: &mut Core<W>) {
    core.world.spend_reserve();
    if let Ok((socket, peer)) = core.world.accept(&entry.listener, &entry.how) {
        log::debug!("{peer} turned away: no descriptor left");
        core.world.close(socket);
        core.fact(Fact::Shed { token });
    }
    core.world.renew_reserve();
}

/// Makes an entry for an accepted socket and drives it at once.
fn open<W: World>(
    socket: W::Stream,
    peer: Peer,
    listener: Token,
    service: &Rc<dyn Service>,
    tls: Option<TlsConfig>,
    table: &mut Table<W>,
    core: &mut Core<W>,
) {
    let token = table.next_token();
    core.fact(Fact::Accepted { token, from: listener });
    core.fact(Fact::Peer { token, peer: Origin::from(&peer) });
    log::debug!("accepted {token} from {peer}");
    core.env.live += 1;
    let connection = match tls {
        None => {
            let began = core.clock();
            let connection = Connection::plain(&**service, &peer, &mut core.io(token, 0));
            core.called(token, Call::Open, began, &connection);
            connection
        }
        Some(config) => match config.accept() {
            Ok(tls) => {
                let connection = Connection::secure(tls, Rc::clone(service), peer, &core.env);
                core.stages(token, &connection, Call::Open);
                connection
            }
            Err(error) => {
                log::error!("TLS cannot start: {error}");
                core.world.close(socket);
                core.env.live -= 1;
                return core.fact(Fact::Closed { token, reason: CloseReason::Tls });
            }
        },
    };
    table.insert(token, Entry::Stream(StreamEntry::new(socket, connection, token.generation())));
    lifecycle::start(token, table, core);
}
