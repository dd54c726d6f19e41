//! A hall: whatever one of its members says, all of them hear. One copy of it is shared by all.
//!
//! Some members lose whole messages when their peer is slow, the others are closed when their
//! backlog passes its cap.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;

use super::seen::Sender;
use super::service::{Checks, pattern};
use crate::error::CloseReason;
use crate::session::raw::Handler;
use crate::session::{CloseMode, Cx, Env, Flow, Message, Op};
use crate::token::Token;

/// Room that a member who loses messages leaves below its cap: for the longest message.
const LONGEST: usize = 1500;

/// Who is in a hall, and what has been said there.
#[derive(Debug, Default)]
pub(crate) struct Members {
    /// Each with what it does when its peer is slow.
    present: Vec<(Token, Policy)>,
    said: u32,
}

/// What becomes of a member whose peer does not keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// It loses messages.
    Lose,
    /// It is closed, at the cap of its backlog.
    Close,
}

/// The members as their sessions share them.
pub(crate) type Hall = Rc<RefCell<Members>>;

impl Members {
    /// Says something of about so many bytes: what each member is to be sent.
    pub(crate) fn say(
        &mut self,
        length: usize,
        from: Sender,
        checks: &Checks,
    ) -> Vec<(Token, Message)> {
        self.said += 1;
        let mut bytes = self.said.to_be_bytes().to_vec();
        bytes.extend((0..length).map(|at| pattern(at + self.said as usize)));
        let bytes = Bytes::from(bytes);
        let mut check = checks.borrow_mut();
        let send = |(to, policy): &(Token, Policy)| {
            check.post(*to, bytes.clone(), from);
            let bytes = bytes.clone();
            match policy {
                Policy::Lose => (*to, Message::any(bytes)),
                Policy::Close => (*to, Message::Bytes(bytes)),
            }
        };
        self.present.iter().map(send).collect()
    }
}

/// One member's session. What it says is a byte for each message.
pub(crate) struct Member {
    hall: Hall,
    checks: Checks,
    token: Token,
}

impl Member {
    pub(crate) fn new(hall: &Hall, checks: &Checks, token: Token) -> Self {
        Member { hall: Rc::clone(hall), checks: Rc::clone(checks), token }
    }

    fn say(&self, length: usize, cx: &mut Cx<'_>) {
        for (to, message) in self.hall.borrow_mut().say(length, Sender::Session, &self.checks) {
            cx.send(to, message);
        }
    }

    /// Has the member who has been here longest leave.
    fn expel(&self, mode: CloseMode, cx: &mut Cx<'_>) {
        if let Some((first, _)) = self.hall.borrow().present.first() {
            self.checks.borrow_mut().seen(*first).close_asked = true;
            cx.close(*first, mode);
        }
    }
}

impl Handler for Member {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        let policy =
            if self.token.index().is_multiple_of(2) { Policy::Lose } else { Policy::Close };
        self.checks.borrow_mut().seen(self.token).loses = policy == Policy::Lose;
        self.hall.borrow_mut().present.push((self.token, policy));
        self.say(1, cx);
        Flow::Continue
    }

    fn on_bytes(&mut self, bytes: &[u8], cx: &mut Cx<'_>) -> Flow {
        for byte in bytes {
            match byte {
                0..100 => self.say(usize::from(*byte), cx),
                100..200 => self.say(400 + usize::from(*byte), cx),
                200..240 => self.say(LONGEST - 4, cx),
                240..245 => self.expel(CloseMode::Linger, cx),
                245..250 => self.expel(CloseMode::Flush, cx),
                250.. => self.expel(CloseMode::Abort, cx),
            }
        }
        Flow::Continue
    }

    fn on_message(&mut self, message: Box<dyn Any + Send>, cx: &mut Cx<'_>) -> Flow {
        if let Ok(bytes) = message.downcast::<Bytes>()
            && cx.unsent() + LONGEST <= cx.limits().backlog_cap
        {
            cx.write_shared(*bytes);
        }
        Flow::Stay
    }

    /// The others hear of it.
    fn on_close(&mut self, _: CloseReason, env: &mut Env) {
        let mut hall = self.hall.borrow_mut();
        hall.present.retain(|(token, _)| *token != self.token);
        let messages = hall.say(2, Sender::Session, &self.checks);
        env.ops.extend(messages.into_iter().map(|(to, message)| Op::Send(to, message)));
    }
}
