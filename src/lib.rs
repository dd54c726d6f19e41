//! `readyloop`: a single-threaded, readiness-based event loop.

pub mod app;
pub mod buf;
pub mod connection;
pub mod error;
pub mod limits;
pub mod probe;
pub mod proto;
pub mod reactor;
pub mod session;
pub mod time;
pub mod token;

pub use error::CloseReason;
pub use limits::Limits;
pub use proto::h1::Head;
pub use reactor::{Handle, Reactor};
pub use time::Moment;
pub use token::Token;

#[cfg(feature = "cli")]
pub mod cli;
