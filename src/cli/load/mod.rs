//! `readyloop load`: the load generator as a command, for any server.
//!
//! The generator itself is in `load`; here are its flags, its clock and CPUs, signals, and what is
//! printed.

mod asked;
mod leave;
mod spent;
mod summary;
pub(super) mod trust;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::signal::{SIGINT, SIGTERM};

use self::asked::{Also, Rate};
use self::leave::Leave;
use self::spent::Spent;
use super::cpus::Cpus;
use super::failure::{Failure, Kind};
use super::{serve, units};
use crate::load::{Clock, Driver, Event, Fresh, Pace, Plan, Url};
use crate::measure::Outcome;
use crate::reactor::edge::Edge;
use crate::reactor::world::World;
use crate::{CloseReason, Limits, Reactor};

const LOOPS: &str = "\
Closed and open loops:
  Without --rate the loop is closed: each connection sends its next request when it has the answer
  to its last. It shows how much a server can do. It does not show how long users wait: while the
  server is slow it is asked less, so its worst moments hardly count.
  With --rate the loop is open: requests are due at planned times, whatever the server does, and
  latency counts from the time a request was *meant* to be sent. A server that stands still for a
  second makes all wait that were due in it, and that shows. The time since a request was really
  sent, which is what most tools print, is shown beside it as `service`.
  Ask the closed loop for the capacity, then an open loop at a half of it for the latency.

Examples:
  readyloop load http://127.0.0.1:8080/plaintext
  readyloop load https://localhost:8443/ -c 256 -d 30s --insecure
  readyloop load http://127.0.0.1:8080/ --rate 20k                  20,000 requests a second
  readyloop load http://127.0.0.1:8080/ --rate 5k:10s,30k:5s,5k:10s an overload, and after
  readyloop load http://127.0.0.1:8080/ --fresh                     a connection for each request
  readyloop load https://127.0.0.1:8443/ --fresh --handshakes --insecure
  readyloop load http://127.0.0.1:8080/ --idle 10000 -c 16          many idle, few active
  readyloop load http://127.0.0.1:8080/plaintext --also http://127.0.0.1:8080/compute/10000@1
  readyloop load tcp://127.0.0.1:7007 --size 1k";

const WHAT: &str = "What is asked";
const HOW: &str = "How often";
const BESIDE: &str = "Beside it";
const OUTPUT: &str = "Output";

/// Ask a server for much, check every answer, and say how long it took
#[derive(Debug, Args)]
#[command(after_long_help = format!("{LOOPS}\n\n{}", super::failure::EXIT_CODES))]
pub(super) struct Load {
    /// What to ask: http, https, ws or wss with a path; tcp or udp for bytes that come back
    url: Url,

    /// Connections that ask
    #[arg(short, long, value_name = "N", default_value_t = 64, help_heading = HOW)]
    connections: usize,
    /// How long to measure [default: 10s, or the length of all --rate phases]
    #[arg(short, long, value_name = "TIME", value_parser = units::parse_time, help_heading = HOW)]
    duration: Option<Duration>,
    /// How long to ask before that
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = units::parse_time, help_heading = HOW)]
    warmup: Duration,
    /// Requests a second, whatever the server does: an open loop. R:TIME,R:TIME,… for phases
    #[arg(long, value_name = "R", help_heading = HOW)]
    rate: Option<Rate>,
    /// Requests that a connection sends before it waits for answers
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = HOW)]
    pipeline: usize,
    /// A connection for each request
    #[arg(long, help_heading = HOW)]
    fresh: bool,
    /// TLS handshakes and nothing else; with --fresh
    #[arg(long, requires = "fresh", help_heading = HOW)]
    handshakes: bool,
    /// How long an answer, or a connection, may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::parse_time, help_heading = HOW)]
    timeout: Duration,

    /// Ask this too, so often of a hundred; can be repeated
    #[arg(long, value_name = "URL@PERCENT", help_heading = WHAT)]
    also: Vec<Also>,
    /// Bytes of a message, for tcp, udp and ws
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = units::parse_size, help_heading = WHAT)]
    size: u64,
    /// Trust any certificate
    #[arg(long, help_heading = WHAT)]
    insecure: bool,
    /// Trust the certificates in this file, and no others
    #[arg(long, value_name = "FILE", conflicts_with = "insecure", help_heading = WHAT)]
    ca: Option<PathBuf>,

    /// More connections that only stay open
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = BESIDE)]
    idle: usize,
    /// More connections that ask for /bytes/1048576 and read it slowly
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = BESIDE)]
    slow_readers: usize,
    /// More connections that send their requests a byte at a time
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = BESIDE)]
    slow_writers: usize,

    /// Run on these CPUs only: 0 or 0,1 or 2-3
    #[arg(long, value_name = "LIST", help_heading = OUTPUT)]
    cpus: Option<Cpus>,
    /// Print the outcome as JSON, for machines
    #[arg(long, help_heading = OUTPUT)]
    json: bool,
    /// Say on stdout when connections are open and answered, and when the measured window begins and
    /// ends; then stay until a line comes on stdin, or its end
    #[arg(long, hide = true)]
    cues: bool,
}

/// Descriptors that the process needs besides its connections.
const SPARE: usize = 32;

impl Load {
    pub(super) fn run(&self) -> Result<(), Failure> {
        if let Some(cpus) = &self.cpus {
            cpus.pin()?;
        }
        let plan = self.plan()?;
        plan.check().map_err(|what| Failure::new(Kind::Usage, what))?;
        descriptors(&plan)?;
        let mut reactor = Reactor::new(limits(&plan))?;
        let clock = clock(&mut reactor);
        let tls = trust::peer(&plan.url, self.insecure, self.ca.as_deref())?;
        let driver = Driver::new(plan, tls, reactor, clock)?;
        let mut run = Run::new(driver, self)?;
        run.finish()?;
        run.report(self)
    }

    /// Every option, as whoever reruns it wants them.
    fn options(&self) -> BTreeMap<String, String> {
        let mut options = BTreeMap::new();
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                options.insert(name.to_owned(), value);
            }
        };
        let flag = |is: bool| is.then(|| "true".to_owned());
        let some = |count: usize| (count > 0).then(|| count.to_string());
        put("connections", Some(self.connections.to_string()));
        put("duration", self.duration.map(units::show_time));
        put("warmup", Some(units::show_time(self.warmup)));
        put("rate", self.rate.as_ref().map(ToString::to_string));
        put("pipeline", Some(self.pipeline.to_string()));
        put("fresh", flag(self.fresh));
        put("handshakes", flag(self.handshakes));
        put("timeout", Some(units::show_time(self.timeout)));
        let also: Vec<String> = self.also.iter().map(ToString::to_string).collect();
        put("also", (!also.is_empty()).then(|| also.join(" ")));
        put("size", (!self.url.scheme.is_http()).then(|| self.size.to_string()));
        put("insecure", flag(self.insecure));
        put("ca", self.ca.as_ref().map(|file| file.display().to_string()));
        put("idle", some(self.idle));
        put("slow-readers", some(self.slow_readers));
        put("slow-writers", some(self.slow_writers));
        put("cpus", self.cpus.as_ref().map(ToString::to_string));
        options
    }

    fn plan(&self) -> Result<Plan, Failure> {
        let (pace, lasts) = match (&self.rate, self.duration) {
            (None, lasts) => (Pace::Closed, lasts.unwrap_or(Duration::from_secs(10))),
            (Some(rate), lasts) => {
                let phases = rate.phases(lasts).map_err(|what| Failure::new(Kind::Usage, what))?;
                let lasts = phases.iter().map(|phase| phase.lasts).sum();
                (Pace::Open(phases), lasts)
            }
        };
        let fresh = match (self.fresh, self.handshakes) {
            (false, _) => Fresh::Kept,
            (true, false) => Fresh::Request,
            (true, true) => Fresh::Handshake,
        };
        for Also { url, .. } in &self.also {
            if (url.scheme, &url.host, url.port) != (self.url.scheme, &self.url.host, self.url.port)
            {
                let what = format!("--also {url} is not on the same server as {}", self.url);
                return Err(Failure::new(Kind::Usage, what));
            }
        }
        Ok(Plan {
            address: resolve(&self.url)?,
            url: self.url.clone(),
            also: self.also.iter().map(|also| (also.url.clone(), also.share)).collect(),
            connections: self.connections,
            depth: self.pipeline,
            fresh,
            pace,
            warmup: self.warmup,
            lasts,
            patience: self.timeout,
            size: usize::try_from(self.size).unwrap_or(usize::MAX),
            idle: self.idle,
            slow_readers: self.slow_readers,
            slow_writers: self.slow_writers,
        })
    }
}

fn resolve(url: &Url) -> Result<SocketAddr, Failure> {
    let unknown = |why: String| {
        Failure::new(Kind::Address, format!("{} is not known: {why}", url.host))
            .advise("name a host of this network, or its address: http://127.0.0.1:8080/")
    };
    let mut found =
        (&*url.host, url.port).to_socket_addrs().map_err(|error| unknown(error.to_string()))?;
    found.next().ok_or_else(|| unknown("it has no address".into()))
}

/// A connection is a descriptor.
fn descriptors(plan: &Plan) -> Result<(), Failure> {
    let needed = plan.connections + plan.beside() + SPARE;
    match serve::raise_descriptors() {
        Some(limit) if limit < needed as u64 => {
            let what = format!("{needed} descriptors are needed, and {limit} are allowed");
            Err(Failure::new(Kind::Usage, what)
                .advise(format!("raise the limit first:  ulimit -n {needed}"))
                .advise("or ask for fewer connections"))
        }
        _ => Ok(()),
    }
}

fn limits(plan: &Plan) -> Limits {
    Limits {
        connections: usize::MAX,
        // Whatever a server answers is read to its end.
        body_bytes: u64::MAX,
        head_bytes: 64 * 1024,
        // A whole message is written at once, and its answer waits for nothing.
        backlog_cap: Limits::default().backlog_cap.max(2 * plan.size * plan.depth),
        handshakes_per_turn: 64,
        handshake: plan.patience,
        ..Limits::default()
    }
}

/// The precise time, on the scale of the loop's own clock.
fn clock(reactor: &mut Reactor<Edge>) -> Clock {
    let (now, instant) = (reactor.world().now(), Instant::now());
    Rc::new(move || now + instant.elapsed())
}

/// A run, and who watches it.
struct Run<W: World> {
    driver: Driver<W>,
    cues: bool,
    bar: ProgressBar,
    interrupted: Arc<AtomicBool>,
    asked_to_stop: bool,
    begin: Option<(Instant, Spent)>,
    end: Option<Spent>,
    /// Until when it stays, with cues.
    leave: Option<Leave>,
}

impl<W: World> Run<W> {
    fn new(driver: Driver<W>, load: &Load) -> Result<Self, Failure> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The second signal ends the process at once.
            let flag = Arc::clone(&interrupted);
            signal_hook::flag::register_conditional_shutdown(signal, 6, Arc::clone(&flag))?;
            signal_hook::flag::register(signal, flag)?;
        }
        let shows = !load.json && !load.cues && io::stderr().is_terminal();
        let bar = if shows { bar() } else { ProgressBar::hidden() };
        let mut run = Run {
            driver,
            cues: load.cues,
            bar,
            interrupted,
            asked_to_stop: false,
            begin: None,
            end: None,
            leave: None,
        };
        run.driver.hold(load.cues);
        Ok(run)
    }

    fn finish(&mut self) -> Result<(), Failure> {
        loop {
            if self.interrupted.load(Ordering::Relaxed) && !self.asked_to_stop {
                self.asked_to_stop = true;
                self.driver.hold(false);
                self.driver.interrupt();
            }
            if self.leave.as_ref().is_some_and(Leave::is_given) {
                self.driver.hold(false);
            }
            match self.driver.step()? {
                Event::None => {}
                Event::Open => self.opened()?,
                Event::Begin => {
                    self.begin = Some((Instant::now(), Spent::now()?));
                    self.cue("begin")?;
                }
                Event::End => {
                    self.end = Some(Spent::now()?);
                    self.cue("end")?;
                    self.leave = self.cues.then(Leave::ask);
                }
                Event::Done => break,
            }
            self.show();
        }
        self.bar.finish_and_clear();
        Ok(())
    }

    fn opened(&mut self) -> Result<(), Failure> {
        if !self.driver.reached() && self.driver.expects_open() {
            let why = self.driver.failure().map(|why| why.to_string());
            let why = self.driver.fault().or(why).unwrap_or("nothing answers".into());
            let url = self.driver.url();
            self.bar.finish_and_clear();
            let failure =
                Failure::new(Kind::Runtime, format!("{url}: no connection could be made: {why}"));
            return Err(match self.driver.failure() {
                Some(CloseReason::Tls) => failure
                    .advise("--ca FILE trusts the authority of its certificate, --insecure any"),
                _ => failure.advise("is the server running, and at this address?"),
            });
        }
        self.cue("open")
    }

    /// For whoever runs us, who reads whole lines.
    fn cue(&self, name: &str) -> Result<(), Failure> {
        if self.cues {
            let mut out = io::stdout().lock();
            writeln!(out, "{{\"cue\":\"{name}\"}}")?;
            out.flush()?;
        }
        Ok(())
    }

    fn show(&self) {
        if self.bar.is_hidden() {
            return;
        }
        let (answered, errors) = self.driver.progress();
        let lasts = self.driver.lasts();
        let gone = self.begin.as_ref().map_or(Duration::ZERO, |(begin, _)| begin.elapsed());
        let gone = gone.min(lasts);
        self.bar.set_length(lasts.as_millis() as u64);
        self.bar.set_position(gone.as_millis() as u64);
        let rate = answered as f64 / gone.as_secs_f64().max(1e-3);
        self.bar.set_message(format!("{rate:.0} answers/s, {errors} errors"));
    }

    fn report(&self, load: &Load) -> Result<(), Failure> {
        let mut outcome = self.driver.outcome();
        outcome.options = load.options();
        if let Some((_, begin)) = &self.begin {
            let spins = outcome.client.spins;
            outcome.client = match &self.end {
                Some(end) => end.since(begin),
                None => Spent::now()?.since(begin),
            };
            outcome.client.spins = spins;
        }
        print(&outcome, load.json)
    }
}

fn print(outcome: &Outcome, json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, outcome).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        out.write_all(summary::text(outcome).as_bytes())?;
    }
    Ok(out.flush()?)
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(1);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}") {
        bar.set_style(style);
    }
    bar
}
