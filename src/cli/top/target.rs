//! Which loop is watched: an address as people type it, and a connection to it.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::load::Url;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one read waits: so often the reader looks up from it. Also how long a write may take.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Where the scope is, below what a server serves.
const SCOPE: &str = "/_loop";

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// HTTP or HTTPS; the path is what comes before the scope's own.
    Web(Url),
    /// HTTP on a Unix socket.
    Unix(PathBuf),
}

/// A socket of either kind.
pub(super) trait Socket: Read + Write + Send {}
impl<T: Read + Write + Send> Socket for T {}

impl Target {
    /// The path of something of the scope's.
    pub(super) fn path(&self, what: &str) -> String {
        let base = match self {
            Target::Web(url) => url.path.as_str(),
            Target::Unix(_) => "",
        };
        format!("{base}{SCOPE}/{what}")
    }

    /// The value of `Host`.
    pub(super) fn authority(&self) -> String {
        match self {
            Target::Web(url) => url.authority(),
            Target::Unix(_) => "localhost".to_owned(),
        }
    }

    /// Connects; reads wait for a moment only.
    pub(super) fn connect(&self) -> io::Result<Box<dyn Socket>> {
        match self {
            Target::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(LOOK_UP))?;
                stream.set_write_timeout(Some(CONNECT))?;
                Ok(Box::new(stream))
            }
            Target::Web(url) => {
                let stream = dial(&url.host, url.port)?;
                stream.set_read_timeout(Some(LOOK_UP))?;
                stream.set_write_timeout(Some(CONNECT))?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// A connection to the first address of a name that answers.
fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Web(url) => {
                write!(f, "{}://{}{}", url.scheme, url.authority(), url.path)
            }
            Target::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err("unix: is followed by a path".into()),
                path => Ok(Target::Unix(path.into())),
            };
        }
        let is_port = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let url = match (is_port, text.contains("://")) {
            (true, _) => format!("http://127.0.0.1:{text}"),
            (_, false) => format!("http://{text}"),
            (_, true) => text.to_owned(),
        };
        let mut url: Url = url.parse()?;
        if !url.scheme.is_http() {
            return Err(format!("{}:// has no scope: http:// and https:// have", url.scheme));
        }
        // The page's own address, copied from a browser, means the same server.
        let path = url.path.split('?').next().unwrap_or_default().trim_end_matches('/');
        let path = path.strip_suffix(SCOPE).unwrap_or(path).to_owned();
        url.path = path;
        Ok(Target::Web(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_people_type_it() {
        for (text, shown, path) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "/_loop/sample"),
            ("8081", "http://127.0.0.1:8081", "/_loop/sample"),
            ("localhost:8080/", "http://localhost:8080", "/_loop/sample"),
            ("https://h/a/_loop/?x=1", "https://h/a", "/a/_loop/sample"),
            ("unix:/run/x", "unix:/run/x", "/_loop/sample"),
        ] {
            let target: Target = text.parse().expect(text);
            assert_eq!((target.to_string(), target.path("sample")), (shown.into(), path.into()));
        }
        for text in ["", "unix:", "tcp://h:7", "ws://h/", "http://h:99999", "a b"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
