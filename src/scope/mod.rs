//! The scope: watching a loop, live and recorded.
//!
//! Everything here reads the facts that a [`Recorder`](crate::probe::Recorder) keeps and nothing else
//! of the loop; so what can be seen live can be seen in a recording too, and whoever records the same
//! facts (a blocking server, a lesson's loop written by hand) is shown in the same way. It never
//! drives a socket and never looks at a clock.

pub mod detect;
#[cfg(feature = "cli")]
pub mod export;
pub mod page;
pub mod recording;
mod source;
pub mod text;

pub use source::{Source, Watched};
