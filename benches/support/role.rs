//! What a child process of the bench is: a server or a load, on one processor.

use std::io;
use std::str::FromStr;

use super::load::{self, Plan};
use super::server::Http;
use super::{bare, ours, raw, sys};

/// What a server is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// HTTP with kept connections.
    Http,
    /// HTTP, one request for each connection.
    Close,
    /// Bytes back.
    Echo,
    /// HTTP over TLS.
    Tls,
}

/// The program that does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// The raw epoll loop.
    Raw,
    /// The raw loop with deferred accept and a read right after it.
    Defer,
    /// Bare mio; with TLS, rustls on bare mio.
    Mio,
    /// Our whole server.
    Ours,
    /// The same, while it records what it does.
    Watched,
    /// Our server as an earlier build of this bench has it.
    Before,
}

const JOBS: [(&str, Job); 4] =
    [("http", Job::Http), ("close", Job::Close), ("echo", Job::Echo), ("tls", Job::Tls)];

const SERVERS: [(&str, Server); 6] = [
    ("raw", Server::Raw),
    ("raw-defer", Server::Defer),
    ("mio", Server::Mio),
    ("ours", Server::Ours),
    ("ours-watched", Server::Watched),
    ("before", Server::Before),
];

impl Job {
    pub(crate) fn name(self) -> &'static str {
        name(&JOBS, self)
    }
}

impl Server {
    pub(crate) fn name(self) -> &'static str {
        name(&SERVERS, self)
    }
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        value(&SERVERS, text)
    }
}

fn name<T: Copy + PartialEq>(table: &[(&'static str, T)], value: T) -> &'static str {
    table.iter().find(|(_, v)| *v == value).map_or("?", |(name, _)| name)
}

fn value<T: Copy>(table: &[(&str, T)], name: &str) -> Result<T, String> {
    table
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, value)| *value)
        .ok_or_else(|| format!("no such name: {name}"))
}

/// Runs this process as a child. `words` are those that [`server`] or [`load`] made.
pub(crate) fn run(words: &[String]) -> io::Result<()> {
    sys::follow_parent();
    sys::raise_files()?;
    let [core, words @ ..] = words else { return Err(unclear()) };
    if let Ok(core) = core.parse() {
        sys::pin(core)?;
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["server", server, job, request, answer] => serve(
            value(&SERVERS, server).map_err(io::Error::other)?,
            value(&JOBS, job).map_err(io::Error::other)?,
            number(request)?,
            answer.as_bytes(),
        ),
        ["load", target, kind, connections, depth, tls] => load::serve(
            target.parse().map_err(io::Error::other)?,
            Plan {
                kind: kind.parse().map_err(io::Error::other)?,
                connections: number(connections)?,
                depth: number(depth)?,
                tls: tls == "tls",
            },
        ),
        _ => Err(unclear()),
    }
}

/// The words that make a child a server.
pub(crate) fn server(server: Server, job: Job, request: usize, answer: &str) -> Vec<String> {
    // To the other build, its server is its own.
    let server = if server == Server::Before { Server::Ours } else { server };
    let words = ["server", server.name(), job.name(), &request.to_string(), answer];
    words.map(String::from).to_vec()
}

/// The words that make a child a load.
pub(crate) fn load(port: u16, plan: &Plan) -> Vec<String> {
    let tls = if plan.tls { "tls" } else { "plain" };
    let (connections, depth) = (plan.connections.to_string(), plan.depth.to_string());
    let target = format!("127.0.0.1:{port}");
    let words = ["load", &target, plan.kind.name(), &connections, &depth, tls];
    words.map(String::from).to_vec()
}

fn serve(server: Server, job: Job, request: usize, answer: &[u8]) -> io::Result<()> {
    let how = Http {
        request,
        answer: answer.to_vec(),
        close: job == Job::Close,
        defer: server == Server::Defer,
    };
    match (server, job) {
        (Server::Mio, Job::Tls) => bare::tls(&how),
        (Server::Mio, Job::Echo) => bare::echo(),
        (Server::Mio, _) => bare::http(&how),
        (Server::Ours | Server::Before, job) => ours::serve(job, false),
        (Server::Watched, job) => ours::serve(job, true),
        (_, Job::Tls) => Err(io::Error::other("the raw loop speaks no TLS")),
        (_, Job::Echo) => raw::echo(),
        _ => raw::http(&how),
    }
}

fn number(word: &str) -> io::Result<usize> {
    word.parse().map_err(io::Error::other)
}

fn unclear() -> io::Error {
    io::Error::other("a child was started with unclear words")
}
