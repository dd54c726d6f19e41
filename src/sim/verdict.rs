//! What must be true at the end: what each peer got, and why each connection ended.

use super::conn::Connecting;
use super::fault::Fault;
use super::peer::{Outcome, Peer};
use super::seen::Seen;
use super::service::{Dialogue, expected};
use super::{World, dial};
use crate::error::{CloseReason, Phase};
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
                if conn.local.connecting != Connecting::No {
                    let what = dial::judge(conn.local.connecting, seen.opened, seen.closed);
                    wrong.extend(what.map(|what| (Some(*token), what)));
                    continue;
                }
                let peer = &self.peers[conn.peer];
                let was_reset = conn.local.reset || conn.peer_closed;
                let jumped = check.excuses.jumped.is_some();
                let resets = jumped || seen.lingered;
                let drained = check.excuses.draining_since.is_some();
                let mut found = judge(peer, seen, was_reset, resets, drained);
                let slow = jumped || net.faults.rate(Fault::SlowNetwork) > 30;
                if let Some(CloseReason::TimedOut(phase)) = seen.closed
                    && phase != Phase::Idle
                    && peer.dialogue == Dialogue::Http
                    && peer.is_quick()
                    && !slow
                {
                    found.push(format!("a quick peer ran out of time: {}", phase.as_str()));
                }
                wrong.extend(found.into_iter().map(|what| (Some(*token), what)));
                if seen.read != conn.local.read || seen.wrote != conn.local.wrote {
                    wrong.push((Some(*token), "its facts and its socket disagree".into()));
                }
            }
            if check.untold != 0 {
                wrong.push((None, format!("{} outcomes were never told", check.untold)));
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
            && ours.dialled == theirs.dialled
            && ours.closed == theirs.closed
            && ours.shed == theirs.shed
            && ours.would_blocks == theirs.would_blocks;
        if !same {
            let what = format!("counters disagree: {ours:?} and {theirs:?}");
            check.violate(None, what);
        }
    }
}

fn judge(peer: &Peer, seen: &Seen, was_reset: bool, may_reset: bool, drained: bool) -> Vec<String> {
    let mut found = Vec::new();
    let Some(reason) = seen.closed else { return vec!["it was never closed".into()] };
    if reason == CloseReason::Reset && !was_reset {
        found.push("closed as reset, and nobody reset it".into());
    }
    let answer = match peer.dialogue {
        Dialogue::Mail | Dialogue::Relay | Dialogue::Hall => seen.passed.clone(),
        Dialogue::Socket => {
            judge_client(peer, reason, may_reset, &mut found);
            return found;
        }
        Dialogue::Http => {
            judge_http(peer, reason, may_reset, drained, &mut found);
            return found;
        }
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
        Some(Outcome::Reset) if whole && peer.is_good() && !may_reset => {
            found.push(format!("ended for {reason}, and its peer saw a reset"));
        }
        None if peer.is_good() => {
            found.push(format!("ended for {reason}, and its peer still waits"))
        }
        _ => {}
    }
    found
}

/// Every request answered exactly once and in order, and nothing else.
fn judge_http(
    peer: &Peer,
    reason: CloseReason,
    may_reset: bool,
    drained: bool,
    found: &mut Vec<String>,
) {
    if let Some(complaint) = &peer.complaint {
        found.push(format!("its peer cannot read its answers: {complaint}"));
        return;
    }
    let answers = &peer.answers.done;
    for (number, answer) in answers.iter().enumerate() {
        // A request that came too slowly, or whose answer could not be made, may be refused.
        let refused = matches!(answer.status, 408 | 503);
        let Some(asked) = peer.asked.get(number) else {
            found.push(format!("answer {number} to a request never made"));
            return;
        };
        let right = answer.status == asked.status
            && (asked.head_only
                || asked.status != 200
                || answer.body == asked.body
                || drained && asked.may_end && asked.body.starts_with(&answer.body));
        let excused = answer.status == 503 && asked.may_fail || refused && answer.last;
        if !right && !excused {
            let (status, length) = (answer.status, answer.body.len());
            found.push(format!("answer {number} is wrong: {status} with {length} bytes"));
        }
        if asked.head_end > peer.sent && !refused {
            found.push(format!("answer {number} came before its request"));
        }
    }
    if let Some(early) = answers.iter().rposition(|answer| answer.last)
        && early + 1 != answers.len()
    {
        found.push(format!("answer {early} said it was the last, and others came"));
    }
    let whole = peer.asked.iter().filter(|asked| asked.end <= peer.sent).count();
    let last = answers.last().is_some_and(|answer| answer.last);
    let peaceful = matches!(reason, CloseReason::PeerClosed | CloseReason::Finished);
    match peer.outcome {
        Some(Outcome::Ended) if peaceful && !last && answers.len() < whole => {
            let answers = answers.len();
            found.push(format!(
                "ended for {reason}, and {answers} of {whole} requests were answered"
            ));
        }
        Some(Outcome::Ended) if peaceful && peer.answers.at < peer.got.len() => {
            found.push(format!("ended for {reason} inside an answer"));
        }
        Some(Outcome::Reset) if peaceful && peer.is_good() && !may_reset => {
            found.push(format!("ended for {reason}, and its peer saw a reset"));
        }
        None if peer.is_good() => {
            found.push(format!("ended for {reason}, and its peer still waits"))
        }
        _ => {}
    }
}

/// What a client with a protocol of its own thinks of its connection.
fn judge_client(peer: &Peer, reason: CloseReason, may_reset: bool, found: &mut Vec<String>) {
    found.extend(peer.complaint.clone());
    let peaceful = matches!(reason, CloseReason::PeerClosed | CloseReason::Finished);
    match peer.outcome {
        Some(Outcome::Ended) if reason == CloseReason::Finished => {
            let client = peer.client.as_ref();
            found.extend(client.and_then(|client| client.judge(peer.sent, peer.script.len())));
        }
        Some(Outcome::Reset) if peaceful && peer.is_good() && !may_reset => {
            found.push(format!("ended for {reason}, and its peer saw a reset"));
        }
        None if peer.is_good() => {
            found.push(format!("ended for {reason}, and its peer still waits"))
        }
        _ => {}
    }
}
