//! Runs the models that block.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::running::{Running, Started, Totals};
use super::{Model, Setup, service};
use crate::app::echo::Echo;
use crate::blocking::{self, Blocking, Gate, Make, Row};
use crate::cli::failure::Failure;
use crate::cli::row::Kind;
use crate::measure::Calls;

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
    let server = Blocking::start(how, setup.posts.iter().map(row).collect(), setup.limits.clone())?;
    let addresses = server.addresses().to_vec();
    Ok(Started { running: Arc::new(Threaded(server.gate())), addresses })
}

struct Threaded(Arc<Gate>);

impl Running for Threaded {
    fn totals(&self) -> Totals {
        let totals = self.0.totals();
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
        self.0.drain(time);
    }

    fn stop(&self) {
        self.0.stop();
    }

    fn wait(&self) -> u64 {
        self.0.wait()
    }
}
