//! One run: a fresh server, a fresh load, and what both say of it.
//!
//! The comparison carries out its plan with it. The server is sampled before its first connection
//! and when the load says that its window begins and ends.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::cpus::Cpus;
use super::child::{Child, Halt};
use super::system;
use crate::compare::load::{Load, Pace};
use crate::compare::recovery::recovery_ms;
use crate::compare::result::Run;
use crate::measure::{Outcome, Ready, Sample};

/// How long a server may take to listen. One that is compiled first needs a while, once.
const START: Duration = Duration::from_secs(120);

/// How long a server may take to answer a question, and a load to tell of its end.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may take to be made, on top of that.
const EACH_CONNECTION: Duration = Duration::from_millis(2);

/// How long a load waits, when all are connected, for each to have been answered once: its own
/// patience.
const ANSWERS: Duration = Duration::from_secs(5);

/// What the load says while it runs.
#[derive(Debug, Deserialize)]
struct Cue {
    cue: String,
}

/// The place of the trials.
pub(super) struct Ground {
    program: PathBuf,
    pub(super) server_cpus: Cpus,
    pub(super) client_cpus: Cpus,
    /// Set by Ctrl-C.
    pub(super) stop: Arc<AtomicBool>,
}

/// A server under control.
pub(super) struct Server {
    child: Child,
    pub(super) ready: Ready,
}

impl Ground {
    pub(super) fn new(server_cpus: Cpus, client_cpus: Cpus, stop: Arc<AtomicBool>) -> Self {
        // Where it is not known, the name by which it was called is as good.
        let program = env::current_exe().unwrap_or_else(|_| "readyloop".into());
        Ground { program, server_cpus, client_cpus, stop }
    }

    /// Starts a model with one row, which is enough for one load.
    pub(super) fn serve(&self, model: &str, row: &str) -> Result<Server, Halt> {
        let mut command = Command::new(&self.program);
        command.args(["serve", "--control", "--model", model]).args(keep_to(&self.server_cpus));
        for other in ["http", "https", "tcp-echo"] {
            let place = if other == row { "127.0.0.1:0" } else { "off" };
            command.args([format!("--{other}"), place.into()]);
        }
        let mut child = Child::start(format!("the server {model}"), &mut command, &self.stop)?;
        let ready = parse(&child.line(Instant::now() + START)?)?;
        Ok(Server { child, ready })
    }

    /// Starts a load.
    pub(super) fn load(&self, load: &Load, address: &str, pace: &Pace) -> Result<Child, Halt> {
        let mut command = Command::new(&self.program);
        command.arg("load").args(load.arguments(address, pace)).args(["--json", "--cues"]);
        command.args(keep_to(&self.client_cpus));
        Child::start("the load", &mut command, &self.stop)
    }

    /// The whole run.
    pub(super) fn run(&self, model: &str, load: &Load, pace: &Pace) -> Result<Run, Halt> {
        let (overflows, queued) = (system::accept_overflows(), system::queued_bytes());
        let mut server = self.serve(model, load.workload.row())?;
        let mut run = Run { idle: server.sample()?, ..Run::default() };
        let slabs = system::slab_bytes();
        let mut client = self.load(load, server.address(load)?, pace)?;

        let shape = load.shape(pace.connections);
        let open = u32::try_from(shape.connections + shape.beside).unwrap_or(u32::MAX);
        let begin =
            Instant::now() + PATIENCE + EACH_CONNECTION * open + ANSWERS + load.warmup(pace);
        let end = begin + load.window(pace);
        cue(&mut client, "open", begin)?;
        let slabs_now = system::slab_bytes();
        cue(&mut client, "begin", begin)?;
        run.before = server.totals()?;
        self.disturb(&server, load, pace);
        cue(&mut client, "end", end)?;
        // The load still holds everything. The kernel's figures first: a busy server takes its time.
        let overflowed = system::accept_overflows();
        let queued_now = system::queued_bytes();
        run.after = server.sample()?;
        release(&mut client);
        let since = |before: Option<u64>, after: Option<u64>| Some(after?.saturating_sub(before?));
        run.accept_overflows = since(overflows, overflowed).unwrap_or(0);
        run.slab_bytes = slabs_now.zip(slabs).map(|(after, before)| after - before);
        run.kernel_bytes = queued_now.zip(queued).map(|(after, before)| after - before);

        run.load = outcome(&mut client, end + PATIENCE)?;
        client.finish(Instant::now() + PATIENCE)?;
        // A graceful end would only take time: what was measured is measured.
        drop(server);
        run.recovery_ms =
            load.disturbed(pace).and_then(|times| recovery_ms(&run.load.ticks, times));
        Ok(run)
    }

    /// Stops the server for a while in the middle of the window, if the load is about that.
    fn disturb(&self, server: &Server, load: &Load, pace: &Pace) {
        let stop = load.stop();
        if let Some((from, _)) = load.disturbed(pace).filter(|_| !stop.is_zero()) {
            self.pause(from);
            server.child.signal(Signal::SIGSTOP);
            self.pause(stop);
            server.child.signal(Signal::SIGCONT);
        }
    }

    /// Waits, but not longer than the user does.
    pub(super) fn pause(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.stop.load(Ordering::Relaxed) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(Duration::from_millis(20)));
        }
    }
}

impl Server {
    /// Where it listens for a load.
    pub(super) fn address(&self, load: &Load) -> Result<&str, Halt> {
        let row = load.workload.row();
        let address = self.ready.rows.get(row).map(String::as_str);
        address.ok_or_else(|| Halt::Failed(format!("the server {} has no {row}", self.ready.model)))
    }

    /// What it says of itself now.
    pub(super) fn sample(&mut self) -> Result<Sample, Halt> {
        self.ask("sample")
    }

    /// The part of it that takes no time to tell.
    fn totals(&mut self) -> Result<Sample, Halt> {
        self.ask("totals")
    }

    fn ask(&mut self, question: &str) -> Result<Sample, Halt> {
        self.child.say(question)?;
        parse(&self.child.line(Instant::now() + PATIENCE)?)
    }

    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

/// The flag that keeps a process to its CPUs, if it has some of its own.
fn keep_to(cpus: &Cpus) -> Option<String> {
    (!cpus.numbers().is_empty()).then(|| format!("--cpus={cpus}"))
}

/// Waits until the load says that it is so far.
pub(super) fn cue(client: &mut Child, name: &str, deadline: Instant) -> Result<(), Halt> {
    loop {
        let cue: Cue = parse(&client.line(deadline)?)?;
        if cue.cue == name {
            return Ok(());
        }
    }
}

/// Lets the load end: until then it closes nothing and reports nothing. One that has gone already
/// says so when it is asked what it found, and one that is dropped is ended.
pub(super) fn release(client: &mut Child) {
    let _ = client.say("");
}

/// What the load found: its line that is no cue.
pub(super) fn outcome(client: &mut Child, deadline: Instant) -> Result<Outcome, Halt> {
    loop {
        let line = client.line(deadline)?;
        if serde_json::from_str::<Cue>(&line).is_err() {
            return parse(&line);
        }
    }
}

fn parse<T: DeserializeOwned>(line: &str) -> Result<T, Halt> {
    serde_json::from_str(line).map_err(|error| {
        let start: String = line.chars().take(80).collect();
        Halt::Failed(format!("a line that is not understood ({error}): {start}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::start("the load", &mut command, &Arc::default()).expect("a shell")
    }

    #[test]
    fn cues_are_waited_for_and_the_rest_is_the_outcome() {
        let json = serde_json::to_string(&Outcome { answered: 7, ..Outcome::default() });
        let json = json.expect("plain data");
        let script = format!(
            "for cue in open begin end; do echo \"{{\\\"cue\\\":\\\"$cue\\\"}}\"; done; echo '{json}'"
        );
        let mut load = client(&script);
        let soon = Instant::now() + PATIENCE;
        assert_eq!(cue(&mut load, "begin", soon), Ok(()));
        assert_eq!(outcome(&mut load, soon).map(|outcome| outcome.answered), Ok(7));
        assert_eq!(load.finish(soon), Ok(()));
    }

    #[test]
    fn a_load_tells_what_it_found_after_it_is_released() {
        let json = serde_json::to_string(&Outcome::default()).expect("plain data");
        let mut load =
            client(&format!("echo '{{\"cue\":\"end\"}}'; read line || exit 9; echo '{json}'"));
        let soon = Instant::now() + PATIENCE;
        assert_eq!(cue(&mut load, "end", soon), Ok(()));
        release(&mut load);
        assert_eq!(outcome(&mut load, soon), Ok(Outcome::default()));
        assert_eq!(load.finish(soon), Ok(()));
        // One that has gone is heard of as well.
        let mut gone = client(&format!("echo '{json}'"));
        assert_eq!(outcome(&mut gone, soon), Ok(Outcome::default()));
        release(&mut gone);
        assert_eq!(gone.finish(soon), Ok(()));
    }

    #[test]
    fn a_line_that_is_not_understood_is_shown() {
        let mut load = client("echo nonsense");
        let Err(Halt::Failed(what)) = cue(&mut load, "open", Instant::now() + PATIENCE) else {
            panic!("it is no cue");
        };
        assert!(what.ends_with("nonsense"), "{what}");
    }
}
