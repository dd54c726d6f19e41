//! Sessions without a protocol: bytes in, bytes out, and an idle time-out.

use std::any::Any;

use crate::error::{CloseReason, Phase};
use crate::session::{CloseMode, Cx, Env, Flow, Message, Session};
use crate::time::Moment;

/// What a [`Raw`] session does with its bytes.
pub trait Handler {
    /// The connection is established.
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        let _ = cx;
        Flow::Continue
    }

    /// Bytes arrived; all of them are taken. [`Flow::Reflect`] sends them back.
    fn on_bytes(&mut self, bytes: &[u8], cx: &mut Cx<'_>) -> Flow;

    /// The peer will send no more; `clean` as for [`Session::on_eof`]. By default the connection
    /// ends too.
    fn on_eof(&mut self, clean: bool, cx: &mut Cx<'_>) -> Flow {
        let _ = (clean, cx);
        Flow::Close(CloseMode::Flush, CloseReason::PeerClosed)
    }

    /// Somebody sent something other than bytes.
    fn on_message(&mut self, message: Box<dyn Any + Send>, cx: &mut Cx<'_>) -> Flow {
        let _ = (message, cx);
        Flow::Stay
    }

    /// The connection has ended.
    fn on_close(&mut self, why: CloseReason, env: &mut Env) {
        let _ = (why, env);
    }

    /// There is room again, after [`Cx::want_drain`].
    fn on_drain(&mut self, cx: &mut Cx<'_>) -> Flow {
        let _ = cx;
        Flow::Continue
    }
}

/// A session that passes bytes to its handler and ends when the peer ends or falls silent for
/// `Limits::idle`. [`Message::Bytes`] are written as they are.
///
/// A raw stream has no message whose end a drain could wait for, so what arrives within
/// `Limits::drain_idle` is still taken and answered, and then the connection closes.
pub struct Raw<H> {
    handler: H,
    deadline: Moment,
}

impl<H: Handler> Raw<H> {
    /// A session for `handler`.
    pub fn new(handler: H) -> Self {
        Raw { handler, deadline: Moment::NEVER }
    }

    fn touch(&mut self, cx: &mut Cx<'_>) {
        self.deadline = if cx.env().draining {
            self.deadline.min(cx.now() + cx.limits().drain_idle)
        } else {
            cx.now() + cx.limits().idle
        };
    }
}

impl<H: Handler> Session for Raw<H> {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.touch(cx);
        self.handler.on_open(cx)
    }

    fn on_data(&mut self, input: &mut &[u8], cx: &mut Cx<'_>) -> Flow {
        self.touch(cx);
        self.handler.on_bytes(std::mem::take(input), cx)
    }

    fn on_drain(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.touch(cx);
        self.handler.on_drain(cx)
    }

    fn on_eof(&mut self, clean: bool, cx: &mut Cx<'_>) -> Flow {
        self.handler.on_eof(clean, cx)
    }

    fn on_message(&mut self, message: Message, cx: &mut Cx<'_>) -> Flow {
        match message {
            Message::Bytes(bytes) => {
                self.touch(cx);
                cx.write_shared(bytes);
                Flow::Stay
            }
            Message::Any(any) => self.handler.on_message(any, cx),
        }
    }

    fn on_close(&mut self, why: CloseReason, env: &mut Env) {
        self.handler.on_close(why, env);
    }

    fn on_shutdown(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.touch(cx);
        Flow::Continue
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_>) -> Flow {
        if cx.env().draining {
            return Flow::Close(CloseMode::Linger, CloseReason::Drained);
        }
        // While the peer still takes what it is sent, its silence is no reason to end; the
        // driver's limit on writing looks after a peer that stops reading.
        if cx.unsent() > 0 {
            self.touch(cx);
            return Flow::Continue;
        }
        Flow::Close(CloseMode::Linger, CloseReason::TimedOut(Phase::Idle))
    }

    fn deadline(&self) -> Moment {
        self.deadline
    }
}
