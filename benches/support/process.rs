//! A child process of a bench: this program again, in another role and on a processor of its own. It
//! answers commands in lines, and is ended when it is dropped; no other process is.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a child may take to answer beyond the time that it was told to work.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A process that answers in lines.
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Process {
    /// Starts this program, or another build of it, as `--role CORE WORDS…`.
    pub(crate) fn start(
        program: Option<&Path>,
        core: Option<usize>,
        words: Vec<String>,
    ) -> io::Result<Process> {
        let core = core.map_or("-".to_string(), |core| core.to_string());
        let program = program.map_or_else(std::env::current_exe, |path| Ok(path.to_path_buf()))?;
        let mut child = Command::new(program)
            .args(["--role", &core])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().expect("piped above");
        let output = BufReader::new(child.stdout.take().expect("piped above"));
        let (sender, lines) = channel();
        // A thread, because a pipe cannot be read with a time-out.
        thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Ok(Process { child, input, lines })
    }

    pub(crate) fn line(&self, patience: Duration) -> io::Result<String> {
        let line = self.lines.recv_timeout(patience);
        line.map_err(|_| io::Error::other("a child ended or did not answer in time"))
    }

    /// The port that a server says it listens on, first of all.
    pub(crate) fn port(&self) -> io::Result<u16> {
        let line = self.line(PATIENCE)?;
        let port = line.strip_prefix("port ").and_then(|port| port.parse().ok());
        port.ok_or_else(|| io::Error::other(format!("not a port: {line}")))
    }

    /// Tells it something that takes `time`, and answers the numbers of its report.
    pub(crate) fn ask<const N: usize>(
        &mut self,
        command: &str,
        time: Duration,
    ) -> io::Result<[u64; N]> {
        writeln!(self.input, "{command}")?;
        let line = self.line(time + PATIENCE)?;
        let words = line.strip_prefix("done ").unwrap_or_default().split(' ');
        let numbers: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
        numbers.try_into().map_err(|_| io::Error::other(format!("not a report: {line}")))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time of all its threads.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let first = text.split(' ').next().and_then(|word| word.parse::<u64>().ok());
            nanos += first.ok_or_else(|| io::Error::other("schedstat has no number"))?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Bytes of memory that belong to it alone. `smaps_rollup` walks the page tables; the
    /// counters of `status` are only within 128 KiB for each processor.
    pub(crate) fn memory(&self) -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other("smaps_rollup has no number"))
    }

    /// Waits until it has used no processor time for a while.
    pub(crate) fn settle(&self) -> io::Result<()> {
        let give_up = Instant::now() + Duration::from_secs(5);
        let mut before = self.cpu()?;
        while Instant::now() < give_up {
            thread::sleep(Duration::from_millis(100));
            let now = self.cpu()?;
            if now == before {
                break;
            }
            before = now;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
