//! The four ways to answer a request: now, later, in a streamed exchange, or by another session.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;

use crate::proto::h1::encode::{self, BodyLength, Connection};
use crate::proto::h1::{Framing, Head, Version};
use crate::session::datagram::Peer;
use crate::session::http::Exchange;
use crate::session::http::exchange::Done;
use crate::session::http::extra::Extra;
use crate::session::http::origin::{Origin, TlsSummary};
use crate::session::http::prepared::Prepared;
use crate::session::http::whole::Long;
use crate::session::{Cx, Env, Message, Session};
use crate::time::Moment;
use crate::token::Token;

/// What an exchange must keep to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) version: Version,
    /// The request was HEAD: the reply has no body.
    pub(crate) head_only: bool,
    /// The connection may serve another request after this one.
    pub(crate) keep_alive: bool,
    /// The peer said that this is its last request.
    pub(crate) was_asked_to_close: bool,
    /// What a reply sent before the body has been read must know: the body is short enough to be
    /// skipped, or the connection ends.
    pub(crate) skippable: bool,
}

impl Terms {
    #[inline]
    pub(crate) fn of(head: &Head<'_>, cx: &mut Cx<'_>) -> Self {
        let skippable = match head.framing {
            Framing::None => true,
            Framing::Length(length) => length <= cx.limits().discard_bytes && !head.expect_continue,
            _ => false,
        };
        Terms {
            version: head.version,
            head_only: head.method == "HEAD",
            keep_alive: head.keep_alive && !cx.is_draining(),
            was_asked_to_close: !head.keep_alive && head.framing == Framing::None,
            skippable,
        }
    }

    fn connection(&self) -> Connection {
        if self.keep_alive { Connection::KeepAlive } else { Connection::Close }
    }
}

/// Proof that a request was answered, or will be.
pub struct Answered {
    pub(crate) next: Next,
    pub(crate) terms: Terms,
    /// The answer, if it is all out already.
    pub(crate) outcome: Outcome,
    pub(crate) observer: Option<Observer>,
    /// Fields for the head that is still to come.
    pub(crate) extra: Extra,
}

/// What became of a request, for logs and measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The status that was sent; 0 if the connection ended before one was.
    pub status: u16,
    /// Bytes of body that were handed to the connection.
    pub bytes: u64,
    /// False if the answer was broken off.
    pub complete: bool,
    /// From the request's head to what was last done about it; nothing if it was answered at once.
    pub took: Duration,
}

/// Told of an outcome.
pub(crate) type Observer = Box<dyn FnOnce(&Outcome)>;

impl Answered {
    fn new(next: Next, terms: Terms, extra: Extra) -> Self {
        Answered { next, terms, outcome: Outcome::default(), observer: None, extra }
    }

    #[inline]
    fn sent(terms: Terms, status: u16, bytes: usize) -> Self {
        let bytes = if terms.head_only { 0 } else { bytes as u64 };
        let outcome = Outcome { status, bytes, complete: true, took: Duration::ZERO };
        Answered { next: Next::Sent, terms, outcome, observer: None, extra: Extra::default() }
    }

    /// The outcome, if the answer is out already; what is streamed or promised has none yet.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.complete.then_some(&self.outcome)
    }

    /// Has `observer` told of the outcome: now, or when the answer has been given or broken off.
    /// Of several, each is told.
    pub fn on_end(mut self, observer: impl FnOnce(&Outcome) + 'static) -> Self {
        if let Some(outcome) = self.outcome() {
            observer(outcome);
            return self;
        }
        self.observer = Some(match self.observer.take() {
            None => Box::new(observer),
            Some(first) => Box::new(move |outcome| {
                first(outcome);
                observer(outcome);
            }),
        });
        self
    }
}

pub(crate) enum Next {
    Sent,
    Later,
    Exchange(Box<dyn Exchange>),
    Upgrade(Box<dyn Session>),
}

/// The answer to one request, to be given in exactly one way.
pub struct Reply<'a, 'c> {
    cx: &'a mut Cx<'c>,
    terms: Terms,
    seq: u32,
    origin: &'a Origin,
    extra: Extra,
}

impl<'a, 'c> Reply<'a, 'c> {
    #[inline]
    pub(crate) fn new(cx: &'a mut Cx<'c>, terms: Terms, seq: u32, origin: &'a Origin) -> Self {
        Reply { cx, terms, seq, origin, extra: Extra::default() }
    }

    /// The peer's address.
    pub fn peer(&self) -> Peer {
        self.origin.peer()
    }

    /// What the TLS handshake agreed on, over TLS.
    pub fn tls(&self) -> Option<&'a TlsSummary> {
        self.origin.tls()
    }

    /// Makes this the connection's last answer, and says so in it.
    pub fn close(mut self) -> Self {
        self.terms.keep_alive = false;
        self
    }

    /// Adds a field to the answer, in whichever way it will be given: for what goes around handlers,
    /// like CORS and cookies. A field that would break the framing is logged and left out.
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.extra.add(name, value.as_ref());
        self
    }

    /// Sends a whole answer. Framing, `Date`, `Server` and `Connection` are added; for HEAD the
    /// body is left out and its length still told (RFC 9110 §9.3.2).
    #[inline]
    pub fn send(self, status: u16, headers: &[(&str, &[u8])], body: &[u8]) -> Answered {
        if body.len() > self.cx.limits().high_water {
            return self.long(status, headers, body);
        }
        let mut terms = self.terms;
        terms.keep_alive &= terms.skippable;
        whole(self.cx, &terms, &self.extra, status, headers, body);
        Answered::sent(terms, status, body.len())
    }

    /// The same with a body that is not copied: right for what is kept in memory and sent often.
    pub fn send_shared(self, status: u16, headers: &[(&str, &[u8])], body: Bytes) -> Answered {
        if body.len() > self.cx.limits().high_water {
            let headers = owned(headers);
            return self.exchange(Long { response: Response { status, headers, body } });
        }
        let mut terms = self.terms;
        terms.keep_alive &= terms.skippable;
        let length = body.len();
        whole_shared(self.cx, &terms, &self.extra, status, headers, body);
        Answered::sent(terms, status, length)
    }

    /// Sends a [`Response`].
    pub fn respond(self, response: Response) -> Answered {
        let Response { status, headers, body } = response;
        let fields: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.send_shared(status, &fields, body)
    }

    /// A body over the high watermark is kept, and written as the peer takes it.
    #[cold]
    fn long(self, status: u16, headers: &[(&str, &[u8])], body: &[u8]) -> Answered {
        let (headers, body) = (owned(headers), Bytes::copy_from_slice(body));
        self.exchange(Long { response: Response { status, headers, body } })
    }

    /// Sends an answer that was made before: nothing is checked or formatted but the date.
    #[inline]
    pub fn prepared(self, answer: &Prepared) -> Answered {
        let mut terms = self.terms;
        terms.keep_alive &= terms.skippable;
        let form = match (terms.keep_alive, terms.version) {
            (true, Version::Http11) => &answer.keep,
            (true, Version::Http10) => &answer.keep_10,
            (false, _) => &answer.close,
        };
        let (out, env) = self.cx.split();
        env.counters.responses[class(answer.status)] += 1;
        let date = out.len() + answer.date;
        let (head, body) = form.whole.split_at(form.head);
        if terms.head_only || !self.extra.is_empty() {
            out.extend_from_slice(head);
            self.extra.end_head(out);
            out.extend_from_slice(if terms.head_only { b"" } else { body });
        } else {
            out.extend_from_slice(&form.whole);
        }
        if let Some(place) = out.get_mut(date..date + 29) {
            place.copy_from_slice(env.date.as_bytes());
        }
        match &answer.shared {
            None => Answered::sent(terms, answer.status, body.len()),
            Some(body) => self.after_head(answer.status, body, terms),
        }
    }

    /// Sends the body of a prepared head, as a copy if that is cheaper than to remember where it
    /// lies.
    fn after_head(self, status: u16, body: &Bytes, terms: Terms) -> Answered {
        const COPIED: usize = 16 * 1024;
        match body.len() {
            _ if terms.head_only => {}
            0..=COPIED => self.cx.write(body),
            _ => self.cx.write_shared(body.clone()),
        }
        Answered::sent(terms, status, body.len())
    }

    /// Sends a short text.
    pub fn text(self, status: u16, text: &str) -> Answered {
        self.send(status, &[("Content-Type", b"text/plain; charset=utf-8")], text.as_bytes())
    }

    /// Promises an answer for later. It is given by [`ReplyTo`] from anywhere: through a `Handle`
    /// from another thread, or by a message from another session. If none comes within
    /// `Limits::reply` the peer gets a 503.
    pub fn later(self) -> (ReplyTo, Answered) {
        let to = ReplyTo { token: self.cx.token(), seq: self.seq };
        (to, Answered::new(Next::Later, self.terms, self.extra))
    }

    /// Runs `job` on the off-load pool and sends the answer it returns.
    pub fn offload(self, job: impl FnOnce() -> Response + Send + 'static) -> Answered {
        let seq = self.seq;
        self.cx.offload_as(seq, move || Message::any(Deferred { seq, response: job() }));
        Answered::new(Next::Later, self.terms, self.extra)
    }

    /// Runs `job` on the off-load pool; nobody waits for it. If it cannot be run it is dropped.
    pub fn spawn(&mut self, job: impl FnOnce() + Send + 'static) {
        // As if for the request before: that one has its answer, so no exchange hears of the end.
        let seq = self.seq.wrapping_sub(1);
        self.cx.offload_as(seq, move || {
            job();
            Message::any(Done { seq, message: Message::Bytes(Bytes::new()) })
        });
    }

    /// Lets `exchange` take the request's body and produce the answer piece by piece.
    pub fn exchange(self, exchange: impl Exchange + 'static) -> Answered {
        Answered::new(Next::Exchange(Box::new(exchange)), self.terms, self.extra)
    }

    /// Sends a head without a body and hands the connection to `session`, which gets every byte
    /// after the request's head.
    pub fn upgrade(
        self,
        status: u16,
        headers: &[(&str, &[u8])],
        session: impl Session + 'static,
    ) -> Answered {
        let connection = if status == 101 { Connection::Upgrade } else { Connection::KeepAlive };
        let (out, env) = self.cx.split();
        env.counters.responses[class(status)] += 1;
        let date = env.date.as_bytes();
        match encode::head(
            out,
            self.terms.version,
            status,
            date,
            headers,
            BodyLength::None,
            connection,
        ) {
            Ok(()) => {
                self.extra.end_head(out);
                Answered {
                    next: Next::Upgrade(Box::new(session)),
                    ..Answered::sent(self.terms, status, 0)
                }
            }
            Err(invalid) => {
                log::error!("upgrade not sent: {invalid}");
                self.text(500, "Internal Server Error\n")
            }
        }
    }

    /// The time of this turn.
    pub fn now(&self) -> Moment {
        self.cx.now()
    }

    /// The connection's name on this loop, to reach it by a message later.
    pub fn token(&self) -> Token {
        self.cx.token()
    }

    /// What all connections of the loop share: counters, limits, the date.
    pub fn env(&mut self) -> &mut Env {
        self.cx.env()
    }
}

/// Where a promised answer goes. Valid for one request: later ones on the same connection, and
/// other connections, are out of its reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplyTo {
    token: Token,
    seq: u32,
}

impl ReplyTo {
    pub(crate) fn new(token: Token, seq: u32) -> Self {
        ReplyTo { token, seq }
    }

    /// The connection.
    pub fn token(self) -> Token {
        self.token
    }

    /// The message that carries `response` there.
    pub fn message(self, response: Response) -> Message {
        Message::any(Deferred { seq: self.seq, response })
    }
}

/// A whole answer that can travel between threads.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The fields besides framing, `Date`, `Server` and `Connection`.
    pub headers: Vec<(Cow<'static, str>, Cow<'static, [u8]>)>,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// An answer with a body and no fields yet.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Response { status, headers: Vec::new(), body: body.into() }
    }

    /// A short text.
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Response::new(status, text.into()).with("Content-Type", "text/plain; charset=utf-8")
    }

    /// Adds a field.
    pub fn with(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        let value = match value.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        self.headers.push((name.into(), value));
        self
    }
}

/// A promised answer on its way.
pub(crate) struct Deferred {
    pub(crate) seq: u32,
    pub(crate) response: Response,
}

fn owned(headers: &[(&str, &[u8])]) -> Vec<(Cow<'static, str>, Cow<'static, [u8]>)> {
    headers.iter().map(|(name, value)| ((*name).to_owned().into(), value.to_vec().into())).collect()
}

/// Writes a whole answer.
#[inline]
pub(crate) fn whole(
    cx: &mut Cx<'_>,
    terms: &Terms,
    extra: &Extra,
    status: u16,
    headers: &[(&str, &[u8])],
    body: &[u8],
) {
    if whole_head(cx, terms, extra, status, headers, body.len()) {
        cx.write(body);
    }
}

/// Writes a whole answer whose body is shared.
pub(crate) fn whole_shared(
    cx: &mut Cx<'_>,
    terms: &Terms,
    extra: &Extra,
    status: u16,
    headers: &[(&str, &[u8])],
    body: Bytes,
) {
    if whole_head(cx, terms, extra, status, headers, body.len()) {
        cx.write_shared(body);
    }
}

/// Writes the head of a whole answer; answers whether its body must follow. An answer that would
/// break the framing is our own mistake: it is logged and a 500 goes out instead.
#[inline]
fn whole_head(
    cx: &mut Cx<'_>,
    terms: &Terms,
    extra: &Extra,
    status: u16,
    headers: &[(&str, &[u8])],
    length: usize,
) -> bool {
    let (out, env) = cx.split();
    let length = body_length(status, length as u64);
    env.counters.responses[class(status)] += 1;
    let date = env.date.as_bytes();
    match encode::head(out, terms.version, status, date, headers, length, terms.connection()) {
        Ok(()) => {
            extra.end_head(out);
            !terms.head_only && length != BodyLength::None
        }
        Err(invalid) => {
            log::error!("reply not sent: {invalid}");
            let body = b"Internal Server Error\n";
            let length = BodyLength::Length(body.len() as u64);
            if encode::head(out, terms.version, 500, date, &[], length, terms.connection()).is_ok()
                && !terms.head_only
            {
                out.extend_from_slice(body);
            }
            false
        }
    }
}

/// An error answer after which the connection closes.
#[cold]
pub(crate) fn plain_error(status: u16, what: &str, head_only: bool, cx: &mut Cx<'_>) {
    let terms = Terms {
        version: Version::Http11,
        head_only,
        keep_alive: false,
        was_asked_to_close: false,
        skippable: false,
    };
    let body = format!("{status} {}: {what}\n", encode::reason(status));
    let extra = Extra::default();
    whole(
        cx,
        &terms,
        &extra,
        status,
        &[("Content-Type", b"text/plain; charset=utf-8")],
        body.as_bytes(),
    );
}

/// How a reply with this status frames a body of `length` bytes (RFC 9112 §6.3).
#[inline]
pub(crate) fn body_length(status: u16, length: u64) -> BodyLength {
    match status {
        100..200 | 204 | 304 => BodyLength::None,
        _ => BodyLength::Length(length),
    }
}

pub(crate) fn class(status: u16) -> usize {
    usize::from(status / 100).min(5)
}
