//! The body of a message: a length, or chunks with trailers (RFC 9112 §6, §7).
//!
//! Used by the server machine, and by a client machine alike: nothing here knows who sends.

use memchr::memchr;

use super::Refusal;
use super::token::is_token;
use crate::limits::{Limits, MAX_HEADERS};

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks, the last one empty.
    Chunked,
}

/// Where in a body the reader is. Small: it lives in every idle connection's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Body {
    step: Step,
    /// Bytes of chunk extensions so far.
    extensions: u32,
    /// Bytes of data to come, of this chunk or of the whole length.
    rest: u64,
    /// Bytes of data that the chunks so far have announced.
    announced: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Data that ends the body.
    Length,
    /// A chunk-size line.
    Size,
    /// Data of a chunk.
    Chunk,
    /// The line end after a chunk.
    ChunkEnd,
    /// The trailer section, which ends with an empty line.
    Trailers,
    /// Nothing more.
    Done,
}

/// What a body consists of.
pub(super) enum Piece<'i> {
    Data(&'i [u8]),
    Trailers(Trailers<'i>),
    End,
}

/// The fields after the last chunk (RFC 9112 §7.1.2), checked and not yet looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailers<'i> {
    section: &'i [u8],
}

impl<'i> Trailers<'i> {
    /// Calls `each` with every field's name and value, in order.
    pub fn each(&self, mut each: impl FnMut(&'i str, &'i [u8])) {
        let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        if let Ok(httparse::Status::Complete((_, fields))) =
            httparse::parse_headers(self.section, &mut fields)
        {
            fields.iter().for_each(|field| each(field.name, field.value));
        }
    }
}

impl Body {
    /// True if nothing more comes: at once, where there is no body.
    #[inline]
    pub(super) fn is_done(&self) -> bool {
        self.step == Step::Done
    }

    #[inline]
    pub(super) fn new(framing: Framing) -> Self {
        let (step, rest) = match framing {
            Framing::None | Framing::Length(0) => (Step::Done, 0),
            Framing::Length(length) => (Step::Length, length),
            Framing::Chunked => (Step::Size, 0),
        };
        Body { step, extensions: 0, rest, announced: 0 }
    }

    /// The next piece, or `None` if more bytes are needed.
    pub(super) fn next<'i>(
        &mut self,
        input: &mut &'i [u8],
        limits: &Limits,
    ) -> Result<Option<Piece<'i>>, Refusal> {
        loop {
            match self.step {
                Step::Done => return Ok(Some(Piece::End)),
                Step::Length => return Ok(self.data(input, Step::Done)),
                Step::Chunk => return Ok(self.data(input, Step::ChunkEnd)),
                Step::Size => {
                    let Some(line) =
                        take_line(input, limits.chunk_line, Refusal::ChunkLineTooLong)?
                    else {
                        return Ok(None);
                    };
                    self.size(line, limits)?;
                }
                Step::ChunkEnd => match **input {
                    [] | [b'\r'] => return Ok(None),
                    [b'\r', b'\n', ref rest @ ..] => {
                        *input = rest;
                        self.step = Step::Size;
                    }
                    _ => return Err(Refusal::ChunkEnd),
                },
                Step::Trailers => {
                    let Some(section) = trailers(input, limits)? else { return Ok(None) };
                    self.step = Step::Done;
                    if section != b"\r\n" {
                        return Ok(Some(Piece::Trailers(Trailers { section })));
                    }
                }
            }
        }
    }

    /// What has come of the data; `then` follows its last byte.
    fn data<'i>(&mut self, input: &mut &'i [u8], then: Step) -> Option<Piece<'i>> {
        let (data, rest) = take(input, self.rest)?;
        self.rest = rest;
        if rest == 0 {
            self.step = then;
        }
        Some(Piece::Data(data))
    }

    /// Takes note of a chunk-size line: `1*HEXDIG [ chunk-ext ]` (RFC 9112 §7.1).
    fn size(&mut self, line: &[u8], limits: &Limits) -> Result<(), Refusal> {
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (digits, extensions) = line.split_at(digits);
        let size = hexadecimal(digits).ok_or(Refusal::ChunkSize)?;
        if !extensions.is_empty() {
            check_extensions(extensions)?;
            let length = u32::try_from(extensions.len()).unwrap_or(u32::MAX);
            self.extensions = self.extensions.saturating_add(length);
            if self.extensions as usize > limits.chunk_extensions {
                return Err(Refusal::ChunkExtensionsTooLarge);
            }
        }
        self.announced = self.announced.checked_add(size).ok_or(Refusal::BodyTooLarge)?;
        if self.announced > limits.body_bytes {
            return Err(Refusal::BodyTooLarge);
        }
        self.rest = size;
        self.step = if size == 0 { Step::Trailers } else { Step::Chunk };
        Ok(())
    }
}

/// At most `rest` bytes off the input, and how many are still to come.
fn take<'i>(input: &mut &'i [u8], rest: u64) -> Option<(&'i [u8], u64)> {
    if input.is_empty() {
        return None;
    }
    let count = usize::try_from(rest).unwrap_or(usize::MAX).min(input.len());
    let (data, others) = input.split_at(count);
    *input = others;
    Some((data, rest - count as u64))
}

/// A line without its CRLF; `None` while it is incomplete and within its limit.
fn take_line<'i>(
    input: &mut &'i [u8],
    limit: usize,
    too_long: Refusal,
) -> Result<Option<&'i [u8]>, Refusal> {
    let seen = &input[..input.len().min(limit + 2)];
    check_start(seen)?;
    let Some(end) = memchr(b'\n', seen) else {
        return if input.len() >= limit + 2 { Err(too_long) } else { Ok(None) };
    };
    let line = input[..end].strip_suffix(b"\r").ok_or(Refusal::BareLineEnd)?;
    *input = &input[end + 1..];
    Ok(Some(line))
}

/// What can be said of half a chunk-size line already: that it does not begin with a digit.
fn check_start(line: &[u8]) -> Result<(), Refusal> {
    match line.first() {
        Some(byte) if !byte.is_ascii_hexdigit() => Err(Refusal::ChunkSize),
        _ => Ok(()),
    }
}

/// One to sixteen digits, which fit.
fn hexadecimal(digits: &[u8]) -> Option<u64> {
    if !(1..=16).contains(&digits.len()) {
        return None;
    }
    digits
        .iter()
        .try_fold(0, |size, &byte| Some(size << 4 | u64::from(char::from(byte).to_digit(16)?)))
}

/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )` (RFC 9112 §7.1.1).
fn check_extensions(mut text: &[u8]) -> Result<(), Refusal> {
    const BAD: Refusal = Refusal::ChunkExtension;
    while !text.is_empty() {
        let name = skip_blank(skip_blank(text).strip_prefix(b";").ok_or(BAD)?);
        text = skip_token(name).ok_or(BAD)?;
        if let Some(value) = skip_blank(text).strip_prefix(b"=") {
            let value = skip_blank(value);
            text = match value.strip_prefix(b"\"") {
                Some(quoted) => skip_quoted(quoted).ok_or(BAD)?,
                None => skip_token(value).ok_or(BAD)?,
            };
        }
    }
    Ok(())
}

/// `BWS`: spaces and tabs alone. To take any other white space for one, a CR above all, would be to
/// see a line where the next reader sees two.
fn skip_blank(text: &[u8]) -> &[u8] {
    let length = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &text[length..]
}

fn skip_token(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().take_while(|&&byte| is_token(byte)).count();
    (length > 0).then(|| &text[length..])
}

fn skip_quoted(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = match *text {
            [b'"', ref rest @ ..] => return Some(rest),
            [b'\\', b'\t' | b' '..=b'~' | 0x80.., ref rest @ ..] => rest,
            [b'\t' | b' '..=b'[' | b']'..=b'~' | 0x80.., ref rest @ ..] => rest,
            _ => return None,
        }
    }
}

/// The trailer section: fields under the same rules as in a head, ended by an empty line.
fn trailers<'i>(input: &mut &'i [u8], limits: &Limits) -> Result<Option<&'i [u8]>, Refusal> {
    if let Some(rest) = input.strip_prefix(b"\r\n") {
        // Nearly always there are none.
        let section = &input[..2];
        *input = rest;
        return Ok(Some(section));
    }
    let seen = &input[..input.len().min(limits.trailer_bytes)];
    let mut length = 0;
    loop {
        let Some(at) = memchr(b'\n', &seen[length..]) else {
            let over = input.len() >= limits.trailer_bytes;
            return if over { Err(Refusal::TrailersTooLarge) } else { Ok(None) };
        };
        let line = &seen[length..length + at];
        if line.last() != Some(&b'\r') {
            return Err(Refusal::BareLineEnd);
        }
        length += at + 1;
        if line == b"\r" {
            break;
        }
    }
    let (section, rest) = input.split_at(length);
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let most = limits.headers.min(fields.len());
    match httparse::parse_headers(section, &mut fields[..most]) {
        Ok(httparse::Status::Complete((_, fields))) => {
            if fields.iter().any(|field| is_forbidden(field.name)) {
                return Err(Refusal::TrailerForbidden);
            }
        }
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooManyFields),
        _ => return Err(Refusal::Field),
    }
    *input = rest;
    Ok(Some(section))
}

/// Fields that decide on framing, routing, authentication or the content's coding: too late in a
/// trailer (RFC 9110 §6.5.1). Others are harmless, as trailers are never merged into the head.
fn is_forbidden(name: &str) -> bool {
    const FORBIDDEN: [&str; 14] = [
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden))
}
