//! Echo over WebSocket: text comes back as text, binary as binary, compressed or not, up to 16 MiB.

use std::rc::Rc;

use crate::proto::h1::Head;
use crate::session::http::{Answered, Reply};
use crate::session::ws::{Deflate, Handler, Options, Origins, Peer, accept};
use crate::web::router::Router;

/// The longest message.
const LONGEST: usize = 16 * 1024 * 1024;

/// Sends back what it gets.
struct WsEcho;

impl Handler for WsEcho {
    fn on_text(&mut self, text: &str, peer: &mut Peer<'_, '_>) {
        peer.send_text(text);
    }

    fn on_binary(&mut self, data: &[u8], peer: &mut Peer<'_, '_>) {
        peer.send_binary(data);
    }
}

/// Opens WebSockets that echo, with options made once. For everybody's pages: it tells them nothing
/// that they do not know.
pub struct Opener(Rc<Options>);

impl Opener {
    /// An opener.
    pub fn new() -> Self {
        Opener(Rc::new(Options {
            origins: Origins::Any,
            deflate: Some(Deflate::with_takeover()),
            message_bytes: LONGEST,
            frame_bytes: (LONGEST + LONGEST / 64) as u64,
            max_queued: 2 * LONGEST,
            ..Options::default()
        }))
    }

    /// Answers a request for a WebSocket.
    pub fn open(&self, request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        accept(request, reply, &self.0, WsEcho)
    }
}

impl Default for Opener {
    fn default() -> Self {
        Opener::new()
    }
}

/// `/ws/echo`.
pub fn routes() -> Router {
    let opener = Opener::new();
    Router::new().get("/ws/echo", move |request, reply| opener.open(request.head(), reply))
}
