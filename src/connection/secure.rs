//! TLS around a session: what a connection does with records, and how it opens.
//!
//! The connection calls it for wire bytes and after each call of its session, if there is TLS. It
//! never touches a socket: [`Tls`] deciphers where the driver read, and seals into its `out`.

use std::rc::Rc;

use super::tls::{Tls, TlsEvent};
use super::{Connection, Io, Life};
use crate::buf::{Inset, Out, Part};
use crate::error::CloseReason;
use crate::session::datagram::Peer;
use crate::session::{CloseMode, ConnInfo, Env, Service, TlsInfo};
use crate::time::Moment;
use crate::token::Token;

/// What a connection knows until it opens.
pub(super) struct Opening {
    /// Whose session it will run, and for whom. One that was dialled has its session already.
    pub(super) service: Option<(Rc<dyn Service>, Peer)>,
    pub(super) deadline: Moment,
}

impl Connection {
    /// A connection that opens when its TLS handshake is done.
    pub fn secure(tls: Tls, service: Rc<dyn Service>, peer: Peer, env: &Env) -> Self {
        let deadline = env.now + env.limits.handshake;
        let mut connection = Connection::new(Life::Handshake);
        connection.tls = Some(Box::new(tls));
        connection.opening = Some(Box::new(Opening { service: Some((service, peer)), deadline }));
        connection
    }

    /// A client's first flight.
    #[cold]
    pub(super) fn start_tls(&mut self, io: &mut Io<'_>) {
        let (Some(tls), Some(opening)) = (&mut self.tls, &mut self.opening) else { return };
        self.life = Life::Handshake;
        opening.deadline = io.env.now + io.env.limits.handshake;
        if tls.start(&mut io.out.bytes).is_err() {
            self.close(CloseMode::Abort, CloseReason::Tls, io.env);
        }
    }

    #[cold]
    pub(super) fn feed_tls(&mut self, wire: &mut [u8], io: &mut Io<'_>) {
        // TLS lives outside of `self` during the call so that its plaintext can go straight to the
        // session without a copy.
        let Some(mut tls) = self.tls.take() else { return };
        let (env, token, unsent) = (&mut *io.env, io.token, io.unsent);
        let mut plain = std::mem::take(&mut env.plain);
        let mut input_while_closed = 0;
        let result = tls.read(wire, &mut io.out.bytes, |event| {
            let mut input = match event {
                TlsEvent::Data(bytes) => bytes,
                TlsEvent::Open(info) => {
                    return self.open_secure(info, &mut plain, env, token, unsent);
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
        let peer_closed = tls.peer_closed();
        env.plain = plain;
        self.tls = Some(tls);
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
        info: TlsInfo<'_>,
        plain: &mut Out,
        env: &mut Env,
        token: Token,
        unsent: usize,
    ) {
        let Some(opening) = self.opening.take() else { return };
        if let Some((service, peer)) = opening.service {
            let info = ConnInfo { token, peer: &peer, now: env.now, tls: Some(info) };
            self.session = Some(service.open(&info));
        } else if let Some(session) = &mut self.session {
            session.on_secure(&info);
        }
        self.life = Life::Open;
        self.run(plain, env, token, unsent, |session, cx| session.on_open(cx));
        if env.draining && self.life == Life::Open {
            self.run(plain, env, token, unsent, |session, cx| session.on_shutdown(cx));
        }
    }

    /// Tells the session of an end inside TLS, after everything that came before it.
    pub(super) fn hear_end(&mut self, out: &mut Out, env: &mut Env, token: Token, unsent: usize) {
        let takes_more = self.wants_drain && !self.carry.is_empty();
        if self.end_waits && self.life == Life::Open && !takes_more {
            self.end_waits = false;
            self.run(out, env, token, unsent, |session, cx| session.on_eof(true, cx));
        }
    }

    pub(super) fn seal_tls(&mut self, io: &mut Io<'_>) {
        let Some(tls) = &mut self.tls else { return };
        if !io.env.plain.is_empty() {
            let wire = &mut io.out.bytes;
            let sealed = io.env.plain.parts().try_for_each(|part| match part {
                Part::Own(bytes) => tls.write(bytes, wire),
                Part::Inset(Inset::Shared(bytes)) => tls.write(bytes, wire),
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
            tls.close(&mut io.out.bytes);
        }
    }
}
