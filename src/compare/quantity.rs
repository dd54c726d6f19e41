//! Figures as people read them: three significant digits and a unit that fits.
//!
//! Used by every table, plot and sentence of a comparison. Never rounds what is kept: only what is
//! shown.

/// What a figure counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Requests, or anything else, per second.
    PerSecond,
    /// Nanoseconds, shown in what fits.
    Nanoseconds,
    /// Bytes, shown in powers of 1,024.
    Bytes,
    /// A plain number.
    Count,
    /// A share of one, shown in per cent.
    Share,
}

/// Stands where there is no figure.
pub(super) const NOTHING: &str = "–";

impl Unit {
    /// A figure with three significant digits, and its unit.
    pub(super) fn show(self, value: f64) -> String {
        if !value.is_finite() {
            return NOTHING.into();
        }
        match self {
            Self::PerSecond | Self::Count => thousands(value),
            Self::Nanoseconds => {
                scaled(value, &[(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")])
            }
            Self::Bytes => scaled(
                value,
                &[(1_073_741_824.0, "GiB"), (1_048_576.0, "MiB"), (1024.0, "KiB"), (1.0, "B")],
            ),
            Self::Share => format!("{} %", significant(value * 100.0)),
        }
    }

    /// The same for the mark of an axis: without digits that say nothing.
    pub(super) fn tick(self, value: f64) -> String {
        let shown = self.show(value);
        let end = shown.find(|c: char| !c.is_ascii_digit() && !".-".contains(c));
        let (number, unit) = shown.split_at(end.unwrap_or(shown.len()));
        let number = match number.contains('.') {
            true => number.trim_end_matches('0').trim_end_matches('.'),
            false => number,
        };
        if number == "0" && !matches!(self, Self::Share) {
            return "0".into();
        }
        format!("{number}{unit}")
    }
}

/// Three significant digits.
pub(super) fn significant(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        _ if size == 0.0 || size >= 99.95 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.9995 => 2,
        _ if size >= 0.009995 => 3,
        _ if size >= 0.0009995 => 4,
        _ if size >= 0.00009995 => 5,
        _ => return format!("{value:.1e}"),
    };
    format!("{value:.decimals$}")
}

/// How many times one is the other: "1.4", "12", "0.87".
pub(super) fn times(ratio: f64) -> String {
    match ratio {
        _ if !ratio.is_finite() => NOTHING.into(),
        _ if ratio >= 9.95 => format!("{ratio:.0}"),
        _ if ratio >= 1.995 => format!("{ratio:.1}"),
        _ => format!("{ratio:.2}"),
    }
}

fn thousands(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size >= 999_500_000.0 => format!("{}G", significant(value / 1e9)),
        _ if size >= 999_500.0 => format!("{}M", significant(value / 1e6)),
        _ if size >= 999.5 => format!("{}k", significant(value / 1e3)),
        _ => significant(value),
    }
}

fn scaled(value: f64, steps: &[(f64, &str)]) -> String {
    let size = value.abs();
    let fits = |step: &&(f64, &str)| size >= step.0 * 0.9995;
    let (step, unit) = steps.iter().find(fits).or(steps.last()).copied().unwrap_or((1.0, ""));
    // Nobody measures parts of a nanosecond or of a byte.
    let number = match step <= 1.0 && size >= 1.0 {
        true => format!("{value:.0}"),
        false => significant(value / step),
    };
    format!("{number} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit_that_fits() {
        for (unit, value, shown) in [
            (Unit::PerSecond, 123_456.0, "123k"),
            (Unit::PerSecond, 999.7, "1.00k"),
            (Unit::Nanoseconds, 820.0, "820 ns"),
            (Unit::Nanoseconds, 1_234.0, "1.23 µs"),
            (Unit::Nanoseconds, 1_004_000_000.0, "1.00 s"),
            (Unit::Bytes, 4_200.0, "4.10 KiB"),
            (Unit::Bytes, -12.0, "-12 B"),
            (Unit::Count, 2.034, "2.03"),
            (Unit::Count, 0.0, "0"),
            (Unit::Count, 0.00512, "0.0051"),
            (Unit::Share, 0.125, "12.5 %"),
            (Unit::Count, f64::NAN, "–"),
        ] {
            assert_eq!(unit.show(value), shown);
        }
    }

    #[test]
    fn axes_show_no_idle_digits() {
        for (unit, value, shown) in [
            (Unit::Nanoseconds, 1_000.0, "1 µs"),
            (Unit::Nanoseconds, 10_000_000.0, "10 ms"),
            (Unit::PerSecond, 10_000.0, "10k"),
            (Unit::PerSecond, 1_500.0, "1.5k"),
            (Unit::Bytes, 65_536.0, "64 KiB"),
            (Unit::Nanoseconds, 0.0, "0"),
            (Unit::Share, 0.99, "99 %"),
            (Unit::Count, 100.0, "100"),
        ] {
            assert_eq!(unit.tick(value), shown);
        }
    }

    #[test]
    fn ratios_have_the_digits_they_deserve() {
        assert_eq!(times(1.234), "1.23");
        assert_eq!(times(3.21), "3.2");
        assert_eq!(times(31.4), "31");
        assert_eq!(times(f64::INFINITY), "–");
    }
}
