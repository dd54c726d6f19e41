//! How a connection's entry begins and ends: its first drive, and the one place that closes it.
//!
//! Accepting, the turn, wishes and the drain call it.

use crate::error::CloseReason;
use crate::probe::{Call, Fact};
use crate::reactor::core::Core;
use crate::reactor::stream::drive;
use crate::reactor::table::{Entry, Table};
use crate::reactor::world::World;
use crate::reactor::write::write_through;
use crate::token::Token;

/// The first drive of an entry that was just inserted: what its session said when it was opened is
/// in `out`.
pub(crate) fn start<W: World>(token: Token, table: &mut Table<W>, core: &mut Core<W>) {
    let Some(Entry::Stream(entry)) = table.get(token) else { return };
    let over = write_through(entry, token, core).or_else(|| drive(entry, token, core));
    if let Some(reason) = over {
        close(token, reason, table, core);
    }
}

/// Ends an entry: its session hears why, its socket closes, its slot is free for another.
pub(crate) fn close<W: World>(
    token: Token,
    reason: CloseReason,
    table: &mut Table<W>,
    core: &mut Core<W>,
) {
    if !matches!(table.get(token), Some(Entry::Stream(_))) {
        return;
    }
    let Some(Entry::Stream(mut entry)) = table.remove(token) else { return };
    match entry.connection.fault() {
        Some(fault) => log::debug!("closed {token}: {reason}: {fault}"),
        None => log::debug!("closed {token}: {reason}"),
    }
    let began = core.clock();
    entry.connection.closed(reason, &mut core.env);
    if core.env.recorder.is_on() {
        core.timed(token, Call::Close, began);
    }
    if entry.backlog.is_empty() {
        core.world.close(entry.socket);
    } else {
        // Cut short: an orderly end would tell the peer that this was all.
        core.world.abort(entry.socket);
    }
    core.env.live -= 1;
    core.freed = true;
    core.fact(Fact::Closed { token, reason });
}
