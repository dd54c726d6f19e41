//! Serves one accepted socket to its end, by calls that block: the counterpart of the reactor's
//! `stream.rs`.
//!
//! Reading waits in `read`, whose time-out is the connection's deadline; writing waits in `write`,
//! whose time-out is the window of progress. What the session wishes is done on the spot: a job runs
//! on this very thread, for that is what blocking means. The models call it, each on threads of its
//! own; it never starts one and never accepts.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::SockRef;

use super::door::{Guest, Wire};
use super::gate::{Gate, Seat};
use super::plan::Plan;
use super::shelf;
use crate::buf::{Backlog, Out};
use crate::connection::{Connection, Io, Life};
use crate::error::{CloseReason, Phase};
use crate::probe::{Call, Fact, Origin, Probe};
use crate::session::datagram::Peer;
use crate::session::{Env, Job, Message, OffloadFailed, Op, Service};
use crate::socket::Stream;
use crate::time::Moment;
use crate::token::Token;

/// While draining the kernel no longer says when something arrives: then we look this often.
const GLANCE: Duration = Duration::from_millis(10);

/// What a thread serves with: an environment and buffers of its own, for one connection at a time.
pub(super) struct Desk {
    pub(super) gate: Arc<Gate>,
    pub(super) env: Env,
    pub(super) out: Out,
    pub(super) scratch: Box<[u8]>,
    plan: Arc<Plan>,
    /// Facts of the recorder that are on the shelf already.
    shelved: u64,
    /// The services of the rows that this thread has served, made when they are first needed.
    services: Vec<Option<Rc<dyn Service>>>,
}

/// A connection at a desk.
pub(super) struct Line {
    /// Dropped before the socket: the register must forget a descriptor before its number can be
    /// another's.
    seat: Seat,
    pub(super) wire: Wire,
    pub(super) connection: Connection,
    pub(super) backlog: Backlog,
    pub(super) token: Token,
    /// What reads wait at most.
    patience: Duration,
    /// It knows that the server drains; since then nothing has come, after this moment.
    told: Option<Moment>,
    /// Our direction has ended.
    shut: bool,
    /// It has sent files.
    pub(super) files: bool,
}

impl Desk {
    pub(super) fn new(gate: &Arc<Gate>, plan: &Arc<Plan>) -> Self {
        let limits = gate.limits();
        let mut env = Env::new(limits.clone());
        if gate.shelf().is_some() {
            // A call that takes long holds nobody else: there are no stalls here.
            env.recorder.start(Moment::START, shelf::RING, Duration::MAX);
        }
        Desk {
            gate: Arc::clone(gate),
            env,
            out: Out::new(cfg!(target_os = "linux")),
            scratch: vec![0; limits.read_bytes.max(1)].into_boxed_slice(),
            plan: Arc::clone(plan),
            shelved: 0,
            services: vec![None; plan.rows.len()],
        }
    }

    pub(super) fn tick(&mut self) {
        self.gate.tick(&mut self.env);
        self.env.recorder.tick(self.env.now);
    }

    /// The time before a call, for [`called`](Self::called); nobody looks at a clock while nothing
    /// is recorded.
    fn clock(&mut self) -> Moment {
        if self.env.recorder.is_on() {
            self.tick();
        }
        self.env.now
    }

    /// The connection was called at `began` and has returned.
    fn called(&mut self, token: Token, call: Call, began: Moment, connection: &Connection) {
        if self.env.recorder.is_on() {
            self.tick();
            self.env.recorder.called(token, call, began);
            let (life, stage) = connection.stages();
            self.env.recorder.stages(token, life, stage, call);
        }
    }

    /// Puts what was recorded of whoever has this seat where all of it is.
    fn shelve(&mut self, seat: Token, ended: bool) {
        if let Some(shelf) = self.gate.shelf() {
            self.shelved = shelf.take(&self.env.recorder, self.shelved, seat, ended);
        }
    }

    #[inline]
    pub(super) fn fact(&mut self, fact: Fact) {
        self.env.counters.fact(fact);
        self.gate.count(&fact);
        if self.env.recorder.is_on() {
            self.env.recorder.record(fact);
        }
    }

    pub(super) fn io(&mut self, token: Token, unsent: usize) -> Io<'_> {
        Io { out: &mut self.out, env: &mut self.env, token, unsent }
    }

    /// Serves a connection to its end.
    pub(super) fn serve(&mut self, guest: Guest) {
        let seat = guest.seat.token;
        // The desk's own name for whom it serves: its index is the desk's one place.
        let token = Token::new(0, seat.generation());
        log::debug!("accepted {seat} from {}", guest.peer);
        self.tick();
        self.env.live = 1;
        self.env.draining = self.gate.is_draining();
        let from = Token::new(u32::try_from(guest.row).unwrap_or(u32::MAX), 0);
        self.fact(Fact::Accepted { token, from });
        self.fact(Fact::Peer { token, peer: Origin::from(&guest.peer) });
        let before = self.answers();
        let began = self.clock();
        match self.open(guest.row, token, &guest.peer) {
            None => self.count_end(token, CloseReason::Tls, before),
            Some(connection) => {
                self.called(token, Call::Open, began, &connection);
                let mut line = Line::new(guest, connection, &self.env);
                let reason = line.run(self);
                line.connection.closed(reason, &mut self.env);
                // While it still has its seat: when all seats are free the counts are whole.
                self.count_end(token, reason, before);
                line.close();
            }
        }
        self.shelve(seat, true);
        self.clear();
    }

    fn answers(&self) -> u64 {
        self.env.counters.responses.iter().sum()
    }

    fn count_end(&mut self, token: Token, reason: CloseReason, before: u64) {
        log::debug!("closed {token}: {reason}");
        self.fact(Fact::Closed { token, reason });
        self.gate.answered(self.answers() - before);
    }

    /// Nothing of a connection stays for the next one.
    fn clear(&mut self) {
        self.env.live = 0;
        self.env.ops.clear();
        self.out.clear();
        self.out.bytes.shrink_to(self.env.limits.high_water);
    }

    fn open(&mut self, row: usize, token: Token, peer: &Peer) -> Option<Connection> {
        let plan = Arc::clone(&self.plan);
        let row_plan = plan.rows.get(row)?;
        let slot = self.services.get_mut(row)?;
        let service = Rc::clone(slot.get_or_insert_with(|| (row_plan.service)()));
        let Some(config) = &row_plan.tls else {
            return Some(Connection::plain(&*service, peer, &mut self.io(token, 0)));
        };
        match config.accept() {
            Ok(tls) => Some(Connection::secure(tls, service, peer.clone(), &self.env)),
            Err(error) => {
                log::error!("TLS cannot start: {error}");
                None
            }
        }
    }
}

impl Line {
    fn new(guest: Guest, connection: Connection, env: &Env) -> Self {
        Line {
            token: Token::new(0, guest.seat.token.generation()),
            seat: guest.seat,
            wire: guest.wire,
            connection,
            backlog: Backlog::default(),
            patience: guest.patience,
            told: env.draining.then_some(env.now),
            shut: false,
            files: false,
        }
    }

    /// Until it is over; answers why.
    fn run(&mut self, desk: &mut Desk) -> CloseReason {
        loop {
            let over = self.say(desk).or_else(|| self.wind_up(desk)).or_else(|| self.hear(desk));
            if let Some(reason) = over {
                return reason;
            }
            if desk.gate.is_cut() {
                return CloseReason::Drained;
            }
            desk.shelve(self.seat.token, false);
        }
    }

    /// Gives the socket back: in peace, or by a reset if what we had to say will never be sent,
    /// because an orderly end would tell the peer that this was all.
    fn close(self) {
        if !self.backlog.is_empty()
            && let Wire::Inet(socket) = &self.wire
        {
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
    }

    /// Calls the connection.
    fn call(&mut self, desk: &mut Desk, call: Call, f: impl FnOnce(&mut Connection, &mut Io<'_>)) {
        let began = desk.clock();
        f(&mut self.connection, &mut desk.io(self.token, self.backlog.len()));
        desk.called(self.token, call, began, &self.connection);
    }

    /// Writes what there is to write, carries out wishes, and lets the session produce more until it
    /// has no more.
    fn say(&mut self, desk: &mut Desk) -> Option<CloseReason> {
        let mut wishes = desk.env.limits.commands;
        loop {
            if let over @ Some(_) = self.write(desk) {
                return over;
            }
            if !desk.env.ops.is_empty() {
                for op in std::mem::take(&mut desk.env.ops) {
                    // A session that always wishes something would never hear its peer again.
                    let Some(left) = wishes.checked_sub(1) else {
                        return Some(CloseReason::Overflow);
                    };
                    wishes = left;
                    self.apply(op, desk);
                }
            } else if self.connection.wants_drain() {
                self.call(desk, Call::Drain, |connection, io| connection.drained(io));
            } else {
                return None;
            }
            if desk.gate.is_cut() {
                return Some(CloseReason::Drained);
            }
        }
    }

    fn apply(&mut self, op: Op, desk: &mut Desk) {
        match op {
            Op::Send(to, message) if to == self.token => {
                self.call(desk, Call::Message, |connection, io| connection.message(message, io));
            }
            Op::Close(whom, mode) if whom == self.token => {
                self.call(desk, Call::Shutdown, |connection, io| {
                    connection.close_by(mode, CloseReason::Aborted, io);
                })
            }
            Op::Offload(to, tag, job) => {
                let message = run(job, tag);
                desk.tick();
                if to == self.token {
                    self.call(desk, Call::Message, |connection, io| {
                        connection.message(message, io)
                    });
                }
            }
            Op::Drain(time) => desk.gate.drain(time),
            Op::Stop => desk.gate.stop(),
            Op::Dial(_, mut session) => {
                warn_of_solitude();
                session.on_close(CloseReason::Aborted, &mut desk.env);
            }
            Op::Send(to, _) | Op::Close(to, _) => {
                warn_of_solitude();
                desk.fact(Fact::Stale { token: to });
            }
        }
    }

    /// A closing connection: what it said is sent; then shut, then linger, then close.
    fn wind_up(&mut self, desk: &mut Desk) -> Option<CloseReason> {
        match self.connection.life() {
            Life::Connecting | Life::Handshake | Life::Open | Life::Paused => return None,
            Life::Flushing | Life::Closed => return Some(self.connection.reason()),
            Life::Lingering => {}
        }
        if !self.shut {
            self.shut = true;
            if self.wire.shutdown_write().is_err() {
                return Some(self.connection.reason());
            }
            desk.tick();
            self.connection.lingers(&desk.env);
        }
        (!self.connection.wants_read()).then(|| self.connection.reason())
    }

    /// Waits for the peer, or for time to pass, and tells the connection.
    fn hear(&mut self, desk: &mut Desk) -> Option<CloseReason> {
        if self.told.is_none() && desk.gate.is_draining() {
            desk.tick();
            desk.env.draining = true;
            self.told = Some(desk.env.now);
            self.call(desk, Call::Shutdown, |connection, io| connection.shutdown(io));
            return None;
        }
        let left = self.connection.deadline().since(desk.env.now);
        if left.is_zero() {
            self.call(desk, Call::Timeout, |connection, io| connection.timeout(io));
        } else if self.connection.wants_read() {
            return self.read(desk, left);
        } else {
            // It takes no input and has nothing to say: only time can bring it on.
            desk.gate.rest(left);
            desk.tick();
        }
        None
    }

    fn read(&mut self, desk: &mut Desk, left: Duration) -> Option<CloseReason> {
        if left < self.patience && !self.connection.deadline().is_never() {
            // The system takes microseconds, and nothing for "for ever".
            let time = left.max(Duration::from_micros(1));
            if let Err(error) = SockRef::from(&self.wire).set_read_timeout(Some(time)) {
                return Some(CloseReason::from_io(&error));
            }
            self.patience = left;
        }
        let result = self.wire.read(&mut desk.scratch);
        desk.tick();
        match result {
            Ok(0) => self.end(desk),
            Ok(count) => {
                desk.fact(Fact::Read {
                    token: self.token,
                    asked: desk.scratch.len(),
                    bytes: count,
                });
                self.told = self.told.map(|_| desk.env.now);
                return self.take(count, desk);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                desk.fact(Fact::Blocked { token: self.token, writing: false });
                // Whether or not it was the deadline's: the next read waits as long as it must.
                self.patience = Duration::MAX;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Some(CloseReason::from_io(&error)),
        }
        None
    }

    fn take(&mut self, count: usize, desk: &mut Desk) -> Option<CloseReason> {
        let began = desk.clock();
        let Desk { scratch, out, env, .. } = desk;
        let wire = scratch.get_mut(..count).unwrap_or_default();
        let mut io = Io { out, env, token: self.token, unsent: self.backlog.len() };
        let reflected = self.connection.feed_in_place(wire, &mut io);
        desk.called(self.token, Call::Data, began, &self.connection);
        match reflected {
            0 => None,
            reflected => self.write_back(reflected, desk),
        }
    }

    /// The read direction has ended. While draining that was we, so a request on its way may still
    /// come: it gets as long as an idle connection does.
    fn end(&mut self, desk: &mut Desk) {
        // It was cut in the middle of this read: first the connection is told why.
        if self.told.is_none() && desk.gate.is_draining() {
            return desk.tick();
        }
        let waits = self.told.is_some_and(|since| {
            desk.env.now.since(since) < desk.env.limits.drain_idle
                && self.connection.life() != Life::Lingering
        });
        if waits {
            std::thread::sleep(GLANCE);
            return desk.tick();
        }
        desk.fact(Fact::Read { token: self.token, asked: desk.scratch.len(), bytes: 0 });
        self.call(desk, Call::Eof, |connection, io| connection.eof(io));
    }

    /// Too slow a reader, if it took too little in its window.
    pub(super) fn stuck(&mut self, desk: &Desk) -> Option<CloseReason> {
        let stuck = self.backlog.is_stuck(desk.env.now, &desk.env.limits);
        stuck.then_some(CloseReason::TimedOut(Phase::Write))
    }
}

/// Runs a job where it was asked for. One that panics must not take its connection along.
fn run(job: Job, tag: u32) -> Message {
    let done = catch_unwind(AssertUnwindSafe(job));
    OffloadFailed::tagged(done.unwrap_or_else(|_| Message::any(OffloadFailed::default())), tag)
}

/// Says once that connections of a blocking server cannot reach each other.
fn warn_of_solitude() {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        log::warn!("a session wrote to another connection; with blocking calls nobody hears that");
    }
}
