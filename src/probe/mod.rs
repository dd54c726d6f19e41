//! What can be watched: a [`Fact`] for each thing the loop does, the [`Counters`] of them, and a
//! [`Recorder`] that keeps the last ones.
//!
//! A fact is emitted at one point of the code per kind. It costs no system call, and nothing at
//! all where nobody listens: [`Probe`] is implemented for `()` by doing nothing. The counters are
//! always on; the recorder is, when it was asked to.

mod counters;
mod fact;
mod label;
mod lag;
mod place;
mod recorder;
mod spread;
mod stage;
mod tally;

pub use counters::Counters;
pub use fact::{Fact, LEVEL, Operation, Origin};
pub use label::{Label, Labels};
pub use lag::Lag;
pub use recorder::{Record, Recorder, Stall};
pub use spread::Spread;
pub use stage::{Call, Layer, Stage};
pub use tally::{Kind, Tallies, Tally};

/// Somebody who watches the loop.
pub trait Probe {
    /// Called once for each fact, on the loop's thread; must be quick and must not block. What only a
    /// [`Recorder`] causes (`Called`, `Request`, `State`, `Interest`, `Stall`) goes to that alone.
    #[inline(always)]
    fn fact(&mut self, fact: Fact) {
        let _ = fact;
    }
}

impl Probe for () {}
