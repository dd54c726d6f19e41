//! What a comparison shows while it runs: a bar on a terminal, plain lines elsewhere.
//!
//! All of it goes to stderr; stdout is for the table.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::units::show_time;

/// The bar, or the lines.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    /// What all of it was thought to take.
    estimate: Duration,
    /// What was done of that.
    done: Duration,
    begun: Instant,
    last: String,
}

impl Progress {
    pub(super) fn new(estimate: Duration) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let length = u64::try_from(estimate.as_millis()).unwrap_or(u64::MAX);
            let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
            // A template that cannot be used leaves the plain bar.
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}") {
                bar.set_style(style);
            }
            bar
        });
        let begun = Instant::now();
        Progress { bar, estimate, done: Duration::ZERO, begun, last: String::new() }
    }

    /// `what` of `part` begins: a part such as a point, a line for each of them.
    pub(super) fn begin(&mut self, part: &str, what: &str) {
        let left = self.left(Instant::now());
        match &self.bar {
            Some(bar) => bar.set_message(format!("{} left  {part} {what}", show_seconds(left))),
            None if self.last != part => {
                eprintln!("{:>6} left  {part}", show_seconds(left));
                part.clone_into(&mut self.last);
            }
            None => {}
        }
    }

    /// What was thought to take so long is done.
    pub(super) fn did(&mut self, estimate: Duration) {
        self.done += estimate;
        if let Some(bar) = &self.bar {
            bar.set_position(u64::try_from(self.done.as_millis()).unwrap_or(u64::MAX));
        }
    }

    /// A sentence between the others.
    pub(super) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// The bar goes away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// The time left, as the time so far has gone.
    fn left(&self, now: Instant) -> Duration {
        left(self.estimate, self.done, now.saturating_duration_since(self.begun))
    }
}

fn left(estimate: Duration, done: Duration, taken: Duration) -> Duration {
    let rest = estimate.saturating_sub(done);
    // The first runs say nothing yet.
    if done < estimate / 20 {
        return rest;
    }
    rest.mul_f64((taken.as_secs_f64() / done.as_secs_f64().max(1e-3)).min(100.0))
}

/// Whole seconds are enough for somebody who waits.
pub(super) fn show_seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64().ceil() as u64;
    if seconds < 120 {
        return show_time(Duration::from_secs(seconds));
    }
    format!("{} min", seconds.div_ceil(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_time_taken() {
        let s = Duration::from_secs;
        assert_eq!(left(s(100), s(0), s(0)), s(100));
        assert_eq!(left(s(100), s(2), s(50)), s(98), "too early to know better");
        assert_eq!(left(s(100), s(50), s(75)), s(75));
        assert_eq!(left(s(100), s(100), s(150)), s(0));
    }

    #[test]
    fn a_wait_is_told_roughly() {
        let shown = |millis| show_seconds(Duration::from_millis(millis));
        assert_eq!(
            [shown(0), shown(1500), shown(60_000), shown(1_170_000)],
            ["0s", "2s", "1m", "20 min"]
        );
    }
}
