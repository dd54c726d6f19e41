//! What the threads of a blocking server share: who is inside, how many calls were made, and
//! whether it is closing time.
//!
//! Every open socket is in one register, because a thread that waits in `read` hears nothing else: a
//! drain ends the reading direction of each socket, and the read returns. A socket leaves the
//! register before it is closed, so nobody's descriptor is shut by mistake.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::socket::{Shutdown, shutdown};
use slab::Slab;

use super::shelf::{Recorded, Shelf};
use crate::limits::Limits;
use crate::probe::Fact;
use crate::session::Env;
use crate::time::Moment;
use crate::token::Token;

/// Serving as usual.
const OPEN: u8 = 0;
/// Finishing what is in flight.
const DRAINING: u8 = 1;
/// Cutting off whatever is left.
const CUT: u8 = 2;

/// After the cut: how long threads may take to notice.
const GRACE: Duration = Duration::from_secs(1);

/// The state that a server's threads share.
pub struct Gate {
    limits: Limits,
    start: Instant,
    /// The wall clock then.
    began: SystemTime,
    /// Listeners have the first indices of tokens.
    rows: usize,
    /// Where facts are kept, if they are.
    shelf: Option<Shelf>,
    phase: AtomicU8,
    inside: Mutex<Inside>,
    /// Somebody left, or the phase changed.
    changed: Condvar,
    tally: Tally,
}

struct Inside {
    sockets: Slab<RawFd>,
    /// So that a token names one connection, not a slot.
    generation: u32,
    acceptors: usize,
    /// When a drain ends.
    deadline: Instant,
}

/// Calls and connections, counted where they happen. Relaxed: each is right by itself.
#[derive(Default)]
struct Tally {
    reads: AtomicU64,
    writes: AtomicU64,
    would_blocks: AtomicU64,
    accepted: AtomicU64,
    closed: AtomicU64,
    shed: AtomicU64,
    responses: AtomicU64,
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Connections that are open now.
    pub live: u64,
    /// Reads that returned bytes or the end.
    pub reads: u64,
    /// Writes that took bytes.
    pub writes: u64,
    /// Reads and writes whose time was up.
    pub would_blocks: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that have ended.
    pub closed: u64,
    /// Connections turned away: no thread could be had.
    pub shed: u64,
    /// Requests answered, as far as their connections have ended.
    pub responses: u64,
}

impl Gate {
    pub(super) fn new(limits: Limits, rows: usize, facts: Option<usize>) -> Arc<Self> {
        let start = Instant::now();
        Arc::new(Gate {
            limits,
            start,
            began: SystemTime::now(),
            rows,
            shelf: facts.map(Shelf::new),
            phase: AtomicU8::new(OPEN),
            inside: Mutex::new(Inside {
                sockets: Slab::new(),
                generation: 0,
                acceptors: 0,
                deadline: start,
            }),
            changed: Condvar::new(),
            tally: Tally::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // Each change under the lock is one step, so a poisoned one hides no harm.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limits that everybody keeps.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Reads the clocks into `env`.
    pub(super) fn tick(&self, env: &mut Env) {
        env.now = Moment::START + self.start.elapsed();
        if env.date.is_stale(env.now) {
            env.date.refresh(env.now, SystemTime::now());
        }
    }

    /// Where facts are kept, if they are.
    pub(super) fn shelf(&self) -> Option<&Shelf> {
        self.shelf.as_ref()
    }

    /// What was recorded of connections that have ended, and nearly all of the others; and the wall
    /// clock at the moment 0. `None` if nothing is.
    pub fn recorded(&self) -> Option<(Recorded, SystemTime)> {
        self.shelf.as_ref().map(|shelf| (shelf.copy(), self.began))
    }

    pub(super) fn is_draining(&self) -> bool {
        self.phase.load(Ordering::Acquire) != OPEN
    }

    pub(super) fn is_cut(&self) -> bool {
        self.phase.load(Ordering::Acquire) == CUT
    }

    /// Counts what a thread does.
    #[inline]
    pub(super) fn count(&self, fact: &Fact) {
        let counter = match fact {
            Fact::Read { .. } => &self.tally.reads,
            Fact::Wrote { .. } => &self.tally.writes,
            Fact::Blocked { .. } => &self.tally.would_blocks,
            Fact::Accepted { .. } => &self.tally.accepted,
            Fact::Closed { .. } => &self.tally.closed,
            Fact::Shed { .. } => &self.tally.shed,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, count: u64) {
        self.tally.responses.fetch_add(count, Ordering::Relaxed);
    }

    /// Totals, at any time and from any thread.
    pub fn totals(&self) -> Totals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            live: self.lock().sockets.len() as u64,
            reads: read(&self.tally.reads),
            writes: read(&self.tally.writes),
            would_blocks: read(&self.tally.would_blocks),
            accepted: read(&self.tally.accepted),
            closed: read(&self.tally.closed),
            shed: read(&self.tally.shed),
            responses: read(&self.tally.responses),
        }
    }

    /// Ends the server gracefully: what is in flight is finished, and whatever is still open after
    /// `time` is cut off. A second call can only bring the end forward.
    pub fn drain(&self, time: Duration) {
        let mut inside = self.lock();
        let deadline = Instant::now() + time;
        if self.is_draining() {
            inside.deadline = inside.deadline.min(deadline);
        } else {
            inside.deadline = deadline;
            self.phase.store(DRAINING, Ordering::Release);
            inside.shut(Shutdown::Read);
        }
        self.changed.notify_all();
    }

    /// Ends it now.
    pub fn stop(&self) {
        self.drain(Duration::ZERO);
    }

    /// Waits until a drain has ended everything. Answers how many connections are left: of threads
    /// that did not notice in time.
    pub fn wait(&self) -> u64 {
        let mut inside = self.lock();
        while !self.is_draining() {
            inside = self.changed.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        inside = self.wait_until_empty(inside);
        if inside.is_anybody() {
            self.phase.store(CUT, Ordering::Release);
            inside.shut(Shutdown::Both);
            inside.deadline = Instant::now() + GRACE;
            self.changed.notify_all();
            inside = self.wait_until_empty(inside);
        }
        inside.sockets.len() as u64
    }

    fn wait_until_empty<'g>(&self, mut inside: MutexGuard<'g, Inside>) -> MutexGuard<'g, Inside> {
        while inside.is_anybody() {
            let left = inside.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(inside, left);
            inside = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        inside
    }

    /// Waits for `time`, or until something changes.
    pub(super) fn rest(&self, time: Duration) {
        let inside = self.lock();
        drop(self.changed.wait_timeout(inside, time));
    }

    /// Waits while as many are inside as may be. False once nobody may come in any more.
    pub(super) fn admits(&self) -> bool {
        let mut inside = self.lock();
        while inside.sockets.len() >= self.limits.connections && !self.is_draining() {
            inside = self.changed.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        !self.is_draining()
    }

    /// Somebody accepts, until what this returns is dropped.
    pub(super) fn attend(self: &Arc<Self>) -> Attendance {
        self.lock().acceptors += 1;
        Attendance(Arc::clone(self))
    }

    /// An accepted socket comes in, until it drops its seat.
    pub(super) fn enter(self: &Arc<Self>, socket: &impl AsRawFd) -> Seat {
        let mut inside = self.lock();
        let descriptor = socket.as_raw_fd();
        if self.is_draining() {
            // It came too late to be told with the others.
            let _ = shutdown(descriptor, Shutdown::Read);
        }
        inside.generation = inside.generation.wrapping_add(1);
        let generation = inside.generation;
        let slot = inside.sockets.insert(descriptor);
        let index = u32::try_from(self.rows + slot).unwrap_or(u32::MAX);
        let token = Token::new(index, generation);
        Seat { gate: Arc::clone(self), slot, token }
    }
}

impl Inside {
    fn is_anybody(&self) -> bool {
        self.acceptors > 0 || !self.sockets.is_empty()
    }

    fn shut(&self, how: Shutdown) {
        for (_, descriptor) in &self.sockets {
            // Fails where the peer is gone already, and its thread will see that by itself.
            let _ = shutdown(*descriptor, how);
        }
    }
}

/// A place in the register.
pub(super) struct Seat {
    gate: Arc<Gate>,
    slot: usize,
    pub(super) token: Token,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inside = self.gate.lock();
        inside.sockets.try_remove(self.slot);
        // Otherwise nobody waits for that, and waking him would be a system call.
        let awaited =
            inside.sockets.len() + 1 >= self.gate.limits.connections || self.gate.is_draining();
        drop(inside);
        if awaited {
            self.gate.changed.notify_all();
        }
    }
}

/// Somebody who accepts.
pub(super) struct Attendance(Arc<Gate>);

impl Drop for Attendance {
    fn drop(&mut self) {
        self.0.lock().acceptors -= 1;
        self.0.changed.notify_all();
    }
}

/// Errors of a connection that waited, not of the listener (accept(2) lists them), and the end of
/// an accept's own patience.
pub(super) fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock
            | io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::TimedOut
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
    )
}
