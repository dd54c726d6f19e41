//! A connection: optional TLS, a session, and whatever is incomplete between them. Still pure.
//!
//! A driver feeds it wire bytes and time; it appends wire bytes to the driver's `out`. It never
//! touches a socket and decides nothing about waiting: blocking drivers, the reactor and the
//! simulator run the same connections.

use std::rc::Rc;

use crate::buf::{Carry, Inset, Out, Part};
use crate::error::{CloseReason, Phase};
use crate::session::datagram::Peer;
use crate::session::{CloseMode, ConnInfo, Cx, Env, Flow, Message, Service, Session};
use crate::time::Moment;
use crate::token::Token;

pub mod tls;

use tls::{Tls, TlsEvent};

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// TLS is being agreed on; there is no session yet.
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
    tls: Option<Box<Secure>>,
    ending: Option<Box<Ending>>,
    carry: Carry,
    life: Life,
    wants_drain: bool,
    /// The peer will send no more.
    ended: bool,
    /// It said so inside TLS, and the session has input to take before it hears of it.
    end_waits: bool,
}

/// TLS and what it needs until its handshake is done.
struct Secure {
    tls: Tls,
    opening: Option<Opening>,
}

struct Opening {
    service: Rc<dyn Service>,
    peer: Peer,
    deadline: Moment,
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

    /// A connection that opens when its TLS handshake is done.
    pub fn secure(tls: Tls, service: Rc<dyn Service>, peer: Peer, env: &Env) -> Self {
        let deadline = env.now + env.limits.handshake;
        let mut connection = Connection::new(Life::Handshake);
        connection.tls =
            Some(Box::new(Secure { tls, opening: Some(Opening { service, peer, deadline }) }));
        connection
    }

    /// A plain connection that runs `session`, which has not been opened yet.
    pub fn with_session(session: Box<dyn Session>, io: &mut Io<'_>) -> Self {
        let mut connection = Connection::new(Life::Open);
        connection.session = Some(session);
        connection.call(io, |session, cx| session.on_open(cx));
        connection
    }

    fn new(life: Life) -> Self {
        Connection {
            session: None,
            tls: None,
            ending: None,
            carry: Carry::default(),
            life,
            wants_drain: false,
            ended: false,
            end_waits: false,
        }
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
        self.tls.as_ref().and_then(|secure| secure.tls.fault())
    }

    /// When to call [`timeout`](Self::timeout) next.
    pub fn deadline(&self) -> Moment {
        match self.life {
            Life::Handshake => self.opening().map_or(Moment::NEVER, |opening| opening.deadline),
            Life::Open | Life::Paused => {
                self.session.as_ref().map_or(Moment::NEVER, |session| session.deadline())
            }
            Life::Flushing | Life::Closed => Moment::NEVER,
            Life::Lingering => self.ending.as_ref().map_or(Moment::NEVER, |ending| ending.until),
        }
    }

    fn opening(&self) -> Option<&Opening> {
        self.tls.as_ref().and_then(|secure| secure.opening.as_ref())
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

    #[cold]
    fn feed_tls(&mut self, wire: &mut [u8], io: &mut Io<'_>) {
        // TLS lives outside of `self` during the call so that its plaintext can go straight to the
        // session without a copy.
        let Some(mut secure) = self.tls.take() else { return };
        let (env, token, unsent) = (&mut *io.env, io.token, io.unsent);
        let mut plain = std::mem::take(&mut env.plain);
        let mut input_while_closed = 0;
        let result = secure.tls.read(wire, &mut io.out.bytes, |event| {
            let mut input = match event {
                TlsEvent::Data(bytes) => bytes,
                TlsEvent::Open(info) => {
                    return self.open_secure(
                        &mut secure.opening,
                        info,
                        &mut plain,
                        env,
                        token,
                        unsent,
                    );
                }
            };
            match self.life {
                Life::Open if self.carry.is_empty() => {
                    let all = input;
                    let reflected = self.offer(&mut input, &mut plain, env, token, unsent);
                    plain.bytes.extend_from_slice(&all[..reflected]);
                    self.hold(input, env);
                }
                Life::Open | Life::Paused => {
                    self.hold(input, env);
                    self.offer_carry(&mut plain, env, token, unsent);
                }
                _ => input_while_closed += input.len(),
            }
        });
        if input_while_closed > 0 {
            self.discard(input_while_closed);
        }
        let peer_closed = secure.tls.peer_closed();
        env.plain = plain;
        self.tls = Some(secure);
        match result {
            Err(_) => {
                // What was answered before it failed can no longer be enciphered.
                io.env.plain.clear();
                self.close(CloseMode::Linger, CloseReason::Tls, io.env);
            }
            // Its closing alert came before the handshake was done.
            Ok(_) if peer_closed && self.life == Life::Handshake => {
                self.close(CloseMode::Abort, CloseReason::Truncated, io.env);
            }
            Ok(_) if peer_closed && !self.ended => {
                self.ended = true;
                self.end_waits = true;
                let mut plain = std::mem::take(&mut io.env.plain);
                self.hear_end(&mut plain, io.env, io.token, io.unsent);
                io.env.plain = plain;
            }
            Ok(_) => {}
        }
        self.seal(io);
    }

    fn open_secure(
        &mut self,
        opening: &mut Option<Opening>,
        tls: crate::session::TlsInfo<'_>,
        plain: &mut Out,
        env: &mut Env,
        token: Token,
        unsent: usize,
    ) {
        let Some(opening) = opening.take() else { return };
        let info = ConnInfo { token, peer: &opening.peer, now: env.now, tls: Some(tls) };
        self.session = Some(opening.service.open(&info));
        self.life = Life::Open;
        self.run(plain, env, token, unsent, |session, cx| session.on_open(cx));
        if env.draining && self.life == Life::Open {
            self.run(plain, env, token, unsent, |session, cx| session.on_shutdown(cx));
        }
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
            // A handshake under way is completed, and its first request answered, if it is quick.
            Life::Handshake => {}
            _ => self.call(io, |session, cx| session.on_shutdown(cx)),
        }
    }

    /// Closes from outside.
    pub fn close_by(&mut self, mode: CloseMode, reason: CloseReason, io: &mut Io<'_>) {
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

    /// Tells the session of an end inside TLS, after everything that came before it.
    fn hear_end(&mut self, out: &mut Out, env: &mut Env, token: Token, unsent: usize) {
        let takes_more = self.wants_drain && !self.carry.is_empty();
        if self.end_waits && self.life == Life::Open && !takes_more {
            self.end_waits = false;
            self.run(out, env, token, unsent, |session, cx| session.on_eof(true, cx));
        }
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

    fn seal_tls(&mut self, io: &mut Io<'_>) {
        let Some(secure) = &mut self.tls else { return };
        if !io.env.plain.is_empty() {
            let wire = &mut io.out.bytes;
            let sealed = io.env.plain.parts().try_for_each(|part| match part {
                Part::Own(bytes) => secure.tls.write(bytes, wire),
                Part::Inset(Inset::Shared(bytes)) => secure.tls.write(bytes, wire),
                // `Out` refuses files here: what is not shown to us cannot be enciphered.
                Part::Inset(Inset::File(_)) => Ok(()),
            });
            io.env.plain.clear();
            if sealed.is_err() {
                self.close(CloseMode::Abort, CloseReason::Tls, io.env);
                return;
            }
        }
        if matches!(self.life, Life::Flushing | Life::Lingering) {
            secure.tls.close(&mut io.out.bytes);
        }
    }
}
