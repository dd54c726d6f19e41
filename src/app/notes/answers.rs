//! What is answered: pages, notes, outcomes and problems, each as a [`Response`].
//!
//! Called in off-loaded jobs, whose results the loop sends. Pure: from what the store said to
//! bytes.

use serde::Serialize;

use super::MERGE_PATCH;
use super::asked::to_cursor;
use super::note::{Note, Shown};
use super::store::{Fault, Outcome, Page, Terms};
use crate::session::http::Response;
use crate::web::json;
use crate::web::problem::Problem;

/// A page of the list.
#[derive(Serialize)]
struct List<'n> {
    notes: Vec<Shown<'n>>,
    next: Option<&'n str>,
}

/// A page of notes; where others follow, `Link` says where (RFC 8288).
pub(super) fn page(found: Result<Page, Fault>, limit: usize) -> Response {
    let page = match found {
        Ok(page) => page,
        Err(fault) => return failed(&fault),
    };
    let last = page.notes.last().filter(|_| page.more);
    let next = last.map(|(id, _)| to_cursor(id));
    let notes = page.notes.iter().map(|(id, note)| note.shown(id)).collect();
    let response = json::response(200, &List { notes, next: next.as_deref() })
        .with("Cache-Control", "no-cache");
    match next {
        Some(next) => {
            let link = format!("</api/notes?limit={limit}&after={next}>; rel=\"next\"");
            response.with("Link", link)
        }
        None => response,
    }
}

/// One note, if the conditions of the request that reads it want it.
pub(super) fn note(id: &str, found: Result<Option<Note>, Fault>, terms: &Terms) -> Response {
    let note = match found {
        Ok(Some(note)) => note,
        Ok(None) => return no_note().response(),
        Err(fault) => return failed(&fault),
    };
    let etag = note.etag();
    if !terms.matches(Some(&etag)) {
        return refused().response();
    }
    if !terms.differs(Some(&etag)) {
        let response = Response::new(304, "").with("ETag", etag);
        return response.with("Cache-Control", "no-cache");
    }
    one(200, id, &note)
}

/// What a change came to.
pub(super) fn outcome(outcome: Outcome) -> Response {
    match outcome {
        Outcome::Created(id, note) => {
            let location = format!("/api/notes/{id}");
            one(201, &id, &note).with("Location", location)
        }
        Outcome::Written(id, note) => one(200, &id, &note),
        Outcome::Deleted => Response::new(204, ""),
        Outcome::Missing => no_note().response(),
        Outcome::Refused => refused().response(),
        Outcome::Full => no_room("there is no room for more notes; some must be deleted first"),
        Outcome::DiskFull => no_room("the disk is full"),
        Outcome::Failed => broken(),
    }
}

fn one(status: u16, id: &str, note: &Note) -> Response {
    json::response(status, &note.shown(id))
        .with("ETag", note.etag())
        .with("Cache-Control", "no-cache")
        .with("Accept-Patch", MERGE_PATCH)
}

/// There is no note with this id.
pub(super) fn no_note() -> Problem {
    Problem::new(404, "Not Found").detail("there is no note with this id")
}

/// There is nothing at this path.
pub(super) fn no_resource() -> Problem {
    Problem::new(404, "Not Found").detail("/api says what there is")
}

fn refused() -> Problem {
    let detail = "the note is not in the state that the conditions of the request name";
    Problem::new(412, "Precondition Failed").detail(detail)
}

fn no_room(what: &str) -> Response {
    Problem::new(507, "Insufficient Storage").detail(what).response()
}

fn failed(fault: &Fault) -> Response {
    log::error!("notes could not be read: {fault}");
    broken()
}

fn broken() -> Response {
    Problem::new(500, "Internal Server Error").detail("the store of the notes failed").response()
}
