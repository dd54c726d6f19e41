//! The write side of one stream socket: at once what the socket takes, the rest in order when it
//! can.
//!
//! `stream.rs` calls it. The write bit is cleared here alone, when the socket did not take all it
//! was offered; then, and only then, the world is asked for write events.

use std::io::{self, ErrorKind, IoSlice};

use crate::buf::Backlog;
use crate::connection::Life;
use crate::error::CloseReason;
use crate::probe::{Fact, Operation};
use crate::reactor::core::Core;
use crate::reactor::rule::Rule;
use crate::reactor::stream::{Marks, StreamEntry};
use crate::reactor::world::{Ready, Stream, World};
use crate::token::Token;

/// Writes `out` at once if nothing waits before it; what the socket does not take joins the backlog.
#[inline]
pub(super) fn write_through<W: World>(
    entry: &mut StreamEntry<W::Stream>,
    token: Token,
    core: &mut Core<W>,
) -> Option<CloseReason> {
    if core.out.is_empty() {
        return None;
    }
    if core.out.has_insets() {
        return write_insets(entry, token, core);
    }
    let (mut taken, mut full) = (0, false);
    let first = entry.backlog.is_empty() || !core.rules.keep(Rule::BacklogFirst);
    if first && entry.ready.has(Ready::WRITABLE) {
        let result = match entry.connection.life() {
            Life::Flushing | Life::Lingering => entry.socket.write_last(&core.out.bytes),
            _ => entry.socket.write(&core.out.bytes),
        };
        (taken, full) = match wrote(result, core.out.len(), token, core) {
            Ok(outcome) => outcome,
            Err(reason) => {
                core.out.clear();
                return Some(reason);
            }
        };
    }
    if taken < core.out.len() {
        return keep_rest(entry, token, core, taken, full);
    }
    core.out.clear();
    None
}

/// Output with insets is written from where its parts lie; the rest joins the backlog, where it stays
/// shared. What is too much for one write, and files, go by the backlog altogether.
#[inline(never)]
fn write_insets<W: World>(
    entry: &mut StreamEntry<W::Stream>,
    token: Token,
    core: &mut Core<W>,
) -> Option<CloseReason> {
    let (mut taken, mut full) = (0, false);
    let first = entry.backlog.is_empty() || !core.rules.keep(Rule::BacklogFirst);
    if first && entry.ready.has(Ready::WRITABLE) {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = core.out.gather(&mut slices);
        let slices = slices.get(..count).unwrap_or_default();
        if length(slices) == core.out.len() {
            let result = write(&mut entry.socket, slices);
            (taken, full) = match wrote(result, core.out.len(), token, core) {
                Ok(outcome) => outcome,
                Err(reason) => {
                    core.out.clear();
                    return Some(reason);
                }
            };
            if taken == core.out.len() {
                core.out.clear();
                return None;
            }
        }
    }
    entry.backlog.take(&mut core.out, core.env.now, &core.env.limits);
    entry.backlog.consume(taken);
    core.fact(Fact::Buffer { token, unsent: entry.backlog.len() });
    if entry.backlog.len() > core.env.limits.backlog_cap {
        return Some(CloseReason::Overflow);
    }
    if full || !entry.ready.has(Ready::WRITABLE) {
        return blocked(entry, token, core);
    }
    flush(entry, token, core)
}

/// Sends the first `count` bytes read back from where they lie, unless others wait before them.
#[inline(never)]
pub(super) fn write_back<W: World>(
    entry: &mut StreamEntry<W::Stream>,
    token: Token,
    core: &mut Core<W>,
    count: usize,
) -> Option<CloseReason> {
    let (mut taken, mut full) = (0, false);
    let first = entry.backlog.is_empty() || !core.rules.keep(Rule::BacklogFirst);
    if first && entry.ready.has(Ready::WRITABLE) {
        let result = entry.socket.write(&core.scratch[..count]);
        (taken, full) = match wrote(result, count, token, core) {
            Ok(outcome) => outcome,
            Err(reason) => return Some(reason),
        };
    }
    if taken < count {
        core.out.bytes.extend_from_slice(&core.scratch[taken..count]);
        return keep_rest(entry, token, core, 0, full);
    }
    None
}

/// What a write came to: how much was taken, and whether the socket is full now.
#[inline]
fn wrote<W: World>(
    result: io::Result<usize>,
    offered: usize,
    token: Token,
    core: &mut Core<W>,
) -> Result<(usize, bool), CloseReason> {
    match result {
        Ok(count) => {
            core.fact(Fact::Wrote { token, asked: offered, bytes: count });
            Ok((count, count < offered))
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            core.fact(Fact::Blocked { token, writing: true });
            Ok((0, true))
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok((0, false)),
        Err(error) => {
            core.failed(token, Operation::Write, &error);
            Err(CloseReason::from_io(&error))
        }
    }
}

/// The rest waits. If the socket is full the world is asked to say when it can go on; if it is not
/// (the write was interrupted, or others' bytes came first) no event will come, so it is queued.
#[cold]
fn keep_rest<W: World>(
    entry: &mut StreamEntry<W::Stream>,
    token: Token,
    core: &mut Core<W>,
    taken: usize,
    full: bool,
) -> Option<CloseReason> {
    entry.backlog.push(&core.out.bytes[taken..], core.env.now, &core.env.limits);
    core.out.clear();
    core.out.bytes.shrink_to(core.env.limits.high_water * 2);
    core.fact(Fact::Buffer { token, unsent: entry.backlog.len() });
    if entry.backlog.len() > core.env.limits.backlog_cap {
        return Some(CloseReason::Overflow);
    }
    if entry.ready.has(Ready::WRITABLE) && !full {
        entry.queue(token, core);
        return None;
    }
    blocked(entry, token, core)
}

/// Runs of bytes that one write takes from a backlog.
const SLICES: usize = 16;

/// Writes the first of what waits; answers too how much was offered, and whether the socket took
/// less than that and so is full. Of a file that is not known: the system may stop for reasons of its
/// own.
fn send<S: Stream>(socket: &mut S, backlog: &Backlog) -> (io::Result<usize>, usize, bool) {
    if let Some(span) = backlog.next_file() {
        let offered = span.length;
        return (socket.send_file(span), offered, false);
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    let count = backlog.gather(&mut slices);
    let slices = slices.get(..count).unwrap_or_default();
    let result = write(socket, slices);
    let offered = length(slices);
    let is_full = matches!(result, Ok(taken) if taken < offered);
    (result, offered, is_full)
}

fn write<S: Stream>(socket: &mut S, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match slices {
        [bytes] => socket.write(bytes),
        slices => socket.write_vectored(slices),
    }
}

fn length(slices: &[IoSlice<'_>]) -> usize {
    slices.iter().map(|slice| slice.len()).sum()
}

/// Clears the write bit and, the first time, asks for write events.
pub(super) fn blocked<W: World>(
    entry: &mut StreamEntry<W::Stream>,
    token: Token,
    core: &mut Core<W>,
) -> Option<CloseReason> {
    entry.ready.remove(Ready::WRITABLE);
    if entry.marks.has(Marks::REGISTERED)
        && !entry.marks.has(Marks::WRITES)
        && core.rules.keep(Rule::WatchWrites)
    {
        entry.marks.set(Marks::WRITES, true);
        core.interest(token, true, true);
        if let Err(error) = core.world.watch_writes(&mut entry.socket, token) {
            return Some(CloseReason::from_io(&error));
        }
    }
    None
}

/// Writes what waits, if the socket may take it.
#[inline]
pub(super) fn flush<W: World>(
    entry: &mut StreamEntry<W::Stream>,
    token: Token,
    core: &mut Core<W>,
) -> Option<CloseReason> {
    if entry.backlog.is_empty() {
        return None;
    }
    if entry.backlog.len() > core.env.limits.backlog_cap {
        return Some(CloseReason::Overflow);
    }
    let mut budget = core.env.limits.reads_per_drive;
    while !entry.backlog.is_empty() && entry.ready.has(Ready::WRITABLE) {
        if budget == 0 {
            core.fact(Fact::Budget { token });
            entry.queue(token, core);
            break;
        }
        budget -= 1;
        if !entry.marks.has(Marks::FILES) && entry.backlog.next_file().is_some() {
            entry.marks.set(Marks::FILES, true);
            entry.socket.expect_files();
        }
        let (result, offered, is_full) = send(&mut entry.socket, &entry.backlog);
        match result {
            Ok(0) => {
                log::error!("a file became shorter while it was sent");
                return Some(CloseReason::Aborted);
            }
            Ok(count) => {
                core.fact(Fact::Wrote { token, asked: offered, bytes: count });
                entry.backlog.consume(count);
                core.fact(Fact::Buffer { token, unsent: entry.backlog.len() });
                if is_full && !entry.backlog.is_empty() {
                    return blocked(entry, token, core);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                core.fact(Fact::Blocked { token, writing: true });
                return blocked(entry, token, core);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                core.failed(token, Operation::Write, &error);
                return Some(CloseReason::from_io(&error));
            }
        }
    }
    None
}
