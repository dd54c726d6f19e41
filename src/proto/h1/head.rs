//! The head of a request: httparse for the grammar, and the rules that it leaves to its caller.
//!
//! Called by the server machine with everything received since the head's first byte.
//!
//! A client that keeps its connection mostly repeats its heads byte for byte, and so do the many
//! clients of one kind. [`Memo`] remembers the last head that was parsed and what was understood
//! of it; equal bytes have equal meaning, and comparing them costs a twentieth of parsing them. A
//! [`Head`] borrows its text from there and its fields from the input.

use std::mem::MaybeUninit;
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2};

use super::Refusal;
use super::body::Framing;
use super::target::{self, absolute};
use super::token::is_token;
use crate::limits::{Limits, MAX_HEADERS};

/// The versions spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// A request's head, checked in full.
#[derive(Clone, Copy, Debug)]
pub struct Head<'i> {
    /// The method, case-sensitive.
    pub method: &'i str,
    /// The request target as it came.
    pub target: &'i str,
    /// The version.
    pub version: Version,
    /// How the body is framed.
    pub framing: Framing,
    /// The peer wants to send further requests on this connection.
    pub keep_alive: bool,
    /// The peer waits for `100 Continue` before it sends its body.
    pub expect_continue: bool,
    /// The peer offers to change the protocol (`Connection: upgrade` and an `Upgrade` field).
    pub upgrade: bool,
    /// The target in origin form: of an absolute one, what follows the authority.
    origin: &'i str,
    /// How much of it is the path.
    path: usize,
    /// The field lines, each with its CRLF.
    fields: &'i [u8],
}

impl<'i> Head<'i> {
    /// The fields in order: names as they came, values without surrounding whitespace.
    pub fn headers(&self) -> Headers<'i> {
        Headers { lines: self.fields }
    }

    /// The value of the first field called `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&'i [u8]> {
        self.headers().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The target's path, without its query. Of an absolute form, the path within.
    #[inline]
    pub fn path(&self) -> &'i str {
        match self.origin.get(..self.path) {
            Some(path) if !path.is_empty() => path,
            _ => "/",
        }
    }

    /// Whom the request is for: the authority of an absolute target, which overrides the `Host`
    /// field (RFC 9112 §3.2.2), or else that field.
    pub fn host(&self) -> Option<&'i [u8]> {
        match absolute(self.target) {
            Some((_, authority, _)) => Some(authority.as_bytes()),
            None => self.header("host"),
        }
    }

    /// What follows the first `?` of the target.
    pub fn query(&self) -> Option<&'i str> {
        self.origin.get(self.path + 1..)
    }
}

/// The fields of a head, one after the other.
#[derive(Clone, Debug)]
pub struct Headers<'i> {
    lines: &'i [u8],
}

impl<'i> Headers<'i> {
    /// The fields of lines that [`as_bytes`](Self::as_bytes) gave, and somebody kept.
    pub fn of(lines: &'i [u8]) -> Self {
        Headers { lines }
    }

    /// The values of all fields called `name`, in any case and in order: one list in several pieces,
    /// if the field is one that holds a list (RFC 9110 §5.3).
    pub fn values(self, name: &'static str) -> impl Iterator<Item = &'i [u8]> + Clone {
        self.filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The lines of the fields, to be kept for longer than their head.
    pub fn as_bytes(&self) -> &'i [u8] {
        self.lines
    }
}

impl<'i> Iterator for Headers<'i> {
    type Item = (&'i str, &'i [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // The lines were checked when the head was parsed; this only finds their parts again.
        let end = memchr(b'\n', self.lines)?;
        let (line, rest) = self.lines.split_at(end + 1);
        self.lines = rest;
        let colon = memchr(b':', line)?;
        Some((str::from_utf8(&line[..colon]).ok()?, line[colon + 1..].trim_ascii()))
    }
}

/// What is understood of a head's bytes, in positions, so that it holds for equal bytes elsewhere.
#[derive(Clone, Debug)]
struct Summary {
    /// Where method and target are in the request line.
    method: usize,
    target: Range<usize>,
    /// Where the path begins in the target, and its length.
    origin: usize,
    path: usize,
    fields: Range<usize>,
    version: Version,
    framing: Framing,
    keep_alive: bool,
    expect_continue: bool,
    upgrade: bool,
}

/// The last head that was parsed, for all connections of a loop (and of one set of limits).
#[derive(Debug, Default)]
pub struct Memo(Option<Box<Known>>);

#[derive(Debug)]
struct Known {
    bytes: Vec<u8>,
    /// The request line's method and target once more, as text: heads borrow them from here, so
    /// that those of equal bytes need not be checked again.
    line: String,
    summary: Summary,
}

impl Memo {
    /// A memo of nothing.
    pub fn new() -> Self {
        Memo::default()
    }

    /// True if `input` begins with the head remembered.
    #[inline]
    fn knows(&self, input: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|known| input.starts_with(&known.bytes))
    }

    /// The head remembered, with the fields of `input`, which begins with the same bytes.
    #[inline]
    fn head<'e>(&'e self, input: &'e [u8]) -> Option<(Head<'e>, usize)> {
        let Known { bytes, line, summary } = &**self.0.as_ref()?;
        let target = line.get(summary.target.clone())?;
        let head = Head {
            method: line.get(..summary.method)?,
            target,
            origin: target.get(summary.origin..)?,
            path: summary.path,
            version: summary.version,
            framing: summary.framing,
            keep_alive: summary.keep_alive,
            expect_continue: summary.expect_continue,
            upgrade: summary.upgrade,
            fields: input.get(summary.fields.clone())?,
        };
        Some((head, bytes.len()))
    }

    fn remember(&mut self, bytes: &[u8], method: &str, target: &str, summary: Summary) {
        let known = self.0.get_or_insert_with(|| {
            Box::new(Known { bytes: Vec::new(), line: String::new(), summary: summary.clone() })
        });
        known.bytes.clear();
        known.bytes.extend_from_slice(bytes);
        known.line.clear();
        known.line.push_str(method);
        known.line.push(' ');
        known.line.push_str(target);
        known.summary = summary;
    }
}

/// The head at the front of `input`, and its length. `None`: more is needed.
#[inline]
pub(super) fn read<'e>(
    input: &'e [u8],
    memo: &'e mut Memo,
    limits: &Limits,
) -> Result<Option<(Head<'e>, usize)>, Refusal> {
    if !memo.knows(input) && !parse(input, memo, limits)? {
        return Ok(None);
    }
    memo.head(input).ok_or(Refusal::RequestLine).map(Some)
}

/// Parses the head at the front of `input` and remembers it. False: more is needed.
#[inline(never)]
fn parse(input: &[u8], memo: &mut Memo, limits: &Limits) -> Result<bool, Refusal> {
    // Left uninitialised: filling four kilobytes with empty fields would cost more than parsing.
    let mut slots = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let slots = &mut slots[..limits.headers.min(MAX_HEADERS)];
    let (input, before, over) = bounded(input, limits)?;
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(input, slots) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return over.map_or(Ok(false), Err),
        Err(error) => {
            return malformed(error, &input[before..]).or(over).map_or(Ok(false), Err);
        }
    };
    let (Some(method), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Err(Refusal::RequestLine);
    };
    lines_end_well(&input[..length])?;
    if !target.starts_with('/') || method == "CONNECT" || !target.is_ascii() {
        target::check(method, target)?;
    }
    let version = if version == 1 { Version::Http11 } else { Version::Http10 };
    // No other form of the line has passed httparse and the check above.
    let line_ends = before + method.len() + target.len() + "  HTTP/1.1\r\n".len();
    let target_starts = method.len() + 1;
    let origin = target::origin(target);
    let summary = Summary {
        method: method.len(),
        origin: target.len() - origin.len(),
        path: memchr(b'?', origin.as_bytes()).unwrap_or(origin.len()),
        target: target_starts..target_starts + target.len(),
        fields: line_ends..length - 2,
        version,
        framing: Framing::None,
        keep_alive: version == Version::Http11,
        expect_continue: false,
        upgrade: false,
    };
    let summary = understand(summary, request.headers, limits)?;
    memo.remember(&input[..length], method, target, summary);
    Ok(true)
}

/// As much of the input as decides, where in it the request line begins, and what it means if the
/// head does not end there. Whatever lies beyond a limit is not looked at, so that the outcome is
/// the same however much has come.
#[inline]
fn bounded<'i>(
    input: &'i [u8],
    limits: &Limits,
) -> Result<(&'i [u8], usize, Option<Refusal>), Refusal> {
    let over = (input.len() >= limits.head_bytes).then_some(Refusal::HeadTooLarge);
    let input = &input[..input.len().min(limits.head_bytes)];
    let mut text = input;
    // At least one empty line is to be ignored (RFC 9112 §2.2); the head's limit bounds them.
    while let [b'\r' | b'\n', ..] = *text {
        text = match *text {
            [b'\r', b'\n', ref rest @ ..] => rest,
            [b'\r'] => break,
            _ => return Err(Refusal::BareLineEnd),
        };
    }
    let before = input.len() - text.len();
    if text.len() > limits.request_line {
        let (line, rest) = text.split_at(limits.request_line);
        let ends = memchr(b'\n', line).is_some()
            || matches!(*rest, [b'\n', ..] | [b'\r'] | [b'\r', b'\n', ..]);
        if !ends {
            let line = &input[..before + line.len()];
            return Ok((line, before, Some(Refusal::RequestLineTooLong)));
        }
    }
    Ok((input, before, over))
}

/// httparse ends lines at a bare LF as well. RFC 9112 §2.2 allows that; two readers of whom only
/// one does are how requests are smuggled.
#[inline]
pub(super) fn lines_end_well(head: &[u8]) -> Result<(), Refusal> {
    for at in memchr_iter(b'\n', head) {
        if at == 0 || head[at - 1] != b'\r' {
            return Err(Refusal::BareLineEnd);
        }
    }
    Ok(())
}

/// What a parse error means. `None`: nothing yet, as the line with the version has not come in full.
#[cold]
fn malformed(error: httparse::Error, text: &[u8]) -> Option<Refusal> {
    let end = memchr2(b'\r', b'\n', text);
    let line = &text[..end.unwrap_or(text.len())];
    Some(match error {
        httparse::Error::TooManyHeaders => Refusal::TooManyFields,
        httparse::Error::Version if end.is_none() => return None,
        httparse::Error::Version if names_a_version(line) => Refusal::Version,
        // httparse looks for a line end right after the version, whatever is there.
        httparse::Error::NewLine if names_a_version(line) => Refusal::BareLineEnd,
        httparse::Error::HeaderName | httparse::Error::HeaderValue => field_fault(text),
        _ => Refusal::RequestLine,
    })
}

/// Which kind of line comes first after the request line: one that is folded, or one that is no
/// field at all.
pub(super) fn field_fault(text: &[u8]) -> Refusal {
    let is_field = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = memchr(b':', line).unwrap_or(0);
        let (name, value) = line.split_at(colon);
        let is_text = |&byte: &u8| byte == b'\t' || (byte >= b' ' && byte != 127);
        line.is_empty()
            || (colon > 0 && name.iter().all(|&byte| is_token(byte)) && value.iter().all(is_text))
    };
    let mut lines = text.split(|&byte| byte == b'\n').skip(1);
    match lines.find(|line| !is_field(line)) {
        Some([b' ' | b'\t', ..]) => Refusal::Fold,
        _ => Refusal::Field,
    }
}

/// True if the third word of a request line, and its last, is `HTTP/` digit `.` digit.
fn names_a_version(line: &[u8]) -> bool {
    let mut words = line.splitn(3, |&byte| byte == b' ').skip(2);
    matches!(words.next(), Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// One pass over the fields: whatever decides on framing and on the connection.
#[inline]
fn understand(
    mut head: Summary,
    fields: &[httparse::Header<'_>],
    limits: &Limits,
) -> Result<Summary, Refusal> {
    let mut length = None;
    let mut codings = Codings::default();
    let mut options = Options::default();
    let (mut upgrade, mut host) = (false, false);
    for field in fields {
        // Few fields matter and few share their lengths: most are dismissed by this comparison.
        match field.name.len() {
            4 if field.name.eq_ignore_ascii_case("host") => {
                if host {
                    return Err(Refusal::HostRepeated);
                }
                if !target::is_host(field.value) {
                    return Err(Refusal::HostInvalid);
                }
                host = true;
            }
            6 if field.name.eq_ignore_ascii_case("expect") => {
                if !field.value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refusal::Expectation);
                }
                head.expect_continue = head.version == Version::Http11;
            }
            7 if field.name.eq_ignore_ascii_case("upgrade") => upgrade = true,
            10 if field.name.eq_ignore_ascii_case("connection") => options.add(field.value),
            14 if field.name.eq_ignore_ascii_case("content-length") => {
                if length.is_some() {
                    return Err(Refusal::LengthRepeated);
                }
                length = Some(content_length(field.value)?);
            }
            17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                if head.version == Version::Http10 {
                    return Err(Refusal::TransferEncoding);
                }
                codings.add(field.value)?;
            }
            _ => {}
        }
    }
    head.framing = match (length, codings.chunked()?) {
        (Some(_), true) => return Err(Refusal::LengthAndChunked),
        (Some(length), false) if length > limits.body_bytes => return Err(Refusal::BodyTooLarge),
        (Some(0), false) | (None, false) => Framing::None,
        (Some(length), false) => Framing::Length(length),
        (None, true) => Framing::Chunked,
    };
    if head.version == Version::Http11 && !host {
        return Err(Refusal::HostMissing);
    }
    head.expect_continue &= head.framing != Framing::None;
    head.keep_alive = match head.version {
        Version::Http11 => !options.close,
        Version::Http10 => options.keep_alive && !options.close,
    };
    head.upgrade = upgrade && options.upgrade && head.version == Version::Http11;
    Ok(head)
}

/// What `Connection` fields say (RFC 9110 §7.6.1).
#[derive(Default)]
pub(super) struct Options {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    upgrade: bool,
}

impl Options {
    pub(super) fn add(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',') {
            let option = option.trim_ascii();
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }
}

/// `1*DIGIT` and nothing else (RFC 9110 §8.6).
pub(super) fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    let length = value.iter().try_fold(0_u64, |length, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    });
    match length {
        Some(length) if (1..=20).contains(&value.len()) => Ok(length),
        _ if value.contains(&b',') => Err(Refusal::LengthRepeated),
        _ => Err(Refusal::LengthInvalid),
    }
}

/// What `Transfer-Encoding` says: a list, which several fields may share (RFC 9112 §6.1).
#[derive(Default)]
pub(super) struct Codings {
    chunked: bool,
    others: bool,
}

impl Codings {
    pub(super) fn add(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for coding in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            // Nothing may follow chunked, not even chunked.
            if self.chunked || coding.is_empty() || !coding.iter().all(|&byte| is_token(byte)) {
                return Err(Refusal::TransferEncoding);
            }
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
            self.chunked |= is_chunked;
            self.others |= !is_chunked;
        }
        Ok(())
    }

    /// Other codings make a body whose end can be found (RFC 9112 §6.3), and whose content cannot.
    pub(super) fn chunked(&self) -> Result<bool, Refusal> {
        match (self.others, self.chunked) {
            (false, chunked) => Ok(chunked),
            (true, true) => Err(Refusal::TransferCoding),
            (true, false) => Err(Refusal::TransferEncoding),
        }
    }
}
