//! Conditional requests: whether to carry one out at all, in the order of RFC 9110 §13.2.2.
//!
//! Called by whoever is about to answer and knows the validators of what it would answer with.
//! Nothing is written here; a verdict is returned.

use std::time::{Duration, SystemTime};

use super::date;
use super::etag::{ETag, Named};
use crate::proto::h1::{Head, Headers};

/// What tells one state of a resource from another.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validators<'v> {
    /// The entity tag of the representation that would be sent.
    pub etag: Option<ETag<'v>>,
    /// When it last changed.
    pub modified: Option<SystemTime>,
}

/// What the conditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Carry it out.
    Proceed,
    /// Answer 304: the client has it already.
    NotModified,
    /// Answer 412 and do nothing.
    Failed,
}

/// A field that must not come twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Once<'h> {
    Absent,
    One(&'h [u8]),
    Several,
}

impl<'h> Once<'h> {
    fn add(&mut self, value: &'h [u8]) {
        *self = if *self == Once::Absent { Once::One(value) } else { Once::Several };
    }

    /// A value that is no date, or two of them, is as good as none (RFC 9110 §13.1.3, §13.1.4).
    fn date(self) -> Option<SystemTime> {
        match self {
            Once::One(value) => date::parse(value),
            Once::Absent | Once::Several => None,
        }
    }
}

/// The conditions of one request, found in one pass over its fields.
#[derive(Clone, Debug)]
pub struct Conditions<'h> {
    headers: Headers<'h>,
    /// GET or HEAD.
    reads: bool,
    gets: bool,
    if_match: bool,
    if_none_match: bool,
    unmodified_since: Once<'h>,
    modified_since: Once<'h>,
    if_range: Once<'h>,
    range: Once<'h>,
}

impl<'h> Conditions<'h> {
    /// Finds the conditions in a head.
    pub fn of(head: &Head<'h>) -> Self {
        Conditions::new(head.method, head.headers())
    }

    /// Finds the conditions among the fields of a request with this method.
    pub fn new(method: &str, headers: Headers<'h>) -> Self {
        let mut found = Conditions {
            headers: headers.clone(),
            reads: matches!(method, "GET" | "HEAD"),
            gets: method == "GET",
            if_match: false,
            if_none_match: false,
            unmodified_since: Once::Absent,
            modified_since: Once::Absent,
            if_range: Once::Absent,
            range: Once::Absent,
        };
        for (name, value) in headers {
            found.note(name, value);
        }
        found
    }

    #[inline]
    fn note(&mut self, name: &str, value: &'h [u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        // By length first: most fields are none of these.
        match name.len() {
            5 if is("range") => self.range.add(value),
            8 if is("if-match") => self.if_match = true,
            8 if is("if-range") => self.if_range.add(value),
            13 if is("if-none-match") => self.if_none_match = true,
            17 if is("if-modified-since") => self.modified_since.add(value),
            19 if is("if-unmodified-since") => self.unmodified_since.add(value),
            _ => {}
        }
    }

    /// True if nothing was asked under a condition and no part was asked for.
    pub fn is_empty(&self) -> bool {
        !self.if_match
            && !self.if_none_match
            && self.unmodified_since == Once::Absent
            && self.modified_since == Once::Absent
            && self.range == Once::Absent
    }

    /// True if a part was asked for, on whatever condition.
    pub fn has_range(&self) -> bool {
        self.gets && self.range != Once::Absent
    }

    /// Decides, given the validators of the current representation; `None` if there is none, as
    /// before a `PUT` that would create it.
    pub fn verdict(&self, current: Option<&Validators<'_>>) -> Verdict {
        let modified = current.and_then(|current| current.modified).map(date::in_seconds);
        if self.if_match {
            if !self.names("if-match", current, |one, other| one.strong_eq(other)) {
                return Verdict::Failed;
            }
        } else if let (Some(since), Some(modified)) = (self.unmodified_since.date(), modified)
            && modified > date::in_seconds(since)
        {
            return Verdict::Failed;
        }
        if self.if_none_match {
            return match (
                self.names("if-none-match", current, |one, other| one.weak_eq(other)),
                self.reads,
            ) {
                (false, _) => Verdict::Proceed,
                (true, true) => Verdict::NotModified,
                (true, false) => Verdict::Failed,
            };
        }
        match (self.modified_since.date(), modified) {
            (Some(since), Some(modified)) if self.reads && modified <= date::in_seconds(since) => {
                Verdict::NotModified
            }
            _ => Verdict::Proceed,
        }
    }

    /// True if one of the tags of the fields called `field` is the current one's, or `*` is said of
    /// something that exists.
    fn names(
        &self,
        field: &str,
        current: Option<&Validators<'_>>,
        same: impl Fn(ETag<'_>, ETag<'_>) -> bool,
    ) -> bool {
        let Some(current) = current else { return false };
        let fields = self.headers.clone().filter(|(name, _)| name.eq_ignore_ascii_case(field));
        fields.map(|(_, value)| Named::parse(value)).any(|named| match (named, current.etag) {
            (Named::Any, _) => true,
            (Named::Tags(mut tags), Some(etag)) => tags.any(|tag| same(tag, etag)),
            (Named::Tags(_), None) => false,
        })
    }

    /// The value of `Range` if it is to be honoured: the method is GET (RFC 9110 §14.2), and
    /// `If-Range`, if there is one, names what is there now (§13.1.5). `wall` is the time of day.
    pub fn range(&self, current: &Validators<'_>, wall: SystemTime) -> Option<&'h [u8]> {
        let Once::One(range) = self.range else { return None };
        let holds = match self.if_range {
            Once::Absent => true,
            Once::Several => false,
            Once::One(value) => match (ETag::parse(value), current.etag) {
                (Some(tag), Some(etag)) => tag.strong_eq(etag),
                (Some(_), None) => false,
                (None, _) => is_dated(value, current.modified, wall),
            },
        };
        (self.gets && holds).then_some(range)
    }
}

/// A date is proof of equal bytes only if it is exactly the last change's, and if no further change
/// can have followed within that same second (RFC 9110 §8.8.2.2).
fn is_dated(value: &[u8], modified: Option<SystemTime>, wall: SystemTime) -> bool {
    let (Some(date), Some(modified)) = (date::parse(value), modified) else { return false };
    // Files can have times that no second follows.
    let is_settled = modified.checked_add(Duration::from_secs(1)).is_some_and(|then| then <= wall);
    is_settled && date::in_seconds(date) == date::in_seconds(modified)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::proto::h1::{Event, Memo, Server};
    use std::time::UNIX_EPOCH;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    /// The change was within the second of `THEN`.
    fn changed() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(784_111_777_400)
    }

    fn with<T>(method: &str, fields: &str, then: impl FnOnce(&Conditions<'_>) -> T) -> T {
        let fields = fields.replace("BEFORE", BEFORE).replace("THEN", THEN);
        let fields = fields.replace("AFTER", AFTER).replace('|', "\r\n");
        let text = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        let (mut memo, limits) = (Memo::new(), Limits::default());
        let mut input = text.as_bytes();
        let event = Server::new().next_event(&mut input, &mut memo, &limits);
        match event {
            Ok(Some(Event::Request(head))) => then(&Conditions::of(&head)),
            _ => panic!("not a request: {text}"),
        }
    }

    fn verdict(method: &str, fields: &str, etag: &str) -> Verdict {
        let current = Validators { etag: ETag::parse(etag.as_bytes()), modified: Some(changed()) };
        with(method, fields, |conditions| conditions.verdict(Some(&current)))
    }

    #[test]
    fn conditions_are_taken_in_order() {
        use Verdict::{Failed, NotModified, Proceed};
        for (method, fields, expected) in [
            ("GET", "A: b", Proceed),
            // If-Match: strong, and before everything else.
            ("PUT", "If-Match: \"x\"", Proceed),
            ("PUT", "If-Match: *", Proceed),
            ("PUT", "If-Match: \"a\", \"x\"", Proceed),
            ("PUT", "If-Match: \"a\"|If-Match: \"x\"", Proceed),
            ("PUT", "If-Match: \"a\"", Failed),
            ("PUT", "If-Match: W/\"x\"", Failed),
            ("PUT", "If-Match: x", Failed),
            ("GET", "If-Match: \"a\"", Failed),
            ("GET", "If-Match: \"a\"|If-None-Match: \"x\"", Failed),
            ("GET", "If-Match: \"x\"|If-None-Match: \"x\"", NotModified),
            ("GET", "If-Match: \"x\"|If-Unmodified-Since: BEFORE", Proceed),
            // If-Unmodified-Since, in its absence.
            ("PUT", "If-Unmodified-Since: BEFORE", Failed),
            ("PUT", "If-Unmodified-Since: THEN", Proceed),
            ("PUT", "If-Unmodified-Since: yesterday", Proceed),
            ("PUT", "If-Unmodified-Since: BEFORE|If-Unmodified-Since: BEFORE", Proceed),
            ("GET", "If-Unmodified-Since: AFTER|If-Modified-Since: AFTER", NotModified),
            // If-None-Match: weak, and instead of If-Modified-Since.
            ("GET", "If-None-Match: \"x\"", NotModified),
            ("HEAD", "if-none-match: W/\"x\"", NotModified),
            ("GET", "If-None-Match: *", NotModified),
            ("GET", "If-None-Match: \"a\"|If-None-Match: \"x\"", NotModified),
            ("PUT", "If-None-Match: *", Failed),
            ("PUT", "If-None-Match: \"x\"", Failed),
            ("PUT", "If-None-Match: \"a\"", Proceed),
            ("GET", "If-None-Match: \"a\"|If-Modified-Since: AFTER", Proceed),
            ("GET", "If-None-Match: nonsense|If-Modified-Since: AFTER", Proceed),
            // If-Modified-Since: for reading only.
            ("GET", "If-Modified-Since: BEFORE", Proceed),
            ("GET", "If-Modified-Since: THEN", NotModified),
            ("GET", "If-Modified-Since: AFTER", NotModified),
            ("GET", "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT", NotModified),
            ("GET", "If-Modified-Since: Sun Nov  6 08:49:37 1994", NotModified),
            ("GET", "If-Modified-Since: tomorrow", Proceed),
            ("GET", "If-Modified-Since: AFTER|If-Modified-Since: AFTER", Proceed),
            ("POST", "If-Modified-Since: AFTER", Proceed),
        ] {
            assert_eq!(verdict(method, fields, "\"x\""), expected, "{method} {fields}");
        }
        assert_eq!(verdict("GET", "If-None-Match: \"x\"", "W/\"x\""), NotModified);
        assert_eq!(verdict("PUT", "If-Match: \"x\"", "W/\"x\""), Failed);
    }

    #[test]
    fn what_is_not_there_matches_nothing_and_what_has_no_validators_only_the_star() {
        use Verdict::{Failed, NotModified, Proceed};
        let bare = Validators::default();
        for (fields, absent, without) in [
            ("If-Match: *", Failed, Proceed),
            ("If-Match: \"x\"", Failed, Failed),
            ("If-None-Match: *", Proceed, NotModified),
            ("If-None-Match: \"x\"", Proceed, Proceed),
            ("If-Modified-Since: AFTER", Proceed, Proceed),
            ("If-Unmodified-Since: BEFORE", Proceed, Proceed),
        ] {
            with("GET", fields, |conditions| {
                assert_eq!(conditions.verdict(None), absent, "{fields}");
                assert_eq!(conditions.verdict(Some(&bare)), without, "{fields}");
            });
        }
    }

    #[test]
    fn a_range_is_honoured_for_what_the_client_has_the_rest_of() {
        let settled = changed() + Duration::from_secs(1);
        for (method, fields, etag, wall, expected) in [
            ("GET", "Range: r", "\"x\"", settled, true),
            ("HEAD", "Range: r", "\"x\"", settled, false),
            ("GET", "A: b", "\"x\"", settled, false),
            ("GET", "Range: r|Range: r", "\"x\"", settled, false),
            ("GET", "Range: r|If-Range: \"x\"", "\"x\"", settled, true),
            ("GET", "Range: r|If-Range: \"y\"", "\"x\"", settled, false),
            ("GET", "Range: r|If-Range: W/\"x\"", "\"x\"", settled, false),
            ("GET", "Range: r|If-Range: \"x\"", "W/\"x\"", settled, false),
            ("GET", "Range: r|If-Range: \"x\", \"x\"", "\"x\"", settled, false),
            ("GET", "Range: r|If-Range: *", "\"x\"", settled, false),
            ("GET", "Range: r|If-Range: \"x\"|If-Range: \"x\"", "\"x\"", settled, false),
            ("GET", "Range: r|If-Range: THEN", "\"x\"", settled, true),
            ("GET", "Range: r|If-Range: THEN", "\"x\"", changed(), false),
            ("GET", "Range: r|If-Range: AFTER", "\"x\"", settled, false),
            ("GET", "Range: r|If-Range: BEFORE", "\"x\"", settled, false),
            ("GET", "Range: r|If-Range: THEN", "", settled, true),
            ("GET", "Range: r|If-Range: \"x\"", "", settled, false),
        ] {
            let current =
                Validators { etag: ETag::parse(etag.as_bytes()), modified: Some(changed()) };
            let found =
                with(method, fields, |conditions| conditions.range(&current, wall).is_some());
            assert_eq!(found, expected, "{method} {fields} {etag}");
        }
    }

    #[test]
    fn a_file_from_the_end_of_time_is_no_reason_to_end() {
        let last = UNIX_EPOCH + Duration::from_secs(i64::MAX.unsigned_abs());
        let current = Validators { etag: None, modified: Some(last) };
        with("GET", "Range: bytes=0-1|If-Range: THEN|If-Modified-Since: THEN", |conditions| {
            assert_eq!(conditions.verdict(Some(&current)), Verdict::Proceed);
            assert_eq!(conditions.range(&current, changed()), None);
        });
    }

    #[test]
    fn a_head_without_conditions_says_so() {
        for (fields, is_empty) in [("A: b", true), ("If-Range: \"x\"", true), ("Range: x", false)] {
            with("GET", fields, |conditions| assert_eq!(conditions.is_empty(), is_empty));
        }
    }
}
