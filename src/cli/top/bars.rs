//! Numbers as block characters: a level in one cell, a distribution in a few rows.

/// From nothing to a whole cell, in eighths.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A cell filled to so many eighths.
pub(super) fn block(eighths: usize) -> char {
    BLOCKS.get(eighths).copied().unwrap_or('█')
}

/// Where `value` is between `low` and `high`, in `steps` of equal factors: what is there at all is
/// at least one, what reaches `high` is all of them. So a microsecond can be seen beside a second.
pub(super) fn level(value: u64, low: u64, high: u64, steps: usize) -> usize {
    if value == 0 {
        return 0;
    }
    let ratio = |of: u64| (of.max(1) as f64 / low.max(1) as f64).ln();
    let whole = ratio(high.max(low.saturating_add(1)));
    let share = (ratio(value) / whole).clamp(0.0, 1.0);
    (1.0 + share * (steps.saturating_sub(1)) as f64) as usize
}

/// The part of a distribution by powers of two that is drawn: from 512 ns to 34 s.
pub(super) const TIMES: std::ops::Range<usize> = 9..36;
/// What is written below those columns: each begins at its power of two.
pub(super) const TIME_AXIS: &str = " 1µs       1ms       1s";
/// The same for how many events a turn has.
pub(super) const COUNTS: std::ops::Range<usize> = 0..16;
/// What is written below them.
pub(super) const COUNT_AXIS: &str = "0 2  16  256 4k";

/// A distribution as `rows` lines, the highest first, of the buckets in `range`; what lies outside
/// of it is counted at its ends. Heights are logarithms: one in a million is seen.
pub(super) fn distribution(
    spread: &[u64],
    range: std::ops::Range<usize>,
    rows: usize,
) -> Vec<String> {
    let mut columns = vec![0_u64; range.len()];
    for (bits, count) in spread.iter().enumerate() {
        let column = bits.saturating_sub(range.start).min(columns.len().saturating_sub(1));
        if let Some(sum) = columns.get_mut(column) {
            *sum += count;
        }
    }
    let most = columns.iter().copied().max().unwrap_or(0);
    let levels: Vec<usize> = columns.iter().map(|count| level(*count, 1, most, rows * 8)).collect();
    let row = |row: usize| levels.iter().map(move |all| block(all.saturating_sub(row * 8).min(8)));
    (0..rows).rev().map(|number| row(number).collect()).collect()
}

/// The last of `values` as one line of `width` cells, the newest at the right, the largest whole.
pub(super) fn sparkline(values: impl DoubleEndedIterator<Item = u64>, width: usize) -> String {
    let mut last: Vec<u64> = values.rev().take(width).collect();
    last.reverse();
    let most = last.iter().copied().max().unwrap_or(0).max(1);
    let cell = |value: &u64| block((value * 8).div_ceil(most) as usize);
    format!("{:>width$}", last.iter().map(cell).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_seen_and_what_is_too_much_is_whole() {
        assert_eq!(level(0, 1_000, 1_000_000, 8), 0);
        assert_eq!(level(1, 1_000, 1_000_000, 8), 1);
        assert_eq!(level(31_623, 1_000, 1_000_000, 8), 4);
        assert_eq!(level(u64::MAX, 1_000, 1_000_000, 8), 8);
        assert_eq!(level(5, 0, 0, 8), 8);
        assert_eq!((block(0), block(8), block(99)), (' ', '█', '█'));
    }

    #[test]
    fn a_distribution_stands_on_its_axis() {
        let mut spread = [0; 40];
        spread[10] = 1_000_000;
        spread[20] = 1;
        spread[0] = 3;
        let rows = distribution(&spread, TIMES, 2);
        assert_eq!(rows[0], format!(" █{}", " ".repeat(25)));
        assert_eq!(rows[1], format!("▂█{}▁{}", " ".repeat(9), " ".repeat(15)));
        assert_eq!(TIME_AXIS.chars().position(|c| c == '1'), Some(10 - TIMES.start));
        assert_eq!(distribution(&[], TIMES, 1), [" ".repeat(27)]);
    }

    #[test]
    fn a_line_ends_with_the_newest() {
        assert_eq!(sparkline([1, 2, 4, 8].into_iter(), 3), "▂▄█");
        assert_eq!(sparkline([8].into_iter(), 3), "  █");
        assert_eq!(sparkline([0, 0].into_iter(), 2), "  ");
    }
}
