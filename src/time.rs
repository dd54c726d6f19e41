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
}

impl HttpDate {
    /// A date that the first [`refresh`](Self::refresh) fills in.
    pub fn new() -> Self {
        HttpDate { text: *b"Thu, 01 Jan 1970 00:00:00 GMT", stale_at: Moment::START }
    }

    /// True when the second has changed since the last refresh.
    #[inline]
    pub fn is_stale(&self, now: Moment) -> bool {
        now >= self.stale_at
    }

    /// Formats `wall`, which is the wall clock at `now`; valid until its second ends.
    pub fn refresh(&mut self, now: Moment, wall: SystemTime) {
        use std::io::Write;
        let _ = write!(&mut self.text[..], "{}", httpdate::HttpDate::from(wall));
        let into = wall.duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
        self.stale_at = now + Duration::from_nanos(1_000_000_000 - u64::from(into));
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
    fn a_date_is_stale_when_its_second_ends_and_not_before() {
        let mut date = HttpDate::new();
        assert!(date.is_stale(Moment::START));
        let wall = UNIX_EPOCH + Duration::from_millis(784_111_777_250);
        date.refresh(Moment::START, wall);
        assert_eq!(date.as_bytes(), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(!date.is_stale(Moment::START + Duration::from_millis(749)));
        assert!(date.is_stale(Moment::START + Duration::from_millis(750)));
    }
}
