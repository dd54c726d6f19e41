//! The server under measurement: all of ours, through the library's public interface, as a user
//! would write it. Every limit, time-out and counter is on.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use readyloop::connection::tls::{KeyPair, Pem, TlsConfig, TlsPolicy};
use readyloop::reactor::world::{Address, Listen};
use readyloop::session::http::{Answered, Handler, Http, Prepared, Reply};
use readyloop::session::raw::{self, Raw};
use readyloop::session::{ConnInfo, Cx, Flow, Session};
use readyloop::{Head, Limits, Reactor};

use super::role::Job;
use super::{secure, server};

/// Facts that are kept while it is watched: as many as the command keeps.
const FACTS: usize = 65_536;

/// Serves until killed, and records what it does if it is `watched`.
pub(crate) fn serve(job: Job, watched: bool) -> io::Result<()> {
    // No more than the descriptors allow are ever open, so the cap is on and never reached.
    let limits = Limits { connections: 1_000_000, ..Limits::default() };
    let mut reactor = Reactor::new(limits)?;
    if watched {
        reactor.record(FACTS);
    }
    let mut listen = Listen::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    // A load that holds its connections opens all of them before its first request.
    listen.peer_speaks_first = matches!(job, Job::Close | Job::Tls);
    let listener = match job {
        Job::Http | Job::Close => reactor.listen(listen, Http::new(App::new()?))?,
        Job::Tls => reactor.listen_tls(listen, tls()?, Http::new(App::new()?))?,
        Job::Echo => reactor.listen(listen, echo)?,
    };
    match reactor.local_address(listener) {
        Some(Address::Inet(address)) => server::announce(address)?,
        _ => return Err(io::Error::other("the listener has no address")),
    }
    reactor.run()
}

struct App {
    plaintext: Prepared,
}

impl App {
    fn new() -> io::Result<Self> {
        let headers: &[(&str, &[u8])] = &[("Content-Type", b"text/plain")];
        let plaintext = Prepared::new(200, headers, b"Hello, World!").map_err(io::Error::other)?;
        Ok(App { plaintext })
    }
}

impl Handler for App {
    fn on_request(&self, request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        match (request.method, request.path()) {
            ("GET" | "HEAD", "/plaintext") => reply.prepared(&self.plaintext),
            ("GET" | "HEAD", _) => reply.text(404, "there is only /plaintext here\n"),
            _ => reply.send(405, &[("Allow", b"GET, HEAD")], b""),
        }
    }
}

fn tls() -> io::Result<TlsConfig> {
    let (chain, key) = secure::certificate_pem();
    let pair = KeyPair { chain: Pem::from(&*chain), key: Pem::from(&*key) };
    TlsConfig::server(TlsPolicy::default(), vec![pair]).map_err(io::Error::other)
}

/// Sends back what it gets.
struct Echo;

impl raw::Handler for Echo {
    fn on_bytes(&mut self, _: &[u8], _: &mut Cx<'_>) -> Flow {
        Flow::Reflect
    }
}

fn echo(_: &ConnInfo<'_>) -> Box<dyn Session> {
    Box::new(Raw::new(Echo))
}
