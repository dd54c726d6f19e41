//! Times and sizes as people write them: `10s`, `500ms`, `64k`.

use std::time::Duration;

/// Parses a time. A number without a unit is seconds.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    const HELP: &str = "a time is a number with a unit: 500ms, 10s, 2m, 1h";
    let (number, unit) = split(text).ok_or(HELP)?;
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(HELP.into()),
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|_| "too long a time".into())
}

/// Shows a time in the largest unit that holds it whole.
pub(super) fn show_time(time: Duration) -> String {
    let millis = time.as_millis();
    match millis {
        0 => "0s".into(),
        _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ if millis.is_multiple_of(1000) => format!("{}s", millis / 1000),
        _ => format!("{millis}ms"),
    }
}

/// Parses a size in bytes; `k`, `m` and `g` are powers of 1024.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    const HELP: &str = "a size is a number of bytes, with k, m or g for powers of 1024: 64k, 4m";
    let (number, unit) = split(text).ok_or(HELP)?;
    let unit = unit.to_ascii_lowercase();
    let factor = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => 1.0,
        "k" => 1024.0,
        "m" => 1024.0 * 1024.0,
        "g" => 1024.0 * 1024.0 * 1024.0,
        "t" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(HELP.into()),
    };
    // A cast from a float saturates.
    Ok((number * factor) as u64)
}

/// Shows a size in the largest unit that holds it whole.
pub(super) fn show_size(size: u64) -> String {
    for (shift, unit) in [(30, "g"), (20, "m"), (10, "k")] {
        if size != 0 && size.is_multiple_of(1 << shift) {
            return format!("{}{unit}", size >> shift);
        }
    }
    size.to_string()
}

/// The number at the beginning, and what follows it.
fn split(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown() {
        for (text, millis, shown) in [
            ("10s", 10_000, "10s"),
            ("10", 10_000, "10s"),
            ("500ms", 500, "500ms"),
            ("1.5s", 1500, "1500ms"),
            ("2 m", 120_000, "2m"),
            ("1h", 3_600_000, "1h"),
            ("0", 0, "0s"),
        ] {
            assert_eq!(parse_time(text).map(|time| time.as_millis()), Ok(millis), "{text}");
            assert_eq!(show_time(Duration::from_millis(millis as u64)), shown);
        }
        for text in ["", "s", "-1s", "1x", "1e9", "..", "ten", "99999999999999999999999d"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes, shown) in [
            ("0", 0, "0"),
            ("1000", 1000, "1000"),
            ("64k", 65_536, "64k"),
            ("64KiB", 65_536, "64k"),
            ("4M", 4 << 20, "4m"),
            ("1.5m", 3 << 19, "1536k"),
            ("2gb", 2 << 30, "2g"),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
            assert_eq!(show_size(bytes), shown);
        }
        for text in ["", "k", "-1", "1x", "1 kk"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
