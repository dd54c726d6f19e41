//! The load: a process of its own, one thread, a closed loop over many connections.
//!
//! It is told what to do by lines on its standard input and answers each by a line: `open` opens
//! the connections, `run MS` keeps them busy for so long, waits for what is outstanding and
//! reports. `run 0` asks once on each. Every answer is checked.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use super::answer::Answer;
use super::link::Link;
use super::secure;
use super::sys::{self, Epoll, IN, OUT};

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Many requests on one connection.
    Keep,
    /// A connection for each request; over TLS, for each handshake, with no request.
    Fresh,
    /// A stream of bytes that must come back.
    Echo,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::Keep => "keep",
            Kind::Fresh => "fresh",
            Kind::Echo => "echo",
        }
    }

    /// The request that it sends.
    pub(crate) const fn request(self) -> &'static [u8] {
        match self {
            Kind::Keep => b"GET /plaintext HTTP/1.1\r\nHost: localhost\r\n\r\n",
            Kind::Fresh => {
                b"GET /plaintext HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            }
            Kind::Echo => b"",
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Kind::Keep, Kind::Fresh, Kind::Echo]
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| format!("no kind of load: {name}"))
    }
}

/// What to load, and how.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) connections: usize,
    /// Requests sent at once.
    pub(crate) depth: usize,
    pub(crate) tls: bool,
}

/// Bytes of one echo connection that may be under way. With twice as many the kernel's buffers
/// fill, and a run falls by chance into one of two speeds, three times apart, whoever serves.
const WINDOW: u64 = 128 * 1024;
/// Bytes that the echo writes at a time, and its unit of counting.
pub(crate) const BLOCK: u64 = 64 * 1024;
/// After this many bytes the echo's pattern begins again.
const PERIOD: u64 = 1024 * 1024;
/// How long outstanding answers may take after a run.
const PATIENCE: Duration = Duration::from_secs(5);
/// TLS handshakes under way at a time while connections are opened.
const OPENING: usize = 64;

/// Serves the parent's commands until its end of the pipe closes.
pub(crate) fn serve(target: SocketAddr, plan: Plan) -> io::Result<()> {
    let mut load = Load::new(target, plan)?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("open", _) => load.open()?,
            ("run", ms) => {
                let ms = ms.parse().map_err(io::Error::other)?;
                load.run(Duration::from_millis(ms))?;
            }
            _ => return Err(io::Error::other(format!("no such command: {line}"))),
        }
        load.report()?;
    }
    Ok(())
}

struct Load {
    target: SocketAddr,
    plan: Plan,
    config: Option<Arc<ClientConfig>>,
    epoll: Epoll,
    links: Vec<Option<Link>>,
    /// What one connection sends at once.
    batch: Vec<u8>,
    pattern: Vec<u8>,
    answer: Answer,
    wire: Vec<u8>,
    plain: Vec<u8>,
    /// New work may begin.
    running: bool,
    /// Connections with something outstanding.
    busy: usize,
    requests: u64,
    errors: u64,
    elapsed: Duration,
}

impl Load {
    fn new(target: SocketAddr, plan: Plan) -> io::Result<Self> {
        let config =
            if plan.tls { Some(secure::client().map_err(io::Error::other)?) } else { None };
        Ok(Load {
            target,
            config,
            epoll: Epoll::new()?,
            links: Vec::new(),
            batch: plan.kind.request().repeat(plan.depth),
            pattern: pattern(),
            answer: Answer::default(),
            wire: vec![0; 64 * 1024],
            plain: Vec::new(),
            running: false,
            busy: 0,
            requests: 0,
            errors: 0,
            elapsed: Duration::ZERO,
            plan,
        })
    }

    /// Opens the connections that are held; over TLS the handshakes are done after it.
    fn open(&mut self) -> io::Result<()> {
        let held = if self.plan.kind == Kind::Fresh { 0 } else { self.plan.connections };
        for index in 0..held {
            let mut link = Link::open(self.target, index)?;
            self.epoll.add(link.as_raw_fd(), IN, index as u64)?;
            if let Some(config) = &self.config {
                link.secure(config)?;
                link.awaited = 1;
                self.busy += 1;
            }
            self.links.push(Some(link));
            if self.busy == OPENING {
                self.settle()?;
            }
        }
        self.settle()?;
        self.links.resize_with(self.plan.connections, || None);
        Ok(())
    }

    /// Waits until no handshake is under way.
    fn settle(&mut self) -> io::Result<()> {
        let give_up = Instant::now() + PATIENCE;
        let mut events = sys::events(OPENING);
        while self.busy > 0 && Instant::now() < give_up {
            let n = self.epoll.wait(&mut events, 100)?;
            for event in &events[..n] {
                let Some(link) = &mut self.links[event.u64 as usize] else { continue };
                link.receive(&mut self.wire, &mut self.plain)?;
                link.flush()?;
                if link.awaited > 0 && !link.is_handshaking() {
                    link.awaited = 0;
                    self.busy -= 1;
                }
            }
        }
        if self.busy > 0 {
            return Err(io::Error::other(format!("{} handshakes got stuck", self.busy)));
        }
        Ok(())
    }

    /// Keeps all connections busy for `time`, then waits for what is outstanding.
    fn run(&mut self, time: Duration) -> io::Result<()> {
        let start = Instant::now();
        self.running = true;
        for slot in 0..self.links.len() {
            self.guard(slot, Load::begin);
        }
        let mut events = sys::events(1024);
        loop {
            let past = start.elapsed();
            self.running = past < time;
            if !self.running && self.busy == 0 {
                break;
            }
            if past > time + PATIENCE {
                self.fail(&format!("{} connections got no answer", self.busy));
                self.links.iter_mut().for_each(|link| *link = None);
                self.busy = 0;
                break;
            }
            // Never sleeping, the load costs the server no wake-ups, whose price varies most.
            let n = self.epoll.wait(&mut events, 0)?;
            for event in &events[..n] {
                self.guard(event.u64 as usize, Load::ready);
            }
        }
        self.elapsed = start.elapsed();
        Ok(())
    }

    /// Does `step` on a connection; an error ends that connection and is counted.
    fn guard(&mut self, slot: usize, step: fn(&mut Self, usize) -> Result<(), String>) {
        if let Err(error) = step(self, slot) {
            if self.links[slot].take().is_some_and(|link| link.awaited > 0) {
                self.busy -= 1;
            }
            self.fail(&error);
        }
    }

    fn fail(&mut self, error: &str) {
        if self.errors == 0 {
            eprintln!("load: {error}");
        }
        self.errors += 1;
    }

    /// Starts the next round of a connection that has nothing outstanding.
    fn begin(&mut self, slot: usize) -> Result<(), String> {
        if self.plan.kind == Kind::Fresh {
            return self.renew(slot).map_err(|error| format!("connecting: {error}"));
        }
        let Some(link) = &mut self.links[slot] else { return Ok(()) };
        link.awaited = self.plan.depth;
        self.busy += 1;
        if self.plan.kind == Kind::Echo {
            return self.pour(slot);
        }
        link.send(&self.batch).map_err(|error| format!("sending: {error}"))?;
        self.watch(slot).map_err(|error| error.to_string())
    }

    /// A new connection in this slot, with its request or its handshake under way.
    fn renew(&mut self, slot: usize) -> io::Result<()> {
        let mut link = Link::begin(self.target)?;
        match &self.config {
            Some(config) => link.secure(config)?,
            None => link.send(&self.batch)?,
        }
        link.awaited = 1;
        self.busy += 1;
        let interest = if link.is_blocked() { IN | OUT } else { IN };
        self.epoll.add(link.as_raw_fd(), interest, slot as u64)?;
        self.links[slot] = Some(link);
        Ok(())
    }

    /// Waits for writability too if something is stuck. Requests are small, so this is rare.
    fn watch(&mut self, slot: usize) -> io::Result<()> {
        match &self.links[slot] {
            Some(link) if link.is_blocked() => {
                self.epoll.modify(link.as_raw_fd(), IN | OUT, slot as u64)
            }
            _ => Ok(()),
        }
    }

    /// Sends more of the echo's pattern, a block at a time, as far as the window allows.
    fn pour(&mut self, slot: usize) -> Result<(), String> {
        let Some(link) = &mut self.links[slot] else { return Ok(()) };
        while self.running && link.sent - link.received + BLOCK <= WINDOW {
            let from = (link.sent % PERIOD) as usize;
            let n = link.offer(&self.pattern[from..from + BLOCK as usize]);
            match n.map_err(|error| format!("sending: {error}"))? {
                0 => break,
                n => link.sent += n as u64,
            }
        }
        Ok(())
    }

    /// A connection is readable or writable.
    fn ready(&mut self, slot: usize) -> Result<(), String> {
        let Some(link) = &mut self.links[slot] else { return Ok(()) };
        if link.is_blocked() {
            link.flush().map_err(|error| format!("sending: {error}"))?;
            if !link.is_blocked() {
                let done = self.epoll.modify(link.as_raw_fd(), IN, slot as u64);
                done.map_err(|error| error.to_string())?;
            }
        }
        self.plain.clear();
        // An answer that came in parts goes on where it stopped.
        self.plain.append(&mut link.carry);
        let open = link.receive(&mut self.wire, &mut self.plain);
        let open = open.map_err(|error| format!("receiving: {error}"))?;
        match (self.plan.kind, self.plan.tls) {
            (Kind::Keep, _) => self.kept(slot, open),
            (Kind::Fresh, false) => self.closed(slot, open),
            (Kind::Fresh, true) => self.shaken(slot, open),
            (Kind::Echo, _) => self.echoed(slot, open),
        }
    }

    /// Answers on a kept connection.
    fn kept(&mut self, slot: usize, open: bool) -> Result<(), String> {
        let Some(link) = &mut self.links[slot] else { return Ok(()) };
        let mut rest = &self.plain[..];
        while link.awaited > 0 {
            let Some(n) = self.answer.check(rest)? else { break };
            rest = &rest[n..];
            link.awaited -= 1;
            self.requests += 1;
            if link.awaited == 0 {
                self.busy -= 1;
            }
        }
        if !open {
            return Err("the server closed a kept connection".into());
        }
        if link.awaited > 0 {
            link.carry.extend_from_slice(rest);
            return Ok(());
        }
        if !rest.is_empty() {
            return Err(format!("{} bytes more than asked for", rest.len()));
        }
        if self.running { self.begin(slot) } else { Ok(()) }
    }

    /// The answer of a connection that the server ends.
    fn closed(&mut self, slot: usize, open: bool) -> Result<(), String> {
        let Some(link) = &mut self.links[slot] else { return Ok(()) };
        if open {
            link.carry.extend_from_slice(&self.plain);
            return Ok(());
        }
        if self.answer.check(&self.plain)? != Some(self.plain.len()) {
            return Err(format!("cut off: {}", self.plain.escape_ascii()));
        }
        self.finish(slot)
    }

    /// A handshake, whose end the server confirms by answering our closing alert.
    fn shaken(&mut self, slot: usize, open: bool) -> Result<(), String> {
        let Some(link) = &mut self.links[slot] else { return Ok(()) };
        if link.is_handshaking() {
            link.flush().map_err(|error| format!("sending: {error}"))?;
            return if open { Ok(()) } else { Err("closed in the handshake".into()) };
        }
        if !open {
            return self.finish(slot);
        }
        if link.sent == 0 {
            link.sent = 1;
            link.notify_close().map_err(|error| format!("closing: {error}"))?;
        }
        Ok(())
    }

    /// Counts a connection that served its purpose and opens the next.
    fn finish(&mut self, slot: usize) -> Result<(), String> {
        self.links[slot] = None;
        self.busy -= 1;
        self.requests += 1;
        if self.running { self.begin(slot) } else { Ok(()) }
    }

    /// Bytes that came back.
    fn echoed(&mut self, slot: usize, open: bool) -> Result<(), String> {
        let Some(link) = &mut self.links[slot] else { return Ok(()) };
        let from = (link.received % PERIOD) as usize;
        if self.plain != self.pattern[from..from + self.plain.len()] {
            return Err("other bytes came back".into());
        }
        let before = link.received / BLOCK;
        link.received += self.plain.len() as u64;
        self.requests += link.received / BLOCK - before;
        if !open {
            return Err("the server closed an echo".into());
        }
        if self.running {
            return self.pour(slot);
        }
        if link.received == link.sent && link.awaited > 0 {
            link.awaited = 0;
            self.busy -= 1;
        }
        Ok(())
    }

    /// Answers the parent's command.
    fn report(&mut self) -> io::Result<()> {
        let nanos = self.elapsed.as_nanos();
        println!("done {} {} {nanos}", self.requests, self.errors);
        (self.requests, self.errors) = (0, 0);
        io::stdout().flush()
    }
}

/// A period of noise, and then its beginning again as far as one read reaches.
fn pattern() -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 11) as u8
    };
    let mut bytes: Vec<u8> = (0..PERIOD).map(|_| noise()).collect();
    bytes.extend_from_within(..BLOCK as usize);
    bytes
}
