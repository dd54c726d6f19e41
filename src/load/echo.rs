//! Bytes that come back over TCP: each request is one message of a fixed size, and so is its answer.
//!
//! The driver makes one for each connection. Where one message ends and the next begins only their
//! length says.

use std::rc::Rc;

use crate::error::{CloseReason, Phase};
use crate::load::recorder::Failed;
use crate::load::seat::Seat;
use crate::session::{CloseMode, Cx, Env, Flow, Message, Session};
use crate::time::Moment;

/// See the module's documentation.
pub(super) struct Echo {
    seat: Seat,
    message: Rc<[u8]>,
    /// Bytes of the next answer that have come.
    at: usize,
}

impl Echo {
    /// A session that sends `message`, which is not empty.
    pub(super) fn new(seat: Seat, message: &Rc<[u8]>) -> Self {
        Echo { seat, message: Rc::clone(message), at: 0 }
    }

    fn write<'a>(message: &'a [u8], cx: &'a mut Cx<'_>) -> impl FnMut(u8) -> usize + 'a {
        |_| {
            cx.write(message);
            message.len()
        }
    }
}

/// A message of this size, in which every place looks different from its neighbours.
pub(super) fn pattern(size: usize) -> Rc<[u8]> {
    // Letters only, for those who look at it, and a length that no power of two divides.
    (0..size.max(1)).map(|at| b'a' + (at % 23) as u8).collect()
}

impl Session for Echo {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.seat.open(cx.token(), Echo::write(&self.message, cx));
        Flow::Continue
    }

    fn on_data(&mut self, input: &mut &[u8], cx: &mut Cx<'_>) -> Flow {
        let now = self.seat.now();
        self.seat.received(input.len(), now);
        while !input.is_empty() {
            if self.seat.expected().is_none() {
                self.seat.surplus(now);
                return Flow::Close(CloseMode::Abort, CloseReason::Aborted);
            }
            let rest = self.message.get(self.at..).unwrap_or_default();
            let (taken, left) = input.split_at(rest.len().min(input.len()));
            *input = left;
            if !rest.starts_with(taken) {
                self.seat.answered(Err(Failed::Wrong), now);
                return Flow::Close(CloseMode::Abort, CloseReason::Aborted);
            }
            self.at += taken.len();
            if self.at == self.message.len() {
                self.at = 0;
                self.seat.answered(Ok(()), now);
            }
        }
        self.seat.fill(now, Echo::write(&self.message, cx));
        Flow::Continue
    }

    fn on_message(&mut self, _: Message, cx: &mut Cx<'_>) -> Flow {
        self.seat.wake(Echo::write(&self.message, cx));
        Flow::Stay
    }

    fn on_timeout(&mut self, _: &mut Cx<'_>) -> Flow {
        Flow::Close(CloseMode::Abort, CloseReason::TimedOut(Phase::Reply))
    }

    fn on_close(&mut self, why: CloseReason, _: &mut Env) {
        self.seat.close(why);
    }

    fn deadline(&self) -> Moment {
        self.seat.deadline()
    }
}
