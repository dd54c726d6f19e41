//! The flight recorder of `serve`: the loop's last facts, written to a file when they are wanted.
//!
//! They are wanted after a stall, on SIGUSR1, after a panic and at the end. The loop only copies
//! them; a thread writes the file, except where there is no loop any more. A stall is also said in
//! the log.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clap::{ArgAction, Args};

use super::banner::Note;
use super::failure::{Failure, Kind as Fault};
use super::serve::parse_switch;
use crate::Reactor;
use crate::probe::{Label, Labels, Stall};
use crate::scope::page::Who;
use crate::scope::recording::Recording;
use crate::scope::text::{Clean, Span};
use crate::session::Env;
use crate::time::Moment;

const HEADING: &str = "Watching";

/// Files of one run; then the oldest is written over.
const FILES: usize = 8;

/// Between two lines of the log about stalls, and between two files because of them.
const BETWEEN_LINES: Duration = Duration::from_secs(1);
const BETWEEN_FILES: Duration = Duration::from_secs(60);

/// What is recorded, and where it goes.
#[derive(Debug, Args)]
pub(super) struct Flight {
    /// Watch the loop: keep its last facts and time each call, for recordings and the live page
    #[arg(long, value_name = "on|off", default_value = "on", action = ArgAction::Set, value_parser = parse_switch, help_heading = HEADING)]
    scope: bool,
    /// Who may look at the live page, /_loop: peers on this machine, or whoever can connect
    #[arg(long, value_name = "WHO", default_value = "loopback", value_parser = parse_who, help_heading = HEADING)]
    scope_from: Who,
    /// How many facts are kept, of 40 bytes each
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(64..=1 << 26), help_heading = HEADING)]
    scope_facts: u32,
    /// Write them to this file after a stall (once a minute at most), on SIGUSR1, after a panic and
    /// at the end: FILE, then FILE.1 to FILE.7. With --model at the end only, one for each loop.
    /// `readyloop scope FILE` reads them
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    record: Option<PathBuf>,
}

fn parse_who(text: &str) -> Result<Who, String> {
    match text {
        "loopback" => Ok(Who::Loopback),
        "anywhere" => Ok(Who::Anyone),
        _ => Err("loopback or anywhere".into()),
    }
}

impl Flight {
    /// Who may look at the live page, if there is one.
    pub(super) fn audience(&self) -> Option<Who> {
        self.scope.then_some(self.scope_from)
    }

    /// Where a recording goes, if there is to be one, and of how many facts it is.
    pub(super) fn file(&self) -> Result<Option<(&Path, usize)>, Failure> {
        let Some(file) = &self.record else { return Ok(None) };
        if !self.scope {
            let what = "--record needs the scope, and --scope off turns it off";
            return Err(Failure::new(Fault::Usage, what));
        }
        // Now, and not when it is too late. What is there already stays until then.
        let opened = File::options().append(true).create(true).open(file);
        opened.map_err(|error| {
            let what = format!("cannot write the recording {}: {error}", file.display());
            Failure::new(Fault::Runtime, what)
        })?;
        Ok(Some((file, self.scope_facts as usize)))
    }

    /// Begins to record a loop, if it is to be watched.
    pub(super) fn start(
        &self,
        reactor: &mut Reactor,
        descriptors: Option<u64>,
    ) -> Result<Recorder, Failure> {
        let file = self.file()?;
        let files = file.map(|(file, _)| Rc::new(Files::new(file)));
        if self.scope {
            let limit = descriptors.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0);
            reactor.env().recorder.set_descriptor_limit(limit);
            reactor.record(self.scope_facts as usize);
            let (mut stalls, files) = (Stalls::default(), files.clone());
            reactor.on_stall(Box::new(move |stall, env| {
                if let Some(line) = stalls.heard(stall, env.recorder.labels()) {
                    log::warn!(target: "readyloop", "{line}");
                }
                if let Some(files) = &files
                    && stalls.wants_file(stall)
                {
                    files.write_later(Recording::of(env, MODEL));
                }
            }));
        }
        Ok(Recorder { files, facts: self.scope_facts })
    }
}

/// How the loop of `serve` waits.
const MODEL: &str = "loop";

/// Writes recordings of a loop.
pub(super) struct Recorder {
    files: Option<Rc<Files>>,
    facts: u32,
}

impl Recorder {
    /// What SIGUSR1 does.
    pub(super) fn on_signal(&self) -> impl FnMut(&mut Env) + 'static {
        let files = self.files.clone();
        move |env| match &files {
            Some(files) => files.write_later(Recording::of(env, MODEL)),
            None => log::info!(target: "readyloop", "SIGUSR1: --record FILE says where to"),
        }
    }

    /// Runs the loop, and writes what is left of it when it has ended, or has panicked.
    pub(super) fn run(&self, reactor: &mut Reactor) -> io::Result<()> {
        let ended = catch_unwind(AssertUnwindSafe(|| reactor.run()));
        if let Some(files) = &self.files {
            files.write_last(&Recording::of(reactor.env(), MODEL));
        }
        // Nothing is hidden: it ends as it would have without a recorder.
        ended.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// What the banner says of it.
    pub(super) fn note(&self) -> Option<Note> {
        let file = self.files.as_ref()?.shared.file(0);
        let line = format!(
            "the last {} facts go to {} after a stall, at the end, and on kill -USR1 {}",
            self.facts.next_power_of_two(),
            file.display(),
            std::process::id()
        );
        Some(Note { name: "record", lines: vec![line] })
    }
}

/// When stalls are told of.
struct Stalls {
    /// Not before this: a line, a file.
    line: Moment,
    file: Moment,
    untold: u64,
}

impl Default for Stalls {
    fn default() -> Self {
        Stalls { line: Moment::START, file: Moment::START, untold: 0 }
    }
}

impl Stalls {
    /// The line for the log, if it is time for one.
    fn heard(&mut self, stall: &Stall, labels: &Labels) -> Option<String> {
        let now = stall.began + stall.took;
        if now < self.line {
            self.untold += 1;
            return None;
        }
        self.line = now + BETWEEN_LINES;
        let untold = match std::mem::take(&mut self.untold) {
            0 => String::new(),
            count => format!("; and {count} more since the last line"),
        };
        let what = match stall.label {
            Label(0) => stall.call.as_str(),
            label => labels.text(label),
        };
        let cause = if stall.is_computing() { "computing" } else { "parked" };
        let took = Span(stall.took);
        Some(format!("{} {} held the loop for {took:#}, {cause}{untold}", stall.token, Clean(what)))
    }

    fn wants_file(&mut self, stall: &Stall) -> bool {
        let now = stall.began + stall.took;
        let wanted = now >= self.file;
        if wanted {
            self.file = now + BETWEEN_FILES;
        }
        wanted
    }
}

/// The files of a run, and the thread that writes one of them.
struct Files {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    base: PathBuf,
    written: AtomicUsize,
}

impl Files {
    fn new(file: &Path) -> Self {
        let shared = Shared { base: file.into(), written: AtomicUsize::new(0) };
        Files { shared: Arc::new(shared), thread: Mutex::default() }
    }

    /// Writes a file on a thread, one at a time.
    fn write_later(&self, recording: Recording) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            log::warn!(target: "readyloop", "the last recording is still being written: no other is");
            return;
        }
        let shared = Arc::clone(&self.shared);
        let started =
            thread::Builder::new().name("recorder".into()).spawn(move || shared.write(&recording));
        match started {
            Ok(started) => *thread = Some(started),
            Err(error) => log::error!(target: "readyloop", "no thread for a recording: {error}"),
        }
    }

    /// Writes the last file, here, after the one under way.
    fn write_last(&self, recording: &Recording) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            log::error!(target: "readyloop", "a recording was not written to its end");
        }
        self.shared.write(recording);
    }
}

impl Shared {
    /// The file with this number.
    fn file(&self, number: usize) -> PathBuf {
        numbered(&self.base, number % FILES)
    }

    fn write(&self, recording: &Recording) {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        keep(&self.base, number % FILES, recording);
    }
}

/// FILE, FILE.1, FILE.2, …
fn numbered(base: &Path, number: usize) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    if number > 0 {
        name.push(format!(".{number}"));
    }
    name.into()
}

/// Writes a recording to the file with this number, and says so.
pub(super) fn keep(base: &Path, number: usize, recording: &Recording) {
    let file = numbered(base, number);
    match write(&file, recording) {
        Ok(()) => {
            let (count, file) = (recording.records.len(), file.display());
            log::info!(target: "readyloop", "recorded {count} facts to {file}");
        }
        Err(error) => {
            log::error!(target: "readyloop", "cannot record to {}: {error}", file.display());
        }
    }
}

/// Writes a recording to a file. What was there before stays until it is whole.
fn write(file: &Path, recording: &Recording) -> io::Result<()> {
    let mut part = file.to_path_buf().into_os_string();
    part.push(".part");
    // A pipe or a device is written to as it is.
    let is_special = fs::metadata(file).is_ok_and(|found| !found.is_file());
    let target = if is_special { file.as_os_str() } else { &part };
    // It says who asked for what: that is for the owner's eyes. A file that is there already, or a
    // link that somebody has laid, is not written through.
    let mut how = File::options();
    how.write(true).mode(0o600);
    if !is_special {
        let _ = fs::remove_file(target);
        how.create_new(true);
    }
    let mut out = BufWriter::new(how.open(target)?);
    recording.write(&mut out)?;
    out.flush()?;
    if is_special { Ok(()) } else { fs::rename(&part, file) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Call;
    use crate::token::Token;

    fn stall(millis: u64, label: Label) -> Stall {
        let took = Duration::from_millis(203);
        Stall {
            token: Token::new(5, 7),
            call: Call::Timeout,
            label,
            began: Moment::START + Duration::from_millis(millis),
            took,
            computing: Duration::ZERO,
        }
    }

    #[test]
    fn a_stall_is_said_once_a_second_with_its_request_and_its_cause() {
        let (mut stalls, mut labels) = (Stalls::default(), Labels::default());
        let label = labels.pair("GET", "/work");
        let first = stalls.heard(&stall(0, label), &labels);
        assert_eq!(first.as_deref(), Some("#5.7 GET /work held the loop for 203 ms, parked"));
        assert_eq!(stalls.heard(&stall(400, label), &labels), None);
        assert_eq!(stalls.heard(&stall(800, label), &labels), None);
        let later = stalls.heard(&stall(1_500, Label(0)), &labels);
        let expected =
            "#5.7 timeout held the loop for 203 ms, parked; and 2 more since the last line";
        assert_eq!(later.as_deref(), Some(expected));
    }

    #[test]
    fn what_happened_before_a_panic_is_written() {
        let name = format!("readyloop-flight-{}.jsonl", std::process::id());
        let file = std::env::temp_dir().join(name);
        let record = Some(file.clone());
        let flight = Flight { scope: true, scope_from: Who::Loopback, scope_facts: 64, record };
        let mut reactor = Reactor::new(crate::Limits::default()).unwrap();
        let recorder = flight.start(&mut reactor, None).unwrap();
        reactor.handle().exec(|_| resume_unwind(Box::new("a bug"))).unwrap();
        let ended = catch_unwind(AssertUnwindSafe(|| recorder.run(&mut reactor)));
        assert_eq!(ended.unwrap_err().downcast_ref(), Some(&"a bug"));
        let recording = Recording::read(&fs::read(&file).unwrap()[..]).unwrap();
        fs::remove_file(&file).unwrap();
        assert!(recording.cut.is_none() && !recording.records.is_empty());
    }

    #[test]
    fn a_file_is_wanted_once_a_minute() {
        let mut stalls = Stalls::default();
        let wanted = [0, 1_000, 59_000, 61_000, 62_000]
            .map(|millis| stalls.wants_file(&stall(millis, Label(0))));
        assert_eq!(wanted, [true, false, false, true, false]);
    }

    #[test]
    fn there_are_eight_files_and_then_the_oldest_is_written_over() {
        let files = Files::new(Path::new("a/b.jsonl"));
        let names: Vec<_> = (0..10).map(|number| files.shared.file(number)).collect();
        assert_eq!(names[0], Path::new("a/b.jsonl"));
        assert_eq!((&names[1], &names[7]), (&"a/b.jsonl.1".into(), &"a/b.jsonl.7".into()));
        assert_eq!((&names[8], &names[9]), (&names[0], &names[1]));
    }
}
