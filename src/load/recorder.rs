//! What a load writes down, and what comes of it: an [`Outcome`].
//!
//! `desk.rs` tells it of every answer and every failure. It knows the measured window and leaves
//! out what lies before it; times are moments of the caller's clock. A request belongs to the
//! window if it was *meant* to be sent in it, whenever its answer comes: a window that counted
//! answers by their arrival would forget those that a standing server owes at its end.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::load::fairness::Places;
use crate::measure::{Errors, Outcome, Spectrum, Tick};
use crate::time::Moment;

/// Parts of the window, at most.
const TICKS: u64 = 200;
/// No part is shorter: it would hold a few answers and say nothing.
const TICK_MIN: u64 = 10_000_000;
/// The longest time that is told apart, ns: an hour.
const LONGEST: u64 = 3_600_000_000_000;
/// Digits that are kept of a time.
const DIGITS: u8 = 3;

/// When a request was meant to be sent, and when it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timing {
    /// The intended start.
    pub(super) intended: Moment,
    /// The real one; [`Moment::NEVER`] if it was not sent.
    pub(super) sent: Moment,
}

/// Why a request got no right answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// Its connection ended.
    Closed,
    /// It waited too long, or to the end.
    TimedOut,
    /// Its status is not of success.
    Status,
    /// Its answer is not what it should be.
    Wrong,
}

/// How a connection failed to come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unmade {
    /// TCP had connected it, TLS did not.
    pub(super) secure: bool,
    /// It took too long.
    pub(super) waited: bool,
}

/// The measured part of a run.
#[derive(Clone, Copy, Debug)]
struct Window {
    begin: u64,
    end: u64,
    tick: u64,
}

impl Window {
    fn has(&self, moment: Moment) -> bool {
        (self.begin..self.end).contains(&moment.as_nanos())
    }

    #[inline]
    fn tick(&self, moment: Moment) -> usize {
        (moment.as_nanos().saturating_sub(self.begin) / self.tick) as usize
    }
}

/// Histograms, counts and ticks of one run.
pub(super) struct Recorder {
    window: Window,
    /// Service equals latency, and is written down once.
    closed_loop: bool,
    latency: Histogram<u64>,
    service: Histogram<u64>,
    connect: Histogram<u64>,
    handshake: Histogram<u64>,
    late: Histogram<u64>,
    places: Places,
    ticks: Vec<Tick>,
    drawn: u64,
    answered: u64,
    errors: Errors,
    bytes_in: u64,
    bytes_out: u64,
}

impl Recorder {
    /// A recorder of a load on so many places. Nothing is measured before
    /// [`measure`](Self::measure).
    ///
    /// # Errors
    ///
    /// There is no memory for the histograms.
    pub(super) fn new(
        places: usize,
        closed_loop: bool,
    ) -> Result<Self, hdrhistogram::CreationError> {
        let histogram = || Histogram::new_with_bounds(1, LONGEST, DIGITS);
        Ok(Recorder {
            window: Window { begin: u64::MAX, end: u64::MAX, tick: 1 },
            closed_loop,
            latency: histogram()?,
            service: histogram()?,
            connect: histogram()?,
            handshake: histogram()?,
            late: histogram()?,
            places: Places::new(places),
            ticks: Vec::new(),
            drawn: 0,
            answered: 0,
            errors: Errors::default(),
            bytes_in: 0,
            bytes_out: 0,
        })
    }

    /// Sets the window.
    pub(super) fn measure(&mut self, begin: Moment, lasts: Duration) {
        let length = u64::try_from(lasts.as_nanos()).unwrap_or(LONGEST).clamp(1, LONGEST);
        let tick = length.div_ceil(TICKS).max(TICK_MIN);
        let begin = begin.as_nanos();
        self.window = Window { begin, end: begin.saturating_add(length), tick };
        self.ticks = (0..length.div_ceil(tick))
            .map(|part| Tick { at_ms: (part * tick) as f64 / 1e6, ..Tick::default() })
            .collect();
    }

    /// Ends the window early.
    pub(super) fn cut(&mut self, now: Moment) {
        let end = now.as_nanos().clamp(self.window.begin, self.window.end);
        self.window.end = end;
        self.ticks.truncate((end - self.window.begin).div_ceil(self.window.tick) as usize);
    }

    /// True if what happens at `now` belongs to the window.
    #[inline]
    pub(super) fn is_measuring(&self, now: Moment) -> bool {
        self.window.has(now)
    }

    /// The window's end.
    pub(super) fn end(&self) -> Moment {
        Moment::from_nanos(self.window.end)
    }

    /// The window's begin.
    pub(super) fn begin(&self) -> Moment {
        Moment::from_nanos(self.window.begin)
    }

    /// A request that was meant for `intended` is sent; `late` is how long after it could have been,
    /// in an open loop.
    #[inline]
    pub(super) fn drawn(&mut self, intended: Moment, late: Option<Duration>) {
        if self.window.has(intended) {
            self.drawn += 1;
            if let Some(late) = late {
                self.late.saturating_record(late.as_nanos() as u64);
            }
        }
    }

    /// Bytes were sent.
    #[inline]
    pub(super) fn sent(&mut self, bytes: usize, now: Moment) {
        if self.window.has(now) {
            self.bytes_out += bytes as u64;
        }
    }

    /// Bytes came.
    #[inline]
    pub(super) fn received(&mut self, bytes: usize, now: Moment) {
        if self.window.has(now) {
            self.bytes_in += bytes as u64;
        }
    }

    /// A right answer came.
    #[inline]
    pub(super) fn answered(&mut self, place: usize, timing: Timing, now: Moment) {
        if self.window.has(now)
            && let Some(tick) = self.ticks.get_mut(self.window.tick(now))
        {
            tick.answered += 1;
        }
        self.places.served(place);
        if self.window.has(timing.intended) {
            self.answered += 1;
            self.places.record(place, now.since(timing.intended).as_nanos() as u64);
            self.took(timing, now, 1);
        }
    }

    /// A request got no right answer.
    pub(super) fn failed(&mut self, failed: Failed, timing: Timing, now: Moment) {
        let Some(timing) = self.counts(failed == Failed::TimedOut, timing, now) else { return };
        *match failed {
            Failed::Closed => &mut self.errors.closed,
            Failed::TimedOut => &mut self.errors.timed_out,
            Failed::Status => &mut self.errors.status,
            Failed::Wrong => &mut self.errors.wrong,
        } += 1;
        // Leaving out those that waited longest would make the others look good.
        if failed == Failed::TimedOut {
            self.took(timing, now, 1);
        }
    }

    /// So many requests meant for about this moment were never sent.
    pub(super) fn unsent(&mut self, intended: Moment, count: u64, now: Moment) {
        if self.window.has(intended) {
            self.errors.timed_out += count;
            self.took(Timing { intended, sent: Moment::NEVER }, now, count);
        }
    }

    /// A connection that was to stay open did not, without owing an answer.
    pub(super) fn lost(&mut self, now: Moment) {
        if self.window.has(now) {
            self.errors.closed += 1;
        }
    }

    /// A connection beside those that are measured got an answer that is not of success.
    pub(super) fn refused(&mut self, now: Moment) {
        if self.window.has(now) {
            self.errors.status += 1;
        }
    }

    /// Something came that nobody had asked for.
    pub(super) fn surplus(&mut self, now: Moment) {
        if self.window.has(now) {
            self.errors.wrong += 1;
        }
    }

    /// A connection was made.
    pub(super) fn connected(&mut self, took: Duration) {
        self.connect.saturating_record(took.as_nanos() as u64);
    }

    /// A connection could not be made.
    pub(super) fn unmade(&mut self, failed: Unmade) {
        *if failed.secure { &mut self.errors.tls } else { &mut self.errors.connect } += 1;
    }

    /// A connection for a request that was meant for `intended` could not be made.
    pub(super) fn unmade_for(&mut self, failed: Unmade, intended: Moment, now: Moment) {
        let timing = Timing { intended, sent: Moment::NEVER };
        if let Some(timing) = self.counts(failed.waited, timing, now) {
            self.unmade(failed);
            if failed.waited {
                self.took(timing, now, 1);
            }
        }
    }

    /// The times with which a failed request counts, if it does. One that was meant before the window
    /// and still waited in it was nobody's otherwise: it waits from the window's begin.
    fn counts(&self, waited: bool, timing: Timing, now: Moment) -> Option<Timing> {
        let begin = self.begin();
        if waited && timing.intended < begin && begin <= now {
            return Some(Timing { intended: begin, sent: timing.sent.max(begin) });
        }
        self.window.has(timing.intended).then_some(timing)
    }

    /// A TLS handshake was done.
    pub(super) fn shaken(&mut self, took: Duration) {
        self.handshake.saturating_record(took.as_nanos() as u64);
    }

    #[inline]
    fn took(&mut self, timing: Timing, now: Moment, count: u64) {
        let latency = now.since(timing.intended).as_nanos() as u64;
        if count == 1 {
            self.latency.saturating_record(latency);
        } else {
            self.latency.saturating_record_n(latency, count);
        }
        if let Some(tick) = self.ticks.get_mut(self.window.tick(timing.intended)) {
            tick.latency_max = tick.latency_max.max(latency);
        }
        if timing.sent.is_never() {
            return;
        }
        let service = now.since(timing.sent).as_nanos() as u64;
        if !self.closed_loop {
            self.service.saturating_record(service);
        }
        if let Some(tick) = self.ticks.get_mut(self.window.tick(timing.sent)) {
            tick.service_max = tick.service_max.max(service);
        }
    }

    /// Answers and errors until now, for whoever watches.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.answered, self.errors.total())
    }

    /// All of it. `offered` is what an open loop had planned for the window; whoever calls fills in
    /// what was asked and what the client spent.
    pub(super) fn outcome(&self, offered: Option<u64>) -> Outcome {
        let Window { begin, end, .. } = self.window;
        let latency = spectrum(&self.latency);
        let mut fairness = self.places.fairness();
        // Too few to go round are nobody's fault.
        if let Some(fairness) = &mut fairness
            && offered.is_some_and(|offered| offered < 2 * self.places.count() as u64)
        {
            fairness.unserved = 0;
        }
        Outcome {
            seconds: (end.saturating_sub(begin)) as f64 / 1e9,
            offered: offered.unwrap_or(self.drawn),
            answered: self.answered,
            errors: self.errors,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            service: if self.closed_loop { latency.clone() } else { spectrum(&self.service) },
            latency,
            connect: spectrum(&self.connect),
            handshake: spectrum(&self.handshake),
            late: spectrum(&self.late),
            fairness,
            ticks: self.ticks.clone(),
            ..Outcome::default()
        }
    }
}

fn spectrum(histogram: &Histogram<u64>) -> Spectrum {
    if histogram.is_empty() {
        return Spectrum::default();
    }
    Spectrum {
        count: histogram.len(),
        mean: histogram.mean(),
        min: histogram.min(),
        p50: histogram.value_at_quantile(0.5),
        p90: histogram.value_at_quantile(0.9),
        p99: histogram.value_at_quantile(0.99),
        p999: histogram.value_at_quantile(0.999),
        max: histogram.max(),
        buckets: histogram
            .iter_recorded()
            .map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value()))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    fn recorder(closed_loop: bool) -> Recorder {
        let mut recorder = Recorder::new(2, closed_loop).unwrap();
        recorder.measure(at(1000), Duration::from_secs(2));
        recorder
    }

    #[test]
    fn only_what_was_meant_for_the_window_counts() {
        let mut recorder = recorder(true);
        for (intended, answered) in [(999, 1001), (1000, 1004), (2999, 3500), (3000, 3001)] {
            let timing = Timing { intended: at(intended), sent: at(intended) };
            recorder.drawn(timing.intended, None);
            recorder.sent(10, timing.sent);
            recorder.received(100, at(answered));
            recorder.answered(0, timing, at(answered));
        }
        let outcome = recorder.outcome(None);
        assert_eq!((outcome.offered, outcome.answered), (2, 2));
        assert_eq!((outcome.bytes_out, outcome.bytes_in), (20, 200));
        assert_eq!(outcome.latency.count, 2);
        assert_eq!(outcome.service, outcome.latency);
        assert!((outcome.latency.max as f64 / 501e6 - 1.0).abs() < 1e-3);
        assert_eq!(outcome.latency.buckets.iter().map(|(_, count)| count).sum::<u64>(), 2);
        assert_eq!(outcome.ticks.len(), 200);
        assert_eq!(outcome.ticks.iter().map(|tick| tick.answered).sum::<u64>(), 2);
        assert_eq!(outcome.seconds, 2.0);
    }

    #[test]
    fn what_is_never_answered_stays_in_the_latency() {
        let mut recorder = recorder(false);
        let timing = Timing { intended: at(1500), sent: at(1600) };
        recorder.failed(Failed::TimedOut, timing, at(4000));
        recorder.failed(Failed::Status, timing, at(1601));
        recorder.failed(Failed::Wrong, timing, at(1601));
        recorder.failed(Failed::Closed, timing, at(1601));
        recorder.unsent(at(2000), 7, at(4000));
        recorder.failed(Failed::Closed, Timing { intended: at(10), sent: at(10) }, at(1601));
        let outcome = recorder.outcome(Some(30));
        assert_eq!(outcome.offered, 30);
        let errors = outcome.errors;
        assert_eq!((errors.timed_out, errors.status, errors.wrong, errors.closed), (8, 1, 1, 1));
        assert_eq!((outcome.latency.count, outcome.service.count), (8, 1));
        assert!(outcome.latency.max.abs_diff(2_500_000_000) < 3_000_000);
        assert!(outcome.service.max.abs_diff(2_400_000_000) < 3_000_000);
        let worst = outcome.ticks.iter().max_by_key(|tick| tick.latency_max).unwrap();
        assert_eq!(worst.at_ms, 500.0);
    }

    #[test]
    fn what_hangs_from_the_warm_up_on_is_told() {
        let mut recorder = recorder(false);
        let timing = Timing { intended: at(500), sent: at(600) };
        // It ended before the window, or did not hang.
        recorder.failed(Failed::TimedOut, timing, at(999));
        recorder.failed(Failed::Closed, timing, at(1500));
        assert_eq!(recorder.outcome(None).errors.total(), 0);
        recorder.failed(Failed::TimedOut, timing, at(4000));
        recorder.unmade_for(Unmade { secure: false, waited: true }, at(900), at(3000));
        let outcome = recorder.outcome(None);
        assert_eq!((outcome.errors.timed_out, outcome.errors.connect), (1, 1));
        assert_eq!((outcome.latency.count, outcome.service.count), (2, 1));
        // What counts is what it waited since the window's begin.
        assert!(outcome.latency.max.abs_diff(3_000_000_000) < 3_000_000);
        assert!(outcome.service.max.abs_diff(3_000_000_000) < 3_000_000);
        assert_eq!(outcome.ticks[0].latency_max, 3_000_000_000);
    }

    #[test]
    fn who_was_served_before_the_window_was_served() {
        let mut recorder = Recorder::new(3, false).unwrap();
        recorder.measure(at(1000), Duration::from_secs(2));
        for (place, intended) in [(0, 1500), (1, 500)] {
            let timing = Timing { intended: at(intended), sent: at(intended) };
            recorder.answered(place, timing, at(intended + 1));
        }
        let unserved = |offered| recorder.outcome(offered).fairness.unwrap().unserved;
        assert_eq!((unserved(None), unserved(Some(6)), unserved(Some(5))), (1, 1, 0));
    }

    #[test]
    fn a_window_that_is_cut_short_is_shorter() {
        let mut recorder = recorder(true);
        recorder.cut(at(1505));
        let outcome = recorder.outcome(None);
        assert_eq!((outcome.seconds, outcome.ticks.len()), (0.505, 51));
        assert_eq!(outcome.latency, Spectrum::default());
        recorder.cut(at(10));
        assert_eq!(recorder.outcome(None).seconds, 0.0);
    }
}
