//! A note, and what may be said about one: [`Note`], [`Draft`], [`Patch`].
//!
//! Called by the store, which keeps notes, and by the answers, which show them. Bodies are read from
//! JSON values; what does not fit is refused with a pointer to the member (RFC 6901, RFC 9457 §3).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::web::date;
use crate::web::problem::Problem;

/// Characters of a title, at most.
pub(super) const TITLE: usize = 200;
/// Bytes of a body in UTF-8, at most.
pub(super) const BODY: usize = 64 * 1024;
/// Characters of an id, at most.
pub(super) const ID: usize = 64;
/// The last moment of the year 9999, in milliseconds: what comes later has no form.
const LAST: u64 = 253_402_300_799_999;

/// A note without its id, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// When it was made, in milliseconds since 1970.
    pub created: u64,
    /// When it was last changed.
    pub updated: u64,
    /// How often it was written.
    pub version: u64,
    /// The number of the store's change that wrote it. None comes twice, also if a note is deleted
    /// and another one takes its id; so it is what tells one state from another.
    pub change: u64,
}

/// A note as the peer sees it.
#[derive(Debug, Serialize)]
pub(super) struct Shown<'n> {
    id: &'n str,
    title: &'n str,
    body: &'n str,
    created: String,
    updated: String,
    version: u64,
}

impl Note {
    /// The note that `draft` makes, at `now` and as change number `change`.
    pub(super) fn new(draft: Draft, now: u64, change: u64) -> Self {
        let Draft { title, body } = draft;
        Note { title, body, created: now, updated: now, version: 1, change }
    }

    /// Puts `draft` in its place.
    pub(super) fn replace(&mut self, draft: Draft, now: u64, change: u64) {
        self.title = draft.title;
        self.body = draft.body;
        // Wall clocks are set back now and then.
        self.updated = now.max(self.updated);
        self.version += 1;
        self.change = change;
    }

    /// True if it says that already.
    pub(super) fn says(&self, draft: &Draft) -> bool {
        self.title == draft.title && self.body == draft.body
    }

    /// Its strong entity tag.
    pub(super) fn etag(&self) -> String {
        format!("\"{}-{:x}\"", self.version, self.change)
    }

    /// What it counts against the store's bound.
    pub(super) fn size(&self) -> u64 {
        (self.title.len() + self.body.len()) as u64 + 256
    }

    pub(super) fn shown<'n>(&'n self, id: &'n str) -> Shown<'n> {
        let Note { title, body, version, .. } = self;
        let (created, updated) = (rfc3339(self.created), rfc3339(self.updated));
        Shown { id, title, body, created, updated, version: *version }
    }
}

fn rfc3339(millis: u64) -> String {
    date::rfc3339(UNIX_EPOCH + Duration::from_millis(millis.min(LAST)))
}

/// A time as notes keep it.
pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(LAST)
}

/// True if a note may have this id: letters, digits, `-` and `_`, the first one a letter or digit.
pub fn is_id(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= ID
        && bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// What a writer says of a note.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The title.
    pub title: String,
    /// The text; nothing if it is not said.
    pub body: String,
}

/// What a merge patch changes (RFC 7396).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// Another title.
    pub title: Option<String>,
    /// Another text. To remove it is to make it empty.
    pub body: Option<String>,
}

impl Draft {
    /// Reads a whole note.
    ///
    /// # Errors
    ///
    /// The answer: 422, with a pointer to the member.
    pub fn read(value: Value) -> Result<Self, Problem> {
        let mut members = object(value)?;
        let title = match members.remove("title") {
            Some(value) => title(value)?,
            None => return Err(wrong("/title", "a note has a title")),
        };
        let body = members.remove("body").map(body).transpose()?;
        nothing_else(&members)?;
        Ok(Draft { title, body: body.unwrap_or_default() })
    }
}

impl Patch {
    /// Reads a merge patch.
    ///
    /// # Errors
    ///
    /// The answer: 422, with a pointer to the member.
    pub fn read(value: Value) -> Result<Self, Problem> {
        let mut members = object(value)?;
        let title = match members.remove("title") {
            Some(Value::Null) => return Err(wrong("/title", "a note keeps its title")),
            given => given.map(title).transpose()?,
        };
        let body = match members.remove("body") {
            Some(Value::Null) => Some(String::new()),
            given => given.map(body).transpose()?,
        };
        nothing_else(&members)?;
        Ok(Patch { title, body })
    }

    /// The note that this makes of another.
    pub(super) fn merge(self, note: &Note) -> Draft {
        Draft {
            title: self.title.unwrap_or_else(|| note.title.clone()),
            body: self.body.unwrap_or_else(|| note.body.clone()),
        }
    }
}

fn object(value: Value) -> Result<Map<String, Value>, Problem> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(wrong("", "a note is an object")),
    }
}

fn title(value: Value) -> Result<String, Problem> {
    let Value::String(title) = value else { return Err(wrong("/title", "a title is a string")) };
    match title.chars().count() {
        1..=TITLE => Ok(title),
        _ => Err(wrong("/title", &format!("a title has 1 to {TITLE} characters"))),
    }
}

fn body(value: Value) -> Result<String, Problem> {
    match value {
        Value::String(body) if body.len() <= BODY => Ok(body),
        Value::String(_) => Err(wrong("/body", &format!("a body has at most {BODY} bytes"))),
        _ => Err(wrong("/body", "a body is a string")),
    }
}

fn nothing_else(members: &Map<String, Value>) -> Result<(), Problem> {
    let Some(name) = members.keys().next() else { return Ok(()) };
    let what = match name.as_str() {
        "id" | "created" | "updated" | "version" => "this member is not for writing",
        _ => "a note has no such member",
    };
    Err(wrong(&format!("/{}", name.replace('~', "~0").replace('/', "~1")), what))
}

/// The answer to JSON that is no note.
fn wrong(pointer: &str, what: &str) -> Problem {
    Problem::new(422, "Unprocessable Content")
        .detail(what)
        .with("errors", json!([{ "pointer": format!("#{pointer}"), "detail": what }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(problem: Problem) -> String {
        assert_eq!(problem.status(), 422);
        let body: Value = serde_json::from_slice(&problem.response().body).expect("JSON");
        body["errors"][0]["pointer"].as_str().expect("a pointer").to_owned()
    }

    #[test]
    fn drafts_are_read_or_refused_by_member() {
        let draft = |title: &str, body: &str| Draft { title: title.into(), body: body.into() };
        let longest = "é".repeat(TITLE);
        for (value, expected) in [
            (json!({"title": "a"}), draft("a", "")),
            (json!({"title": longest, "body": "b"}), draft(&longest, "b")),
            (json!({"title": "a", "body": "x".repeat(BODY)}), draft("a", &"x".repeat(BODY))),
        ] {
            assert_eq!(Draft::read(value).expect("a note"), expected);
        }
        for (value, at) in [
            (json!([]), "#"),
            (json!(null), "#"),
            (json!({}), "#/title"),
            (json!({"title": null}), "#/title"),
            (json!({"title": ""}), "#/title"),
            (json!({"title": 1}), "#/title"),
            (json!({"title": "é".repeat(TITLE + 1)}), "#/title"),
            (json!({"title": "a", "body": null}), "#/body"),
            (json!({"title": "a", "body": "x".repeat(BODY + 1)}), "#/body"),
            (json!({"title": "a", "version": 2}), "#/version"),
            (json!({"title": "a", "a/b~c": 2}), "#/a~1b~0c"),
        ] {
            assert_eq!(pointer(Draft::read(value.clone()).expect_err("no note")), at, "{value}");
        }
    }

    #[test]
    fn patches_change_what_they_name() {
        let old = Draft { title: "a".into(), body: "b".into() };
        let note = Note::new(old, 5, 7);
        for (value, title, body) in [
            (json!({}), "a", "b"),
            (json!({"title": "c"}), "c", "b"),
            (json!({"body": "c"}), "a", "c"),
            (json!({"body": null}), "a", ""),
        ] {
            let merged = Patch::read(value).expect("a patch").merge(&note);
            assert_eq!((&*merged.title, &*merged.body), (title, body));
        }
        for (value, at) in [
            (json!([]), "#"),
            (json!({"title": null}), "#/title"),
            (json!({"title": ""}), "#/title"),
            (json!({"body": 1}), "#/body"),
            (json!({"id": null}), "#/id"),
        ] {
            assert_eq!(pointer(Patch::read(value).expect_err("no patch")), at);
        }
    }

    #[test]
    fn ids_are_plain() {
        for id in ["a", "0", "a-b_c", "A9", &"x".repeat(ID)] {
            assert!(is_id(id), "{id}");
        }
        for id in ["", "-a", "_", "a b", "a/b", "a.b", "é", "..", &"x".repeat(ID + 1)] {
            assert!(!is_id(id), "{id}");
        }
    }

    #[test]
    fn clocks_that_go_back_do_not_take_a_note_with_them() {
        let mut note = Note::new(Draft::default(), 1000, 1);
        note.replace(Draft::default(), 400, 2);
        assert_eq!((note.created, note.updated, note.version), (1000, 1000, 2));
        assert_eq!(note.etag(), "\"2-2\"");
        note.created = u64::MAX;
        assert!(serde_json::to_string(&note.shown("a")).expect("JSON").contains("9999-12-31T"));
    }
}
