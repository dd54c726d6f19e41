//! `/ws/events`: pushing, over a WebSocket. What the client says is not listened to.

use std::rc::Rc;

use super::hub::{Hub, Subscription};
use super::{MOST, Missed, names, number, publish};
use crate::session::Message;
use crate::session::http::{Answered, Reply};
use crate::session::ws::{self, Handler, Peer};
use crate::web::router::{Request, Router};

/// The route of the WebSocket.
pub(super) fn routes(hub: &Rc<Hub>) -> Router {
    let hub = Rc::clone(hub);
    let options = Rc::new(ws::Options {
        message_bytes: 1024,
        frame_bytes: 1024,
        // A message whose turn it is, is not left out, however long it has become as JSON: `pump`
        // sees to it that there is one at a time.
        max_unsent: usize::MAX,
        ..ws::Options::default()
    });
    Router::new().get("/ws/events", move |request, reply| answer(&hub, &options, request, reply))
}

fn answer(
    hub: &Rc<Hub>,
    options: &Rc<ws::Options>,
    request: &Request<'_>,
    mut reply: Reply<'_, '_>,
) -> Answered {
    let after = || match request.query_value("after") {
        Some(_) => number(request, "after", 0, MOST).map(Some),
        None => Ok(None),
    };
    let (names, last) = match names(request).and_then(|names| Ok((names, after()?))) {
        Ok(asked) => asked,
        Err(problem) => return problem.answer(reply),
    };
    let token = reply.token();
    match hub.subscribe(&names, last, token, reply.env()) {
        Ok(place) => {
            let peer = reply.peer().to_string();
            let listener = Listener { hub: Rc::clone(hub), place, peer };
            ws::accept(request.head(), reply, options, listener)
        }
        Err(_) => publish::full().answer(reply),
    }
}

/// A subscriber.
struct Listener {
    hub: Rc<Hub>,
    place: Subscription,
    peer: String,
}

impl Listener {
    /// Writes what is new, as far as the peer takes it.
    fn pump(&mut self, peer: &mut Peer<'_, '_>) {
        let most = self.place.most_unsent(peer.env());
        while peer.unsent() < most {
            let Some(message) = self.place.next() else { return };
            let lost = self.place.take_lost();
            if lost > 0 {
                let who = format!("{} on {}", self.peer, self.place.names());
                self.hub.complain(&who, lost, peer.now());
                peer.send_text(&format!("{{\"lost\":{lost}}}"));
                if self.hub.options.missed == Missed::Close {
                    return peer.close(ws::code::POLICY, "too slow");
                }
            }
            peer.send_shared(message.frame);
        }
        if self.place.has_next() {
            peer.want_drain();
        }
    }
}

impl Handler for Listener {
    fn on_open(&mut self, peer: &mut Peer<'_, '_>) {
        self.pump(peer);
    }

    fn on_text(&mut self, _: &str, _: &mut Peer<'_, '_>) {}

    fn on_notice(&mut self, _: Message, peer: &mut Peer<'_, '_>) {
        self.pump(peer);
    }

    fn on_drain(&mut self, peer: &mut Peer<'_, '_>) {
        self.pump(peer);
    }
}
