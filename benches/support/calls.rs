//! System calls for each request, counted from outside by strace while a short load runs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::child::{Loaded, Served};
use super::sys;

/// System calls of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    pub(crate) requests: u64,
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    /// Waits for readiness, which all connections that are ready share.
    pub(crate) waits: u64,
    /// The others by name.
    pub(crate) others: BTreeMap<String, u64>,
}

impl Calls {
    pub(crate) fn other(&self) -> u64 {
        self.others.values().sum()
    }

    /// True if there is nothing else but the shared wait, and what accepting and attaching cost.
    pub(crate) fn is_one_read_and_one_write(&self) -> bool {
        let each = |calls: u64| calls as f64 / self.requests as f64;
        let one = |calls| (each(calls) - 1.0).abs() <= 0.01;
        one(self.reads) && one(self.writes) && each(self.other()) <= 0.01
    }

    fn add(&mut self, name: &str, calls: u64) {
        match name {
            "read" | "recvfrom" | "readv" | "recvmsg" => self.reads += calls,
            "write" | "sendto" | "writev" | "sendmsg" => self.writes += calls,
            "epoll_wait" | "epoll_pwait" | "epoll_pwait2" | "poll" => self.waits += calls,
            // Left over from interrupting the wait in order to attach.
            "restart_syscall" => {}
            name => *self.others.entry(name.into()).or_default() += calls,
        }
    }
}

/// How long strace may take to attach or to sum up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Counts the calls of `served` during one slice.
pub(crate) fn count(
    served: &Served,
    loaded: &mut Loaded,
    slice: Duration,
) -> Result<Calls, String> {
    let mut strace = Strace::attach(served.id())?;
    let tally = loaded.run(slice).map_err(|error| error.to_string())?;
    let mut calls = Calls { requests: tally.requests, ..Calls::default() };
    for line in strace.finish()? {
        if let Some((name, count)) = parse(&line) {
            calls.add(name, count);
        }
    }
    Ok(calls)
}

/// A row of the summary: `% time, seconds, usecs/call, calls, [errors,] name`.
fn parse(line: &str) -> Option<(&str, u64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let name = *words.last()?;
    let known = matches!(words.len(), 5 | 6) && name != "total" && name != "syscall";
    if known { Some((name, words[3].parse().ok()?)) } else { None }
}

struct Strace {
    child: Child,
    lines: Receiver<String>,
}

impl Strace {
    fn attach(id: u32) -> Result<Strace, String> {
        let mut child = Command::new("strace")
            .args(["-c", "-f", "-p", &id.to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("strace: {error}"))?;
        let output = BufReader::new(child.stderr.take().expect("piped above"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let strace = Strace { child, lines };
        match strace.lines.recv_timeout(PATIENCE) {
            Ok(line) if line.contains("attached") => Ok(strace),
            Ok(line) => Err(line),
            Err(_) => Err("strace does not attach".into()),
        }
    }

    /// Detaches and answers with the summary.
    fn finish(&mut self) -> Result<Vec<String>, String> {
        sys::interrupt(&self.child);
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.ends_with(" total") => return Ok(lines),
                Ok(line) => lines.push(line),
                Err(_) => return Err("strace gives no summary".into()),
            }
        }
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // It detaches by itself when interrupted; killed, the kernel detaches it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
