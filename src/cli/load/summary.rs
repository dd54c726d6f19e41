//! An outcome as text for a person: rates, percentiles, errors with advice, and what the client
//! itself cost.

use std::fmt::Write as _;

use crate::measure::{ClientUse, Errors, Outcome, Spectrum};

/// A client that computes for this part of the time is a bottleneck.
const BUSY: f64 = 0.9;
/// A client that is later than this with one request in a hundred distorts what it measures, ns.
const LATE: u64 = 1_000_000;

/// One figure of a distribution.
type Figure = fn(&Spectrum) -> u64;

/// The whole summary.
pub(super) fn text(outcome: &Outcome) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, outcome);
    text
}

fn write(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    let seconds = outcome.seconds.max(1e-9);
    let is_open = outcome.options.contains_key("rate");
    let kind = if is_open { "open loop" } else { "closed loop" };
    let (connections, url) = (outcome.connections, &outcome.url);
    writeln!(text, "{url}\n{connections} connections, {kind}, {seconds:.1} s\n")?;
    if is_open {
        let rate = outcome.offered as f64 / seconds;
        writeln!(text, "  planned  {:>12}  {:>10}/s", count(outcome.offered), number(rate))?;
    }
    let rate = outcome.answered as f64 / seconds;
    writeln!(text, "  answers  {:>12}  {:>10}/s", count(outcome.answered), number(rate))?;
    let per_second = |bytes: u64| size(bytes as f64 / seconds);
    let (came, went) = (per_second(outcome.bytes_in), per_second(outcome.bytes_out));
    writeln!(text, "  bytes    {came:>12}/s in  {went:>10}/s out\n")?;
    percentiles(text, outcome, is_open)?;
    errors(text, &outcome.errors)?;
    around(text, outcome)?;
    warnings(text, outcome, seconds)
}

fn percentiles(text: &mut String, outcome: &Outcome, is_open: bool) -> std::fmt::Result {
    let (latency, service) = (&outcome.latency, &outcome.service);
    if latency.count == 0 {
        return Ok(());
    }
    // The two differ too where a connection is made for each request.
    let both = is_open || latency != service;
    let heads = match (is_open, both) {
        (true, _) => "               latency     service   (from the planned start, from sending)",
        (_, true) => "               latency     service   (with connecting, from sending)",
        _ => "               latency",
    };
    writeln!(text, "{heads}")?;
    let rows: [(&str, Figure); 7] = [
        ("mean", |spectrum| spectrum.mean as u64),
        ("min", |spectrum| spectrum.min),
        ("p50", |spectrum| spectrum.p50),
        ("p90", |spectrum| spectrum.p90),
        ("p99", |spectrum| spectrum.p99),
        ("p99.9", |spectrum| spectrum.p999),
        ("max", |spectrum| spectrum.max),
    ];
    for (name, value) in rows {
        write!(text, "  {name:<8}{:>12}", time(value(latency)))?;
        if both {
            write!(text, "{:>12}", time(value(service)))?;
        }
        writeln!(text)?;
    }
    writeln!(text)
}

fn errors(text: &mut String, errors: &Errors) -> std::fmt::Result {
    if errors.total() == 0 {
        return writeln!(text, "  errors   none: every answer was checked");
    }
    let kinds = [
        (errors.connect, "no connection", "is its accept queue full, has it descriptors left?"),
        (errors.closed, "closed", "it ended connections that owed an answer or were to stay"),
        (errors.timed_out, "timed out", "more than it can answer in time; see --timeout, --rate"),
        (errors.status, "status", "answers other than 2xx: ask for something that is there"),
        (errors.wrong, "wrong", "other bytes than in the first answer, or no HTTP"),
        (errors.tls, "tls", "handshakes failed: --ca FILE or --insecure, or it is overloaded"),
    ];
    writeln!(text, "  errors   {}", count(errors.total()))?;
    for (errors, kind, advice) in kinds.iter().filter(|(errors, ..)| *errors > 0) {
        writeln!(text, "    {kind:<14}{:>10}   {advice}", count(*errors))?;
    }
    Ok(())
}

fn around(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    for (name, spectrum) in [("connect", &outcome.connect), ("handshake", &outcome.handshake)] {
        if spectrum.count > 0 {
            let (p50, p99, max) = (time(spectrum.p50), time(spectrum.p99), time(spectrum.max));
            let made = count(spectrum.count);
            writeln!(text, "  {name:<10} {made} times, p50 {p50}, p99 {p99}, max {max}")?;
        }
    }
    if let Some(fairness) = &outcome.fairness {
        let (low, high) = (time(fairness.p99_min), time(fairness.p99_max));
        let (jain, unserved) = (fairness.jain, fairness.unserved);
        write!(text, "  fairness   {jain:.3} (1 is even), p99 by connection {low} to {high}")?;
        let more = if unserved > 0 { format!(", {unserved} got nothing") } else { String::new() };
        writeln!(text, "{more}")?;
    }
    let ClientUse { user_us, system_us, voluntary, involuntary, spins } = outcome.client;
    let answers = outcome.answered.max(1) as f64;
    let (user, system) = (user_us as f64 / answers, system_us as f64 / answers);
    let switches = (voluntary + involuntary) as f64 / answers;
    writeln!(
        text,
        "  client     {:.2} µs CPU an answer ({user:.2} user, {system:.2} system), {switches:.3} switches{}",
        user + system,
        if spins { "; it spins between planned starts" } else { "" }
    )
}

fn warnings(text: &mut String, outcome: &Outcome, seconds: f64) -> std::fmt::Result {
    let client = &outcome.client;
    let busy = (client.user_us + client.system_us) as f64 / 1e6 / seconds;
    if busy > BUSY && !client.spins {
        let part = busy * 100.0;
        writeln!(
            text,
            "\n  The client was the bottleneck: it computed for {part:.0} % of the time."
        )?;
        writeln!(
            text,
            "  The server can do more. Give the two different CPUs (--cpus), or ask for less."
        )?;
    }
    if outcome.unready > 0 {
        let unready = count(outcome.unready);
        writeln!(
            text,
            "\n  {unready} connections were open but not answered when the window began."
        )?;
        writeln!(text, "  The server may not have accepted them: see --connections, --timeout.")?;
    }
    if outcome.late.p99 > LATE {
        let late = time(outcome.late.p99);
        writeln!(text, "\n  The client was late by {late} or more with one request in a hundred.")?;
        writeln!(
            text,
            "  That is in the latency, and not the server's doing: give it a CPU of its own."
        )?;
    }
    Ok(())
}

/// A time with three digits, in its unit.
fn time(nanos: u64) -> String {
    let (value, unit) = match nanos as f64 {
        nanos if nanos < 1e3 => (nanos, "ns"),
        nanos if nanos < 1e6 => (nanos / 1e3, "µs"),
        nanos if nanos < 1e9 => (nanos / 1e6, "ms"),
        nanos => (nanos / 1e9, "s"),
    };
    format!("{} {unit}", digits(value))
}

/// Bytes with three digits, in powers of 1024.
fn size(bytes: f64) -> String {
    let (value, unit) = match bytes {
        bytes if bytes < 1024.0 => (bytes, "B"),
        bytes if bytes < 1024.0 * 1024.0 => (bytes / 1024.0, "KiB"),
        bytes if bytes < 1024.0 * 1024.0 * 1024.0 => (bytes / 1024.0 / 1024.0, "MiB"),
        bytes => (bytes / 1024.0 / 1024.0 / 1024.0, "GiB"),
    };
    format!("{} {unit}", digits(value))
}

fn digits(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// A rate: whole, unless it is small.
fn number(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { count(value.round() as u64) }
}

/// A count with commas.
fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spectrum(times: u64, p50: u64) -> Spectrum {
        Spectrum { count: times, p50, p99: p50 * 2, max: p50 * 3, ..Spectrum::default() }
    }

    #[test]
    fn figures_are_readable() {
        let times: Vec<String> = [9, 1234, 56_789, 1_234_567, 2_500_000_000].map(time).to_vec();
        assert_eq!(times, ["9.00 ns", "1.23 µs", "56.8 µs", "1.23 ms", "2.50 s"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [1000.0, 2048.0, 3e6, 4e9].map(size),
            ["1000 B", "2.00 KiB", "2.86 MiB", "3.73 GiB"]
        );
    }

    #[test]
    fn a_closed_loop_has_one_column_and_an_open_one_two() {
        let mut outcome = Outcome {
            connections: 64,
            seconds: 2.0,
            offered: 30_000,
            answered: 20_000,
            latency: spectrum(20_000, 50_000),
            service: spectrum(20_000, 50_000),
            ..Outcome::default()
        };
        let closed = text(&outcome);
        assert!(closed.contains("closed loop") && closed.contains("10,000/s"), "{closed}");
        assert!(!closed.contains("service") && closed.contains("none"), "{closed}");
        outcome.options.insert("rate".into(), "15000".into());
        outcome.errors.timed_out = 10_000;
        outcome.late = spectrum(20_000, 4_000_000);
        outcome.client.user_us = 1_900_000;
        outcome.unready = 3;
        let open = text(&outcome);
        for part in [
            "open loop",
            "15,000/s",
            "service",
            "timed out",
            "bottleneck",
            "late by 8.00 ms",
            "3 connections were",
        ] {
            assert!(open.contains(part), "{part}: {open}");
        }
    }
}
