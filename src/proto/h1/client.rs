//! The client's side of a connection as a machine: the responses to requests that were sent
//! (RFC 9112 §4, §6.3).
//!
//! Who sends requests feeds it what comes back and says of each response what it answers; the
//! requests themselves are the caller's to write. It reads one response after the other, so pipelined
//! ones come in their order. Interim responses are skipped. It allocates nothing but its [`Memo`], in
//! which a head whose bytes equal the last one's is not parsed again.
//!
//! Framing is as strict as for requests: where two readers could disagree on the end of a response,
//! it is refused, and the connection is of no more use.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::body::{Body, Framing, Piece, Trailers};
use super::head::{
    Codings, Headers, Options, Version, content_length, field_fault, lines_end_well,
};
use super::{Refusal, server};
use crate::limits::{Limits, MAX_HEADERS};

/// What a server's bytes mean.
#[derive(Debug)]
pub enum Event<'i> {
    /// A response's head.
    Head(Head<'i>),
    /// A piece of its body.
    Data(&'i [u8]),
    /// The fields after its last chunk, if there are any.
    Trailers(Trailers<'i>),
    /// The response is complete. The next one follows, unless [`Client::is_over`].
    End,
}

/// What a response answers, as far as its framing depends on that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// Any request whose response may have a body.
    #[default]
    Other,
    /// `HEAD`: whatever the head announces, no body follows.
    Head,
}

/// A response's head, checked in full.
#[derive(Clone, Copy, Debug)]
pub struct Head<'i> {
    /// The status code.
    pub status: u16,
    /// The text after it, which means nothing (RFC 9112 §4).
    pub reason: &'i str,
    /// The version.
    pub version: Version,
    /// How the body is framed; `None` if it lasts until the connection ends.
    pub framing: Option<Framing>,
    /// Further responses can come on this connection.
    pub keep_alive: bool,
    /// The field lines, each with its CRLF.
    fields: &'i [u8],
}

impl<'i> Head<'i> {
    /// The fields in order: names as they came, values without surrounding whitespace.
    pub fn headers(&self) -> Headers<'i> {
        Headers::of(self.fields)
    }

    /// The value of the first field called `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&'i [u8]> {
        self.headers().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// What is understood of a head's bytes, in positions, so that it holds for equal bytes elsewhere.
#[derive(Clone, Debug)]
struct Summary {
    status: u16,
    reason: Range<usize>,
    fields: Range<usize>,
    version: Version,
    /// If the response may have a body at all.
    framing: Option<Framing>,
    keep_alive: bool,
}

/// The last response head that was parsed. One for all connections to servers that answer alike.
#[derive(Debug, Default)]
pub struct Memo(Option<Box<Known>>);

#[derive(Debug)]
struct Known {
    bytes: Vec<u8>,
    summary: Summary,
}

impl Memo {
    /// A memo of nothing.
    pub fn new() -> Self {
        Memo::default()
    }

    /// The head at the front of `input`: its status and its length. `None`: more is needed.
    #[inline]
    fn look(&mut self, input: &[u8], limits: &Limits) -> Result<Option<(u16, usize)>, Refusal> {
        let known = |known: &Known| (known.summary.status, known.bytes.len());
        match &self.0 {
            Some(last) if input.starts_with(&last.bytes) => return Ok(Some(known(last))),
            _ => {}
        }
        let Some((length, summary)) = parse(input, limits)? else { return Ok(None) };
        let last = self
            .0
            .get_or_insert_with(|| Box::new(Known { bytes: Vec::new(), summary: summary.clone() }));
        last.bytes.clear();
        last.bytes.extend_from_slice(input.get(..length).unwrap_or_default());
        last.summary = summary;
        Ok(Some(known(last)))
    }

    /// The head remembered, with the text of `input`, which begins with the same bytes.
    #[inline]
    fn head<'i>(&self, input: &'i [u8], asked: Asked) -> Option<Head<'i>> {
        let summary = &self.0.as_ref()?.summary;
        let bodiless = asked == Asked::Head || is_bodiless(summary.status);
        let framing = if bodiless { Some(Framing::None) } else { summary.framing };
        Some(Head {
            status: summary.status,
            // Words that are no UTF-8 mean as much as others.
            reason: str::from_utf8(input.get(summary.reason.clone())?).unwrap_or_default(),
            version: summary.version,
            framing,
            keep_alive: summary.keep_alive && framing.is_some(),
            fields: input.get(summary.fields.clone())?,
        })
    }
}

/// Statuses whose responses have no body, whatever their fields say (RFC 9112 §6.3).
fn is_bodiless(status: u16) -> bool {
    is_interim(status) || matches!(status, 101 | 204 | 304)
}

/// A response that another one follows (RFC 9110 §15.2). After 101 another protocol does.
fn is_interim(status: u16) -> bool {
    (100..200).contains(&status) && status != 101
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a head, or before one; so many of its bytes are known not to end it, and so many interim
    /// responses came before it.
    Head { seen: u32, interim: u8 },
    /// In a body with an end of its own.
    Body(Body),
    /// In a body that ends with the connection; so much of it may still come.
    Rest { left: u64 },
    /// No response can follow.
    Over,
}

/// Interim responses that may come before a final one. Each is a promise of the next, and nobody
/// has use for many.
const MOST_INTERIM: u8 = 16;

/// The machine of one connection.
#[derive(Debug)]
pub struct Client {
    state: State,
    /// The response under way is the last.
    last: bool,
}

impl Client {
    /// A machine before its first response.
    pub const fn new() -> Self {
        Client { state: State::Head { seen: 0, interim: 0 }, last: false }
    }

    /// The next event of `input`, which is advanced past what was used; `asked` belongs to the
    /// response that is being read. `None`: more bytes are needed, or none are expected any more.
    ///
    /// What was not used must be offered again, followed by whatever has come since.
    ///
    /// # Errors
    ///
    /// What the peer sent is refused; nothing after it can be read.
    #[inline]
    pub fn next_event<'i>(
        &mut self,
        input: &mut &'i [u8],
        asked: Asked,
        memo: &mut Memo,
        limits: &Limits,
    ) -> Result<Option<Event<'i>>, Refusal> {
        match &mut self.state {
            State::Head { .. } => Ok(self.head(input, asked, memo, limits)?.map(Event::Head)),
            State::Body(body) => {
                let piece = body.next(input, limits)?;
                Ok(piece.map(|piece| match piece {
                    Piece::Data(data) => Event::Data(data),
                    Piece::Trailers(fields) => Event::Trailers(fields),
                    Piece::End => {
                        self.state = match self.last {
                            true => State::Over,
                            false => State::Head { seen: 0, interim: 0 },
                        };
                        Event::End
                    }
                }))
            }
            State::Rest { .. } | State::Over if input.is_empty() => Ok(None),
            State::Rest { left } => {
                *left = left.checked_sub(input.len() as u64).ok_or(Refusal::BodyTooLarge)?;
                Ok(Some(Event::Data(std::mem::take(input))))
            }
            State::Over => Ok(None),
        }
    }

    #[inline]
    fn head<'i>(
        &mut self,
        input: &mut &'i [u8],
        asked: Asked,
        memo: &mut Memo,
        limits: &Limits,
    ) -> Result<Option<Head<'i>>, Refusal> {
        while let State::Head { seen, interim } = &mut self.state {
            if input.is_empty() || !server::worth_parsing(input, seen, limits) {
                return Ok(None);
            }
            let Some((status, length)) = memo.look(input, limits)? else { return Ok(None) };
            let (bytes, rest) = input.split_at_checked(length).ok_or(Refusal::StatusLine)?;
            *input = rest;
            if is_interim(status) {
                *interim += 1;
                *seen = 0;
                if *interim > MOST_INTERIM {
                    return Err(Refusal::TooManyInterim);
                }
                continue;
            }
            let head = memo.head(bytes, asked).ok_or(Refusal::StatusLine)?;
            self.last = !head.keep_alive || status == 101;
            self.state = match head.framing {
                Some(framing) => State::Body(Body::new(framing)),
                None => State::Rest { left: limits.body_bytes },
            };
            return Ok(Some(head));
        }
        Ok(None)
    }

    /// True if nothing is under way: before a response, or after the last.
    #[inline]
    pub fn is_between(&self) -> bool {
        matches!(self.state, State::Head { seen: 0, interim: 0 } | State::Over)
    }

    /// True if no further response can come on this connection.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// The stream has ended. True if that completes a response: its [`Event::End`].
    ///
    /// # Errors
    ///
    /// [`Refusal::Truncated`]: it ended inside of one.
    pub fn eof(&mut self) -> Result<bool, Refusal> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Rest { .. } => Ok(true),
            State::Head { seen: 0, interim: 0 } | State::Over => Ok(false),
            State::Head { .. } | State::Body(_) => Err(Refusal::Truncated),
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        Client::new()
    }
}

/// Parses the head at the front of `input`. `None`: more is needed.
#[inline(never)]
fn parse(input: &[u8], limits: &Limits) -> Result<Option<(usize, Summary)>, Refusal> {
    // Whatever lies beyond the limit is not looked at, so that the outcome is the same however much
    // has come.
    let over = (input.len() >= limits.head_bytes).then_some(Refusal::HeadTooLarge);
    let input = &input[..input.len().min(limits.head_bytes)];
    // httparse skips empty lines. After a request nothing but a status line may come.
    if input.first().is_some_and(|&byte| byte != b'H') {
        return Err(Refusal::StatusLine);
    }
    let mut slots = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let slots = &mut slots[..limits.headers.min(MAX_HEADERS)];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let length = match config.parse_response_with_uninit_headers(&mut response, input, slots) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return over.map_or(Ok(None), Err),
        Err(error) => return malformed(error, input).or(over).map_or(Ok(None), Err),
    };
    let (Some(status @ 100..), Some(version)) = (response.code, response.version) else {
        return Err(Refusal::StatusLine);
    };
    let head = input.get(..length).ok_or(Refusal::StatusLine)?;
    lines_end_well(head)?;
    let line = memchr::memchr(b'\n', head).ok_or(Refusal::StatusLine)?;
    let version = if version == 1 { Version::Http11 } else { Version::Http10 };
    let (framing, keep_alive) = understand(version, status, response.headers, limits)?;
    Ok(Some((
        length,
        Summary {
            status,
            // Behind `HTTP/1.1 200 `; without a reason the second space may be missing.
            reason: (line - 1).min("HTTP/1.1 200 ".len())..line - 1,
            fields: line + 1..length - 2,
            version,
            framing,
            keep_alive,
        },
    )))
}

/// What a parse error means. `None`: nothing yet.
#[cold]
fn malformed(error: httparse::Error, input: &[u8]) -> Option<Refusal> {
    Some(match error {
        httparse::Error::TooManyHeaders => Refusal::TooManyFields,
        httparse::Error::HeaderName | httparse::Error::HeaderValue => field_fault(input),
        httparse::Error::Version => match input {
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor, b' ', ..]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                Refusal::Version
            }
            // Too little to tell which of the two it is.
            short if short.len() < "HTTP/1.1 ".len() && !short.contains(&b'\n') => return None,
            _ => Refusal::StatusLine,
        },
        _ => Refusal::StatusLine,
    })
}

/// One pass over the fields: the framing of a response that may have a body, and whether the
/// connection outlasts it.
fn understand(
    version: Version,
    status: u16,
    fields: &[httparse::Header<'_>],
    limits: &Limits,
) -> Result<(Option<Framing>, bool), Refusal> {
    let mut length = None;
    let mut codings = Codings::default();
    let mut options = Options::default();
    for field in fields {
        match field.name.len() {
            10 if field.name.eq_ignore_ascii_case("connection") => options.add(field.value),
            14 if field.name.eq_ignore_ascii_case("content-length") => {
                if length.is_some() {
                    return Err(Refusal::LengthRepeated);
                }
                length = Some(content_length(field.value)?);
            }
            17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                if version == Version::Http10 {
                    return Err(Refusal::TransferEncoding);
                }
                codings.add(field.value)?;
            }
            _ => {}
        }
    }
    let framing = match (length, codings.chunked()?) {
        (Some(_), true) => return Err(Refusal::LengthAndChunked),
        // The length of what `HEAD` or 304 did not send is none of our limits' business.
        (Some(length), false) if length > limits.body_bytes && !is_bodiless(status) => {
            return Err(Refusal::BodyTooLarge);
        }
        (Some(0), false) => Some(Framing::None),
        (Some(length), false) => Some(Framing::Length(length)),
        (None, true) => Some(Framing::Chunked),
        (None, false) => None,
    };
    let keep_alive = match version {
        Version::Http11 => !options.close,
        Version::Http10 => options.keep_alive && !options.close,
    };
    Ok((framing, keep_alive))
}

#[cfg(test)]
mod tests;
