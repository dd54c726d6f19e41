//! Dialling in the simulated world: the network's answers, and a host that calls peers up.
//!
//! A dialled peer is one like those that come by themselves: it says something, and wants it back.
//! Whether it is reached, and when, the seed decides.

use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use super::agenda::Action;
use super::conn::Connecting;
use super::net::Net;
use super::peer::Peer;
use super::scenario::Run;
use super::service::{self, Dialogue};
use super::witness::Watched;
use super::{SimStream, World};
use crate::error::{CloseReason, Phase};
use crate::reactor::world::Ready;
use crate::time::Moment;
use crate::token::Token;

impl Net {
    /// The answer to a connect has come.
    pub(super) fn answered(&mut self, conn: usize, accepted: bool) {
        let entry = &mut self.conns[conn];
        if entry.local.closed {
            return;
        }
        let peer = entry.peer;
        let mut edges = Ready::WRITABLE;
        if accepted {
            entry.local.connecting = Connecting::No;
            self.after(Duration::ZERO, Action::Peer(peer));
        } else {
            entry.local.connecting = Connecting::Refused;
            edges.insert(Ready::READABLE);
        }
        self.raise(conn, edges);
    }

    /// What a socket says of its connect.
    pub(super) fn connected(&mut self, conn: usize) -> io::Result<bool> {
        let local = &self.conns[conn].local;
        match local.connecting {
            Connecting::UnderWay => Ok(false),
            Connecting::Refused => Err(ErrorKind::ConnectionRefused.into()),
            Connecting::No if local.reset => Err(ErrorKind::ConnectionReset.into()),
            Connecting::No => Ok(true),
        }
    }
}

impl World {
    /// The loop calls the next peer up: refused or connected at once or later, or never answered.
    pub(super) fn call_up(&mut self) -> io::Result<SimStream> {
        let mut net = self.net.borrow_mut();
        let refused = || io::Error::from(ErrorKind::ConnectionRefused);
        let peer = self.callees.pop_front().ok_or_else(refused)?;
        let answer = net.faults.rng().below(10);
        if answer == 0 {
            return Err(refused());
        }
        if !net.take_descriptor() {
            return Err(io::Error::from_raw_os_error(24));
        }
        let index = self.peers.len();
        let (peer, conn) = peer.with_conn(&mut net, index);
        self.peers.push(peer);
        net.conns[conn].local.connecting = Connecting::UnderWay;
        let delay = net.faults.rng().time(Duration::from_millis(400));
        match answer {
            1 => {}
            2 | 3 => net.after(delay, Action::Answered(conn, false)),
            4 | 5 => net.answered(conn, true),
            _ => net.after(delay, Action::Answered(conn, true)),
        }
        drop(net);
        self.unnamed = Some(conn);
        Ok(SimStream { net: Rc::clone(&self.net), conn })
    }
}

impl Run {
    /// Peers that the host will call up, and how long it waits for their answer.
    pub(super) fn plan_calls(&mut self, calm: bool) {
        let within = self.rng.pick(&[50, 200, 2000]);
        let timeout = Duration::from_millis(within);
        self.checks.borrow_mut().connects_within = timeout;
        self.dial.timeout = timeout;
        for _ in 0..self.rng.pick(&[0, 0, 1, 4]) {
            let peer = Peer::random(Dialogue::Echo, 0, calm, &mut self.rng);
            self.to_dial.push((peer.starts(), peer));
        }
    }

    /// Calls up whoever is due.
    pub(super) fn call_up(&mut self, now: Moment) {
        while let Some(at) = self
            .to_dial
            .iter()
            .position(|(moment, _)| *moment <= now || self.reactor.world().is_quiet())
        {
            let (_, peer) = self.to_dial.swap_remove(at);
            self.reactor.world().callees.push_back(peer);
            let nobody = Token::new(0, 0);
            let session =
                service::open(Dialogue::Echo, &self.checks, &self.pairs, &self.hall, nobody);
            let session = Watched::nameless(session, &self.checks);
            if self.rng.chance(500) {
                self.reactor.dial(&self.dial, session);
            } else {
                let to = self.reactor.destination(self.dial.clone());
                self.reactor.env().dial(to, session);
            }
        }
    }
}

/// What is wrong with the end of a connection that never came about.
pub(super) fn judge(
    connecting: Connecting,
    opened: bool,
    reason: Option<CloseReason>,
) -> Option<String> {
    let refused = reason == Some(CloseReason::Io(ErrorKind::ConnectionRefused));
    let fits = match reason {
        Some(CloseReason::Drained | CloseReason::Aborted) => true,
        Some(CloseReason::TimedOut(Phase::Connect)) => true,
        _ => refused && connecting == Connecting::Refused,
    };
    match opened {
        true => Some("its session was opened, and there was no connection".into()),
        false if !fits => Some(format!("never connected, and closed for {reason:?}")),
        false => None,
    }
}
