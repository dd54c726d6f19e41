//! Addresses of targets as people write them: `http://host:port/path` and its kin (RFC 3986 §3, as
//! much of it as a load needs).

use std::fmt;
use std::str::FromStr;

/// How a target is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP/1.1.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// Bytes that come back.
    Tcp,
    /// Datagrams that come back.
    Udp,
    /// WebSocket messages that come back.
    Ws,
    /// The same over TLS.
    Wss,
}

const SCHEMES: [(&str, Scheme); 6] = [
    ("http", Scheme::Http),
    ("https", Scheme::Https),
    ("tcp", Scheme::Tcp),
    ("udp", Scheme::Udp),
    ("ws", Scheme::Ws),
    ("wss", Scheme::Wss),
];

impl Scheme {
    /// True if TLS is under it.
    pub fn is_secure(self) -> bool {
        matches!(self, Scheme::Https | Scheme::Wss)
    }

    /// True if it is HTTP, secure or not.
    pub fn is_http(self) -> bool {
        matches!(self, Scheme::Http | Scheme::Https)
    }

    fn port(self) -> Option<u16> {
        match self {
            Scheme::Http | Scheme::Ws => Some(80),
            Scheme::Https | Scheme::Wss => Some(443),
            Scheme::Tcp | Scheme::Udp => None,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = SCHEMES.iter().find(|(_, scheme)| scheme == self).map(|(name, _)| *name);
        f.write_str(name.unwrap_or_default())
    }
}

/// A target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// A name or an address, without the brackets of IPv6.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Path and query, at least `/`.
    pub path: String,
}

impl Url {
    /// The value of `Host`: the port is left out where it is the usual one.
    pub fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match self.scheme.port() {
            Some(usual) if usual == self.port => host,
            _ => format!("{host}:{}", self.port),
        }
    }

    /// The same server, asked for something else.
    pub fn with_path(&self, path: &str) -> Url {
        Url { path: path.to_owned(), ..self.clone() }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if matches!(self.scheme, Scheme::Tcp | Scheme::Udp) { "" } else { &self.path };
        write!(f, "{}://{}{path}", self.scheme, self.authority())
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text
            .split_once("://")
            .ok_or("a target begins with http://, https://, tcp://, udp://, ws:// or wss://")?;
        let scheme = SCHEMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, scheme)| *scheme)
            .ok_or_else(|| format!("{name}:// is not known: http, https, tcp, udp, ws, wss are"))?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = split_port(authority)?;
        let port = port.or(scheme.port()).ok_or_else(|| format!("{name}:// needs a port"))?;
        if host.is_empty() || host.contains('@') {
            return Err("a target names a host, and no user".into());
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("write what is not plain ASCII as %XX".into());
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Url { scheme, host: host.to_owned(), port, path: format!("{slash}{path}") })
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), String> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(inner) => inner.split_once(']').ok_or("an IPv6 address ends with ]")?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => Some(port.parse().map_err(|_| format!("{port} is no port"))?),
        None if rest.is_empty() => None,
        None => return Err(format!("{rest} is no port")),
    };
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_shown() {
        for (text, host, port, path, authority) in [
            ("http://localhost", "localhost", 80, "/", "localhost"),
            ("http://localhost:80/a?b#c", "localhost", 80, "/a?b", "localhost"),
            ("HTTPS://127.0.0.1:8443?x=1", "127.0.0.1", 8443, "/?x=1", "127.0.0.1:8443"),
            ("wss://[::1]:9/ws", "::1", 9, "/ws", "[::1]:9"),
            ("tcp://h:7", "h", 7, "/", "h:7"),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!((&*url.host, url.port, &*url.path), (host, port, path), "{text}");
            assert_eq!(url.authority(), authority);
            assert_eq!(url.to_string().parse::<Url>(), Ok(url));
        }
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for text in [
            "",
            "localhost",
            "ftp://h",
            "http://",
            "http://:80",
            "http://u@h/",
            "http://h:port",
            "http://h:99999",
            "http://[::1",
            "http://[::1]x",
            "tcp://h",
            "http://h/a b",
            "http://h/\r\nX: y",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text:?}");
        }
    }
}
