//! A [`Spread`]: how long things took, counted by powers of two.

use std::time::Duration;

/// A distribution of times, coarse and cheap: `0[i]` counts those below 2^i ns and not below half of
/// that. Their sum is known too, for means and shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread(pub [u64; Spread::BUCKETS], u64);

impl Spread {
    /// The last one takes everything from four and a half minutes on.
    pub const BUCKETS: usize = 40;

    /// Counts one.
    #[inline]
    pub fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.record_many(nanos, 1);
    }

    /// Counts `count` times of `nanos` ns.
    #[inline]
    pub fn record_many(&mut self, nanos: u64, count: u64) {
        let bits = (u64::BITS - nanos.leading_zeros()) as usize;
        if let Some(slot) = self.0.get_mut(bits.min(Spread::BUCKETS - 1)) {
            *slot += count;
        }
        self.add(nanos.saturating_mul(count));
    }

    /// Adds to the sum and counts nothing.
    #[inline]
    pub(super) fn add(&mut self, nanos: u64) {
        self.1 = self.1.saturating_add(nanos);
    }

    /// The sum of all.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.1)
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The bound below which `share` (0 to 1) of them are: at most twice too high. Zero if there are
    /// none.
    pub fn at_most(&self, share: f64) -> Duration {
        let wanted = (self.count() as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bits, count) in self.0.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return Duration::from_nanos(1 << bits);
            }
        }
        Duration::ZERO
    }
}

impl Default for Spread {
    fn default() -> Self {
        Spread([0; Spread::BUCKETS], 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_counts_by_powers_of_two_and_loses_nothing() {
        let mut spread = Spread::default();
        for nanos in [0, 1, 2, 3, 4, 1023, 1024, u64::MAX] {
            spread.record(Duration::from_nanos(nanos));
        }
        assert_eq!(spread.0[..4], [1, 1, 2, 1]);
        assert_eq!((spread.0[10], spread.0[11], spread.0[39]), (1, 1, 1));
        assert_eq!((spread.count(), spread.sum()), (8, Duration::from_nanos(u64::MAX)));
    }

    #[test]
    fn a_share_is_below_its_bound() {
        let mut spread = Spread::default();
        assert_eq!(spread.at_most(0.5), Duration::ZERO);
        spread.record_many(1_000, 99);
        spread.record_many(1_000_000, 1);
        assert_eq!(spread.sum(), Duration::from_nanos(1_099_000));
        assert_eq!(spread.at_most(0.99), Duration::from_nanos(1024));
        assert_eq!(spread.at_most(1.0), Duration::from_nanos(1 << 20));
    }
}
