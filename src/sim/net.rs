//! The simulated network and the kernel's side of its sockets, edge-triggered.
//!
//! An edge is raised only on a transition: bytes or the end arrive, room appears after a blocked
//! write, a reset; and when a socket is registered, for what is there already. Everything that
//! takes time is on the agenda, in virtual time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;
use std::time::Duration;

use super::agenda::{Action, Listener, Source};
use super::conn::{Conn, Connecting, Fin, Local, Pipe, Way};
use super::datagram::Mailbox;
use super::fault::{Fault, Faults};
use crate::reactor::world::{Readiness, Ready};
use crate::time::Moment;
use crate::token::Token;

/// How a poll reports: epoll tells all that is ready with each event, kqueue only what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Every event carries the whole level.
    Epoll,
    /// Read and write events are separate and carry what their edge was about.
    Kqueue,
}

/// Sizes of a connection's four buffers.
#[derive(Clone, Copy, Debug)]
pub struct Buffers {
    /// The peer's send buffer, the loop's receive buffer, the loop's send buffer, the peer's
    /// receive buffer.
    pub sizes: [usize; 4],
}

pub(crate) struct Net {
    pub(crate) now: Moment,
    pub(crate) faults: Faults,
    pub(crate) flavour: Flavour,
    pub(crate) conns: Vec<Conn>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) mailboxes: Vec<Mailbox>,
    /// Tokens of the hosts' descriptors, by their number.
    pub(crate) externals: Vec<Option<Token>>,
    agenda: BTreeMap<(Moment, u64), Action>,
    sequence: u64,
    ready: Vec<Source>,
    /// Tokens of sockets closed since the last poll.
    pub(crate) lately_closed: Vec<Token>,
    /// Descriptors in use and the most there may be.
    pub(crate) descriptors: usize,
    pub(crate) descriptor_limit: usize,
    pub(crate) shortage: bool,
    /// The loop holds its reserve descriptor.
    pub(crate) reserve: bool,
    /// Connections accepted so far.
    pub(crate) accepted: usize,
}

/// The network as its users share it.
pub(crate) type Shared = Rc<RefCell<Net>>;

impl Net {
    pub(crate) fn new(faults: Faults, flavour: Flavour, descriptor_limit: usize) -> Self {
        Net {
            now: Moment::START,
            faults,
            flavour,
            conns: Vec::new(),
            listeners: Vec::new(),
            mailboxes: Vec::new(),
            externals: Vec::new(),
            agenda: BTreeMap::new(),
            sequence: 0,
            ready: Vec::new(),
            lately_closed: Vec::new(),
            descriptors: 1,
            descriptor_limit,
            shortage: false,
            reserve: true,
            accepted: 0,
        }
    }

    /// Puts something on the agenda.
    pub(crate) fn after(&mut self, delay: Duration, action: Action) {
        self.sequence += 1;
        self.agenda.insert((self.now + delay, self.sequence), action);
    }

    /// When the next thing happens.
    pub(crate) fn next_at(&self) -> Moment {
        self.agenda.keys().next().map_or(Moment::NEVER, |(at, _)| *at)
    }

    /// Takes one thing that is due.
    pub(crate) fn due(&mut self) -> Option<Action> {
        if self.next_at() > self.now {
            return None;
        }
        self.agenda.pop_first().map(|(_, action)| action)
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Carries out what concerns sockets; answers what concerns others.
    pub(crate) fn act(&mut self, action: Action) -> Option<Action> {
        match action {
            Action::Move(conn, way) => self.step(conn, way),
            Action::Answered(conn, accepted) => self.answered(conn, accepted),
            Action::Owed(conn, edge) => {
                self.conns[conn].local.owed.remove(edge);
                self.raise(conn, edge);
            }
            Action::OwedListener(listener) => {
                self.listeners[listener].owed = false;
                self.raise_listener(listener);
            }
            Action::Mail(mailbox) => self.deliver_mail(mailbox),
            Action::Shortage(on) => self.shortage = on,
            other => return Some(other),
        }
        None
    }

    pub(crate) fn push(&mut self, source: Source) {
        self.ready.push(source);
    }

    pub(crate) fn raise(&mut self, conn: usize, edge: Ready) {
        if self.conns[conn].raise(edge) {
            self.push(Source::Conn(conn));
        }
    }

    pub(crate) fn raise_listener(&mut self, listener: usize) {
        let entry = &mut self.listeners[listener];
        if !entry.edge && !entry.closed {
            entry.edge = true;
            self.push(Source::Listener(listener));
        }
    }

    /// Puts the next step of a direction on the agenda, if there is one.
    fn start_moving(&mut self, conn: usize, way: Way) {
        let pipe = self.conns[conn].pipe(way);
        if pipe.moving || !pipe.has_step() {
            return;
        }
        pipe.moving = true;
        let delay = self.faults.latency();
        self.after(delay, Action::Move(conn, way));
    }

    /// Bytes arrive, in whatever pieces the network likes.
    fn step(&mut self, conn: usize, way: Way) {
        let pipe = self.conns[conn].pipe(way);
        pipe.moving = false;
        let most = pipe.movable();
        let count = if self.faults.rng().chance(300) {
            self.faults.rng().between(1, most.max(1))
        } else {
            most
        };
        let entry = &mut self.conns[conn];
        entry.pipe(way).step(count.min(most));
        match way {
            Way::In if entry.local.closed => self.bounce_inward(conn),
            Way::In => {
                self.raise(conn, Ready::READABLE);
                let peer = self.conns[conn].peer;
                self.after(Duration::ZERO, Action::Peer(peer));
            }
            Way::Out if entry.peer_closed => self.bounce_outward(conn),
            Way::Out => {
                if entry.local.wants_room && entry.has_room() {
                    entry.local.wants_room = false;
                    self.raise(conn, Ready::WRITABLE);
                }
                if self.conns[conn].inward.fin == Fin::Arrived
                    && self.conns[conn].outward.fin == Fin::Arrived
                {
                    self.raise(conn, Ready::READABLE);
                }
                let peer = self.conns[conn].peer;
                self.after(Duration::ZERO, Action::Peer(peer));
            }
        }
        self.start_moving(conn, way);
    }

    /// Bytes for a socket that the loop has closed: the answer is a reset.
    fn bounce_inward(&mut self, conn: usize) {
        let had_bytes = !self.conns[conn].inward.arrived.is_empty();
        self.conns[conn].inward.arrived.clear();
        if had_bytes {
            self.reset_peer(conn);
        }
    }

    /// Bytes for a peer that has closed.
    fn bounce_outward(&mut self, conn: usize) {
        let had_bytes = !self.conns[conn].outward.arrived.is_empty();
        self.conns[conn].outward.arrived.clear();
        if had_bytes {
            self.reset_local(conn);
        }
    }

    /// The loop's side hears a reset.
    pub(crate) fn reset_local(&mut self, conn: usize) {
        let keeps = self.faults.rng().chance(500);
        let entry = &mut self.conns[conn];
        if entry.local.reset {
            return;
        }
        entry.local.reset = true;
        entry.outward.sending.clear();
        entry.inward.sending.clear();
        // Some systems let the reader have what arrived before the reset, some do not.
        if !keeps {
            entry.inward.arrived.clear();
        }
        let mut both = Ready::READABLE;
        both.insert(Ready::WRITABLE);
        self.raise(conn, both);
    }

    /// The peer hears a reset; what it has not read yet may be lost with it.
    fn reset_peer(&mut self, conn: usize) {
        let keeps = self.faults.rng().chance(300);
        let entry = &mut self.conns[conn];
        if entry.peer_reset || entry.peer_closed {
            return;
        }
        entry.peer_reset = true;
        entry.outward.sending.clear();
        entry.inward.sending.clear();
        if !keeps {
            entry.outward.arrived.clear();
        }
        let peer = entry.peer;
        self.after(Duration::ZERO, Action::Peer(peer));
    }

    /// A new connection, not yet in any queue.
    pub(crate) fn new_conn(&mut self, peer: usize, buffers: Buffers) -> usize {
        let [peer_send, local_recv, local_send, peer_recv] = buffers.sizes;
        self.conns.push(Conn {
            inward: Pipe::new(peer_send, local_recv),
            outward: Pipe::new(local_send, peer_recv),
            local: Local::default(),
            peer,
            peer_closed: false,
            peer_reset: false,
        });
        self.conns.len() - 1
    }

    /// A peer connects: `None` if it is refused, or must try again because the queue is full.
    pub(crate) fn connect(
        &mut self,
        listener: usize,
        peer: usize,
        buffers: Buffers,
    ) -> Result<usize, ErrorKind> {
        let entry = &self.listeners[listener];
        if entry.closed || entry.refusing {
            return Err(ErrorKind::ConnectionRefused);
        }
        if entry.queue.len() >= entry.backlog {
            return Err(ErrorKind::WouldBlock);
        }
        let conn = self.new_conn(peer, buffers);
        self.listeners[listener].queue.push_back(conn);
        self.raise_listener(listener);
        Ok(conn)
    }

    // What a peer does with its end.

    /// Writes as much as fits.
    pub(crate) fn peer_write(&mut self, conn: usize, bytes: &[u8]) -> usize {
        let pipe = &mut self.conns[conn].inward;
        let count = bytes.len().min(pipe.room());
        pipe.sending.extend(&bytes[..count]);
        self.start_moving(conn, Way::In);
        count
    }

    /// Reads at most `most` bytes to the end of `got`. `Some(true)`: the end; an error: a reset.
    pub(crate) fn peer_read(
        &mut self,
        conn: usize,
        most: usize,
        got: &mut Vec<u8>,
    ) -> Result<bool, ErrorKind> {
        let entry = &mut self.conns[conn];
        let pipe = &mut entry.outward;
        let count = most.min(pipe.arrived.len());
        got.extend(pipe.arrived.drain(..count));
        if pipe.arrived.is_empty() && entry.peer_reset {
            return Err(ErrorKind::ConnectionReset);
        }
        let ended = entry.outward.at_end();
        self.start_moving(conn, Way::Out);
        Ok(ended)
    }

    /// Ends the peer's direction.
    pub(crate) fn peer_shut(&mut self, conn: usize) {
        let pipe = &mut self.conns[conn].inward;
        if pipe.fin == Fin::No {
            pipe.fin = Fin::Sent;
        }
        self.start_moving(conn, Way::In);
    }

    /// Closes the peer's end; with unread bytes, or by its own wish, that is a reset.
    pub(crate) fn peer_close(&mut self, conn: usize, reset: bool) {
        let unread = !self.conns[conn].outward.arrived.is_empty();
        self.conns[conn].peer_closed = true;
        if reset || unread {
            self.reset_local(conn);
        } else {
            self.peer_shut(conn);
            self.start_moving(conn, Way::Out);
        }
    }

    // What the loop does with its end.

    pub(crate) fn take_descriptor(&mut self) -> bool {
        let held = self.descriptors + usize::from(self.reserve);
        if held >= self.descriptor_limit || self.shortage && self.reserve {
            return false;
        }
        self.descriptors += 1;
        true
    }

    pub(crate) fn accept(&mut self, listener: usize) -> io::Result<usize> {
        if self.faults.strikes(Fault::Interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        let entry = &mut self.listeners[listener];
        if !entry.queue.is_empty() && self.faults.strikes(Fault::BlockedAccept) {
            if !std::mem::replace(&mut entry.owed, true) {
                let delay = self.faults.pause();
                self.after(delay, Action::OwedListener(listener));
            }
            return Err(ErrorKind::WouldBlock.into());
        }
        // Linux looks for a descriptor before it looks at the queue.
        if !self.take_descriptor() {
            return Err(io::Error::from_raw_os_error(24));
        }
        let Some(conn) = self.listeners[listener].queue.pop_front() else {
            self.descriptors -= 1;
            return Err(ErrorKind::WouldBlock.into());
        };
        if self.faults.strikes(Fault::AbortedAccept) {
            self.descriptors -= 1;
            self.conns[conn].local.closed = true;
            self.reset_peer(conn);
            return Err(ErrorKind::ConnectionAborted.into());
        }
        self.accepted += 1;
        Ok(conn)
    }

    pub(crate) fn unlisten(&mut self, listener: usize) {
        self.listeners[listener].closed = true;
        self.descriptors -= 1;
        let token = self.listeners[listener].token;
        self.lately_closed.push(token);
        for conn in std::mem::take(&mut self.listeners[listener].queue) {
            self.conns[conn].local.closed = true;
            self.reset_peer(conn);
        }
    }

    pub(crate) fn register(&mut self, conn: usize, token: Token, writes: bool) {
        let local = &mut self.conns[conn].local;
        local.token = Some(token);
        local.writes |= writes;
        let level = self.conns[conn].level();
        if writes && !level.has(Ready::WRITABLE) {
            self.conns[conn].local.wants_room = true;
        }
        self.raise(conn, level);
    }

    /// An edge that a fault owes.
    fn owe(&mut self, conn: usize, edge: Ready) {
        if !self.conns[conn].local.owed.has(edge) {
            self.conns[conn].local.owed.insert(edge);
            let delay = self.faults.pause();
            self.after(delay, Action::Owed(conn, edge));
        }
    }

    pub(crate) fn read(&mut self, conn: usize, into: &mut [u8]) -> io::Result<usize> {
        self.conns[conn].local.unserved = 0;
        if self.faults.strikes(Fault::Interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        if self.conns[conn].level().has(Ready::READABLE) && self.faults.strikes(Fault::BlockedRead)
        {
            self.owe(conn, Ready::READABLE);
            return Err(ErrorKind::WouldBlock.into());
        }
        let entry = &mut self.conns[conn];
        let there = entry.inward.arrived.len().min(into.len());
        if there == 0 {
            return match entry.inward.fin {
                _ if entry.local.reset => Err(ErrorKind::ConnectionReset.into()),
                Fin::Arrived => Ok(0),
                _ => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let mut count = there;
        if there > 1 && self.faults.strikes(Fault::ShortRead) {
            count = self.faults.rng().between(1, there - 1);
            self.owe(conn, Ready::READABLE);
        }
        let entry = &mut self.conns[conn];
        entry.inward.read(into, count);
        entry.local.read += count;
        self.start_moving(conn, Way::In);
        Ok(count)
    }

    pub(crate) fn write(&mut self, conn: usize, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.faults.strikes(Fault::Interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        let entry = &mut self.conns[conn];
        if entry.local.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if entry.outward.fin != Fin::No {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let whole = slices.iter().map(|slice| slice.len()).sum::<usize>();
        let fits = whole.min(entry.outward.room());
        let mut count = fits;
        if fits > 0 && self.faults.strikes(Fault::BlockedWrite) {
            count = 0;
        } else if fits > 1 && self.faults.strikes(Fault::ShortWrite) {
            count = self.faults.rng().between(1, fits - 1);
        }
        let entry = &mut self.conns[conn];
        let bytes = slices.iter().flat_map(|slice| slice.iter());
        entry.outward.sending.extend(bytes.take(count));
        entry.local.wrote += count;
        entry.local.offered = if count < whole { 0 } else { slices.len() };
        if count < whole {
            entry.local.wants_room = true;
        }
        if count < fits {
            self.owe(conn, Ready::WRITABLE);
        }
        self.start_moving(conn, Way::Out);
        if count == 0 && whole > 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    pub(crate) fn shut(&mut self, conn: usize) -> io::Result<()> {
        let entry = &mut self.conns[conn];
        if entry.local.reset {
            return Err(ErrorKind::NotConnected.into());
        }
        if entry.outward.fin == Fin::No {
            entry.outward.fin = Fin::Sent;
        }
        if entry.inward.fin == Fin::Arrived {
            self.raise(conn, Ready::READABLE);
        }
        self.start_moving(conn, Way::Out);
        Ok(())
    }

    /// Closes the loop's end. Unread bytes make it a reset, which destroys what the peer has not
    /// read yet (RFC 9112 §9.6 on why a server lingers).
    pub(crate) fn close(&mut self, conn: usize) {
        self.descriptors -= 1;
        let entry = &mut self.conns[conn];
        entry.local.closed = true;
        self.lately_closed.extend(entry.local.token);
        if entry.local.connecting != Connecting::No {
            return;
        }
        if !entry.inward.arrived.is_empty() {
            return self.reset_peer(conn);
        }
        if entry.outward.fin == Fin::No {
            entry.outward.fin = Fin::Sent;
        }
        self.start_moving(conn, Way::Out);
    }

    /// Hands over the events of one poll, at most `most`.
    pub(crate) fn harvest(&mut self, most: usize, ready: &mut Vec<Readiness>) {
        let count = self.ready.len().min(most);
        let mut sources: Vec<Source> = self.ready.drain(..count).collect();
        if self.faults.strikes(Fault::Reordered) {
            for end in (1..sources.len()).rev() {
                let other = self.faults.rng().below(end + 1);
                sources.swap(end, other);
            }
        }
        for source in sources {
            self.report(source, ready);
        }
        self.trouble(ready);
    }

    fn report(&mut self, source: Source, ready: &mut Vec<Readiness>) {
        let (token, bits) = match source {
            Source::Conn(conn) => {
                let entry = &mut self.conns[conn];
                let edge = std::mem::take(&mut entry.local.edge);
                let Some(token) = entry.local.token.filter(|_| !entry.local.closed) else { return };
                let level = entry.level();
                let asked = if self.flavour == Flavour::Epoll {
                    if entry.local.writes { Ready(3) } else { Ready(1) }
                } else {
                    edge
                };
                let mut bits = Ready(level.0 & asked.0);
                if bits.0 != 0 && (asked.has(Ready::READABLE) || level.has(Ready::CLOSED)) {
                    bits.0 |= level.0 & (Ready::READ_CLOSED.0 | Ready::CLOSED.0);
                }
                (token, bits)
            }
            Source::Listener(listener) => {
                let entry = &mut self.listeners[listener];
                entry.edge = false;
                let bits = if entry.closed { Ready::default() } else { Ready::READABLE };
                (entry.token, bits)
            }
            Source::Mailbox(mailbox) => match self.mail_event(mailbox) {
                Some(event) => event,
                None => return,
            },
        };
        if bits.0 == 0 {
            return;
        }
        let both = bits.has(Ready::READABLE) && bits.has(Ready::WRITABLE);
        if both && self.faults.strikes(Fault::SplitEvent) {
            ready.push(Readiness { token, ready: Ready(bits.0 & !Ready::WRITABLE.0) });
            ready.push(Readiness { token, ready: Ready::WRITABLE });
        } else {
            ready.push(Readiness { token, ready: bits });
        }
        if self.faults.strikes(Fault::RepeatedEvent) {
            ready.push(Readiness { token, ready: bits });
        }
    }

    /// Events that mean nothing.
    fn trouble(&mut self, ready: &mut Vec<Readiness>) {
        if self.faults.strikes(Fault::SpuriousEvent) && !self.conns.is_empty() {
            let conn = self.faults.rng().below(self.conns.len());
            let bits = Ready(self.faults.rng().between(1, 3) as u8);
            let local = &self.conns[conn].local;
            if let Some(token) = local.token.filter(|_| !local.closed) {
                ready.push(Readiness { token, ready: bits });
            }
        }
        for token in std::mem::take(&mut self.lately_closed) {
            if self.faults.strikes(Fault::StaleEvent) {
                let bits = self.faults.rng().pick(&[1, 2, 3, 5, 15]);
                ready.push(Readiness { token, ready: Ready(bits) });
            }
        }
    }
}
