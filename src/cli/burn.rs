//! Computing for a given time: what a request that costs CPU does.
//!
//! `serve` hands it to the services that offer it. The time is that of the calling thread on a CPU:
//! where threads share one, the clock on the wall would count each other's time as their own, and
//! sixty-four of them would be done as soon as one.

use std::hint::black_box;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// The thread's clock costs a system call, so nobody looks at it for less than this.
const GRAIN: Duration = Duration::from_micros(1);

/// Keeps the calling thread computing for this much of its own time.
pub(super) fn burn(time: Duration) {
    let Some(start) = spent() else { return compute(time) };
    let mut left = time;
    while left > GRAIN {
        compute(left);
        let Some(now) = spent() else { return };
        left = time.saturating_sub(now.saturating_sub(start));
    }
}

/// What this thread has had of the CPUs so far.
fn spent() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}

/// Computes until so much time has passed.
fn compute(time: Duration) {
    let start = Instant::now();
    let mut state = 1_u64;
    while start.elapsed() < time {
        for _ in 0..200 {
            state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).rotate_left(17));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_the_threads_own() {
        let (Some(before), time) = (spent(), Duration::from_millis(5)) else { return };
        burn(time);
        let after = spent().expect("there is such a clock");
        assert!(after - before >= time - GRAIN, "{:?}", after - before);
    }
}
