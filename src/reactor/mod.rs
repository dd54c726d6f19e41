//! The reactor: one thread, one poll, every socket.
//!
//! A [`Reactor`] owns a table of entries and a [`World`] that reports readiness. Each
//! [`turn`](Reactor::turn) goes through the same phases, written out in that function; `stream.rs`
//! holds the rules of one socket, `accept.rs` and `udp.rs` those of listeners and datagram sockets.

mod accept;
pub(crate) mod core;
mod datagrams;
pub mod dial;
mod drain;
pub mod edge;
mod external;
mod handle;
#[cfg(target_os = "linux")]
pub mod level;
mod lifecycle;
mod listener;
mod offload;
mod ops;
mod rule;
pub mod sockets;
pub mod spin;
mod stream;
pub mod system;
mod table;
mod timers;
mod udp;
pub mod world;
mod write;

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::buf::Out;
use crate::connection::Connection;
use crate::connection::tls::TlsConfig;
use crate::error::CloseReason;
use crate::limits::Limits;
use crate::probe::{Counters, Fact};
use crate::session::datagram::{DatagramSession, Outbox};
use crate::session::{CloseMode, Destination, Env, Op, Service, Session};
use crate::time::Moment;
use crate::token::Token;

use self::core::Core;
pub use dial::Dial;
use drain::Drain;
use edge::Edge;
use external::ExternalEntry;
pub use external::OnReady;
use handle::{Command, Shared};
pub use handle::{Handle, SendError};
use listener::ListenerEntry;
pub use rule::Rule;
use rule::Rules;
use stream::StreamEntry;
use table::{Entry, Table};
use timers::Timers;
use udp::DatagramEntry;
use world::{Address, Listen, Readiness, Ready, World};

/// An event loop.
///
/// Not `Send`: it lives on the thread that made it. Other threads reach it by [`Handle`].
pub struct Reactor<W: World = Edge> {
    table: Table<W>,
    core: Core<W>,
    events: Vec<Readiness>,
    /// Deadlines that have expired in this turn.
    due: Vec<(Moment, Token)>,
    shared: Arc<Shared>,
    /// What sessions dial by name.
    destinations: Vec<Rc<Dial>>,
    drain: Drain,
    stopped: bool,
}

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Events that the poll returned.
    pub events: usize,
    /// True if work is left that no event will announce: the next turn must not wait, and a host
    /// that nests the loop must call again before it sleeps.
    pub more: bool,
    /// Connections that are open.
    pub live: usize,
    /// True if the loop has stopped, or has drained to its end: further turns do nothing new.
    pub done: bool,
}

impl Reactor<Edge> {
    /// A loop on the system's own readiness: epoll or kqueue, edge-triggered.
    ///
    /// # Errors
    ///
    /// The limits contradict each other ([`Limits::check`]), or the system has no descriptor for the
    /// poll.
    pub fn new(limits: Limits) -> io::Result<Self> {
        limits.check().map_err(|what| io::Error::new(io::ErrorKind::InvalidInput, what))?;
        let edge = Edge::new(&limits)?;
        Ok(Reactor::with_world(edge, limits))
    }
}

impl<W: World> Reactor<W> {
    /// A loop on `world`.
    pub fn with_world(mut world: W, limits: Limits) -> Self {
        let shared = Shared::new(limits.commands, world.waker());
        let scratch = vec![0; limits.read_bytes.max(1)].into_boxed_slice();
        let mut env = Env::new(limits);
        env.now = world.now();
        env.date.refresh(env.now, world.wall());
        let core = Core {
            world,
            env,
            scratch,
            out: Out::new(W::SENDS_FILES),
            timers: Timers::default(),
            run: VecDeque::new(),
            handshaking: VecDeque::new(),
            dirty: Vec::new(),
            handshakes: 0,
            freed: false,
            paused: 0,
            complained: Moment::START,
            rules: Rules::default(),
        };
        Reactor {
            table: Table::new(),
            core,
            events: Vec::new(),
            due: Vec::new(),
            shared,
            destinations: Vec::new(),
            drain: Drain::default(),
            stopped: false,
        }
    }

    /// Serves connections at an address, each with a session of `service`.
    ///
    /// # Errors
    ///
    /// The system refuses the address: it is taken, not this machine's, or not allowed.
    pub fn listen(
        &mut self,
        at: impl Into<Listen>,
        service: impl Service + 'static,
    ) -> io::Result<Token> {
        self.listen_with(at.into(), Rc::new(service), None)
    }

    /// The same over TLS. Sessions are opened when the handshake is done.
    ///
    /// # Errors
    ///
    /// As for [`listen`](Self::listen).
    pub fn listen_tls(
        &mut self,
        at: impl Into<Listen>,
        tls: TlsConfig,
        service: impl Service + 'static,
    ) -> io::Result<Token> {
        self.listen_with(at.into(), Rc::new(service), Some(tls))
    }

    fn listen_with(
        &mut self,
        how: Listen,
        service: Rc<dyn Service>,
        tls: Option<TlsConfig>,
    ) -> io::Result<Token> {
        let token = self.table.next_token();
        let listener = self.core.world.listen(&how, token)?;
        let entry = ListenerEntry {
            listener,
            how,
            service,
            tls,
            generation: token.generation(),
            armed: Moment::NEVER,
            retry: Moment::NEVER,
            readable: false,
            queued: false,
            paused: false,
        };
        self.table.insert(token, Entry::Listener(Box::new(entry)));
        Ok(token)
    }

    /// Opens a datagram socket that runs `session`.
    ///
    /// # Errors
    ///
    /// As for [`listen`](Self::listen).
    pub fn bind_udp(
        &mut self,
        at: impl Into<Listen>,
        session: impl DatagramSession + 'static,
    ) -> io::Result<Token> {
        let token = self.table.next_token();
        let socket = self.core.world.bind(&at.into(), token)?;
        let entry = DatagramEntry {
            socket,
            session: Box::new(session),
            outbox: Outbox::new(self.core.env.limits.datagram_queue),
            generation: token.generation(),
            ready: Ready::WRITABLE,
            queued: false,
        };
        self.table.insert(token, Entry::Datagram(Box::new(entry)));
        Ok(token)
    }

    /// Takes over an established, non-blocking connection.
    pub fn adopt(&mut self, socket: W::Stream, session: Box<dyn Session>) -> Token {
        self.read_clock();
        let token = self.table.next_token();
        self.core.fact(Fact::Adopted { token });
        self.core.env.live += 1;
        let connection = Connection::with_session(session, &mut self.core.io(token, 0));
        let entry = StreamEntry::new(socket, connection, token.generation());
        self.table.insert(token, Entry::Stream(entry));
        lifecycle::start(token, &mut self.table, &mut self.core);
        token
    }

    /// Begins a connection. `session` is opened when it is there (over TLS: when the handshake is
    /// done); if it does not come about, `on_close` tells why, which may be before this returns: the
    /// token names nobody then.
    pub fn dial(&mut self, to: &Dial, session: Box<dyn Session>) -> Token {
        self.read_clock();
        dial::dial(to, session, &mut self.table, &mut self.core)
    }

    /// Gives a name to somewhere to connect to, for sessions that dial with
    /// [`Env::dial`](crate::session::Env::dial).
    pub fn destination(&mut self, to: Dial) -> Destination {
        self.destinations.push(Rc::new(to));
        Destination(self.destinations.len() as u32 - 1)
    }

    /// Watches a host's own descriptor for reading and calls `on_ready` when it is ready.
    ///
    /// # Errors
    ///
    /// The system cannot watch the descriptor, which is so for regular files.
    pub fn external(&mut self, mut source: W::External, on_ready: OnReady) -> io::Result<Token> {
        let token = self.table.next_token();
        self.core.world.watch(&mut source, token)?;
        let entry = ExternalEntry { source, on_ready, generation: token.generation() };
        self.table.insert(token, Entry::External(Box::new(entry)));
        Ok(token)
    }

    /// The address that a listener or a datagram socket is bound to, with the port that the system
    /// chose for port 0.
    pub fn local_address(&mut self, token: Token) -> Option<Address> {
        match self.table.get(token)? {
            Entry::Listener(entry) => self.core.world.listening(&entry.listener).ok(),
            Entry::Datagram(entry) => self.core.world.bound(&entry.socket).ok(),
            Entry::Stream(_) | Entry::External(_) => None,
        }
    }

    /// A way to reach this loop from other threads.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.shared))
    }

    /// What all sessions share: the time, the limits, the counters, and the wishes of callers.
    pub fn env(&mut self) -> &mut Env {
        &mut self.core.env
    }

    /// Totals since the loop began.
    pub fn counters(&self) -> &Counters {
        &self.core.env.counters
    }

    /// The world under the loop.
    pub fn world(&mut self) -> &mut W {
        &mut self.core.world
    }

    /// How long a host may sleep before it must call [`turn`](Self::turn), if no event comes
    /// earlier; `None` if only an event can bring work.
    pub fn next_timeout(&mut self) -> Option<Duration> {
        if self.has_work() {
            return Some(Duration::ZERO);
        }
        let next = self.next_deadline();
        (!next.is_never()).then(|| next.since(self.core.world.now()))
    }

    fn next_deadline(&mut self) -> Moment {
        self.core.timers.next().min(self.drain.next())
    }

    fn has_work(&self) -> bool {
        !self.core.run.is_empty()
            || !self.core.handshaking.is_empty()
            || !self.core.env.ops.is_empty()
            || !self.core.dirty.is_empty()
            // Somebody was closed between two turns, and a listener waits for that.
            || self.core.freed && self.core.paused > 0
            || self.shared.is_pending()
    }

    /// Turns until the loop is stopped or has drained.
    ///
    /// # Errors
    ///
    /// The poll itself failed.
    pub fn run(&mut self) -> io::Result<()> {
        self.read_clock();
        loop {
            let now = self.core.world.now();
            self.core.env.counters.busy.record(now.since(self.core.env.now));
            let next = self.next_deadline();
            let timeout = match (self.has_work(), next.is_never()) {
                (true, _) => Some(Duration::ZERO),
                (false, true) => None,
                (false, false) => Some(next.since(now)),
            };
            if self.wait_and_work(timeout)?.done {
                return Ok(());
            }
        }
    }

    /// Waits for events for at most `timeout` (`None`: until the next deadline) and handles them.
    ///
    /// # Errors
    ///
    /// The poll itself failed; an error of one socket ends that socket alone.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<Turn> {
        let timeout = match (self.next_timeout(), timeout) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.wait_and_work(timeout)
    }

    /// The phases of a turn.
    fn wait_and_work(&mut self, timeout: Option<Duration>) -> io::Result<Turn> {
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        let polled = self.core.world.poll(&mut events, timeout);
        self.tick(events.len());
        let queued = self.core.run.len();
        self.take_commands();
        self.run_handshakes();
        for &event in &events {
            self.on_event(event);
        }
        let count = events.len();
        self.events = events;
        self.run_queue(queued);
        self.run_timers();
        self.apply_ops();
        self.drive_dirty();
        self.resume_listeners();
        self.keep_draining();
        polled?;
        let done = self.stopped || self.drain.is_over();
        Ok(Turn { events: count, more: self.has_work(), live: self.core.env.live, done })
    }

    /// One clock read a turn.
    fn tick(&mut self, events: usize) {
        self.read_clock();
        let core = &mut self.core;
        if core.env.date.is_stale(core.env.now) {
            let wall = core.world.wall();
            core.env.date.refresh(core.env.now, wall);
        }
        core.handshakes = core.env.limits.handshakes_per_turn;
        core.fact(Fact::Polled { events });
    }

    /// For a turn, and for what a host does between two of them.
    fn read_clock(&mut self) {
        self.core.env.now = self.core.world.now().max(self.core.env.now);
    }

    fn take_commands(&mut self) {
        if !self.shared.is_pending() {
            return;
        }
        for command in self.shared.take(self.core.env.limits.commands_per_turn as usize) {
            match command {
                // Carried out here and not later with the sessions' wishes, so that a job sees what
                // the commands before it have done.
                Command::Send(token, message) => self.apply(Op::Send(token, message)),
                Command::Close(token, mode) => self.close(token, mode),
                Command::Drain(deadline) => self.drain(deadline),
                Command::Stop => self.stopped = true,
                Command::Exec(job) => job(&mut self.core.env),
            }
        }
    }

    #[inline]
    fn on_event(&mut self, event: Readiness) {
        let (token, core) = (event.token, &mut self.core);
        let Some((token, entry)) = look_up(&mut self.table, token, core) else {
            return core.fact(Fact::Stale { token });
        };
        core.fact(Fact::Event { token, bits: event.ready.0 });
        match entry {
            // Whoever is in the run queue has its turn there: an event as well would give it two
            // budgets where others have one.
            Entry::Stream(entry) => {
                entry.ready.insert(event.ready);
                if !entry.is_queued()
                    && let Some(reason) = stream::drive(entry, token, core)
                {
                    lifecycle::close(token, reason, &mut self.table, core);
                }
            }
            Entry::Listener(entry) => {
                entry.readable = true;
                if !entry.queued {
                    accept::accept(token, &mut self.table, core);
                }
            }
            Entry::Datagram(entry) => {
                entry.ready.insert(event.ready);
                if !entry.queued {
                    udp::drive(entry, token, core);
                }
            }
            Entry::External(entry) => (entry.on_ready)(event.ready, &mut core.env),
        }
    }

    /// The handshakes that have waited longest, before new ones come with the events.
    fn run_handshakes(&mut self) {
        while self.core.handshakes > 0 {
            let Some(token) = self.core.handshaking.pop_front() else { return };
            if let Some(Entry::Stream(entry)) = self.table.get(token) {
                entry.unqueued();
                self.drive(token);
            }
        }
    }

    /// The run queue as it stood at the start of the turn: what is queued meanwhile waits for the
    /// next one.
    fn run_queue(&mut self, queued: usize) {
        for _ in 0..queued {
            let Some(token) = self.core.run.pop_front() else { return };
            match self.table.get(token) {
                Some(Entry::Stream(entry)) => {
                    entry.unqueued();
                    self.drive(token);
                }
                Some(Entry::Listener(entry)) => {
                    entry.queued = false;
                    accept::accept(token, &mut self.table, &mut self.core);
                }
                Some(Entry::Datagram(entry)) => {
                    entry.queued = false;
                    udp::drive(entry, token, &mut self.core);
                }
                Some(Entry::External(_)) | None => {}
            }
        }
    }

    fn drive(&mut self, token: Token) {
        if let Some(Entry::Stream(entry)) = self.table.get(token)
            && let Some(reason) = stream::drive(entry, token, &mut self.core)
        {
            lifecycle::close(token, reason, &mut self.table, &mut self.core);
        }
    }

    /// Expired deadlines, each of them once: one that is put off into the past waits for the next
    /// turn, or it would keep the others from their own.
    fn run_timers(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        while let Some(item) = self.core.timers.pop(self.core.env.now) {
            due.push(item);
        }
        let now = self.core.env.now;
        for (moment, token) in due.drain(..) {
            match self.table.get(token) {
                Some(Entry::Stream(entry)) if entry.armed == moment => {
                    self.core.env.counters.late.record(now.since(moment));
                    if let Some(reason) = stream::fire(entry, token, &mut self.core) {
                        lifecycle::close(token, reason, &mut self.table, &mut self.core);
                    }
                }
                Some(Entry::Listener(entry)) if entry.armed == moment => {
                    accept::retry(token, &mut self.table, &mut self.core);
                }
                _ => {}
            }
        }
        self.due = due;
        let table = &mut self.table;
        self.core.timers.prune(table.len(), |moment, token| match table.get(token) {
            Some(Entry::Stream(entry)) => entry.armed == moment,
            Some(Entry::Listener(entry)) => entry.armed == moment,
            _ => false,
        });
    }

    /// A slot or a descriptor became free: listeners that paused for want of one try again.
    fn resume_listeners(&mut self) {
        if !std::mem::take(&mut self.core.freed) || !self.core.rules.keep(Rule::AcceptRetry) {
            return;
        }
        if self.core.paused == 0 {
            return;
        }
        for token in self.table.tokens() {
            if let Some(Entry::Listener(entry)) = self.table.get(token)
                && entry.paused
            {
                accept::queue(entry, token, &mut self.core);
            }
        }
    }

    /// Switches one rule off, for the simulator to notice. Debug builds only.
    #[doc(hidden)]
    #[cfg(debug_assertions)]
    pub fn break_rule(&mut self, rule: Rule) {
        self.core.rules.break_rule(rule);
    }
}

impl<W: World> Drop for Reactor<W> {
    /// Every session hears of its end, every socket is given back to the world.
    fn drop(&mut self) {
        self.shared.leave();
        for token in self.table.tokens() {
            lifecycle::close(token, CloseReason::Aborted, &mut self.table, &mut self.core);
            if self.table.get(token).is_some() {
                self.close(token, CloseMode::Abort);
            }
        }
    }
}

/// The entry that an event names.
#[inline]
fn look_up<'t, W: World>(
    table: &'t mut Table<W>,
    token: Token,
    core: &Core<W>,
) -> Option<(Token, &'t mut Entry<W>)> {
    #[cfg(debug_assertions)]
    if !core.rules.keep(Rule::Generation) {
        return table.get_any(token);
    }
    let _ = core;
    table.get(token).map(|entry| (token, entry))
}
