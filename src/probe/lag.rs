//! The [`Lag`] of a loop: how late it would be for somebody who comes at an arbitrary moment.

use super::Spread;
use crate::time::Moment;

/// What a ticker would see that asks the loop for its attention each millisecond.
///
/// A loop that only measures when it looks reports a stall of 200 ms once, beside thousands of quick
/// turns, although everybody who came in those 200 ms waited: 200 ticks were swallowed, the first of
/// which was 200 ms late and the last one. They are counted here without a timer: from when the loop
/// waited and when it worked it follows which ticks fell where.
#[derive(Clone, Debug, Default)]
pub struct Lag {
    /// Ticks by how long they had to wait.
    pub spread: Spread,
    /// How far they are counted.
    until: u64,
}

/// Nanoseconds between two ticks.
const TICK: u64 = 1_000_000;

impl Lag {
    /// The loop worked until `began`, and waited from then to `ended`.
    #[inline]
    pub fn waited(&mut self, began: Moment, ended: Moment) {
        let (began, ended) = (began.as_nanos(), ended.as_nanos());
        if self.until == 0 {
            // What came before the first wait nobody has waited for.
            self.until = began.max(1);
        }
        if ended / TICK != self.until / TICK {
            self.count(began, ended);
        }
        self.until = self.until.max(ended);
    }

    /// A tick fell between the last look and this one.
    #[cold]
    fn count(&mut self, began: u64, ended: u64) {
        // The ticks at `first`, `first + TICK`, … up to `began` waited for its end.
        let first = (self.until / TICK + 1) * TICK;
        let mut late = 0;
        if first <= began {
            let longest = began - first;
            late = longest / TICK + 1;
            self.swallowed(longest % TICK, longest, late);
        }
        let all = (ended / TICK).saturating_sub(self.until / TICK);
        self.spread.record_many(0, all.saturating_sub(late));
    }

    /// `count` ticks that waited from `shortest` to `longest`, one more `TICK` each.
    fn swallowed(&mut self, shortest: u64, longest: u64, count: u64) {
        let (mut at, mut left) = (shortest, count);
        while left > 0 && at <= longest {
            // All that belong to the same power of two at once.
            let bits = u64::BITS - at.leading_zeros();
            let bound = if bits >= 63 { u64::MAX } else { 1 << bits };
            let here = ((bound - at).div_ceil(TICK)).clamp(1, left);
            self.spread.record_many(at, here);
            // Each of them waited for one more than the one before.
            self.spread.add(TICK.saturating_mul(here.saturating_mul(here - 1) / 2));
            at += here * TICK;
            left -= here;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(micros: u64) -> Moment {
        Moment::from_nanos(micros * 1000)
    }

    /// One tick after the other, as a ticker would.
    fn plainly(busy: &[(u64, u64)], end: u64) -> Spread {
        let mut spread = Spread::default();
        for tick in (1000..=end).step_by(1000) {
            let held = busy.iter().find(|(from, until)| *from < tick && tick <= *until);
            let late = held.map_or(0, |(_, until)| until - tick);
            spread.record(Duration::from_micros(late));
        }
        spread
    }

    #[test]
    fn a_stall_swallows_a_tick_for_each_of_its_milliseconds() {
        let mut lag = Lag::default();
        lag.waited(at(0), at(500));
        lag.waited(at(200_700), at(300_000));
        assert_eq!(lag.spread, plainly(&[(500, 200_700)], 300_000));
        assert_eq!(lag.spread.count(), 300);
        assert!(lag.spread.at_most(0.5) > Duration::from_millis(50));
    }

    #[test]
    fn quick_turns_count_what_they_cover_and_nothing_twice() {
        let (mut lag, mut busy) = (Lag::default(), Vec::new());
        let mut now = 0;
        for turn in 0..10_000u64 {
            let until = now + 37 + turn % 11;
            busy.push((now, until));
            now = until + 13 * (turn % 3);
            lag.waited(at(until), at(now));
        }
        assert_eq!(lag.spread, plainly(&busy, now));
    }
}
