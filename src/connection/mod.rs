//! A connection: optional TLS, a session, and whatever is incomplete between them. Still pure.
//!
//! A driver feeds it wire bytes and time; it appends wire bytes to the driver's `out`. It never
//! touches a socket and decides nothing about waiting: blocking drivers, the reactor and the
//! simulator run the same connections.

use crate::buf::{Carry, Out};
use crate::error::{CloseReason, Phase};
use crate::probe::Stage;
use crate::session::datagram::Peer;
use crate::session::{CloseMode, ConnInfo, Cx, Env, Flow, Message, Service, Session};
use crate::time::Moment;
use crate::token::Token;

mod secure;
pub mod tls;

use secure::Opening;
use tls::Tls;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It was dialled, and there is no connection yet.
    Connecting,
    /// TLS is being agreed on; the session, if there is one yet, has not been opened.
    Handshake,
    /// The session takes input.
    Open,
    /// The session takes no input until it continues.
    Paused,
    /// The last bytes are being sent; then it closes.
    Flushing,
    /// The last bytes are being sent; then our direction ends and input is discarded for a while.
    Lingering,
    /// Over. The driver closes the socket.
    Closed,
}

/// One connection without its socket.
pub struct Connection {
    session: Option<Box<dyn Session>>,
    tls: Option<Box<Tls>>,
    opening: Option<Box<Opening>>,
    ending: Option<Box<Ending>>,
    carry: Carry,
    life: Life,
    wants_drain: bool,
    /// The peer will send no more.
    ended: bool,
    /// It said so inside TLS, and the session has input to take before it hears of it.
    end_waits: bool,
}

/// What a closing connection still knows.
struct Ending {
    reason: CloseReason,
    /// Until when input is discarded.
    until: Moment,
    /// How much of it.
    discard: u32,
}

/// What a connection needs from its driver during a call.
pub struct Io<'a> {
    /// Wire bytes to send are appended here.
    pub out: &'a mut Out,
    /// What all connections of the loop share.
    pub env: &'a mut Env,
    /// The connection's name.
    pub token: Token,
    /// Its bytes that still wait in the driver's backlog.
    pub unsent: usize,
}

impl Connection {
    /// A plain connection, opened at once.
    pub fn plain(service: &dyn Service, peer: &Peer, io: &mut Io<'_>) -> Self {
        let info = ConnInfo { token: io.token, peer, now: io.env.now, tls: None };
        let mut connection = Connection::new(Life::Open);
        connection.session = Some(service.open(&info));
        connection.call(io, |session, cx| session.on_open(cx));
        if io.env.draining {
            connection.call(io, |session, cx| session.on_shutdown(cx));
        }
        connection
    }

    /// A plain connection that runs `session`, which has not been opened yet.
    pub fn with_session(session: Box<dyn Session>, io: &mut Io<'_>) -> Self {
        let mut connection = Connection::new(Life::Open);
        connection.session = Some(session);
        connection.call(io, |session, cx| session.on_open(cx));
        connection
    }

    /// A connection that was dialled: `session` is opened when it is there (over TLS: when the
    /// handshake is done), or hears why not.
    pub fn dialled(session: Box<dyn Session>, tls: Option<Tls>, deadline: Moment) -> Self {
        let mut connection = Connection::new(Life::Connecting);
        connection.session = Some(session);
        connection.tls = tls.map(Box::new);
        connection.opening = Some(Box::new(Opening { service: None, deadline }));
        connection
    }

    /// The dialled peer has answered.
    pub fn connected(&mut self, io: &mut Io<'_>) {
        if self.life != Life::Connecting {
            return;
        }
        if self.tls.is_some() {
            if let Some(session) = &mut self.session {
                session.on_connect();
            }
            return self.start_tls(io);
        }
        self.opening = None;
        self.life = Life::Open;
        self.call(io, |session, cx| session.on_open(cx));
    }

    fn new(life: Life) -> Self {
        Connection {
            session: None,
            tls: None,
            opening: None,
            ending: None,
            carry: Carry::default(),
            life,
            wants_drain: false,
            ended: false,
            end_waits: false,
        }
    }

    /// Where it is in its life, and where its session is in its protocol.
    pub fn stages(&self) -> (Stage, Stage) {
        let life = match self.life {
            Life::Connecting => Stage::Connecting,
            Life::Handshake => Stage::Handshake,
            Life::Open => Stage::Open,
            Life::Paused => Stage::Paused,
            Life::Flushing => Stage::Flushing,
            Life::Lingering => Stage::Lingering,
            Life::Closed => Stage::Closed,
        };
        (life, self.session.as_ref().map_or(Stage::Unknown, |session| session.stage()))
    }

    /// Where it is in its life.
    #[inline]
    pub fn life(&self) -> Life {
        self.life
    }

    /// True if the driver should read from the socket (unless its own backlog forbids it).
    ///
    /// Not while the session has left input for want of room: more of it would only grow, and the
    /// end of the stream would come before what was said earlier.
    #[inline]
    pub fn wants_read(&self) -> bool {
        matches!(self.life, Life::Open | Life::Handshake | Life::Lingering)
            && !self.ended
            && (!self.wants_drain || self.carry.is_empty())
    }

    /// True if the session asked for [`drained`](Self::drained).
    #[inline]
    pub fn wants_drain(&self) -> bool {
        self.wants_drain
    }

    /// True while a TLS handshake is under way.
    #[inline]
    pub fn is_handshaking(&self) -> bool {
        self.life == Life::Handshake
    }

    /// Why it ended, once it is closing.
    pub fn reason(&self) -> CloseReason {
        self.ending.as_ref().map_or(CloseReason::Aborted, |ending| ending.reason)
    }

    /// What TLS has to say about its failure.
    pub fn fault(&self) -> Option<String> {
        self.tls.as_ref().and_then(|tls| tls.fault())
    }

    /// When to call [`timeout`](Self::timeout) next.
    pub fn deadline(&self) -> Moment {
        match self.life {
            Life::Connecting | Life::Handshake => {
                self.opening.as_ref().map_or(Moment::NEVER, |opening| opening.deadline)
            }
            Life::Open | Life::Paused => {
                self.session.as_ref().map_or(Moment::NEVER, |session| session.deadline())
            }
            Life::Flushing | Life::Closed => Moment::NEVER,
            Life::Lingering => self.ending.as_ref().map_or(Moment::NEVER, |ending| ending.until),
        }
    }

    /// Wire bytes arrived. TLS deciphers them where they are.
    #[inline]
    pub fn feed(&mut self, wire: &mut [u8], io: &mut Io<'_>) {
        let reflected = self.feed_in_place(wire, io);
        io.out.bytes.extend_from_slice(&wire[..reflected]);
    }

    /// The same, for a driver that can send from where it read: answers how many of the first wire
    /// bytes are to be sent back as they are. If any are, nothing was appended to `out`.
    #[inline]
    pub fn feed_in_place(&mut self, wire: &mut [u8], io: &mut Io<'_>) -> usize {
        match self.life {
            Life::Lingering => self.discard(wire.len()),
            Life::Flushing | Life::Closed => {}
            _ if self.tls.is_some() => self.feed_tls(wire, io),
            _ => return self.feed_plain(wire, io),
        }
        0
    }

    #[inline]
    fn feed_plain(&mut self, mut input: &[u8], io: &mut Io<'_>) -> usize {
        let mut reflected = 0;
        if self.carry.is_empty() && self.life == Life::Open {
            reflected = self.offer(&mut input, io.out, io.env, io.token, io.unsent);
            if !input.is_empty() {
                self.hold(input, io.env);
            }
        } else {
            self.hold(input, io.env);
            self.offer_carry(io.out, io.env, io.token, io.unsent);
        }
        self.seal(io);
        reflected
    }

    /// The peer ended its direction of the socket.
    pub fn eof(&mut self, io: &mut Io<'_>) {
        match self.life {
            Life::Handshake => self.close(CloseMode::Abort, CloseReason::Truncated, io.env),
            // What waits to be sent still goes out: the peer may have ended only its own direction.
            Life::Lingering => self.life = Life::Flushing,
            Life::Open | Life::Paused if !self.ended => {
                let clean = self.tls.is_none();
                self.ended = true;
                self.call(io, |session, cx| session.on_eof(clean, cx));
            }
            _ => {}
        }
        self.ended = true;
    }

    /// The moment of [`deadline`](Self::deadline) has come.
    pub fn timeout(&mut self, io: &mut Io<'_>) {
        match self.life {
            Life::Connecting => {
                self.close(CloseMode::Abort, CloseReason::TimedOut(Phase::Connect), io.env);
            }
            Life::Handshake => {
                self.close(CloseMode::Abort, CloseReason::TimedOut(Phase::Handshake), io.env);
            }
            Life::Lingering => self.life = Life::Closed,
            Life::Open | Life::Paused => self.call(io, |session, cx| session.on_timeout(cx)),
            Life::Flushing | Life::Closed => {}
        }
    }

    /// A message for the session. Lost if the connection has no session yet, or none any more.
    pub fn message(&mut self, message: Message, io: &mut Io<'_>) {
        self.call(io, |session, cx| session.on_message(message, cx));
    }

    /// The backlog is at or below its low watermark, or was never above it.
    pub fn drained(&mut self, io: &mut Io<'_>) {
        self.wants_drain = false;
        self.call(io, |session, cx| session.on_drain(cx));
    }

    /// The loop drains.
    pub fn shutdown(&mut self, io: &mut Io<'_>) {
        match self.life {
            // Whoever is not there yet need not come.
            Life::Connecting => {
                self.close(CloseMode::Abort, CloseReason::Drained, io.env);
            }
            // A handshake under way is completed, and its first request answered, if it is quick.
            Life::Handshake => {}
            _ => self.call(io, |session, cx| session.on_shutdown(cx)),
        }
    }

    /// Closes from outside.
    pub fn close_by(&mut self, mode: CloseMode, reason: CloseReason, io: &mut Io<'_>) {
        // There is nobody yet to part from in peace.
        let mode = if self.life == Life::Connecting { CloseMode::Abort } else { mode };
        if matches!(self.life, Life::Handshake | Life::Open | Life::Paused)
            || mode == CloseMode::Abort
        {
            self.close(mode, reason, io.env);
            self.seal(io);
        }
    }

    /// Tells the session that it is over, once. The last call.
    pub fn closed(&mut self, reason: CloseReason, env: &mut Env) {
        self.life = Life::Closed;
        if let Some(mut session) = self.session.take() {
            if let Some(fault) = self.fault() {
                session.on_fault(&fault);
            }
            session.on_close(reason, env);
        }
    }

    /// Calls the session, offers it what is carried, and seals the output.
    fn call(&mut self, io: &mut Io<'_>, f: impl FnOnce(&mut dyn Session, &mut Cx<'_>) -> Flow) {
        if !matches!(self.life, Life::Open | Life::Paused) {
            return;
        }
        if self.tls.is_none() {
            self.run(io.out, io.env, io.token, io.unsent, f);
            return self.offer_carry(io.out, io.env, io.token, io.unsent);
        }
        let mut plain = std::mem::take(&mut io.env.plain);
        self.run(&mut plain, io.env, io.token, io.unsent, f);
        self.offer_carry(&mut plain, io.env, io.token, io.unsent);
        self.hear_end(&mut plain, io.env, io.token, io.unsent);
        io.env.plain = plain;
        self.seal_tls(io);
    }

    /// One call of the session and what follows from its answer.
    #[inline]
    fn run(
        &mut self,
        out: &mut Out,
        env: &mut Env,
        token: Token,
        unsent: usize,
        f: impl FnOnce(&mut dyn Session, &mut Cx<'_>) -> Flow,
    ) {
        let Some(session) = &mut self.session else { return };
        let flow = f(&mut **session, &mut Cx::new(out, env, token, unsent, &mut self.wants_drain));
        self.apply(flow, out, env, token, unsent);
    }

    /// Offers input until the session stops upgrading. Answers how many of its first bytes are to be
    /// sent back; nothing was appended to `out` then.
    #[inline]
    fn offer(
        &mut self,
        input: &mut &[u8],
        out: &mut Out,
        env: &mut Env,
        token: Token,
        unsent: usize,
    ) -> usize {
        let all = input.len();
        loop {
            let before = *input;
            let Some(session) = &mut self.session else { return 0 };
            let cx = &mut Cx::new(out, env, token, unsent, &mut self.wants_drain);
            let flow = session.on_data(input, cx);
            if let Flow::Reflect = flow {
                self.life = Life::Open;
                let taken = before.len() - input.len();
                if before.len() == all && out.is_empty() {
                    return taken;
                }
                out.bytes.extend_from_slice(&before[..taken]);
                return 0;
            }
            let upgrades = matches!(flow, Flow::Upgrade(_));
            self.apply(flow, out, env, token, unsent);
            if !upgrades || self.life != Life::Open || input.is_empty() {
                return 0;
            }
        }
    }

    fn offer_carry(&mut self, out: &mut Out, env: &mut Env, token: Token, unsent: usize) {
        if self.life != Life::Open || self.carry.is_empty() {
            return;
        }
        let bytes = self.carry.take();
        let mut input = &bytes[..];
        let reflected = self.offer(&mut input, out, env, token, unsent);
        out.bytes.extend_from_slice(&bytes[..reflected]);
        let used = bytes.len() - input.len();
        if matches!(self.life, Life::Open | Life::Paused) {
            self.carry.keep(bytes, used);
        }
    }

    /// Keeps input that the session did not take, within bounds.
    fn hold(&mut self, input: &[u8], env: &mut Env) {
        if matches!(self.life, Life::Open | Life::Paused) {
            self.carry.push(input);
            if self.carry.len() > env.limits.backlog_cap {
                self.close(CloseMode::Abort, CloseReason::Overflow, env);
            }
        }
    }

    #[inline]
    fn apply(&mut self, flow: Flow, out: &mut Out, env: &mut Env, token: Token, unsent: usize) {
        match flow {
            // By far the most frequent answer; kept apart so that the others do not slow it down.
            Flow::Continue | Flow::Reflect => self.life = Life::Open,
            flow => self.change(flow, out, env, token, unsent),
        }
    }

    #[inline(never)]
    fn change(&mut self, flow: Flow, out: &mut Out, env: &mut Env, token: Token, unsent: usize) {
        match flow {
            Flow::Continue | Flow::Reflect => self.life = Life::Open,
            Flow::Pause => self.life = Life::Paused,
            Flow::Stay => {}
            Flow::Close(mode, reason) => self.close(mode, reason, env),
            Flow::Upgrade(next) => {
                if let Some(mut last) = self.session.replace(next) {
                    last.on_close(CloseReason::Upgraded, env);
                }
                self.life = Life::Open;
                self.wants_drain = false;
                self.run(out, env, token, unsent, |session, cx| session.on_open(cx));
            }
        }
    }

    /// The driver has sent everything and ended our direction: from now on time runs.
    pub fn lingers(&mut self, env: &Env) {
        if let Some(ending) = &mut self.ending {
            ending.until = env.now + env.limits.linger;
        }
    }

    fn close(&mut self, mode: CloseMode, reason: CloseReason, env: &Env) {
        self.carry.clear();
        self.wants_drain = false;
        self.life = match mode {
            CloseMode::Abort => Life::Closed,
            CloseMode::Flush => Life::Flushing,
            // Nothing will come from a peer that has ended already.
            CloseMode::Linger if self.ended => Life::Flushing,
            CloseMode::Linger => Life::Lingering,
        };
        // What is aborted while it ends in peace loses bytes, and must not claim otherwise.
        if self.ending.is_none() || mode == CloseMode::Abort {
            self.ending = Some(Box::new(Ending {
                reason,
                until: Moment::NEVER,
                discard: env.limits.linger_bytes,
            }));
        }
    }

    fn discard(&mut self, count: usize) {
        let Some(ending) = &mut self.ending else { return };
        ending.discard = ending.discard.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
        if ending.discard == 0 {
            self.life = Life::Closed;
        }
    }

    /// Over TLS: turns the session's output into records, and ends them when it is closing.
    #[inline]
    fn seal(&mut self, io: &mut Io<'_>) {
        if self.tls.is_some() {
            self.seal_tls(io);
        }
    }
}
