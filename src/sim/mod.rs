//! A world without an operating system: the whole loop, in virtual time, under seeded faults.
//!
//! A [`World`] implements the reactor's own [`world::World`], so the
//! code that runs here is the code that runs on a kernel: nothing of the reactor is replaced but
//! the sockets, the clock and the poll. One number, the seed, decides everything that happens, so
//! whatever was seen once can be seen again, step by step:
//!
//! ```
//! let report = readyloop::sim::Scenario::new(7).traced().run();
//! assert!(report.violations.is_empty(), "{:#?}", report.violations);
//! println!("{}", report.trace.join("\n"));
//! ```
//!
//! How to read it: [`Scenario`] mixes listeners, [`Peer`]s and a [fault plan](Faults) from a seed
//! and turns the loop until the world is quiet; `net.rs` and `conn.rs` are the network and the
//! kernel's half of each socket, with the semantics of edge-triggered epoll; `check.rs` holds the
//! invariants and collects every [`Violation`] of them.
//!
//! To see what an invariant is good for, switch one of the reactor's rules off
//! ([`Scenario::without`], debug builds only) and look for the first violation in the trace.

mod agenda;
mod check;
mod conn;
mod datagram;
mod dial;
mod fault;
mod hall;
mod http;
mod mirror;
mod net;
mod peer;
mod record;
mod rng;
mod scenario;
mod seen;
mod service;
#[cfg(feature = "web")]
mod socket;
mod verdict;
mod watch;
mod web;
mod witness;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::buf::FileSpan;
use crate::probe::{Fact, Probe};
use crate::reactor::Handle;
use crate::reactor::world::{self, Address, Connect, Listen, Readiness, Stream, Wake};
use crate::session::datagram::Peer as Address_;
use crate::session::{Job, Message};
use crate::time::Moment;
use crate::token::Token;

pub use check::Violation;
pub use datagram::SimDatagram;
pub use fault::{Fault, Faults};
pub use net::{Buffers, Flavour};
pub use peer::{Appetite, Ending, Outcome, Peer};
pub use rng::Rng;
pub use scenario::{Report, Scenario};
pub use service::Dialogue;

use agenda::{Action, Listener};
use net::{Net, Shared};
use service::Checks;
use web::Promises;

type Done = Box<dyn FnOnce(Message) + Send>;

/// The simulated operating system, with the peers that live in it.
pub struct World {
    net: Shared,
    checks: Checks,
    peers: Vec<Peer>,
    jobs: Vec<Option<(Job, Done)>>,
    promises: Promises,
    /// How promises are kept; known once the loop is there.
    handle: Option<Handle>,
    woken: Arc<Woken>,
    /// Events that one poll hands over at most.
    batch: usize,
    quiet: bool,
    /// The connection of the last accept, until the loop has told its token.
    unnamed: Option<usize>,
    /// Who will be reached by the next connects.
    callees: VecDeque<Peer>,
}

/// A socket of the simulated system in the hands of a loop.
pub struct SimStream {
    net: Shared,
    conn: usize,
}

/// A listening socket in the hands of a loop.
#[derive(Debug)]
pub struct SimListener(usize);

/// A descriptor of a host's own.
#[derive(Debug)]
pub struct SimExternal(usize);

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl World {
    fn new(net: Net, checks: Checks, batch: usize) -> Self {
        World {
            net: Rc::new(RefCell::new(net)),
            checks,
            peers: Vec::new(),
            jobs: Vec::new(),
            promises: Promises::default(),
            handle: None,
            woken: Arc::default(),
            batch,
            quiet: false,
            unnamed: None,
            callees: VecDeque::new(),
        }
    }

    /// What is left of a world when its loop is gone: the network delivers what is under way.
    fn after_the_loop(net: Shared, checks: Checks, peers: Vec<Peer>) -> Self {
        World {
            net,
            checks,
            peers,
            jobs: Vec::new(),
            promises: Promises::default(),
            handle: None,
            woken: Arc::default(),
            batch: 0,
            quiet: false,
            unnamed: None,
            callees: VecDeque::new(),
        }
    }

    /// The peers, and what became of them.
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// True once a poll found that nothing will ever happen again.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// What the simulated applications need of it.
    fn shared(&self) -> (Shared, Promises) {
        (Rc::clone(&self.net), Rc::clone(&self.promises))
    }

    fn add_peer(&mut self, peer: Peer) {
        let index = self.peers.len();
        let mut net = self.net.borrow_mut();
        let delay = peer.starts().since(net.now);
        net.after(delay, Action::Peer(index));
        self.peers.push(peer);
    }

    /// Carries out everything that is due.
    fn run_due(&mut self) {
        loop {
            let mut net = self.net.borrow_mut();
            let Some(action) = net.due() else { return };
            match net.act(action) {
                Some(Action::Peer(index)) => self.peers[index].act(index, &mut net),
                Some(Action::Job(index)) => {
                    drop(net);
                    if let Some((job, done)) = self.jobs.get_mut(index).and_then(Option::take) {
                        self.checks.borrow_mut().note(|| format!("world: job {index} is done"));
                        done(job());
                    }
                }
                Some(Action::Promise(index)) => {
                    drop(net);
                    self.keep_promise(index);
                }
                _ => {}
            }
        }
    }

    /// Another thread answers a request.
    fn keep_promise(&mut self, index: usize) {
        let promise = self.promises.borrow_mut().get_mut(index).and_then(Option::take);
        if let (Some((to, response)), Some(handle)) = (promise, &self.handle) {
            self.checks.borrow_mut().note(|| format!("world: promise {index} is kept"));
            if handle.reply(to, response).is_err() {
                self.checks.borrow_mut().violate(to.token(), "an answer was not taken");
            }
        }
    }

    /// Lets everything happen that is still to happen.
    fn come_to_rest(&mut self) {
        loop {
            self.run_due();
            let mut net = self.net.borrow_mut();
            if net.next_at().is_never() {
                return;
            }
            net.now = net.next_at();
        }
    }

    /// Lets virtual time pass until something is ready or `until` has come. Answers false if it
    /// returns before its time, with nothing.
    fn wait(&mut self, until: Moment) -> bool {
        loop {
            self.run_due();
            let early = self.net.borrow_mut().faults.strikes(Fault::EarlyReturn);
            if self.woken.0.swap(false, Ordering::AcqRel) || self.net.borrow().has_ready() {
                return true;
            }
            if early {
                return false;
            }
            let mut net = self.net.borrow_mut();
            let next = net.next_at().min(until);
            if next.is_never() {
                self.quiet = true;
                return true;
            }
            net.now = net.now.max(next);
            if net.now >= until {
                drop(net);
                self.run_due();
                return true;
            }
        }
    }
}

impl Probe for World {
    fn fact(&mut self, fact: Fact) {
        self.checks.borrow_mut().fact(fact);
        if let Fact::Accepted { token, .. } | Fact::Adopted { token } | Fact::Dialled { token } =
            fact
        {
            self.checks.borrow_mut().seen(token).conn = self.unnamed.take();
        }
        if let Fact::Wrote { token, .. } = fact {
            let mut check = self.checks.borrow_mut();
            if let Some(conn) = check.seen(token).conn {
                check.seen(token).took_all = Some(self.net.borrow().conns[conn].local.offered);
            }
        }
    }
}

impl Stream for SimStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.net.borrow_mut().read(self.conn, into)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.net.borrow_mut().write(self.conn, &[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.net.borrow_mut().write(self.conn, slices)
    }

    fn send_file(&mut self, _: &FileSpan) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.net.borrow_mut().shut(self.conn)
    }

    fn connected(&mut self) -> io::Result<bool> {
        self.net.borrow_mut().connected(self.conn)
    }

    fn take_error(&mut self) -> Option<io::Error> {
        let reset = self.net.borrow().conns[self.conn].local.reset;
        reset.then(|| io::ErrorKind::ConnectionReset.into())
    }
}

impl world::World for World {
    type Stream = SimStream;
    type Listener = SimListener;
    type Datagram = SimDatagram;
    type External = SimExternal;

    const SENDS_FILES: bool = false;

    fn now(&mut self) -> Moment {
        self.net.borrow().now
    }

    /// Virtual time passes in waits alone: nobody computes.
    fn cpu(&mut self) -> Duration {
        Duration::ZERO
    }

    fn wall(&mut self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(800_000_000) + self.net.borrow().now.since(Moment::START)
    }

    fn poll(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        self.quiet = false;
        self.watch_over(timeout);
        let start = self.net.borrow().now;
        let mut until = timeout.map_or(Moment::NEVER, |timeout| start + timeout);
        if timeout.is_some_and(|timeout| !timeout.is_zero()) {
            // A kernel counts in ticks of its own and is late by up to one.
            until += self.net.borrow_mut().faults.rng().time(Duration::from_millis(1));
        }
        let in_time = self.wait(until);
        let mut net = self.net.borrow_mut();
        if net.faults.strikes(Fault::ClockJump) {
            let leap = net.faults.rng().time(Duration::from_secs(40));
            net.now += leap;
            let mut check = self.checks.borrow_mut();
            check.excuses.jumped = Some(net.now);
            check.note(|| format!("world: the clock leaps by {leap:?}"));
        }
        let work = net.faults.rng().time(Duration::from_micros(20));
        net.now += work;
        net.harvest(self.batch, ready);
        let mut check = self.checks.borrow_mut();
        check.start_turn(net.now);
        // A loop that means to sleep and is woken for nothing does not spin.
        let wakes_early = !in_time && timeout != Some(Duration::ZERO);
        if wakes_early || net.now.since(start) > Duration::from_millis(1) {
            check.progress += 1;
        }
        check.batch.clear();
        check.batch.extend(ready.iter().map(|event| event.token));
        check.note(|| format!("poll({timeout:?}) gives {ready:?}"));
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.woken) as Arc<dyn Wake>
    }

    fn listen(&mut self, how: &Listen, token: Token) -> io::Result<SimListener> {
        let mut net = self.net.borrow_mut();
        if !net.take_descriptor() {
            return Err(io::Error::from_raw_os_error(24));
        }
        net.listeners.push(Listener {
            token,
            backlog: how.backlog as usize,
            queue: Default::default(),
            edge: false,
            owed: false,
            refusing: false,
            closed: false,
        });
        Ok(SimListener(net.listeners.len() - 1))
    }

    fn listening(&self, listener: &SimListener) -> io::Result<Address> {
        Ok(Address::Inet(address(listener.0 as u16)))
    }

    fn accept(&mut self, listener: &SimListener, _: &Listen) -> io::Result<(SimStream, Address_)> {
        let conn = self.net.borrow_mut().accept(listener.0)?;
        self.unnamed = Some(conn);
        let number = self.net.borrow().conns[conn].peer;
        self.checks.borrow_mut().note(|| format!("world: accept finds peer {number}"));
        let peer = Address_::Inet(address(conn as u16));
        Ok((SimStream { net: Rc::clone(&self.net), conn }, peer))
    }

    fn connect(&mut self, _: &Connect) -> io::Result<SimStream> {
        self.call_up()
    }

    fn refuse(&mut self, listener: &SimListener) {
        self.net.borrow_mut().listeners[listener.0].refusing = true;
    }

    fn unlisten(&mut self, listener: SimListener) {
        let mut net = self.net.borrow_mut();
        net.unlisten(listener.0);
        self.checks.borrow_mut().paused.remove(&net.listeners[listener.0].token);
    }

    fn register(&mut self, stream: &mut SimStream, token: Token, writable: bool) -> io::Result<()> {
        self.net.borrow_mut().register(stream.conn, token, writable);
        Ok(())
    }

    fn watch_writes(&mut self, stream: &mut SimStream, token: Token) -> io::Result<()> {
        self.net.borrow_mut().register(stream.conn, token, true);
        Ok(())
    }

    fn close(&mut self, stream: SimStream) {
        self.net.borrow_mut().close(stream.conn);
    }

    fn bind(&mut self, _: &Listen, token: Token) -> io::Result<SimDatagram> {
        let mut net = self.net.borrow_mut();
        if !net.take_descriptor() {
            return Err(io::Error::from_raw_os_error(24));
        }
        let cap = net.faults.rng().between(1, 64);
        net.mailboxes.push(datagram::Mailbox::new(token, cap));
        Ok(SimDatagram { net: Rc::clone(&self.net), index: net.mailboxes.len() - 1 })
    }

    fn bound(&self, socket: &SimDatagram) -> io::Result<Address> {
        Ok(Address::Inet(address(socket.index as u16)))
    }

    fn unbind(&mut self, socket: SimDatagram) {
        let mut net = self.net.borrow_mut();
        net.mailboxes[socket.index].closed = true;
        net.descriptors -= 1;
    }

    fn watch(&mut self, external: &mut SimExternal, token: Token) -> io::Result<()> {
        self.net.borrow_mut().externals[external.0] = Some(token);
        Ok(())
    }

    fn unwatch(&mut self, external: SimExternal) {
        self.net.borrow_mut().externals[external.0] = None;
    }

    fn spend_reserve(&mut self) {
        self.net.borrow_mut().reserve = false;
    }

    fn renew_reserve(&mut self) {
        let mut net = self.net.borrow_mut();
        net.reserve = net.descriptors < net.descriptor_limit;
    }

    fn offload(&mut self, job: Job, done: Done) -> bool {
        let mut net = self.net.borrow_mut();
        if net.faults.strikes(Fault::RefusedJob) {
            return false;
        }
        let delay = net.faults.rng().time(Duration::from_millis(10));
        net.after(delay, Action::Job(self.jobs.len()));
        drop(net);
        self.jobs.push(Some((job, done)));
        true
    }
}

/// An address that means nothing outside.
fn address(number: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 1000))
}
