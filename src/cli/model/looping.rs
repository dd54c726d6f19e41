//! Runs the models that wait for readiness: one loop, or several that share a port.
//!
//! Each loop has a thread. It is asked for its counters by a command, which it answers in its next
//! turn; while it is busy or stopped, what it said last stands.

use std::io;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::running::{Running, Started, Totals};
use super::{Model, Post, Setup};
use crate::app::bench::{Bench, Burn};
use crate::app::echo::Echo;
use crate::cli::failure::Failure;
use crate::cli::row::Kind;
use crate::connection::tls::TlsConfig;
use crate::measure::{Calls, Turns};
use crate::probe::{Counters, Spread};
use crate::reactor::edge::Edge;
#[cfg(target_os = "linux")]
use crate::reactor::level::Level;
use crate::reactor::spin::Spin;
use crate::reactor::world::World;
use crate::scope::recording::Recording;
use crate::session::Env;
use crate::session::http::Http;
use crate::socket::{Address, Listen};
use crate::{Handle, Limits, Reactor};

/// How long a sample waits for a loop's answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a loop's thread needs.
#[derive(Clone)]
struct Job {
    posts: Vec<Post>,
    tls: Option<TlsConfig>,
    burn: Burn,
    limits: Limits,
    /// Facts that are kept, and what the loop is called in the recording.
    record: Option<(usize, String)>,
}

/// Binds and starts.
pub(super) fn start(setup: &Setup) -> Result<Started, Failure> {
    match setup.model {
        Model::Loops(count) => start_on(setup, count.unwrap_or_else(cpus), Edge::new),
        Model::Spin => start_on(setup, 1, Spin::new),
        #[cfg(target_os = "linux")]
        Model::Level => start_on(setup, 1, Level::new),
        _ => start_on(setup, 1, Edge::new),
    }
}

/// The CPUs that this process may use.
pub(super) fn cpus() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn start_on<W: World + 'static>(
    setup: &Setup,
    count: usize,
    world: fn(&Limits) -> io::Result<W>,
) -> Result<Started, Failure> {
    let mut posts = setup.posts.clone();
    for post in &mut posts {
        post.how.reuse_port |= matches!(setup.model, Model::Loops(_));
    }
    let tls = setup.secure.as_ref().map(|secure| secure.config.clone());
    let record = setup.record.as_ref().map(|(_, facts)| (*facts, setup.model.to_string()));
    let mut job = Job { posts, tls, burn: setup.burn, limits: setup.limits.clone(), record };
    let first = Looped::start(0, job.clone(), world)?;
    let addresses = first.addresses.clone();
    // The system chose ports once; the other loops share them.
    for (post, address) in job.posts.iter_mut().zip(&addresses) {
        post.how.address = address.clone();
    }
    let mut loops = vec![first];
    for number in 1..count {
        loops.push(Looped::start(number, job.clone(), world)?);
    }
    let waits = setup.model != Model::Spin;
    Ok(Started { running: Arc::new(Loops { loops, waits }), addresses })
}

/// A loop on its thread.
struct Looped {
    handle: Handle,
    addresses: Vec<Address>,
    thread: Mutex<Option<JoinHandle<u64>>>,
    last: Arc<Mutex<Snapshot>>,
    /// What it leaves at its end.
    recording: Arc<Mutex<Option<Recording>>>,
}

/// What a loop said of itself.
#[derive(Clone, Default)]
struct Snapshot {
    counters: Counters,
    live: u64,
}

impl Snapshot {
    fn of(env: &Env) -> Self {
        Snapshot { counters: env.counters.clone(), live: env.live as u64 }
    }
}

/// What a loop's thread says when it listens.
type Listening = io::Result<(Handle, Vec<Address>)>;

impl Looped {
    fn start<W: World + 'static>(
        number: usize,
        job: Job,
        world: fn(&Limits) -> io::Result<W>,
    ) -> io::Result<Self> {
        let (say, hear) = mpsc::channel();
        let last = Arc::new(Mutex::new(Snapshot::default()));
        let shared = Arc::clone(&last);
        let recording = Arc::new(Mutex::new(None));
        let left = Arc::clone(&recording);
        let thread = thread::Builder::new()
            .name(format!("loop-{number}"))
            .spawn(move || turn(&job, world, &say, (&*shared, &*left)))?;
        let gone = || io::Error::other("a loop's thread has ended");
        let (handle, addresses) = hear.recv().map_err(|_| gone())??;
        Ok(Looped { handle, addresses, thread: Mutex::new(Some(thread)), last, recording })
    }

    /// Asks the loop to say how it is.
    fn ask(&self, done: &Sender<()>) {
        let (last, done) = (Arc::clone(&self.last), done.clone());
        // A loop that is gone has left its last words.
        let _ = self.handle.exec(move |env| {
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Snapshot::of(env);
            let _ = done.send(());
        });
    }

    fn last(&self) -> Snapshot {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The life of a loop. Answers how many connections were left.
fn turn<W: World>(
    job: &Job,
    world: fn(&Limits) -> io::Result<W>,
    say: &Sender<Listening>,
    (last, recording): (&Mutex<Snapshot>, &Mutex<Option<Recording>>),
) -> u64 {
    let made = world(&job.limits).and_then(|world| {
        let mut reactor = Reactor::with_world(world, job.limits.clone());
        let addresses = listen(&mut reactor, job)?;
        if let Some((facts, _)) = job.record {
            reactor.record(facts);
        }
        Ok((reactor, addresses))
    });
    let mut reactor = match made {
        Ok((reactor, addresses)) => {
            let _ = say.send(Ok((reactor.handle(), addresses)));
            reactor
        }
        Err(error) => {
            let _ = say.send(Err(error));
            return 0;
        }
    };
    if let Err(error) = reactor.run() {
        log::error!(target: "readyloop", "the loop ended: {error}");
    }
    if let Some((_, model)) = &job.record {
        let left = Some(Recording::of(reactor.env(), model));
        *recording.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }
    let snapshot = Snapshot::of(reactor.env());
    let left = snapshot.live;
    *last.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    left
}

fn listen<W: World>(reactor: &mut Reactor<W>, job: &Job) -> io::Result<Vec<Address>> {
    job.posts
        .iter()
        .map(|post| {
            let how: Listen = post.how.clone();
            let token = match (post.kind, &job.tls) {
                (Kind::TcpEcho, _) => reactor.listen(how, Echo),
                (Kind::Https, Some(tls)) => {
                    reactor.listen_tls(how, tls.clone(), Http::new(Bench::new(job.burn)?))
                }
                _ => reactor.listen(how, Http::new(Bench::new(job.burn)?)),
            }?;
            reactor.local_address(token).ok_or_else(|| io::Error::other("no address"))
        })
        .collect()
}

struct Loops {
    loops: Vec<Looped>,
    /// A turn begins with a system call that waits; otherwise it does not.
    waits: bool,
}

impl Running for Loops {
    fn totals(&self) -> Totals {
        let (done, answers) = mpsc::channel();
        self.loops.iter().for_each(|one| one.ask(&done));
        drop(done);
        let until = Instant::now() + PATIENCE;
        for _ in &self.loops {
            let left = until.saturating_duration_since(Instant::now());
            if answers.recv_timeout(left).is_err() {
                break;
            }
        }
        let mut totals = Totals { turns: Some(Turns::default()), ..Totals::default() };
        self.loops.iter().for_each(|one| add(&mut totals, &one.last()));
        if !self.waits {
            totals.calls.polls = 0;
        }
        totals
    }

    fn drain(&self, time: Duration) {
        self.loops.iter().for_each(|one| one.handle.drain(time).unwrap_or_default());
    }

    fn stop(&self) {
        self.loops.iter().for_each(|one| one.handle.stop().unwrap_or_default());
    }

    fn wait(&self) -> u64 {
        let join = |one: &Looped| {
            let thread = one.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            thread.and_then(|thread| thread.join().ok()).unwrap_or(0)
        };
        self.loops.iter().map(join).sum()
    }

    fn recordings(&self) -> Vec<Recording> {
        let take =
            |one: &Looped| one.recording.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.loops.iter().filter_map(take).collect()
    }
}

fn add(totals: &mut Totals, snapshot: &Snapshot) {
    let Snapshot { counters, live } = snapshot;
    totals.connections += live;
    totals.responses += counters.responses.iter().sum::<u64>();
    let calls = &mut totals.calls;
    *calls = Calls {
        polls: calls.polls + counters.turns,
        reads: calls.reads + counters.reads,
        writes: calls.writes + counters.writes,
        would_blocks: calls.would_blocks + counters.would_blocks + counters.accepts_in_vain,
        accepts: calls.accepts + counters.accepted,
    };
    if let Some(turns) = &mut totals.turns {
        turns.count += counters.turns;
        turns.events += counters.events;
        turns.budget_stops += counters.budget_stops;
        spread(&mut turns.busy, &counters.busy);
        spread(&mut turns.late, &counters.late);
    }
}

fn spread(sum: &mut Vec<u64>, more: &Spread) {
    sum.resize(Spread::BUCKETS, 0);
    sum.iter_mut().zip(&more.0).for_each(|(sum, more)| *sum += more);
}
