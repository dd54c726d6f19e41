//! What the system says of this process: time, switches, memory, threads, descriptors.

use std::fs;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use super::running::Totals;
use crate::measure::Sample;

/// With more threads than this nobody reads each one's file: in a measured window that would itself
/// be a load.
const MANY: u64 = 256;

/// The whole sample of a server that began at `start`, with `own` threads of the command not counted.
pub(super) fn sample(totals: impl FnOnce() -> Totals, start: Instant, own: u64) -> Sample {
    let (mut sample, status) = spent(totals, start);
    sample.resident_kb = field(&status, "VmRSS:").unwrap_or(0);
    sample.threads = field(&status, "Threads:").unwrap_or(0).saturating_sub(own);
    sample.descriptors = descriptors();
    sample
}

/// What a sample tells of a window that begins. Memory, threads and descriptors are zero: to look
/// through thousands of descriptors is work that the window would contain.
pub(super) fn totals(totals: impl FnOnce() -> Totals, start: Instant) -> Sample {
    spent(totals, start).0
}

/// What is divided by requests, and the status of the process. Times come first, at one moment; the
/// rest takes a while.
fn spent(totals: impl FnOnce() -> Totals, start: Instant) -> (Sample, String) {
    let mut sample = Sample::default();
    if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
        sample.user_us = micros(usage.user_time());
        sample.system_us = micros(usage.system_time());
        sample.voluntary = u64::try_from(usage.voluntary_context_switches()).unwrap_or(0);
        sample.involuntary = u64::try_from(usage.involuntary_context_switches()).unwrap_or(0);
    }
    sample.at_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
    // After the times: a loop in a long turn lets one wait.
    let totals = totals();
    sample.connections = totals.connections;
    sample.calls = Some(totals.calls);
    sample.turns = totals.turns;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let threads = field(&status, "Threads:").unwrap_or(0);
    sample.run_delay_ns = if threads <= MANY { run_delay() } else { None };
    (sample, status)
}

/// Threads of this process, where the system tells.
pub(super) fn threads() -> Option<u64> {
    field(&fs::read_to_string("/proc/self/status").ok()?, "Threads:")
}

fn micros(time: TimeVal) -> u64 {
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    seconds.saturating_mul(1_000_000) + u64::try_from(time.tv_usec()).unwrap_or(0)
}

/// The number of a line of `/proc/self/status`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Open descriptors, without the one that counts them.
fn descriptors() -> u64 {
    let folder = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    fs::read_dir(folder).map_or(0, |entries| (entries.count() as u64).saturating_sub(1))
}

/// Time that the living threads were ready to run and did not: the second number of schedstat.
fn run_delay() -> Option<u64> {
    let tasks = fs::read_dir("/proc/self/task").ok()?;
    let mut sum = None;
    for task in tasks.flatten() {
        // A thread may have ended since.
        let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        let delay = text.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok());
        sum = delay.map_or(sum, |delay| Some(sum.unwrap_or(0) + delay));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_status_is_found() {
        let status = "Name:\tx\nVmRSS:\t   1234 kB\nThreads:\t7\n";
        assert_eq!(field(status, "VmRSS:"), Some(1234));
        assert_eq!(field(status, "Threads:"), Some(7));
        assert_eq!(field(status, "VmSwap:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_used_something() {
        let start = Instant::now();
        let before = start.elapsed().as_micros() as u64;
        let sample = sample(Totals::default, start, 0);
        assert!((before..=start.elapsed().as_micros() as u64 + 1).contains(&sample.at_us));
        let light = totals(|| Totals { connections: 7, ..Totals::default() }, start);
        assert_eq!((light.connections, light.descriptors, light.resident_kb), (7, 0, 0));
        assert!(light.at_us >= sample.at_us && light.run_delay_ns.is_some());
        assert!(sample.resident_kb > 0 && sample.threads > 0 && sample.descriptors > 2);
    }
}
