//! A host's own descriptor on our loop.

use crate::reactor::world::{Ready, World};
use crate::session::Env;

/// Called when a host's descriptor is ready. Readiness is edge-triggered: read until it would
/// block. Wishes go into `env.ops`.
pub type OnReady = Box<dyn FnMut(Ready, &mut Env)>;

/// A host's descriptor and what to call.
pub(crate) struct ExternalEntry<W: World> {
    pub(crate) source: W::External,
    pub(crate) on_ready: OnReady,
    pub(crate) generation: u32,
}
