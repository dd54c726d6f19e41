//! A load generator on the loop's own client side: `readyloop load` runs it.
//!
//! In a **closed loop** a connection sends its next request when it has the answer to its last, so a
//! slow server is asked less, and its worst moments are under-counted. In an **open loop** requests
//! are due at planned times ([`Schedule`]), and latency counts from the moment a request was *meant*
//! to be sent: a server that stands still for a second makes all wait that were due in it.
//!
//! A [`Driver`] turns a reactor and dials; sessions share a `Desk`, which hands out requests; a
//! `Recorder` writes down what comes of them. Nothing here reads a clock, a flag or a file.

mod answer;
mod beside;
mod caller;
mod careful;
mod crew;
mod datagram;
mod desk;
mod driver;
mod echo;
mod fairness;
mod mix;
mod place;
mod plan;
mod recorder;
mod schedule;
mod seat;
mod shaker;
mod talker;
mod url;

pub use driver::{Driver, Event};
pub use plan::{Fresh, Pace, Plan};
pub use schedule::{Phase, Schedule};
pub use seat::Clock;
pub use url::{Scheme, Url};
