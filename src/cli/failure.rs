//! What ends the command early: a sentence, what to do about it, and an exit code.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// The exit codes, for `--help`.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  ended as asked
  1  something failed while running
  2  the arguments are wrong
  3  an address is in use
  4  a certificate, a key or the TLS settings cannot be used
  5  an address cannot be had for another reason: not permitted, unknown name
  6  stopped by a second signal before everything was finished
  7  the data cannot be used: another process has it, or it is damaged
130  interrupted; what was measured until then is kept";

/// Why the command ends, besides having done what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Runtime = 1,
    Usage = 2,
    InUse = 3,
    Tls = 4,
    Address = 5,
    Stopped = 6,
    Data = 7,
    Interrupted = 130,
}

/// An end that is not success.
#[derive(Debug)]
pub(super) struct Failure {
    kind: Kind,
    what: String,
    advice: Vec<String>,
}

impl Failure {
    pub(super) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Failure { kind, what: what.into(), advice: Vec::new() }
    }

    /// Adds something that the reader can do.
    pub(super) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice.push(advice.into());
        self
    }

    /// Says it all on stderr.
    pub(super) fn report(&self) -> ExitCode {
        let mut text = format!("error: {}\n", self.what);
        for advice in &self.advice {
            let _ = writeln!(text, "  {advice}");
        }
        // Whoever closed stderr does not want to know.
        let _ = io::stderr().write_all(text.as_bytes());
        ExitCode::from(self.kind as u8)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::new(Kind::Runtime, error.to_string())
    }
}
