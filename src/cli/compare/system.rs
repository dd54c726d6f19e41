//! What the operating system tells of itself: the facts of the machine card and the kernel's
//! counters.
//!
//! Read from `/proc` and `/sys`. Where a system has no such files, what they say is not known, and
//! nothing fails.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{SysconfVar, sysconf};

use super::child::Child;
use crate::compare::machine::Seen;

/// How long a command may take to say what it is asked.
const PATIENCE: Duration = Duration::from_secs(5);

/// The whole file, if it is there and not empty.
fn text(path: impl AsRef<Path>) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The value behind `name` in lines of `name: value`.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix([':', '=']))
}

/// The first line that a command prints, if it works, and does so in time.
pub(super) fn says(program: &str, arguments: &[&str]) -> Option<String> {
    said(program, arguments, Instant::now() + PATIENCE)
}

fn said(program: &str, arguments: &[&str], deadline: Instant) -> Option<String> {
    let mut command = Command::new(program);
    let mut child = Child::start(program, command.args(arguments), &Arc::default()).ok()?;
    let line = child.line(deadline).ok()?;
    child.finish(deadline).ok()?;
    Some(line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// Descriptors that a process may have when it asks for all it may.
pub(super) fn descriptors() -> Option<u64> {
    getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(_, hard)| hard)
}

/// Ports that a client can call from, for one address that it calls.
pub(super) fn ports() -> Option<u64> {
    let range = text("/proc/sys/net/ipv4/ip_local_port_range")?;
    let mut ends = range.split_whitespace().map(|end| end.parse::<u64>().ok());
    let (low, high) = (ends.next()??, ends.next()??);
    Some((high + 1).saturating_sub(low))
}

/// Looks at the machine. Who runs where, and what is wanted of it, the caller knows.
pub(super) fn look(server_cpus: &[usize], client_cpus: &[usize], cpus: usize) -> Seen {
    let processor = text("/proc/cpuinfo").unwrap_or_default();
    let memory = text("/proc/meminfo").unwrap_or_default();
    let release = text("/etc/os-release").unwrap_or_default();
    let cpu = server_cpus.first().copied().unwrap_or(0);
    let trimmed = |value: &str| value.trim().trim_matches('"').to_owned();
    Seen {
        cpu: field(&processor, "model name").map(trimmed),
        cpus,
        server_cpus: server_cpus.to_vec(),
        client_cpus: client_cpus.to_vec(),
        siblings: siblings(server_cpus),
        memory_kb: field(&memory, "MemTotal")
            .and_then(|value| value.split_whitespace().next()?.parse().ok()),
        kernel: says("uname", &["-srm"]),
        system: field(&release, "PRETTY_NAME").map(trimmed),
        descriptors: descriptors(),
        is_virtual: field(&processor, "flags")
            .is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor")),
        governor: text(format!("/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor")),
        turbo: turbo(),
        throttled: throttled(server_cpus),
        clock: text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        load: text("/proc/loadavg").and_then(|text| text.split(' ').next()?.parse().ok()),
        backlog: text("/proc/sys/net/core/somaxconn").and_then(|text| text.parse().ok()),
        is_debug: cfg!(debug_assertions),
        versions: versions(),
        ..Seen::default()
    }
}

/// CPUs that share a core with one of these.
fn siblings(cpus: &[usize]) -> Vec<usize> {
    let of = |cpu: &usize| {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let listed: super::Cpus = text(path)?.parse().ok()?;
        Some(listed.numbers().to_vec())
    };
    let mut all: Vec<usize> = cpus.iter().filter_map(of).flatten().collect();
    all.retain(|cpu| !cpus.contains(cpu));
    all
}

fn turbo() -> Option<bool> {
    let intel = text("/sys/devices/system/cpu/intel_pstate/no_turbo").map(|off| off == "0");
    intel.or_else(|| text("/sys/devices/system/cpu/cpufreq/boost").map(|on| on == "1"))
}

/// Times that these CPUs were slowed down because they were hot, since the machine's start.
pub(super) fn throttled(cpus: &[usize]) -> Option<u64> {
    let of = |cpu: &usize| {
        text(format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle/core_throttle_count"))?
            .parse::<u64>()
            .ok()
    };
    cpus.iter().map(of).sum()
}

fn versions() -> Vec<(String, String)> {
    let mut versions = vec![("readyloop".to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
    let mut add = |name: &str, value: Option<String>| {
        versions.extend(value.map(|value| (name.to_owned(), value)));
    };
    // Only in a checkout of this very program does the commit say anything about it.
    let manifest = text("Cargo.toml").unwrap_or_default();
    if manifest.contains("name = \"readyloop\"") {
        add("commit", says("git", &["describe", "--always", "--dirty"]));
    }
    add("build", Some(if cfg!(debug_assertions) { "debug" } else { "release" }.into()));
    add("Go", says("go", &["version"]).map(|text| text.replace("go version ", "")));
    versions
}

/// CPU time of the whole machine since its start: all of it, and what was stolen.
pub(super) fn cpu_times() -> Option<(u64, u64)> {
    let all = text("/proc/stat")?;
    let line = all.lines().next()?.strip_prefix("cpu ")?;
    let times: Vec<u64> = line.split_whitespace().map_while(|time| time.parse().ok()).collect();
    // The first eight; time of guests is counted in them once more.
    Some((times.iter().take(8).sum(), *times.get(7)?))
}

/// Memory in which the kernel keeps what is queued in all TCP sockets of this machine, bytes. The
/// sockets themselves are not in it.
pub(super) fn queued_bytes() -> Option<i64> {
    let page = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    Some(pages(&text("/proc/net/sockstat")?)? * page)
}

/// What the kernel keeps of a connection that is open, as its slabs are called.
const SLABS: [&str; 6] = ["TCP", "TCPv6", "sock_inode_cache", "filp", "eventpoll_epi", "dentry"];

/// Memory of the kernel for sockets, files and their names on this machine, bytes. Only root is told.
pub(super) fn slab_bytes() -> Option<i64> {
    slabs(&text("/proc/slabinfo")?)
}

/// Objects in use, times their size.
fn slabs(slabinfo: &str) -> Option<i64> {
    let of = |line: &str| {
        let mut words = line.split_whitespace();
        SLABS.contains(&words.next()?).then_some(())?;
        let objects = words.next()?.parse::<i64>().ok()?;
        Some(objects * words.nth(1)?.parse::<i64>().ok()?)
    };
    slabinfo.lines().filter_map(of).reduce(|a, b| a + b)
}

/// `mem` of the line `TCP:`, in which those of IPv6 are counted too.
fn pages(sockstat: &str) -> Option<i64> {
    let words = field(sockstat, "TCP")?;
    let mut words = words.split_whitespace().skip_while(|word| *word != "mem");
    words.nth(1)?.parse().ok()
}

/// Connections that were dropped because an accept queue was full, since the machine's start.
pub(super) fn accept_overflows() -> Option<u64> {
    listed(&text("/proc/net/netstat")?, "ListenOverflows")
}

/// A counter of `TcpExt`: its names are in one line, its values in the next.
fn listed(netstat: &str, name: &str) -> Option<u64> {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let place = names.split_whitespace().position(|other| other == name)?;
    values.split_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_their_names() {
        let netstat = "TcpExt: A ListenOverflows ListenDrops\nTcpExt: 1 2 3\nIpExt: A\nIpExt: 4\n";
        assert_eq!(listed(netstat, "ListenDrops"), Some(3));
        assert_eq!(listed(netstat, "Nothing"), None);
        assert_eq!(listed("", "ListenDrops"), None);
        let sockstat = "sockets: used 14\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 136\nUDP: mem 1\n";
        assert_eq!(pages(sockstat), Some(136));
        assert_eq!(pages("TCP: inuse"), None);
        let slabinfo = "# name <active_objs> <num_objs> <objsize>\nTCP 66 117 2368 13 8 : x\n\
                        filp 10 20 192 21 : x\nother 5 5 5\n";
        assert_eq!(slabs(slabinfo), Some(66 * 2368 + 10 * 192));
        assert_eq!(slabs("# name\nTCP 1\n"), None);
        assert_eq!(field("model name\t: Some CPU\n", "model name"), Some(" Some CPU"));
        assert_eq!(field("PRETTY_NAME=\"An OS\"", "PRETTY_NAME"), Some("\"An OS\""));
    }

    #[test]
    fn a_command_that_says_nothing_is_not_waited_for() {
        assert_eq!(says("sh", &["-c", "echo first; echo second"]).as_deref(), Some("first"));
        for script in ["exit 3", "echo first; exit 3", "true"] {
            assert_eq!(says("sh", &["-c", script]), None, "{script}");
        }
        assert_eq!(says("/no/such/program", &[]), None);
        // Without a deadline this test would not end.
        for script in ["while :; do sleep 1; done", "echo first; while :; do sleep 1; done"] {
            let soon = Instant::now() + Duration::from_millis(100);
            assert_eq!(said("sh", &["-c", script], soon), None, "{script}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_what_is_asked() {
        let (all, stolen) = cpu_times().expect("/proc/stat");
        assert!(all > stolen);
        assert!(accept_overflows().is_some() && queued_bytes().is_some() && ports() > Some(1000));
        let seen = look(&[0], &[1], 2);
        assert!(seen.kernel.is_some() && seen.memory_kb > Some(1000) && seen.descriptors.is_some());
    }
}
