//! What a blocking server serves: rows, as every thread needs them.

use std::rc::Rc;
use std::sync::Arc;

use crate::connection::tls::TlsConfig;
use crate::session::Service;
use crate::socket::Listen;

/// Makes a thread's own service of a row. Sessions share things without locks, so that a service
/// belongs to one thread.
pub type Make = Arc<dyn Fn() -> Rc<dyn Service> + Send + Sync>;

/// One listener and what it serves.
pub struct Row {
    /// How it listens.
    pub how: Listen,
    /// What its connections run.
    pub service: Make,
    /// With TLS or without.
    pub tls: Option<TlsConfig>,
}

/// All rows of a server.
pub(super) struct Plan {
    pub(super) rows: Vec<Row>,
}
