//! The loop's counters in the Prometheus text format.

use crate::error::CloseReason;
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
        ("stalls_total", "Calls that held the loop; counted while recording.", c.stalls),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use std::collections::{HashMap, HashSet};

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
            assert!(heads.contains(&("HELP", name)) && heads.contains(&("TYPE", name)), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(samples.insert(sample, value).is_none(), "twice: {line}");
        }
        assert_eq!(samples["readyloop_connections"], "3");
        assert_eq!(samples["readyloop_closed_total{reason=\"reset\"}"], "7");
        assert_eq!(samples["readyloop_responses_total{class=\"2xx\"}"], "9");
        assert!(text.ends_with('\n'));
    }
}
