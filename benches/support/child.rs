//! The parent's side of its children: servers under measurement and the loads on them.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::load::{Kind, Plan};
use super::process::{PATIENCE, Process};
use super::role::{self, Job, Server};
use super::trial::Effort;

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
        let port = process.port()?;
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
        self.process.id()
    }

    /// Processor time of all its threads.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        self.process.cpu()
    }

    /// Bytes of memory that belong to it alone.
    pub(crate) fn memory(&self) -> io::Result<u64> {
        self.process.memory()
    }

    /// Waits until it has used no processor time for a while.
    pub(crate) fn settle(&self) -> io::Result<()> {
        self.process.settle()
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
        let [requests, errors, nanos] = self.0.ask(command, time)?;
        Ok(Tally { requests, errors, elapsed: Duration::from_nanos(nanos) })
    }
}
