//! Runs the models that block.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::running::{Running, Started, Totals};
use super::{Model, Setup, service};
use crate::Limits;
use crate::app::echo::Echo;
use crate::blocking::{self, Blocking, Gate, Make, Recorded, Row};
use crate::cli::failure::Failure;
use crate::cli::row::Kind;
use crate::measure::Calls;
use crate::scope::recording::{Header, Recording};

/// Bytes of a thread's stack where there may be many. TLS handshakes need the most of it; what is
/// not touched is not taken.
pub(super) const STACK: usize = if cfg!(debug_assertions) { 1024 * 1024 } else { 128 * 1024 };

/// Accepted connections that wait for a worker of the pool.
pub(super) const QUEUE: usize = 1024;

/// Binds and starts.
pub(super) fn start(setup: &Setup) -> Result<Started, Failure> {
    let how = match setup.model {
        Model::Threads => blocking::Model::Threads { stack: STACK },
        Model::Pool(workers) => blocking::Model::Pool { workers, queue: QUEUE, stack: STACK },
        _ => blocking::Model::Single,
    };
    let burn = setup.burn;
    // Made once here, so that a mistake shows at once and not in a thread.
    service(Kind::Http, burn)?;
    let row = |post: &super::Post| {
        let kind = post.kind;
        // It was made before, so this cannot fail; if it did, the row would echo.
        let make: Make = Arc::new(move || service(kind, burn).unwrap_or_else(|_| Rc::new(Echo)));
        let tls = setup.secure.as_ref().filter(|_| kind == Kind::Https);
        Row { how: post.how.clone(), service: make, tls: tls.map(|secure| secure.config.clone()) }
    };
    let rows = setup.posts.iter().map(row).collect();
    let facts = setup.record.as_ref().map(|(_, facts)| *facts);
    let server = Blocking::start_recorded(how, rows, setup.limits.clone(), facts)?;
    let addresses = server.addresses().to_vec();
    let running = Threaded {
        gate: server.gate(),
        model: setup.model.to_string(),
        limits: setup.limits.clone(),
    };
    Ok(Started { running: Arc::new(running), addresses })
}

struct Threaded {
    gate: Arc<Gate>,
    model: String,
    limits: Limits,
}

impl Running for Threaded {
    fn totals(&self) -> Totals {
        let totals = self.gate.totals();
        let calls = Calls {
            polls: 0,
            reads: totals.reads,
            writes: totals.writes,
            would_blocks: totals.would_blocks,
            accepts: totals.accepted,
        };
        Totals { connections: totals.live, calls, turns: None, responses: totals.responses }
    }

    fn drain(&self, time: Duration) {
        self.gate.drain(time);
    }

    fn stop(&self) {
        self.gate.stop();
    }

    fn wait(&self) -> u64 {
        self.gate.wait()
    }

    fn recordings(&self) -> Vec<Recording> {
        let recorded = self.gate.recorded().map(|(Recorded { records, labels, lost }, began)| {
            let header = Header { lost, ..Header::new(&self.model, began, &self.limits) };
            Recording { header, records, labels, cut: None }
        });
        recorded.into_iter().collect()
    }
}
