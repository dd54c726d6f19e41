//! Where facts are read: the loop's own recorder, or one that another thread fills.

use std::sync::{Arc, Mutex, PoisonError};

use crate::probe::{Counters, Fact, Probe, Recorder};
use crate::session::Env;
use crate::time::Moment;

/// A recorder and the counters of the same facts, for a loop that is not a
/// [`Reactor`](crate::Reactor).
#[derive(Debug)]
pub struct Watched {
    /// The last facts.
    pub recorder: Recorder,
    /// Totals.
    pub counters: Counters,
    /// When the last wait was over.
    woke: Moment,
}

impl Watched {
    /// Records that `fact` happened at `now`.
    pub fn note(&mut self, now: Moment, fact: Fact) {
        if let Fact::Polled { began, .. } = fact {
            self.counters.busy.record(began.since(self.woke));
            self.counters.lag.waited(began, now);
            self.woke = now;
        }
        self.recorder.tick(now);
        self.counters.fact(fact);
        self.recorder.record(fact);
    }
}

impl Default for Watched {
    fn default() -> Self {
        let (recorder, counters) = (Recorder::default(), Counters::default());
        Watched { recorder, counters, woke: Moment::START }
    }
}

/// Whose facts are shown.
#[derive(Clone, Debug)]
pub enum Source {
    /// The loop's that serves the page.
    Own,
    /// Another one's, on another thread.
    Other(Arc<Mutex<Watched>>),
}

impl Source {
    /// Looks at the recorder and the counters. Whoever watches must be quick: the other thread
    /// waits.
    pub fn look<T>(&self, env: &Env, look: impl FnOnce(&Recorder, &Counters) -> T) -> T {
        match self {
            Source::Own => look(&env.recorder, &env.counters),
            Source::Other(watched) => {
                let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
                watched.recorder.settle();
                look(&watched.recorder, &watched.counters)
            }
        }
    }
}
