//! A running model, as the control sees it: totals at any time, a graceful end.

use std::sync::Arc;
use std::time::Duration;

use crate::measure::{Calls, Turns};
use crate::scope::recording::Recording;
use crate::socket::Address;

/// Totals since the start.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    pub(super) connections: u64,
    pub(super) calls: Calls,
    /// Of the loop models only.
    pub(super) turns: Option<Turns>,
    pub(super) responses: u64,
}

/// A model at work, on threads of its own.
pub(super) trait Running: Send + Sync {
    /// Totals as of now, or as of the last answer of a loop that does not answer.
    fn totals(&self) -> Totals;
    /// Ends it gracefully; the second call ends it at once.
    fn drain(&self, time: Duration);
    /// Ends it at once.
    fn stop(&self);
    /// Waits until it has ended. Answers how many connections were left open.
    fn wait(&self) -> u64;
    /// What was recorded, once it has ended: one for each loop, or one for all threads. Nothing if
    /// nothing was to be.
    fn recordings(&self) -> Vec<Recording>;
}

/// What starting a model gives.
pub(super) struct Started {
    pub(super) running: Arc<dyn Running>,
    /// Where each row listens, in order.
    pub(super) addresses: Vec<Address>,
}
