//! `GET /topics` and `GET /topics/{name}`: pulling, at once or when there is something.

use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;

use super::hub::{Hub, Subscription};
use super::ring::Stored;
use super::{MOST, check, number, publish};
use crate::session::Message;
use crate::session::http::{Answered, Exchange, Reply, Response, Writer};
use crate::time::Moment;
use crate::web::coding;
use crate::web::json;
use crate::web::problem::Problem;
use crate::web::router::Request;

/// The longest `wait`, in seconds: well below what is taken for a dead connection.
const MOST_WAIT: u64 = 50;

#[derive(Serialize)]
struct List<T> {
    topics: T,
}

pub(super) fn list(hub: &Hub, reply: Reply<'_, '_>) -> Answered {
    let mut response = json::response(200, &List { topics: hub.list() });
    response = response.with("Cache-Control", "no-store");
    reply.respond(response)
}

/// What is asked for.
struct Asked {
    name: String,
    after: u64,
    limit: usize,
    wait: Duration,
}

impl Asked {
    fn of(request: &Request<'_>) -> Result<Self, Problem> {
        let name = request.param("name").unwrap_or_default().to_owned();
        check(&name)?;
        let limit = number(request, "limit", 100, 1000)?.max(1);
        Ok(Asked {
            name,
            after: number(request, "after", 0, MOST)?,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            wait: Duration::from_secs(number(request, "wait", 0, MOST_WAIT)?),
        })
    }
}

pub(super) fn answer(hub: &Rc<Hub>, request: &Request<'_>, mut reply: Reply<'_, '_>) -> Answered {
    let mut asked = match Asked::of(request) {
        Ok(asked) => asked,
        Err(problem) => return problem.answer(reply),
    };
    asked.after = hub.resume(asked.after, reply.env());
    let (found, lost) = hub.messages(&asked.name, asked.after, asked.limit);
    if !found.is_empty() || asked.wait.is_zero() || reply.env().draining {
        let page = page(&found, asked.after, lost);
        return coding::send(request, reply, page, &Default::default());
    }
    let (token, names) = (reply.token(), [asked.name.clone()]);
    match hub.subscribe(&names, Some(asked.after), token, reply.env()) {
        Ok(place) => {
            let until = reply.now() + asked.wait;
            reply.exchange(Waiting { hub: Rc::clone(hub), asked, until, _place: place })
        }
        Err(_) => publish::full().answer(reply),
    }
}

/// One page of messages.
fn page(found: &[Stored], after: u64, lost: u64) -> Response {
    let next = found.last().map_or(after, |message| message.id);
    let mut text = Vec::with_capacity(64 + found.iter().map(|m| m.json.len() + 1).sum::<usize>());
    text.extend_from_slice(b"{\"messages\":[");
    for (at, message) in found.iter().enumerate() {
        if at > 0 {
            text.push(b',');
        }
        text.extend_from_slice(&message.json);
    }
    text.extend_from_slice(format!("],\"next\":{next},\"lost\":{lost}}}").as_bytes());
    Response::new(200, text)
        .with("Content-Type", json::MEDIA_TYPE)
        .with("Cache-Control", "no-store")
}

/// A request that waits for a message.
struct Waiting {
    hub: Rc<Hub>,
    asked: Asked,
    until: Moment,
    /// Has it told of what is published, for as long as it waits.
    _place: Subscription,
}

impl Waiting {
    fn look(&mut self, writer: &mut Writer<'_, '_>, is_last: bool) {
        let (found, lost) = self.hub.messages(&self.asked.name, self.asked.after, self.asked.limit);
        if is_last || !found.is_empty() {
            writer.respond(page(&found, self.asked.after, lost));
        }
    }
}

impl Exchange for Waiting {
    fn on_message(&mut self, _: Message, writer: &mut Writer<'_, '_>) {
        self.look(writer, false);
    }

    fn on_timeout(&mut self, writer: &mut Writer<'_, '_>) {
        self.look(writer, true);
    }

    fn on_shutdown(&mut self, writer: &mut Writer<'_, '_>) {
        self.look(writer, true);
    }

    fn deadline(&self) -> Moment {
        self.until
    }
}
