//! The stage that each lesson plays on: every system call of a lesson's server goes through a
//! [`Stage`], which carries it out and notes the fact, so that the scope sees a loop written by hand
//! as it sees the library's own.
//!
//! Lessons call it; `readyloop learn` and the tests make it. A stage adds nothing to what a call
//! does: it never retries, never waits longer than it was asked to, and hides no error. A lesson's
//! clients are the world outside: they use the system's calls directly, and only tell the stage what
//! became of them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::event::{Event, Source as MioSource};
use mio::{Events, Interest, Poll, Registry};

use crate::probe::{Call, Fact, Operation};
use crate::scope::Watched;
use crate::scope::detect::{Detector, Finding};
use crate::{CloseReason, Limits, Moment, Token};

use super::diary::Diary;

/// Facts that are kept for the page.
const FACTS: usize = 1 << 16;

/// No poll waits for longer, so that the end is heard.
pub const TICK: Duration = Duration::from_millis(100);

/// How long a lesson with `--once` may last.
const LONGEST: Duration = Duration::from_secs(60);

/// How a lesson is played.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// One round, and then the end; otherwise round after round until it is stopped.
    pub once: bool,
    /// Everything that is said is printed too.
    pub aloud: bool,
    /// Set by somebody who wants it to end.
    pub stop: Arc<AtomicBool>,
}

/// See the module's documentation. Clones are the same stage, for the threads of clients.
#[derive(Clone)]
pub struct Stage {
    inner: Arc<Inner>,
}

struct Inner {
    script: Script,
    start: Instant,
    watched: Arc<Mutex<Watched>>,
    detector: Mutex<Detector>,
    diary: Mutex<Diary>,
    /// For each place in the table its generation, and whether it is taken.
    names: Mutex<Vec<(u32, bool)>>,
    rounds: AtomicUsize,
    ended: AtomicBool,
    clients: Mutex<Vec<JoinHandle<()>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the lessons' loops are measured by: as the library's, but small enough for a lesson.
pub fn limits() -> Limits {
    Limits {
        high_water: 64 * 1024,
        low_water: 16 * 1024,
        backlog_cap: 1024 * 1024,
        // A busy machine may take the CPU away for a while.
        stall: Duration::from_millis(100),
        ..Limits::default()
    }
}

impl Stage {
    /// An empty stage; its time begins now.
    pub fn new(script: Script) -> Self {
        let mut watched = Watched::default();
        watched.recorder.start(Moment::START, FACTS, limits().stall);
        let inner = Inner {
            script,
            start: Instant::now(),
            watched: Arc::new(Mutex::new(watched)),
            detector: Mutex::new(Detector::new(&limits())),
            diary: Mutex::new(Diary::default()),
            names: Mutex::new(Vec::new()),
            rounds: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            clients: Mutex::new(Vec::new()),
        };
        Stage { inner: Arc::new(inner) }
    }

    /// Where the facts are, for [`Source::Other`](crate::scope::Source::Other).
    pub fn watched(&self) -> Arc<Mutex<Watched>> {
        Arc::clone(&self.inner.watched)
    }

    /// The time on stage.
    pub fn now(&self) -> Moment {
        Moment::START + self.inner.start.elapsed()
    }

    /// False once it is over: every loop of a lesson asks.
    pub fn goes_on(&self) -> bool {
        let Inner { script, start, ended, .. } = &*self.inner;
        let late = script.once && start.elapsed() > LONGEST;
        !(late || ended.load(Ordering::Relaxed) || script.stop.load(Ordering::Relaxed))
    }

    /// The lesson is over.
    pub fn end(&self) {
        self.inner.ended.store(true, Ordering::Relaxed);
    }

    /// True if another round is to be played; if not, the lesson is over. Asked by one client.
    pub fn another_round(&self) -> bool {
        let before = self.inner.rounds.fetch_add(1, Ordering::Relaxed);
        if self.inner.script.once && before > 0 {
            self.end();
        } else if before > 0 {
            self.rest(Duration::from_secs(2));
        }
        self.goes_on()
    }

    /// Sleeps, unless it is over. For clients: a server that sleeps is a lesson of its own.
    pub fn rest(&self, time: Duration) {
        let end = Instant::now() + time;
        while self.goes_on() && Instant::now() < end {
            std::thread::sleep(TICK.min(end.saturating_duration_since(Instant::now())));
        }
    }

    /// Plays a client on a thread of its own. An error of it is a fault.
    pub fn client(
        &self,
        name: &str,
        play: impl FnOnce(&Stage) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let stage = self.clone();
        let named = name.to_owned();
        let run = move || {
            if let Err(error) = play(&stage)
                && stage.goes_on()
            {
                stage.fault(&format!("{named}: {error}"));
            }
        };
        let thread = std::thread::Builder::new().name(name.into()).spawn(run)?;
        lock(&self.inner.clients).push(thread);
        Ok(())
    }

    /// Ends the lesson and waits for its clients, who all have a deadline in what they wait for.
    pub fn clear(&self) {
        self.end();
        let clients = std::mem::take(&mut *lock(&self.inner.clients));
        for client in clients {
            // A client that panicked has said so.
            let _ = client.join();
        }
    }

    // What is said.

    /// Says something about what happens.
    pub fn say(&self, text: &str) {
        let line = lock(&self.inner.diary).say(self.now(), text);
        if self.inner.script.aloud {
            let mut stdout = io::stdout().lock();
            // Whoever has closed it has seen enough.
            let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
        }
    }

    /// Says that a client got what it should not have got, or did not get what it should.
    pub fn fault(&self, text: &str) {
        self.say(text);
        lock(&self.inner.diary).faults.push(text.into());
    }

    /// Says that a client was served as it should be.
    pub fn well(&self, text: &str) {
        self.say(text);
        lock(&self.inner.diary).wells.push(text.into());
    }

    /// Everything that was said, and of that the faults and what went well.
    pub fn diary(&self) -> Diary {
        lock(&self.inner.diary).clone()
    }

    /// What the scope's detector has found.
    pub fn findings(&self) -> Vec<Finding> {
        lock(&self.inner.detector).findings().to_vec()
    }

    /// How often the loop has turned.
    pub fn turns(&self) -> u64 {
        lock(&self.inner.watched).counters.turns
    }

    // Facts and names.

    /// Notes a fact.
    pub fn note(&self, fact: Fact) {
        let mut watched = lock(&self.inner.watched);
        // Looked at under the lock, so that time never goes backwards.
        watched.note(self.now(), fact);
        self.detect(&watched);
    }

    /// Shows the detector what is new, and says what it finds.
    fn detect(&self, watched: &Watched) {
        let mut detector = lock(&self.inner.detector);
        let before = detector.total();
        detector.follow(&watched.recorder);
        let new = (detector.total() - before) as usize;
        let findings = detector.findings();
        let texts: Vec<String> = findings[findings.len().saturating_sub(new)..]
            .iter()
            .map(|finding| format!("found {}: {}", finding.kind, finding.text))
            .collect();
        drop(detector);
        texts.iter().for_each(|text| self.say(text));
    }

    /// Names what is opened next: the first free place, in a new generation.
    pub fn token(&self) -> Token {
        let mut names = lock(&self.inner.names);
        let free = names.iter().position(|(_, taken)| !taken).unwrap_or(names.len());
        if free == names.len() {
            names.push((0, false));
        }
        let generation = names.get_mut(free).map_or(0, |(generation, taken)| {
            *taken = true;
            *generation += 1;
            *generation
        });
        Token::new(free as u32, generation)
    }

    /// A socket has an event: notes the readiness bits.
    pub fn event(&self, token: Token, event: &Event) {
        let closed = event.is_read_closed() && event.is_write_closed() || event.is_error();
        let bits = u8::from(event.is_readable())
            | u8::from(event.is_writable()) << 1
            | u8::from(event.is_read_closed()) << 2
            | u8::from(closed) << 3;
        self.note(Fact::Event { token, bits });
    }

    /// A request is about to be handled: `GET` and `/` for example.
    pub fn request(&self, token: Token, method: &str, path: &str) {
        let label = lock(&self.inner.watched).recorder.labels_mut().pair(method, path);
        self.note(Fact::Request { token, label });
    }

    /// Calls a handler and notes how long it took; too long is a stall.
    pub fn call<T>(&self, token: Token, call: Call, handler: impl FnOnce() -> T) -> T {
        let began = self.now();
        lock(&self.inner.watched).recorder.tick(began);
        lock(&self.inner.watched).recorder.tick_cpu(cpu());
        let value = handler();
        let mut watched = lock(&self.inner.watched);
        watched.recorder.tick(self.now());
        if watched.recorder.called(token, call, began) {
            watched.counters.stalls += 1;
            watched.recorder.stalled(token, call, began, cpu());
        }
        self.detect(&watched);
        value
    }

    /// So many bytes of it wait to be sent now.
    pub fn keep(&self, token: Token, unsent: usize) {
        self.note(Fact::Buffer { token, unsent });
    }

    /// A deadline is set.
    pub fn arm(&self, token: Token, due: Moment) {
        self.note(Fact::Armed { token, due });
    }

    /// A deadline was reached.
    pub fn fire(&self, token: Token, due: Moment) {
        self.note(Fact::Fired { token, due });
    }

    // System calls.

    /// Waits for events, for at most `most` and never longer than [`TICK`].
    pub fn poll(&self, poll: &mut Poll, events: &mut Events, most: Duration) -> io::Result<()> {
        let (began, most) = (self.now(), most.min(TICK));
        match poll.poll(events, Some(most)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let events = events.iter().count();
        self.note(Fact::Polled { began, until: began + most, events });
        Ok(())
    }

    /// Has a socket watched, edge-triggered: mio knows no other way.
    pub fn watch(
        &self,
        token: Token,
        registry: &Registry,
        socket: &mut impl MioSource,
        interest: Interest,
    ) -> io::Result<()> {
        registry.register(socket, named(token), interest)?;
        self.interest(token, interest);
        Ok(())
    }

    /// Has it watched for something else.
    pub fn watch_again(
        &self,
        token: Token,
        registry: &Registry,
        socket: &mut impl MioSource,
        interest: Interest,
    ) -> io::Result<()> {
        registry.reregister(socket, named(token), interest)?;
        self.interest(token, interest);
        Ok(())
    }

    fn interest(&self, token: Token, interest: Interest) {
        let bits = u8::from(interest.is_readable()) | u8::from(interest.is_writable()) << 1;
        self.note(Fact::Interest { token, bits });
    }

    /// Accepts somebody, and names it.
    pub fn accept<D: Door>(&self, from: Token, door: &D) -> io::Result<(Token, D::Socket)> {
        match door.accept() {
            Ok((socket, peer)) => {
                let token = self.token();
                self.note(Fact::Accepted { token, from });
                self.note(Fact::Peer { token, peer: peer.into() });
                Ok((token, socket))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.note(Fact::NobodyWaits { token: from });
                Err(error)
            }
            Err(error) => Err(self.failed(from, Operation::Accept, error)),
        }
    }

    /// Connects, blocking, and names the connection.
    pub fn connect(&self, to: SocketAddr) -> io::Result<(Token, StdStream)> {
        let token = self.token();
        self.note(Fact::Dialled { token });
        match StdStream::connect_timeout(&to, Duration::from_secs(10)) {
            Ok(socket) => {
                self.note(Fact::Peer { token, peer: to.into() });
                Ok((token, socket))
            }
            Err(error) => Err(self.failed(token, Operation::Connect, error)),
        }
    }

    /// One read.
    pub fn read(
        &self,
        token: Token,
        socket: &mut impl Read,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        match socket.read(buffer) {
            Ok(bytes) => {
                self.note(Fact::Read { token, asked: buffer.len(), bytes });
                Ok(bytes)
            }
            Err(error) => Err(self.blocked(token, Operation::Read, error)),
        }
    }

    /// One write.
    pub fn write(&self, token: Token, socket: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
        match socket.write(bytes) {
            Ok(taken) => {
                self.note(Fact::Wrote { token, asked: bytes.len(), bytes: taken });
                Ok(taken)
            }
            Err(error) => Err(self.blocked(token, Operation::Write, error)),
        }
    }

    /// Closes a socket; its name is free.
    pub fn close<S>(&self, token: Token, socket: S, reason: CloseReason) {
        drop(socket);
        if let Some((_, taken)) = lock(&self.inner.names).get_mut(token.index()) {
            *taken = false;
        }
        self.note(Fact::Closed { token, reason });
    }

    fn blocked(&self, token: Token, during: Operation, error: io::Error) -> io::Error {
        if error.kind() == ErrorKind::WouldBlock {
            self.note(Fact::Blocked { token, writing: during == Operation::Write });
            return error;
        }
        self.failed(token, during, error)
    }

    fn failed(&self, token: Token, during: Operation, error: io::Error) -> io::Error {
        let errno = error.raw_os_error().unwrap_or(0);
        self.note(Fact::Failed { token, during, errno });
        error
    }
}

/// A port of this machine that is free, for `bind`.
pub fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A token as mio carries it.
pub fn named(token: Token) -> mio::Token {
    mio::Token(token.as_u64() as usize)
}

/// The token that an event names.
pub fn whose(event: &Event) -> Token {
    Token::from_u64(event.token().0 as u64)
}

/// What the CPU clock of this thread shows.
fn cpu() -> Duration {
    let asked = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID);
    asked.map_or(Duration::ZERO, Duration::from)
}

/// A listener, whoever made it.
pub trait Door {
    /// What comes in.
    type Socket;
    /// See `accept(2)`.
    ///
    /// # Errors
    ///
    /// Nobody waits (`WouldBlock`, if it does not wait itself), or the system has no descriptor.
    fn accept(&self) -> io::Result<(Self::Socket, SocketAddr)>;
}

impl Door for mio::net::TcpListener {
    type Socket = mio::net::TcpStream;
    fn accept(&self) -> io::Result<(Self::Socket, SocketAddr)> {
        mio::net::TcpListener::accept(self)
    }
}

impl Door for StdListener {
    type Socket = StdStream;
    fn accept(&self) -> io::Result<(Self::Socket, SocketAddr)> {
        StdListener::accept(self)
    }
}
