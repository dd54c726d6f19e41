//! The desk: what all sessions of a load share. It hands out requests and takes in answers.
//!
//! A session asks [`draw`](Desk::draw) for a request whenever its connection has room for one. In a
//! closed loop there always is one; in an open loop only if one is due, and a connection that gets
//! none waits in a queue of the free until the driver wakes it. A request is nobody's until it is
//! drawn, so none is lost with a connection. The desk keeps no socket and reads no clock.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::error::{CloseReason, Phase};
use crate::load::mix::Mix;
use crate::load::plan::Fresh;
use crate::load::recorder::{Failed, Recorder, Timing};
use crate::load::schedule::Schedule;
use crate::time::Moment;
use crate::token::Token;

/// A desk as sessions and driver hold it.
pub(super) type SharedDesk = Rc<RefCell<Desk>>;

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Connections are being opened; nothing is asked.
    Opening,
    /// Requests are handed out.
    Running,
    /// Nothing new is handed out; answers are awaited.
    Ending,
}

/// How a connection's place is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Vacant,
    Dialling,
    Open,
}

/// A request that was drawn.
#[derive(Clone, Copy, Debug)]
struct Ticket {
    timing: Timing,
    kind: u8,
}

/// One of the connections that are to be open at a time, whichever socket fills it.
#[derive(Debug)]
struct Place {
    token: Token,
    state: State,
    /// Drawn and not answered, in order.
    owed: VecDeque<Ticket>,
    /// It is in the queue of the free.
    queued: bool,
    /// Since when it has had room that nobody filled.
    free_since: Moment,
    dialled: Moment,
}

/// What the desk must know of the plan.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// Places that ask.
    pub(super) active: usize,
    /// Places whose connections only stay open, or are slow.
    pub(super) beside: usize,
    /// Requests that a connection may owe at a time.
    pub(super) depth: usize,
    /// Whether connections are kept.
    pub(super) fresh: Fresh,
    /// How long an answer may take.
    pub(super) patience: Duration,
    /// When requests are due; none in a closed loop.
    pub(super) schedule: Option<Schedule>,
    /// Which they are.
    pub(super) mix: Mix,
}

/// See the module's documentation.
pub(super) struct Desk {
    terms: Terms,
    recorder: Recorder,
    stage: Stage,
    places: Vec<Place>,
    /// Places that have room, in the order in which they got it.
    free: VecDeque<u32>,
    /// Places that need a connection.
    vacant: VecDeque<u32>,
    /// Places that need one, but not before this: their last could not be made.
    paused: VecDeque<(Moment, u32)>,
    /// When the schedule started.
    start: Moment,
    open: usize,
    dialling: usize,
    owed: usize,
    /// Why a connection failed most lately.
    failure: Option<CloseReason>,
}

/// How long a place stays empty after its connection could not be made.
const PAUSE: Duration = Duration::from_millis(50);
/// Groups in which requests that were never sent are written down.
const GROUPS: u64 = 10_000;

impl Desk {
    /// A desk at which nothing has happened.
    pub(super) fn new(terms: Terms, recorder: Recorder) -> Self {
        let count = terms.active + terms.beside;
        let place = || Place {
            token: Token::from_u64(u64::MAX),
            state: State::Vacant,
            owed: VecDeque::with_capacity(terms.depth.min(64)),
            queued: false,
            free_since: Moment::NEVER,
            dialled: Moment::NEVER,
        };
        // What only stays open comes first: it is the surroundings of what is measured.
        let order = (terms.active..count)
            .chain(0..if terms.fresh == Fresh::Kept { terms.active } else { 0 });
        Desk {
            recorder,
            stage: Stage::Opening,
            places: (0..count).map(|_| place()).collect(),
            free: VecDeque::with_capacity(terms.active),
            vacant: order.map(|place| place as u32).collect(),
            paused: VecDeque::new(),
            start: Moment::NEVER,
            open: 0,
            dialling: 0,
            owed: 0,
            failure: None,
            terms,
        }
    }

    /// What is written down.
    pub(super) fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    // For sessions.

    /// The next request that `place` is to send, if there is one: its kind. It counts as sent now.
    #[inline]
    pub(super) fn draw(&mut self, place: usize, now: Moment) -> Option<u8> {
        let room = self.places.get(place)?.owed.len() < self.terms.depth;
        if !room {
            return None;
        }
        let intended = self.intended(now)?;
        let place = self.places.get_mut(place)?;
        let kind = self.terms.mix.next();
        let late = now.since(intended.max(place.free_since.min(now)));
        self.recorder.drawn(intended, self.terms.schedule.is_some().then_some(late));
        place.free_since = Moment::NEVER;
        place.owed.push_back(Ticket { timing: Timing { intended, sent: now }, kind });
        self.owed += 1;
        Some(kind)
    }

    #[inline]
    fn intended(&mut self, now: Moment) -> Option<Moment> {
        if self.stage == Stage::Opening {
            return None;
        }
        match &mut self.terms.schedule {
            None => (self.stage == Stage::Running).then_some(now),
            Some(schedule) => {
                let due = schedule.take(now.since(self.start).as_nanos() as u64)?;
                Some(self.start + Duration::from_nanos(due))
            }
        }
    }

    /// So many bytes of requests go out.
    #[inline]
    pub(super) fn sent(&mut self, bytes: usize, now: Moment) {
        self.recorder.sent(bytes, now);
    }

    /// `place` has asked for all that it could get. If it has room still, it waits to be woken.
    #[inline]
    pub(super) fn rest(&mut self, index: usize, now: Moment) {
        let Some(place) = self.places.get_mut(index) else { return };
        if place.queued || place.owed.len() >= self.terms.depth || place.state != State::Open {
            return;
        }
        place.queued = true;
        place.free_since = now;
        self.free.push_back(index as u32);
    }

    /// The kind of the request whose answer is next in `place`.
    #[inline]
    pub(super) fn expected(&self, place: usize) -> Option<u8> {
        self.places.get(place)?.owed.front().map(|ticket| ticket.kind)
    }

    /// When the oldest answer in `place` is overdue.
    #[inline]
    pub(super) fn deadline(&self, place: usize) -> Moment {
        let oldest = self.places.get(place).and_then(|place| place.owed.front());
        oldest.map_or(Moment::NEVER, |ticket| ticket.timing.sent + self.terms.patience)
    }

    /// The answer that was next in `place` came, and is right.
    #[inline]
    pub(super) fn answered(&mut self, place: usize, now: Moment) {
        if let Some(ticket) = self.take(place) {
            self.recorder.answered(place, ticket.timing, now);
        }
    }

    /// The answer that was next in `place` came, and is not what it should be.
    pub(super) fn failed(&mut self, place: usize, failed: Failed, now: Moment) {
        if let Some(ticket) = self.take(place) {
            self.recorder.failed(failed, ticket.timing, now);
        }
    }

    fn take(&mut self, place: usize) -> Option<Ticket> {
        let ticket = self.places.get_mut(place)?.owed.pop_front()?;
        self.owed -= 1;
        Some(ticket)
    }

    /// Bytes came.
    #[inline]
    pub(super) fn received(&mut self, bytes: usize, now: Moment) {
        self.recorder.received(bytes, now);
    }

    /// The connection of `place` is there. Over a fresh one the request was drawn already.
    pub(super) fn opened(&mut self, index: usize, token: Token, now: Moment) {
        let Some(place) = self.places.get_mut(index) else { return };
        if place.state == State::Dialling {
            self.dialling -= 1;
        }
        self.open += 1;
        place.state = State::Open;
        place.token = token;
        if self.terms.fresh == Fresh::Request {
            place.owed.iter_mut().for_each(|ticket| ticket.timing.sent = now);
        }
    }

    /// Bytes came that nobody asked for.
    pub(super) fn surplus(&mut self, now: Moment) {
        self.recorder.surplus(now);
    }

    /// TCP has connected `place`; over TLS the handshake follows.
    pub(super) fn connected(&mut self, index: usize, now: Moment) {
        if let Some(place) = self.places.get(index)
            && self.counts_connections(now)
        {
            self.recorder.connected(now.since(place.dialled));
        }
    }

    /// A TLS handshake took so long.
    pub(super) fn shaken(&mut self, took: Duration, now: Moment) {
        if self.counts_connections(now) {
            self.recorder.shaken(took);
        }
    }

    fn is_fresh(&self) -> bool {
        self.terms.fresh != Fresh::Kept
    }

    /// Connections that are kept are made before the window, and count all the same.
    fn counts_connections(&self, now: Moment) -> bool {
        self.terms.fresh == Fresh::Kept || self.recorder.is_measuring(now)
    }

    /// The connection of `place` is over, or could not be made.
    pub(super) fn closed(&mut self, index: usize, why: CloseReason, now: Moment) {
        let counts = self.counts_connections(now);
        let Some(place) = self.places.get_mut(index) else { return };
        let was = std::mem::replace(&mut place.state, State::Vacant);
        let owed = std::mem::take(&mut place.owed);
        self.owed -= owed.len();
        let mut pauses = false;
        match was {
            State::Open => self.open -= 1,
            State::Dialling => {
                self.dialling -= 1;
                self.failure = Some(why);
                pauses = true;
                match why {
                    _ if !counts => {}
                    CloseReason::Tls | CloseReason::TimedOut(Phase::Handshake) => {
                        self.recorder.unshaken();
                    }
                    _ => self.recorder.unconnected(),
                }
            }
            State::Vacant => return,
        }
        if was == State::Open {
            let failed = match why {
                CloseReason::TimedOut(_) => Failed::TimedOut,
                _ => Failed::Closed,
            };
            for ticket in &owed {
                self.recorder.failed(failed, ticket.timing, now);
            }
            if index >= self.terms.active && self.stage == Stage::Running {
                self.recorder.lost(now);
                pauses = true;
            }
        }
        // Its memory serves the next connection.
        let mut owed = owed;
        owed.clear();
        if let Some(place) = self.places.get_mut(index) {
            place.owed = owed;
        }
        self.vacate(index, pauses, now);
    }

    /// A place without a connection: it gets another one at once, or, if each request has its own,
    /// when there is a request.
    fn vacate(&mut self, index: usize, pauses: bool, now: Moment) {
        let waits = self.is_fresh() && self.terms.schedule.is_some() && index < self.terms.active;
        match self.places.get_mut(index) {
            Some(place) if waits => {
                if !place.queued {
                    place.queued = true;
                    place.free_since = now;
                    self.free.push_back(index as u32);
                }
            }
            _ if pauses => self.paused.push_back((now + PAUSE, index as u32)),
            _ => self.vacant.push_back(index as u32),
        }
    }

    // For the driver.

    /// True if requests are due at planned times.
    #[inline]
    pub(super) fn is_open_loop(&self) -> bool {
        self.terms.schedule.is_some()
    }

    /// Connections that are open, and those under way.
    pub(super) fn connections(&self) -> (usize, usize) {
        (self.open, self.dialling)
    }

    /// Why a connection failed most lately.
    pub(super) fn failure(&self) -> Option<CloseReason> {
        self.failure
    }

    /// Answers that are awaited.
    pub(super) fn owed(&self) -> usize {
        self.owed
    }

    /// From now on requests are handed out; the schedule starts.
    pub(super) fn start(&mut self, now: Moment) {
        self.stage = Stage::Running;
        self.start = now;
        if self.is_fresh() {
            (0..self.terms.active).for_each(|place| self.vacate(place, false, now));
        }
    }

    /// From now on nothing new is handed out, except what is due already.
    pub(super) fn end(&mut self, now: Moment) {
        self.stage = Stage::Ending;
        if let Some(schedule) = &mut self.terms.schedule {
            schedule.cut(now.since(self.start).as_nanos() as u64);
        }
    }

    /// When the next request is due; never in a closed loop.
    pub(super) fn next_due(&self) -> Moment {
        match &self.terms.schedule {
            Some(schedule) if schedule.next() != u64::MAX && self.stage != Stage::Opening => {
                self.start + Duration::from_nanos(schedule.next())
            }
            _ => Moment::NEVER,
        }
    }

    /// Requests that are due and wait.
    pub(super) fn waiting(&self, now: Moment) -> u64 {
        match &self.terms.schedule {
            Some(schedule) if self.stage != Stage::Opening => {
                schedule.waiting(now.since(self.start).as_nanos() as u64)
            }
            _ => 0,
        }
    }

    /// The place that has been free for longest, and its connection if it has one.
    pub(super) fn next_free(&mut self) -> Option<(usize, Option<Token>)> {
        let fresh = self.is_fresh();
        while let Some(index) = self.free.pop_front() {
            let Some(place) = self.places.get_mut(index as usize) else { continue };
            place.queued = false;
            match place.state {
                State::Open => return Some((index as usize, Some(place.token))),
                State::Vacant if fresh => return Some((index as usize, None)),
                State::Vacant | State::Dialling => {}
            }
        }
        None
    }

    /// True if a request that is due would find somebody to send it.
    pub(super) fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// A place that needs a connection now.
    pub(super) fn next_vacant(&mut self, now: Moment) -> Option<usize> {
        if self.stage == Stage::Ending {
            return None;
        }
        let is_due = self.paused.front().is_some_and(|(moment, _)| *moment <= now);
        let paused = if is_due { self.paused.pop_front() } else { None };
        paused
            .map(|(_, index)| index)
            .or_else(|| self.vacant.pop_front())
            .map(|index| index as usize)
    }

    /// When the next of the places that pause may have a connection again.
    pub(super) fn next_dial(&self) -> Moment {
        self.paused.front().map_or(Moment::NEVER, |(moment, _)| *moment)
    }

    /// A connection for `place` is about to be dialled. A fresh one is dialled for a request, which
    /// is drawn here: what the connection takes is part of its latency. Answers whether to dial.
    pub(super) fn dials(&mut self, index: usize, now: Moment) -> bool {
        let asks = self.is_fresh() && index < self.terms.active;
        if asks && self.draw(index, now).is_none() {
            self.vacate(index, false, now);
            return false;
        }
        let Some(place) = self.places.get_mut(index) else { return false };
        place.state = State::Dialling;
        place.dialled = now;
        self.dialling += 1;
        true
    }

    /// The connection of a place, if it is open.
    pub(super) fn token(&self, place: usize) -> Option<Token> {
        let place = self.places.get(place)?;
        (place.state == State::Open).then_some(place.token)
    }

    /// Places whose oldest answer is overdue, for those whose sessions have no deadline.
    pub(super) fn overdue(&self, now: Moment) -> Option<usize> {
        (0..self.terms.active).find(|&place| self.deadline(place) <= now)
    }

    /// The connections of places that ask.
    pub(super) fn active(&self) -> impl Iterator<Item = (usize, Token)> {
        let active = self.places.iter().take(self.terms.active).enumerate();
        active
            .filter(|(_, place)| place.state == State::Open)
            .map(|(index, place)| (index, place.token))
    }

    /// The run is over: what is owed, and what is due and was never sent, is written down with the
    /// time that it has waited.
    pub(super) fn close(&mut self, now: Moment) {
        for place in &mut self.places {
            for ticket in place.owed.drain(..) {
                self.recorder.failed(Failed::TimedOut, ticket.timing, now);
            }
        }
        self.owed = 0;
        let (start, recorder) = (self.start, &mut self.recorder);
        if let Some(schedule) = &mut self.terms.schedule {
            let elapsed = now.since(start).as_nanos() as u64;
            schedule.abandon(elapsed, GROUPS, |due, count| {
                recorder.unsent(start + Duration::from_nanos(due), count, now);
            });
        }
    }

    /// Requests that the plan had for `from..to`; nothing in a closed loop.
    pub(super) fn offered(&self, from: Moment, to: Moment) -> Option<u64> {
        let offset = |moment: Moment| moment.since(self.start).as_nanos() as u64;
        self.terms.schedule.as_ref().map(|schedule| schedule.offered(offset(from), offset(to)))
    }
}

#[cfg(test)]
mod tests;
