//! A process that the comparison starts: lines in, lines out, and always an end.
//!
//! `trial` starts servers and loads with it. Every wait has a deadline and ends when the comparison
//! is interrupted; whoever drops a child ends it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child as Process, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Lines that may wait to be read here.
const LINES: usize = 1024;

/// The longest line, such as an outcome with all its histograms.
const LINE_BYTES: u64 = 64 * 1024 * 1024;

/// How much of what a process says on stderr is kept, for the sentence about its failure.
const WORDS_BYTES: usize = 2048;

/// How often a wait looks whether it is to end early.
const GLANCE: Duration = Duration::from_millis(50);

/// How often an end is looked for.
const REST: Duration = Duration::from_millis(2);

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// The user has had enough.
    Interrupted,
    /// What happened, in a sentence.
    Failed(String),
}

/// A process with its pipes.
pub(super) struct Child {
    /// How it is called in sentences.
    name: String,
    process: Process,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    words: Arc<Mutex<String>>,
    /// Who reads them.
    errors: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Child {
    /// Starts it in a process group of its own: Ctrl-C is for the comparison, which ends its
    /// children when it has what it needs of them.
    pub(super) fn start(
        name: impl Into<String>,
        command: &mut Command,
        stop: &Arc<AtomicBool>,
    ) -> Result<Child, Halt> {
        let name = name.into();
        let failed = |error| Halt::Failed(format!("{name} does not start: {error}"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.process_group(0).spawn().map_err(failed)?;
        let (sender, lines) = mpsc::sync_channel(LINES);
        let words = Arc::new(Mutex::new(String::new()));
        if let Some(output) = process.stdout.take() {
            thread::spawn(move || pass_lines(output, &sender));
        }
        let errors = process.stderr.take().map(|errors| {
            let words = Arc::clone(&words);
            thread::spawn(move || keep_words(errors, &words))
        });
        let input = process.stdin.take();
        Ok(Child { name, process, input, lines, words, errors, stop: Arc::clone(stop) })
    }

    /// Its number.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its next line.
    pub(super) fn line(&mut self, deadline: Instant) -> Result<String, Halt> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Halt::Interrupted);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(GLANCE)) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Disconnected) => return Err(self.gone()),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    return Err(self.failed("said nothing in time"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Writes a line to it.
    pub(super) fn say(&mut self, line: &str) -> Result<(), Halt> {
        let text = format!("{line}\n");
        let written = self.input.as_mut().map(|input| input.write_all(text.as_bytes()));
        match written {
            Some(Ok(())) => Ok(()),
            _ => Err(self.gone()),
        }
    }

    /// Sends a signal to it and to what it has started.
    pub(super) fn signal(&self, signal: Signal) {
        // Until it is waited for, its number belongs to nobody else.
        if let Ok(id) = i32::try_from(self.process.id()) {
            let _ = killpg(Pid::from_raw(id), signal);
        }
    }

    /// Waits for its end, which is to be a success.
    pub(super) fn finish(mut self, deadline: Instant) -> Result<(), Halt> {
        self.input = None;
        while Instant::now() < deadline {
            match self.process.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(self.failed(&format!("ended with {status}"))),
                Ok(None) => thread::sleep(REST),
                Err(error) => return Err(self.failed(&error.to_string())),
            }
        }
        Err(self.failed("did not end in time"))
    }

    /// It has closed its end: how did it end?
    fn gone(&mut self) -> Halt {
        let deadline = Instant::now() + GLANCE;
        while Instant::now() < deadline {
            let has_spoken = self.errors.as_ref().is_none_or(JoinHandle::is_finished);
            if let (Ok(Some(status)), true) = (self.process.try_wait(), has_spoken) {
                return self.failed(&format!("ended with {status}"));
            }
            thread::sleep(REST);
        }
        self.failed("has closed its pipes")
    }

    fn failed(&self, what: &str) -> Halt {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let words = words.trim();
        let says = if words.is_empty() { String::new() } else { format!(": {words}") };
        Halt::Failed(format!("{} {what}{says}", self.name))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !matches!(self.process.try_wait(), Ok(Some(_))) {
            self.signal(Signal::SIGKILL);
            let _ = self.process.wait();
        }
    }
}

fn pass_lines(output: impl Read, to: &SyncSender<String>) {
    let mut reader = BufReader::new(output);
    loop {
        let mut line = String::new();
        match reader.by_ref().take(LINE_BYTES).read_line(&mut line) {
            Ok(1..) if to.send(line.trim_end().to_owned()).is_ok() => {}
            _ => return,
        }
    }
}

/// Keeps the beginning: it says why, what follows says that again. The rest is read too, or the
/// process would wait for somebody to do so.
fn keep_words(mut errors: impl Read, words: &Mutex<String>) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = errors.read(&mut bytes) {
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.len() < WORDS_BYTES {
            words.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::start("the shell", &mut command, &Arc::default()).expect("a shell")
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn lines_go_in_and_out_until_the_end_of_input() {
        let mut child = shell("echo ready; while read line; do echo \"got $line\"; done");
        assert_eq!(child.line(soon()), Ok("ready".into()));
        child.say("this").expect("it reads");
        assert_eq!(child.line(soon()), Ok("got this".into()));
        assert_eq!(child.finish(soon()), Ok(()));
    }

    #[test]
    fn a_failure_says_who_and_why() {
        let failed = |script| match shell(script).line(soon()) {
            Err(Halt::Failed(what)) => what,
            other => panic!("{other:?}"),
        };
        let what = failed("echo no such thing >&2; exit 3");
        assert!(what.starts_with("the shell ended with exit status: 3"), "{what}");
        assert!(what.ends_with("no such thing"), "{what}");
        assert!(failed("kill -KILL $$").contains("signal: 9"));
    }

    #[test]
    fn no_wait_is_for_ever() {
        let mut child = shell("sleep 60");
        let late = Instant::now();
        assert_eq!(child.line(late), Err(Halt::Failed("the shell said nothing in time".into())));
        child.stop.store(true, Ordering::Relaxed);
        assert_eq!(child.line(soon()), Err(Halt::Interrupted));
        // Also one that is stopped is ended.
        child.signal(Signal::SIGSTOP);
        let ended = child.finish(late);
        assert_eq!(ended, Err(Halt::Failed("the shell did not end in time".into())));
    }
}
