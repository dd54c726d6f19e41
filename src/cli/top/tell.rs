//! A sample in words: for `--once`, for a pipe, and the sentences that the screen shows too.

use std::fmt::{self, Write as _};

use super::history::History;
use super::sample::{Descriptors, Sample, Stall, at_most};
use super::words;

/// How many connections are told of: those that were the busiest.
const ROWS: usize = 20;

/// One sample as text.
pub(super) fn text(sample: Sample, from: &str) -> String {
    let mut history = History::default();
    history.take(sample, "");
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, &history, from);
    text
}

fn write(text: &mut String, history: &History, from: &str) -> fmt::Result {
    let sample = &history.sample;
    let seconds = (sample.uptime as f64 / 1e9).max(1e-9);
    let each = |count: u64| words::count(count as f64 / seconds);
    let version = words::fit(&sample.version, 40);
    writeln!(text, "readyloop {version}  {from}  up {}", words::span(sample.uptime))?;
    if !sample.on {
        writeln!(text, "it does not record: calls and connections are not known")?;
    }
    let requests = sample.requests();
    writeln!(text, "connections  {}", sample.live)?;
    writeln!(text, "requests     {requests}, {}/s since the start", each(requests))?;
    let turns = sample.counter("turns");
    writeln!(text, "turns        {turns}, {}/s since the start", each(turns))?;
    if let Some(share) = history.busy() {
        writeln!(text, "busy         {:.0} % in the last turns", share * 100.0)?;
    }
    for (name, spread) in [("turn time", &sample.spreads.busy), ("lag", &sample.spreads.lag)] {
        if let (Some(half), Some(most)) = (at_most(spread, 0.5), at_most(spread, 0.99)) {
            let (half, most) = (words::time(half), words::time(most));
            writeln!(text, "{name:<12} p50 ≤ {half}, p99 ≤ {most} since the start")?;
        }
    }
    let paused = if sample.descriptors.paused > 0 { ", accepting stands still" } else { "" };
    writeln!(text, "descriptors  {}{paused}", descriptors(&sample.descriptors))?;
    writeln!(text, "stalls       {}", sample.stalled)?;
    for line in sample.stalls.iter().rev().take(ROWS) {
        writeln!(text, "  {}", stall(line, sample.now))?;
    }
    for finding in &sample.findings {
        let (kind, what) = (words::fit(&finding.kind, 40), words::fit(&finding.text, 400));
        writeln!(text, "{kind}: {what}")?;
    }
    connections(text, sample)
}

fn connections(text: &mut String, sample: &Sample) -> fmt::Result {
    if sample.connections.is_empty() {
        return Ok(());
    }
    let head = ["token", "state", "in", "out", "requests", "busy", "longest", "unsent", "idle"];
    let line = |text: &mut String, cells: [&str; 9], request: &str| {
        let [token, state, numbers @ ..] = cells;
        write!(text, "{token:<9} {state:<14}")?;
        for number in numbers {
            write!(text, " {number:>8}")?;
        }
        writeln!(text, "  {request}")
    };
    writeln!(text)?;
    line(text, head, "request")?;
    let mut rows: Vec<_> = sample.connections.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.busy));
    for row in rows.iter().take(ROWS) {
        let state = row.state();
        let numbers = [
            words::bytes(row.came),
            words::bytes(row.went),
            row.requests.to_string(),
            words::time(row.busy),
            words::time(row.longest),
            words::bytes(row.unsent),
            words::time(row.idle),
        ];
        let [a, b, c, d, e, f, g] = &numbers;
        let request = words::fit(if row.me { "(this view)" } else { &row.label }, 120);
        line(text, [&row.token, &state, a, b, c, d, e, f, g], &request)?;
    }
    let shown = rows.len().min(ROWS);
    let all = sample.open.max(sample.shown).max(rows.len() as u64);
    if (shown as u64) < all {
        writeln!(text, "{shown} of {all} sockets")?;
    }
    Ok(())
}

/// A call that held the loop, in one sentence.
pub(super) fn stall(stall: &Stall, now: u64) -> String {
    let Stall { token, call, label, began, took, computing } = stall;
    let ago = words::time(now.saturating_sub(began + took));
    let took = words::time(*took);
    let cause = match computing * 2 >= stall.took {
        true => format!("computing for {} of it", words::time(*computing)),
        false => format!("parked: it computed for {} of it", words::time(*computing)),
    };
    let request =
        if label.is_empty() { String::new() } else { format!(" {}", words::fit(label, 120)) };
    format!("#{token}{request} held the loop for {took}, {ago} ago, in {call}, {cause}")
}

/// How many are used of how many.
pub(super) fn descriptors(descriptors: &Descriptors) -> String {
    match descriptors {
        Descriptors { used, limit: 0, .. } => used.to_string(),
        Descriptors { used, limit, .. } => format!("{used}/{limit}"),
    }
}
