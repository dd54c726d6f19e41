//! The loop's counters in the Prometheus text format.
//!
//! They are counted from the facts that the scope shows, and from nothing else.

use crate::error::CloseReason;
use crate::probe::{Counters, Spread};
use crate::session::Env;
use crate::time::Moment;
use crate::web::metrics::Page;

/// Appends all measures of the loop that `env` belongs to.
pub(super) fn render(env: &Env, page: &mut Page) {
    let c = &env.counters;
    let uptime = env.now.since(Moment::START).as_secs_f64();
    page.single("uptime_seconds", "gauge", "Time since the loop began.", uptime);
    page.single("connections", "gauge", "Connections open now.", env.live);
    page.single("draining", "gauge", "1 while the loop drains.", u8::from(env.draining));
    for (name, help, value) in [
        ("turns_total", "Turns of the loop.", c.turns),
        ("events_total", "Readiness events returned by the poll.", c.events),
        ("stale_total", "Events, messages and timers for a socket already gone.", c.stale),
        ("accepted_total", "Connections accepted.", c.accepted),
        ("adopted_total", "Connections handed over.", c.adopted),
        ("dialled_total", "Connections begun from here.", c.dialled),
        ("reads_total", "Reads of stream sockets.", c.reads),
        ("read_bytes_total", "Bytes read from stream sockets.", c.read_bytes),
        ("writes_total", "Writes to stream sockets.", c.writes),
        ("written_bytes_total", "Bytes written to stream sockets.", c.written_bytes),
        ("would_blocks_total", "Reads and writes that would have blocked.", c.would_blocks),
        ("failures_total", "Reads, writes, accepts and connects that failed.", c.failures),
        ("wakes_total", "Turns that took commands of other threads.", c.wakes),
        ("budget_stops_total", "Times a socket had to let others go first.", c.budget_stops),
        ("timers_armed_total", "Deadlines put into the timer heap.", c.timers_armed),
        ("timers_fired_total", "Deadlines reached.", c.timers_fired),
        ("high_waters_total", "Times reading stopped for a peer that did not read.", c.high_waters),
        ("accept_pauses_total", "Times a listener stopped accepting.", c.accept_pauses),
        ("shed_total", "Clients turned away for want of a descriptor.", c.shed),
        (
            "descriptor_exhaustions_total",
            "Pauses for want of descriptors.",
            c.descriptor_exhaustions,
        ),
        ("datagrams_received_total", "Datagrams received.", c.datagrams_received),
        ("datagrams_sent_total", "Datagrams sent.", c.datagrams_sent),
        ("datagrams_dropped_total", "Datagrams dropped or refused.", c.datagrams_dropped),
        ("datagram_bytes_in_total", "Bytes of datagrams received.", c.datagram_bytes_in),
        ("datagram_bytes_out_total", "Bytes of datagrams sent.", c.datagram_bytes_out),
    ] {
        page.single(name, "counter", help, value);
    }
    stalls(c, page);
    descriptors(env, page);
    histograms(c, page);
    page.head("closed_total", "counter", "Connections closed, by reason.");
    for (reason, count) in CloseReason::WORDS.iter().zip(c.closed) {
        page.labelled("closed_total", &[("reason", reason)], count);
    }
    page.head("responses_total", "counter", "HTTP replies, by class of status.");
    for (class, count) in ["1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(&c.responses[1..]) {
        page.labelled("responses_total", &[("class", class)], *count);
    }
    page.head("build_info", "gauge", "Always 1; the version is in the label.");
    page.labelled("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
}

fn stalls(c: &Counters, page: &mut Page) {
    let name = "stalls_total";
    page.head(name, "counter", "Calls that held the loop, by cause; counted while recording.");
    let computing = c.stalls.saturating_sub(c.stalls_parked);
    for (cause, count) in [("computing", computing), ("parked", c.stalls_parked)] {
        page.labelled(name, &[("cause", cause)], count);
    }
}

fn descriptors(env: &Env, page: &mut Page) {
    let recorder = &env.recorder;
    page.single("recording", "gauge", "1 while facts are recorded.", u8::from(recorder.is_on()));
    page.single("facts_total", "counter", "Facts recorded.", recorder.total());
    let help = "Listeners that do not accept, for want of room or of descriptors.";
    page.single("accepting_paused", "gauge", help, env.paused);
    // Listeners are known while facts are recorded only.
    let used = recorder.tallies().len().max(env.live);
    page.single("descriptors_used", "gauge", "Sockets of the loop.", used);
    let limit = recorder.descriptor_limit();
    if limit > 0 {
        page.single("descriptors_limit", "gauge", "Descriptors of the process, at most.", limit);
    }
}

fn histograms(c: &Counters, page: &mut Page) {
    for (name, help, spread) in [
        ("turn_seconds", "How long turns worked, between two waits.", &c.busy),
        ("lag_seconds", "How long a ticker of 1 ms would have waited.", &c.lag.spread),
        ("timer_late_seconds", "How late deadlines were looked at.", &c.late),
    ] {
        page.histogram(name, help, times(spread), spread.sum().as_secs_f64());
    }
    let last = c.ready.len() - 1;
    let counts = c.ready.iter().enumerate().map(|(bits, count)| {
        let most = if bits == last { f64::INFINITY } else { ((1_u64 << bits) - 1) as f64 };
        (most, *count)
    });
    page.histogram("turn_events", "Readiness events of a turn.", counts, c.events as f64);
}

/// The powers of two, in ns, that times are told by: from half a microsecond to half a minute. All
/// that are shorter are in the first bucket.
const TIMES: std::ops::Range<usize> = 9..36;

/// The buckets of a distribution: the longest time of each in seconds, and how many it has.
fn times(spread: &Spread) -> impl Iterator<Item = (f64, u64)> {
    let count = |from: usize, until: usize| {
        spread.0.get(from..until).unwrap_or_default().iter().sum::<u64>()
    };
    let each = TIMES.map(move |bits| {
        let from = if bits == TIMES.start { 0 } else { bits };
        (((1_u64 << bits) - 1) as f64 / 1e9, count(from, bits + 1))
    });
    each.chain([(f64::INFINITY, count(TIMES.end, Spread::BUCKETS))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use std::collections::{HashMap, HashSet};
    use std::time::Duration;

    #[test]
    fn every_sample_has_its_help_and_type_before_it_and_none_comes_twice() {
        let mut env = Env::new(Limits::default());
        env.counters.closed[CloseReason::Reset.kind()] = 7;
        env.counters.responses[2] = 9;
        env.live = 3;
        let mut page = Page::new();
        render(&env, &mut page);
        let text = page.text();
        let (mut heads, mut samples) = (HashSet::new(), HashMap::new());
        for line in text.lines() {
            if let Some(head) = line.strip_prefix("# ") {
                let words: Vec<_> = head.splitn(3, ' ').collect();
                assert_eq!(words.len(), 3, "{line}");
                assert!(heads.insert((words[0], words[1])), "twice: {line}");
                continue;
            }
            let (sample, value) = line.rsplit_once(' ').expect("a name and a value");
            let name = sample.split('{').next().expect("a name");
            let parts = ["_bucket", "_sum", "_count"];
            let whole = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
            let name = if heads.contains(&("TYPE", whole)) { whole } else { name };
            assert!(heads.contains(&("HELP", name)) && heads.contains(&("TYPE", name)), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(samples.insert(sample, value).is_none(), "twice: {line}");
        }
        assert_eq!(samples["readyloop_connections"], "3");
        assert_eq!(samples["readyloop_closed_total{reason=\"reset\"}"], "7");
        assert_eq!(samples["readyloop_responses_total{class=\"2xx\"}"], "9");
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn histograms_hold_all_that_was_counted() {
        let mut env = Env::new(Limits::default());
        let c = &mut env.counters;
        for nanos in [1, 511, 512, 200_000_000, 1 << 38] {
            c.busy.record(Duration::from_nanos(nanos));
        }
        (c.ready, c.events) = ([0; 16], 70_000);
        (c.ready[0], c.ready[2], c.ready[15]) = (5, 4, 1);
        (c.stalls, c.stalls_parked) = (3, 1);
        env.recorder.set_descriptor_limit(1024);
        let mut page = Page::new();
        render(&env, &mut page);
        let text = page.text();
        for line in [
            r#"turn_seconds_bucket{le="0.000000511"} 2"#,
            r#"turn_seconds_bucket{le="0.000001023"} 3"#,
            r#"turn_seconds_bucket{le="0.268435455"} 4"#,
            r#"turn_seconds_bucket{le="34.359738367"} 4"#,
            r#"turn_seconds_bucket{le="+Inf"} 5"#,
            "turn_seconds_sum 275.077907968",
            "turn_seconds_count 5",
            r#"turn_events_bucket{le="0"} 5"#,
            r#"turn_events_bucket{le="3"} 9"#,
            r#"turn_events_bucket{le="16383"} 9"#,
            r#"turn_events_bucket{le="+Inf"} 10"#,
            "turn_events_sum 70000",
            r#"stalls_total{cause="computing"} 2"#,
            r#"stalls_total{cause="parked"} 1"#,
            "descriptors_limit 1024",
            "accepting_paused 0",
        ] {
            assert!(text.contains(&format!("\nreadyloop_{line}\n")), "{line} in {text}");
        }
    }
}
