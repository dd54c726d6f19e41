//! [`Watched`]: a session around each session, which tells the checks what it says and hears.

use std::rc::Rc;

use bytes::Bytes;

use super::service::Checks;
use crate::error::CloseReason;
use crate::session::{ConnInfo, Cx, Env, Flow, Message, Service, Session};
use crate::time::Moment;
use crate::token::Token;

/// A service whose sessions are [`Watched`].
pub(crate) struct Watching<S> {
    pub(crate) service: S,
    pub(crate) checks: Checks,
}

impl<S: Service> Service for Watching<S> {
    fn open(&self, info: &ConnInfo<'_>) -> Box<dyn Session> {
        let inner = self.service.open(info);
        Box::new(Watched { inner, checks: Rc::clone(&self.checks), token: info.token })
    }
}

/// A session around a session: it changes nothing and tells the checks everything.
pub(crate) struct Watched {
    inner: Box<dyn Session>,
    checks: Checks,
    token: Token,
}

impl Watched {
    /// A watched session for a connection that is adopted or dialled, whose token is not known before
    /// it opens.
    pub(crate) fn nameless(inner: Box<dyn Session>, checks: &Checks) -> Box<dyn Session> {
        Box::new(Watched { inner, checks: Rc::clone(checks), token: Token::new(0, 0) })
    }

    fn call(
        &mut self,
        cx: &mut Cx<'_>,
        f: impl FnOnce(&mut dyn Session, &mut Cx<'_>) -> Flow,
    ) -> Flow {
        self.token = cx.token();
        let before = cx.unsent();
        let flow = f(&mut *self.inner, cx);
        let produced = cx.unsent() - before;
        let mut check = self.checks.borrow_mut();
        check.called(self.token, produced, self.inner.deadline());
        let seen = check.seen(self.token);
        seen.wants_drain = cx.wants_drain();
        match flow {
            Flow::Stay => flow,
            Flow::Pause => {
                seen.paused = true;
                flow
            }
            Flow::Close(mode, reason) => {
                seen.closing.get_or_insert(mode);
                check.note(|| format!("  session wants its end: {mode:?}, {reason}"));
                flow
            }
            Flow::Upgrade(inner) => {
                (seen.paused, seen.wants_drain) = (false, false);
                let (checks, token) = (Rc::clone(&self.checks), self.token);
                Flow::Upgrade(Box::new(Watched { inner, checks, token }))
            }
            other => {
                seen.paused = false;
                other
            }
        }
    }
}

impl Session for Watched {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.call(cx, |inner, cx| inner.on_open(cx))
    }

    fn on_data(&mut self, input: &mut &[u8], cx: &mut Cx<'_>) -> Flow {
        let offered = input.len();
        let flow = self.call(cx, |inner, cx| inner.on_data(input, cx));
        let mut check = self.checks.borrow_mut();
        check.seen(self.token).holds = !input.is_empty();
        if matches!(flow, Flow::Reflect) {
            check.called(self.token, offered - input.len(), self.inner.deadline());
        }
        flow
    }

    fn on_eof(&mut self, clean: bool, cx: &mut Cx<'_>) -> Flow {
        self.call(cx, |inner, cx| inner.on_eof(clean, cx))
    }

    fn on_drain(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.checks.borrow_mut().excuse_drive(cx.token());
        self.call(cx, |inner, cx| inner.on_drain(cx))
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.checks.borrow_mut().timed_out(cx.token());
        self.call(cx, |inner, cx| inner.on_timeout(cx))
    }

    fn on_message(&mut self, message: Message, cx: &mut Cx<'_>) -> Flow {
        let token = cx.token();
        self.checks.borrow_mut().excuse_drive(token);
        let bytes = match &message {
            Message::Bytes(bytes) => bytes.clone(),
            Message::Any(any) => any.downcast_ref::<Bytes>().cloned().unwrap_or_default(),
        };
        let before = cx.unsent();
        let flow = self.call(cx, |inner, cx| inner.on_message(message, cx));
        if !bytes.is_empty() {
            self.checks.borrow_mut().heard(token, &bytes, cx.unsent() - before);
        }
        flow
    }

    fn on_shutdown(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.checks.borrow_mut().excuse_drive(cx.token());
        self.call(cx, |inner, cx| inner.on_shutdown(cx))
    }

    fn on_close(&mut self, why: CloseReason, env: &mut Env) {
        self.checks.borrow_mut().ended(self.token, why);
        self.inner.on_close(why, env);
    }

    fn deadline(&self) -> Moment {
        self.inner.deadline()
    }
}
