//! The readiness rules of one stream socket: [`drive`].
//!
//! Edge-triggered readiness means that the loop holds the level: the ready bits of an entry say
//! what may still be done, they are set by the poll and cleared here only, by `WouldBlock`, by a
//! short read or write, or by the end of the stream. Whatever stops a drive while a bit is set must
//! leave a reason to come back: the run queue, a write event, or a message.

use std::io::ErrorKind;

use crate::buf::Backlog;
use crate::connection::{Connection, Life};
use crate::error::{CloseReason, Phase};
use crate::probe::{Call, Fact, Operation};
use crate::reactor::core::Core;
use crate::reactor::dial;
use crate::reactor::rule::Rule;
use crate::reactor::world::{Ready, Stream, World};
use crate::reactor::write::{flush, write_back, write_through};
use crate::time::Moment;
use crate::token::Token;

/// A connection with its socket.
pub(crate) struct StreamEntry<S> {
    pub(crate) socket: S,
    pub(crate) connection: Connection,
    pub(crate) backlog: Backlog,
    pub(crate) armed: Moment,
    pub(crate) generation: u32,
    pub(crate) ready: Ready,
    pub(super) marks: Marks,
    /// Messages that will be delivered before the turn ends.
    pub(super) expected: u16,
}

/// Facts about an entry that are true for a while.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks(u8);

impl Marks {
    /// It is in the run queue.
    const QUEUED: u8 = 1;
    /// The world knows its socket.
    pub(super) const REGISTERED: u8 = 2;
    /// The world reports write readiness too.
    pub(super) const WRITES: u8 = 4;
    /// Reading has stopped at the high watermark.
    const STALLED: u8 = 8;
    /// Our direction has ended.
    const SHUT: u8 = 16;
    /// It is in the dirty list.
    const DIRTY: u8 = 32;
    /// It has sent files.
    pub(super) const FILES: u8 = 64;

    #[inline]
    pub(super) fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }

    #[inline]
    pub(super) fn set(&mut self, mark: u8, on: bool) {
        if on { self.0 |= mark } else { self.0 &= !mark }
    }
}

impl<S: Stream> StreamEntry<S> {
    /// An entry whose socket is not registered yet. Both bits are set, so the first drive tries to
    /// read and write at once: with luck the exchange is over before the world hears of it.
    pub(crate) fn new(socket: S, connection: Connection, generation: u32) -> Self {
        let mut ready = Ready::READABLE;
        ready.insert(Ready::WRITABLE);
        StreamEntry {
            socket,
            connection,
            backlog: Backlog::default(),
            armed: Moment::NEVER,
            generation,
            ready,
            marks: Marks::default(),
            expected: 0,
        }
    }

    /// An entry whose socket is registered and connects. Nothing can be done until the world says
    /// that it is done.
    pub(super) fn connecting(socket: S, connection: Connection, generation: u32) -> Self {
        let mut entry = StreamEntry::new(socket, connection, generation);
        entry.ready = Ready::default();
        entry.marks.set(Marks::REGISTERED | Marks::WRITES, true);
        entry
    }

    /// Puts the entry on the run queue, once.
    pub(crate) fn queue<W: World>(&mut self, token: Token, core: &mut Core<W>) {
        self.queue_in(token, false, core);
    }

    /// Handshakes that may not compute in this turn wait in a queue of their own, of which a turn
    /// takes only what it may: looking at all of them in each turn would cost more than they do.
    fn queue_in<W: World>(&mut self, token: Token, handshake: bool, core: &mut Core<W>) {
        if !self.marks.has(Marks::QUEUED) {
            self.marks.set(Marks::QUEUED, true);
            if handshake { &mut core.handshaking } else { &mut core.run }.push_back(token);
        }
    }

    /// True if it is in the run queue. A handshake waits elsewhere, for longer than a turn.
    #[inline]
    pub(crate) fn is_queued(&self) -> bool {
        self.marks.has(Marks::QUEUED) && !self.connection.is_handshaking()
    }

    /// The entry was taken from the run queue.
    pub(crate) fn unqueued(&mut self) {
        self.marks.set(Marks::QUEUED, false);
    }

    /// Calls the connection, and has its output written at the end of the turn together with
    /// whatever else it is sent in this turn.
    pub(crate) fn deliver<W: World<Stream = S>>(
        &mut self,
        token: Token,
        call: Call,
        core: &mut Core<W>,
        f: impl FnOnce(&mut Connection, &mut crate::connection::Io<'_>),
    ) {
        // Over its cap already, it is closed when its turn comes; until then it grows no further.
        if self.backlog.len() > core.env.limits.backlog_cap {
            return;
        }
        let began = core.clock();
        f(&mut self.connection, &mut core.io(token, self.backlog.len()));
        core.called(token, call, began, &self.connection);
        self.keep(token, core);
        if !self.marks.has(Marks::DIRTY) && core.rules.keep(Rule::ResumeRequeues) {
            self.marks.set(Marks::DIRTY, true);
            core.dirty.push(token);
        }
    }

    /// Calls the connection with an announced message. After the last one for this turn it writes
    /// and goes on; answers why the connection is over, if it is.
    pub(super) fn hear<W: World<Stream = S>>(
        &mut self,
        token: Token,
        core: &mut Core<W>,
        f: impl FnOnce(&mut Connection, &mut crate::connection::Io<'_>),
    ) -> Option<CloseReason> {
        let resumes = core.rules.keep(Rule::ResumeRequeues);
        let is_last = self.expected == 0 && !self.marks.has(Marks::DIRTY) && resumes;
        // Over its cap already, it is closed below; until then it grows no further.
        if self.backlog.len() <= core.env.limits.backlog_cap {
            let began = core.clock();
            f(&mut self.connection, &mut core.io(token, self.backlog.len()));
            core.called(token, Call::Message, began, &self.connection);
        }
        if !is_last || !self.backlog.is_empty() {
            self.keep(token, core);
        }
        if !is_last {
            return None;
        }
        write_through(self, token, core).or_else(|| drive(self, token, core))
    }

    /// What was just said waits behind what waits already.
    fn keep<W: World<Stream = S>>(&mut self, token: Token, core: &mut Core<W>) {
        if !core.out.is_empty() {
            self.backlog.take(&mut core.out, core.env.now, &core.env.limits);
            core.fact(Fact::Buffer { token, unsent: self.backlog.len() });
        }
    }

    /// The entry was taken from the dirty list.
    pub(crate) fn cleaned(&mut self) {
        self.marks.set(Marks::DIRTY, false);
    }
}

/// Does what the ready bits allow, within the budget. Answers why the connection is over, if it is.
#[inline]
pub(crate) fn drive<W: World>(
    entry: &mut StreamEntry<W::Stream>,
    token: Token,
    core: &mut Core<W>,
) -> Option<CloseReason> {
    core.fact(Fact::Driven { token });
    if entry.connection.life() == Life::Connecting
        && let over @ Some(_) = dial::conclude(entry, token, core)
    {
        return over;
    }
    let mut budget = core.env.limits.reads_per_drive;
    let mut over = flush(entry, token, core).or_else(|| produce(entry, token, core, &mut budget));
    if over.is_none() {
        // However much a session has to say, it hears what its peer says meanwhile.
        budget = budget.max(1);
        over = read(entry, token, core, &mut budget);
    }
    match over {
        None => settle(entry, token, core),
        over => over,
    }
}

/// Reads while there is something to read and somebody to take it.
#[inline]
fn read<W: World>(
    entry: &mut StreamEntry<W::Stream>,
    token: Token,
    core: &mut Core<W>,
    budget: &mut u32,
) -> Option<CloseReason> {
    while entry.connection.wants_read()
        && entry.ready.has(Ready::READABLE)
        && !stalled(entry, token, core)
    {
        if !spend(entry, token, core, budget) {
            break;
        }
        match entry.socket.read(&mut core.scratch) {
            Ok(0) => {
                core.fact(Fact::Read { token, asked: core.scratch.len(), bytes: 0 });
                entry.ready.remove(Ready::READABLE);
                let began = core.clock();
                entry.connection.eof(&mut core.io(token, entry.backlog.len()));
                core.called(token, Call::Eof, began, &entry.connection);
            }
            Ok(count) => {
                core.fact(Fact::Read { token, asked: core.scratch.len(), bytes: count });
                let more_to_come = entry.ready.has(Ready::READ_CLOSED)
                    && core.rules.keep(Rule::ShortReadUnlessClosed);
                if count < core.scratch.len() && !more_to_come {
                    entry.ready.remove(Ready::READABLE);
                }
                let began = core.clock();
                let Core { scratch, out, env, .. } = core;
                let mut io = crate::connection::Io { out, env, token, unsent: entry.backlog.len() };
                let reflected = entry.connection.feed_in_place(&mut scratch[..count], &mut io);
                core.called(token, Call::Data, began, &entry.connection);
                if reflected > 0
                    && let over @ Some(_) = write_back(entry, token, core, reflected)
                {
                    return over;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                core.fact(Fact::Blocked { token, writing: false });
                if core.rules.keep(Rule::BlockedClears) {
                    entry.ready.remove(Ready::READABLE);
                }
                break;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                core.failed(token, Operation::Read, &error);
                return Some(CloseReason::from_io(&error));
            }
        }
        if let over @ Some(_) = write_through(entry, token, core) {
            return over;
        }
        if let over @ Some(_) = produce(entry, token, core, budget) {
            return over;
        }
    }
    // A paused connection does not read and so would never see that its peer is gone; a handshake
    // would wait for its turn to learn it. One that closes needs no such hint: it is over already,
    // or its next write tells.
    let is_deaf = match entry.connection.life() {
        Life::Open | Life::Paused => !entry.connection.wants_read(),
        life => life == Life::Handshake,
    };
    if is_deaf && entry.ready.has(Ready::CLOSED) && entry.marks.has(Marks::REGISTERED) {
        return Some(match entry.socket.take_error() {
            Some(error) => CloseReason::from_io(&error),
            None => CloseReason::Reset,
        });
    }
    if !core.rules.keep(Rule::BlockedClears) && entry.ready.has(Ready::READABLE) {
        entry.queue(token, core);
    }
    None
}

/// One unit of the budget; at its end the rest waits in the run queue.
#[inline]
fn spend<W: World>(
    entry: &mut StreamEntry<W::Stream>,
    token: Token,
    core: &mut Core<W>,
    budget: &mut u32,
) -> bool {
    let handshake = entry.connection.is_handshaking();
    let must_queue = handshake && core.handshakes == 0;
    if (*budget == 0 || must_queue) && core.rules.keep(Rule::ReadBudget) {
        core.fact(Fact::Budget { token });
        if core.rules.keep(Rule::BudgetRequeues) {
            entry.queue_in(token, must_queue, core);
        }
        return false;
    }
    *budget = budget.saturating_sub(1);
    core.handshakes = core.handshakes.saturating_sub(u32::from(handshake));
    true
}

/// True while the peer owes us reading. Between the watermarks the answer stays what it was.
#[inline]
fn stalled<W: World>(entry: &mut StreamEntry<W::Stream>, token: Token, core: &mut Core<W>) -> bool {
    let backlog = entry.backlog.len();
    let was = entry.marks.has(Marks::STALLED);
    if backlog == 0 && !was {
        return false;
    }
    let is = core.rules.keep(Rule::HighWater)
        && (backlog >= core.env.limits.high_water || was && backlog > core.env.limits.low_water);
    if is && !was {
        core.fact(Fact::HighWater { token, unsent: backlog });
    } else if was && !is {
        core.fact(Fact::LowWater { token, unsent: backlog });
    }
    entry.marks.set(Marks::STALLED, is);
    is
}

/// Lets the session produce more, if it asked to.
#[inline]
fn produce<W: World>(
    entry: &mut StreamEntry<W::Stream>,
    token: Token,
    core: &mut Core<W>,
    budget: &mut u32,
) -> Option<CloseReason> {
    if !entry.connection.wants_drain() {
        return None;
    }
    produce_more(entry, token, core, budget)
}

/// Has it produce while the socket takes it.
#[inline(never)]
fn produce_more<W: World>(
    entry: &mut StreamEntry<W::Stream>,
    token: Token,
    core: &mut Core<W>,
    budget: &mut u32,
) -> Option<CloseReason> {
    while entry.connection.wants_drain()
        && entry.backlog.len() <= core.env.limits.low_water
        && core.rules.keep(Rule::DrainEdge)
    {
        if !spend(entry, token, core, budget) {
            break;
        }
        let began = core.clock();
        entry.connection.drained(&mut core.io(token, entry.backlog.len()));
        core.called(token, Call::Drain, began, &entry.connection);
        // A unit stands for a buffer's worth: whoever says more at once has had its turn sooner.
        let buffers = core.out.len() / core.env.limits.read_bytes;
        *budget = budget.saturating_sub(u32::try_from(buffers).unwrap_or(u32::MAX));
        if let over @ Some(_) = write_through(entry, token, core) {
            return over;
        }
    }
    None
}

/// The end of a drive: closes what is finished, registers what must wait, arms the deadline.
#[inline]
pub(crate) fn settle<W: World>(
    entry: &mut StreamEntry<W::Stream>,
    token: Token,
    core: &mut Core<W>,
) -> Option<CloseReason> {
    let closes = matches!(entry.connection.life(), Life::Flushing | Life::Lingering | Life::Closed);
    if closes && let over @ Some(_) = wind_up(entry, core) {
        return over;
    }
    if !entry.marks.has(Marks::REGISTERED) {
        let writable = !entry.backlog.is_empty();
        if let Err(error) = core.world.register(&mut entry.socket, token, writable) {
            return Some(CloseReason::from_io(&error));
        }
        entry.marks.set(Marks::REGISTERED, true);
        entry.marks.set(Marks::WRITES, writable);
        core.interest(token, true, writable);
    }
    if W::LEVEL {
        let reads = entry.connection.wants_read() && !stalled(entry, token, core);
        let writes = !entry.backlog.is_empty() || entry.connection.life() == Life::Connecting;
        core.interest(token, reads, writes);
        if let Err(error) = core.world.want(&mut entry.socket, token, reads, writes) {
            return Some(CloseReason::from_io(&error));
        }
    }
    let deadline = entry.connection.deadline().min(entry.backlog.deadline());
    core.arm(&mut entry.armed, deadline, token);
    None
}

/// A closing connection: flush, then shut, then linger, then close.
fn wind_up<W: World>(
    entry: &mut StreamEntry<W::Stream>,
    core: &mut Core<W>,
) -> Option<CloseReason> {
    match entry.connection.life() {
        Life::Closed => return Some(entry.connection.reason()),
        _ if !entry.backlog.is_empty() => return None,
        Life::Flushing => return Some(entry.connection.reason()),
        _ => {}
    }
    if !core.rules.keep(Rule::Linger) {
        return Some(entry.connection.reason());
    }
    if !entry.marks.has(Marks::SHUT) {
        entry.marks.set(Marks::SHUT, true);
        if entry.socket.shutdown_write().is_err() {
            return Some(entry.connection.reason());
        }
        entry.connection.lingers(&core.env);
    }
    (!entry.connection.wants_read()).then(|| entry.connection.reason())
}

/// The armed moment has come: acts on whatever is really due.
pub(crate) fn fire<W: World>(
    entry: &mut StreamEntry<W::Stream>,
    token: Token,
    core: &mut Core<W>,
) -> Option<CloseReason> {
    let due = std::mem::replace(&mut entry.armed, Moment::NEVER);
    let now = core.env.now;
    if entry.backlog.deadline() <= now {
        // The system says that a socket can be written to when a good part of its buffer is free,
        // which a slow but honest reader may not reach in a window: what it did take counts.
        entry.ready.insert(Ready::WRITABLE);
        if let over @ Some(_) = flush(entry, token, core) {
            return over;
        }
        if entry.backlog.is_stuck(now, &core.env.limits) {
            core.fact(Fact::Fired { token, due });
            return Some(CloseReason::TimedOut(Phase::Write));
        }
        if entry.connection.deadline() > now {
            return drive(entry, token, core);
        }
    }
    if entry.connection.deadline() <= now {
        core.fact(Fact::Fired { token, due });
        let began = core.clock();
        entry.connection.timeout(&mut core.io(token, entry.backlog.len()));
        core.called(token, Call::Timeout, began, &entry.connection);
        if let over @ Some(_) = write_through(entry, token, core) {
            return over;
        }
        return drive(entry, token, core);
    }
    if core.rules.keep(Rule::LazyTimer) {
        let deadline = entry.connection.deadline().min(entry.backlog.deadline());
        core.arm(&mut entry.armed, deadline, token);
        if entry.armed.is_never() {
            core.fact(Fact::Armed { token, due: Moment::NEVER });
        }
    }
    None
}
