//! The services that the `readyloop` command serves: small, complete sessions that show how one is
//! written. They see sessions and machines only, never a socket, a clock or a thread.

#[cfg(feature = "web")]
pub mod bench;
#[cfg(feature = "cli")]
pub mod book;
#[cfg(feature = "web")]
pub mod chat;
pub mod echo;
pub mod escaped;
pub mod greeting;
#[cfg(feature = "cli")]
pub mod notes;
pub mod responder;
pub mod sink;
#[cfg(feature = "web")]
pub mod site;
#[cfg(feature = "web")]
pub mod topics;
#[cfg(feature = "web")]
pub mod ws_echo;
