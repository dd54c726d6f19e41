//! An axis of a plot: its range, its ticks, and where a value lies on it.
//!
//! Built from the data by `charts`, handed to plotters by `plot`. The ticks are chosen here, not by
//! plotters: 1 µs, 10 µs, 1 ms; 1k, 10k; or the very places where something was measured.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use super::quantity::Unit;

/// How distances on an axis grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Equal steps are equal distances.
    Linear,
    /// Equal ratios are equal distances. A zero has a place of its own below the smallest value.
    Log,
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    /// What it counts.
    pub(super) title: String,
    scale: Scale,
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
}

/// Two ticks on an axis of places are at least so far apart, as a share of it.
const APART: f64 = 0.085;

impl Axis {
    /// An axis that holds all values, with round ticks. A linear one begins at zero.
    pub(super) fn fit(
        title: &str,
        scale: Scale,
        unit: Unit,
        values: impl IntoIterator<Item = f64>,
    ) -> Self {
        let usable = |value: &f64| value.is_finite() && (scale == Scale::Linear || *value > 0.0);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(usable) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        let ticks = match scale {
            Scale::Linear => linear_ticks(low.min(0.0), high.max(0.0), unit),
            Scale::Log => log_ticks(low, high, unit),
        };
        let (low, high) = match (scale, ticks.first(), ticks.last()) {
            (Scale::Linear, Some(first), Some(last)) => (*first, *last),
            (_, Some(first), Some(last)) => (first.min(low), last.max(high)),
            _ => (low, high),
        };
        let ticks = ticks.into_iter().map(|tick| (tick, unit.tick(tick))).collect();
        Self { title: title.into(), scale, low, high, ticks }
    }

    /// An axis whose ticks are the places where something was measured, or as many of them as there
    /// is room for; `mark` says what they are called.
    pub(super) fn places(
        title: &str,
        scale: Scale,
        places: &[f64],
        mark: impl Fn(f64) -> String,
    ) -> Self {
        let mut sorted: Vec<f64> = places.iter().copied().filter(|x| x.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        let (low, high) = match (sorted.first(), sorted.last()) {
            (Some(low), Some(high)) if low < high => (*low, *high),
            (Some(only), _) => (only * 0.5, only.max(0.5) * 2.0),
            _ => (1.0, 10.0),
        };
        // A logarithm has no zero: it takes the place of a third of the smallest.
        let smallest = sorted.iter().copied().find(|x| *x > 0.0).unwrap_or(1.0);
        let low = if scale == Scale::Log && low <= 0.0 { smallest / 3.0 } else { low };
        let mut axis = Self { title: title.into(), scale, low, high, ticks: Vec::new() };
        let (mut kept, mut shares): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
        // From the end, so that the largest load keeps its name.
        for place in sorted.into_iter().rev() {
            let share = axis.share(place);
            if shares.last().is_none_or(|last| last - share >= APART) {
                kept.push(place);
                shares.push(share);
            }
        }
        axis.ticks = kept.into_iter().rev().map(|place| (place, mark(place))).collect();
        axis
    }

    /// The axis of percentile curves: 1/(1 − p), which gives each further nine the same room.
    pub(super) fn nines(largest: f64) -> Self {
        let names = ["0", "90", "99", "99.9", "99.99", "99.999", "99.9999"];
        let decades = largest.max(10.0).log10().ceil().clamp(1.0, 6.0) as usize;
        let ticks = names.iter().take(decades + 1).enumerate();
        let ticks = ticks.map(|(nines, name)| (10_f64.powi(nines as i32), (*name).into()));
        Self {
            title: "requests that were at least so fast, %".into(),
            scale: Scale::Log,
            low: 1.0,
            high: 10_f64.powi(decades as i32),
            ticks: ticks.collect(),
        }
    }

    /// Where a value lies, from 0 to 1; what is beyond an end lies at it.
    pub(super) fn share(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => {
                let value = value.max(self.low);
                (value / self.low).ln() / (self.high / self.low).ln()
            }
        };
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// What to write at a tick.
    pub(super) fn label(&self, tick: f64) -> String {
        let found = self.ticks.iter().find(|(value, _)| *value == tick);
        found.map(|(_, label)| label.clone()).unwrap_or_default()
    }
}

/// 1, 2 or 5 times a power of ten; bytes are counted in powers of two.
fn round_step(rough: f64, unit: Unit) -> f64 {
    if unit == Unit::Bytes {
        return 2_f64.powf(rough.log2().ceil());
    }
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * 0.999);
    factor.unwrap_or(10.0) * power
}

fn linear_ticks(low: f64, high: f64, unit: Unit) -> Vec<f64> {
    let high = if high > low { high } else { low + 1.0 };
    let step = round_step((high - low) / 5.0, unit);
    let (first, last) = ((low / step).floor(), (high / step).ceil());
    let steps = (last - first).clamp(1.0, 20.0) as i32;
    (0..=steps).map(|n| (first + f64::from(n)) * step).collect()
}

/// Powers of ten, and some times them where there are few; of bytes, powers of two.
fn log_ticks(low: f64, high: f64, unit: Unit) -> Vec<f64> {
    let all = if unit == Unit::Bytes { binary(low, high) } else { decimal(low, high) };
    // One tick at or beyond each end, so that nothing lies outside the ticks, and two at least.
    let from = all.iter().rposition(|tick| *tick <= low * 1.001).unwrap_or(0);
    let to = all.iter().position(|tick| *tick >= high * 0.999).unwrap_or(all.len());
    let to = to.max(from + 1);
    all.get(from..all.len().min(to + 1)).unwrap_or_default().to_vec()
}

fn decimal(low: f64, high: f64) -> Vec<f64> {
    let factors: &[f64] = match (high / low).log10() {
        span if span < 1.0 => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
        span if span < 2.2 => &[1.0, 2.0, 5.0],
        span if span < 3.5 => &[1.0, 3.0],
        _ => &[1.0],
    };
    let (first, last) = (low.log10().floor() as i32 - 1, high.log10().ceil() as i32 + 1);
    let powers = (first..=last).map(|power| 10_f64.powi(power));
    powers.flat_map(|power| factors.iter().map(move |factor| factor * power)).collect()
}

fn binary(low: f64, high: f64) -> Vec<f64> {
    let apart = match (high / low).log2() {
        span if span < 6.0 => 1,
        span if span < 12.0 => 2,
        _ => 5,
    };
    let (first, last) = (low.log2().floor() as i32 - apart, high.log2().ceil() as i32 + apart);
    let powers = (first..=last).filter(|power| power.rem_euclid(apart) == 0);
    powers.map(|power| 2_f64.powi(power)).collect()
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (f64::from(to - from) * self.share(*value)).round() as i32
    }

    /// The ticks, for the bold lines of a mesh; there are no light ones.
    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        match hint.weight().allow_light_points() {
            true => Vec::new(),
            false => self.ticks.iter().map(|(tick, _)| *tick).collect(),
        }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.label(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round() {
        let time = Axis::fit("", Scale::Log, Unit::Nanoseconds, [40_000.0, 900_000_000.0]);
        assert_eq!(labels(&time), ["10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s"]);
        let rate = Axis::fit("", Scale::Linear, Unit::PerSecond, [18_000.0, 230_000.0]);
        assert_eq!(labels(&rate), ["0", "50k", "100k", "150k", "200k", "250k"]);
        let narrow = Axis::fit("", Scale::Log, Unit::Nanoseconds, [120e3, 170e3]);
        assert_eq!(labels(&narrow), ["100 µs", "150 µs", "200 µs"]);
        let bytes = Axis::fit("", Scale::Log, Unit::Bytes, [1_800.0, 17_000.0]);
        assert_eq!(labels(&bytes), ["1 KiB", "2 KiB", "4 KiB", "8 KiB", "16 KiB", "32 KiB"]);
        let bytes = Axis::fit("", Scale::Linear, Unit::Bytes, [9_000.0]);
        assert_eq!(labels(&bytes), ["0", "2 KiB", "4 KiB", "6 KiB", "8 KiB", "10 KiB"]);
    }

    #[test]
    fn nothing_lies_outside() {
        for (low, high) in [(1.0, 1.0), (3.0, 1_000.0), (0.02, 0.04), (5.0, 6.0), (7e8, 9e8)] {
            for scale in [Scale::Log, Scale::Linear] {
                let axis = Axis::fit("", scale, Unit::Count, [low, high]);
                assert!(axis.low <= low && axis.high >= high && axis.low < axis.high, "{axis:?}");
                assert!((2..=12).contains(&axis.ticks.len()), "{axis:?}");
            }
        }
        let empty = Axis::fit("", Scale::Log, Unit::Count, []);
        assert_eq!(empty.share(f64::NAN), 0.0);
    }

    #[test]
    fn places_that_are_too_near_share_a_name() {
        let xs = [1.0, 4.0, 16.0, 64.0, 256.0, 1_000.0, 4_000.0, 10_000.0, 12_000.0, 15_000.0];
        let axis = Axis::places("", Scale::Log, &xs, |x| Unit::Count.tick(x));
        assert_eq!(labels(&axis), ["1", "4", "16", "64", "256", "1k", "4k", "15k"]);
    }

    #[test]
    fn zero_has_a_place_on_a_logarithm() {
        let axis = Axis::places("", Scale::Log, &[0.0, 10.0, 100.0], |x| Unit::Count.tick(x));
        assert_eq!(labels(&axis), ["0", "10", "100"]);
        assert_eq!(axis.share(0.0), 0.0);
        assert!(axis.share(10.0) > 0.1);
    }

    #[test]
    fn each_nine_has_the_same_room() {
        let axis = Axis::nines(5_000.0);
        assert_eq!(labels(&axis), ["0", "90", "99", "99.9", "99.99"]);
        assert!((axis.share(10.0) - 0.25).abs() < 1e-9);
    }
}
