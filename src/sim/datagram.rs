//! Simulated datagram sockets: whole messages, lost when there is no room, as on a network.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;

use super::agenda::{Action, Source};
use super::fault::Fault;
use super::net::Net;
use crate::reactor::world::{DatagramSocket, Ready};
use crate::session::datagram::{Datagram, Outbox, Peer};
use crate::token::Token;

/// A datagram socket of the loop, as its kernel sees it.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) token: Token,
    pub(crate) arrived: VecDeque<(SocketAddr, Vec<u8>)>,
    pub(crate) leaving: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Datagrams that fit each of the two queues.
    pub(crate) cap: usize,
    pub(crate) edge: Ready,
    pub(crate) wants_room: bool,
    pub(crate) closed: bool,
    pub(crate) moving: bool,
    /// What the loop sent and the network carried.
    pub(crate) delivered: Vec<(SocketAddr, Vec<u8>)>,
    pub(crate) received: usize,
    pub(crate) sent: usize,
}

impl Mailbox {
    pub(crate) fn new(token: Token, cap: usize) -> Self {
        Mailbox {
            token,
            arrived: VecDeque::new(),
            leaving: VecDeque::new(),
            cap,
            edge: Ready::default(),
            wants_room: false,
            closed: false,
            moving: false,
            delivered: Vec::new(),
            received: 0,
            sent: 0,
        }
    }

    fn level(&self) -> Ready {
        let mut ready = Ready::default();
        if !self.arrived.is_empty() {
            ready.insert(Ready::READABLE);
        }
        if self.leaving.len() < self.cap {
            ready.insert(Ready::WRITABLE);
        }
        ready
    }
}

impl Net {
    pub(crate) fn raise_mail(&mut self, mailbox: usize, edge: Ready) {
        let entry = &mut self.mailboxes[mailbox];
        let new = entry.edge.0 == 0;
        entry.edge.insert(edge);
        if new {
            self.push(Source::Mailbox(mailbox));
        }
    }

    pub(crate) fn mail_event(&mut self, mailbox: usize) -> Option<(Token, Ready)> {
        let entry = &mut self.mailboxes[mailbox];
        let edge = std::mem::take(&mut entry.edge);
        (!entry.closed).then(|| (entry.token, Ready(edge.0 & entry.level().0)))
    }

    /// One datagram leaves the machine.
    pub(crate) fn deliver_mail(&mut self, mailbox: usize) {
        let lost = self.faults.strikes(Fault::LostDatagram);
        let entry = &mut self.mailboxes[mailbox];
        entry.moving = false;
        if let Some(datagram) = entry.leaving.pop_front()
            && !lost
        {
            entry.delivered.push(datagram);
        }
        let has_room = std::mem::take(&mut entry.wants_room);
        if has_room {
            self.raise_mail(mailbox, Ready::WRITABLE);
        }
        self.start_mail(mailbox);
    }

    fn start_mail(&mut self, mailbox: usize) {
        let entry = &mut self.mailboxes[mailbox];
        if !entry.moving && !entry.leaving.is_empty() {
            entry.moving = true;
            let delay = self.faults.latency();
            self.after(delay, Action::Mail(mailbox));
        }
    }
}

/// A datagram socket in the hands of a loop.
pub struct SimDatagram {
    pub(super) net: Rc<RefCell<Net>>,
    pub(super) index: usize,
}

impl DatagramSocket for SimDatagram {
    fn receive(&mut self, max: usize, each: &mut dyn FnMut(Datagram<'_>)) -> io::Result<usize> {
        let mut count = 0;
        while count < max {
            let mut net = self.net.borrow_mut();
            if count == 0 && net.faults.strikes(Fault::Interrupted) {
                return Err(ErrorKind::Interrupted.into());
            }
            if count == 0 && net.faults.strikes(Fault::DatagramError) {
                return Err(ErrorKind::ConnectionRefused.into());
            }
            let Some((from, data)) = net.mailboxes[self.index].arrived.pop_front() else { break };
            net.mailboxes[self.index].received += 1;
            drop(net);
            each(Datagram { from: &Peer::Inet(from), data: &data, truncated: false });
            count += 1;
        }
        if count == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    fn send(&mut self, outbox: &Outbox) -> io::Result<usize> {
        let mut net = self.net.borrow_mut();
        if net.faults.strikes(Fault::Interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        if net.faults.strikes(Fault::DatagramError) {
            return Err(ErrorKind::HostUnreachable.into());
        }
        let most = if net.faults.strikes(Fault::ShortWrite) { 1 } else { outbox.len() };
        let mut count = 0;
        for (to, data) in outbox.iter().take(most) {
            let Peer::Inet(to) = to else { return Err(ErrorKind::AddrNotAvailable.into()) };
            let entry = &mut net.mailboxes[self.index];
            if entry.leaving.len() >= entry.cap {
                entry.wants_room = true;
                break;
            }
            entry.leaving.push_back((*to, data.to_vec()));
            entry.sent += 1;
            count += 1;
        }
        net.start_mail(self.index);
        if count == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }
}
