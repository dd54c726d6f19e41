//! Drivers that block: the same connections as the reactor's, and other ways to wait for them.
//!
//! A [`Blocking`] server runs the rows that it is given with one of three [`Model`]s, each a screen of
//! code: one connection at a time, a thread per connection, or a pool of workers. `driver.rs` serves a
//! connection, `door.rs` accepts, `gate.rs` is what the threads share. Sockets have the same options,
//! and connections the same limits, as on the loop. `readyloop serve --model` calls it.
//!
//! What it cannot do: connections live on threads of their own, so messages between them are lost,
//! and it neither dials nor serves datagrams.

mod door;
mod driver;
mod gate;
mod plan;
mod pool;
mod shelf;
mod single;
mod threads;
mod write;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use door::Door;
pub use gate::{Gate, Totals};
use plan::Plan;
pub use plan::{Make, Row};
pub use shelf::Recorded;

use crate::limits::Limits;
use crate::socket::Address;

/// How a blocking server spreads connections over threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// One connection at a time at each listener.
    Single,
    /// A thread per connection, with a stack of so many bytes.
    Threads {
        /// Bytes.
        stack: usize,
    },
    /// So many workers, and so many accepted connections that wait for one.
    Pool {
        /// Threads that serve.
        workers: usize,
        /// Connections in the queue; accepting waits while there are as many.
        queue: usize,
        /// Bytes of a worker's stack.
        stack: usize,
    },
}

/// A running server. Dropping it does not end it; [`drain`](Gate::drain) does.
pub struct Blocking {
    gate: Arc<Gate>,
    addresses: Vec<Address>,
}

impl Blocking {
    /// Listens at every row and begins to serve, on threads.
    ///
    /// # Errors
    ///
    /// The limits contradict each other, the system refuses an address, or has no thread.
    pub fn start(model: Model, rows: Vec<Row>, limits: Limits) -> io::Result<Self> {
        Blocking::start_recorded(model, rows, limits, None)
    }

    /// The same, and keeps the last so many facts of all connections for
    /// [`recorded`](Gate::recorded). Their memory is 40 bytes for each of twice as many, and 10 KiB
    /// for each thread.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_recorded(
        model: Model,
        rows: Vec<Row>,
        limits: Limits,
        facts: Option<usize>,
    ) -> io::Result<Self> {
        limits.check().map_err(|what| io::Error::new(io::ErrorKind::InvalidInput, what))?;
        let gate = Gate::new(limits, rows.len(), facts);
        let doors =
            rows.iter().enumerate().map(|(row, plan)| Door::open(plan.how.clone(), row, &gate));
        let doors = doors.collect::<io::Result<Vec<_>>>()?;
        let addresses = doors.iter().map(Door::address).collect::<io::Result<_>>()?;
        let plan = Arc::new(Plan { rows });
        let started = attend(model, doors, &gate, &plan);
        if started.is_err() {
            gate.stop();
        }
        started.map(|()| Blocking { gate, addresses })
    }

    /// Where each row listens, with the ports that the system chose.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// To ask for totals and to end it, from any thread.
    pub fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
    }

    /// Ends gracefully within `time` and waits for that. Answers how many connections are left.
    pub fn end(self, time: Duration) -> u64 {
        self.gate.drain(time);
        self.gate.wait()
    }
}

/// Starts a thread for each door.
fn attend(model: Model, doors: Vec<Door>, gate: &Arc<Gate>, plan: &Arc<Plan>) -> io::Result<()> {
    let queue = match model {
        Model::Pool { workers, queue, stack } => {
            Some(pool::start(workers, queue, stack, gate, plan)?)
        }
        _ => None,
    };
    for door in doors {
        let (gate, plan, queue) = (Arc::clone(gate), Arc::clone(plan), queue.clone());
        thread::Builder::new().name("acceptor".into()).spawn(move || match (model, queue) {
            (Model::Pool { .. }, Some(queue)) => pool::run(door, &queue, &gate),
            (Model::Threads { stack }, _) => threads::run(door, stack, &gate, &plan),
            _ => single::run(door, &gate, &plan),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
