//! A thread per connection: one accepts, and starts a thread for each who comes.
//!
//! Stacks are small, and said so, because there are as many as connections; their memory is taken
//! when it is touched. Who comes when no thread can be had is turned away.

use std::sync::Arc;
use std::thread;

use super::door::Door;
use super::driver::Desk;
use super::gate::Gate;
use super::plan::Plan;
use crate::probe::Fact;

pub(super) fn run(door: Door, stack: usize, gate: &Arc<Gate>, plan: &Arc<Plan>) {
    door.attend(gate, |guest| {
        let token = guest.seat.token;
        let (inside, plan) = (Arc::clone(gate), Arc::clone(plan));
        // Without a name: giving it one would be a system call more for each connection.
        let thread = thread::Builder::new().stack_size(stack);
        let started = thread.spawn(move || Desk::new(&inside, &plan).serve(guest));
        if let Err(error) = started {
            log::debug!("{token} turned away: no thread: {error}");
            gate.count(&Fact::Shed { token });
        }
    });
}
