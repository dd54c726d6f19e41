//! The log: env_logger's filters and format, and a thread that does the writing.
//!
//! A terminal that is scrolled back, a pipe that nobody reads: a write to stderr can take for ever,
//! and on the loop it would stop everybody. So lines go to a bounded queue, and whoever reads too
//! slowly loses lines, is told how many, and stops nobody.

use std::io::{self, IsTerminal, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use env_logger::{Builder, Target, WriteStyle};

/// Bytes of lines that may wait.
const CAP: usize = 8 * 1024 * 1024;

/// How long the end of the program waits for the last lines to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// The program's log; its end waits until everything is written.
pub(super) struct Logger(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something to write.
    filled: Condvar,
    /// Everything is written.
    emptied: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: Vec<u8>,
    lost: u64,
    /// The writing thread: it starts with the first line.
    started: bool,
    /// It has taken lines that are not written yet.
    writing: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Logger {
    /// Starts the log. `levels` is in the form of `RUST_LOG`: `info`, `warn,tcp-sink=debug`, …
    pub(super) fn start(levels: &str) -> Self {
        let shared = Arc::new(Shared::default());
        let style = if is_coloured() { WriteStyle::Always } else { WriteStyle::Never };
        let started = Builder::new()
            .parse_filters(levels)
            .format_timestamp_millis()
            .write_style(style)
            .target(Target::Pipe(Box::new(Lines(Arc::clone(&shared)))))
            .try_init();
        // A second log in one process: the first one stays.
        debug_assert!(started.is_ok());
        Logger(shared)
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        let queue = self.0.lock();
        let waits = |queue: &mut Queue| queue.started && (queue.writing || !queue.lines.is_empty());
        drop(self.0.emptied.wait_timeout_while(queue, PATIENCE, waits));
    }
}

fn is_coloured() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    io::stderr().is_terminal() && !set("NO_COLOR") && !dumb
}

/// The loop's end of the queue.
struct Lines(Arc<Shared>);

impl Write for Lines {
    /// Takes a whole line, or loses it; never waits for the terminal.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut queue = self.0.lock();
        if queue.lines.len() + line.len() > CAP {
            queue.lost += 1;
            return Ok(line.len());
        }
        queue.lines.extend_from_slice(line);
        if !queue.started {
            let shared = Arc::clone(&self.0);
            let name = String::from("readyloop-log");
            thread::Builder::new().name(name).spawn(move || write_out(&shared))?;
            queue.started = true;
        }
        drop(queue);
        self.0.filled.notify_one();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread: takes all that waits, writes it in one go.
fn write_out(shared: &Shared) {
    let mut taken = Vec::new();
    loop {
        let mut queue = shared.lock();
        queue.writing = false;
        if queue.lines.is_empty() {
            shared.emptied.notify_all();
            queue = shared
                .filled
                .wait_while(queue, |queue| queue.lines.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
        }
        taken.clear();
        mem::swap(&mut taken, &mut queue.lines);
        queue.writing = true;
        let lost = mem::take(&mut queue.lost);
        drop(queue);
        if lost > 0 {
            let _ = writeln!(taken, "[{lost} lines lost here: the log is read too slowly]");
        }
        // Where nobody reads there is nobody to tell.
        let _ = io::stderr().write_all(&taken);
        taken.shrink_to(64 * 1024);
    }
}
