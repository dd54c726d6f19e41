//! Connections beside those that ask: idle ones, slow readers and slow writers.
//!
//! They are the surroundings of what is measured. The driver makes one for each such place. What they
//! get is read and counted nowhere; that one of them ends or is refused is an error of the run.

use std::rc::Rc;
use std::time::Duration;

use crate::error::CloseReason;
use crate::load::careful::{Careful, Verdict};
use crate::load::seat::Seat;
use crate::session::{CloseMode, Cx, Env, Flow, Session, TlsInfo};
use crate::time::Moment;

/// How a connection beside behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It asks once, so that the server does not take it for a stranger who says nothing, and again
    /// before the server loses patience.
    Idle,
    /// It reads a little and pauses.
    Reads,
    /// It sends its request a byte at a time.
    Writes,
}

/// Between two requests of an idle connection: servers commonly wait for a minute.
const REST: Duration = Duration::from_secs(25);
/// Between two reads of a slow reader.
const SIP: Duration = Duration::from_millis(50);
/// Between two bytes of a slow writer, at most.
const DRIP: Duration = Duration::from_millis(100);
/// In which a slow writer has sent its head: servers commonly wait for ten seconds.
const HEAD: Duration = Duration::from_secs(8);

/// See the module's documentation.
pub(super) struct Beside {
    seat: Seat,
    manner: Manner,
    request: Rc<[u8]>,
    /// Bytes of the request that were sent.
    at: usize,
    answer: Careful,
}

impl Beside {
    /// A session that behaves in this manner and sends `request`, or nothing at all.
    pub(super) fn new(seat: Seat, manner: Manner, request: &Rc<[u8]>) -> Self {
        Beside { seat, manner, request: Rc::clone(request), at: 0, answer: Careful::new() }
    }

    /// Sends what its manner allows.
    fn speak(&mut self, cx: &mut Cx<'_>) {
        let rest = self.request.get(self.at..).unwrap_or_default();
        let length = if self.manner == Manner::Writes { rest.len().min(1) } else { rest.len() };
        cx.write(rest.get(..length).unwrap_or_default());
        self.at += length;
        let wait = match self.manner {
            _ if self.request.is_empty() => return,
            Manner::Idle => REST,
            Manner::Reads => return self.seat.wait_until(Moment::NEVER),
            Manner::Writes if self.at == self.request.len() => {
                return self.seat.wait_until(Moment::NEVER);
            }
            Manner::Writes => {
                let count = u32::try_from(self.request.len()).unwrap_or(u32::MAX);
                DRIP.min(HEAD / count.max(1))
            }
        };
        self.seat.wait_until(cx.now() + wait);
    }

    /// Takes what comes. At the end of an answer the next request begins, but for an idle one.
    fn hear(&mut self, input: &mut &[u8], cx: &mut Cx<'_>) -> bool {
        match self.answer.feed(input, cx.limits()) {
            Verdict::More => true,
            Verdict::Whole(whole) => {
                self.seat.ready();
                // A short refusal is nothing to be slow with.
                if !(200..300).contains(&whole.status) {
                    self.seat.refused();
                }
                self.answer = Careful::new();
                self.at = 0;
                if self.manner != Manner::Idle {
                    self.speak(cx);
                }
                !whole.last
            }
            Verdict::Broken => false,
        }
    }
}

impl Session for Beside {
    fn on_connect(&mut self) {
        self.seat.connect();
    }

    fn on_secure(&mut self, _: &TlsInfo<'_>) {
        self.seat.shake();
    }

    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.seat.stay(cx.token());
        self.speak(cx);
        Flow::Continue
    }

    fn on_data(&mut self, input: &mut &[u8], cx: &mut Cx<'_>) -> Flow {
        if !self.hear(input, cx) {
            return Flow::Close(CloseMode::Abort, CloseReason::Aborted);
        }
        if self.manner == Manner::Reads {
            self.seat.wait_until(cx.now() + SIP);
            return Flow::Pause;
        }
        Flow::Continue
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_>) -> Flow {
        if self.manner == Manner::Reads {
            self.seat.wait_until(Moment::NEVER);
        } else {
            self.speak(cx);
        }
        Flow::Continue
    }

    fn on_close(&mut self, why: CloseReason, _: &mut Env) {
        self.seat.close(why);
    }

    fn deadline(&self) -> Moment {
        self.seat.deadline()
    }
}
