//! Who may look: a loop tells its peers, paths and faults, which are not for everybody.
//!
//! Called before each route of the page. It looks at the peer's address and at what a browser says of
//! the page that asks, and keeps nothing.

use crate::proto::h1::Version;
use crate::session::datagram::Peer;
use crate::session::http::{Answered, Reply};
use crate::web::problem::Problem;
use crate::web::router::{Next, Request};

/// Who may look at the page and at what it is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Who {
    /// Peers on this machine alone, who call it by one of its own names.
    #[default]
    Loopback,
    /// Everybody who can connect.
    Anyone,
}

/// What proxies add to the requests that they pass on.
const PROXIES: &[&str] = &[
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "cf-connecting-ip",
    "true-client-ip",
];

/// Lets the request through, or says why not.
pub(super) fn pass(
    who: Who,
    request: &Request<'_>,
    reply: Reply<'_, '_>,
    next: Next<'_>,
) -> Answered {
    match refusal(who, request, &reply.peer()) {
        None => next.run(request, reply),
        Some(why) => Problem::new(403, "Forbidden").detail(why).answer(reply),
    }
}

fn refusal(who: Who, request: &Request<'_>, peer: &Peer) -> Option<&'static str> {
    let has = |name| request.header(name).is_some();
    if is_of_another_site(request) {
        return Some("pages of other sites may not look at this loop");
    }
    if who == Who::Anyone {
        return None;
    }
    if !is_here(peer) {
        return Some("this loop shows itself to peers on its own machine only");
    }
    // Then it is the proxy that is here, and nobody knows who is behind it. One that says nothing
    // of itself and speaks HTTP/1.1 cannot be told from a person.
    if request.version == Version::Http10 || PROXIES.iter().any(|name| has(name)) {
        return Some("this loop does not show itself through a proxy");
    }
    let host = request.header("host").unwrap_or(b"localhost");
    if !is_own_name(host) {
        return Some("this loop shows itself as localhost or by an address only");
    }
    None
}

fn is_here(peer: &Peer) -> bool {
    match peer {
        Peer::Inet(address) => address.ip().to_canonical().is_loopback(),
        // Behind a Unix socket there is a proxy more often than a person.
        Peer::Unix(_) | Peer::Unnamed => false,
    }
}

/// True for what browsers send when another site's script asks, as soon as CORS would let it read the
/// answer. Following a link to the page is no such thing.
fn is_of_another_site(request: &Request<'_>) -> bool {
    let header = |name| request.header(name).unwrap_or_default();
    let origin = header("origin");
    let is_own = origin.split(|byte| *byte == b'/').next_back() == Some(header("host"));
    let is_foreign = matches!(header("sec-fetch-site"), b"cross-site" | b"same-site");
    is_foreign && header("sec-fetch-mode") != b"navigate"
        || !origin.is_empty() && !is_own && header("sec-fetch-site") != b"same-origin"
}

/// True for addresses and `localhost`. Any other name may be one that a stranger has made to point
/// here, so that a page of his is of the same origin.
fn is_own_name(host: &[u8]) -> bool {
    let Ok(host) = str::from_utf8(host) else { return false };
    if host.parse::<std::net::SocketAddr>().is_ok() {
        return true;
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let lower = name.to_ascii_lowercase();
    name.parse::<std::net::IpAddr>().is_ok()
        || lower == "localhost"
        || lower.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn only_names_that_nobody_else_can_give_are_its_own() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "loop.localhost:80",
            "127.0.0.1",
            "127.0.0.1:9",
            "[::1]:8080",
            "[::1]",
            "192.168.1.7:8080",
        ] {
            assert!(is_own_name(host.as_bytes()), "{host}");
        }
        for host in
            ["", "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.a"]
        {
            assert!(!is_own_name(host.as_bytes()), "{host}");
        }
        assert!(!is_own_name(b"\xff"));
    }

    #[test]
    fn here_is_this_machine() {
        let peer = |text: &str| Peer::Inet(text.parse::<SocketAddr>().expect("an address"));
        for text in ["127.0.0.1:9", "127.8.0.1:9", "[::1]:9", "[::ffff:127.0.0.1]:9"] {
            assert!(is_here(&peer(text)), "{text}");
        }
        for text in ["10.0.0.1:9", "[2001:db8::1]:9", "[::ffff:10.0.0.1]:9"] {
            assert!(!is_here(&peer(text)), "{text}");
        }
        assert!(!is_here(&Peer::Unnamed));
    }
}
