//! Bodies read whole, up to a limit.
//!
//! Called by the readers of JSON and of forms, and by handlers that want bytes. What is longer than
//! the limit is refused before it is kept: by its length if that is told, else as it comes.

use crate::proto::h1::{Framing, Head};
use crate::session::http::{Answered, Exchange, Reply, Response, Writer};
use crate::session::{Message, OffloadFailed};
use crate::web::problem::Problem;

/// Reads the request's body, at most `limit` bytes, and calls `then` with it. A longer one is
/// answered with 413, one that is compressed with 415.
pub fn read(
    head: &Head<'_>,
    reply: Reply<'_, '_>,
    limit: usize,
    then: impl FnOnce(Vec<u8>, &mut Writer<'_, '_>) + 'static,
) -> Answered {
    if let Err(problem) = admits(head, limit as u64) {
        return problem.answer(reply);
    }
    let length = match head.framing {
        Framing::Length(length) => usize::try_from(length).unwrap_or(limit),
        _ => 0,
    };
    // What is announced may never come: only a little is set aside for it.
    let body = Vec::with_capacity(length.min(limit).min(16 * 1024));
    reply.exchange(Whole { body, limit, then: Some(then) })
}

/// For `then`, instead of an answer: runs `job` on the off-load pool, and answers with what it
/// returns. If it cannot be run, the answer is 503.
pub fn offload(writer: &mut Writer<'_, '_>, job: impl FnOnce() -> Response + Send + 'static) {
    writer.offload(move || Message::any(job()));
}

/// True if the request's body is of this media type, whatever its parameters.
pub fn is(media_type: &str, head: &Head<'_>) -> bool {
    let value = head.header("content-type").unwrap_or(b"");
    let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
    value
        .get(..end)
        .is_some_and(|found| found.trim_ascii_end().eq_ignore_ascii_case(media_type.as_bytes()))
}

/// Says whether a body with this head may be read, as far as the head tells.
///
/// # Errors
///
/// The answer: 413 or 415.
pub fn admits(head: &Head<'_>, limit: u64) -> Result<(), Problem> {
    if let Framing::Length(length) = head.framing
        && length > limit
    {
        return Err(too_long(limit));
    }
    match head.header("content-encoding") {
        Some(coding) if !coding.eq_ignore_ascii_case(b"identity") => {
            let detail = "the body may not be compressed";
            let problem = Problem::new(415, "Unsupported Media Type").detail(detail);
            Err(problem.field("Accept-Encoding", "identity"))
        }
        _ => Ok(()),
    }
}

/// The answer to a body of more than `limit` bytes.
pub fn too_long(limit: u64) -> Problem {
    Problem::new(413, "Content Too Large")
        .detail(format!("at most {limit} bytes are taken"))
        .with("limit", limit)
}

struct Whole<F> {
    body: Vec<u8>,
    limit: usize,
    then: Option<F>,
}

impl<F: FnOnce(Vec<u8>, &mut Writer<'_, '_>)> Exchange for Whole<F> {
    fn on_body(&mut self, data: &[u8], writer: &mut Writer<'_, '_>) {
        if self.then.is_none() {
            return;
        }
        if data.len() > self.limit.saturating_sub(self.body.len()) {
            self.then = None;
            self.body = Vec::new();
            return too_long(self.limit as u64).send(writer);
        }
        self.body.extend_from_slice(data);
    }

    fn on_message(&mut self, message: Message, writer: &mut Writer<'_, '_>) {
        let Message::Any(any) = message else { return };
        match any.downcast::<Response>() {
            Ok(response) => writer.respond(*response),
            Err(any) if any.is::<OffloadFailed>() => {
                let problem = Problem::new(503, "Service Unavailable");
                let problem = problem.detail("the server is too busy for this request");
                problem.field("Retry-After", "1").send(writer);
            }
            Err(_) => {}
        }
    }

    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        if let Some(then) = self.then.take() {
            then(std::mem::take(&mut self.body), writer);
        }
    }
}
