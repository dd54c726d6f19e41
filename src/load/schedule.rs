//! The plan of an open loop: when each request is due, whoever is free or not.
//!
//! `desk.rs` asks it. Request *i* of a phase with rate *R* is due *i / R* after the phase's start,
//! whatever the server does: that is what makes the loop open. What is due and not yet taken is a
//! queue of which only two counters are kept, so a server that stands still for an hour costs no
//! memory. It reads no clock: times are offsets from the schedule's start.

use std::time::Duration;

/// A part of a schedule with one rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phase {
    /// Requests per second; zero is a pause.
    pub rate: f64,
    /// How long it lasts.
    pub lasts: Duration,
}

/// A phase and what came before it.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// Requests of earlier phases.
    before: u64,
    /// Its requests.
    count: u64,
    /// When it starts, ns.
    start: u64,
    /// When it ends, ns.
    end: u64,
    /// Between two of its requests, ns.
    gap: f64,
}

/// When requests are due, and how many of them were taken.
#[derive(Clone, Debug)]
pub struct Schedule {
    spans: Vec<Span>,
    /// The span of the next request.
    at: usize,
    taken: u64,
    /// When the next request is due, ns; `u64::MAX` after the last.
    next: u64,
}

impl Schedule {
    /// A schedule of these phases, one after the other.
    pub fn new(phases: &[Phase]) -> Self {
        let (mut before, mut start) = (0, 0);
        let mut spans = Vec::with_capacity(phases.len());
        for phase in phases {
            let lasts = nanos(phase.lasts);
            let gap = if phase.rate > 0.0 { 1e9 / phase.rate } else { f64::INFINITY };
            let count = if gap.is_finite() { (lasts as f64 / gap).ceil() as u64 } else { 0 };
            let mut span = Span { before, count, start, end: start + lasts, gap };
            // What rounding puts at the end belongs to the next phase.
            while span.count > 0 && span.moment(span.count - 1) >= span.end {
                span.count -= 1;
            }
            before += span.count;
            spans.push(span);
            start += lasts;
        }
        let mut schedule = Schedule { spans, at: 0, taken: 0, next: u64::MAX };
        schedule.advance();
        schedule
    }

    /// When the next request is due, ns from the start; `u64::MAX` when none is left.
    #[inline]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Takes the next request if it is due at `now`: the moment that it was meant for.
    #[inline]
    pub fn take(&mut self, now: u64) -> Option<u64> {
        let due = self.next;
        if due > now || due == u64::MAX {
            return None;
        }
        self.taken += 1;
        self.advance();
        Some(due)
    }

    /// Requests that are due at `now` and wait.
    pub fn waiting(&self, now: u64) -> u64 {
        let due: u64 = self.spans.iter().map(|span| span.due(now)).sum();
        due.saturating_sub(self.taken)
    }

    /// Forgets what was due before `from` and was not taken.
    pub fn skip(&mut self, from: u64) {
        self.taken = self.taken.max(self.offered(0, from));
        self.advance();
    }

    /// Plans nothing after `end`.
    pub fn cut(&mut self, end: u64) {
        for span in &mut self.spans {
            span.count = span.due(end);
        }
        self.advance();
    }

    /// Gives up what is left of the schedule from `now` on, and all that is due: calls `each` with
    /// the moments for which they were meant, in at most `groups` groups of about equal moments, and
    /// how many there are in each.
    pub fn abandon(&mut self, now: u64, groups: u64, mut each: impl FnMut(u64, u64)) {
        let waiting = self.waiting(now);
        let size = waiting.div_ceil(groups.max(1)).max(1);
        let mut left = waiting;
        while left > 0 {
            let count = size.min(left);
            each(self.next, count);
            left -= count;
            self.taken += count;
            self.advance();
        }
        self.next = u64::MAX;
    }

    /// Requests in all that are due in `from..to`.
    pub fn offered(&self, from: u64, to: u64) -> u64 {
        let before = |moment: u64| -> u64 {
            self.spans
                .iter()
                .map(|span| moment.checked_sub(1).map_or(0, |last| span.due(last)))
                .sum()
        };
        before(to).saturating_sub(before(from))
    }

    /// The length of all phases together.
    pub fn length(&self) -> Duration {
        Duration::from_nanos(self.spans.last().map_or(0, |span| span.end))
    }

    fn advance(&mut self) {
        while let Some(span) = self.spans.get(self.at) {
            let index = self.taken.saturating_sub(span.before);
            if index < span.count {
                self.next = span.moment(index);
                return;
            }
            self.at += 1;
        }
        self.next = u64::MAX;
    }
}

impl Span {
    /// When its request `index` is due, ns.
    fn moment(&self, index: u64) -> u64 {
        // A product and not a sum of gaps, so that no error adds up.
        self.start + (index as f64 * self.gap) as u64
    }

    /// How many of its requests are due at `now`.
    fn due(&self, now: u64) -> u64 {
        if now < self.start || self.count == 0 {
            return 0;
        }
        let guess = ((now - self.start) as f64 / self.gap) as u64;
        // Rounding may put it one beside the truth, which `moment` defines.
        let mut due = guess.saturating_sub(1).min(self.count);
        while due < self.count && self.moment(due) <= now {
            due += 1;
        }
        due
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phases(list: &[(f64, u64)]) -> Schedule {
        let phases: Vec<Phase> = list
            .iter()
            .map(|&(rate, ms)| Phase { rate, lasts: Duration::from_millis(ms) })
            .collect();
        Schedule::new(&phases)
    }

    #[test]
    fn requests_are_due_at_even_distances() {
        let mut schedule = phases(&[(1000.0, 5)]);
        let due: Vec<u64> = std::iter::from_fn(|| schedule.take(u64::MAX - 1)).collect();
        assert_eq!(due, [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000]);
        assert_eq!(schedule.next(), u64::MAX);
        assert_eq!(schedule.take(u64::MAX), None);
    }

    #[test]
    fn phases_follow_each_other_and_pauses_have_no_requests() {
        let mut schedule = phases(&[(1000.0, 2), (0.0, 10), (500.0, 4)]);
        assert_eq!(schedule.length(), Duration::from_millis(16));
        assert_eq!(schedule.offered(0, 16_000_000), 4);
        assert_eq!(schedule.offered(0, 2_000_000), 2);
        assert_eq!(schedule.offered(12_000_000, 16_000_000), 2);
        let due: Vec<u64> = std::iter::from_fn(|| schedule.take(u64::MAX - 1)).collect();
        assert_eq!(due, [0, 1_000_000, 12_000_000, 14_000_000]);
    }

    #[test]
    fn nothing_is_taken_early_and_what_is_late_keeps_its_moment() {
        let mut schedule = phases(&[(1000.0, 1000)]);
        assert_eq!(schedule.take(0), Some(0));
        assert_eq!(schedule.take(999_999), None);
        assert_eq!(schedule.take(5_500_000), Some(1_000_000));
        assert_eq!(schedule.waiting(5_500_000), 4);
        assert_eq!(schedule.waiting(5_999_999), 4);
        assert_eq!(schedule.waiting(6_000_000), 5);
    }

    #[test]
    fn odd_rates_lose_nothing() {
        for rate in [0.3, 3.0, 7.0, 333.3, 99_999.9] {
            let mut schedule = phases(&[(rate, 10_000)]);
            let all = schedule.offered(0, 10_000_000_000);
            assert_eq!(all, (rate * 10.0).ceil() as u64, "{rate}");
            for taken in 0..all {
                let due = schedule.next();
                assert_eq!(schedule.waiting(due), 1, "{rate}: {taken}");
                assert_eq!(schedule.take(due), Some(due));
            }
            assert_eq!(schedule.take(u64::MAX - 1), None);
        }
    }

    #[test]
    fn what_is_skipped_is_not_due_any_more() {
        let mut schedule = phases(&[(1000.0, 5), (1000.0, 5)]);
        assert_eq!(schedule.take(5_500_000), Some(0));
        schedule.skip(5_000_000);
        assert_eq!((schedule.next(), schedule.waiting(5_500_000)), (5_000_000, 1));
        schedule.skip(1_000_000);
        assert_eq!(schedule.take(5_500_000), Some(5_000_000));
    }

    #[test]
    fn a_schedule_that_is_cut_ends_there() {
        let mut schedule = phases(&[(1000.0, 5), (1000.0, 5)]);
        assert_eq!(schedule.take(9_000_000), Some(0));
        schedule.cut(2_000_000);
        assert_eq!(schedule.waiting(9_000_000), 2);
        let due: Vec<u64> = std::iter::from_fn(|| schedule.take(u64::MAX - 1)).collect();
        assert_eq!(due, [1_000_000, 2_000_000]);
    }

    #[test]
    fn what_is_given_up_is_counted_in_groups() {
        let mut schedule = phases(&[(1000.0, 1000), (2000.0, 1000)]);
        for _ in 0..100 {
            assert!(schedule.take(2_000_000_000).is_some());
        }
        let mut seen = Vec::new();
        schedule.abandon(1_500_000_000, 7, |moment, count| seen.push((moment, count)));
        assert!(seen.len() <= 7);
        assert_eq!(seen.iter().map(|(_, count)| count).sum::<u64>(), 900 + 1001);
        assert_eq!(seen.first().map(|(moment, _)| *moment), Some(100_000_000));
        assert!(seen.is_sorted());
        assert_eq!(schedule.next(), u64::MAX);
    }
}
