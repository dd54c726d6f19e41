//! `readyloop serve --model`: the service of a comparison, by one I/O model or another.
//!
//! `serve` calls it with rows that are planned already. Each model has a file or a folder that knows
//! how to run it; `control.rs` waits for signals and questions, the same for all.

mod control;
mod goroutines;
mod looping;
mod options;
mod process;
mod running;
mod threading;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

use super::banner::{self, Note};
use super::cpus::Cpus;
use super::failure::{Failure, Kind as Fault};
use super::flight;
use super::row::Kind;
use super::tls::Secure;
use crate::Limits;
use crate::app::bench::{Bench, Burn};
use crate::app::echo::Echo;
use crate::app::site::Row;
use crate::measure::Ready;
use crate::session::Service;
use crate::session::http::Http;
use crate::socket::Listen;
use running::Started;

/// The I/O models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    /// One connection at a time.
    Blocking,
    /// A thread per connection.
    Threads,
    /// An acceptor and so many workers.
    Pool(usize),
    /// One loop that tries every socket in every turn.
    Spin,
    /// One level-triggered loop.
    Level,
    /// One edge-triggered loop.
    Loop,
    /// So many of them, on one port; as many as CPUs if nothing is said.
    Loops(Option<usize>),
    /// Goroutines, by a server of its own.
    Go,
}

/// Workers of a pool, if nothing is said.
const WORKERS: usize = 64;

/// More threads than anybody means.
const MOST: usize = 10_000;

impl Model {
    /// What it is, in a few words.
    const fn what(self) -> &'static str {
        match self {
            Model::Blocking => "one connection at a time",
            Model::Threads => "a thread per connection",
            Model::Pool(_) => "an acceptor and a pool of workers",
            Model::Spin => "one thread that tries every socket in every turn",
            Model::Level => "one thread, one level-triggered loop",
            Model::Loop => "one thread, one edge-triggered loop",
            Model::Loops(_) => "a loop per thread, SO_REUSEPORT",
            Model::Go => "a goroutine per connection",
        }
    }
}

impl FromStr for Model {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, count) = match text.split_once('=') {
            None => (text, None),
            Some((name, count)) => match count.parse() {
                Ok(count @ 1..=MOST) => (name, Some(count)),
                _ => return Err(format!("{name} takes a number from 1 to {MOST}")),
            },
        };
        match (name, count) {
            ("pool", count) => Ok(Model::Pool(count.unwrap_or(WORKERS))),
            ("loops", count) => Ok(Model::Loops(count)),
            ("blocking", None) => Ok(Model::Blocking),
            ("threads", None) => Ok(Model::Threads),
            ("spin", None) => Ok(Model::Spin),
            ("level", None) if cfg!(target_os = "linux") => Ok(Model::Level),
            ("level", None) => Err("level is for Linux only".into()),
            ("loop", None) => Ok(Model::Loop),
            ("go", None) => Ok(Model::Go),
            ("blocking" | "threads" | "spin" | "level" | "loop" | "go", Some(_)) => {
                Err(format!("{name} takes no number"))
            }
            _ => {
                Err("a model is blocking, threads, pool[=N], spin, level, loop, loops[=N] or go"
                    .into())
            }
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Model::Blocking => f.write_str("blocking"),
            Model::Threads => f.write_str("threads"),
            Model::Pool(workers) => write!(f, "pool={workers}"),
            Model::Spin => f.write_str("spin"),
            Model::Level => f.write_str("level"),
            Model::Loop => f.write_str("loop"),
            Model::Go => f.write_str("go"),
            Model::Loops(None) => f.write_str("loops"),
            Model::Loops(Some(count)) => write!(f, "loops={count}"),
        }
    }
}

/// A row that a model serves, at one address.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) kind: Kind,
    pub(super) how: Listen,
}

/// What `serve` has made of its arguments.
pub(super) struct Setup {
    pub(super) model: Model,
    pub(super) limits: Limits,
    pub(super) posts: Vec<Post>,
    /// Rows that are served as a rule and not by a model.
    pub(super) left_out: Vec<Kind>,
    pub(super) secure: Option<Secure>,
    pub(super) burn: Burn,
    pub(super) drain: Duration,
    pub(super) cpus: Option<Cpus>,
    /// CPUs that it may use and is not kept to: whoever samples does so there.
    pub(super) elsewhere: Option<Cpus>,
    pub(super) control: bool,
    pub(super) quiet: bool,
    /// Where the last facts go at the end, and how many.
    pub(super) record: Option<(PathBuf, usize)>,
}

/// True if models serve such a row.
pub(super) fn serves(kind: Kind) -> bool {
    matches!(kind, Kind::Http | Kind::Https | Kind::TcpEcho)
}

/// The service of a row, for one thread.
fn service(kind: Kind, burn: Burn) -> io::Result<Rc<dyn Service>> {
    Ok(match kind {
        Kind::TcpEcho => Rc::new(Echo),
        _ => Rc::new(Http::new(Bench::new(burn)?)),
    })
}

/// Serves until a signal, or the end of the control's questions, ends it.
pub(super) fn run(setup: &Setup) -> Result<(), Failure> {
    // Those of the command itself: this one, and the log's.
    let own = process::threads().unwrap_or(1);
    let Started { running, addresses } = match setup.model {
        Model::Blocking | Model::Threads | Model::Pool(_) => threading::start(setup)?,
        Model::Spin | Model::Level | Model::Loop | Model::Loops(_) => looping::start(setup)?,
        Model::Go if setup.record.is_some() => {
            let what = "--record: not with --model go, which is another program";
            return Err(Failure::new(Fault::Usage, what));
        }
        Model::Go => return Err(goroutines::become_server(setup)),
    };
    let options = options::of(setup);
    let names = setup.posts.iter().map(|post| post.kind.name().to_owned());
    let rows = names.zip(addresses.iter().map(ToString::to_string)).collect();
    let ready = Ready { model: setup.model.to_string(), rows, options };
    let desk = control::start(setup, &running, own)?;
    if setup.control {
        control::say(&ready)?;
    } else if !setup.quiet {
        banner(setup, &ready, &addresses);
    }
    let left = running.wait();
    desk.close();
    if let Some((file, _)) = &setup.record {
        let recordings = running.recordings();
        recordings.iter().enumerate().for_each(|(number, each)| flight::keep(file, number, each));
    }
    let totals = running.totals();
    log::info!(target: "readyloop", "ended: {} connections, {} replies", totals.calls.accepts, totals.responses);
    if left > 0 {
        let what = format!("stopped with {left} connections open");
        return Err(Failure::new(Fault::Stopped, what));
    }
    Ok(())
}

fn banner(setup: &Setup, ready: &Ready, addresses: &[crate::socket::Address]) {
    let row = |(post, at): (&Post, &crate::socket::Address)| Row {
        name: post.kind.name(),
        what: post.kind.what(),
        address: at.to_string(),
        try_it: post.kind.try_it(at, setup.secure.as_ref()),
    };
    let rows: Vec<_> = setup.posts.iter().zip(addresses).map(row).collect();
    let options = ready.options.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let mut notes = vec![Note { name: "options", lines: options }];
    if !setup.left_out.is_empty() {
        let line = |kind: &Kind| format!("{}: not with --model {}", kind.name(), setup.model);
        notes.push(Note { name: "left out", lines: setup.left_out.iter().map(line).collect() });
    }
    let title = format!("--model {}: {}", setup.model, setup.model.what());
    banner::print(banner::render(&title, &rows, &notes).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_read_and_shown() {
        for (text, model) in [
            ("blocking", Model::Blocking),
            ("threads", Model::Threads),
            ("pool=8", Model::Pool(8)),
            ("spin", Model::Spin),
            ("loop", Model::Loop),
            ("go", Model::Go),
            ("loops", Model::Loops(None)),
            ("loops=2", Model::Loops(Some(2))),
        ] {
            assert_eq!(text.parse(), Ok(model));
            assert_eq!(model.to_string(), text);
        }
        assert_eq!("pool".parse(), Ok(Model::Pool(WORKERS)));
        for text in ["", "loop=2", "pool=0", "pool=", "pool=x", "loops=99999", "go=1", "epoll"] {
            assert!(text.parse::<Model>().is_err(), "{text}");
        }
    }
}
