//! The words of a recording: the names of facts, of errors and of reasons.

use std::io::ErrorKind;

use crate::error::{CloseReason, Phase};
use crate::probe::Fact;

/// The name of a fact: its variant's, in kebab-case.
pub const fn name(fact: &Fact) -> &'static str {
    match fact {
        Fact::Polled { .. } => "polled",
        Fact::Woken { .. } => "woken",
        Fact::Event { .. } => "event",
        Fact::Stale { .. } => "stale",
        Fact::Accepted { .. } => "accepted",
        Fact::Peer { .. } => "peer",
        Fact::Dialled { .. } => "dialled",
        Fact::Adopted { .. } => "adopted",
        Fact::Read { .. } => "read",
        Fact::Wrote { .. } => "wrote",
        Fact::Failed { .. } => "failed",
        Fact::Interest { .. } => "interest",
        Fact::Called { .. } => "called",
        Fact::Request { .. } => "request",
        Fact::State { .. } => "state",
        Fact::Stall { .. } => "stall",
        Fact::Blocked { .. } => "blocked",
        Fact::NobodyWaits { .. } => "nobody-waits",
        Fact::Budget { .. } => "budget",
        Fact::Armed { .. } => "armed",
        Fact::Fired { .. } => "fired",
        Fact::Driven { .. } => "driven",
        Fact::Buffer { .. } => "buffer",
        Fact::HighWater { .. } => "high-water",
        Fact::LowWater { .. } => "low-water",
        Fact::Paused { .. } => "paused",
        Fact::Descriptors { .. } => "descriptors",
        Fact::Resumed { .. } => "resumed",
        Fact::Removed { .. } => "removed",
        Fact::Shed { .. } => "shed",
        Fact::Received { .. } => "received",
        Fact::Sent { .. } => "sent",
        Fact::Dropped { .. } => "dropped",
        Fact::Closed { .. } => "closed",
    }
}

/// All names of facts.
pub const NAMES: [&str; 34] = [
    "polled",
    "woken",
    "event",
    "stale",
    "accepted",
    "peer",
    "dialled",
    "adopted",
    "read",
    "wrote",
    "failed",
    "interest",
    "called",
    "request",
    "state",
    "stall",
    "blocked",
    "nobody-waits",
    "budget",
    "armed",
    "fired",
    "driven",
    "buffer",
    "high-water",
    "low-water",
    "paused",
    "descriptors",
    "resumed",
    "removed",
    "shed",
    "received",
    "sent",
    "dropped",
    "closed",
];

/// Kinds of errors that sockets have; any other is read back as [`ErrorKind::Other`].
const KINDS: [ErrorKind; 22] = [
    ErrorKind::NotFound,
    ErrorKind::PermissionDenied,
    ErrorKind::ConnectionRefused,
    ErrorKind::ConnectionReset,
    ErrorKind::HostUnreachable,
    ErrorKind::NetworkUnreachable,
    ErrorKind::ConnectionAborted,
    ErrorKind::NotConnected,
    ErrorKind::AddrInUse,
    ErrorKind::AddrNotAvailable,
    ErrorKind::NetworkDown,
    ErrorKind::BrokenPipe,
    ErrorKind::AlreadyExists,
    ErrorKind::WouldBlock,
    ErrorKind::InvalidInput,
    ErrorKind::InvalidData,
    ErrorKind::TimedOut,
    ErrorKind::WriteZero,
    ErrorKind::Interrupted,
    ErrorKind::Unsupported,
    ErrorKind::UnexpectedEof,
    ErrorKind::OutOfMemory,
];

/// The kind that shows itself so.
pub(super) fn error_kind(text: &str) -> ErrorKind {
    KINDS.into_iter().find(|kind| kind.to_string() == text).unwrap_or(ErrorKind::Other)
}

const PHASES: [Phase; 9] = [
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

/// The reason of this word, if it is one that a word is enough for.
pub(super) fn reason(word: &str) -> Option<CloseReason> {
    use CloseReason::*;
    let plain = [Finished, PeerClosed, Truncated, Reset, Tls, Overflow, Drained, Aborted, Upgraded];
    let timed = PHASES.into_iter().map(TimedOut);
    plain.into_iter().chain(timed).find(|reason| reason.as_str() == word)
}
