//! What must be true at the end: what each peer got, and why each connection ended.

use super::World;
use super::check::Seen;
use super::peer::{Outcome, Peer};
use super::service::{Dialogue, expected};
use crate::error::CloseReason;
use crate::probe::Counters;
use crate::token::Token;

impl World {
    /// Judges every conversation, after the loop is gone.
    pub(super) fn judge(&mut self) {
        let mut wrong: Vec<(Option<Token>, String)> = Vec::new();
        {
            let (check, net) = (self.checks.borrow(), self.net.borrow());
            for (token, seen) in &check.seen {
                let Some(conn) = seen.conn.map(|index| &net.conns[index]) else { continue };
                let peer = &self.peers[conn.peer];
                let was_reset = conn.local.reset || conn.peer_closed;
                let found = judge(peer, seen, was_reset, check.excuses.jumped.is_some());
                wrong.extend(found.into_iter().map(|what| (Some(*token), what)));
                if seen.read != conn.local.read || seen.wrote != conn.local.wrote {
                    wrong.push((Some(*token), "its facts and its socket disagree".into()));
                }
            }
            if net.descriptors != 1 {
                wrong.push((None, format!("{} descriptors leaked", net.descriptors - 1)));
            }
        }
        for (token, what) in wrong {
            self.checks.borrow_mut().violate(token, what);
        }
    }

    /// Compares the loop's own counters with what was seen.
    pub(super) fn judge_counters(&mut self, counters: &Counters) {
        let mut check = self.checks.borrow_mut();
        let (ours, theirs) = (&check.counters, counters);
        let same = ours.turns == theirs.turns
            && ours.events == theirs.events
            && ours.read_bytes == theirs.read_bytes
            && ours.written_bytes == theirs.written_bytes
            && ours.accepted == theirs.accepted
            && ours.closed == theirs.closed
            && ours.would_blocks == theirs.would_blocks;
        if !same {
            let what = format!("counters disagree: {ours:?} and {theirs:?}");
            check.violate(None, what);
        }
    }
}

fn judge(peer: &Peer, seen: &Seen, was_reset: bool, jumped: bool) -> Vec<String> {
    let mut found = Vec::new();
    let Some(reason) = seen.closed else { return vec!["it was never closed".into()] };
    if reason == CloseReason::Reset && !was_reset {
        found.push("closed as reset, and nobody reset it".into());
    }
    if !seen.posted.starts_with(&seen.heard_mail) {
        found.push("messages were lost or came in another order".into());
    }
    let answer = match peer.dialogue {
        Dialogue::Mail | Dialogue::Relay => seen.heard_mail.clone(),
        Dialogue::Http => return found,
        other => expected(other, &peer.script[..peer.sent]),
    };
    if !answer.starts_with(&peer.got) {
        let same = answer.iter().zip(&peer.got).take_while(|(one, other)| one == other).count();
        let (got, owed) = (peer.got.len(), answer.len());
        found.push(format!(
            "its peer got something else: {same} of {got} bytes are right, {owed} were owed"
        ));
    }
    let complete = peer.got.len() == answer.len();
    // A thinker whose thought failed to be had ends as well.
    let whole = reason == CloseReason::PeerClosed
        || reason == CloseReason::Finished && peer.dialogue != Dialogue::Think;
    match peer.outcome {
        Some(Outcome::Ended) if whole && !complete => {
            let (got, owed) = (peer.got.len(), answer.len());
            found.push(format!("ended for {reason}, and its peer got {got} bytes of {owed}"));
        }
        Some(Outcome::Reset) if whole && peer.is_good() && !jumped => {
            found.push(format!("ended for {reason}, and its peer saw a reset"));
        }
        None if peer.is_good() => {
            found.push(format!("ended for {reason}, and its peer still waits"))
        }
        _ => {}
    }
    found
}
