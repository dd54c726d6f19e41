//! Middle and spread of a few runs, and how one model's runs compare with another's.
//!
//! Called by all that shows or judges a comparison. Nothing here assumes a distribution: five runs
//! say little of one. A spread is what was seen, from the lowest to the highest; an interval of the
//! median is given where the runs are enough for one, by their order alone.

/// The runs of one figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// How many runs.
    pub n: usize,
    /// The middle.
    pub median: f64,
    /// The lowest run.
    pub low: f64,
    /// The highest run.
    pub high: f64,
    /// Where the true median is with 95 % or more, if there are runs enough (six).
    pub interval: Option<(f64, f64)>,
}

impl Spread {
    /// Of the values that are numbers; none if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (&low, &high) = (sorted.first()?, sorted.last()?);
        let n = sorted.len();
        let middle = median(&sorted)?;
        Some(Self { n, median: middle, low, high, interval: interval(&sorted) })
    }
}

/// The middle of sorted values.
fn median(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    match sorted.len() % 2 {
        1 => Some(upper),
        _ => Some((sorted.get(half.checked_sub(1)?)? + upper) / 2.0),
    }
}

/// The narrowest pair of order statistics, equally far from both ends, between which the median of
/// all is with 95 % or more. Each run is above or below it as a coin falls, so the chance that it is
/// outside is that of a coin falling fewer than `skip + 1` times on one side, twice.
fn interval(sorted: &[f64]) -> Option<(f64, f64)> {
    let n = sorted.len();
    let mut outside = 0.0;
    let mut ways = 0.5_f64.powi(i32::try_from(n).ok()?);
    let mut found = None;
    for skip in 0..n / 2 {
        outside += 2.0 * ways;
        if outside > 0.05 {
            break;
        }
        found = Some((*sorted.get(skip)?, *sorted.get(n - 1 - skip)?));
        ways *= (n - skip) as f64 / (skip + 1) as f64;
    }
    found
}

/// Differences below this share are called none: the same program run twice differs by as much.
pub const NEGLIGIBLE: f64 = 0.03;

/// Fewer pairs of runs than this show nothing, however far apart they are.
pub const ENOUGH: usize = 3;

/// How many times one is the other, run by run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(
    /// The spread of the ratios of runs that were made one after the other.
    pub Spread,
);

/// What a ratio shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// All runs of the first are above those of the second.
    More,
    /// All are below.
    Less,
    /// The spread contains "equal", or the difference is too small to speak of.
    Nothing,
    /// There are too few runs to say.
    TooFew,
}

impl Ratio {
    /// Of runs with the same number; `None` stands for a run without the figure. Runs that were
    /// interleaved saw the same weather, so their ratio varies less than they do.
    pub fn paired(these: &[Option<f64>], those: &[Option<f64>]) -> Option<Self> {
        let ratios = these.iter().zip(those).filter_map(|(this, that)| {
            let (this, that) = ((*this)?, (*that)?);
            match (this == 0.0, that == 0.0) {
                (true, true) => Some(1.0),
                _ => Some(this / that),
            }
        });
        Spread::of(ratios).map(Self)
    }

    /// What it shows: a difference only if it is larger than the spread of the runs.
    pub fn shows(&self) -> Shown {
        let Spread { n, median, low, high, .. } = self.0;
        match () {
            () if n < ENOUGH => Shown::TooFew,
            () if low > 1.0 && median > 1.0 + NEGLIGIBLE => Shown::More,
            () if high < 1.0 && median < 1.0 / (1.0 + NEGLIGIBLE) => Shown::Less,
            () => Shown::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_middle_and_the_spread_what_was_seen() {
        let odd = Spread::of([3.0, 1.0, 2.0]).expect("a spread");
        assert_eq!((odd.median, odd.low, odd.high, odd.interval), (2.0, 1.0, 3.0, None));
        let even = Spread::of([4.0, f64::NAN, 1.0]).expect("a spread");
        assert_eq!((even.n, even.median), (2, 2.5));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn six_runs_are_the_fewest_that_have_an_interval() {
        assert_eq!(Spread::of((1..=5).map(f64::from)).and_then(|spread| spread.interval), None);
        let of = |n: i32| Spread::of((1..=n).map(f64::from)).and_then(|spread| spread.interval);
        assert_eq!(of(6), Some((1.0, 6.0)));
        assert_eq!(of(8), Some((1.0, 8.0)));
        assert_eq!(of(9), Some((2.0, 8.0)));
        assert_eq!(of(20), Some((6.0, 15.0)));
    }

    #[test]
    fn a_difference_smaller_than_the_spread_is_none() {
        let some = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        let shows = |these: &[f64], those: &[f64]| {
            Ratio::paired(&some(these), &some(those)).expect("a ratio").shows()
        };
        assert_eq!(shows(&[13., 14., 15.], &[10., 10., 10.]), Shown::More);
        assert_eq!(shows(&[10., 10., 10.], &[13., 14., 15.]), Shown::Less);
        assert_eq!(shows(&[9., 14., 15.], &[10., 10., 10.]), Shown::Nothing);
        assert_eq!(shows(&[101., 102., 101.], &[100., 100., 100.]), Shown::Nothing);
        assert_eq!(shows(&[20., 20.], &[10., 10.]), Shown::TooFew);
        assert_eq!(shows(&[0., 0., 0.], &[0., 0., 0.]), Shown::Nothing);
    }

    #[test]
    fn a_pair_that_lacks_a_run_is_left_out() {
        let ratio =
            Ratio::paired(&[Some(2.0), None, Some(4.0)], &[Some(1.0), Some(1.0), Some(1.0)]);
        assert_eq!(ratio.map(|ratio| (ratio.0.n, ratio.0.median)), Some((2, 3.0)));
        assert_eq!(Ratio::paired(&[None], &[Some(1.0)]), None);
    }
}
