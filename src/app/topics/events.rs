//! `GET /events`: pushing, as Server-Sent Events.

use std::rc::Rc;

use super::hub::{Hub, Subscription};
use super::{MOST, Missed, names, number, publish};
use crate::session::Message;
use crate::session::http::{Answered, Exchange, Reply, Writer};
use crate::time::Moment;
use crate::web::problem::Problem;
use crate::web::router::Request;
use crate::web::sse;

/// Milliseconds after which a client that was cut off comes again.
const RETRY: u64 = 1000;

pub(super) fn answer(hub: &Rc<Hub>, request: &Request<'_>, mut reply: Reply<'_, '_>) -> Answered {
    let (names, last) = match names(request).and_then(|names| Ok((names, last(request)?))) {
        Ok(asked) => asked,
        Err(problem) => return problem.answer(reply),
    };
    if request.method == "HEAD" {
        return reply.send(200, sse::HEADERS, b"");
    }
    let token = reply.token();
    match hub.subscribe(&names, last, token, reply.env()) {
        Ok(place) => {
            let peer = reply.peer().to_string();
            reply.exchange(Stream { hub: Rc::clone(hub), place, peer, beat: Moment::NEVER })
        }
        Err(_) => publish::full().answer(reply),
    }
}

/// The number of the last event that the client has: what the browser says when it comes again, or
/// what the page said at first.
fn last(request: &Request<'_>) -> Result<Option<u64>, Problem> {
    if let Some(text) = request.header("last-event-id") {
        // What is no number was not given by us; it is no reason to refuse for ever.
        return Ok(str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()));
    }
    match request.query_value("lastEventId") {
        Some(_) => number(request, "lastEventId", 0, MOST).map(Some),
        None => Ok(None),
    }
}

/// A stream of events.
struct Stream {
    hub: Rc<Hub>,
    place: Subscription,
    peer: String,
    beat: Moment,
}

impl Stream {
    /// Writes what is new, as far as the peer takes it.
    fn pump(&mut self, writer: &mut Writer<'_, '_>) {
        let most = self.place.most_unsent(writer.env());
        loop {
            if writer.unsent() >= most {
                if self.place.has_next() {
                    writer.want_drain();
                }
                break;
            }
            let Some(message) = self.place.next() else { break };
            let lost = self.place.take_lost();
            if lost > 0 {
                self.hub.complain(
                    &format!("{} on {}", self.peer, self.place.names()),
                    lost,
                    writer.now(),
                );
                let told = sse::event(None, Some("lost"), &format!("{{\"lost\":{lost}}}"));
                writer.body(told.as_bytes());
                if self.hub.options.missed == Missed::Close {
                    return writer.finish();
                }
            }
            writer.body_shared(message.event);
        }
        self.rest(writer);
    }

    /// The next heart-beat comes when nothing else has for a while: well before anybody on the way
    /// takes the connection for dead.
    fn rest(&mut self, writer: &mut Writer<'_, '_>) {
        let most = writer.env().limits.idle / 2;
        self.beat = writer.now() + self.hub.options.heart_beat.min(most);
    }
}

impl Exchange for Stream {
    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        writer.start(200, sse::HEADERS, None);
        writer.body(sse::retry(RETRY).as_bytes());
        self.pump(writer);
        // Nobody will say so once more.
        if writer.env().draining {
            writer.finish();
        }
    }

    fn on_message(&mut self, _: Message, writer: &mut Writer<'_, '_>) {
        if writer.has_started() {
            self.pump(writer);
        }
    }

    fn on_drain(&mut self, writer: &mut Writer<'_, '_>) {
        self.pump(writer);
    }

    fn on_timeout(&mut self, writer: &mut Writer<'_, '_>) {
        // Who has not taken what was sent before needs no sign of life.
        if writer.unsent() == 0 {
            writer.body(sse::HEART_BEAT.as_bytes());
        }
        self.rest(writer);
    }

    fn on_shutdown(&mut self, writer: &mut Writer<'_, '_>) {
        writer.finish();
    }

    fn deadline(&self) -> Moment {
        self.beat
    }
}
