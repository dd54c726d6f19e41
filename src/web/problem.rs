//! Errors that programs can read: `application/problem+json` (RFC 9457).
//!
//! Made by the router, by the readers of bodies and by the services of `app`. It describes; whether
//! and when to send is theirs to decide.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::session::http::{Answered, Reply, Response, Writer};

/// What went wrong with one request.
#[derive(Clone, Debug)]
pub struct Problem(Box<Said>);

/// In a box, because results carry it.
#[derive(Clone, Debug, Serialize)]
struct Said {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<Cow<'static, str>>,
    title: Cow<'static, str>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(flatten)]
    extensions: Map<String, Value>,
    #[serde(skip)]
    fields: Vec<(&'static str, Cow<'static, str>)>,
}

/// The members that [`Problem::with`] must not replace.
const OWN: [&str; 5] = ["type", "title", "status", "detail", "instance"];

impl Problem {
    /// A problem of the kind that its status says (`about:blank`, RFC 9457 §4.2.1), or that
    /// [`kind`](Self::kind) will say.
    pub fn new(status: u16, title: impl Into<Cow<'static, str>>) -> Self {
        Problem(Box::new(Said {
            kind: None,
            title: title.into(),
            status,
            detail: None,
            instance: None,
            extensions: Map::new(),
            fields: Vec::new(),
        }))
    }

    /// The status that it is sent with.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// A URI reference that names the kind of problem.
    pub fn kind(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.0.kind = Some(uri.into());
        self
    }

    /// What is particular to this occurrence, for people.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// A URI reference that names this occurrence.
    pub fn instance(mut self, uri: impl Into<String>) -> Self {
        self.0.instance = Some(uri.into());
        self
    }

    /// Adds a member for programs (RFC 9457 §3.2). The standard's own have their methods.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        debug_assert!(!OWN.contains(&name), "{name} has a method of its own");
        if !OWN.contains(&name) {
            self.0.extensions.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Adds a field to the answer's head: `Allow`, `Retry-After`, `Accept`.
    pub fn field(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.0.fields.push((name, value.into()));
        self
    }

    /// As an answer that can travel.
    pub fn response(self) -> Response {
        // Text and numbers: there is nothing in it that cannot be written.
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let response = Response::new(self.0.status, body)
            .with("Content-Type", "application/problem+json")
            .with("Cache-Control", "no-store");
        self.0
            .fields
            .into_iter()
            .fold(response, |response, (name, value)| response.with(name, value))
    }

    /// Answers with it.
    pub fn answer(self, reply: Reply<'_, '_>) -> Answered {
        reply.respond(self.response())
    }

    /// Answers with it, from an exchange.
    pub fn send(self, writer: &mut Writer<'_, '_>) {
        writer.respond(self.response());
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Response {
        problem.response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(problem: Problem) -> String {
        String::from_utf8(problem.response().body.to_vec()).expect("JSON is text")
    }

    #[test]
    fn only_what_is_known_is_said() {
        let plain = body(Problem::new(404, "Not Found"));
        assert_eq!(plain, r#"{"title":"Not Found","status":404}"#);
        let full = Problem::new(422, "No such colour")
            .kind("/problems/colour")
            .detail("\"<green>\"\n")
            .instance("/notes/1")
            .with("pointer", "/colour")
            .with("known", vec!["red", "blue"]);
        assert_eq!(
            body(full),
            r#"{"type":"/problems/colour","title":"No such colour","status":422,"detail":"\"<green>\"\n","instance":"/notes/1","known":["red","blue"],"pointer":"/colour"}"#
        );
    }

    #[test]
    fn the_head_says_what_it_is() {
        let problem = Problem::new(503, "Busy").field("Retry-After", "1");
        assert_eq!(problem.status(), 503);
        let response = Response::from(problem);
        let fields: Vec<_> = response
            .headers
            .iter()
            .map(|(name, value)| (&**name, String::from_utf8_lossy(value)))
            .collect();
        assert_eq!(response.status, 503);
        assert_eq!(
            fields,
            [
                ("Content-Type", "application/problem+json".into()),
                ("Cache-Control", "no-store".into()),
                ("Retry-After", "1".into())
            ]
        );
    }
}
