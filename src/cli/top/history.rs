//! What follows from several samples: rates, distributions of the last seconds, the calls of one
//! connection.
//!
//! Pure: [`screen`](super::screen) gives it each sample, and [`draw`](super::draw) shows it.

use std::collections::VecDeque;

use super::sample::{Sample, Spreads, Turn};

/// Rates that are kept: as many as a wide terminal has columns.
const RATES: usize = 512;
/// Turns that are kept.
const TURNS: usize = 512;
/// Turns that make up what is called busy.
const LATELY: usize = 120;
/// Calls of the connection that is followed that are kept.
const CALLS: usize = 500;
/// Distributions are those of the last ten seconds, in ns.
const WINDOW: u64 = 10_000_000_000;
/// Samples of them that are kept, however short the time between two.
const SPREADS: usize = 128;

/// A call of the connection that is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) began: u64,
    pub(super) took: u64,
    pub(super) call: String,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The last sample.
    pub(super) sample: Sample,
    /// Requests a second between the last two samples, and before.
    pub(super) requests: VecDeque<u64>,
    /// Turns a second between the last two samples.
    pub(super) turn_rate: f64,
    /// The last turns, oldest first.
    pub(super) turns: VecDeque<Turn>,
    /// The last calls of the connection that is followed, oldest first.
    pub(super) calls: VecDeque<Call>,
    spreads: VecDeque<(u64, Spreads)>,
    /// There was one.
    pub(super) is_known: bool,
}

impl History {
    /// Takes a sample in, while the connection `follow` is followed, if any.
    pub(super) fn take(&mut self, mut sample: Sample, follow: &str) {
        if sample.now < self.sample.now {
            // Another loop: the server was started anew, and its clock with it.
            *self = History::default();
        }
        let seconds = sample.now.saturating_sub(self.sample.now) as f64 / 1e9;
        if self.is_known && seconds > 0.0 {
            let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
            let requests = rate(sample.requests(), self.sample.requests());
            push(&mut self.requests, requests.round() as u64, RATES);
            self.turn_rate = rate(sample.counter("turns"), self.sample.counter("turns"));
        }
        self.keep_turns(std::mem::take(&mut sample.turns), follow);
        push(&mut self.spreads, (sample.now, sample.spreads.clone()), SPREADS);
        while self.spreads.get(1).is_some_and(|(at, _)| at + WINDOW < sample.now) {
            self.spreads.pop_front();
        }
        self.sample = sample;
        self.is_known = true;
    }

    fn keep_turns(&mut self, turns: Vec<Turn>, follow: &str) {
        // The last turn of the sample before was not over then, and comes again, longer.
        let last = self.turns.back().map(|turn| turn.at);
        if last.is_some_and(|last| turns.iter().any(|turn| turn.at == last)) {
            self.turns.pop_back();
        }
        let known = self.turns.back().map(|turn| turn.at);
        for turn in turns.into_iter().filter(|turn| known.is_none_or(|known| turn.at > known)) {
            keep_calls(&mut self.calls, &turn, follow);
            push(&mut self.turns, turn, TURNS);
        }
    }

    /// Another connection is followed, or none: its calls in the turns that are still known.
    pub(super) fn recall(&mut self, follow: &str) {
        self.calls.clear();
        for turn in &self.turns {
            keep_calls(&mut self.calls, turn, follow);
        }
    }

    /// Requests a second, lately.
    pub(super) fn request_rate(&self) -> f64 {
        self.requests.back().map_or(0.0, |rate| *rate as f64)
    }

    /// The share of the last turns' time that the loop worked: each waits, and then works.
    pub(super) fn busy(&self) -> Option<f64> {
        let lately = || self.turns.iter().rev().take(LATELY);
        let worked: u64 = lately().map(|turn| turn.busy).sum();
        let waited: u64 = lately().map(Turn::waited).sum();
        let all = worked + waited;
        (all > 0).then(|| worked as f64 / all as f64)
    }

    /// A distribution of the last seconds; `of` chooses which.
    pub(super) fn spread(&self, of: fn(&Spreads) -> &[u64]) -> Vec<u64> {
        let first = self.spreads.front().map(|(_, spreads)| of(spreads)).unwrap_or_default();
        let last = of(&self.sample.spreads);
        // The first sample has nothing before it: it tells of all the time since the start.
        if self.spreads.len() < 2 {
            return last.to_vec();
        }
        let before = first.iter().copied().chain(std::iter::repeat(0));
        last.iter().zip(before).map(|(now, before)| now.saturating_sub(before)).collect()
    }
}

/// Keeps the calls of `follow` in a turn, but for those that are known.
fn keep_calls(calls: &mut VecDeque<Call>, turn: &Turn, follow: &str) {
    let last = calls.back().map(|call| call.began);
    let own = turn.parts.iter().filter(|part| part.token == follow);
    for part in own.filter(|part| last.is_none_or(|last| part.began > last)) {
        let call = Call { began: part.began, took: part.took, call: part.call.clone() };
        push(calls, call, CALLS);
    }
}

fn push<T>(to: &mut VecDeque<T>, item: T, most: usize) {
    if to.len() >= most {
        to.pop_front();
    }
    to.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::top::sample::Part;

    fn turn(began: u64, at: u64, busy: u64, token: &str) -> Turn {
        let part = Part { token: token.into(), call: "data".into(), began: at, took: busy };
        Turn { began, at, busy, ready: 1, parts: vec![part] }
    }

    fn sample(seconds: u64, requests: u64, turns: Vec<Turn>) -> Sample {
        let text = format!(
            r#"{{"now":{},"counters":{{"responses":[0,0,{requests}],"turns":{}}}}}"#,
            seconds * 1_000_000_000,
            requests / 2
        );
        Sample { turns, ..Sample::parse(&text).expect("a sample") }
    }

    #[test]
    fn rates_are_those_between_two_samples() {
        let mut history = History::default();
        history.take(sample(100, 5000, Vec::new()), "");
        assert_eq!((history.requests.len(), history.request_rate()), (0, 0.0));
        history.take(sample(102, 7000, Vec::new()), "");
        assert_eq!((history.request_rate(), history.turn_rate), (1000.0, 500.0));
        // A server that was started anew begins from nothing.
        history.take(sample(1, 10, Vec::new()), "");
        assert_eq!((history.requests.len(), history.request_rate()), (0, 0.0));
    }

    #[test]
    fn turns_that_come_twice_are_counted_once() {
        let mut history = History::default();
        history.take(sample(1, 0, vec![turn(0, 10, 5, "1.0"), turn(15, 20, 1, "2.0")]), "1.0");
        let again = vec![turn(15, 20, 20, "2.0"), turn(40, 60, 20, "1.0")];
        history.take(sample(2, 0, again), "1.0");
        let turns: Vec<_> = history.turns.iter().map(|turn| (turn.at, turn.busy)).collect();
        assert_eq!(turns, [(10, 5), (20, 20), (60, 20)]);
        let calls: Vec<_> = history.calls.iter().map(|call| (call.began, call.took)).collect();
        assert_eq!(calls, [(10, 5), (60, 20)]);
        assert_eq!(history.busy(), Some(45.0 / 80.0));
        history.recall("2.0");
        assert_eq!(history.calls.len(), 1);
    }

    #[test]
    fn a_distribution_is_of_the_last_seconds() {
        let mut history = History::default();
        let spread = |seconds: u64, counts: &[u64]| {
            let spreads = Spreads { lag: counts.to_vec(), ..Spreads::default() };
            Sample { spreads, ..sample(seconds, 0, Vec::new()) }
        };
        let lag: fn(&Spreads) -> &[u64] = |spreads| &spreads.lag;
        history.take(spread(1, &[7, 7]), "");
        assert_eq!(history.spread(lag), [7, 7]);
        history.take(spread(2, &[8, 9]), "");
        assert_eq!(history.spread(lag), [1, 2]);
        for seconds in 3..=30 {
            history.take(spread(seconds, &[8, 9 + seconds]), "");
        }
        assert_eq!(history.spread(lag), [0, 10 + 1]);
        assert!(history.spreads.len() <= 13);
    }
}
