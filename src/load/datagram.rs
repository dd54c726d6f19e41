//! Datagrams that come back: each request is one datagram with a number in it, and so is its answer.
//!
//! The driver binds one socket for each place. Datagrams are lost without a word, so the driver
//! sweeps for overdue ones: those are time-outs, and an answer that comes later is no answer.

use std::cell::Cell;
use std::rc::Rc;

use crate::load::desk::SharedDesk;
use crate::load::recorder::Failed;
use crate::load::seat::Seat;
use crate::session::Env;
use crate::session::datagram::{Datagram, DatagramSession, Outbox, Peer};

/// Bytes of the number at the front.
const NUMBER: usize = 8;

/// What a place sends: the message with the next number. Session and driver share it.
#[derive(Clone)]
pub(super) struct Letter {
    message: Rc<[u8]>,
    number: Rc<Cell<u64>>,
}

impl Letter {
    /// Letters of this text, from number 0 on.
    pub(super) fn new(message: &Rc<[u8]>) -> Self {
        Letter { message: Rc::clone(message), number: Rc::default() }
    }

    /// Writes the next one into `into`.
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        self.number.set(self.number.get() + 1);
        into.clear();
        into.extend_from_slice(&self.number.get().to_be_bytes());
        into.extend_from_slice(self.message.get(NUMBER..).unwrap_or_default());
    }

    /// True if `data` has the number of the last one; then whether it is like it.
    fn compare(&self, data: &[u8]) -> Option<bool> {
        let (number, text) = data.split_at_checked(NUMBER)?;
        let is_last = number == self.number.get().to_be_bytes();
        is_last.then(|| text == self.message.get(NUMBER..).unwrap_or_default())
    }
}

/// See the module's documentation.
pub(super) struct Correspondent {
    seat: Seat,
    letter: Letter,
    to: Peer,
    buffer: Vec<u8>,
}

impl Correspondent {
    /// A session that writes letters to `to`.
    pub(super) fn new(seat: Seat, letter: Letter, to: Peer) -> Self {
        Correspondent { seat, letter, to, buffer: Vec::new() }
    }
}

impl DatagramSession for Correspondent {
    fn on_datagram(&mut self, datagram: Datagram<'_>, out: &mut Outbox, _: &mut Env) {
        let now = self.seat.now();
        self.seat.received(datagram.data.len(), now);
        // One that is late was counted as lost.
        let Some(is_right) = self.letter.compare(datagram.data) else { return };
        if self.seat.expected().is_none() {
            return;
        }
        self.seat.answered(if is_right { Ok(()) } else { Err(Failed::Wrong) }, now);
        let Correspondent { letter, to, buffer, .. } = self;
        self.seat.fill(now, |_| {
            letter.write(buffer);
            out.send(to, buffer);
            buffer.len()
        });
    }
}

/// A place whose datagram is overdue has lost it.
pub(super) fn lose(desk: &SharedDesk, now: crate::Moment) -> Option<usize> {
    let mut desk = desk.borrow_mut();
    let place = desk.overdue(now)?;
    desk.failed(place, Failed::TimedOut, now);
    Some(place)
}
