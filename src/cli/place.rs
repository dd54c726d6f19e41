//! Where a row listens, as a flag says it.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::PathBuf;
use std::str::FromStr;

use crate::reactor::world::Address;

/// The value of a row's flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The row is not served.
    Off,
    /// An address.
    Inet(SocketAddr),
    /// A port of every interface.
    Everywhere(u16),
    /// A name, to be resolved at the start.
    Named(String, u16),
    /// A Unix socket's path.
    Unix(PathBuf),
}

impl Place {
    /// A port of this machine's own address.
    pub(super) const fn local(port: u16) -> Self {
        Place::Inet(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }

    /// The addresses that it means.
    pub(super) fn addresses(&self) -> io::Result<Vec<Address>> {
        match self {
            Place::Off => Ok(Vec::new()),
            Place::Inet(address) => Ok(vec![Address::Inet(*address)]),
            Place::Everywhere(port) => Ok(vec![Address::Inet(everywhere(*port))]),
            Place::Unix(path) => Ok(vec![Address::Unix(path.clone())]),
            Place::Named(host, port) => {
                let mut found: Vec<_> = (host.as_str(), *port).to_socket_addrs()?.collect();
                found.sort();
                found.dedup();
                Ok(found.into_iter().map(Address::Inet).collect())
            }
        }
    }

    /// The same kind of place with another port, for advice.
    pub(super) fn beside(&self) -> Option<String> {
        let next = |port: u16| port.checked_add(1);
        Some(match self {
            Place::Off | Place::Unix(_) => return None,
            Place::Inet(at) if at.ip() == Ipv4Addr::LOCALHOST => next(at.port())?.to_string(),
            Place::Inet(at) => SocketAddr::new(at.ip(), next(at.port())?).to_string(),
            Place::Everywhere(port) => format!(":{}", next(*port)?),
            Place::Named(host, port) => format!("{host}:{}", next(*port)?),
        })
    }
}

/// The address that stands for every interface: over IPv6, which takes IPv4 as well, where this
/// machine has it.
fn everywhere(port: u16) -> SocketAddr {
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)) {
        Ok(_) => v6,
        Err(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Place::Off);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err("unix: is followed by a path".into()),
                path => Ok(Place::Unix(path.into())),
            };
        }
        if let Ok(address) = text.parse() {
            return Ok(Place::Inet(address));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            return Ok(Place::local(port(text)?));
        }
        match text.rsplit_once(':') {
            Some(("" | "*", number)) => Ok(Place::Everywhere(port(number)?)),
            Some((host, number)) if is_name(host) => Ok(Place::Named(host.into(), port(number)?)),
            _ => Err("an address is 8080 (this machine only), :8080 (every interface), \
                      127.0.0.1:8080, [::1]:8080, localhost:8080, unix:/path, or off"
                .into()),
        }
    }
}

fn is_name(host: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    !host.is_empty() && host.chars().all(allowed)
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("{text:?} is no port: ports are numbers from 0 to 65535"))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Off => f.write_str("off"),
            Place::Inet(address) => write!(f, "{address}"),
            Place::Everywhere(port) => write!(f, ":{port}"),
            Place::Named(host, port) => write!(f, "{host}:{port}"),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_people_write_them() {
        let inet = |text: &str| Place::Inet(text.parse().expect("an address"));
        for (text, place) in [
            ("off", Place::Off),
            ("8080", inet("127.0.0.1:8080")),
            ("0", inet("127.0.0.1:0")),
            (":8080", Place::Everywhere(8080)),
            ("*:8080", Place::Everywhere(8080)),
            ("127.0.0.1:80", inet("127.0.0.1:80")),
            ("[::]:8080", inet("[::]:8080")),
            ("[::1]:0", inet("[::1]:0")),
            ("localhost:8080", Place::Named("localhost".into(), 8080)),
            ("unix:/tmp/a.sock", Place::Unix("/tmp/a.sock".into())),
        ] {
            assert_eq!(text.parse(), Ok(place), "{text}");
        }
        for text in [
            "",
            "on",
            "localhost",
            "127.0.0.1",
            "::1",
            "[::1]",
            "99999",
            ":x",
            "unix:",
            "::1:80",
            "a b:1",
        ] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }

    #[test]
    fn advice_keeps_the_kind_of_place() {
        for (text, beside) in [
            ("8080", Some("8081")),
            (":8080", Some(":8081")),
            ("[::1]:8080", Some("[::1]:8081")),
            ("localhost:8080", Some("localhost:8081")),
            ("65535", None),
            ("unix:/tmp/x", None),
        ] {
            let place: Place = text.parse().expect("a place");
            assert_eq!(place.beside().as_deref(), beside, "{text}");
        }
    }
}
