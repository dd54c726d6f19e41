//! A [`Scenario`]: everything that follows from a seed, and the run of it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::SimStream;
use super::World;
use super::agenda::Action;
use super::check::{Check, Violation};
use super::fault::{Fault, Faults};
use super::hall::Hall;
use super::net::{Flavour, Net};
use super::peer::Peer;
use super::record;
use super::rng::Rng;
use super::seen::Sender;
use super::service::{self, Checks, Dialogue, Pairs};
use super::web::Web;
use super::witness::{Watched, Watching};
use crate::limits::Limits;
use crate::probe::{Counters, Record};
use crate::reactor::world::Listen;
use crate::reactor::{Dial, Handle, Reactor, Rule};
use crate::session::http::Http;
use crate::session::{CloseMode, ConnInfo, Message, Session};
use crate::time::Moment;
use crate::token::Token;

/// Turns after which a run that does not come to rest is given up. What one relays to another may
/// have to pass byte by byte, with a fault at each.
const MOST_TURNS: u64 = 60_000;

/// Violations after which a run is given up.
const MOST_VIOLATIONS: usize = 20;

/// What a run showed.
#[derive(Debug)]
pub struct Report {
    /// The seed that it followed from.
    pub seed: u64,
    /// What must not happen and did.
    pub violations: Vec<Violation>,
    /// Every step, if the scenario was [`traced`](Scenario::traced).
    pub trace: Vec<String>,
    /// The facts, if the scenario was [`recorded`](Scenario::recorded): the last 65,536.
    pub records: Vec<Record>,
    /// The bounds of the loop.
    pub limits: Limits,
    /// The loop's totals.
    pub counters: Counters,
    /// How much virtual time passed.
    pub time: Duration,
    /// Bytes that peers got.
    pub got: usize,
}

/// A loop, its peers and its misfortunes, chosen by a seed.
#[derive(Clone, Debug)]
pub struct Scenario {
    seed: u64,
    traced: bool,
    recorded: bool,
    broken: Option<Rule>,
}

impl Scenario {
    /// The scenario of `seed`.
    pub fn new(seed: u64) -> Self {
        Scenario { seed, traced: false, recorded: false, broken: None }
    }

    /// Keeps a line for each step.
    pub fn traced(mut self) -> Self {
        self.traced = true;
        self
    }

    /// Keeps the facts that the loop records of itself.
    pub fn recorded(mut self) -> Self {
        self.recorded = true;
        self
    }

    /// The same with one rule of the reactor switched off.
    #[cfg(debug_assertions)]
    pub fn without(mut self, rule: Rule) -> Self {
        self.broken = Some(rule);
        self
    }

    /// Runs it until the world is quiet.
    pub fn run(&self) -> Report {
        Run::new(self).play()
    }
}

/// The bounds of a simulated loop: small, so that little traffic meets all of them.
fn limits(rng: &mut Rng) -> Limits {
    let high_water = rng.pick(&[64, 500, 4000]);
    let read_bytes = rng.pick(&[16, 100, 1024, 4096]);
    let millis = |rng: &mut Rng, low, high| Duration::from_millis(rng.between(low, high) as u64);
    Limits {
        reads_per_drive: rng.between(1, 8) as u32,
        accepts_per_turn: rng.between(1, 6) as u32,
        datagrams_per_turn: rng.between(1, 50) as u32,
        commands_per_turn: rng.between(1, 10) as u32,
        connections: rng.pick(&[3, 8, 100, 100]),
        read_bytes,
        high_water,
        low_water: rng.pick(&[0, high_water / 4, high_water / 2]),
        backlog_cap: high_water + read_bytes + 8000,
        datagram_queue: rng.between(1, 40),
        idle: millis(rng, 2_000, 8_000),
        first_byte: millis(rng, 1_000, 3_000),
        head: millis(rng, 1_000, 3_000),
        progress: millis(rng, 1_000, 4_000),
        progress_bytes: rng.between(1, 100) as u32,
        reply: millis(rng, 1_000, 4_000),
        linger: millis(rng, 500, 2_000),
        linger_bytes: 20_000,
        accept_retry: millis(rng, 20, 200),
        drain_idle: millis(rng, 100, 500),
        ..Limits::default()
    }
}

/// A run under way.
pub(super) struct Run {
    seed: u64,
    pub(super) reactor: Reactor<World>,
    handle: Handle,
    pub(super) checks: Checks,
    pub(super) pairs: Pairs,
    pub(super) hall: Hall,
    pub(super) rng: Rng,
    /// Peers whose connections the host will hand over, and when.
    to_adopt: Vec<(Moment, Peer)>,
    /// Peers that it will call up, when, and how.
    pub(super) to_dial: Vec<(Moment, Peer)>,
    pub(super) dial: Dial,
    /// How often the host meddles, of a thousand turns.
    meddles: u16,
    drains_at: Moment,
    /// Violations that are enough.
    enough: usize,
    /// Facts of the loop's own recorder that were compared.
    read: u64,
    recorded: bool,
}

impl Run {
    fn new(scenario: &Scenario) -> Self {
        let mut rng = Rng::new(scenario.seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5eed);
        let limits = limits(&mut rng);
        let faults = Faults::random(rng.fork());
        let calm = faults.rate(Fault::BlockedRead) == 0 || rng.chance(300);
        let flavour = rng.pick(&[Flavour::Epoll, Flavour::Kqueue]);
        let descriptors = rng.pick(&[6, 12, 1000, 1000]);
        let checks: Checks = Rc::new(RefCell::new(Check::new(limits.clone(), scenario.traced)));
        let net = Net::new(faults, flavour, descriptors);
        let batch = rng.pick(&[1, 4, 64]);
        let world = World::new(net, Rc::clone(&checks), batch);
        let mut reactor = Reactor::with_world(world, limits);
        #[cfg(debug_assertions)]
        if let Some(rule) = scenario.broken {
            reactor.break_rule(rule);
        }
        if let Some(facts) = record::facts(scenario.seed, scenario.recorded) {
            reactor.record(facts);
        }
        let handle = reactor.handle();
        reactor.world().handle = Some(handle.clone());
        let pairs = Pairs::default();
        let meddles = rng.pick(&[0, 0, 5, 40]);
        let mut run = Run {
            seed: scenario.seed,
            reactor,
            handle,
            checks,
            pairs,
            hall: Hall::default(),
            rng,
            to_adopt: Vec::new(),
            to_dial: Vec::new(),
            dial: Dial::from(SocketAddr::from(([10, 0, 0, 1], 7))),
            meddles,
            drains_at: Moment::NEVER,
            // Whoever breaks a rule wants to know whether it is noticed, not how often.
            enough: if scenario.broken.is_some() && !scenario.recorded {
                1
            } else {
                MOST_VIOLATIONS
            },
            read: 0,
            recorded: scenario.recorded,
        };
        run.populate(calm);
        run.plan_calls(calm);
        run.introduce();
        run
    }

    fn populate(&mut self, calm: bool) {
        const KINDS: [Dialogue; 16] = [
            Dialogue::Http,
            Dialogue::Http,
            Dialogue::Http,
            Dialogue::Echo,
            Dialogue::Echo,
            Dialogue::Mirror,
            Dialogue::Mirror,
            Dialogue::Hall,
            Dialogue::Hall,
            Dialogue::Socket,
            Dialogue::Socket,
            Dialogue::Produce,
            Dialogue::Refuse,
            Dialogue::Think,
            Dialogue::Relay,
            Dialogue::Greet,
        ];
        let listeners = self.rng.between(1, 3);
        for number in 0..listeners {
            let dialogue =
                if self.rng.chance(120) { Dialogue::Mail } else { self.rng.pick(&KINDS) };
            let mut how = Listen::from(SocketAddr::from(([10, 0, 0, 1], number as u16)));
            how.backlog = self.rng.pick(&[1, 4, 100]);
            let (checks, pairs, hall) =
                (Rc::clone(&self.checks), Rc::clone(&self.pairs), Rc::clone(&self.hall));
            let service = move |info: &ConnInfo<'_>| -> Box<dyn Session> {
                service::open(dialogue, &checks, &pairs, &hall, info.token)
            };
            let checks = Rc::clone(&self.checks);
            let opened = match dialogue {
                Dialogue::Http => {
                    let (net, promises) = self.reactor.world().shared();
                    let service = Http::new(Web { net, promises, checks: Rc::clone(&checks) });
                    self.reactor.listen(how, Watching { service, checks })
                }
                #[cfg(feature = "web")]
                Dialogue::Socket => {
                    let service = super::socket::service(&self.checks);
                    self.reactor.listen(how, Watching { service, checks })
                }
                _ => self.reactor.listen(how, Watching { service, checks }),
            };
            if opened.is_err() {
                self.checks.borrow_mut().violate(None, "a listener could not be opened");
            }
            for _ in 0..self.rng.pick(&[1, 3, 6, 14]) {
                let peer = Peer::random(dialogue, number, calm, &mut self.rng);
                self.reactor.world().add_peer(peer);
            }
        }
        for _ in 0..self.rng.pick(&[0, 0, 0, 2]) {
            let peer = Peer::random(Dialogue::Echo, 0, calm, &mut self.rng);
            self.to_adopt.push((peer.starts(), peer));
        }
        if self.rng.chance(150) {
            let start = self.rng.time(Duration::from_millis(200));
            let length = self.rng.time(Duration::from_secs(3));
            let mut net = self.reactor.world().net.borrow_mut();
            net.after(start, Action::Shortage(true));
            net.after(start + length, Action::Shortage(false));
        }
        if self.rng.chance(150) {
            self.drains_at = Moment::START + self.rng.time(Duration::from_millis(120));
        }
    }

    /// Begins the trace with everybody's intentions.
    fn introduce(&mut self) {
        let limits = self.checks.borrow().limits.clone();
        self.checks.borrow_mut().note(|| format!("{limits:?}"));
        let world = self.reactor.world();
        for (index, peer) in world.peers.iter().enumerate() {
            self.checks.borrow_mut().note(|| format!("peer {index}: {}", peer.plan_in_words()));
        }
    }

    fn play(mut self) -> Report {
        let mut turns = 0;
        loop {
            self.meddle();
            let turn = self.reactor.turn(None);
            self.checks.borrow_mut().end_of_turn();
            if self.reactor.env().recorder.is_on() {
                let recorder = &self.reactor.env().recorder;
                record::judge(recorder, &mut self.checks.borrow_mut(), &mut self.read);
            }
            turns += 1;
            let stuck = turns == MOST_TURNS;
            if stuck {
                self.checks.borrow_mut().violate(None, "the loop does not come to rest");
            }
            let done = turn.map_or(true, |turn| turn.done);
            let quiet = self.reactor.world().is_quiet()
                && self.to_adopt.is_empty()
                && self.to_dial.is_empty();
            if done || quiet || stuck || self.checks.borrow().violations.len() >= self.enough {
                break;
            }
        }
        self.finish()
    }

    fn finish(mut self) -> Report {
        let live = self.reactor.env().live;
        let counted =
            self.checks.borrow().seen.values().filter(|seen| seen.closed.is_none()).count();
        if live != counted {
            let what = format!("the loop counts {live} connections, {counted} are open");
            self.checks.borrow_mut().violate(None, what);
        }
        if live != 0 {
            self.checks.borrow_mut().violate(None, format!("{live} connections never end"));
        }
        if self.reactor.world().is_quiet() {
            self.reactor.world().watch_over(None);
        }
        let counters = self.reactor.counters().clone();
        let limits = self.reactor.env().limits.clone();
        let records = match self.recorded {
            true => self.reactor.env().recorder.since(0).1.copied().collect(),
            false => Vec::new(),
        };
        self.reactor.world().judge_counters(&counters);
        self.checks.borrow_mut().excuses.dropping = true;
        let (net, peers) = {
            let world = self.reactor.world();
            (Rc::clone(&world.net), std::mem::take(&mut world.peers))
        };
        drop(self.reactor);
        let mut world = World::after_the_loop(net, Rc::clone(&self.checks), peers);
        world.come_to_rest();
        world.judge();
        let got = world.peers.iter().map(|peer| peer.got.len()).sum();
        let time = world.net.borrow().now.since(Moment::START);
        let mut check = self.checks.borrow_mut();
        let trace = check.take_trace();
        let violations = std::mem::take(&mut check.violations);
        Report { seed: self.seed, violations, trace, records, limits, counters, time, got }
    }

    /// What a host does between two turns.
    fn meddle(&mut self) {
        let now = self.reactor.world().net.borrow().now;
        while let Some(at) = self
            .to_adopt
            .iter()
            .position(|(moment, _)| *moment <= now || self.reactor.world().is_quiet())
        {
            let (_, peer) = self.to_adopt.swap_remove(at);
            self.adopt(peer);
        }
        self.call_up(now);
        if now >= self.drains_at {
            self.drains_at = Moment::NEVER;
            self.drain();
        }
        if !self.rng.chance(self.meddles) {
            return;
        }
        let check = self.checks.borrow();
        let open: Vec<Token> = check
            .seen
            .iter()
            .filter(|(_, seen)| seen.closed.is_none())
            .map(|(token, _)| *token)
            .collect();
        drop(check);
        if open.is_empty() {
            return;
        }
        let token = self.rng.pick(&open);
        match self.rng.below(4) {
            0 => self.close(token),
            _ => self.send(token),
        }
    }

    fn close(&mut self, token: Token) {
        let mode = self.rng.pick(&[CloseMode::Flush, CloseMode::Linger, CloseMode::Abort]);
        let mut check = self.checks.borrow_mut();
        check.note(|| format!("host: closes {token}: {mode:?}"));
        check.seen(token).close_asked = true;
        drop(check);
        if self.rng.chance(500) {
            self.reactor.close(token, mode);
            if mode == CloseMode::Abort && self.checks.borrow_mut().seen(token).closed.is_none() {
                self.checks.borrow_mut().violate(token, "it was aborted and lives on");
            }
        } else if self.handle.close(token, mode).is_err() {
            self.checks.borrow_mut().violate(token, "a handle could not close it");
        }
    }

    fn send(&mut self, token: Token) {
        let dialogue = {
            let world = self.reactor.world();
            let conn = self.checks.borrow_mut().seen(token).conn;
            conn.map(|conn| world.peers[world.net.borrow().conns[conn].peer].dialogue)
        };
        match dialogue {
            Some(Dialogue::Mail) => {}
            Some(Dialogue::Hall) => return self.announce(),
            _ => return,
        }
        let length = self.rng.pick(&[1, 10, 300]);
        let bytes: Vec<u8> = (0..length).map(|_| self.rng.draw() as u8).collect();
        let bytes = Bytes::from(bytes);
        if self.handle.send(token, Message::Bytes(bytes.clone())).is_ok() {
            self.checks.borrow_mut().post(token, bytes, Sender::Host);
        }
    }

    /// The host has something to say to all in the hall.
    fn announce(&mut self) {
        let length = self.rng.pick(&[1, 300, 1000]);
        for (to, message) in self.hall.borrow_mut().say(length, Sender::Host, &self.checks) {
            if self.handle.send(to, message).is_err() {
                self.checks.borrow_mut().violate(to, "a handle could not send to it");
            }
        }
    }

    fn adopt(&mut self, peer: Peer) {
        let nobody = Token::new(0, 0);
        let session = service::open(Dialogue::Echo, &self.checks, &self.pairs, &self.hall, nobody);
        let session = Watched::nameless(session, &self.checks);
        let world = self.reactor.world();
        let net = Rc::clone(&world.net);
        let index = world.peers.len();
        let (peer, conn) = peer.with_conn(&mut net.borrow_mut(), index);
        if !net.borrow_mut().take_descriptor() {
            return;
        }
        world.unnamed = Some(conn);
        world.add_peer(peer);
        self.reactor.adopt(SimStream { net, conn }, session);
    }

    fn drain(&mut self) {
        let deadline = Duration::from_millis(self.rng.between(50, 5_000) as u64);
        let now = self.reactor.world().net.borrow().now;
        self.checks.borrow_mut().drains(now, deadline);
        // Somebody loses patience, or asks twice.
        if self.rng.chance(300) {
            self.drains_at = now + self.rng.time(Duration::from_millis(1500));
        }
        if self.rng.chance(500) {
            self.reactor.drain(deadline);
            let check = &mut *self.checks.borrow_mut();
            check.cut_off = check.cut_off.min(now + deadline);
        } else if self.handle.drain(deadline).is_err() {
            self.checks.borrow_mut().violate(None, "a handle could not drain");
        }
    }
}
