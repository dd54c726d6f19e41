//! WebSocket messages that come back: each request is one binary message, and so is its answer.
//!
//! The driver makes one for each connection and runs it under `session::ws::Client`. Making a
//! connection includes the opening handshake (RFC 6455 §4).

use std::rc::Rc;

use crate::error::{CloseReason, Phase};
use crate::load::recorder::Failed;
use crate::load::seat::Seat;
use crate::session::ws::{Handler, Peer, code};
use crate::session::{Env, Message};
use crate::time::Moment;

/// See the module's documentation.
pub(super) struct Talker {
    seat: Seat,
    message: Rc<[u8]>,
    /// Why it was ended from here.
    ended: Option<CloseReason>,
}

impl Talker {
    /// A handler that sends `message`.
    pub(super) fn new(seat: Seat, message: &Rc<[u8]>) -> Self {
        Talker { seat, message: Rc::clone(message), ended: None }
    }

    fn end(&mut self, why: CloseReason, peer: &mut Peer<'_, '_>) {
        self.seat.wait_until(Moment::NEVER);
        self.ended = Some(why);
        peer.close(code::NORMAL, "");
    }
}

fn writer<'a, 'p: 'a, 'c: 'a>(
    message: &'a [u8],
    peer: &'a mut Peer<'p, 'c>,
) -> impl FnMut(u8) -> usize + use<'a, 'p, 'c> {
    |_| {
        peer.send_binary(message);
        message.len()
    }
}

impl Handler for Talker {
    fn on_open(&mut self, peer: &mut Peer<'_, '_>) {
        self.seat.open(peer.token(), writer(&self.message, peer));
    }

    fn on_text(&mut self, _: &str, peer: &mut Peer<'_, '_>) {
        self.on_binary(&[], peer);
    }

    fn on_binary(&mut self, data: &[u8], peer: &mut Peer<'_, '_>) {
        let now = self.seat.now();
        self.seat.received(data.len(), now);
        if self.ended.is_some() {
            return;
        }
        if self.seat.expected().is_none() {
            self.seat.surplus(now);
            return self.end(CloseReason::Aborted, peer);
        }
        let is_right = *data == *self.message;
        self.seat.answered(if is_right { Ok(()) } else { Err(Failed::Wrong) }, now);
        self.seat.fill(now, writer(&self.message, peer));
    }

    fn on_notice(&mut self, _: Message, peer: &mut Peer<'_, '_>) {
        if self.ended.is_none() {
            self.seat.wake(writer(&self.message, peer));
        }
    }

    fn on_timeout(&mut self, peer: &mut Peer<'_, '_>) {
        self.end(CloseReason::TimedOut(Phase::Reply), peer);
    }

    fn deadline(&self) -> Moment {
        self.seat.deadline()
    }

    fn on_close(&mut self, _: u16, _: &str, _: &mut Env) {
        self.seat.close(self.ended.unwrap_or(CloseReason::PeerClosed));
    }
}
