//! A listener's entry in the table. What is done with it is in `accept.rs`.

use std::rc::Rc;

use crate::connection::tls::TlsConfig;
use crate::reactor::world::{Listen, World};
use crate::session::Service;
use crate::time::Moment;

/// A listening socket and what it opens.
pub(crate) struct ListenerEntry<W: World> {
    pub(crate) listener: W::Listener,
    pub(crate) how: Listen,
    pub(crate) service: Rc<dyn Service>,
    pub(crate) tls: Option<TlsConfig>,
    pub(crate) generation: u32,
    pub(crate) armed: Moment,
    /// When to try again after the system ran out of descriptors.
    pub(crate) retry: Moment,
    pub(crate) readable: bool,
    pub(crate) queued: bool,
    pub(crate) paused: bool,
}
