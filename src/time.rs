//! Time as a parameter: [`Moment`] and the cached HTTP date.
//!
//! Nothing below the drivers reads a clock. A driver reads its clock once a turn and passes the
//! result down; the simulator passes whatever it likes.

use std::fmt;
use std::ops::{Add, AddAssign};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: nanoseconds since the driver's own start.
///
/// Half the size of `std::time::Instant`, and constructible, so that tests and the simulator can
/// say "five seconds in" without waiting for it. [`Moment::NEVER`] stands for "no deadline" and
/// sorts after everything else, so `min` of two deadlines is the next one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The driver's start.
    pub const START: Moment = Moment(0);
    /// Later than any other moment: "no deadline".
    pub const NEVER: Moment = Moment(u64::MAX);

    /// The moment `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Moment(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// True for [`Moment::NEVER`].
    pub const fn is_never(self) -> bool {
        self.0 == u64::MAX
    }

    /// Time from `earlier` to `self`; zero if `earlier` is not earlier.
    pub const fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    /// Saturates at [`Moment::NEVER`]; a `Duration::MAX` is therefore "no limit".
    #[inline]
    fn add(self, by: Duration) -> Moment {
        let nanos =
            by.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(by.subsec_nanos()));
        Moment(self.0.saturating_add(nanos))
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, by: Duration) {
        *self = *self + by;
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_never() {
            f.write_str("never")
        } else {
            write!(f, "+{:?}", Duration::from_nanos(self.0))
        }
    }
}

/// The `Date` field's value (RFC 9110 §5.6.7), formatted once a second rather than once a response.
#[derive(Clone)]
pub struct HttpDate {
    text: [u8; 29],
    stale_at: Moment,
    /// What the wall clock will show then.
    next: SystemTime,
}

impl HttpDate {
    /// A date that the first [`refresh`](Self::refresh) fills in.
    pub fn new() -> Self {
        HttpDate {
            text: *b"Thu, 01 Jan 1970 00:00:00 GMT",
            stale_at: Moment::START,
            next: UNIX_EPOCH,
        }
    }

    /// True when the second has changed since the last refresh.
    #[inline]
    pub fn is_stale(&self, now: Moment) -> bool {
        now >= self.stale_at
    }

    /// Formats `wall`, which is the wall clock at `now`; valid until its second ends.
    pub fn refresh(&mut self, now: Moment, wall: SystemTime) {
        let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.text = imf_fixdate(since.as_secs());
        let left = Duration::from_nanos(1_000_000_000 - u64::from(since.subsec_nanos()));
        self.stale_at = now + left;
        self.next = UNIX_EPOCH + since + left;
    }

    /// What the wall clock shows at `now`, which is not long after the last refresh.
    pub fn wall(&self, now: Moment) -> SystemTime {
        self.next - self.stale_at.since(now) + now.since(self.stale_at)
    }

    /// The 29 bytes of the IMF-fixdate.
    #[inline]
    pub fn as_bytes(&self) -> &[u8; 29] {
        &self.text
    }
}

impl Default for HttpDate {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` for a number of seconds since 1970 (RFC 9110 §5.6.7).
fn imf_fixdate(seconds: u64) -> [u8; 29] {
    const DAYS: &[u8; 21] = b"ThuFriSatSunMonTueWed";
    const MONTHS: &[u8; 36] = b"MarAprMayJunJulAugSepOctNovDecJanFeb";
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // Years are counted from the first of March of the year 0, so that a leap day ends its year;
    // 400 of them have 146,097 days.
    let shifted = day + 719_468;
    let (era, in_era) = (shifted / 146_097, shifted % 146_097);
    let of_era = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * of_era + of_era / 4 - of_era / 100);
    let month = (5 * in_year + 2) / 153;
    let in_month = in_year - (153 * month + 2) / 5 + 1;
    let year = of_era + era * 400 + u64::from(month >= 10);

    let mut text = *b"ddd, 00 mmm 0000 00:00:00 GMT";
    let mut put = |at: usize, digits: usize, mut number: u64| {
        for place in text[at..at + digits].iter_mut().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(5, 2, in_month);
    put(12, 4, year);
    put(17, 2, second / 3600);
    put(20, 2, second / 60 % 60);
    put(23, 2, second % 60);
    let name = |names: &'static [u8], which: u64| &names[which as usize * 3..][..3];
    text[0..3].copy_from_slice(name(DAYS, day % 7));
    text[8..11].copy_from_slice(name(MONTHS, month));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_later_than_everything_and_adding_saturates() {
        let soon = Moment::START + Duration::from_millis(5);
        assert_eq!(soon.min(Moment::NEVER), soon);
        assert!((soon + Duration::MAX).is_never());
        assert_eq!(soon.since(Moment::START), Duration::from_millis(5));
        assert_eq!(Moment::START.since(soon), Duration::ZERO);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(str::from_utf8(&imf_fixdate(seconds)), Ok(text));
        }
    }

    #[test]
    fn a_date_is_stale_when_its_second_ends_and_not_before() {
        let mut date = HttpDate::new();
        assert!(date.is_stale(Moment::START));
        let wall = UNIX_EPOCH + Duration::from_millis(784_111_777_250);
        date.refresh(Moment::START, wall);
        assert_eq!(date.as_bytes(), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(!date.is_stale(Moment::START + Duration::from_millis(749)));
        assert!(date.is_stale(Moment::START + Duration::from_millis(750)));
        for millis in [0, 100, 749, 750, 1800] {
            let passed = Duration::from_millis(millis);
            assert_eq!(date.wall(Moment::START + passed), wall + passed);
        }
    }
}
