//! A session's seat at the desk: what every session of a load does alike, whatever it speaks.
//!
//! It knows the place, the precise clock and when the oldest answer is overdue. It writes nothing:
//! how a request looks is the session's business.

use std::rc::Rc;

use crate::error::CloseReason;
use crate::load::desk::SharedDesk;
use crate::load::recorder::Failed;
use crate::time::Moment;
use crate::token::Token;

/// The precise time. A loop reads its clock once a turn, which is too coarse to measure with.
pub type Clock = Rc<dyn Fn() -> Moment>;

/// See the module's documentation.
pub(super) struct Seat {
    desk: SharedDesk,
    clock: Clock,
    place: usize,
    deadline: Moment,
    /// When TCP had connected.
    connected: Option<Moment>,
}

impl Seat {
    /// The seat of `place`.
    pub(super) fn new(desk: &SharedDesk, clock: &Clock, place: usize) -> Self {
        Seat {
            desk: Rc::clone(desk),
            clock: Rc::clone(clock),
            place,
            deadline: Moment::NEVER,
            connected: None,
        }
    }

    /// Another seat in the same place.
    pub(super) fn twin(&self) -> Self {
        Seat::new(&self.desk, &self.clock, self.place)
    }

    /// The precise time.
    #[inline]
    pub(super) fn now(&self) -> Moment {
        (self.clock)()
    }

    /// The connection is there, and so is everything that comes before the first request. `write`
    /// is called with the kind of each request to send and answers its length.
    pub(super) fn open(&mut self, token: Token, mut write: impl FnMut(u8) -> usize) {
        let now = self.now();
        if self.connected.is_none() {
            self.connect();
        }
        let mut desk = self.desk.borrow_mut();
        desk.opened(self.place, token, now);
        // Drawn when it was dialled, if it is for one request only.
        if let Some(kind) = desk.expected(self.place) {
            desk.sent(write(kind), now);
        }
        drop(desk);
        self.fill(now, write);
    }

    /// The connection is there, and asks for nothing that is measured.
    pub(super) fn stay(&mut self, token: Token) {
        if self.connected.is_none() {
            self.connect();
        }
        self.desk.borrow_mut().opened(self.place, token, self.now());
    }

    /// It waits for something to draw.
    pub(super) fn rest(&mut self) {
        self.desk.borrow_mut().rest(self.place, self.now());
    }

    /// Draws requests as long as there is room and there are some.
    #[inline]
    pub(super) fn fill(&mut self, now: Moment, write: impl FnMut(u8) -> usize) {
        self.draw(usize::MAX, now, write);
    }

    /// The driver says that there is something to draw. In an open loop it tells another connection
    /// for each request, so that they take turns.
    pub(super) fn wake(&mut self, write: impl FnMut(u8) -> usize) {
        let most = if self.desk.borrow().is_open_loop() { 1 } else { usize::MAX };
        self.draw(most, self.now(), write);
    }

    #[inline]
    fn draw(&mut self, most: usize, now: Moment, mut write: impl FnMut(u8) -> usize) {
        let mut desk = self.desk.borrow_mut();
        let mut bytes = 0;
        for _ in 0..most {
            let Some(kind) = desk.draw(self.place, now) else { break };
            bytes += write(kind);
        }
        desk.sent(bytes, now);
        desk.rest(self.place, now);
        self.deadline = desk.deadline(self.place);
    }

    /// The kind of the request whose answer is next.
    #[inline]
    pub(super) fn expected(&self) -> Option<u8> {
        self.desk.borrow().expected(self.place)
    }

    /// Bytes came.
    #[inline]
    pub(super) fn received(&self, bytes: usize, now: Moment) {
        self.desk.borrow_mut().received(bytes, now);
    }

    /// The next answer came, right or not.
    #[inline]
    pub(super) fn answered(&mut self, result: Result<(), Failed>, now: Moment) {
        let mut desk = self.desk.borrow_mut();
        match result {
            Ok(()) => desk.answered(self.place, now),
            Err(failed) => desk.failed(self.place, failed, now),
        }
        self.deadline = desk.deadline(self.place);
    }

    /// What stays open beside those that ask was answered.
    pub(super) fn ready(&self) {
        self.desk.borrow_mut().ready(self.place);
    }

    /// What it asked for was refused.
    #[cold]
    pub(super) fn refused(&self) {
        self.desk.borrow_mut().refused(self.now());
    }

    /// Bytes came that nobody asked for.
    #[cold]
    pub(super) fn surplus(&self, now: Moment) {
        self.desk.borrow_mut().surplus(now);
    }

    /// TCP has connected; over TLS the handshake follows.
    pub(super) fn connect(&mut self) {
        let now = self.now();
        self.connected = Some(now);
        self.desk.borrow_mut().connected(self.place, now);
    }

    /// The TLS handshake is done.
    pub(super) fn shake(&self) {
        let now = self.now();
        if let Some(connected) = self.connected {
            self.desk.borrow_mut().shaken(now.since(connected), now);
        }
    }

    /// TLS says why the connection ends.
    pub(super) fn fault(&self, what: &str) {
        self.desk.borrow_mut().fault(what);
    }

    /// The connection is over, or did not come about.
    pub(super) fn close(&mut self, why: CloseReason) {
        self.desk.borrow_mut().closed(self.place, why, self.now());
    }

    /// When the oldest answer is overdue.
    #[inline]
    pub(super) fn deadline(&self) -> Moment {
        self.deadline
    }

    /// From now on something else is waited for.
    pub(super) fn wait_until(&mut self, deadline: Moment) {
        self.deadline = deadline;
    }
}
