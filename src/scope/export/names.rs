//! Who is in a recording: the first of two looks through it, which says what each token is.

use std::collections::HashMap;

use crate::probe::{Fact, Kind, Layer, Origin, Record, Stage};
use crate::token::Token;

/// What is known of a token from all of its facts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Who {
    pub(super) kind: Kind,
    peer: Option<Origin>,
    facts: u64,
    /// Its first fact's place among all.
    first: usize,
    /// It was a connection before the recording begins.
    pub(super) is_older: bool,
    /// Where such a one was in its life then, as far as its first change tells.
    pub(super) before: Stage,
    /// Its life has changed since.
    is_told: bool,
}

impl Who {
    /// How its track is called.
    pub(super) fn name(&self, token: Token) -> String {
        let kind = match self.kind {
            Kind::Unknown => "",
            kind => kind.as_str(),
        };
        let peer = self.peer.map(|peer| peer.to_string()).unwrap_or_default();
        let words = [&token.to_string(), kind, peer.as_str()];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// Everybody in a recording.
pub(super) fn find(records: &[Record]) -> HashMap<Token, Who> {
    let mut found: HashMap<Token, Who> = HashMap::new();
    for (place, record) in records.iter().enumerate() {
        let Some(token) = record.fact.token() else { continue };
        let who = found.entry(token).or_insert_with(|| Who { first: place, ..Who::default() });
        who.facts += 1;
        match record.fact {
            Fact::Accepted { from, .. } => {
                who.kind = Kind::Accepted;
                let listener = found.entry(from);
                listener.or_insert_with(|| Who { first: place, ..Who::default() }).kind =
                    Kind::Listener;
            }
            Fact::Dialled { .. } => who.kind = Kind::Dialled,
            Fact::Adopted { .. } => who.kind = Kind::Adopted,
            Fact::Peer { peer, .. } => who.peer = Some(peer),
            Fact::Paused { .. } | Fact::Shed { .. } | Fact::NobodyWaits { .. } => {
                who.kind = Kind::Listener;
            }
            Fact::Received { .. } | Fact::Sent { .. } | Fact::Dropped { .. } => {
                who.kind = Kind::Datagram;
            }
            Fact::State { from, to, .. } => {
                who.is_older |= who.kind == Kind::Unknown;
                if to.layer() == Layer::Connection && !std::mem::replace(&mut who.is_told, true) {
                    who.before = from;
                }
            }
            Fact::Read { .. } | Fact::Wrote { .. } | Fact::Closed { .. } => {
                who.is_older |= who.kind == Kind::Unknown;
            }
            _ => {}
        }
    }
    found
}

/// The busiest `most`, in the order in which they came.
pub(super) fn busiest(found: &HashMap<Token, Who>, most: usize) -> Vec<(Token, Who)> {
    // A token that was only ever a message's stale address has nothing to show.
    let mut all: Vec<_> = found.iter().map(|(token, who)| (*token, *who)).collect();
    all.sort_by_key(|(token, who)| (std::cmp::Reverse(who.facts), *token));
    all.truncate(most);
    all.sort_by_key(|(token, who)| (who.first, *token));
    all
}
