//! Medians and their intervals, without assuming any distribution.

/// A median with its 95 % interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Median {
    pub(crate) low: f64,
    pub(crate) value: f64,
    pub(crate) high: f64,
}

/// The median of `values`, and the order statistics around it that hold the true median 19 times
/// of 20: how many values fall below it is binomial, whatever the values are. With fewer than six
/// the interval is all there is.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Median {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return Median { low: f64::NAN, value: f64::NAN, high: f64::NAN };
    };
    let below = ignored(values.len());
    let middle = values.len() / 2;
    let value = if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    };
    Median { low: values[below], value, high: values[last - below] }
}

/// How many of the smallest and of the largest of `n` values lie outside the interval: the most
/// for which both tails of the binomial distribution together stay within 5 %.
fn ignored(n: usize) -> usize {
    let mut term = 0.5_f64.powi(n as i32);
    let mut tail = term;
    let mut outside = 0;
    while tail + term * (n - outside) as f64 / (outside + 1) as f64 <= 0.025 {
        term *= (n - outside) as f64 / (outside + 1) as f64;
        tail += term;
        outside += 1;
    }
    outside
}
