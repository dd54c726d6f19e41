//! Exchanges whose bodies are wholes: [`Collect`] reads one, [`Long`] and [`Pour`] write one that is
//! too long to be written at once.

use bytes::Bytes;

use crate::session::http::{Answered, Exchange, Reply, Response, Writer};

/// What is left of a long answer, written as the peer takes it.
#[derive(Debug)]
pub(super) struct Pour {
    pub(super) body: Bytes,
}

impl Exchange for Pour {
    fn on_drain(&mut self, writer: &mut Writer<'_, '_>) {
        let now = self.body.split_to(self.body.len().min(writer.room()));
        writer.body_shared(now);
        if self.body.is_empty() { writer.finish() } else { writer.want_drain() }
    }
}

/// A whole answer that is too long to be written at once.
pub(super) struct Long {
    pub(super) response: Response,
}

impl Exchange for Long {
    fn on_start(&mut self, writer: &mut Writer<'_, '_>) {
        writer.respond(std::mem::take(&mut self.response));
    }
}

/// An exchange that reads a whole body, at most `limit` bytes, and then answers at once.
pub struct Collect<F> {
    body: Vec<u8>,
    limit: usize,
    then: Option<F>,
}

impl<F: FnOnce(Vec<u8>, &mut Writer<'_, '_>)> Collect<F> {
    /// Calls `then` with the whole body; a longer one is answered with 413.
    pub fn new(limit: usize, then: F) -> Self {
        Collect { body: Vec::new(), limit, then: Some(then) }
    }

    /// The same as a reply.
    pub fn reply(reply: Reply<'_, '_>, limit: usize, then: F) -> Answered
    where
        F: 'static,
    {
        reply.exchange(Collect::new(limit, then))
    }
}

impl<F: FnOnce(Vec<u8>, &mut Writer<'_, '_>)> Exchange for Collect<F> {
    fn on_body(&mut self, data: &[u8], writer: &mut Writer<'_, '_>) {
        if self.then.is_none() {
            return;
        }
        if self.body.len() + data.len() > self.limit {
            self.then = None;
            return writer.respond(Response::text(413, "Content Too Large\n"));
        }
        self.body.extend_from_slice(data);
    }

    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        if let Some(then) = self.then.take() {
            then(std::mem::take(&mut self.body), writer);
        }
    }
}
