//! What a WebSocket session and its handler share: the sending half, what waits to be sent, and the
//! time that the peer has left.
//!
//! Called by the session; the handler sees it as a [`Peer`].

use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;

use super::{Options, Slow};
use crate::error::{CloseReason, Phase};
use crate::proto::ws::{Role, Sender, code};
use crate::session::{CloseMode, Cx, Env, Flow, Message};
use crate::time::Moment;
use crate::token::Token;

/// How far the connection's end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Pinged, and not a byte since.
    Pinged,
    /// It must end: it broke a bound of ours.
    Overflown,
}

/// The sending half of one session.
pub(super) struct Link {
    sender: Sender,
    options: Rc<Options>,
    protocol: Option<&'static str>,
    queue: Option<Box<Queue>>,
    farewell: Option<Box<(u16, String)>>,
    deadline: Moment,
    /// The turn of the last frame from others, and whether the peer was behind then.
    turn: Moment,
    is_slow: bool,
    lost: u32,
    state: State,
    role: Role,
}

/// Frames for which there is no room yet.
#[derive(Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
}

impl Link {
    pub(super) fn new(
        sender: Sender,
        role: Role,
        options: &Rc<Options>,
        protocol: Option<&'static str>,
    ) -> Self {
        Link {
            sender,
            options: Rc::clone(options),
            protocol,
            queue: None,
            farewell: None,
            deadline: Moment::NEVER,
            turn: Moment::START,
            is_slow: false,
            lost: 0,
            state: State::Open,
            role,
        }
    }

    #[inline]
    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    #[inline]
    pub(super) fn shares(&self) -> bool {
        self.sender.shares()
    }

    /// True once our close frame is on its way: nothing can be said any more.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// True if the session should look at [`flow`](Self::flow).
    #[inline]
    pub(super) fn is_spent(&self) -> bool {
        self.state == State::Overflown
    }

    pub(super) fn deadline(&self) -> Moment {
        self.deadline
    }

    /// The peer lives.
    #[inline]
    pub(super) fn heard(&mut self, cx: &Cx<'_>) {
        if !self.is_closed() {
            self.deadline = cx.now() + self.options.ping_after;
            if self.state == State::Pinged {
                self.state = State::Open;
            }
        }
    }

    #[inline]
    pub(super) fn has_room(&self, cx: &Cx<'_>) -> bool {
        self.queue.is_none() && cx.room() > 0
    }

    /// True while frames wait for room.
    pub(super) fn has_queue(&self) -> bool {
        self.queue.is_some()
    }

    /// Bytes of them.
    #[inline]
    pub(super) fn queued(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.bytes)
    }

    fn unsent(&self, cx: &Cx<'_>) -> usize {
        cx.unsent() + self.queued()
    }

    /// What the session does next: goes on, or ends when both close frames are out.
    #[inline]
    pub(super) fn flow(&self, peer_closed: bool, otherwise: Flow) -> Flow {
        if self.state == State::Overflown {
            return Flow::Close(CloseMode::Linger, CloseReason::Overflow);
        }
        // The server ends the stream; a client waits for it to (RFC 6455 §7.1.1).
        if peer_closed && self.is_closed() && self.queue.is_none() && self.role == Role::Server {
            return Flow::Close(CloseMode::Linger, CloseReason::Finished);
        }
        otherwise
    }

    /// A frame made for many.
    #[inline]
    pub(super) fn share(&mut self, frame: Bytes, cx: &mut Cx<'_>) {
        if self.is_closed() {
            return;
        }
        // What comes in one turn is written at its end: it says nothing of the peer's pace.
        if self.turn != cx.now() {
            (self.turn, self.is_slow) = (cx.now(), self.unsent(cx) > self.options.max_unsent);
        }
        if self.is_slow || self.unsent(cx) + frame.len() > cx.limits().backlog_cap / 2 {
            return self.leave_out(cx);
        }
        match self.queue {
            None => cx.write_shared(frame),
            Some(_) => self.put(frame, cx),
        }
    }

    #[cold]
    fn leave_out(&mut self, cx: &mut Cx<'_>) {
        self.lost = self.lost.saturating_add(1);
        match self.options.slow {
            Slow::Drop => cx.want_drain(),
            Slow::Close => {
                self.remember(code::POLICY, "too slow");
                self.close(code::POLICY, "too slow", cx);
                self.state = State::Overflown;
            }
        }
    }

    /// A message of `length` bytes, written by `encode`: at once, or when there is room.
    #[inline]
    fn say(
        &mut self,
        length: usize,
        cx: &mut Cx<'_>,
        encode: impl FnOnce(&mut Sender, &mut Vec<u8>, &mut Env),
    ) {
        if self.queue.is_none() && length <= cx.room() {
            let (out, env) = cx.split();
            return encode(&mut self.sender, out, env);
        }
        self.say_later(cx, encode);
    }

    #[cold]
    fn say_later(
        &mut self,
        cx: &mut Cx<'_>,
        encode: impl FnOnce(&mut Sender, &mut Vec<u8>, &mut Env),
    ) {
        let mut frame = Vec::new();
        encode(&mut self.sender, &mut frame, cx.env());
        self.put(frame.into(), cx);
    }

    fn put(&mut self, frame: Bytes, cx: &mut Cx<'_>) {
        if frame.is_empty() {
            return;
        }
        let queue = self.queue.get_or_insert_default();
        queue.bytes += frame.len();
        queue.frames.push_back(frame);
        if queue.bytes > self.options.max_queued {
            self.state = State::Overflown;
        }
        self.pour(cx);
    }

    /// Writes what waits, as far as there is room. True if nothing waits any more.
    pub(super) fn pour(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some(queue) = &mut self.queue else { return true };
        while let Some(frame) = queue.frames.front_mut() {
            let piece = frame.split_to(frame.len().min(cx.room()));
            queue.bytes -= piece.len();
            cx.write_shared(piece);
            if !frame.is_empty() {
                cx.want_drain();
                return false;
            }
            queue.frames.pop_front();
        }
        self.queue = None;
        true
    }

    pub(super) fn pong(&mut self, data: &[u8], cx: &mut Cx<'_>) {
        self.say(data.len(), cx, |sender, out, _| sender.pong(data, out));
    }

    /// Takes our leave, and gives the peer its time to answer.
    pub(super) fn close(&mut self, code: u16, reason: &str, cx: &mut Cx<'_>) {
        if !self.is_closed() {
            self.say(0, cx, |sender, out, _| sender.close(code, reason, out));
            self.deadline = cx.now() + self.options.close_within;
        }
    }

    /// Why it ended, for the handler.
    pub(super) fn remember(&mut self, code: u16, reason: &str) {
        self.farewell = Some(Box::new((code, reason.to_owned())));
    }

    pub(super) fn farewell(&mut self) -> (u16, String) {
        self.farewell.take().map_or((code::ABNORMAL, String::new()), |said| *said)
    }

    /// The deadline has come: of silence, of a ping, or of the close frame.
    pub(super) fn time_out(&mut self, cx: &mut Cx<'_>) -> Flow {
        // While the peer takes what it is sent it lives; the driver looks after one that does not.
        let is_taking = self.unsent(cx) > 0;
        if self.is_closed() {
            if is_taking {
                self.deadline = cx.now() + self.options.close_within;
                return Flow::Stay;
            }
            return Flow::Close(CloseMode::Linger, CloseReason::TimedOut(Phase::Linger));
        }
        if is_taking {
            self.deadline = cx.now() + self.options.ping_after;
            return Flow::Stay;
        }
        match self.state {
            State::Open => {
                self.state = State::Pinged;
                self.sender.ping(b"", cx.out());
                self.deadline = cx.now() + self.options.pong_within;
                Flow::Stay
            }
            State::Pinged | State::Overflown => {
                self.remember(code::ABNORMAL, "no answer to a ping");
                self.close(code::INTERNAL, "no answer to a ping", cx);
                Flow::Close(CloseMode::Linger, CloseReason::TimedOut(Phase::Idle))
            }
        }
    }
}

/// The other end of a WebSocket, as its handler sees it.
pub struct Peer<'a, 'c> {
    cx: &'a mut Cx<'c>,
    link: &'a mut Link,
}

impl<'a, 'c> Peer<'a, 'c> {
    #[inline]
    pub(super) fn new(cx: &'a mut Cx<'c>, link: &'a mut Link) -> Self {
        Peer { cx, link }
    }

    /// Sends a text message. What the peer does not take yet waits, up to [`Options::max_queued`];
    /// after [`close`](Self::close) nothing is sent.
    #[inline]
    pub fn send_text(&mut self, text: &str) {
        self.link.say(text.len(), self.cx, |sender, out, env| {
            sender.text(text, out, &mut env.contexts);
        });
    }

    /// Sends a binary message, like [`send_text`](Self::send_text).
    #[inline]
    pub fn send_binary(&mut self, data: &[u8]) {
        self.link.say(data.len(), self.cx, |sender, out, env| {
            sender.binary(data, out, &mut env.contexts);
        });
    }

    /// Sends frames made by [`encode_text`](super::encode_text) or the like without copying them.
    /// Like those that come as messages they are left out if the peer is too slow, and on a
    /// client, which must mask, nothing is sent at all.
    pub fn send_shared(&mut self, frames: Bytes) {
        if self.link.shares() {
            self.link.share(frames, self.cx);
        } else {
            log::error!("a WebSocket client cannot send shared frames");
        }
    }

    /// Sends a ping with at most 125 bytes. Heart-beats are sent without being asked for.
    pub fn ping(&mut self, data: &[u8]) {
        self.link.say(data.len(), self.cx, |sender, out, _| sender.ping(data, out));
    }

    /// Takes leave. What was sent before goes out first; nothing is sent or heard after it. 1005
    /// sends no code.
    pub fn close(&mut self, code: u16, reason: &str) {
        self.link.close(code, reason, self.cx);
    }

    /// Bytes that the peer has not taken yet.
    pub fn unsent(&self) -> usize {
        self.link.unsent(self.cx)
    }

    /// How many bytes may be sent now before the peer's slowness counts.
    pub fn room(&self) -> usize {
        if self.link.queue.is_some() { 0 } else { self.cx.room() }
    }

    /// Asks for [`on_drain`](super::Handler::on_drain) when there is room again.
    pub fn want_drain(&mut self) {
        self.cx.want_drain();
    }

    /// How many frames were left out since the last call, because the peer was too slow.
    pub fn take_lost(&mut self) -> u32 {
        std::mem::take(&mut self.link.lost)
    }

    /// The subprotocol that was agreed on.
    pub fn protocol(&self) -> Option<&'static str> {
        self.link.protocol
    }

    /// The connection's name on this loop, to reach it by a message.
    pub fn token(&self) -> Token {
        self.cx.token()
    }

    /// The time of this turn.
    pub fn now(&self) -> Moment {
        self.cx.now()
    }

    /// Sends a message to another connection of the loop.
    pub fn send_to(&mut self, to: Token, message: Message) {
        self.cx.send(to, message);
    }

    /// Runs `job` on the off-load pool; its result arrives in
    /// [`on_notice`](super::Handler::on_notice).
    pub fn offload(&mut self, job: impl FnOnce() -> Message + Send + 'static) {
        self.cx.offload(job);
    }

    /// What all connections of the loop share.
    pub fn env(&mut self) -> &mut Env {
        self.cx.env()
    }
}
