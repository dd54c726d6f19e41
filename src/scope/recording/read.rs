//! Reads a recording, a line at a time, within bounds.

use std::error::Error;
use std::fmt;
use std::io::{self, BufRead, Read};

use serde_json::Value;

use super::{Header, parse};
use crate::probe::{Labels, Record};
use crate::scope::text::Clean;

/// Facts that are kept of a recording that is read as a whole: the last ones. They take 40 bytes
/// each.
pub const MOST: usize = 1 << 22;

/// Texts of labels that are known at a time.
const LABELS: usize = 1 << 16;

/// Bytes of a line. No fact comes near it.
const LINE: u64 = 16 * 1024;

/// What is wrong with a recording, and where.
#[derive(Debug)]
pub struct ReadError {
    /// The number of the line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub what: Wrong,
}

/// What can be wrong with a line.
#[derive(Debug)]
pub enum Wrong {
    /// It could not be read.
    Io(io::Error),
    /// It is longer than any fact.
    TooLong,
    /// It is no JSON object.
    NotJson,
    /// The first line is no header: this is no recording.
    NoHeader,
    /// A version of the form that is not known here.
    Version(u64),
    /// A fact that is not known here.
    Fact(String),
    /// A field is missing.
    Missing(&'static str),
    /// A field says what it cannot.
    Field(&'static str),
}

impl Wrong {
    /// What the reader of the message can do.
    pub const fn advice(&self) -> &'static str {
        match self {
            Wrong::Io(_) => "the file, or what is piped in, cannot be read to its end",
            Wrong::NoHeader => {
                "a recording begins with {\"recording\":1,…}; `readyloop serve --record FILE` makes one"
            }
            Wrong::Version(_) | Wrong::Fact(_) => {
                "a newer readyloop wrote it: read it with that one"
            }
            Wrong::TooLong | Wrong::NotJson | Wrong::Missing(_) | Wrong::Field(_) => {
                "the file was changed or damaged; without this line the rest can be read"
            }
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.what {
            Wrong::Io(error) => write!(f, "{error}"),
            Wrong::TooLong => write!(f, "longer than {LINE} bytes"),
            Wrong::NotJson => f.write_str("not a JSON object"),
            Wrong::NoHeader => f.write_str("not the header of a recording"),
            Wrong::Version(version) => write!(f, "a recording of form {version}, not 1"),
            Wrong::Fact(name) => write!(f, "the fact {} is not known", Clean(name)),
            Wrong::Missing(field) => write!(f, "there is no \"{field}\""),
            Wrong::Field(field) => write!(f, "\"{field}\" cannot be that"),
        }
    }
}

impl Error for ReadError {}

/// A recording that is being read.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    header: Header,
    labels: Labels,
    line: Vec<u8>,
    number: u64,
    cut: Option<u64>,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be read.
    pub fn new(mut input: R) -> Result<Self, ReadError> {
        let mut line = Vec::new();
        next_line(&mut input, &mut line).map_err(|what| {
            // What begins with so long a line is something else.
            let what = if matches!(what, Wrong::TooLong) { Wrong::NoHeader } else { what };
            ReadError { line: 1, what }
        })?;
        let header = match serde_json::from_slice(&line) {
            Ok(Value::Object(object)) => Header::from_json(&object),
            _ => Err(Wrong::NoHeader),
        };
        let header = header.map_err(|what| ReadError { line: 1, what })?;
        Ok(Reader { input, header, labels: Labels::with_room(LABELS), line, number: 1, cut: None })
    }

    /// The next fact; `None` at the end. A last line without an end that is no fact was cut off,
    /// which is the end as well.
    ///
    /// # Errors
    ///
    /// The line is wrong. The next call goes on after it, unless reading itself failed.
    pub fn next_record(&mut self) -> Result<Option<Record>, ReadError> {
        loop {
            self.number += 1;
            let ended =
                next_line(&mut self.input, &mut self.line).map_err(|what| self.wrong(what))?;
            if self.line.is_empty() && !ended {
                return Ok(None);
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            let record = match serde_json::from_slice(&self.line) {
                Ok(Value::Object(object)) => parse::record(&object, &mut self.labels),
                _ => Err(Wrong::NotJson),
            };
            return match record {
                Ok(record) => Ok(Some(record)),
                Err(_) if !ended => {
                    self.cut = Some(self.number);
                    Ok(None)
                }
                Err(what) => Err(self.wrong(what)),
            };
        }
    }

    fn wrong(&self, what: Wrong) -> ReadError {
        ReadError { line: self.number, what }
    }

    /// Of what the recording is.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The texts of the labels read so far.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The number of a last line that was cut off, once the end is reached.
    pub fn cut(&self) -> Option<u64> {
        self.cut
    }

    /// Header and labels, for who keeps the facts.
    pub fn into_parts(self) -> (Header, Labels) {
        (self.header, self.labels)
    }
}

/// Reads a line into `line`, without its end; false if it has none, which is so at the end of input.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, Wrong> {
    line.clear();
    input.by_ref().take(LINE).read_until(b'\n', line).map_err(Wrong::Io)?;
    let ended = line.last() == Some(&b'\n');
    if ended {
        line.pop();
    } else if line.len() as u64 == LINE {
        skip_line(input)?;
        return Err(Wrong::TooLong);
    }
    Ok(ended)
}

/// Passes over the rest of a line, however long it is.
fn skip_line(input: &mut impl BufRead) -> Result<(), Wrong> {
    loop {
        let found = match input.fill_buf() {
            Ok([]) => return Ok(()),
            Ok(bytes) => {
                memchr::memchr(b'\n', bytes).map_or((bytes.len(), false), |at| (at + 1, true))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Wrong::Io(error)),
        };
        input.consume(found.0);
        if found.1 {
            return Ok(());
        }
    }
}
