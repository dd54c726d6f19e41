//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692): both roles of one connection.
//!
//! `handshake` turns an HTTP head into a connection, [`Reader`] turns bytes into [`Event`]s and
//! [`Sender`] turns messages into bytes. Called by [`session::ws`](crate::session). Nothing here
//! knows of sockets, of time or of what an application says.
//!
//! Reading is strict: what RFC 6455 forbids is a [`Refusal`], which carries the code to close with.

mod deflate;
pub mod frame;
pub mod handshake;
mod mask;
mod reader;
mod refusal;
mod sender;
#[cfg(test)]
mod tests;

pub use deflate::{Agreed, Deflate, Pool};
pub use reader::{Bounds, Close, Event, Reader, Scratch};
pub use refusal::Refusal;
pub use sender::{Keys, Sender};

/// Which end of the connection this is. A server requires masks and sends none; a client is the
/// other way round (RFC 6455 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one that accepted.
    Server,
    /// The one that connected.
    Client,
}

/// Codes that say why a connection closes (RFC 6455 §7.4.1).
pub mod code {
    /// All was said.
    pub const NORMAL: u16 = 1000;
    /// The endpoint goes away: a server that stops, a page that is left.
    pub const AWAY: u16 = 1001;
    /// The other side broke the protocol.
    pub const PROTOCOL: u16 = 1002;
    /// A kind of data that is not accepted.
    pub const UNSUPPORTED: u16 = 1003;
    /// Never sent: the close frame had no code.
    pub const NONE: u16 = 1005;
    /// Never sent: the connection ended without a close frame.
    pub const ABNORMAL: u16 = 1006;
    /// Data that does not fit its kind, such as text that is not UTF-8.
    pub const INVALID: u16 = 1007;
    /// Something against the application's rules.
    pub const POLICY: u16 = 1008;
    /// A message over the limit.
    pub const TOO_BIG: u16 = 1009;
    /// A client misses an extension.
    pub const EXTENSION: u16 = 1010;
    /// The endpoint failed.
    pub const INTERNAL: u16 = 1011;
    /// The endpoint has too much to do now.
    pub const TRY_LATER: u16 = 1013;
}

/// True for a code that may be in a close frame: those that IANA lists for it, and those left to
/// libraries and applications (RFC 6455 §7.4.2).
#[must_use]
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
