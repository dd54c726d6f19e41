//! The rows of `serve`: what each is called, where it is by default, how it is bound and tried.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

use clap::ValueEnum;

use super::place::Place;
use super::services::Services;
use super::tls::Secure;
use crate::app::chat::Tcp;
use crate::app::echo::Echo;
use crate::app::greeting::Greet;
use crate::app::responder::Responder;
use crate::app::sink::Sink;
use crate::reactor::world::{Address, Listen};
use crate::session::http::Http;
use crate::{Reactor, Token};

/// A service of the command, in the order of the banner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Kind {
    Http,
    Https,
    TcpEcho,
    TcpSink,
    TcpGreeting,
    TcpChat,
    UdpEcho,
    UdpResponder,
}

impl Kind {
    /// Its name, which is its flag's.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Kind::Http => "http",
            Kind::Https => "https",
            Kind::TcpEcho => "tcp-echo",
            Kind::TcpSink => "tcp-sink",
            Kind::TcpGreeting => "tcp-greeting",
            Kind::TcpChat => "tcp-chat",
            Kind::UdpEcho => "udp-echo",
            Kind::UdpResponder => "udp-responder",
        }
    }

    /// What it does.
    pub(super) const fn what(self) -> &'static str {
        match self {
            Kind::Http => "web server, HTTP/1.1",
            Kind::Https => "the same over TLS 1.2 and 1.3",
            Kind::TcpEcho => "sends back what it gets",
            Kind::TcpSink => "logs what it gets",
            Kind::TcpGreeting => "says hello, a byte at a time",
            Kind::TcpChat => "a room, shared with the page /chat",
            Kind::UdpEcho => "sends each datagram back",
            Kind::UdpResponder => "logs each datagram, says who it is",
        }
    }

    /// Where it is served if no flag says otherwise.
    pub(super) const fn default_place(self) -> Place {
        Place::local(match self {
            Kind::Http => 8080,
            Kind::Https => 8443,
            Kind::TcpEcho | Kind::UdpEcho => 7007,
            Kind::TcpSink => 8088,
            Kind::TcpGreeting => 8087,
            Kind::TcpChat => 8086,
            Kind::UdpResponder => 8023,
        })
    }

    /// Whether its clients begin, so that accepting them can wait for their first bytes.
    pub(super) const fn peer_speaks_first(self) -> bool {
        matches!(self, Kind::Http | Kind::Https)
    }

    pub(super) const fn is_udp(self) -> bool {
        matches!(self, Kind::UdpEcho | Kind::UdpResponder)
    }

    /// Binds it.
    pub(super) fn serve(
        self,
        reactor: &mut Reactor,
        how: Listen,
        services: &Services,
        secure: Option<&Secure>,
    ) -> io::Result<Token> {
        match (self, secure) {
            (Kind::Http, _) => reactor.listen(how, Http::shared(&services.site)),
            (Kind::Https, Some(Secure { config, .. })) => {
                reactor.listen_tls(how, config.clone(), Http::shared(&services.site))
            }
            (Kind::Https, None) => Err(io::Error::other("TLS is not configured")),
            (Kind::TcpEcho, _) => reactor.listen(how, Echo),
            (Kind::TcpSink, _) => reactor.listen(how, Sink),
            (Kind::TcpGreeting, _) => reactor.listen(how, Greet),
            (Kind::TcpChat, _) => reactor.listen(how, Tcp(Rc::clone(&services.room))),
            (Kind::UdpEcho, _) => reactor.bind_udp(how, Echo),
            (Kind::UdpResponder, _) => reactor.bind_udp(how, Responder),
        }
    }

    /// A shell command that tries it.
    pub(super) fn try_it(self, at: &Address, secure: Option<&Secure>) -> String {
        let trust = secure.map_or_else(String::new, |secure| trust(at, secure));
        match at {
            Address::Unix(path) => self.try_unix(&quoted(path), &trust),
            Address::Inet(at) => self.try_inet(*at, &trust),
        }
    }

    fn try_inet(self, at: SocketAddr, trust: &str) -> String {
        let (host, port) = (reach(at), at.port());
        let in_url = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        match self {
            Kind::Http => format!("curl http://{in_url}:{port}/plaintext"),
            Kind::Https => format!("curl {trust} https://{in_url}:{port}/plaintext"),
            Kind::TcpGreeting | Kind::TcpChat => format!("nc {host} {port}"),
            Kind::TcpEcho | Kind::TcpSink => format!("printf 'hello\\n' | nc -w 1 {host} {port}"),
            Kind::UdpEcho | Kind::UdpResponder => {
                format!("printf 'hello\\n' | nc -u -w 1 {host} {port}")
            }
        }
    }

    fn try_unix(self, path: &str, trust: &str) -> String {
        match self {
            Kind::Http => format!("curl --unix-socket {path} http://localhost/plaintext"),
            Kind::Https => format!("curl {trust} --unix-socket {path} https://localhost/plaintext"),
            Kind::TcpGreeting | Kind::TcpChat => format!("nc -U {path}"),
            Kind::TcpEcho | Kind::TcpSink => format!("printf 'hello\\n' | nc -w 1 -U {path}"),
            Kind::UdpEcho | Kind::UdpResponder => {
                format!("printf 'hello\\n' | socat -t 1 - UNIX-SENDTO:{path},bind={path}.me")
            }
        }
    }
}

/// What curl must be told to talk to our HTTPS.
fn trust(at: &Address, secure: &Secure) -> String {
    // The development certificate names this machine's own addresses and no others.
    let is_named = match at {
        Address::Inet(at) => at.ip().is_loopback() || at.ip().is_unspecified(),
        Address::Unix(_) => true,
    };
    let trust = match &secure.trust {
        Some(file) if is_named => format!("--cacert {}", quoted(file)),
        _ => "--insecure".into(),
    };
    if secure.is_mutual { format!("{trust} --cert CERT --key KEY") } else { trust }
}

/// The host by which this machine reaches an address that it listens on.
fn reach(at: SocketAddr) -> String {
    if at.ip().is_unspecified() { "localhost".into() } else { at.ip().to_string() }
}

/// A path that a shell takes as one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+');
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
