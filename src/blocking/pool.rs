//! A fixed number of threads: one per listener accepts, and the workers serve whoever waits in a
//! bounded queue, each connection to its end.
//!
//! A kept-alive connection holds its worker while it is silent, so with more connections than
//! workers the rest waits until somebody leaves or is idle for too long.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::door::{Door, Guest};
use super::driver::Desk;
use super::gate::Gate;
use super::plan::Plan;

/// Where accepted connections wait for a worker.
pub(super) type Queue = SyncSender<Guest>;

/// Starts the workers. They end when no door has the queue any more.
pub(super) fn start(
    workers: usize,
    waiting: usize,
    stack: usize,
    gate: &Arc<Gate>,
    plan: &Arc<Plan>,
) -> io::Result<Queue> {
    let (queue, guests) = sync_channel(waiting);
    let guests = Arc::new(Mutex::new(guests));
    for number in 0..workers.max(1) {
        let (gate, plan, guests) = (Arc::clone(gate), Arc::clone(plan), Arc::clone(&guests));
        let name = format!("worker-{number}");
        thread::Builder::new().name(name).stack_size(stack).spawn(move || {
            let mut desk = Desk::new(&gate, &plan);
            while let Some(guest) = next(&guests) {
                desk.serve(guest);
            }
        })?;
    }
    Ok(queue)
}

/// Of those who wait for the lock one waits in the queue, the others for him: whoever comes wakes
/// one worker, not all.
fn next(guests: &Mutex<Receiver<Guest>>) -> Option<Guest> {
    guests.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

pub(super) fn run(door: Door, queue: &Queue, gate: &Arc<Gate>) {
    // Fails when every worker has died: then the guest is dropped, and so turned away.
    door.attend(gate, |guest| queue.send(guest).unwrap_or_default());
}
