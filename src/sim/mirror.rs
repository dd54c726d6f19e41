//! A session that sends back what it got from where it was read, or from what it kept.

use crate::error::{CloseReason, Phase};
use crate::session::{CloseMode, Cx, Flow, Session};
use crate::time::Moment;

/// Everything comes back: copied, reflected, or half now and the rest when there is room.
pub(crate) struct Mirror {
    deadline: Moment,
}

impl Mirror {
    pub(crate) fn new() -> Self {
        Mirror { deadline: Moment::NEVER }
    }

    fn touch(&mut self, cx: &Cx<'_>) -> Flow {
        self.deadline = cx.now() + cx.limits().idle;
        Flow::Continue
    }
}

impl Session for Mirror {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.touch(cx)
    }

    fn on_data(&mut self, input: &mut &[u8], cx: &mut Cx<'_>) -> Flow {
        self.touch(cx);
        let later = match input.first() {
            Some(0..64) => {
                cx.write(std::mem::take(input));
                return Flow::Continue;
            }
            Some(64..128) => input.split_at(input.len().div_ceil(2)).1,
            _ => &[],
        };
        *input = later;
        if !later.is_empty() {
            cx.want_drain();
        }
        Flow::Reflect
    }

    fn on_drain(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.touch(cx)
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_>) -> Flow {
        let why = match cx.is_draining() {
            true => CloseReason::Drained,
            false if cx.unsent() > 0 => return self.touch(cx),
            false => CloseReason::TimedOut(Phase::Idle),
        };
        Flow::Close(CloseMode::Linger, why)
    }

    fn on_shutdown(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.deadline = cx.now() + cx.limits().drain_idle;
        Flow::Continue
    }

    fn deadline(&self) -> Moment {
        self.deadline
    }
}
