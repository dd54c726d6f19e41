//! Streamed exchanges: request bodies taken as they come, reply bodies made as the peer takes them.

use bytes::Bytes;

use crate::buf::FileSpan;
use crate::error::CloseReason;
use crate::proto::h1::encode::{self, BodyLength, Connection};
use crate::proto::h1::{Trailers, Version};
use crate::session::http::ReplyTo;
use crate::session::http::extra::Extra;
use crate::session::http::reply::{
    Observer, Outcome, Response, Terms, body_length, class, whole, whole_shared,
};
use crate::session::http::whole::Pour;
use crate::session::{Cx, Env, Message};
use crate::time::Moment;
use crate::token::Token;

/// One request and its reply, in pieces.
///
/// The reply may begin before the request has ended. Input is taken only while there is room for
/// output, so an exchange that answers each piece of body with at most as many bytes is bounded
/// without further care; one that produces more checks [`Writer::room`] and goes on in
/// [`on_drain`](Exchange::on_drain).
///
/// Until its reply has begun it has `Limits::reply` from the end of the request. Once it has, it may
/// be silent for `Limits::idle`, then it is ended: a stream without an end needs a heart-beat, by
/// [`deadline`](Exchange::deadline) and [`on_timeout`](Exchange::on_timeout).
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

    /// The fields after a chunked body (RFC 9112 §7.1.2), before its end. Few requests have any.
    fn on_trailers(&mut self, trailers: &Trailers<'_>, writer: &mut Writer<'_, '_>) {
        let _ = (trailers, writer);
    }

    /// The loop drains. An answer without an end ends itself here; others go on.
    fn on_shutdown(&mut self, writer: &mut Writer<'_, '_>) {
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
    fn on_abort(self: Box<Self>, why: CloseReason, env: &mut Env) {
        let _ = (why, env);
    }

    /// When to call [`on_timeout`](Exchange::on_timeout), after which it must lie ahead of
    /// [`Writer::now`] again: an exchange that wants to be called at once, for ever, is ended.
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
    /// Since when the exchange takes no more of the request's body.
    pub(crate) held: Option<Moment>,
    /// Fields that the head gets, whatever the exchange says.
    extra: Extra,
    began: Moment,
    outcome: Outcome,
    observer: Option<Observer>,
    progress: Progress,
    /// The end of a whole answer that was too long to be written at once.
    rest: Option<Pour>,
}

impl Active {
    pub(crate) fn new(
        terms: Terms,
        exchange: Option<Box<dyn Exchange>>,
        observer: Option<Observer>,
        extra: Extra,
        now: Moment,
    ) -> Self {
        Active {
            extra,
            began: now,
            held: None,
            outcome: Outcome::default(),
            observer,
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

    /// The session has answered in the exchange's place.
    pub(crate) fn was_refused(&mut self, status: u16, now: Moment) {
        self.outcome.status = status;
        self.outcome.took = now.since(self.began);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.progress == Progress::Finished
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.progress == Progress::Broken
    }

    /// Nothing of the request is taken: it has ended, or the exchange wants no more for now.
    pub(crate) fn takes_nothing(&self) -> bool {
        self.request_ended || self.held.is_some()
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

impl Drop for Active {
    /// However it ended, whoever observes it is told.
    fn drop(&mut self) {
        if let Some(observer) = self.observer.take() {
            self.outcome.complete = self.is_finished();
            observer(&self.outcome);
        }
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
        active.outcome.took = cx.now().since(active.began);
        Writer { cx, active, seq }
    }

    /// Sends a whole answer.
    pub fn send(&mut self, status: u16, headers: &[(&str, &[u8])], body: &[u8]) {
        if self.must_pour(body.len()) {
            return self.send_shared(status, headers, Bytes::copy_from_slice(body));
        }
        if self.sends_now(status, body.len()) {
            whole(self.cx, &self.active.terms, &self.active.extra, status, headers, body);
        }
    }

    /// The same with a body that is not copied.
    pub fn send_shared(&mut self, status: u16, headers: &[(&str, &[u8])], mut body: Bytes) {
        if self.must_pour(body.len()) {
            self.start(status, headers, Some(body.len() as u64));
            self.body_shared(body.split_to(self.cx.room()));
            self.active.rest = Some(Pour { body });
            return self.want_drain();
        }
        if self.sends_now(status, body.len()) {
            whole_shared(self.cx, &self.active.terms, &self.active.extra, status, headers, body);
        }
    }

    /// A body for which there is no room is written as the peer takes it.
    fn must_pour(&self, length: usize) -> bool {
        self.active.progress == Progress::Unsent
            && length > self.cx.room()
            && !self.active.terms.head_only
    }

    /// Notes that a whole answer goes out; false if one did already.
    fn sends_now(&mut self, status: u16, length: usize) -> bool {
        if self.active.progress != Progress::Unsent {
            log::error!("a second reply to one request was dropped");
            return false;
        }
        self.hold_to_the_request();
        self.active.outcome.status = status;
        self.active.outcome.bytes = if self.active.terms.head_only { 0 } else { length as u64 };
        self.active.progress = Progress::Finished;
        true
    }

    /// Sends a [`Response`].
    pub fn respond(&mut self, response: Response) {
        let Response { status, headers, body } = response;
        let fields: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.send_shared(status, &fields, body);
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
                self.active.extra.end_head(out);
                self.active.wrote = true;
                self.active.outcome.status = status;
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
        if self.frames(data.len(), |out| out.extend_from_slice(data)) {
            self.end_piece();
        }
    }

    /// Sends a piece of the body without copying it.
    pub fn body_shared(&mut self, data: Bytes) {
        if self.frames(data.len(), |_| ()) {
            self.cx.write_shared(data);
            self.end_piece();
        }
    }

    /// Sends a span of a file as a piece of the body; see [`Cx::write_file`].
    ///
    /// # Errors
    ///
    /// The span comes back, and nothing was sent, where [`takes_files`](Self::takes_files) is false.
    pub fn body_file(&mut self, span: FileSpan) -> Result<(), FileSpan> {
        if !self.cx.takes_files() {
            return Err(span);
        }
        if self.frames(span.length, |_| ()) {
            self.cx.write_file(span)?;
            self.end_piece();
        }
        Ok(())
    }

    /// True if the system can send files on this connection: over plain TCP on Linux.
    pub fn takes_files(&self) -> bool {
        self.cx.takes_files()
    }

    /// Begins a piece of so many bytes, written by `own` or by the caller; false if none must be
    /// written.
    fn frames(&mut self, length: usize, own: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.active.wrote = true;
        match &mut self.active.progress {
            Progress::Length(owed) if length as u64 <= *owed => *owed -= length as u64,
            Progress::Chunked if length > 0 => encode::chunk_size(self.cx.out(), length),
            Progress::UntilClose => {}
            Progress::Chunked | Progress::NoBody | Progress::Broken => return false,
            Progress::Length(_) | Progress::Unsent | Progress::Finished => {
                log::error!("a reply's body did not fit the framing that its head announced");
                self.active.progress = Progress::Broken;
                return false;
            }
        }
        self.active.outcome.bytes += length as u64;
        own(self.cx.out());
        true
    }

    fn end_piece(&mut self) {
        if self.active.progress == Progress::Chunked {
            self.cx.write(b"\r\n");
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

    /// Takes no more of the request's body until [`resume`](Self::resume): the rest waits in the
    /// kernel and slows the peer down. Whoever holds it for longer than `Limits::reply` has the
    /// peer answered with 503. A piece that is being delivered is not taken back.
    pub fn hold(&mut self) {
        self.active.held.get_or_insert(self.cx.now());
    }

    /// Takes the request's body again.
    pub fn resume(&mut self) {
        self.active.held = None;
    }

    /// True once the reply has begun.
    pub fn has_started(&self) -> bool {
        self.active.has_started()
    }

    /// How many bytes may be written now before the peer's slowness counts.
    pub fn room(&self) -> usize {
        self.cx.room()
    }

    /// Bytes of this connection that the peer has not taken yet.
    pub fn unsent(&self) -> usize {
        self.cx.unsent()
    }

    /// The connection's name on this loop.
    pub fn token(&self) -> Token {
        self.cx.token()
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
