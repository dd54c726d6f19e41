//! HTTP/1.1 (RFC 9110, RFC 9112): both sides of one connection.
//!
//! [`Server`] turns bytes into [`Event`]s; `encode` turns answers into bytes. One exchange is in
//! flight at a time: after [`Event::End`] the machine yields nothing until the reply is complete
//! and [`Server::next`] has been called, which is how pipelined requests wait their turn.
//!
//! Framing is strict. What two readers could understand differently is refused with a [`Refusal`],
//! which carries the status to answer with; the connection closes after it.
//!
//! [`client::Client`] is the other side: it turns a server's bytes into responses, by the same rules.

mod body;
pub mod client;
pub mod encode;
mod head;
mod refusal;
mod server;
mod target;
#[cfg(test)]
mod tests;
mod token;

pub use body::{Framing, Trailers};
pub use head::{Head, Headers, Memo, Version};
pub use refusal::Refusal;
pub use server::{Event, Server};
#[cfg(feature = "web")]
pub(crate) use token::is_token;
