//! Protocol machines: bytes in, events out; answers in, bytes out. No sockets, no clock, no threads.

pub mod h1;
mod refusal;
#[cfg(feature = "web")]
pub mod ws;
