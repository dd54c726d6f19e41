//! Echo over WebSocket: text comes back as text, binary as binary, compressed or not, up to 16 MiB.

use std::rc::Rc;

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

/// `/ws/echo`. Open to everybody's pages: it tells them nothing that they do not know.
pub fn routes() -> Router {
    let options = Rc::new(Options {
        origins: Origins::Any,
        deflate: Some(Deflate::with_takeover()),
        message_bytes: LONGEST,
        frame_bytes: (LONGEST + LONGEST / 64) as u64,
        max_queued: 2 * LONGEST,
        ..Options::default()
    });
    Router::new().get("/ws/echo", move |request, reply| accept(request, reply, &options, WsEcho))
}
