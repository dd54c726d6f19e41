//! The recording of a blocking server: what its threads record, put together by time.
//!
//! Each desk has a recorder of its own, so that nobody waits for anybody while serving; what it has
//! recorded goes to the [`Shelf`] in batches and when a connection ends. A recorder keeps [`RING`]
//! facts, the shelf at most twice as many as it is asked for: that, and not the number of
//! connections, bounds the memory.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::probe::{Fact, Label, Labels, Record, Recorder};
use crate::token::Token;

/// Facts that a desk keeps.
pub(super) const RING: usize = 256;

/// After so many it puts them on the shelf.
const BATCH: u64 = RING as u64 / 2;

/// What the threads of a server have recorded, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// The last facts.
    pub records: Vec<Record>,
    /// The texts of their labels.
    pub labels: Labels,
    /// Facts that found no room: older ones.
    pub lost: u64,
}

/// Where the threads put what they record.
pub(super) struct Shelf {
    most: usize,
    kept: Mutex<Recorded>,
}

impl Shelf {
    /// A shelf for so many facts.
    pub(super) fn new(most: usize) -> Self {
        Shelf { most: most.max(RING), kept: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a desk has recorded of `token` since its `from`-th fact, if that is a batch or the
    /// connection `ended`. Answers how many facts the desk has recorded altogether.
    pub(super) fn take(&self, recorder: &Recorder, from: u64, token: Token, ended: bool) -> u64 {
        if recorder.total() - from < BATCH && !ended {
            return from;
        }
        let (first, records) = recorder.since(from);
        let mut kept = self.lock();
        kept.lost += first - from;
        let mut numbers = HashMap::new();
        for Record { at, fact } in records {
            let fact = match named(*fact, token) {
                Fact::Request { token, label } => {
                    let text = recorder.labels().text(label);
                    let number = numbers.entry(label).or_insert_with(|| kept.number(label, text));
                    Fact::Request { token, label: *number }
                }
                fact => fact,
            };
            kept.records.push(Record { at: *at, fact });
        }
        if kept.records.len() >= self.most * 2 {
            kept.trim(self.most);
        }
        recorder.total()
    }

    /// A copy of what is there.
    pub(super) fn copy(&self) -> Recorded {
        let mut kept = self.lock();
        kept.trim(self.most);
        kept.clone()
    }
}

impl Recorded {
    /// The number that a desk's label has here.
    fn number(&mut self, label: Label, text: &str) -> Label {
        if label == Label(0) { label } else { self.labels.number(text) }
    }

    /// Keeps the last `most`, in the order of time.
    fn trim(&mut self, most: usize) {
        self.records.sort_by_key(|record| record.at);
        let over = self.records.len().saturating_sub(most);
        self.records.drain(..over);
        self.lost += over as u64;
    }
}

/// A desk calls whoever it serves by the same index, so that it keeps one tally; here each has the
/// place that it has in the register.
fn named(fact: Fact, token: Token) -> Fact {
    match fact {
        Fact::Accepted { from, .. } => Fact::Accepted { token, from },
        Fact::Peer { peer, .. } => Fact::Peer { token, peer },
        Fact::Read { asked, bytes, .. } => Fact::Read { token, asked, bytes },
        Fact::Wrote { asked, bytes, .. } => Fact::Wrote { token, asked, bytes },
        Fact::Blocked { writing, .. } => Fact::Blocked { token, writing },
        Fact::Called { call, began, .. } => Fact::Called { token, call, began },
        Fact::Request { label, .. } => Fact::Request { token, label },
        Fact::State { from, to, why, .. } => Fact::State { token, from, to, why },
        Fact::Closed { reason, .. } => Fact::Closed { token, reason },
        // A desk says nothing else of whom it serves.
        fact => fact,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Moment;
    use std::time::Duration;

    #[test]
    fn threads_are_put_together_by_time_within_a_bound() {
        let shelf = Shelf::new(300);
        let mut total = 0;
        for thread in 0..10_u32 {
            let mut recorder = Recorder::default();
            recorder.start(Moment::START, RING, Duration::MAX);
            let (desk, token) = (Token::new(0, thread), Token::new(thread + 1, thread));
            let mut taken = 0;
            for number in 0..500_u64 {
                recorder.tick(Moment::from_nanos(number * 10 + u64::from(thread)));
                recorder.request(desk, "GET", &format!("/{thread}"));
                taken = shelf.take(&recorder, taken, token, number == 499);
                total += 1;
            }
            assert!(shelf.lock().records.len() < 600 + RING);
        }
        let recorded = shelf.copy();
        assert_eq!((recorded.records.len(), recorded.lost), (300, total - 300));
        assert!(recorded.records.is_sorted_by_key(|record| record.at));
        for record in &recorded.records {
            let Fact::Request { token, label } = record.fact else { panic!("{record:?}") };
            assert_eq!(token.index(), token.generation() as usize + 1);
            assert_eq!(recorded.labels.text(label), format!("GET /{}", token.generation()));
        }
    }
}
