//! The parent's side of its children. Each is ended when it is dropped, and no other process is.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::load::{Kind, Plan};
use super::role::{self, Job, Server};
use super::trial::Effort;

/// How long a child may take to answer beyond the time that it was told to work.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that answers in lines.
struct Process {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Process {
    fn start(
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

    fn line(&self, patience: Duration) -> io::Result<String> {
        let line = self.lines.recv_timeout(patience);
        line.map_err(|_| io::Error::other("a child ended or did not answer in time"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server under measurement.
pub(crate) struct Served {
    pub(crate) server: Server,
    process: Process,
    pub(crate) port: u16,
}

impl Served {
    /// Starts `server` to do `job` for requests like those of `kind`.
    pub(crate) fn start(
        server: Server,
        job: Job,
        kind: Kind,
        effort: &Effort,
    ) -> io::Result<Served> {
        let core = effort.cores.map(|(ours, _)| ours);
        let program = effort.before.as_deref().filter(|_| server == Server::Before);
        let request = kind.request().len().max(1);
        let words = role::server(server, job, request, effort.answers.to(kind));
        let process = Process::start(program, core, words)?;
        let line = process.line(PATIENCE)?;
        let port = line.strip_prefix("port ").and_then(|port| port.parse().ok());
        let port = port.ok_or_else(|| io::Error::other(format!("not a port: {line}")))?;
        Ok(Served { server, process, port })
    }

    /// One answer to the request of `kind`, on a connection of its own. The head and its body come
    /// in one piece, as our server writes them.
    pub(crate) fn answer(&self, kind: Kind) -> io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(kind.request())?;
        let mut bytes = [0; 4096];
        let n = stream.read(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes[..n]).into_owned())
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.child.id()
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

/// What a load reports.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) elapsed: Duration,
}

/// A load on one server.
pub(crate) struct Loaded(Process);

impl Loaded {
    /// Starts it and opens its connections.
    pub(crate) fn start(core: Option<usize>, port: u16, plan: &Plan) -> io::Result<Loaded> {
        let mut load = Loaded(Process::start(None, core, role::load(port, plan))?);
        load.tell("open", Duration::ZERO)?;
        Ok(load)
    }

    /// Keeps the server busy for `time` and all outstanding answers.
    pub(crate) fn run(&mut self, time: Duration) -> io::Result<Tally> {
        self.tell(&format!("run {}", time.as_millis()), time)
    }

    fn tell(&mut self, command: &str, time: Duration) -> io::Result<Tally> {
        writeln!(self.0.input, "{command}")?;
        let line = self.0.line(time + PATIENCE)?;
        let mut words = line.strip_prefix("done ").unwrap_or_default().split(' ');
        let mut number = || {
            let number = words.next().and_then(|word| word.parse::<u64>().ok());
            number.ok_or_else(|| io::Error::other(format!("not a report: {line}")))
        };
        Ok(Tally {
            requests: number()?,
            errors: number()?,
            elapsed: Duration::from_nanos(number()?),
        })
    }
}
