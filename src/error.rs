//! Why things end: [`CloseReason`], [`Phase`] and [`Fault`].

use std::fmt;
use std::io;

/// A fault of the peer: what it did wrong, and the status or close code to tell it.
///
/// Protocols keep theirs as `static`s, so that a reason stays small and `Copy`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// The protocol's own number for it: an HTTP status, a WebSocket close code; `0` if it has none.
    pub code: u16,
    /// What was wrong, as a phrase that completes "the peer sent …" or names the limit it passed.
    pub what: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            0 => f.write_str(self.what),
            code => write!(f, "{} ({code})", self.what),
        }
    }
}

/// What a connection was waiting for when its time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The TLS handshake.
    Handshake,
    /// The first byte after accepting.
    FirstByte,
    /// The rest of a request head.
    Head,
    /// Enough of a request body.
    Body,
    /// Room to write: the peer does not read, or too slowly.
    Write,
    /// The next request, or anything at all.
    Idle,
    /// The reply of our own application.
    Reply,
    /// The peer's end of stream, after ours.
    Linger,
    /// The peer's answer to a connect.
    Connect,
}

impl Phase {
    /// The phase as one lower-case word, as logs and metrics show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Phase::Handshake => "handshake",
            Phase::FirstByte => "first-byte",
            Phase::Head => "head",
            Phase::Body => "body",
            Phase::Write => "write",
            Phase::Idle => "idle",
            Phase::Reply => "reply",
            Phase::Linger => "linger",
            Phase::Connect => "connect",
        }
    }
}

/// Why a connection ended. Its session hears it once, last, in `on_close`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// Everything was said: the exchange that was to be the last is complete.
    Finished,
    /// The peer ended its stream and nothing was left to do.
    PeerClosed,
    /// The peer ended its stream in the middle of a message, or TLS without its closing alert.
    Truncated,
    /// The peer reset the connection.
    Reset,
    /// A time limit of ours.
    TimedOut(Phase),
    /// The peer broke its protocol.
    Protocol(&'static Fault),
    /// TLS failed: no agreement, a bad certificate, a bad record.
    Tls,
    /// The system refused an operation on the socket.
    Io(io::ErrorKind),
    /// Unsent bytes passed `Limits::backlog_cap`.
    Overflow,
    /// The loop drains.
    Drained,
    /// The application, or a host's `Handle`, closed it.
    Aborted,
    /// The session handed its connection to another session; the connection goes on.
    Upgraded,
}

impl CloseReason {
    /// How many different words [`as_str`](Self::as_str) can give.
    pub const KINDS: usize = 20;

    /// Those words, by [`kind`](Self::kind).
    pub const WORDS: [&'static str; Self::KINDS] = [
        "finished",
        "peer-closed",
        "truncated",
        "reset",
        "timeout-handshake",
        "timeout-first-byte",
        "timeout-head",
        "timeout-body",
        "timeout-write",
        "timeout-idle",
        "timeout-reply",
        "timeout-linger",
        "timeout-connect",
        "protocol",
        "tls",
        "io",
        "overflow",
        "drained",
        "aborted",
        "upgraded",
    ];

    /// The reason as one lower-case word, as logs and metrics show it.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self.kind()]
    }

    /// A dense number below [`KINDS`](Self::KINDS) for the same word, to count by.
    pub const fn kind(self) -> usize {
        match self {
            CloseReason::Finished => 0,
            CloseReason::PeerClosed => 1,
            CloseReason::Truncated => 2,
            CloseReason::Reset => 3,
            CloseReason::TimedOut(phase) => 4 + phase as usize,
            CloseReason::Protocol(_) => 13,
            CloseReason::Tls => 14,
            CloseReason::Io(_) => 15,
            CloseReason::Overflow => 16,
            CloseReason::Drained => 17,
            CloseReason::Aborted => 18,
            CloseReason::Upgraded => 19,
        }
    }

    /// The reason that an I/O error on the socket amounts to.
    pub fn from_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted => CloseReason::Reset,
            kind => CloseReason::Io(kind),
        }
    }

    /// The reason that a failure to connect amounts to. Refusals and unreachable hosts keep their
    /// [`Io`](Self::Io) kind.
    pub fn from_connect(error: &io::Error) -> Self {
        match error.kind() {
            // The system has lost patience before we have.
            io::ErrorKind::TimedOut => CloseReason::TimedOut(Phase::Connect),
            _ => CloseReason::from_io(error),
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Protocol(fault) => write!(f, "protocol: {fault}"),
            CloseReason::Io(kind) => write!(f, "io: {kind}"),
            other => f.write_str(other.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_dense_and_distinct() {
        static FAULT: Fault = Fault { code: 400, what: "nonsense" };
        use CloseReason::*;
        let phases = [
            Phase::Handshake,
            Phase::FirstByte,
            Phase::Head,
            Phase::Body,
            Phase::Write,
            Phase::Idle,
            Phase::Reply,
            Phase::Linger,
            Phase::Connect,
        ];
        let mut all = vec![Finished, PeerClosed, Truncated, Reset];
        all.extend(phases.map(TimedOut));
        all.extend([
            Protocol(&FAULT),
            Tls,
            Io(io::ErrorKind::Other),
            Overflow,
            Drained,
            Aborted,
            Upgraded,
        ]);
        assert_eq!(all.len(), CloseReason::KINDS);
        for (number, reason) in all.iter().enumerate() {
            assert_eq!(reason.kind(), number, "{reason}");
        }
        let words: std::collections::HashSet<_> =
            all.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), CloseReason::KINDS);
        for phase in phases {
            assert_eq!(TimedOut(phase).as_str(), format!("timeout-{}", phase.as_str()));
        }
    }
}
