//! The turn at work: when it began and what the poll before it did.

use std::time::Duration;

use crate::time::Moment;

/// A poll that returns within this did not wait.
const AT_ONCE: Duration = Duration::from_millis(1);

/// The present turn, and how long the loop has waited altogether.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    /// Counted from 1; 0 before the first.
    pub(super) number: u64,
    /// When its poll returned.
    pub(super) at: Moment,
    /// Until when it would have waited.
    pub(super) until: Moment,
    /// Events that it returned.
    pub(super) events: usize,
    /// The poll was allowed to wait and did not.
    pub(super) is_eager: bool,
    /// How long all polls have waited that were allowed to. A thread that is not given a CPU waits
    /// too, but no longer than the poll was asked to is it the loop's own will.
    pub(super) waited: Duration,
}

impl Turn {
    pub(super) fn new() -> Self {
        Turn {
            number: 0,
            at: Moment::START,
            until: Moment::NEVER,
            events: 0,
            is_eager: false,
            waited: Duration::ZERO,
        }
    }

    /// A poll returned.
    pub(super) fn begin(&mut self, began: Moment, until: Moment, at: Moment, events: usize) {
        self.number += 1;
        self.at = at;
        self.until = until;
        self.events = events;
        let waited = at.since(began);
        self.is_eager = until.since(began) > AT_ONCE && waited < AT_ONCE;
        self.waited += waited.min(until.since(began));
    }
}
