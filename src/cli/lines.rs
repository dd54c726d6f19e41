//! Lines on their way to a slow place, and the thread that writes them there.
//!
//! A terminal that is scrolled back, a pipe that nobody reads, a full disk: a write can take for
//! ever, and on the loop it would stop everybody. So lines go to a bounded queue, and where writing
//! is too slow some are lost and counted, and nobody is stopped.

use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes of lines that may wait.
const CAP: usize = 8 * 1024 * 1024;

/// How long the end of the program waits for the last lines to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the thread is given to do.
pub(super) struct Batch<'a> {
    /// Whole lines. There is room for a few more.
    pub(super) bytes: &'a mut Vec<u8>,
    /// How many lines were lost before them.
    pub(super) lost: u64,
    /// Whether the file is to be opened again first.
    pub(super) reopen: bool,
}

/// The loop's end of the queue. Clones are ends of the same.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// There is something to do.
    filled: Condvar,
    /// Everything is written.
    emptied: Condvar,
}

/// Does the writing. It tells of its errors itself; here the lines are only counted as lost.
type Output = Box<dyn FnMut(Batch<'_>) -> io::Result<()> + Send>;

struct Queue {
    lines: Vec<u8>,
    lost: u64,
    lost_in_all: u64,
    reopen: bool,
    /// The writing, until the thread that does it has started with the first line.
    output: Option<Output>,
    /// The thread has taken lines that are not written yet.
    writing: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// A queue whose lines are written by `output`, on a thread of its own.
    pub(super) fn new(output: impl FnMut(Batch<'_>) -> io::Result<()> + Send + 'static) -> Self {
        let queue = Queue {
            lines: Vec::new(),
            lost: 0,
            lost_in_all: 0,
            reopen: false,
            output: Some(Box::new(output)),
            writing: false,
        };
        let (filled, emptied) = (Condvar::new(), Condvar::new());
        Lines(Arc::new(Shared { queue: Mutex::new(queue), filled, emptied }))
    }

    /// Takes a whole line, or loses it; never waits for the writing.
    pub(super) fn take(&self, line: &[u8]) -> io::Result<()> {
        let mut queue = self.0.lock();
        if queue.lines.len() + line.len() > CAP {
            queue.lost += 1;
            queue.lost_in_all += 1;
            return Ok(());
        }
        queue.lines.extend_from_slice(line);
        // One that writes already will look again before it rests.
        let rests = !queue.writing;
        if let Some(output) = queue.output.take() {
            let shared = Arc::clone(&self.0);
            let name = String::from("readyloop-log");
            thread::Builder::new().name(name).spawn(move || write_out(&shared, output))?;
        }
        drop(queue);
        if rests {
            self.0.filled.notify_one();
        }
        Ok(())
    }

    /// Has the file opened again before the next line.
    pub(super) fn reopen(&self) {
        self.0.lock().reopen = true;
        self.0.filled.notify_one();
    }

    /// How many lines were lost since the start.
    pub(super) fn lost_in_all(&self) -> u64 {
        self.0.lock().lost_in_all
    }

    /// Waits until everything is written, but not for ever.
    pub(super) fn finish(&self) {
        let queue = self.0.lock();
        let waits = |queue: &mut Queue| {
            queue.output.is_none() && (queue.writing || !queue.lines.is_empty())
        };
        drop(self.0.emptied.wait_timeout_while(queue, PATIENCE, waits));
    }
}

/// The thread: takes all that waits, writes it in one go.
fn write_out(shared: &Shared, mut output: Output) {
    let mut taken = Vec::new();
    loop {
        let mut queue = shared.lock();
        queue.writing = false;
        if queue.lines.is_empty() {
            shared.emptied.notify_all();
            queue = shared
                .filled
                .wait_while(queue, |queue| queue.lines.is_empty() && !queue.reopen)
                .unwrap_or_else(PoisonError::into_inner);
        }
        taken.clear();
        mem::swap(&mut taken, &mut queue.lines);
        queue.writing = true;
        let (lost, reopen) = (mem::take(&mut queue.lost), mem::take(&mut queue.reopen));
        drop(queue);
        let count = taken.iter().filter(|byte| **byte == b'\n').count() as u64;
        if output(Batch { bytes: &mut taken, lost, reopen }).is_err() {
            shared.lock().lost_in_all += count;
        }
        taken.shrink_to(64 * 1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_writer_that_is_stuck_loses_lines_and_stops_nobody() {
        let (go, wait) = mpsc::channel::<()>();
        let (told, hear) = mpsc::channel();
        let lines = Lines::new(move |batch: Batch<'_>| {
            // Until it may go on, once and for all.
            let _ = wait.recv();
            let _ = told.send((batch.bytes.len(), batch.lost, batch.reopen));
            Ok(())
        });
        let line = vec![b'x'; 1024 * 1024];
        for _ in 0..20 {
            lines.take(&line).expect("a thread starts");
        }
        lines.reopen();
        assert!(lines.lost_in_all() >= 4, "at most eight wait, and eight may be in writing");
        drop(go);
        lines.finish();
        let all: Vec<_> = hear.try_iter().collect();
        let written: usize = all.iter().map(|(bytes, _, _)| bytes / line.len()).sum();
        let lost: u64 = all.iter().map(|(_, lost, _)| lost).sum();
        assert_eq!((written as u64 + lost, lost), (20, lines.lost_in_all()));
        assert!(all.iter().any(|(_, _, reopen)| *reopen));
    }

    #[test]
    fn lines_that_could_not_be_written_are_lost_and_counted() {
        let lines = Lines::new(|_| Err(io::ErrorKind::StorageFull.into()));
        for line in ["one\n", "two\n", "three\n"] {
            lines.take(line.as_bytes()).expect("a thread starts");
        }
        lines.finish();
        assert_eq!(lines.lost_in_all(), 3);
    }
}
