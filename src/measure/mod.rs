//! What is measured, as plain data: a server's [`Sample`]s and a load's [`Outcome`].
//!
//! `readyloop serve --control` prints samples, `readyloop load --json` prints an outcome, and
//! `readyloop compare` keeps both. Nothing here measures anything: it says what the figures mean.

mod outcome;
mod sample;
mod spectrum;

pub use outcome::{ClientUse, Errors, Fairness, Outcome, Tick};
pub use sample::{Calls, Ready, Sample, Turns};
pub use spectrum::Spectrum;
