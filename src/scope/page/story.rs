//! One connection's story: the facts about it that are still kept, in words.
//!
//! Called for samples that follow a connection, and for `/_loop/story`. It looks at a bounded number
//! of facts and tells a bounded number of lines; what it leaves out it counts.

use std::fmt::Write;

use serde::Serialize;

use super::told::Named;
use crate::probe::{Record, Recorder};
use crate::scope::recording::name;
use crate::scope::text::Line;
use crate::token::Token;

/// Facts that are looked at for the beginning of a story, and lines that are told at a time.
const FACTS: u64 = 1 << 18;
const LINES: usize = 120;
/// Lines of a whole story.
const ALL_LINES: usize = 5000;

/// What happened to a connection since somebody last asked.
#[derive(Debug, Serialize)]
pub(super) struct Story {
    token: Named,
    /// Older lines that are not told.
    skipped: u64,
    lines: Vec<Told>,
}

/// A fact in words.
#[derive(Debug, Serialize)]
struct Told {
    at: u64,
    fact: &'static str,
    text: String,
}

impl Story {
    /// The newest facts about `token` from the `from`-th fact on.
    pub(super) fn of(recorder: &Recorder, token: Token, from: u64) -> Self {
        let (records, skipped) = newest(recorder, token, from, LINES);
        let lines = records.into_iter().map(|record| Told {
            at: record.at.as_nanos(),
            fact: name(&record.fact),
            text: words(recorder, record),
        });
        Story { token: Named(token), skipped, lines: lines.collect() }
    }
}

/// The whole story as text, one line a fact; empty if nothing is known.
pub(super) fn text(recorder: &Recorder, token: Token) -> String {
    let (records, skipped) = newest(recorder, token, 0, ALL_LINES);
    let mut text = String::new();
    // Writing to a string cannot fail.
    if skipped > 0 {
        let _ = writeln!(text, "… {skipped} facts before");
    }
    for record in records {
        let _ = writeln!(text, "{}", Line { record, labels: recorder.labels() });
    }
    text
}

/// The last `most` facts about a connection, oldest first, and how many there were before them.
fn newest(recorder: &Recorder, token: Token, from: u64, most: usize) -> (Vec<&Record>, u64) {
    let from = from.max(recorder.total().saturating_sub(FACTS));
    let about = |record: &&Record| record.fact.token() == Some(token);
    let mut records = recorder.since(from).1.rev().filter(about);
    let mut newest: Vec<_> = records.by_ref().take(most).collect();
    newest.reverse();
    (newest, records.count() as u64)
}

/// What a line says after the time, the token and the fact's name.
fn words(recorder: &Recorder, record: &Record) -> String {
    let line = Line { record, labels: recorder.labels() }.to_string();
    line.splitn(4, ' ').nth(3).unwrap_or_default().to_owned()
}
