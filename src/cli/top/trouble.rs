//! Why nothing comes from a loop, as a sentence, and what its reader can do about it.

use std::fmt;
use std::io;

use super::target::Target;
use crate::cli::failure::{Failure, Kind};

/// See the module's documentation.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is no connection, or no more.
    Socket(io::Error),
    /// TLS has failed, for this reason.
    Tls(String),
    /// The answer is not what was asked for.
    Status(u16),
    /// It is there, and says nothing.
    Silent,
    /// It has closed the connection.
    Ended,
    /// What it says is not understood.
    Unclear(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Socket(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => f.write_str("nobody listens there"),
                io::ErrorKind::NotFound => f.write_str("there is no such socket or name"),
                io::ErrorKind::ConnectionReset => f.write_str("it broke the connection off"),
                _ => write!(f, "{error}"),
            },
            Trouble::Tls(why) => write!(f, "TLS: {why}"),
            Trouble::Status(403) => f.write_str("it shows its scope to others only (403)"),
            Trouble::Status(404) => f.write_str("it has no scope (404)"),
            Trouble::Status(status) => write!(f, "it answers {status}"),
            Trouble::Silent => f.write_str("it has said nothing for a while"),
            Trouble::Ended => f.write_str("it closed the connection"),
            Trouble::Unclear(what) => write!(f, "it is not understood: {what}"),
        }
    }
}

impl Trouble {
    /// The end of the command: what, where, and what to do.
    pub(super) fn failure(&self, target: &Target) -> Failure {
        let kind = match self {
            Trouble::Tls(_) => Kind::Tls,
            Trouble::Socket(_) => Kind::Address,
            _ => Kind::Runtime,
        };
        let failure = Failure::new(kind, format!("{target}: {self}"));
        let advice: &[&str] = match self {
            Trouble::Socket(error) if error.kind() == io::ErrorKind::ConnectionRefused => &[
                "start a server first:  readyloop serve",
                "or name the address of one:  readyloop top http://127.0.0.1:8081",
            ],
            Trouble::Tls(_) => &["trust its certificate:  --ca FILE", "or any:  --insecure"],
            Trouble::Status(403) => &[
                "a scope is shown on the server's own machine only, unless it was told otherwise",
                "watch it there, or through a tunnel:  ssh -L 8080:127.0.0.1:8080 HOST",
                "or let everybody look:  readyloop serve --scope-from anywhere",
            ],
            Trouble::Status(404) => &[
                "readyloop serve has one, unless it was switched off:  --scope on",
                "a server of your own adds the scope's routes to its router: readyloop::scope",
            ],
            Trouble::Unclear(_) => &[
                "is it a readyloop server? over TLS its address begins with https://",
                "readyloop top --help",
            ],
            _ => &[],
        };
        advice.iter().fold(failure, |failure, advice| failure.advise(*advice))
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Socket(error)
    }
}
