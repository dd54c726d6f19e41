//! Which connections are shown where there are more than a page can show.
//!
//! Called for each [`Sample`](super::Sample). It looks at a bounded number of them, so that looking
//! costs the loop little however many there are; what it does not reach now it reaches later.

use std::cmp::Reverse;
use std::fmt::Write;
use std::time::Duration;

use crate::probe::{Kind, Labels, Recorder, Stage, Tallies, Tally};
use crate::time::Moment;
use crate::token::Token;

/// Slots of the table that are looked at.
const LOOK: usize = 8192;
/// The same where each has to be compared with a text.
const LOOK_CLOSELY: usize = 4096;
/// The first so many are looked at in any case.
const FIRST: usize = 64;
/// How long the same ones of many idle connections are shown.
const STAY: Duration = Duration::from_secs(2);

/// Which are wanted.
pub(super) struct Wish<'a> {
    /// How many at most.
    pub(super) most: usize,
    /// What is in their token, peer, label, kind or stage; everything if empty. Lower case.
    pub(super) filter: &'a str,
    /// These are shown whatever else is.
    pub(super) always: &'a [Token],
}

/// The connections to show, in the order of their index.
pub(super) fn pick<'r>(recorder: &'r Recorder, wish: &Wish<'_>, now: Moment) -> Vec<&'r Tally> {
    let tallies = recorder.tallies();
    let look = if wish.filter.is_empty() { LOOK } else { LOOK_CLOSELY };
    let turn = (now.as_nanos() / STAY.as_nanos() as u64) as usize;
    let mut filter = Filter::new(wish.filter, recorder.labels());
    // Ranked once each: to look at a tally again costs more than to carry its rank along.
    let mut seen: Vec<(Rank, &Tally)> = within(tallies, turn, look)
        .filter(|tally| !wish.always.contains(&tally.token) && filter.takes(tally))
        .map(|tally| (rank(tally), tally))
        .collect();
    let mut picked: Vec<&Tally> =
        wish.always.iter().filter_map(|token| tallies.get(*token)).collect();
    let room = wish.most.saturating_sub(picked.len());
    if seen.len() > room {
        // Three quarters for those that something is the matter with or that do the most; the rest
        // goes round.
        let best = room - room / 4;
        if best > 0 {
            seen.select_nth_unstable_by_key(best - 1, |(rank, _)| Reverse(*rank));
        }
        let others = seen.split_off(best);
        let from = turn * (room / 4) % others.len().max(1);
        seen.extend(others.iter().copied().cycle().skip(from).take(room - best));
    }
    picked.extend(seen.into_iter().map(|(_, tally)| tally));
    picked.sort_unstable_by_key(|tally| tally.token.index());
    picked.dedup_by_key(|tally| tally.token);
    picked
}

/// So many slots, and the first ones, which are the listeners' as a rule: beginning somewhere else
/// every few seconds if there are more.
fn within(tallies: &Tallies, turn: usize, look: usize) -> impl Iterator<Item = &Tally> {
    let slots = tallies.slots();
    let from = if slots > look { turn.wrapping_mul(look) % slots } else { 0 };
    let first = tallies.from(from).take_while(move |tally| tally.token.index() < from + look);
    // Around the end of the table, but not beyond where it began.
    let again = (from + look).saturating_sub(slots).max(FIRST).min(from);
    first.chain(tallies.iter().take_while(move |tally| tally.token.index() < again))
}

/// What is shown before what: a group, unsent bytes, time taken.
type Rank = (u8, usize, u64);

/// What is shown first: listeners, what is in trouble, the fullest, what works most.
fn rank(tally: &Tally) -> Rank {
    let is_in_trouble = tally.is_full || tally.is_paused || tally.stalls > 0;
    let group = match tally.kind {
        Kind::Listener | Kind::Datagram => 4,
        _ if is_in_trouble => 3,
        _ if tally.is_queued || tally.unsent > 0 => 2,
        _ if matches!(tally.life, Stage::Handshake | Stage::Lingering | Stage::Flushing) => 2,
        _ => 1,
    };
    (group, tally.unsent, tally.busy)
}

/// Compares connections with a text.
struct Filter<'a> {
    text: &'a str,
    labels: &'a Labels,
    /// Peers are written out only for who asks for digits.
    is_address: bool,
    scratch: String,
}

impl<'a> Filter<'a> {
    fn new(text: &'a str, labels: &'a Labels) -> Self {
        let is_address = text.contains(|c: char| c.is_ascii_digit() || matches!(c, ':' | '['));
        Filter { text, labels, is_address, scratch: String::new() }
    }

    fn takes(&mut self, tally: &Tally) -> bool {
        if self.text.is_empty() {
            return true;
        }
        let words = [tally.kind.as_str(), tally.life.as_str(), tally.stage.as_str()];
        words.iter().any(|word| word.contains(self.text))
            || contains(self.labels.text(tally.label), self.text)
            || self.is_address && self.names(tally)
    }

    fn names(&mut self, tally: &Tally) -> bool {
        self.scratch.clear();
        // Writing to a string cannot fail.
        let _ = write!(self.scratch, "{} {}", tally.token, tally.peer);
        self.scratch.contains(self.text)
    }
}

/// Whether `part`, in lower case, is somewhere in `text`; of letters only ASCII's have two cases here.
fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    text.windows(part.len().max(1)).any(|window| window.eq_ignore_ascii_case(part))
}
