//! WebSocket as a session (RFC 6455): the machine of `proto/ws`, heart-beats and closing by
//! deadline, and the application's [`Handler`].
//!
//! A server's handler of HTTP calls [`accept`] with the request; a client runs a [`Client`] on a
//! connection of its own. Both lead to the same session. It never reads more than the peer's
//! slowness allows: while there is no room for answers, what the peer says waits in the kernel.
//!
//! ```
//! use readyloop::Head;
//! use readyloop::session::http::{Http, Reply};
//! use readyloop::session::ws::{self, Handler, Peer};
//! use std::rc::Rc;
//!
//! struct Upper;
//!
//! impl Handler for Upper {
//!     fn on_text(&mut self, text: &str, peer: &mut Peer<'_, '_>) {
//!         peer.send_text(&text.to_uppercase());
//!     }
//! }
//!
//! let options = Rc::new(ws::Options { message_bytes: 64 * 1024, ..ws::Options::default() });
//! let service = Http::new(move |head: &Head<'_>, reply: Reply<'_, '_>| {
//!     ws::accept(head, reply, &options, Upper)
//! });
//! # let _ = service; // for `Reactor::listen`
//! ```
//!
//! **To many.** A message for many is encoded once ([`encode_text`]) and sent to each connection as
//! [`Message::Bytes`]: by [`Env::send`] on the loop, by [`Handle::send`](crate::Handle::send) or
//! [`Handle::exec`](crate::Handle::exec) from another thread. The example `broadcast` does.
//!
//! **Back-pressure.** A handler that answers needs no care: while the peer does not take its answers,
//! nothing more is read from it. One that sends unasked looks at [`Peer::room`] and goes on in
//! [`Handler::on_drain`]; what it sends beyond that waits, up to [`Options::max_queued`]. Frames for
//! many never wait beyond [`Options::max_unsent`]: the peer misses them or is closed
//! ([`Options::slow`]).
//!
//! A connection that is idle owns no buffer. Without compression, or with a compression that keeps
//! no context, it is a few words; with context takeover it is a third of a megabyte.

mod accept;
mod client;
mod link;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::error::CloseReason;
use crate::probe::Stage;
pub use crate::proto::ws::frame::{encode_binary, encode_text};
pub use crate::proto::ws::handshake::Origins;
use crate::proto::ws::{Bounds, Close, Event, Reader, Refusal, Scratch};
pub use crate::proto::ws::{Deflate, code};
use crate::session::{CloseMode, Cx, Env, Flow, Message, Session};
use crate::time::Moment;

pub use accept::accept;
pub use client::{Client, Target};
use link::Link;
pub use link::Peer;

/// The application's side of one WebSocket.
pub trait Handler: 'static {
    /// The connection is open.
    fn on_open(&mut self, peer: &mut Peer<'_, '_>) {
        let _ = peer;
    }

    /// A text message came.
    fn on_text(&mut self, text: &str, peer: &mut Peer<'_, '_>);

    /// A binary message came. By default such messages are not accepted: the peer is told 1003.
    fn on_binary(&mut self, data: &[u8], peer: &mut Peer<'_, '_>) {
        let _ = data;
        peer.close(code::UNSUPPORTED, "text only");
    }

    /// Somebody on the loop sent something. [`Message::Bytes`] do not come here on a server: they
    /// are whole frames, such as [`encode_text`] makes, and go to the peer as they are, within
    /// [`Options::max_unsent`].
    fn on_notice(&mut self, message: Message, peer: &mut Peer<'_, '_>) {
        let _ = (message, peer);
    }

    /// There is room again, after [`Peer::want_drain`], or after frames were left out because the
    /// peer was too slow for them ([`Peer::take_lost`] says how many).
    fn on_drain(&mut self, peer: &mut Peer<'_, '_>) {
        let _ = peer;
    }

    /// The moment named by [`deadline`](Handler::deadline) has come.
    fn on_timeout(&mut self, peer: &mut Peer<'_, '_>) {
        let _ = peer;
    }

    /// When to call [`on_timeout`](Handler::on_timeout), after which it must lie ahead of
    /// [`Peer::now`] again: a handler that wants to be called at once, for ever, is ended.
    fn deadline(&self) -> Moment {
        Moment::NEVER
    }

    /// The loop drains. By default the peer is told that we go away.
    fn on_shutdown(&mut self, peer: &mut Peer<'_, '_>) {
        peer.close(code::AWAY, "");
    }

    /// It is over; comes once, last. `code` is what the peer closed with, or what it was told when
    /// it broke the protocol; 1005 if it gave none and 1006 if it did not take its leave at all.
    /// Nobody is left to write to; others may be sent something by [`Env::send`].
    fn on_close(&mut self, code: u16, reason: &str, env: &mut Env) {
        let _ = (code, reason, env);
    }
}

/// How an endpoint treats its connections.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose pages may connect. Those of the host that is asked.
    pub origins: Origins,
    /// Subprotocols that are spoken here; the client's order decides. None.
    pub protocols: &'static [&'static str],
    /// Compression, if it is offered. None.
    pub deflate: Option<Deflate>,
    /// Bytes of one message, after inflating; more are refused with 1009. 1 MiB.
    pub message_bytes: usize,
    /// Bytes of one frame, before inflating. Compression makes some messages a little longer than they
    /// are. 1 MiB + 16 KiB.
    pub frame_bytes: u64,
    /// After so much silence the peer is pinged, 30 s,
    pub ping_after: Duration,
    /// and after so much more without a sign of life it is gone. 20 s.
    pub pong_within: Duration,
    /// How long a peer may take to answer our close frame. 5 s.
    pub close_within: Duration,
    /// Unsent bytes of earlier turns above which frames from others are left out, or end the
    /// connection. They do so in any case above half of `Limits::backlog_cap`. 1 MiB.
    pub max_unsent: usize,
    /// Which of the two. They are left out.
    pub slow: Slow,
    /// Bytes that a handler may send while the peer does not take them; more end the connection.
    /// 16 MiB.
    pub max_queued: usize,
    /// Bytes that all connections of the loop may hold together, of messages that have not come in
    /// full and of those that wait for room. Whoever would add to more is closed with 1013.
    pub together: usize,
}

/// What becomes of a peer that does not take frames as fast as they are made for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// It misses whole frames, and its handler is told how many.
    Drop,
    /// It is closed with 1008.
    Close,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            origins: Origins::Same,
            protocols: &[],
            deflate: None,
            message_bytes: 1024 * 1024,
            frame_bytes: 1024 * 1024 + 16 * 1024,
            ping_after: Duration::from_secs(30),
            pong_within: Duration::from_secs(20),
            close_within: Duration::from_secs(5),
            max_unsent: 1024 * 1024,
            slow: Slow::Drop,
            max_queued: 16 * 1024 * 1024,
            together: 256 * 1024 * 1024,
        }
    }
}

impl Options {
    fn bounds(&self) -> Bounds {
        Bounds { message: self.message_bytes, frame: self.frame_bytes }
    }
}

/// Bytes of messages that one peer says in one go. It takes compression to say more by what is read
/// at once: up to a thousand times as much, all of which has to be inflated.
const TURN: usize = 1024 * 1024;

/// One WebSocket after its handshake.
struct WebSocket<H> {
    handler: H,
    reader: Reader,
    link: Link,
    /// The peer has ended the stream, cleanly or not.
    ended: Option<bool>,
    /// What was added to the loop's sum of bytes held.
    held: usize,
    /// Bytes that were left of the input. They come again with the next, and with whatever else
    /// happens.
    left: usize,
}

impl<H: Handler> Session for WebSocket<H> {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.link.heard(cx);
        let is_draining = cx.is_draining();
        self.call(cx, Flow::Continue, |handler, peer| {
            handler.on_open(peer);
            // Its request was on its way when the others were told.
            if is_draining {
                handler.on_shutdown(peer);
            }
        })
    }

    fn on_data(&mut self, input: &mut &[u8], cx: &mut Cx<'_>) -> Flow {
        // What was left before is no sign of life.
        if input.len() > self.left {
            self.link.heard(cx);
        }
        let mut scratch = cx.env().scratch.take().unwrap_or_default();
        let flow = self.take(input, &mut scratch, cx);
        self.left = input.len();
        scratch.tidy();
        cx.env().scratch = Some(scratch);
        match flow {
            Flow::Continue if self.account(cx.env()) => self.shed(cx),
            flow => flow,
        }
    }

    fn on_eof(&mut self, clean: bool, _: &mut Cx<'_>) -> Flow {
        // It may still listen: what it was answered goes out first.
        self.ended = Some(clean);
        if self.link.has_queue() { Flow::Stay } else { self.end(clean) }
    }

    fn on_drain(&mut self, cx: &mut Cx<'_>) -> Flow {
        let is_poured = self.link.pour(cx);
        self.account(cx.env());
        if !is_poured {
            return self.link.flow(self.reader.is_closed(), Flow::Continue);
        }
        if let Some(clean) = self.ended {
            return self.end(clean);
        }
        self.call(cx, Flow::Continue, |handler, peer| handler.on_drain(peer))
    }

    #[inline]
    fn on_message(&mut self, message: Message, cx: &mut Cx<'_>) -> Flow {
        match message {
            Message::Bytes(frame) if self.link.shares() => {
                self.link.share(frame, cx);
                self.link.flow(self.reader.is_closed(), Flow::Stay)
            }
            message => self.call(cx, Flow::Stay, |handler, peer| handler.on_notice(message, peer)),
        }
    }

    fn on_shutdown(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.call(cx, Flow::Stay, |handler, peer| handler.on_shutdown(peer))
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_>) -> Flow {
        let now = cx.now();
        if !self.link.is_closed() && self.handler.deadline() <= now {
            let flow = self.call(cx, Flow::Stay, |handler, peer| handler.on_timeout(peer));
            if self.handler.deadline() <= now && !self.link.is_closed() {
                log::error!("a WebSocket handler whose deadline stays in the past was ended");
                return Flow::Close(CloseMode::Abort, CloseReason::Aborted);
            }
            return flow;
        }
        self.link.time_out(cx)
    }

    fn on_close(&mut self, _: CloseReason, env: &mut Env) {
        env.held = env.held.saturating_sub(std::mem::take(&mut self.held));
        let (code, reason) = self.link.farewell();
        self.handler.on_close(code, &reason, env);
    }

    fn deadline(&self) -> Moment {
        match self.link.is_closed() {
            true => self.link.deadline(),
            false => self.link.deadline().min(self.handler.deadline()),
        }
    }

    fn stage(&self) -> Stage {
        if self.link.is_closed() { Stage::Closing } else { Stage::Messages }
    }
}

impl<H: Handler> WebSocket<H> {
    fn new(handler: H, reader: Reader, link: Link) -> Self {
        WebSocket { handler, reader, link, ended: None, held: 0, left: 0 }
    }

    /// Keeps the loop's sum of bytes held. True if this connection has added to it beyond the bound.
    #[inline]
    fn account(&mut self, env: &mut Env) -> bool {
        let before = std::mem::replace(&mut self.held, self.reader.held() + self.link.queued());
        env.held = (env.held + self.held).saturating_sub(before);
        self.held > before && env.held > self.link.options().together
    }

    #[cold]
    fn shed(&mut self, cx: &mut Cx<'_>) -> Flow {
        let what = "too much is held for others";
        self.link.remember(code::TRY_LATER, what);
        self.link.close(code::TRY_LATER, what, cx);
        Flow::Close(CloseMode::Linger, CloseReason::Overflow)
    }

    /// What it means that the peer has ended the stream.
    fn end(&self, clean: bool) -> Flow {
        let is_over = self.reader.is_closed() && self.link.is_closed();
        let reason = match (is_over, clean) {
            (true, _) => CloseReason::Finished,
            (false, true) if self.reader.is_between() => CloseReason::PeerClosed,
            (false, _) => CloseReason::Truncated,
        };
        Flow::Close(CloseMode::Flush, reason)
    }

    #[inline]
    fn take(&mut self, input: &mut &[u8], scratch: &mut Scratch, cx: &mut Cx<'_>) -> Flow {
        let bounds = self.link.options().bounds();
        let mut heard = 0;
        loop {
            // What the peer says next may need an answer, for which there is no room. Or it was much
            // already, and others want their turn.
            if !input.is_empty() && (heard >= TURN || !self.link.has_room(cx)) {
                cx.want_drain();
                return Flow::Continue;
            }
            let event = match self.reader.next_event(input, scratch, &bounds) {
                Ok(Some(event)) => event,
                Ok(None) => return self.link.flow(self.reader.is_closed(), Flow::Continue),
                Err(refusal) => return self.fail(refusal, cx),
            };
            let (handler, link) = (&mut self.handler, &mut self.link);
            match event {
                Event::Pong(_) => {}
                Event::Ping(data) => link.pong(data, cx),
                Event::Close(close) => return self.closed_by_peer(&close.into(), cx),
                // Said before the peer knew that we are leaving: nobody wants it.
                _ if link.is_closed() => {}
                Event::Text(text) => {
                    heard += text.len();
                    handler.on_text(text, &mut Peer::new(cx, link));
                }
                Event::Binary(data) => {
                    heard += data.len();
                    handler.on_binary(data, &mut Peer::new(cx, link));
                }
            }
            if self.link.is_spent() {
                return self.link.flow(self.reader.is_closed(), Flow::Continue);
            }
        }
    }

    /// Calls the handler, unless it has taken its leave.
    #[inline]
    fn call(
        &mut self,
        cx: &mut Cx<'_>,
        otherwise: Flow,
        f: impl FnOnce(&mut H, &mut Peer<'_, '_>),
    ) -> Flow {
        if !self.link.is_closed() {
            f(&mut self.handler, &mut Peer::new(cx, &mut self.link));
        }
        self.link.flow(self.reader.is_closed(), otherwise)
    }

    /// The peer's close frame is answered by ours, with the same code (RFC 6455 §5.5.1).
    #[cold]
    fn closed_by_peer(&mut self, close: &Said, cx: &mut Cx<'_>) -> Flow {
        self.link.remember(close.code, &close.reason);
        self.link.close(close.code, "", cx);
        self.link.flow(true, Flow::Continue)
    }

    #[cold]
    fn fail(&mut self, refusal: Refusal, cx: &mut Cx<'_>) -> Flow {
        let fault = refusal.fault();
        self.link.remember(fault.code, fault.what);
        self.link.close(fault.code, fault.what, cx);
        Flow::Close(CloseMode::Linger, CloseReason::Protocol(fault))
    }
}

/// A close frame, kept.
struct Said {
    code: u16,
    reason: String,
}

impl From<Close<'_>> for Said {
    fn from(close: Close<'_>) -> Self {
        Said { code: close.code.unwrap_or(code::NONE), reason: close.reason.to_owned() }
    }
}
