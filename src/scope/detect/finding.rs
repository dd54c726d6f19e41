//! What a detector has found: [`Finding`], of a [`FindingKind`], in a bounded list.

use std::fmt;

use crate::time::Moment;
use crate::token::Token;

/// What is wrong, in one word of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FindingKind {
    /// A socket was told to be readable, was not read to its end, and the loop went to wait.
    LostEdge,
    /// One socket was served on and on in one turn, while others waited.
    Starvation,
    /// A call held the loop.
    BlockedHandler,
    /// Bytes wait for room, and the system was not asked to say when there is some.
    ForgottenWritable,
    /// The system says again and again that there is room, and nobody has anything to write.
    KeptWritable,
    /// Out of descriptors: accepting fails again and again without a pause.
    DescriptorSpin,
    /// Out of descriptors: accepting failed once and was never tried again.
    DescriptorSilence,
    /// Small writes in a row wait for an acknowledgement that the peer delays.
    NagleDelayedAck,
    /// Unsent bytes grow and nothing stops what produces them.
    UnboundedOutput,
    /// An event reached a socket that was not there yet when it happened.
    StaleToken,
    /// A deadline was over already when it was set.
    StaleNow,
    /// A client sent late because it waited for an answer, and measured from then.
    CoordinatedOmission,
    /// A peer takes what it is sent too slowly. That is its right; it is no fault of the loop.
    SlowReader,
}

impl FindingKind {
    /// All of them, in their order.
    pub const ALL: [FindingKind; 13] = [
        FindingKind::LostEdge,
        FindingKind::Starvation,
        FindingKind::BlockedHandler,
        FindingKind::ForgottenWritable,
        FindingKind::KeptWritable,
        FindingKind::DescriptorSpin,
        FindingKind::DescriptorSilence,
        FindingKind::NagleDelayedAck,
        FindingKind::UnboundedOutput,
        FindingKind::StaleToken,
        FindingKind::StaleNow,
        FindingKind::CoordinatedOmission,
        FindingKind::SlowReader,
    ];

    /// Its name, lower-case.
    pub const fn as_str(self) -> &'static str {
        match self {
            FindingKind::LostEdge => "lost-edge",
            FindingKind::Starvation => "starvation",
            FindingKind::BlockedHandler => "blocked-handler",
            FindingKind::ForgottenWritable => "forgotten-writable",
            FindingKind::KeptWritable => "kept-writable",
            FindingKind::DescriptorSpin => "descriptor-spin",
            FindingKind::DescriptorSilence => "descriptor-silence",
            FindingKind::NagleDelayedAck => "nagle-delayed-ack",
            FindingKind::UnboundedOutput => "unbounded-output",
            FindingKind::StaleToken => "stale-token",
            FindingKind::StaleNow => "stale-now",
            FindingKind::CoordinatedOmission => "coordinated-omission",
            FindingKind::SlowReader => "slow-reader",
        }
    }

    /// One bit for each.
    pub(super) const fn bit(self) -> u16 {
        1 << self as u8
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that a detector has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// With which socket; `None` if with the loop itself.
    pub token: Option<Token>,
    /// When it was seen last.
    pub at: Moment,
    /// What happened, in words: a sentence or two, without the kind.
    pub text: String,
    /// How often it was seen.
    pub times: u64,
}

/// The last findings, each kind once for each socket.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    total: u64,
}

impl Findings {
    /// How many are kept.
    pub(super) const MOST: usize = 64;

    /// Adds one, or renews the one that says the same of the same socket.
    pub(super) fn add(&mut self, finding: Finding) {
        let same = |old: &&mut Finding| old.kind == finding.kind && old.token == finding.token;
        if let Some(old) = self.list.iter_mut().find(same) {
            let times = old.times + finding.times;
            *old = Finding { times, ..finding };
            return;
        }
        if self.list.len() >= Findings::MOST {
            self.list.remove(0);
        }
        self.list.push(finding);
        self.total += 1;
    }

    pub(super) fn list(&self) -> &[Finding] {
        &self.list
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(index: u32, text: &str) -> Finding {
        let token = Some(Token::new(index, 0));
        let (kind, at) = (FindingKind::LostEdge, Moment::START);
        Finding { kind, token, at, text: text.into(), times: 1 }
    }

    #[test]
    fn the_same_of_the_same_socket_is_said_once_and_there_is_an_end_to_them() {
        let mut findings = Findings::default();
        findings.add(finding(1, "first"));
        findings.add(finding(1, "second"));
        assert_eq!((findings.list().len(), findings.total()), (1, 1));
        assert_eq!((findings.list()[0].text.as_str(), findings.list()[0].times), ("second", 2));
        (0..1000).for_each(|index| findings.add(finding(index, "other")));
        assert_eq!((findings.list().len(), findings.total()), (Findings::MOST, 1000));
    }

    #[test]
    fn names_and_bits_are_different() {
        let names: std::collections::HashSet<_> =
            FindingKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(names.len(), FindingKind::ALL.len());
        assert_eq!(FindingKind::ALL.iter().fold(0, |all, kind| all | kind.bit()), 0x1fff);
    }
}
