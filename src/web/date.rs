//! HTTP dates (RFC 9110 §5.6.7): the form that is written and the three that are read.
//!
//! Called by [`condition`](super::condition) and by what sends `Last-Modified`. The `Date` field of
//! answers is the driver's, which formats it once a second.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Reads a date in any of the three forms: IMF-fixdate, RFC 850, asctime.
pub fn parse(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(str::from_utf8(value).ok()?).ok()
}

/// Writes `time` as an IMF-fixdate. Times that the form cannot say become the nearest that it can.
pub fn format(time: SystemTime) -> String {
    // The year 9999 is the last of four digits.
    let last = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    httpdate::fmt_http_date(time.clamp(UNIX_EPOCH, last))
}

/// `time` as it will look to whoever gets it as an HTTP date: without parts of a second.
pub fn in_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Writes `time` as RFC 3339 does, in UTC and to the millisecond: what JSON calls a `date-time`.
pub fn rfc3339(time: SystemTime) -> String {
    let time = time::OffsetDateTime::from(time);
    let millis = time.nanosecond() / 1_000_000;
    let time = time.replace_nanosecond(millis * 1_000_000).unwrap_or(time);
    // Years beyond four digits cannot be written.
    time.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_forms_are_read_and_one_is_written() {
        let time = UNIX_EPOCH + Duration::from_secs(784_111_777);
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text.as_bytes()), Some(time), "{text}");
        }
        assert_eq!(format(time), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(in_seconds(time + Duration::from_millis(999)), 784_111_777);
        assert_eq!(rfc3339(time + Duration::from_micros(1_234)), "1994-11-06T08:49:37.001Z");
    }

    #[test]
    fn what_is_no_date_is_none_and_what_has_no_form_gets_the_nearest() {
        for text in ["", "now", "0", "Sun, 06 Nov 1994 08:49:37", "Sun, 31 Feb 1994 08:49:37 GMT"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"\xff"), None);
        let before = UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(format(before), "Thu, 01 Jan 1970 00:00:00 GMT");
        let after = UNIX_EPOCH + Duration::from_secs(400_000_000_000);
        assert_eq!(format(after), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
