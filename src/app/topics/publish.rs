//! `POST /topics/{name}`: publishing.

use std::rc::Rc;

use serde::Serialize;
use serde_json::Value;

use super::hub::{Full, Hub, Published};
use crate::session::http::{Answered, Reply};
use crate::session::ws::Origins;
use crate::web::problem::Problem;
use crate::web::router::Request;
use crate::web::{body, json};

/// What the publisher is told.
#[derive(Serialize)]
struct Accepted<'a> {
    id: u64,
    topic: &'a str,
    receivers: usize,
}

pub(super) fn answer(hub: &Rc<Hub>, request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
    let name = request.param("name").unwrap_or_default().to_owned();
    if let Err(problem) = super::check(&name) {
        return problem.answer(reply);
    }
    // Such a page could not read the answer, but it must not cause it either.
    if !Origins::Same.allow(request.head()) {
        let detail = "pages of other origins may not publish";
        return Problem::new(403, "Forbidden").detail(detail).answer(reply);
    }
    let (hub, is_json) = (Rc::clone(hub), json::is(json::MEDIA_TYPE, request.head()));
    body::read(request.head(), reply, hub.options.message_bytes, move |bytes, writer| {
        let data = match read(bytes, is_json) {
            Ok(data) => data,
            Err(problem) => return problem.send(writer),
        };
        match hub.publish(&name, &data, writer.env()) {
            Ok(Published { id, receivers }) => {
                json::send(writer, 202, &Accepted { id, topic: &name, receivers });
            }
            Err(Full) => full().send(writer),
        }
    })
}

/// JSON stays what it is; anything else becomes a string.
fn read(bytes: Vec<u8>, is_json: bool) -> Result<Value, Problem> {
    if is_json {
        return json::parse(&bytes);
    }
    let text = String::from_utf8(bytes);
    text.map(Value::String)
        .map_err(|_| Problem::new(400, "Bad Request").detail("a message is JSON, or text in UTF-8"))
}

/// The answer if there are too many topics.
pub(super) fn full() -> Problem {
    Problem::new(503, "Service Unavailable").detail("there are too many topics in use")
}
