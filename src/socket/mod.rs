//! Sockets as the system has them: addresses, options, binding, and the calls on a stream.
//!
//! The drivers use it, those that wait for readiness and those that block, so that they differ in
//! how they wait and in nothing else. It never waits and knows no connection.

mod address;
mod bind;
mod connect;
mod listen;
mod sockopt;
mod stream;

pub use address::Address;
pub(crate) use bind::{NODELAY_IS_INHERITED, bind, listen, unix_peer};
pub use connect::Connect;
pub(crate) use connect::connect;
pub use listen::Listen;
pub(crate) use sockopt::refuse_connections;
pub use stream::{Socketed, Stream};
