//! What to answer a request with, given the file: purely, from the entry and the request's fields.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::entry::{Body, Entry, Variant};
use crate::proto::h1::Headers;
use crate::session::http::Prepared;
use crate::web::coding::Coding;
use crate::web::condition::{Conditions, Validators, Verdict};
use crate::web::etag::ETag;
use crate::web::range::{self, Multipart, Selected};

/// What of a request matters here.
pub(super) struct Asked<'h> {
    pub(super) fields: Headers<'h>,
    pub(super) conditions: Conditions<'h>,
}

impl<'h> Asked<'h> {
    /// A GET or a HEAD with these fields.
    pub(super) fn new(is_head: bool, fields: Headers<'h>) -> Self {
        let method = if is_head { "HEAD" } else { "GET" };
        Asked { conditions: Conditions::new(method, fields.clone()), fields }
    }
}

/// Fields of an answer.
pub(super) type Fields<'e> = Vec<(&'static str, Cow<'e, [u8]>)>;

/// An answer.
pub(super) enum Plan<'e> {
    /// A whole file from memory.
    Prepared(&'e Prepared, u64),
    /// What is in memory.
    Short { status: u16, fields: Fields<'e>, body: Bytes },
    /// What is read from a file while it is sent.
    Long { fields: Fields<'e>, status: u16, length: u64, file: Arc<File>, pieces: Pieces },
    /// The coding that would be best has to be made first.
    Make(Coding),
}

/// The body of a long answer, in order.
pub(super) type Pieces = VecDeque<Piece>;

/// A part of a long answer's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Bytes),
    Span(Range<u64>),
}

/// Plans the answer. `prepares`: the file is asked for again and again, so that it is worth having
/// its whole answer ready.
pub(super) fn plan<'e>(
    entry: &'e Entry,
    asked: &Asked<'_>,
    wall: SystemTime,
    cache_control: Option<&'e str>,
    prepares: bool,
) -> Plan<'e> {
    let Some(coding) = coding(entry, asked) else {
        let fields = vec![text(), ("Vary", Cow::Borrowed(&b"Accept-Encoding"[..]))];
        return short(406, fields, "Not Acceptable\n");
    };
    let Some(variant) = entry.variant(coding) else { return Plan::Make(coding) };
    let answer = Answer { entry, variant, cache_control, prepares };
    if asked.conditions.is_empty() {
        return answer.whole();
    }
    let current =
        Validators { etag: ETag::parse(variant.etag.as_bytes()), modified: Some(entry.modified) };
    match asked.conditions.verdict(Some(&current)) {
        Verdict::Failed => return short(412, vec![text()], "Precondition Failed\n"),
        Verdict::NotModified => return answer.unchanged(),
        Verdict::Proceed => {}
    }
    let selected = match asked.conditions.range(&current, wall) {
        Some(value) => range::select(value, variant.length),
        None => Selected::Whole,
    };
    match selected {
        Selected::Whole => answer.whole(),
        Selected::One(range) => answer.part(range),
        Selected::Many(ranges) => answer.parts(&ranges),
        Selected::Unsatisfiable => {
            let place = range::unsatisfied(variant.length).into_bytes();
            let fields = vec![text(), ("Content-Range", Cow::Owned(place))];
            short(416, fields, "Range Not Satisfiable\n")
        }
    }
}

/// The coding to send in. Parts are cut from the file as it is, whatever else is accepted: nobody
/// who asks for bytes 100 to 200 means those of a compressed form that may be gone tomorrow.
fn coding(entry: &Entry, asked: &Asked<'_>) -> Option<Coding> {
    if !entry.varies() || asked.conditions.has_range() {
        return Some(Coding::Identity);
    }
    let (offers, count) = entry.offers();
    Coding::choose(asked.fields.clone(), offers.get(..count).unwrap_or(&offers))
}

fn text<'e>() -> (&'static str, Cow<'e, [u8]>) {
    ("Content-Type", Cow::Borrowed(b"text/plain; charset=utf-8"))
}

fn short<'e>(status: u16, fields: Fields<'e>, text: &'static str) -> Plan<'e> {
    Plan::Short { status, fields, body: Bytes::from_static(text.as_bytes()) }
}

/// Answers with a variant or a part of it.
struct Answer<'e> {
    entry: &'e Entry,
    variant: &'e Variant,
    cache_control: Option<&'e str>,
    prepares: bool,
}

impl<'e> Answer<'e> {
    fn whole(&self) -> Plan<'e> {
        if self.prepares
            && let Some(prepared) = self.entry.prepared(self.variant, self.cache_control)
        {
            return Plan::Prepared(prepared, self.variant.length);
        }
        let fields = self.fields(self.entry.content_type.as_bytes());
        self.send(200, fields, 0..self.variant.length)
    }

    fn part(&self, range: Range<u64>) -> Plan<'e> {
        let mut fields = self.fields(self.entry.content_type.as_bytes());
        let place = range::content_range(&range, self.variant.length);
        fields.push(("Content-Range", Cow::Owned(place.into_bytes())));
        self.send(206, fields, range)
    }

    fn parts(&self, ranges: &[Range<u64>]) -> Plan<'e> {
        let multipart = Multipart::new(ranges, self.variant.length, &self.entry.content_type);
        let mut fields = self.fields(b"");
        if let Some((_, value)) = fields.first_mut() {
            *value = Cow::Owned(multipart.content_type().into_bytes());
        }
        match &self.variant.body {
            Body::Memory(whole) => {
                let mut body = Vec::new();
                for (head, range) in multipart.parts() {
                    body.extend_from_slice(head.as_bytes());
                    body.extend_from_slice(&cut(whole, range.clone()));
                }
                body.extend_from_slice(multipart.end().as_bytes());
                Plan::Short { status: 206, fields, body: body.into() }
            }
            Body::File(file) => {
                let text = |text: &str| Piece::Text(Bytes::copy_from_slice(text.as_bytes()));
                let part =
                    |(head, range): &(String, Range<u64>)| [text(head), Piece::Span(range.clone())];
                let mut pieces: Pieces = multipart.parts().iter().flat_map(part).collect();
                pieces.push_back(text(multipart.end()));
                let length = multipart.length();
                Plan::Long { fields, status: 206, length, file: Arc::clone(file), pieces }
            }
        }
    }

    fn send(&self, status: u16, fields: Fields<'e>, range: Range<u64>) -> Plan<'e> {
        match &self.variant.body {
            Body::Memory(whole) => Plan::Short { status, fields, body: cut(whole, range) },
            Body::File(file) => Plan::Long {
                fields,
                status,
                length: range.end.saturating_sub(range.start),
                file: Arc::clone(file),
                pieces: VecDeque::from([Piece::Span(range)]),
            },
        }
    }

    /// 304 has the fields that a cache needs to bring up to date what it has (RFC 9110 §15.4.5).
    fn unchanged(&self) -> Plan<'e> {
        let wanted = |name: &str| matches!(name, "ETag" | "Vary" | "Cache-Control");
        let mut fields = self.fields(b"");
        fields.retain(|(name, _)| wanted(name));
        Plan::Short { status: 304, fields, body: Bytes::new() }
    }

    /// All fields, the type first.
    fn fields(&self, content_type: &'e [u8]) -> Fields<'e> {
        let mut fields = vec![("Content-Type", Cow::Borrowed(content_type))];
        let own = self.entry.fields(self.variant).into_iter();
        fields.extend(own.map(|(name, value)| (name, Cow::Borrowed(value))));
        let control = self.cache_control.map(|value| Cow::Borrowed(value.as_bytes()));
        fields.extend(control.map(|value| ("Cache-Control", value)));
        fields
    }
}

/// A part of a body in memory, not copied.
fn cut(whole: &Bytes, range: Range<u64>) -> Bytes {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
    let (start, end) = (place(range.start), place(range.end));
    whole.slice(start..end.max(start))
}
