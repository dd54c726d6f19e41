//! Streamed exchanges: request bodies taken as they come, reply bodies made as the peer takes them.

use crate::error::CloseReason;
use crate::proto::h1::Version;
use crate::proto::h1::encode::{self, BodyLength, Connection};
use crate::session::http::reply::{Response, Terms, body_length, class, whole};
use crate::session::http::{Answered, Reply, ReplyTo};
use crate::session::{Cx, Env, Message};
use crate::time::Moment;

/// One request and its reply, in pieces.
///
/// The reply may begin before the request has ended. Input is taken only while there is room for
/// output, so an exchange that answers each piece of body with at most as many bytes is bounded
/// without further care; one that produces more checks [`Writer::room`] and goes on in
/// [`on_drain`](Exchange::on_drain).
pub trait Exchange {
    /// Called once, before the body.
    fn on_start(&mut self, writer: &mut Writer<'_, '_>) {
        let _ = writer;
    }

    /// A piece of the request's body.
    fn on_body(&mut self, data: &[u8], writer: &mut Writer<'_, '_>) {
        let _ = (data, writer);
    }

    /// The request is complete.
    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        let _ = writer;
    }

    /// There is room to write, after [`Writer::want_drain`].
    fn on_drain(&mut self, writer: &mut Writer<'_, '_>) {
        let _ = writer;
    }

    /// The moment named by [`deadline`](Exchange::deadline) has come.
    fn on_timeout(&mut self, writer: &mut Writer<'_, '_>) {
        let _ = writer;
    }

    /// A message arrived for this connection.
    fn on_message(&mut self, message: Message, writer: &mut Writer<'_, '_>) {
        let _ = (message, writer);
    }

    /// The connection ended before the exchange did.
    fn on_abort(self: Box<Self>, why: CloseReason) {
        let _ = why;
    }

    /// When to call [`on_timeout`](Exchange::on_timeout).
    fn deadline(&self) -> Moment {
        Moment::NEVER
    }
}

/// How far the reply of an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Unsent,
    /// The head is out; so many bytes of body are owed.
    Length(u64),
    Chunked,
    UntilClose,
    /// The reply has no body, whatever is written.
    NoBody,
    Finished,
    /// The framing promised cannot be kept: only closing tells the peer.
    Broken,
}

/// The exchange in flight.
pub(crate) struct Active {
    pub(crate) exchange: Option<Box<dyn Exchange>>,
    pub(crate) terms: Terms,
    pub(crate) request_ended: bool,
    pub(crate) peer_ended: bool,
    /// Bytes of body in the current window of progress.
    pub(crate) gained: u32,
    /// Something was written since the idle limit last looked.
    pub(crate) wrote: bool,
    progress: Progress,
    /// The end of a whole answer that was too long to be written at once.
    rest: Option<Pour>,
}

impl Active {
    pub(crate) fn new(terms: Terms, exchange: Option<Box<dyn Exchange>>) -> Self {
        Active {
            exchange,
            terms,
            request_ended: false,
            peer_ended: false,
            gained: 0,
            wrote: false,
            progress: Progress::Unsent,
            rest: None,
        }
    }

    pub(crate) fn has_started(&self) -> bool {
        self.progress != Progress::Unsent
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.progress == Progress::Finished
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.progress == Progress::Broken
    }

    /// The end of a long answer takes the place of whatever gave it.
    pub(crate) fn pour_the_rest(&mut self) {
        if let Some(rest) = self.rest.take() {
            self.exchange = Some(Box::new(rest));
        }
    }

    pub(crate) fn deadline(&self) -> Moment {
        self.exchange.as_ref().map_or(Moment::NEVER, |exchange| exchange.deadline())
    }
}

/// Writes the reply of an exchange.
pub struct Writer<'a, 'c> {
    cx: &'a mut Cx<'c>,
    active: &'a mut Active,
    seq: u32,
}

impl<'a, 'c> Writer<'a, 'c> {
    pub(crate) fn new(cx: &'a mut Cx<'c>, active: &'a mut Active, seq: u32) -> Self {
        Writer { cx, active, seq }
    }

    /// Sends a whole answer.
    pub fn send(&mut self, status: u16, headers: &[(&str, &[u8])], body: &[u8]) {
        if self.active.progress != Progress::Unsent {
            log::error!("a second reply to one request was dropped");
            return;
        }
        let room = self.cx.room();
        if body.len() > room && !self.active.terms.head_only {
            self.start(status, headers, Some(body.len() as u64));
            let (now, later) = body.split_at(room);
            self.body(now);
            self.active.rest = Some(Pour { body: later.to_vec(), poured: 0 });
            return self.want_drain();
        }
        self.hold_to_the_request();
        whole(self.cx, &self.active.terms, status, headers, body);
        self.active.progress = Progress::Finished;
    }

    /// Sends a [`Response`].
    pub fn respond(&mut self, response: &Response) {
        let headers: Vec<(&str, &[u8])> =
            response.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.send(response.status, &headers, &response.body);
    }

    /// Starts an answer whose body follows by [`body`](Self::body). With a `length` exactly so many
    /// bytes must follow; without, the body is chunked, or for HTTP/1.0 ends with the connection.
    pub fn start(&mut self, status: u16, headers: &[(&str, &[u8])], length: Option<u64>) {
        if self.active.progress != Progress::Unsent {
            log::error!("a second reply to one request was dropped");
            return;
        }
        let framing =
            match (length.map(|length| body_length(status, length)), self.active.terms.version) {
                (Some(framing), _) => framing,
                (None, _) if body_length(status, 0) == BodyLength::None => BodyLength::None,
                (None, Version::Http11) => BodyLength::Chunked,
                (None, Version::Http10) => BodyLength::UntilClose,
            };
        self.active.terms.keep_alive &= framing != BodyLength::UntilClose;
        let terms = self.active.terms;
        let connection = if terms.keep_alive { Connection::KeepAlive } else { Connection::Close };
        let (out, env) = self.cx.split();
        env.counters.responses[class(status)] += 1;
        let date = env.date.as_bytes();
        match encode::head(out, terms.version, status, date, headers, framing, connection) {
            Ok(()) => {
                self.active.wrote = true;
                self.active.progress = progress_of(framing, terms.head_only);
            }
            Err(invalid) => {
                log::error!("reply not sent: {invalid}");
                self.send(500, &[], b"Internal Server Error\n");
            }
        }
    }

    /// Sends a piece of the body.
    pub fn body(&mut self, data: &[u8]) {
        self.active.wrote = true;
        let out = self.cx.out();
        match &mut self.active.progress {
            Progress::Length(owed) if data.len() as u64 <= *owed => {
                *owed -= data.len() as u64;
                out.extend_from_slice(data);
            }
            Progress::Chunked => encode::chunk(out, data),
            Progress::UntilClose => out.extend_from_slice(data),
            Progress::NoBody | Progress::Broken => {}
            Progress::Length(_) | Progress::Unsent | Progress::Finished => {
                log::error!("a reply's body did not fit the framing that its head announced");
                self.active.progress = Progress::Broken;
            }
        }
    }

    /// Ends the body.
    pub fn finish(&mut self) {
        self.active.progress = match self.active.progress {
            Progress::Chunked => {
                encode::last_chunk(self.cx.out());
                Progress::Finished
            }
            Progress::Length(0) | Progress::UntilClose | Progress::NoBody | Progress::Finished => {
                Progress::Finished
            }
            Progress::Length(_) | Progress::Unsent | Progress::Broken => {
                log::error!("a reply ended before the length that its head announced");
                Progress::Broken
            }
        };
        self.hold_to_the_request();
    }

    /// A reply that is complete before its request can keep the connection only if reading the
    /// rest of the request is cheap.
    fn hold_to_the_request(&mut self) {
        let Active { terms, request_ended, .. } = &mut *self.active;
        terms.keep_alive &= *request_ended || terms.skippable;
    }

    /// True once the reply has begun.
    pub fn has_started(&self) -> bool {
        self.active.has_started()
    }

    /// How many bytes may be written now before the peer's slowness counts.
    pub fn room(&self) -> usize {
        self.cx.room()
    }

    /// Asks for [`Exchange::on_drain`] when there is room again.
    pub fn want_drain(&mut self) {
        self.cx.want_drain();
    }

    /// Where a later answer to this exchange can be sent from elsewhere.
    pub fn reply_to(&self) -> ReplyTo {
        ReplyTo::new(self.cx.token(), self.seq)
    }

    /// Runs `job` on the off-load pool; its result arrives in [`Exchange::on_message`].
    ///
    /// If it cannot be run, an [`OffloadFailed`](crate::session::OffloadFailed) arrives instead. A
    /// result that comes when this exchange is over reaches nobody.
    pub fn offload(&mut self, job: impl FnOnce() -> Message + Send + 'static) {
        let seq = self.seq;
        self.cx.offload_as(seq, move || Message::any(Done { seq, message: job() }));
    }

    /// The time of this turn.
    pub fn now(&self) -> Moment {
        self.cx.now()
    }

    /// What all connections of the loop share.
    pub fn env(&mut self) -> &mut Env {
        self.cx.env()
    }
}

fn progress_of(framing: BodyLength, head_only: bool) -> Progress {
    match framing {
        _ if head_only => Progress::NoBody,
        BodyLength::None => Progress::NoBody,
        BodyLength::Length(length) => Progress::Length(length),
        BodyLength::Chunked => Progress::Chunked,
        BodyLength::UntilClose => Progress::UntilClose,
    }
}

/// The result of an exchange's job, on its way to that exchange and no other.
pub(crate) struct Done {
    pub(crate) seq: u32,
    pub(crate) message: Message,
}

/// What is left of a long answer, written as the peer takes it.
#[derive(Debug)]
pub(crate) struct Pour {
    body: Vec<u8>,
    poured: usize,
}

impl Exchange for Pour {
    fn on_drain(&mut self, writer: &mut Writer<'_, '_>) {
        let left = &self.body[self.poured..];
        let now = &left[..left.len().min(writer.room())];
        writer.body(now);
        self.poured += now.len();
        if self.poured == self.body.len() { writer.finish() } else { writer.want_drain() }
    }
}

/// A whole answer that is too long to be written at once.
pub(crate) struct Long {
    pub(crate) response: Response,
}

impl Exchange for Long {
    fn on_start(&mut self, writer: &mut Writer<'_, '_>) {
        writer.respond(&self.response);
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
            writer.send(
                413,
                &[("Content-Type", b"text/plain; charset=utf-8")],
                b"Content Too Large\n",
            );
            return;
        }
        self.body.extend_from_slice(data);
    }

    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        if let Some(then) = self.then.take() {
            then(std::mem::take(&mut self.body), writer);
        }
    }
}
