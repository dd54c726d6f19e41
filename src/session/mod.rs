//! A session: a protocol machine and the application's handler in one, still pure.
//!
//! A [`Session`] is what a connection runs. It is called with bytes, ends, messages and time; it
//! answers by appending to its own output and by returning a [`Flow`]. Everything else that it
//! wants (to reach another connection, to have work done elsewhere) it records through [`Cx`] and
//! the driver carries out after it has returned, so no call ever re-enters a session.

use std::any::Any;
use std::time::SystemTime;

use bytes::Bytes;

use crate::buf::{FileSpan, Out};
use crate::error::CloseReason;
use crate::limits::Limits;
use crate::probe::{Counters, Recorder, Stage};
use crate::proto::h1::Memo;
use crate::time::{HttpDate, Moment};
use crate::token::Token;

pub mod datagram;
pub mod http;
pub mod raw;
#[cfg(feature = "web")]
pub mod ws;

/// One connection's protocol and application.
///
/// Only [`on_data`](Session::on_data) must be written. The driver promises: no call after
/// [`on_close`](Session::on_close), which comes exactly once; `on_data` is called again with the
/// same bytes, and more, until they are taken; and [`deadline`](Session::deadline) is asked after
/// every call, so a session changes its deadline by answering differently.
pub trait Session {
    /// The connection is established (over TLS: the handshake is done).
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        let _ = cx;
        Flow::Continue
    }

    /// The peer that was dialled has answered, and its TLS handshake follows: who measures that
    /// needs its begin. Without TLS `on_open` says the same.
    fn on_connect(&mut self) {}

    /// What the TLS handshake of a connection that was dialled agreed on, before `on_open`. Services
    /// learn the same of accepted ones from [`ConnInfo`].
    fn on_secure(&mut self, tls: &TlsInfo<'_>) {
        let _ = tls;
    }

    /// Bytes arrived. Advance `input` past what was used; the rest is kept and offered again when
    /// more has come, when the backlog has drained, or after any other call that continues.
    fn on_data(&mut self, input: &mut &[u8], cx: &mut Cx<'_>) -> Flow;

    /// The peer will send no more. `clean` is false when TLS was cut off without its closing
    /// alert. What was not taken from `on_data` is lost after this call.
    fn on_eof(&mut self, clean: bool, cx: &mut Cx<'_>) -> Flow {
        let _ = (clean, cx);
        Flow::Close(CloseMode::Flush, CloseReason::PeerClosed)
    }

    /// There is room to produce more, after [`Cx::want_drain`] asked to be told.
    fn on_drain(&mut self, cx: &mut Cx<'_>) -> Flow {
        let _ = cx;
        Flow::Continue
    }

    /// The moment that [`deadline`](Session::deadline) named has come.
    fn on_timeout(&mut self, cx: &mut Cx<'_>) -> Flow {
        let _ = cx;
        Flow::Continue
    }

    /// Somebody sent this connection a message.
    fn on_message(&mut self, message: Message, cx: &mut Cx<'_>) -> Flow {
        let _ = (message, cx);
        Flow::Continue
    }

    /// The loop drains: finish what is in flight and close. A session that closes at once returns
    /// [`Flow::Close`]; one that goes on is closed when it does so later or at the drain's deadline.
    fn on_shutdown(&mut self, cx: &mut Cx<'_>) -> Flow {
        let _ = cx;
        Flow::Close(CloseMode::Linger, CloseReason::Drained)
    }

    /// TLS has failed, for this reason, as a half sentence. [`on_close`](Session::on_close) follows.
    fn on_fault(&mut self, what: &str) {
        let _ = what;
    }

    /// The connection has ended. There is nobody left to write to, but others may be sent
    /// something: by [`Env::send`].
    fn on_close(&mut self, why: CloseReason, env: &mut Env) {
        let _ = (why, env);
    }

    /// When to call [`on_timeout`](Session::on_timeout) next; [`Moment::NEVER`] for not at all.
    fn deadline(&self) -> Moment {
        Moment::NEVER
    }

    /// Where it is in its protocol. Asked after each call while somebody watches, and never else.
    fn stage(&self) -> Stage {
        Stage::Unknown
    }
}

/// What a connection does after its session returned.
pub enum Flow {
    /// Go on: take more input when it comes.
    Continue,
    /// From [`Session::on_data`]: go on, and send back what this call took, as it came. A driver
    /// that can does so from where it was read, without a copy. Elsewhere it is `Continue`.
    Reflect,
    /// Take no more input until a later call returns [`Flow::Continue`].
    Pause,
    /// Paused or not, as it was before the call.
    Stay,
    /// From here on the connection is `0`'s: it gets `on_open`, then the bytes not yet taken.
    Upgrade(Box<dyn Session>),
    /// End the connection.
    Close(CloseMode, CloseReason),
}

/// How to end a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseMode {
    /// Send what is waiting, then close. Right when the peer's input has been read to its end.
    Flush,
    /// Send what is waiting, end our direction, then read and discard for a bounded while: closing
    /// with unread input would reset the connection and destroy the last reply (RFC 9112 §9.6).
    Linger,
    /// Close now; what is waiting is lost.
    Abort,
}

/// Makes the session of each new connection of a listener.
pub trait Service {
    /// Called when a connection is established (over TLS: after the handshake).
    fn open(&self, info: &ConnInfo<'_>) -> Box<dyn Session>;
}

impl<F: Fn(&ConnInfo<'_>) -> Box<dyn Session>> Service for F {
    fn open(&self, info: &ConnInfo<'_>) -> Box<dyn Session> {
        self(info)
    }
}

/// What is known of a connection when its session is made.
#[derive(Clone, Debug)]
pub struct ConnInfo<'a> {
    /// Its name on this loop.
    pub token: Token,
    /// Who is at the other end.
    pub peer: &'a datagram::Peer,
    /// When it was established.
    pub now: Moment,
    /// What the TLS handshake agreed on, over TLS.
    pub tls: Option<TlsInfo<'a>>,
}

/// What a TLS handshake agreed on.
#[derive(Clone, Debug, Default)]
pub struct TlsInfo<'a> {
    /// The protocol chosen by ALPN (RFC 7301), if any.
    pub alpn: Option<&'a [u8]>,
    /// The name that the client asked for (RFC 6066 §3), if any.
    pub server_name: Option<&'a str>,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite by its IANA name.
    pub suite: &'static str,
    /// True if an earlier session was resumed.
    pub resumed: bool,
    /// The client's certificate in DER, verified, if it sent one.
    pub client_certificate: Option<&'a [u8]>,
}

/// Something sent to a connection, from another one or from another thread.
pub enum Message {
    /// Bytes, shared with other receivers. A raw session writes them as they are.
    Bytes(Bytes),
    /// Anything a session and its correspondent agreed on.
    Any(Box<dyn Any + Send>),
}

impl Message {
    /// Wraps any value.
    pub fn any(value: impl Any + Send) -> Self {
        Message::Any(Box::new(value))
    }
}

/// Work to be done away from the loop; what it returns is sent to the connection that asked.
pub type Job = Box<dyn FnOnce() -> Message + Send>;

/// Somewhere to connect to, made known to a loop before: `Reactor::destination` gives it its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Destination(pub(crate) u32);

/// A wish of a session that the driver carries out after the call.
pub enum Op {
    /// Send a message.
    Send(Token, Message),
    /// Close another connection.
    Close(Token, CloseMode),
    /// Run a job off the loop and send its result to this connection; if it cannot be run, an
    /// [`OffloadFailed`] with this tag.
    Offload(Token, u32, Job),
    /// Begin a connection that runs this session.
    Dial(Destination, Box<dyn Session>),
    /// End the loop gracefully within this time.
    Drain(std::time::Duration),
    /// End the loop after this turn.
    Stop,
}

/// What all connections of one loop share while sessions run: the time, the limits, the counters
/// and the recorded wishes.
pub struct Env {
    /// The time of this turn.
    pub now: Moment,
    /// The loop's limits.
    pub limits: Limits,
    /// The current HTTP date.
    pub date: HttpDate,
    /// Totals since the loop began.
    pub counters: Counters,
    /// The last facts, if they are recorded.
    pub recorder: Recorder,
    /// Connections that are open now.
    pub live: usize,
    /// Listeners that do not accept until a connection ends or a descriptor is to be had.
    pub paused: usize,
    /// True once the loop drains.
    pub draining: bool,
    /// Wishes not yet carried out.
    pub ops: Vec<Op>,
    /// The last request head, which the next one probably repeats.
    pub(crate) memo: Memo,
    /// Plain output of the TLS connection at work; empty between calls.
    pub(crate) plain: Out,
    /// What WebSockets put messages together in; away while one does.
    #[cfg(feature = "web")]
    pub(crate) scratch: Option<Box<crate::proto::ws::Scratch>>,
    /// Bytes that WebSockets hold: of messages that are not whole yet, and that wait for room.
    #[cfg(feature = "web")]
    pub(crate) held: usize,
    /// Compression of WebSockets that keep no context of their own.
    #[cfg(feature = "web")]
    pub(crate) contexts: crate::proto::ws::Pool,
}

impl Env {
    /// An environment at the start of time.
    pub fn new(limits: Limits) -> Self {
        Env {
            now: Moment::START,
            limits,
            date: HttpDate::new(),
            counters: Counters::default(),
            recorder: Recorder::default(),
            live: 0,
            paused: 0,
            draining: false,
            ops: Vec::new(),
            memo: Memo::new(),
            plain: Out::new(false),
            #[cfg(feature = "web")]
            scratch: None,
            #[cfg(feature = "web")]
            held: 0,
            #[cfg(feature = "web")]
            contexts: crate::proto::ws::Pool::default(),
        }
    }

    /// Sends `message` to a connection, once the session at work (or the host's call) has returned.
    /// If the connection has ended by then, nobody gets it.
    pub fn send(&mut self, to: Token, message: Message) {
        self.ops.push(Op::Send(to, message));
    }

    /// Begins a connection, once the session at work (or the host's call) has returned. `session`
    /// hears `on_open` when it is there, or `on_close` and why not. A wish that is left when the
    /// loop is dropped comes to nothing.
    pub fn dial(&mut self, to: Destination, session: Box<dyn Session>) {
        self.ops.push(Op::Dial(to, session));
    }

    /// The wall clock at this turn.
    pub fn wall(&self) -> SystemTime {
        self.date.wall(self.now)
    }
}

/// A session's view of its surroundings during one call.
pub struct Cx<'a> {
    out: &'a mut Out,
    env: &'a mut Env,
    token: Token,
    unsent: usize,
    wants_drain: &'a mut bool,
}

impl<'a> Cx<'a> {
    /// A view for the connection `token`, which has `unsent` bytes waiting besides `out`.
    #[inline]
    pub fn new(
        out: &'a mut Out,
        env: &'a mut Env,
        token: Token,
        unsent: usize,
        wants_drain: &'a mut bool,
    ) -> Self {
        Cx { out, env, token, unsent, wants_drain }
    }

    /// Where the session's output goes. It is written to the socket after the call returns.
    #[inline]
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out.bytes
    }

    /// Output and environment at once, for encoders that need both.
    #[inline]
    pub fn split(&mut self) -> (&mut Vec<u8>, &mut Env) {
        (&mut self.out.bytes, self.env)
    }

    /// Appends `bytes` to the output.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) {
        self.out.bytes.extend_from_slice(bytes);
    }

    /// Appends `bytes` without copying them: however many connections send the same, and however
    /// slow they are, there is one copy. Over TLS they are enciphered from it.
    pub fn write_shared(&mut self, bytes: Bytes) {
        self.out.share(bytes);
    }

    /// True if [`write_file`](Self::write_file) can be used: over plain TCP, where the system sends
    /// files.
    pub fn takes_files(&self) -> bool {
        self.out.takes_files()
    }

    /// Has the system send a span of a file when its turn comes. What of it is not in memory by
    /// then holds the loop, so spans are short and read ahead elsewhere. If the file turns out to
    /// be shorter, the connection is broken off.
    ///
    /// # Errors
    ///
    /// The span comes back where [`takes_files`](Self::takes_files) is false.
    pub fn write_file(&mut self, span: FileSpan) -> Result<(), FileSpan> {
        self.out.file(span)
    }

    /// The time of this turn.
    #[inline]
    pub fn now(&self) -> Moment {
        self.env.now
    }

    /// This connection's name.
    #[inline]
    pub fn token(&self) -> Token {
        self.token
    }

    /// The loop's limits.
    #[inline]
    pub fn limits(&self) -> &Limits {
        &self.env.limits
    }

    /// True once the loop drains: answers announce that they are the last.
    #[inline]
    pub fn is_draining(&self) -> bool {
        self.env.draining
    }

    /// What all connections share.
    #[inline]
    pub fn env(&mut self) -> &mut Env {
        self.env
    }

    /// How many more bytes may be produced before the high watermark. Producers stop at zero, call
    /// [`want_drain`](Self::want_drain) and go on in `on_drain`.
    #[inline]
    pub fn room(&self) -> usize {
        self.env.limits.high_water.saturating_sub(self.unsent + self.out.len())
    }

    /// Bytes of this connection that the peer has not taken yet.
    #[inline]
    pub fn unsent(&self) -> usize {
        self.unsent + self.out.len()
    }

    /// Asks for one `on_drain` once the unsent bytes are at or below the low watermark.
    #[inline]
    pub fn want_drain(&mut self) {
        *self.wants_drain = true;
    }

    /// True if it was asked and not yet answered.
    #[inline]
    pub fn wants_drain(&self) -> bool {
        *self.wants_drain
    }

    /// Sends `message` to another connection, or to this one.
    pub fn send(&mut self, to: Token, message: Message) {
        self.env.send(to, message);
    }

    /// Closes another connection.
    pub fn close(&mut self, token: Token, mode: CloseMode) {
        self.env.ops.push(Op::Close(token, mode));
    }

    /// Runs `job` on the off-load pool; its result comes back as a message.
    ///
    /// When the pool's queue is full, or the job panics, the message is an [`OffloadFailed`].
    pub fn offload(&mut self, job: impl FnOnce() -> Message + Send + 'static) {
        self.offload_as(0, job);
    }

    /// The same, with a tag that tells failures of different jobs apart.
    pub fn offload_as(&mut self, tag: u32, job: impl FnOnce() -> Message + Send + 'static) {
        self.env.ops.push(Op::Offload(self.token, tag, Box::new(job)));
    }
}

/// The message that comes back in place of a result when a job could not be run to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OffloadFailed {
    /// The tag that the job was given.
    pub tag: u32,
}

impl OffloadFailed {
    /// Gives `message` this tag if it is a failure.
    pub(crate) fn tagged(message: Message, tag: u32) -> Message {
        match message {
            Message::Any(any) if any.is::<OffloadFailed>() => Message::any(OffloadFailed { tag }),
            other => other,
        }
    }
}
