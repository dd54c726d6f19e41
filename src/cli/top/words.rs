//! Numbers as a narrow column has room for them.

/// A time in ns: three digits and a unit.
pub(super) fn time(nanos: u64) -> String {
    let value = nanos as f64;
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{} µs", short(value / 1e3)),
        1_000_000..1_000_000_000 => format!("{} ms", short(value / 1e6)),
        1_000_000_000..120_000_000_000 => format!("{} s", short(value / 1e9)),
        _ => span(nanos),
    }
}

/// A long time, in its two largest units.
pub(super) fn span(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// Bytes, by powers of 1024.
pub(super) fn bytes(count: u64) -> String {
    scaled(count as f64, 1024.0, &["", "K", "M", "G", "T", "P"])
}

/// A count or a rate, by powers of 1000.
pub(super) fn count(count: f64) -> String {
    scaled(count, 1000.0, &["", "k", "M", "G", "T", "P"])
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut unit = 0;
    // What would be rounded up to a whole step has the next unit.
    while value >= step - 0.5 && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    let number = if unit == 0 { format!("{value:.0}") } else { short(value) };
    format!("{number}{}", units.get(unit).copied().unwrap_or_default())
}

/// As many digits as three places have room for.
fn short(value: f64) -> String {
    match value {
        ..9.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// What fits into `width` columns, with a sign that something is missing. Characters that a terminal
/// would act on, which a peer may have put into a path, are shown as dots.
pub(super) fn fit(text: &str, width: usize) -> String {
    let mut shown: Vec<char> =
        text.chars().map(|c| if c.is_control() { '·' } else { c }).take(width + 1).collect();
    if shown.len() > width {
        shown.truncate(width.saturating_sub(1));
        if width > 0 {
            shown.push('…');
        }
    }
    shown.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (nanos, shown) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_500, "1.5 µs"),
            (200_000_000, "200 ms"),
            (3_200_000_000, "3.2 s"),
            (200_000_000_000, "3m20s"),
            (7_300_000_000_000, "2h01m"),
            (200_000_000_000_000, "2d07h"),
        ] {
            assert_eq!(time(nanos), shown);
        }
        for (value, shown) in
            [(0, "0"), (1023, "1023"), (1024, "1.0K"), (65_536, "64K"), (5 << 20, "5.0M")]
        {
            assert_eq!(bytes(value), shown);
        }
        for (value, shown) in
            [(0.4, "0"), (999.0, "999"), (999.9, "1.0k"), (12_345.0, "12k"), (2e6, "2.0M")]
        {
            assert_eq!(count(value), shown);
        }
    }

    #[test]
    fn a_text_keeps_to_its_column_and_commands_no_terminal() {
        assert_eq!(fit("GET /a", 6), "GET /a");
        assert_eq!(fit("GET /ab", 6), "GET /…");
        assert_eq!(fit("a\x1b[2Jb", 9), "a·[2Jb");
        assert_eq!(fit("abc", 0), "");
    }
}
