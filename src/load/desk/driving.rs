//! What the driver asks of the desk and tells it: the stages of a run, who is free or vacant, and
//! what is due.

use std::time::Duration;

use super::{Desk, GROUPS, Stage};
use crate::error::CloseReason;
use crate::load::place::State;
use crate::load::recorder::Failed;
use crate::time::Moment;
use crate::token::Token;

impl Desk {
    /// True if requests are due at planned times.
    #[inline]
    pub(in crate::load) fn is_open_loop(&self) -> bool {
        self.terms.schedule.is_some()
    }

    /// Connections that are open, and those under way.
    pub(in crate::load) fn connections(&self) -> (usize, usize) {
        (self.open, self.dialling)
    }

    /// Places whose first answer is awaited.
    pub(in crate::load) fn unready(&self) -> usize {
        self.unready
    }

    /// True if a connection has been open.
    pub(in crate::load) fn reached(&self) -> bool {
        self.reached
    }

    /// Why a connection failed most lately.
    pub(in crate::load) fn failure(&self) -> Option<CloseReason> {
        self.failure
    }

    /// TLS says why a connection ends.
    pub(in crate::load) fn fault(&mut self, what: &str) {
        self.fault.get_or_insert_with(|| what.to_owned());
    }

    /// What TLS said first.
    pub(in crate::load) fn said(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Answers that are awaited.
    pub(in crate::load) fn owed(&self) -> usize {
        self.owed
    }

    /// From now on requests are handed out; the schedule starts.
    pub(in crate::load) fn start(&mut self, now: Moment) {
        self.stage = Stage::Running;
        self.start = now;
        if self.is_fresh() {
            (0..self.terms.active).for_each(|place| self.vacate(place, false, now));
        }
    }

    /// The window begins. What is left of the warm-up is not sent any more: it is not measured, and
    /// in front of what is, it would take the window of a server that cannot keep up.
    pub(in crate::load) fn begin(&mut self) {
        let begin = self.recorder.begin().since(self.start).as_nanos() as u64;
        if let Some(schedule) = &mut self.terms.schedule {
            schedule.skip(begin);
        }
    }

    /// From now on nothing new is handed out, except what is due already, and that for no longer
    /// than `grace`.
    pub(in crate::load) fn end(&mut self, now: Moment, grace: Duration) {
        self.stage = Stage::Ending;
        self.last = now + grace;
        if let Some(schedule) = &mut self.terms.schedule {
            schedule.cut(now.since(self.start).as_nanos() as u64);
        }
    }

    /// When the next request is due; never in a closed loop.
    pub(in crate::load) fn next_due(&self) -> Moment {
        match &self.terms.schedule {
            Some(schedule) if schedule.next() != u64::MAX && self.stage != Stage::Opening => {
                self.start + Duration::from_nanos(schedule.next())
            }
            _ => Moment::NEVER,
        }
    }

    /// Requests that are due and wait.
    pub(in crate::load) fn waiting(&self, now: Moment) -> u64 {
        match &self.terms.schedule {
            Some(schedule) if self.stage != Stage::Opening => {
                schedule.waiting(now.since(self.start).as_nanos() as u64)
            }
            _ => 0,
        }
    }

    /// The place that has been free for longest, and its connection if it has one.
    pub(in crate::load) fn next_free(&mut self) -> Option<(usize, Option<Token>)> {
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
    pub(in crate::load) fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// A place that needs a connection now.
    pub(in crate::load) fn next_vacant(&mut self, now: Moment) -> Option<usize> {
        if matches!(self.stage, Stage::Ending | Stage::Over) {
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
    pub(in crate::load) fn next_dial(&self) -> Moment {
        self.paused.front().map_or(Moment::NEVER, |(moment, _)| *moment)
    }

    /// A connection for `place` is about to be dialled. A fresh one is dialled for a request, which
    /// is drawn here: what the connection takes is part of its latency. Answers whether to dial.
    pub(in crate::load) fn dials(&mut self, index: usize, now: Moment) -> bool {
        let asks = self.is_fresh() && index < self.terms.active;
        if asks && self.draw(index, now).is_none() {
            // A closed loop has none left when it ends.
            if self.is_open_loop() {
                self.vacate(index, false, now);
            }
            return false;
        }
        let Some(place) = self.places.get_mut(index) else { return false };
        place.state = State::Dialling;
        place.dialled = now;
        self.dialling += 1;
        true
    }

    /// The connection of a place, if it is open.
    pub(in crate::load) fn token(&self, place: usize) -> Option<Token> {
        let place = self.places.get(place)?;
        (place.state == State::Open).then_some(place.token)
    }

    /// Places whose oldest answer is overdue, for those whose sessions have no deadline.
    pub(in crate::load) fn overdue(&self, now: Moment) -> Option<usize> {
        (0..self.terms.active).find(|&place| self.deadline(place) <= now)
    }

    /// The connections of places that ask.
    pub(in crate::load) fn active(&self) -> impl Iterator<Item = (usize, Token)> {
        let active = self.places.iter().take(self.terms.active).enumerate();
        active
            .filter(|(_, place)| place.state == State::Open)
            .map(|(index, place)| (index, place.token))
    }

    /// From now on nothing is sent any more. What was due and is not sent is written down with the
    /// time that it has waited: to send it now would count what the server does after the window.
    pub(in crate::load) fn over(&mut self, now: Moment) {
        self.stage = Stage::Over;
        let (start, recorder) = (self.start, &mut self.recorder);
        if let Some(schedule) = &mut self.terms.schedule {
            let elapsed = now.since(start).as_nanos() as u64;
            schedule.abandon(elapsed, GROUPS, |due, count| {
                recorder.unsent(start + Duration::from_nanos(due), count, now);
            });
        }
    }

    /// When [`over`](Self::over) is due; never if it was called already.
    pub(in crate::load) fn last(&self) -> Moment {
        if self.stage == Stage::Ending { self.last } else { Moment::NEVER }
    }

    /// The run is over: what is owed is written down with the time that it has waited, and so is
    /// what was never sent.
    pub(in crate::load) fn close(&mut self, now: Moment) {
        for place in &mut self.places {
            for ticket in place.owed.drain(..) {
                self.recorder.failed(Failed::TimedOut, ticket.timing, now);
            }
        }
        self.owed = 0;
        self.over(now);
    }

    /// Requests that the plan had for `from..to`; nothing in a closed loop.
    pub(in crate::load) fn offered(&self, from: Moment, to: Moment) -> Option<u64> {
        let offset = |moment: Moment| moment.since(self.start).as_nanos() as u64;
        self.terms.schedule.as_ref().map(|schedule| schedule.offered(offset(from), offset(to)))
    }
}
