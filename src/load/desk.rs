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
use crate::load::place::{Place, State, Ticket};
use crate::load::plan::Fresh;
use crate::load::recorder::{Failed, Recorder, Timing, Unmade};
use crate::load::schedule::Schedule;
use crate::time::Moment;
use crate::token::Token;

/// A desk as sessions and driver hold it.
pub(super) type SharedDesk = Rc<RefCell<Desk>>;

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Connections are being opened; each is asked once, to see that somebody serves it.
    Opening,
    /// Requests are handed out.
    Running,
    /// The window is over. Nothing new is handed out but, for a little while, what was due in it.
    Ending,
    /// Nothing is handed out any more; answers are awaited.
    Over,
}

/// What the desk must know of the plan.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// Places that ask.
    pub(super) active: usize,
    /// Places whose connections only stay open, or are slow.
    pub(super) beside: usize,
    /// Those of them, the first ones, that ask once when they are open.
    pub(super) idle: usize,
    /// Whether each connection that is kept is tried before the run.
    pub(super) tries: bool,
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
    /// From when on nothing is sent, whatever is due.
    last: Moment,
    open: usize,
    dialling: usize,
    owed: usize,
    /// Places that nobody has answered yet, of those whose first answer is awaited.
    unready: usize,
    /// A connection was open once.
    reached: bool,
    /// Why a connection failed most lately.
    failure: Option<CloseReason>,
    /// What TLS said of it.
    fault: Option<String>,
}

/// How long a place stays empty after its connection could not be made.
const PAUSE: Duration = Duration::from_millis(50);
/// Groups in which requests that were never sent are written down.
const GROUPS: u64 = 10_000;

impl Desk {
    /// A desk at which nothing has happened.
    pub(super) fn new(terms: Terms, recorder: Recorder) -> Self {
        let count = terms.active + terms.beside;
        // What only stays open comes first: it is the surroundings of what is measured.
        let order = (terms.active..count)
            .chain(0..if terms.fresh == Fresh::Kept { terms.active } else { 0 });
        Desk {
            recorder,
            stage: Stage::Opening,
            places: (0..count).map(|_| Place::vacant(terms.depth)).collect(),
            free: VecDeque::with_capacity(terms.active),
            vacant: order.map(|place| place as u32).collect(),
            paused: VecDeque::new(),
            start: Moment::NEVER,
            last: Moment::NEVER,
            open: 0,
            dialling: 0,
            owed: 0,
            unready: if terms.tries { terms.active } else { 0 } + terms.idle,
            reached: false,
            failure: None,
            fault: None,
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
        if self.stage == Stage::Opening && self.terms.fresh == Fresh::Kept {
            return self.try_out(place, now);
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

    /// A connection that is open in the system may wait for long until the server accepts it. One
    /// request tells, of the kind that everybody asks.
    fn try_out(&mut self, place: usize, now: Moment) -> Option<u8> {
        let place = self.places.get_mut(place).filter(|_| self.terms.tries)?;
        if place.ready || !place.owed.is_empty() {
            return None;
        }
        place.owed.push_back(Ticket { timing: Timing { intended: now, sent: now }, kind: 0 });
        self.owed += 1;
        Some(0)
    }

    /// Somebody has answered `place`, whatever it was.
    #[inline]
    pub(super) fn ready(&mut self, index: usize) {
        let awaited = if self.terms.tries { 0 } else { self.terms.active };
        if let Some(place) = self.places.get_mut(index)
            && !place.ready
        {
            place.ready = true;
            if (awaited..self.terms.active + self.terms.idle).contains(&index) {
                self.unready -= 1;
            }
        }
    }

    #[inline]
    fn intended(&mut self, now: Moment) -> Option<Moment> {
        // What the driver has not noticed yet, the clock knows.
        if matches!(self.stage, Stage::Opening | Stage::Over) || now >= self.last {
            return None;
        }
        match &mut self.terms.schedule {
            None => (self.stage == Stage::Running && now < self.recorder.end()).then_some(now),
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
            self.ready(place);
        }
    }

    /// The answer that was next in `place` came, and is not what it should be.
    pub(super) fn failed(&mut self, place: usize, failed: Failed, now: Moment) {
        if let Some(ticket) = self.take(place) {
            self.recorder.failed(failed, ticket.timing, now);
            if failed != Failed::TimedOut {
                self.ready(place);
            }
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
        self.reached = true;
        place.state = State::Open;
        place.token = token;
        if self.terms.fresh == Fresh::Request {
            place.owed.iter_mut().for_each(|ticket| ticket.timing.sent = now);
        }
    }

    /// A connection beside those that are measured was refused what it asked for.
    pub(super) fn refused(&mut self, now: Moment) {
        self.recorder.refused(now);
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
        // A server that ends connections at once is not to be flooded before the run.
        let mut pauses = self.stage == Stage::Opening;
        match was {
            State::Open => self.open -= 1,
            State::Dialling => {
                self.dialling -= 1;
                self.failure = Some(why);
                pauses = true;
                let failed = Unmade {
                    secure: matches!(
                        why,
                        CloseReason::Tls | CloseReason::TimedOut(Phase::Handshake)
                    ),
                    waited: matches!(why, CloseReason::TimedOut(_)),
                };
                // One for a request counts when that was meant, whenever it fails.
                for ticket in &owed {
                    self.recorder.unmade_for(failed, ticket.timing.intended, now);
                }
                if owed.is_empty() && counts {
                    self.recorder.unmade(failed);
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
}

mod driving;
#[cfg(test)]
mod tests;
