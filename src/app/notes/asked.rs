//! What a request asks for: its id, its page, its conditions, and whether it can be answered.
//!
//! Called by the routes on the loop, before anything is off-loaded. Nothing is answered here: what
//! cannot be is returned as a problem.

use serde_json::json;

use super::note::{ID, is_id};
use super::store::Terms;
use super::{MERGE_PATCH, answers};
use crate::web::problem::Problem;
use crate::web::router::Request;
use crate::web::{json, negotiate};

/// Notes of a page, if the request does not say.
const LIMIT: usize = 20;
/// And at most.
const MOST: usize = 100;

/// Refuses whoever takes no JSON.
pub(super) fn json(request: &Request<'_>) -> Result<(), Problem> {
    let accept = request.headers().values("accept");
    match negotiate::media(accept, &[json::MEDIA_TYPE]) {
        Some(_) => Ok(()),
        None => Err(Problem::new(406, "Not Acceptable").detail("what is here is application/json")),
    }
}

/// Refuses a body of another type.
pub(super) fn body(request: &Request<'_>, media_type: &'static str) -> Result<(), Problem> {
    if json::is(media_type, request.head()) {
        return Ok(());
    }
    // RFC 9110 §15.5.16 and RFC 5789 §2.2.
    let field = if media_type == MERGE_PATCH { "Accept-Patch" } else { "Accept" };
    let detail = format!("the body must be {media_type}, in UTF-8");
    Err(Problem::new(415, "Unsupported Media Type").detail(detail).field(field, media_type))
}

/// The id in the path of a note. One that no note can have, no note has.
pub(super) fn id(request: &Request<'_>) -> Result<String, Problem> {
    match request.param("id") {
        Some(id) if is_id(id) => Ok(id.to_owned()),
        _ => Err(answers::no_note()),
    }
}

/// The id in the path of a note that may be made.
pub(super) fn new_id(request: &Request<'_>) -> Result<String, Problem> {
    id(request).map_err(|_| {
        let what =
            "an id is made of letters, digits, - and _, and begins with one of the first two";
        Problem::new(400, "Bad Request")
            .detail(format!("{what}; it has at most {ID} characters"))
            .with("errors", json!([{ "parameter": "id", "detail": what }]))
    })
}

/// The preconditions.
pub(super) fn terms(request: &Request<'_>) -> Terms {
    let values = |name| request.headers().values(name).map(<[u8]>::to_vec).collect();
    Terms { if_match: values("if-match"), if_none_match: values("if-none-match") }
}

/// Which page of the list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct List {
    pub(super) after: Option<String>,
    pub(super) limit: usize,
}

impl List {
    pub(super) fn of(request: &Request<'_>) -> Result<Self, Problem> {
        List::read(
            request.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())),
        )
    }

    fn read(pairs: impl Iterator<Item = (String, String)>) -> Result<Self, Problem> {
        let (mut after, mut limit) = (None, None);
        for (name, value) in pairs {
            let is_second = match name.as_str() {
                "after" => after.replace(from_cursor(&value)?).is_some(),
                "limit" => limit.replace(number(&value)?).is_some(),
                _ => false,
            };
            if is_second {
                return Err(wrong(&name, "it comes twice"));
            }
        }
        Ok(List { after, limit: limit.unwrap_or(LIMIT) })
    }
}

fn number(text: &str) -> Result<usize, Problem> {
    // `parse` would take a sign.
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| is_digits && (1..=MOST).contains(number));
    number.ok_or_else(|| wrong("limit", "it is a number from 1 to 100"))
}

/// A cursor is the id that the page before ended with, whether that note is still there or not.
fn from_cursor(text: &str) -> Result<String, Problem> {
    match is_id(text) {
        true => Ok(text.to_owned()),
        false => Err(wrong("after", "it is no cursor that a page gave")),
    }
}

fn wrong(parameter: &str, what: &str) -> Problem {
    Problem::new(400, "Bad Request")
        .detail(format!("{parameter}: {what}"))
        .with("errors", json!([{ "parameter": parameter, "detail": what }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(query: &str) -> Option<(Option<String>, usize)> {
        let pairs = form_urlencoded::parse(query.as_bytes());
        let pairs = pairs.map(|(name, value)| (name.into_owned(), value.into_owned()));
        List::read(pairs).ok().map(|list| (list.after, list.limit))
    }

    #[test]
    fn pages_are_asked_for_by_limit_and_cursor() {
        let cursor = "0000000017";
        for (query, expected) in [
            ("", Some((None, 20))),
            ("limit=1", Some((None, 1))),
            ("limit=100&x=y", Some((None, 100))),
            (&format!("after={cursor}&limit=5"), Some((Some("0000000017".into()), 5))),
            ("limit=0", None),
            ("limit=101", None),
            ("limit=+5", None),
            ("limit=", None),
            ("limit=99999999999999999999999", None),
            ("limit=1&limit=1", None),
            ("after=", None),
            ("after=%21", None),
            ("after=..", None),
            (&format!("after={cursor}&after={cursor}"), None),
        ] {
            assert_eq!(list(query), expected, "{query}");
        }
    }
}
