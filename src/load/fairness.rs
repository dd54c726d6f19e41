//! How evenly connections are served: answers and their times for each connection, in a few hundred
//! bytes each.
//!
//! `recorder.rs` keeps one and asks it at the end. It knows places, not sockets: a connection that
//! was made anew counts on in its place.

use crate::measure::Fairness;

/// Buckets of a place: four to an octave, from 1 µs to more than an hour.
const BUCKETS: usize = 128;
/// Octaves below which times are not told apart: 2^10 ns.
const FLOOR: u32 = 10;

/// Times of the answers in each place, to a quarter of an octave.
#[derive(Clone, Debug)]
pub(super) struct Places {
    counts: Vec<u32>,
    /// Whether a place was ever answered, before the window too.
    served: Vec<bool>,
}

impl Places {
    /// Nothing yet, in so many places.
    pub(super) fn new(places: usize) -> Self {
        Places { counts: vec![0; places * BUCKETS], served: vec![false; places] }
    }

    /// An answer in `place`, measured or not.
    #[inline]
    pub(super) fn served(&mut self, place: usize) {
        if let Some(served) = self.served.get_mut(place) {
            *served = true;
        }
    }

    /// A measured answer in `place` that took `nanos`. A place that is not there is ignored.
    #[inline]
    pub(super) fn record(&mut self, place: usize, nanos: u64) {
        if let Some(count) = self.counts.get_mut(place * BUCKETS + bucket(nanos)) {
            *count = count.saturating_add(1);
        }
    }

    /// How many places there are.
    pub(super) fn count(&self) -> usize {
        self.served.len()
    }

    /// What it comes to; nothing for fewer than two places.
    pub(super) fn fairness(&self) -> Option<Fairness> {
        let places: Vec<&[u32]> = self.counts.chunks(BUCKETS).collect();
        if places.len() < 2 {
            return None;
        }
        let totals: Vec<u64> = places.iter().map(|counts| total(counts)).collect();
        let mut p99: Vec<u64> = places
            .iter()
            .zip(&totals)
            .filter(|(_, total)| **total > 0)
            .map(|(counts, total)| percentile(counts, *total))
            .collect();
        p99.sort_unstable();
        Some(Fairness {
            jain: jain(&totals),
            unserved: self.served.iter().filter(|served| !**served).count() as u64,
            p99_min: p99.first().copied().unwrap_or(0),
            p99_median: p99.get(p99.len() / 2).copied().unwrap_or(0),
            p99_max: p99.last().copied().unwrap_or(0),
        })
    }
}

fn total(counts: &[u32]) -> u64 {
    counts.iter().map(|&count| u64::from(count)).sum()
}

/// Jain's index: the square of the sum over n times the sum of squares.
fn jain(totals: &[u64]) -> f64 {
    let sum: f64 = totals.iter().map(|&total| total as f64).sum();
    let squares: f64 = totals.iter().map(|&total| (total as f64).powi(2)).sum();
    if squares > 0.0 { sum * sum / (totals.len() as f64 * squares) } else { 0.0 }
}

/// The end of the bucket in which the 99th percentile lies, ns.
fn percentile(counts: &[u32], total: u64) -> u64 {
    let rank = (total * 99).div_ceil(100);
    let mut seen = 0;
    let found = counts.iter().position(|&count| {
        seen += u64::from(count);
        seen >= rank
    });
    found.map_or(0, end)
}

/// The leading bit gives the octave, the two below it the quarter.
#[inline]
fn bucket(nanos: u64) -> usize {
    let nanos = nanos.max(1 << FLOOR);
    let octave = 63 - nanos.leading_zeros();
    let quarter = (nanos >> (octave - 2)) & 3;
    (((octave - FLOOR) * 4) as usize + quarter as usize).min(BUCKETS - 1)
}

/// The first time beyond a bucket, ns.
fn end(bucket: usize) -> u64 {
    let (octave, quarter) = (bucket / 4, bucket as u64 % 4);
    (5 + quarter) << (octave + FLOOR as usize - 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_they_say() {
        let mut last = 0;
        for nanos in (0..42).flat_map(|bits| (0..8).map(move |part| (8 + part) << bits)) {
            let bucket = bucket(nanos);
            assert!(bucket >= last || nanos < 1 << FLOOR, "{nanos}");
            if bucket < BUCKETS - 1 && nanos >= 1 << FLOOR {
                assert!(nanos < end(bucket), "{nanos} in {bucket}");
                assert!(nanos * 5 >= end(bucket) * 4 - 4, "{nanos} in {bucket}");
            }
            last = bucket;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn even_service_is_one_and_all_to_one_is_a_share() {
        let mut even = Places::new(4);
        let mut odd = Places::new(4);
        for answer in 0..400 {
            even.served(answer % 4);
            even.record(answer % 4, 50_000);
            odd.served(0);
            odd.record(0, 50_000);
        }
        let (even, odd) = (even.fairness().unwrap(), odd.fairness().unwrap());
        assert!((even.jain - 1.0).abs() < 1e-9 && (odd.jain - 0.25).abs() < 1e-9);
        assert_eq!((even.unserved, odd.unserved), (0, 3));
        assert!(even.p99_min == even.p99_max && even.p99_max > 50_000);
    }

    #[test]
    fn a_slow_place_shows_in_its_percentile() {
        let mut places = Places::new(3);
        for answer in 0..300 {
            places.record(answer % 3, if answer % 3 == 2 { 10_000_000 } else { 100_000 });
        }
        let fairness = places.fairness().unwrap();
        assert!(fairness.p99_max > 10_000_000 && fairness.p99_median < 130_000);
        assert!(Places::new(1).fairness().is_none());
        assert_eq!(Places::new(2).fairness().unwrap().jain, 0.0);
    }
}
