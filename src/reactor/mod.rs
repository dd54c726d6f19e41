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
mod turn;
mod udp;
pub mod world;
mod write;

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use crate::buf::Out;
use crate::connection::Connection;
use crate::connection::tls::TlsConfig;
use crate::error::CloseReason;
use crate::limits::Limits;
use crate::probe::{Call, Counters, Fact, Stall};
use crate::session::datagram::{DatagramSession, Outbox, Peer};
use crate::session::{CloseMode, Destination, Env, Service, Session};
use crate::time::Moment;
use crate::token::Token;

use self::core::Core;
pub use dial::Dial;
use drain::Drain;
use edge::Edge;
use external::ExternalEntry;
pub use external::OnReady;
use handle::Shared;
pub use handle::{Handle, SendError};
use listener::ListenerEntry;
pub use rule::Rule;
use rule::Rules;
use stream::StreamEntry;
use table::{Entry, Table};
use timers::Timers;
pub use turn::Turn;
use udp::DatagramEntry;
use world::{Address, Listen, Readiness, Ready, World};

/// What hears of a call that held the loop.
pub type OnStall = Box<dyn FnMut(&Stall, &mut Env)>;

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
    on_stall: Option<OnStall>,
    drain: Drain,
    stopped: bool,
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
            complained: Moment::START,
            rules: Rules::default(),
            stall: None,
        };
        Reactor {
            table: Table::new(),
            core,
            events: Vec::new(),
            due: Vec::new(),
            shared,
            destinations: Vec::new(),
            on_stall: None,
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

    /// Sends a datagram from a socket, as its session would. Answers false if it is dropped: the
    /// socket's queue is full, or it is no datagram socket's token.
    pub fn send_datagram(&mut self, token: Token, to: &Peer, data: &[u8]) -> bool {
        let Some(Entry::Datagram(entry)) = self.table.get(token) else { return false };
        udp::queue(entry, token, &mut self.core);
        entry.outbox.send(to, data)
    }

    /// Takes over an established, non-blocking connection.
    pub fn adopt(&mut self, socket: W::Stream, session: Box<dyn Session>) -> Token {
        self.read_clock();
        let token = self.table.next_token();
        self.core.fact(Fact::Adopted { token });
        self.core.env.live += 1;
        let began = self.core.clock();
        let connection = Connection::with_session(session, &mut self.core.io(token, 0));
        self.core.called(token, Call::Open, began, &connection);
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

    /// Keeps the last `facts` of the loop from now on, and times each call: see
    /// [`Recorder`](crate::probe::Recorder), which is in [`env`](Self::env).
    pub fn record(&mut self, facts: usize) {
        self.read_clock();
        let Env { now, limits, recorder, .. } = &mut self.core.env;
        recorder.start(*now, facts, limits.stall);
        recorder.tick_cpu(self.core.world.cpu());
    }

    /// Has `then` called at the end of each turn in which a call held the loop for longer than
    /// [`Limits::stall`], while it is recorded: with the last of them.
    pub fn on_stall(&mut self, then: OnStall) {
        self.on_stall = Some(then);
    }

    /// The world under the loop.
    pub fn world(&mut self) -> &mut W {
        &mut self.core.world
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
