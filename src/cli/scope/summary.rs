//! What happened in a recording, in a few lines.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use crate::error::CloseReason;
use crate::probe::{Fact, Label, Record, Spread};
use crate::scope::recording::{Recording, name};
use crate::scope::text::{Clean, Clock, Span};
use crate::time::Moment;
use crate::token::Token;
use crate::web::date;

/// Connections and stalls that are listed.
const LISTED: usize = 10;

/// Writes it.
pub(super) fn write(name: &str, recording: &Recording, out: &mut impl io::Write) -> io::Result<()> {
    let mut sums = Sums::default();
    recording.records.iter().for_each(|record| sums.take(record));
    out.write_all(sums.show(name, recording).as_bytes())
}

/// What one connection did.
#[derive(Clone, Copy, Default)]
struct Busy {
    calls: u64,
    spent: Duration,
    longest: Duration,
    bytes_in: u64,
    bytes_out: u64,
    label: Label,
}

/// A call that held the loop.
struct Held {
    token: Token,
    began: Moment,
    took: Duration,
    computing: Duration,
    label: Label,
}

#[derive(Default)]
struct Sums {
    kinds: BTreeMap<&'static str, u64>,
    reasons: BTreeMap<&'static str, u64>,
    busy: HashMap<Token, Busy>,
    turns: u64,
    events: u64,
    most: usize,
    waited: Duration,
    worked: Spread,
    longest: Option<(Duration, Moment)>,
    /// When the turn under way began to work.
    since: Option<Moment>,
    held: Vec<Held>,
}

impl Sums {
    fn take(&mut self, record: &Record) {
        let Record { at, fact } = *record;
        *self.kinds.entry(name(&fact)).or_default() += 1;
        match fact {
            Fact::Polled { began, events, .. } => self.turn(at, began, events),
            Fact::Read { token, bytes, .. } | Fact::Received { token, bytes } => {
                add(&mut self.busy.entry(token).or_default().bytes_in, bytes);
            }
            Fact::Wrote { token, bytes, .. } | Fact::Sent { token, bytes } => {
                add(&mut self.busy.entry(token).or_default().bytes_out, bytes);
            }
            Fact::Request { token, label } => self.busy.entry(token).or_default().label = label,
            Fact::Called { token, began, .. } => {
                let busy = self.busy.entry(token).or_default();
                let took = at.since(began);
                busy.calls += 1;
                busy.spent = busy.spent.saturating_add(took);
                busy.longest = busy.longest.max(took);
            }
            Fact::Stall { token, began, computing } => {
                let label = self.busy.get(&token).map_or(Label(0), |busy| busy.label);
                let (took, computing) = (at.since(began), Duration::from_nanos(computing));
                self.held.push(Held { token, began, took, computing, label });
            }
            Fact::Closed { reason, .. } => {
                *self.reasons.entry(CloseReason::as_str(reason)).or_default() += 1;
            }
            _ => {}
        }
    }

    fn turn(&mut self, at: Moment, began: Moment, events: usize) {
        if let Some(since) = self.since.replace(at) {
            let worked = began.since(since);
            self.worked.record(worked);
            if self.longest.is_none_or(|(longest, _)| worked > longest) {
                self.longest = Some((worked, since));
            }
        }
        self.turns += 1;
        add(&mut self.events, events);
        self.most = self.most.max(events);
        self.waited = self.waited.saturating_add(at.since(began));
    }

    fn show(&self, file: &str, recording: &Recording) -> String {
        let mut text = String::new();
        // To a string nothing fails, here and below.
        let mut line = |name: &str, what: &str| {
            let _ = writeln!(text, "{name:12} {what}");
        };
        let header = &recording.header;
        line("recording", file);
        let (version, model) = (Clean(&header.version), Clean(&header.model));
        let started = date::rfc3339(header.started);
        line("of", &format!("{model}, begun {started}, readyloop {version}"));
        line("facts", &self.facts(recording));
        let kinds: Vec<_> = ranked(&self.kinds);
        kinds.chunks(8).for_each(|some| line("", &some.join(", ")));
        if self.turns > 0 {
            self.turn_lines().iter().for_each(|turns| line("turns", turns));
        }
        if !self.reasons.is_empty() {
            line("closed", &ranked(&self.reasons).join(", "));
        }
        let mut busiest: Vec<_> = self.busy.iter().collect();
        busiest.sort_by_key(|(token, busy)| (Reverse((busy.spent, busy.bytes_out)), **token));
        for (place, (token, busy)) in busiest.into_iter().take(LISTED).enumerate() {
            let name = if place == 0 { "busiest" } else { "" };
            let asked = asked(busy.label, recording);
            let (spent, longest) = (Span(busy.spent), Span(busy.longest));
            let (got, sent) = (busy.bytes_in, busy.bytes_out);
            let calls = busy.calls;
            line(
                name,
                &format!(
                    "{token} {calls} calls in {spent}, the longest {longest}; {got} B in, {sent} B out{asked}"
                ),
            );
        }
        let mut held: Vec<_> = self.held.iter().collect();
        held.sort_by_key(|held| Reverse(held.took));
        for (place, held) in held.into_iter().take(LISTED).enumerate() {
            let name = if place == 0 { "stalls" } else { "" };
            line(name, &held.show(recording));
        }
        text
    }

    fn facts(&self, recording: &Recording) -> String {
        let records = &recording.records;
        let (first, last) = (records.first(), records.last());
        let span = last.zip(first).map_or(Duration::ZERO, |(last, first)| last.at.since(first.at));
        let lost = match recording.header.lost {
            0 => String::new(),
            lost => format!("; {lost} older ones are lost"),
        };
        let from = first.map_or(Clock(Moment::START), |first| Clock(first.at));
        format!("{} in {} from {from} on{lost}", records.len(), Span(span))
    }

    fn turn_lines(&self) -> Vec<String> {
        let (turns, events) = (self.turns, self.events);
        let mut lines = vec![format!(
            "{turns} with {events} events, {} at most in one; waited {} altogether",
            self.most,
            Span(self.waited)
        )];
        if let Some((longest, at)) = self.longest {
            let (half, most) = (self.worked.at_most(0.5), self.worked.at_most(0.99));
            lines.push(format!(
                "worked for less than {} in half of them, {} in 99 %; the longest {} at {}",
                Span(half),
                Span(most),
                Span(longest),
                Clock(at)
            ));
        }
        lines
    }
}

impl Held {
    fn show(&self, recording: &Recording) -> String {
        let is_computing = self.computing.saturating_mul(2) >= self.took;
        let cause = if is_computing { "computing" } else { "parked" };
        let (at, took) = (Clock(self.began), Span(self.took));
        format!("{at} {} for {took}, {cause}{}", self.token, asked(self.label, recording))
    }
}

/// A file can say any number.
fn add(sum: &mut u64, count: usize) {
    *sum = sum.saturating_add(count as u64);
}

/// What it was last asked for.
fn asked(label: Label, recording: &Recording) -> String {
    match label {
        Label(0) => String::new(),
        label => format!("; {}", Clean(recording.labels.text(label))),
    }
}

/// Most of them first.
fn ranked(counts: &BTreeMap<&'static str, u64>) -> Vec<String> {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(name, count)| (Reverse(**count), **name));
    counts.into_iter().map(|(name, count)| format!("{name} {count}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_file_says_is_summed_up() {
        let header = r#"{"recording":1,"version":"1","model":"loop","started":"2026-01-01T00:00:00Z","lost":1}"#;
        let most = u64::MAX;
        let mut text = format!("{header}\n");
        for at in [0, most, 7] {
            for fact in [
                format!(r#""polled","began":{most},"until":null,"events":{most}"#),
                r#""request","token":"1.1","label":"GET /\u001b""#.to_owned(),
                format!(r#""read","token":"1.1","asked":1,"bytes":{most}"#),
                r#""called","token":"1.1","call":"data","began":0"#.to_owned(),
                format!(r#""stall","token":"1.1","began":0,"computing":{most}"#),
                r#""closed","token":"1.1","reason":"reset""#.to_owned(),
            ] {
                let _ = writeln!(text, "{{\"at\":{at},\"fact\":{fact}}}");
            }
        }
        let recording = Recording::read(text.as_bytes()).unwrap();
        let mut shown = Vec::new();
        write("a file", &recording, &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        for what in
            ["a file", "1 older ones are lost", "polled 3", "reset 3", "#1.1 for ", "GET /\\u{1b}"]
        {
            assert!(shown.contains(what), "{what} is not in\n{shown}");
        }
    }
}
