//! Forms with files: `multipart/form-data` (RFC 7578, RFC 2046 §5.1), as they arrive.
//!
//! Called by handlers, which get each part's fields and then its content in pieces, so that an
//! upload of any size takes no more memory than its receiver wants to keep. [`Parser`] is the machine,
//! [`read`] the exchange around it.
//!
//! Strict where readers differ: lines end in CRLF, nothing may follow a boundary in its line, and
//! the last boundary must come. Transfer encodings inside parts are refused, as RFC 7578 asks nobody
//! to send them. Nested multiparts are content.

mod head;
mod parser;
#[cfg(test)]
mod tests;

use crate::proto::h1::Head;
use crate::session::http::{Answered, Exchange, Reply, Writer};
use crate::web::body;
use crate::web::problem::Problem;
pub use head::Part;
pub use parser::{Event, Parser, boundary};

/// How much a form may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Parts. 1,000.
    pub parts: usize,
    /// Bytes of the fields of one part. 4 KiB.
    pub header_bytes: usize,
    /// Bytes of a part that is no file. 64 KiB.
    pub field_bytes: u64,
    /// Bytes of a part that is a file. 16 MiB.
    pub file_bytes: u64,
    /// Bytes of the whole body. 64 MiB.
    pub body_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            parts: 1000,
            header_bytes: 4 * 1024,
            field_bytes: 64 * 1024,
            file_bytes: 16 * 1024 * 1024,
            body_bytes: 64 * 1024 * 1024,
        }
    }
}

/// Why a body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not `multipart/form-data`.
    MediaType,
    /// It breaks a rule.
    Malformed(&'static str),
    /// It has more of this than so many.
    TooLarge(&'static str, u64),
}

impl Fault {
    /// The answer.
    pub fn problem(self) -> Problem {
        match self {
            Fault::MediaType => Problem::new(415, "Unsupported Media Type")
                .detail("the body must be multipart/form-data")
                .field("Accept", "multipart/form-data"),
            Fault::Malformed(what) => Problem::new(400, "Bad Request").detail(what),
            Fault::TooLarge(what, limit) => Problem::new(413, "Content Too Large")
                .detail(format!("a form may have at most {limit} {what}"))
                .with("limit", limit),
        }
    }
}

/// True if the request's body is a form of this kind.
pub fn is_form(head: &Head<'_>) -> bool {
    body::is("multipart/form-data", head)
}

/// What takes a form in.
pub trait Receiver: 'static {
    /// A part begins, a piece of it has come, or it has ended.
    ///
    /// # Errors
    ///
    /// Whatever it refuses; the peer is told and nothing more is read.
    fn on_event(&mut self, event: Event<'_>) -> Result<(), Fault>;

    /// The form is complete: answer it.
    fn on_end(self, writer: &mut Writer<'_, '_>);
}

/// Reads a form into `receiver`. What is no such form is answered with 415 or 400, what passes a
/// limit with 413.
pub fn read(
    head: &Head<'_>,
    reply: Reply<'_, '_>,
    options: Options,
    receiver: impl Receiver,
) -> Answered {
    let boundary = match boundary(head.header("content-type").unwrap_or(b"")) {
        Ok(boundary) => boundary,
        Err(fault) => return fault.problem().answer(reply),
    };
    if let Err(problem) = body::admits(head, options.body_bytes) {
        return problem.answer(reply);
    }
    let parser = Parser::new(&boundary, options);
    reply.exchange(Reading { parser, receiver: Some(receiver), left: options.body_bytes, options })
}

struct Reading<R> {
    parser: Parser,
    /// Nobody once the form was refused.
    receiver: Option<R>,
    left: u64,
    options: Options,
}

impl<R: Receiver> Exchange for Reading<R> {
    fn on_body(&mut self, data: &[u8], writer: &mut Writer<'_, '_>) {
        let Some(receiver) = &mut self.receiver else { return };
        let length = data.len() as u64;
        let taken = if length > self.left {
            Err(Fault::TooLarge("bytes", self.options.body_bytes))
        } else {
            self.left -= length;
            self.parser.feed(data, &mut |event| receiver.on_event(event))
        };
        if let Err(fault) = taken {
            self.receiver = None;
            fault.problem().send(writer);
        }
    }

    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        let Some(receiver) = self.receiver.take() else { return };
        match self.parser.finish() {
            Ok(()) => receiver.on_end(writer),
            Err(fault) => fault.problem().send(writer),
        }
    }
}
