//! Results that look as a real comparison's do, without one having been run.

use std::collections::BTreeMap;

use crate::compare::result::{Machine, Model, Point, Results, Run, VERSION};
use crate::measure::{Calls, ClientUse, Errors, Fairness, Outcome, Sample, Spectrum, Tick, Turns};

/// What a made-up model is good at.
struct Nature {
    name: &'static str,
    what: &'static str,
    /// CPU of a request, µs.
    cpu: f64,
    /// Share of it in the kernel.
    system: f64,
    /// System calls and context switches a request.
    calls: f64,
    switches: f64,
    /// What a connection costs: bytes, and CPU that grows with their number.
    memory: f64,
    strain: f64,
    own: &'static [(&'static str, &'static str)],
}

const NATURES: [Nature; 8] = [
    Nature {
        name: "blocking",
        what: "one connection at a time",
        cpu: 5.6,
        system: 0.8,
        calls: 2.0,
        switches: 0.9,
        memory: 0.0,
        strain: 0.0,
        own: &[],
    },
    Nature {
        name: "threads",
        what: "a thread for each connection",
        cpu: 4.1,
        system: 0.82,
        calls: 2.0,
        switches: 1.02,
        memory: 13_800.0,
        strain: 0.35,
        own: &[("stack", "256 KiB")],
    },
    Nature {
        name: "pool=64",
        what: "an acceptor and 64 workers",
        cpu: 7.9,
        system: 0.82,
        calls: 2.1,
        switches: 1.1,
        memory: 9_200.0,
        strain: 0.05,
        own: &[("workers", "64"), ("queue", "1024"), ("stack", "256 KiB")],
    },
    Nature {
        name: "spin",
        what: "non-blocking calls in a busy scan",
        cpu: 9.0,
        system: 0.9,
        calls: 8.0,
        switches: 0.01,
        memory: 2_100.0,
        strain: 0.9,
        own: &[],
    },
    Nature {
        name: "level",
        what: "level-triggered readiness",
        cpu: 5.3,
        system: 0.83,
        calls: 2.6,
        switches: 0.05,
        memory: 1_800.0,
        strain: 0.02,
        own: &[("poll library", "polling")],
    },
    Nature {
        name: "loop",
        what: "edge-triggered readiness, one thread",
        cpu: 4.6,
        system: 0.82,
        calls: 2.03,
        switches: 0.04,
        memory: 1_700.0,
        strain: 0.01,
        own: &[("events per poll", "1024")],
    },
    Nature {
        name: "loops=2",
        what: "2 loops with SO_REUSEPORT",
        cpu: 4.9,
        system: 0.82,
        calls: 2.06,
        switches: 0.06,
        memory: 1_750.0,
        strain: 0.01,
        own: &[("events per poll", "1024"), ("loops", "2")],
    },
    Nature {
        name: "go",
        what: "a goroutine for each connection (net/http)",
        cpu: 11.5,
        system: 0.6,
        calls: 2.9,
        switches: 0.3,
        memory: 17_000.0,
        strain: 0.04,
        own: &[("GOMAXPROCS", "1"), ("go", "1.24")],
    },
];

/// A number between 0 and 1 that is the same each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 40) as f64 / (1_u64 << 24) as f64
    }

    fn about(&mut self, value: f64, noise: f64) -> f64 {
        value * (1.0 + noise * (self.next() * 2.0 - 1.0))
    }
}

/// A distribution about a middle, with a tail; the histogram is that of its percentiles.
fn spectrum(count: u64, p50: f64, tail: f64, whole: bool) -> Spectrum {
    let at = |nines: f64| (p50 * (1.0 + tail * nines.powf(1.7))) as u64;
    let (p90, p99, p999, max) = (at(0.4), at(1.0), at(1.9), at(3.4));
    let mut buckets = Vec::new();
    if whole {
        let mut left = count;
        for step in 1..=60_u32 {
            let nines = f64::from(step) / 60.0 * (count.max(10) as f64).log10();
            let beyond = (count as f64 / 10_f64.powf(nines)) as u64;
            let value = if nines < 0.31 { p50 * (0.6 + nines) } else { at(nines / 2.0) as f64 };
            if left > beyond {
                buckets.push((value as u64, left - beyond));
                left = beyond;
            }
        }
        buckets.push((max, left.max(1)));
    }
    let p50 = p50 as u64;
    Spectrum { count, mean: p50 as f64 * 1.2, min: p50 / 3, p50, p90, p99, p999, max, buckets }
}

fn cpu_of(nature: &Nature, workload: &str, x: f64, open: f64) -> f64 {
    let strained = nature.cpu * (1.0 + nature.strain * (open.max(1.0)).log2() / 4.0);
    match workload {
        "churn" => strained + if nature.name == "threads" { 38.0 } else { 14.0 },
        "tls" => strained + 3.1,
        "handshakes" => strained + 410.0,
        "pipeline" => strained / x.sqrt() + 0.9,
        "payload" => strained + x / 4_200.0,
        "compute" => strained + x,
        "mix" => strained + x / 100.0,
        "websocket" => strained * 0.9,
        "echo" => strained * 0.7,
        _ => strained,
    }
}

/// Connections of a workload at a place.
fn open_at(workload: &str, x: f64) -> f64 {
    match workload {
        "keep-alive" | "churn" | "tls" | "handshakes" | "echo" | "websocket" => x,
        "idle" | "slow" => x + 16.0,
        _ => 64.0,
    }
}

fn run(nature: &Nature, workload: &str, x: f64, index: usize, dice: &mut Dice) -> Run {
    let open = open_at(workload, x);
    let noise = if nature.name == "threads" { 0.05 } else { 0.02 };
    let cpu = dice.about(cpu_of(nature, workload, x, open), noise);
    let seconds = 2.0;
    let capacity = (1e6 / cpu).min(1e6 / (4.0 + cpu * 0.1));
    let blocked = nature.name == "blocking" && open > 1.0;
    let offered_rate = match workload {
        "open" => x,
        "stall" => 20_000.0,
        "overload" => 150_000.0 * x,
        _ => capacity,
    };
    let rate = offered_rate.min(capacity);
    let answered = (rate * seconds) as u64;
    let load_share = (offered_rate / capacity).min(0.985);
    let p50 = match workload {
        "open" | "stall" => cpu * 1e3 * 12.0 / (1.0 - load_share),
        _ => open / capacity * 1e9 + 30_000.0,
    };
    let tail = dice.about(if nature.name == "threads" { 2.6 } else { 1.1 }, 0.2);
    let whole = index == 2;
    let stalled = workload == "stall";
    let mut latency = spectrum(answered, dice.about(p50, 0.04), tail, whole);
    let service = latency.clone();
    if stalled {
        latency = spectrum(answered, p50, x * 1e6 / p50 * 0.35, whole);
    }
    let per = |each: f64| (answered as f64 * each) as u64;
    let after = Sample {
        at_us: (seconds * 1e6) as u64 + 1,
        user_us: per(cpu * (1.0 - nature.system)),
        system_us: per(cpu * nature.system),
        voluntary: per(nature.switches),
        involuntary: per(nature.switches * 0.1),
        run_delay_ns: Some(per(nature.switches * 700.0)),
        resident_kb: 9_000 + (open * nature.memory / 1024.0) as u64,
        threads: if nature.name == "threads" { open as u64 + 1 } else { 1 },
        descriptors: open as u64 + 12,
        connections: open as u64,
        calls: (nature.name != "go").then(|| Calls {
            polls: per(nature.calls - 2.0),
            reads: per(1.0),
            writes: per(1.0),
            ..Calls::default()
        }),
        turns: nature.own.iter().any(|(key, _)| *key == "events per poll").then(|| Turns {
            count: per(0.05),
            events: per(1.0),
            budget_stops: per(0.0001),
            busy: (0..24).map(|i| if (12..22).contains(&i) { 1 << (30 - i) } else { 0 }).collect(),
            late: (0..22).map(|i| if i > 8 { 40 } else { 0 }).collect(),
        }),
    };
    let parts = 40_u32;
    let ticks = (0..parts)
        .map(|part| {
            let at_ms = f64::from(part) * seconds * 1000.0 / f64::from(parts);
            let (from, to) = (600.0, 600.0 + x);
            let stopped = stalled && (from..to).contains(&at_ms);
            let waits = if stopped { (to - at_ms) * 1e6 } else { 0.0 };
            let usual = dice.about(latency.p50 as f64 * 3.0, 0.3);
            let sent = if stopped && at_ms < from + 60.0 { waits } else { 0.0 };
            Tick {
                at_ms,
                answered: if stopped { 0 } else { answered / u64::from(parts) },
                latency_max: (waits + usual) as u64,
                service_max: (sent + usual * 0.9) as u64,
            }
        })
        .collect();
    Run {
        round: index as u32,
        load: Outcome {
            url: "http://127.0.0.1:40001/plaintext".into(),
            options: BTreeMap::from([("connections".into(), open.to_string())]),
            connections: open as u64,
            unready: 0,
            seconds,
            offered: (offered_rate * seconds) as u64,
            answered,
            errors: Errors {
                timed_out: if blocked { answered / 8 } else { 0 },
                ..Errors::default()
            },
            bytes_in: answered * 128,
            bytes_out: answered * 40,
            latency,
            service,
            connect: spectrum(open as u64 + 1, dice.about(70_000.0, 0.2), 1.0, false),
            handshake: if matches!(workload, "tls" | "handshakes") {
                spectrum(answered, p50, tail, false)
            } else {
                Spectrum::default()
            },
            late: spectrum(answered, 900.0, 2.0, false),
            fairness: Some(Fairness {
                jain: if blocked { 1.0 / open } else { 1.0 - 0.02 * dice.next() * tail },
                unserved: if blocked { open as u64 - 1 } else { 0 },
                p99_min: p50 as u64,
                p99_median: (p50 * 1.5) as u64,
                p99_max: (p50 * (1.5 + tail)) as u64,
            }),
            ticks,
            client: ClientUse {
                user_us: per(0.8),
                system_us: per(if workload == "pipeline" { 4.6 } else { 2.8 }),
                ..ClientUse::default()
            },
        },
        idle: Sample { resident_kb: 8_400, threads: 1, descriptors: 12, ..Sample::default() },
        before: Sample {
            at_us: 1,
            calls: after.calls.map(|_| Calls::default()),
            turns: after.turns.as_ref().map(|_| Turns::default()),
            run_delay_ns: Some(0),
            ..Sample::default()
        },
        after,
        slab_bytes: Some((open * 8_700.0) as i64),
        kernel_bytes: Some((open * 2_300.0) as i64),
        accept_overflows: if workload == "churn" && x > 200.0 { 3 } else { 0 },
        recovery_ms: matches!(workload, "stall" | "overload")
            .then(|| dice.about(30.0 + nature.strain * 400.0, 0.2)),
        traced_calls: (workload == "keep-alive" && x == 64.0 && index == 0)
            .then_some(nature.calls + 0.01),
    }
}

const MATRIX: [(&str, &[f64]); 15] = [
    ("keep-alive", &[1.0, 4.0, 16.0, 64.0, 256.0, 1_000.0, 4_000.0, 15_000.0]),
    ("open", &[20e3, 60e3, 100e3, 140e3, 180e3, 220e3]),
    ("churn", &[1.0, 16.0, 64.0, 256.0]),
    ("idle", &[0.0, 100.0, 1_000.0, 10_000.0]),
    ("slow", &[0.0, 16.0, 256.0]),
    ("tls", &[1.0, 16.0, 64.0, 256.0]),
    ("handshakes", &[1.0, 16.0, 64.0]),
    ("pipeline", &[1.0, 4.0, 16.0, 64.0]),
    ("payload", &[128.0, 1_024.0, 16_384.0, 131_072.0, 1_048_576.0]),
    ("compute", &[0.0, 10.0, 100.0, 1_000.0, 10_000.0]),
    ("mix", &[100.0, 1_000.0, 10_000.0]),
    ("echo", &[1.0, 16.0, 256.0]),
    ("websocket", &[1.0, 16.0, 256.0]),
    ("stall", &[1_000.0]),
    ("overload", &[1.5, 2.0]),
];

/// A whole comparison: all models, all workloads, five runs a point.
pub(in crate::compare) fn make_up() -> Results {
    let mut dice = Dice(7);
    let mut points = Vec::new();
    for (workload, xs) in MATRIX {
        for &x in xs {
            for nature in &NATURES {
                let refused =
                    (nature.name == "threads" && x > 10_000.0 && workload == "keep-alive")
                        .then(|| "15,000 threads need more memory than there is".to_string());
                let count = if refused.is_some() { 0 } else { 5 };
                let runs = (0..count).map(|index| run(nature, workload, x, index, &mut dice));
                let runs = runs.collect();
                points.push(Point {
                    workload: workload.into(),
                    x,
                    model: nature.name.into(),
                    runs,
                    refused,
                });
            }
        }
    }
    let shared = [("backlog", "1024"), ("read buffer", "64 KiB"), ("TCP_NODELAY", "on")];
    let options = |own: &[(&str, &str)]| {
        let all = shared.iter().chain(own);
        all.map(|(key, value)| ((*key).to_string(), (*value).to_string())).collect()
    };
    Results {
        version: VERSION,
        taken: "2026-02-03T10:11:12Z".into(),
        command: "readyloop compare --full --out here".into(),
        complete: true,
        seconds: 1_234.0,
        machine: Machine {
            facts: [
                ("CPU", "Example E-2300, 2 cores at 3.1 GHz"),
                ("memory", "7.7 GiB"),
                ("kernel", "Linux 6.12.0"),
                ("open files", "1,048,576"),
                ("somaxconn", "4096"),
                ("readyloop", "0.1.0, commit 0123abc, rustc 1.95"),
            ]
            .map(|(key, value)| (key.into(), value.into()))
            .into(),
            server_cpus: vec![0],
            client_cpus: vec![1],
            cautions: vec![
                "`loops=2` had one core: what a second core would give is not shown.".into(),
            ],
        },
        models: NATURES
            .iter()
            .map(|nature| Model {
                name: nature.name.into(),
                what: nature.what.into(),
                options: options(nature.own),
            })
            .collect(),
        points,
        left_out: vec![
            "tls: 4,000 connections take longer to open than the time there was.".into(),
        ],
    }
}

/// A point whose runs did the given work: (answers in a second, server's CPU µs).
pub(in crate::compare) fn point(workload: &str, x: f64, model: &str, runs: &[(u64, u64)]) -> Point {
    let runs = runs.iter().map(|&(answered, cpu)| {
        let mut run = Run::default();
        run.load.seconds = 1.0;
        run.load.connections = 64;
        run.load.answered = answered;
        run.load.latency = Spectrum {
            count: answered,
            p50: 64_000_000_000 / answered.max(1),
            p99: 128_000_000_000 / answered.max(1),
            ..Spectrum::default()
        };
        run.after.user_us = cpu;
        run
    });
    Point { workload: workload.into(), x, model: model.into(), runs: runs.collect(), refused: None }
}
