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

/// Where in a body the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes are to come.
    Length(u64),
    /// A chunk-size line is to come.
    Size,
    /// So many bytes of a chunk are to come.
    Chunk(u64),
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

/// The sums that bound a chunked body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Bytes of chunk extensions so far.
    pub(super) extensions: u32,
}

impl Body {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::None => Body::Done,
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Size,
        }
    }

    /// The next piece, or `None` if more bytes are needed. `taken` counts the bytes of data.
    pub(super) fn next<'i>(
        &mut self,
        input: &mut &'i [u8],
        limits: &Limits,
        sums: &mut Sums,
        taken: &mut u64,
    ) -> Result<Option<Piece<'i>>, Refusal> {
        loop {
            match *self {
                Body::Length(0) | Body::Done => {
                    *self = Body::Done;
                    return Ok(Some(Piece::End));
                }
                Body::Length(rest) => {
                    let Some((data, rest)) = take(input, rest) else { return Ok(None) };
                    *self = Body::Length(rest);
                    return Ok(Some(Piece::Data(data)));
                }
                Body::Size => {
                    let Some(line) =
                        take_line(input, limits.chunk_line, Refusal::ChunkLineTooLong)?
                    else {
                        return Ok(None);
                    };
                    let size = chunk_size(line, sums, limits)?;
                    let total = taken.checked_add(size).ok_or(Refusal::ChunkSize)?;
                    if total > limits.body_bytes {
                        return Err(Refusal::BodyTooLarge);
                    }
                    *self = if size == 0 { Body::Trailers } else { Body::Chunk(size) };
                    *taken = total;
                }
                Body::Chunk(rest) => {
                    let Some((data, rest)) = take(input, rest) else { return Ok(None) };
                    *self = if rest == 0 { Body::ChunkEnd } else { Body::Chunk(rest) };
                    return Ok(Some(Piece::Data(data)));
                }
                Body::ChunkEnd => match **input {
                    [] => return Ok(None),
                    [b'\r'] => return Ok(None),
                    [b'\r', b'\n', ref rest @ ..] => {
                        *input = rest;
                        *self = Body::Size;
                    }
                    _ => return Err(Refusal::ChunkEnd),
                },
                Body::Trailers => {
                    let Some(section) = trailers(input, limits)? else { return Ok(None) };
                    *self = Body::Done;
                    if section.len() > 2 {
                        return Ok(Some(Piece::Trailers(Trailers { section })));
                    }
                }
            }
        }
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
    let Some(end) = memchr(b'\n', seen) else {
        return if input.len() >= limit + 2 {
            Err(too_long)
        } else {
            check_start(seen).map(|()| None)
        };
    };
    let line = input[..end].strip_suffix(b"\r").ok_or(Refusal::BareLineEnd)?;
    *input = &input[end + 1..];
    Ok(Some(line))
}

/// What can be said of half a chunk-size line: that it does not begin with a digit.
fn check_start(line: &[u8]) -> Result<(), Refusal> {
    match line.first() {
        Some(byte) if !byte.is_ascii_hexdigit() => Err(Refusal::ChunkSize),
        _ => Ok(()),
    }
}

/// `1*HEXDIG [ chunk-ext ]` (RFC 9112 §7.1).
fn chunk_size(line: &[u8], sums: &mut Sums, limits: &Limits) -> Result<u64, Refusal> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits == 0 || digits > 16 {
        return Err(Refusal::ChunkSize);
    }
    let size = line[..digits]
        .iter()
        .fold(0_u64, |size, &byte| size << 4 | u64::from((byte as char).to_digit(16).unwrap_or(0)));
    let extensions = &line[digits..];
    if !extensions.is_empty() {
        check_extensions(extensions)?;
        sums.extensions = sums.extensions.saturating_add(extensions.len() as u32);
        if sums.extensions as usize > limits.chunk_extensions {
            return Err(Refusal::ChunkExtensionsTooLarge);
        }
    }
    Ok(size)
}

/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )` (RFC 9112 §7.1.1).
fn check_extensions(mut text: &[u8]) -> Result<(), Refusal> {
    const BAD: Refusal = Refusal::ChunkExtension;
    while !text.is_empty() {
        text = text.trim_ascii_start().strip_prefix(b";").ok_or(BAD)?.trim_ascii_start();
        text = skip_token(text).ok_or(BAD)?;
        if let Some(value) = text.trim_ascii_start().strip_prefix(b"=") {
            let value = value.trim_ascii_start();
            text = match value.strip_prefix(b"\"") {
                Some(quoted) => skip_quoted(quoted).ok_or(BAD)?,
                None => skip_token(value).ok_or(BAD)?,
            };
        }
    }
    Ok(())
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
    let mut length = 0;
    loop {
        let Some(at) = memchr(b'\n', &input[length..]) else {
            let over = input.len() > limits.trailer_bytes;
            return if over { Err(Refusal::TrailersTooLarge) } else { Ok(None) };
        };
        let line = &input[length..length + at];
        if line.last() != Some(&b'\r') {
            return Err(Refusal::BareLineEnd);
        }
        length += at + 1;
        if length > limits.trailer_bytes {
            return Err(Refusal::TrailersTooLarge);
        }
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

/// Fields that decide on framing, routing or authentication (RFC 9110 §6.5.1).
fn is_forbidden(name: &str) -> bool {
    const FORBIDDEN: [&str; 9] = [
        "transfer-encoding",
        "content-length",
        "host",
        "connection",
        "trailer",
        "te",
        "authorization",
        "content-encoding",
        "expect",
    ];
    FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden))
}
