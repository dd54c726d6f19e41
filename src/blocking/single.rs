//! One connection at a time: accept, serve to the end, accept the next.
//!
//! Each listener has a thread, because a thread can wait in one accept only; everybody else at that
//! listener waits in the kernel until the one who is served has gone.

use std::sync::Arc;

use super::door::Door;
use super::driver::Desk;
use super::gate::Gate;
use super::plan::Plan;

pub(super) fn run(door: Door, gate: &Arc<Gate>, plan: &Arc<Plan>) {
    let mut desk = Desk::new(gate, plan);
    door.attend(gate, |guest| desk.serve(guest));
}
