//! Leave to go: whoever runs a load with cues looks at the server after the window, and then writes
//! a line. Until then no connection ends and no outcome is made.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Nobody looks for longer.
const MOST: Duration = Duration::from_secs(10);

/// See the module's documentation.
pub(super) struct Leave {
    given: Arc<AtomicBool>,
    asked: Instant,
}

impl Leave {
    /// Waits for it from now on, on a thread: a read of stdin cannot be polled everywhere.
    pub(super) fn ask() -> Self {
        let given = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&given);
        let wait = move || {
            // A line, the end and an error all mean that nobody will say more.
            let _ = io::stdin().read_line(&mut String::new());
            flag.store(true, Ordering::Relaxed);
        };
        if thread::Builder::new().name("leave".into()).spawn(wait).is_err() {
            given.store(true, Ordering::Relaxed);
        }
        Leave { given, asked: Instant::now() }
    }

    /// True if it may go.
    pub(super) fn is_given(&self) -> bool {
        self.given.load(Ordering::Relaxed) || self.asked.elapsed() >= MOST
    }
}
