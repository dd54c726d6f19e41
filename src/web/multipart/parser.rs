//! The parts of a multipart body, found in pieces of any size (RFC 2046 §5.1, RFC 7578).
//!
//! Called by the exchange beside it. It keeps no content: of a part it holds the fields, until they
//! are complete, and of a boundary only how much of it has been seen.

use std::mem;
use std::ops::Range;

use memchr::{memchr, memmem, memrchr};

use super::{Fault, Options, Part};

/// What a body turns out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A part begins.
    Part(Part),
    /// A piece of its content.
    Data(&'a [u8]),
    /// It ends.
    End,
}

/// Takes a multipart body apart.
#[derive(Debug)]
pub struct Parser {
    /// CRLF, two dashes and the boundary.
    delimiter: Vec<u8>,
    options: Options,
    state: State,
    parts: usize,
    /// Whether the part is a file, and the bytes of its content.
    is_file: bool,
    bytes: u64,
}

#[derive(Debug)]
enum State {
    /// In content, or before the first part, in which case `is_part` is false. Bytes `from..seen` of
    /// the delimiter have come; those before count as if they had.
    Content { is_part: bool, from: usize, seen: usize },
    /// After a delimiter. What follows decides whether it was the last.
    Line(Line),
    /// In the fields of a part.
    Fields(Vec<u8>),
    /// After the last delimiter: nothing matters any more.
    Epilogue,
}

/// What has come of the rest of a boundary's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Start,
    Dash,
    /// Padding of so many bytes.
    Padding(u8),
    Cr,
}

/// White space that may follow a boundary in its line.
const MOST_PADDING: u8 = 64;

/// The boundary of a `multipart/form-data` body.
///
/// # Errors
///
/// [`Fault::MediaType`] if it is something else; otherwise there is no boundary, or one that
/// RFC 2046 does not allow.
pub fn boundary(content_type: &[u8]) -> Result<String, Fault> {
    const WRONG: Fault = Fault::Malformed("the boundary is missing or is none (RFC 2046 §5.1.1)");
    let text = str::from_utf8(content_type).map_err(|_| Fault::MediaType)?;
    let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
    if !kind.trim_ascii().eq_ignore_ascii_case("multipart/form-data") {
        return Err(Fault::MediaType);
    }
    let mut found = None;
    // A boundary in quotes may contain no quotes, and no semicolon either.
    for parameter in parameters.split(';') {
        if let Some((name, value)) = parameter.split_once('=')
            && name.trim_ascii().eq_ignore_ascii_case("boundary")
        {
            let value = value.trim_ascii();
            let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            if found.replace(bare.unwrap_or(value)).is_some() {
                return Err(WRONG);
            }
        }
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    match found {
        Some(boundary)
            if (1..=70).contains(&boundary.len())
                && boundary.bytes().all(fits)
                && !boundary.ends_with(' ') =>
        {
            Ok(boundary.to_owned())
        }
        _ => Err(WRONG),
    }
}

impl Parser {
    /// A parser for a body with this boundary.
    pub fn new(boundary: &str, options: Options) -> Self {
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // The first delimiter has no line before it to end: as if its CRLF had come.
        let state = State::Content { is_part: false, from: 2, seen: 2 };
        Parser { delimiter, options, state, parts: 0, is_file: false, bytes: 0 }
    }

    /// Takes a piece of the body; tells `on` what it contains.
    ///
    /// # Errors
    ///
    /// The body breaks a rule or a limit; there is nothing more to be had of it.
    pub fn feed(
        &mut self,
        mut data: &[u8],
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        while !data.is_empty() {
            data = match self.state {
                State::Content { is_part, from, seen } => {
                    self.content(is_part, from..seen, data, on)?
                }
                State::Line(line) => self.line(line, data)?,
                State::Fields(_) => self.fields(data, on)?,
                State::Epilogue => return Ok(()),
            };
        }
        Ok(())
    }

    /// The body has ended.
    ///
    /// # Errors
    ///
    /// Its last delimiter has not come.
    pub fn finish(&self) -> Result<(), Fault> {
        match self.state {
            State::Epilogue => Ok(()),
            _ => Err(Fault::Malformed("the body ends before its last boundary")),
        }
    }

    fn content<'d>(
        &mut self,
        is_part: bool,
        Range { start: from, end: seen }: Range<usize>,
        data: &'d [u8],
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Fault>,
    ) -> Result<&'d [u8], Fault> {
        // First what began in an earlier piece.
        let owed = self.delimiter.get(seen..).unwrap_or(&[]);
        let same = owed.iter().zip(data).take_while(|(own, its)| own == its).count();
        if seen > 0 && same == owed.len() {
            return self.delimited(is_part, data.get(same..).unwrap_or(&[]), on);
        }
        if seen > 0 && same == data.len() {
            self.state = State::Content { is_part, from, seen: seen + same };
            return Ok(&[]);
        }
        if seen > 0 {
            // It was content after all. A delimiter has its one CR in front, so none begins in it.
            self.state = State::Content { is_part, from: 0, seen: 0 };
            let delimiter = mem::take(&mut self.delimiter);
            let told = self.data(is_part, delimiter.get(from..seen).unwrap_or(&[]), on);
            self.delimiter = delimiter;
            return told.map(|()| data);
        }
        if let Some(at) = memmem::find(data, &self.delimiter) {
            let (content, rest) = data.split_at(at);
            self.data(is_part, content, on)?;
            return self.delimited(is_part, rest.get(self.delimiter.len()..).unwrap_or(&[]), on);
        }
        let begun = memrchr(b'\r', data)
            .filter(|at| data.get(*at..).is_some_and(|tail| self.delimiter.starts_with(tail)));
        let (content, tail) = data.split_at(begun.unwrap_or(data.len()));
        self.data(is_part, content, on)?;
        self.state = State::Content { is_part, from: 0, seen: tail.len() };
        Ok(&[])
    }

    fn data(
        &mut self,
        is_part: bool,
        data: &[u8],
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if !is_part || data.is_empty() {
            return Ok(());
        }
        self.bytes = self.bytes.saturating_add(data.len() as u64);
        let (limit, what) = match self.is_file {
            true => (self.options.file_bytes, "bytes of a file"),
            false => (self.options.field_bytes, "bytes of a field"),
        };
        if self.bytes > limit {
            return Err(Fault::TooLarge(what, limit));
        }
        on(Event::Data(data))
    }

    fn delimited<'d>(
        &mut self,
        is_part: bool,
        rest: &'d [u8],
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Fault>,
    ) -> Result<&'d [u8], Fault> {
        self.state = State::Line(Line::Start);
        if is_part {
            on(Event::End)?;
        }
        Ok(rest)
    }

    /// The rest of a boundary's line: two dashes if it is the last, padding, CRLF. More would be a
    /// longer boundary, of which two readers could think differently.
    fn line<'d>(&mut self, line: Line, data: &'d [u8]) -> Result<&'d [u8], Fault> {
        let Some((byte, rest)) = data.split_first() else { return Ok(data) };
        self.state = match (line, byte) {
            (Line::Start, b'-') => State::Line(Line::Dash),
            (Line::Dash, b'-') => State::Epilogue,
            (Line::Start, b' ' | b'\t') => State::Line(Line::Padding(1)),
            (Line::Padding(length), b' ' | b'\t') if length < MOST_PADDING => {
                State::Line(Line::Padding(length + 1))
            }
            (Line::Start | Line::Padding(_), b'\r') => State::Line(Line::Cr),
            (Line::Cr, b'\n') => {
                self.parts += 1;
                if self.parts > self.options.parts {
                    return Err(Fault::TooLarge("parts", self.options.parts as u64));
                }
                State::Fields(Vec::new())
            }
            _ => return Err(Fault::Malformed("a boundary is followed by something else")),
        };
        Ok(rest)
    }

    /// Collects the fields of a part up to the empty line, line by line.
    fn fields<'d>(
        &mut self,
        data: &'d [u8],
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Fault>,
    ) -> Result<&'d [u8], Fault> {
        let State::Fields(lines) = &mut self.state else { return Ok(data) };
        let (line, rest) = data.split_at(memchr(b'\n', data).map_or(data.len(), |at| at + 1));
        if lines.len() + line.len() > self.options.header_bytes {
            let limit = self.options.header_bytes as u64;
            return Err(Fault::TooLarge("bytes of a part's fields", limit));
        }
        lines.extend_from_slice(line);
        if &**lines == b"\r\n" || lines.ends_with(b"\r\n\r\n") {
            let part = Part::of(lines.strip_suffix(b"\r\n").unwrap_or(lines))?;
            self.is_file = part.file_name.is_some();
            self.bytes = 0;
            // A part without content may end right after the empty line, whose CRLF then belongs
            // to the delimiter as well (RFC 2046 §5.1.1).
            self.state = State::Content { is_part: true, from: 2, seen: 2 };
            on(Event::Part(part))?;
        }
        Ok(rest)
    }
}
