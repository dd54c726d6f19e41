//! Who a running model listens to: signals, and a parent that asks for samples.
//!
//! Both wait on threads of their own, so that the model is not disturbed by waiting for them. Under
//! `--control` each line `sample` on stdin is answered with a line of JSON on stdout, a line `totals`
//! with one that lacks what takes long to look up, and the end of stdin ends the server.

use std::io::{self, BufRead, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use super::running::Running;
use super::{Setup, process};

/// Threads that wait for somebody.
pub(super) struct Desk {
    closed: Arc<AtomicBool>,
}

impl Desk {
    /// The model has ended; nobody is answered any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

/// Begins to wait. `own` threads are the command's already.
pub(super) fn start(setup: &Setup, running: &Arc<dyn Running>, own: u64) -> io::Result<Desk> {
    let (closed, begun) = (Arc::new(AtomicBool::new(false)), Instant::now());
    let (mut signals, sender) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT] {
        pipe::register(signal, sender.try_clone()?)?;
    }
    // A model keeps its certificates; the signal must not end it.
    signal_hook::flag::register(SIGHUP, Arc::default())?;
    let (drain, target) = (setup.drain, Arc::clone(running));
    spawn("signals", move || heed(&mut signals, &*target, drain))?;
    if setup.control {
        let (target, closed, own) = (Arc::clone(running), Arc::clone(&closed), own + 2);
        let elsewhere = setup.elsewhere.clone();
        spawn("control", move || {
            // Among a hundred busy threads on the server's CPU it would be late with its samples.
            if let Some(Err(failure)) = elsewhere.map(|cpus| cpus.pin()) {
                log::debug!("{failure:?}");
            }
            answer(&*target, (begun, own), drain, &closed);
        })?;
    }
    Ok(Desk { closed })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.into()).spawn(work).map(drop)
}

/// The first signal drains, the second one stops.
fn heed(signals: &mut UnixStream, running: &dyn Running, drain: Duration) {
    let mut byte = [0];
    let mut asked = false;
    while signals.read_exact(&mut byte).is_ok() {
        if asked {
            log::warn!(target: "readyloop", "a second signal: stopping");
            running.stop();
        } else {
            let seconds = drain.as_secs_f64();
            log::info!(target: "readyloop", "draining within {seconds} s; a second signal stops at once");
            running.drain(drain);
        }
        asked = true;
    }
}

/// Answers questions until there are none any more.
fn answer(
    running: &dyn Running,
    (begun, own): (Instant, u64),
    drain: Duration,
    closed: &AtomicBool,
) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        if closed.load(Ordering::Acquire) {
            return;
        }
        let sample = match line.trim() {
            "sample" => process::sample(|| running.totals(), begun, own),
            "totals" => process::totals(|| running.totals(), begun),
            other => {
                log::warn!(target: "readyloop", "control: {other:?} is no question");
                continue;
            }
        };
        // Nobody reads it: then there is nobody to serve either.
        if say(&sample).is_err() {
            break;
        }
    }
    running.drain(drain);
}

/// Prints a line of JSON at once.
pub(super) fn say(what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(what).map_err(io::Error::other)?;
    line.push('\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush())
}
