//! The last turns of a loop, put together again from its last facts.
//!
//! Called for each [`Sample`](super::Sample). It goes backwards from the newest fact and stops at a
//! bound: of turns, of facts looked at, of calls told.

use serde::Serialize;

use super::told::{Named, nanos};
use crate::probe::{Call, Fact, Recorder};
use crate::time::Moment;
use crate::token::Token;

/// Facts that are looked at, at most.
const FACTS: u64 = 16_384;
/// Calls that are told of one turn, and of all of them.
const PARTS: usize = 24;
const ALL_PARTS: usize = 600;

/// A turn of the loop. All times are nanoseconds.
#[derive(Debug, Serialize)]
pub(super) struct Turn {
    /// When its wait was over.
    pub at: u64,
    /// When its wait had begun.
    pub began: u64,
    /// Until when it would have waited at most.
    pub until: Option<u64>,
    /// Events that it found.
    pub ready: usize,
    /// How long it worked: up to the next wait, or for the last one up to now.
    pub busy: u64,
    /// The calls of sessions in it; of many, the longest.
    pub parts: Vec<Part>,
    /// Calls that are not among them.
    pub more: usize,
}

/// A call of a session.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    /// Whose.
    pub token: Named,
    /// For what it was called.
    pub call: &'static str,
    /// When.
    pub began: u64,
    /// How long it took.
    pub took: u64,
    /// Its connection's budget ran out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
    /// It held the loop for too long.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stall: bool,
}

/// What is known of the turn whose beginning has not been reached yet, going backwards.
#[derive(Default)]
struct Gathered {
    parts: Vec<Part>,
    budget: Option<Token>,
    stall: Option<Token>,
}

impl Gathered {
    fn call(&mut self, token: Token, call: Call, began: Moment, ended: Moment) {
        self.parts.push(Part {
            token: Named(token),
            call: call.as_str(),
            began: began.as_nanos(),
            took: nanos(ended.since(began)),
            over: self.budget.take_if(|of| *of == token).is_some(),
            stall: self.stall.take_if(|of| *of == token).is_some(),
        });
    }

    /// The calls in their order, not more than `most`, and how many more there were.
    fn take(&mut self, most: usize) -> (Vec<Part>, usize) {
        let gathered = std::mem::take(self);
        let mut parts = gathered.parts;
        let more = parts.len().saturating_sub(most);
        if more > 0 {
            parts.sort_unstable_by_key(|part| std::cmp::Reverse(part.took));
            parts.truncate(most);
            parts.sort_by_key(|part| part.began);
        } else {
            parts.reverse();
        }
        (parts, more)
    }
}

/// The last `most` turns at most, oldest first.
pub(super) fn last(recorder: &Recorder, most: usize) -> Vec<Turn> {
    let mut turns = Vec::with_capacity(most);
    let (mut gathered, mut left) = (Gathered::default(), ALL_PARTS);
    let mut end = recorder.now();
    let (_, records) = recorder.since(recorder.total().saturating_sub(FACTS));
    for record in records.rev() {
        if turns.len() >= most || left == 0 {
            break;
        }
        match record.fact {
            Fact::Polled { began, until, events } => {
                let (parts, more) = gathered.take(PARTS.min(left));
                left -= parts.len();
                turns.push(Turn {
                    at: record.at.as_nanos(),
                    began: began.as_nanos(),
                    until: (!until.is_never()).then(|| until.as_nanos()),
                    ready: events,
                    busy: nanos(end.since(record.at)),
                    parts,
                    more,
                });
                end = began;
            }
            Fact::Called { token, call, began } => gathered.call(token, call, began, record.at),
            // Both come after the call that they are about, so on the way back before it.
            Fact::Budget { token } => gathered.budget = Some(token),
            Fact::Stall { token, .. } => gathered.stall = Some(token),
            _ => {}
        }
    }
    turns.reverse();
    turns
}
