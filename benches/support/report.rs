//! What the bench tells: tables for a person, JSON for a program.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::calls::Calls;
use super::goal::{self, Goal};
use super::memory::Weight;
use super::scenario::{Idle, Scenario};
use super::stat::Median;
use super::trial::{Effort, Figures};

/// Collects results, prints each when it is there.
pub(crate) struct Report {
    trials: Vec<Value>,
    weights: Vec<Value>,
    pub(crate) errors: u64,
    tls: &'static str,
}

impl Report {
    pub(crate) fn new(tls: &'static str) -> Report {
        Report { trials: Vec::new(), weights: Vec::new(), errors: 0, tls }
    }

    /// Adds a comparison and prints its table.
    pub(crate) fn trial(&mut self, scenario: &Scenario, figures: &[Figures]) {
        let yardstick = figures[0].server.name();
        let slices = figures[0].slices.len();
        println!("\n{}: {} ({slices} slices each)", scenario.name, scenario.about);
        println!(
            "  {:<12} {:>9} {:>26} {:>14} {:>10} {:>5}   calls: {:>5} {:>6} {:>5} {:>6}  errors",
            "server",
            "CPU µs",
            format!("× {yardstick} [95 %]"),
            "goal",
            format!("{}s/s", scenario.unit),
            "busy",
            "read",
            "write",
            "wait",
            "other",
        );
        for f in figures {
            println!(
                "  {:<12} {:>9.3} {:>26} {:>14} {:>10.0} {:>4.0}%   {}  {}",
                f.server.name(),
                f.cost.value,
                interval(f.ratio),
                goal::text(f.goal),
                f.rate,
                f.busy * 100.0,
                calls(&f.calls),
                f.errors,
            );
            self.errors += f.errors;
        }
        for (name, why) in figures.iter().filter_map(|f| Some((f, f.calls.as_ref().err()?))) {
            println!("  no system calls counted for {}: {why}", name.server.name());
        }
        self.trials.push(json!({
            "name": scenario.name,
            "about": scenario.about,
            "unit": scenario.unit,
            "connections": scenario.plan.connections,
            "depth": scenario.plan.depth,
            "tls": scenario.plan.tls,
            "yardstick": yardstick,
            "servers": figures.iter().map(server).collect::<Vec<_>>(),
        }));
    }

    /// Adds the memory of idle connections and prints its table.
    pub(crate) fn idle(&mut self, idle: &Idle, weights: &[Weight]) {
        println!("\n{}: {}", idle.name, idle.about);
        println!(
            "  {:<10} {:>11} {:>18} {:>18} {:>16}  errors",
            "server", "connections", "silent, B each", "served once, B each", "goal"
        );
        for w in weights {
            println!(
                "  {:<10} {:>11} {:>18.0} {:>18.0} {:>16}  {}",
                w.server.name(),
                w.connections,
                w.before,
                w.after,
                goal::text(w.goal),
                w.errors
            );
            self.errors += w.errors;
            self.weights.push(json!({
                "name": idle.name,
                "server": w.server.name(),
                "connections": w.connections,
                "bytes_silent": w.before,
                "bytes_served_once": w.after,
                "goal": w.goal.map(Goal::json),
                "errors": w.errors,
            }));
        }
    }

    /// Writes the file.
    pub(crate) fn write(&self, path: &Path, effort: &Effort) -> io::Result<()> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let file = json!({
            "bench": "plaintext",
            "version": env!("CARGO_PKG_VERSION"),
            "unix_time": since.as_secs(),
            "machine": machine(),
            "tls_provider": self.tls,
            "time_ms": effort.time.as_millis() as u64,
            "cores": effort.cores,
            "answer": effort.answers.keep,
            "trials": self.trials,
            "idle": self.weights,
        });
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, serde_json::to_string_pretty(&file)? + "\n")
    }
}

/// What runs here.
pub(crate) fn machine() -> Value {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    json!({
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "processor": model.map_or("unknown", |(_, name)| name),
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
        "load": read("/proc/loadavg").trim(),
    })
}

fn interval(m: Median) -> String {
    format!("{:.3} [{:.3} – {:.3}]", m.value, m.low, m.high)
}

fn calls(calls: &Result<Calls, String>) -> String {
    let Ok(calls) = calls else { return format!("{:>12} {:>6} {:>5} {:>6}", "-", "-", "-", "-") };
    let each = |n: u64| n as f64 / calls.requests as f64;
    format!(
        "{:>12.2} {:>6.2} {:>5.2} {:>6.2}",
        each(calls.reads),
        each(calls.writes),
        each(calls.waits),
        each(calls.other()),
    )
}

fn server(f: &Figures) -> Value {
    let median = |m: Median| json!({ "low": m.low, "median": m.value, "high": m.high });
    let slices = f.slices.iter().map(|slice| {
        json!([
            slice.cpu.as_nanos() as u64,
            slice.tally.requests,
            slice.tally.elapsed.as_nanos() as u64
        ])
    });
    json!({
        "name": f.server.name(),
        "cpu_us": median(f.cost),
        "ratio": median(f.ratio),
        "goal": f.goal.map(Goal::json),
        "per_second": f.rate,
        "busy": f.busy,
        "errors": f.errors,
        "calls": f.calls.as_ref().map_or_else(|why| json!(why), |calls| json!({
            "requests": calls.requests,
            "read": calls.reads,
            "write": calls.writes,
            "wait": calls.waits,
            "other": calls.others,
        })),
        "slices_cpu_ns_requests_ns": slices.collect::<Vec<_>>(),
    })
}
