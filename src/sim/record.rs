//! What a loop records of itself must be what happened: its [`Recorder`] against what the world saw.
//!
//! Every second seed is recorded, so that both ways through the loop are simulated.

use super::check::Check;
use crate::probe::Recorder;

/// Whether the run of `seed` is recorded, and how many facts are kept: few, so that the ring goes
/// round, unless somebody wants them `all`.
pub(super) fn facts(seed: u64, all: bool) -> Option<usize> {
    if all {
        return Some(1 << 16);
    }
    seed.is_multiple_of(2).then_some(256)
}

/// Compares after a turn; `read` is how many facts were looked at before.
pub(super) fn judge(recorder: &Recorder, check: &mut Check, read: &mut u64) {
    let mut wrong = Vec::new();
    for (token, seen) in &check.seen {
        match (recorder.tallies().get(*token), seen.closed) {
            (None, None) => wrong.push((*token, "it is open, and has no tally".into())),
            (Some(_), Some(_)) => wrong.push((*token, "it is closed, and has a tally".into())),
            (Some(tally), None) => {
                let told = (tally.bytes_in, tally.bytes_out, tally.unsent);
                let true_ones = (seen.read as u64, seen.wrote as u64, seen.unsent());
                if told != true_ones {
                    let what = format!(
                        "(read, written, unsent): its tally has {told:?}, true is {true_ones:?}"
                    );
                    wrong.push((*token, what));
                }
                if !seen.close_asked && (tally.is_full && tally.unsent == 0) {
                    wrong.push((*token, "nothing is unsent, and its tally says full".into()));
                }
            }
            (None, Some(_)) => {}
        }
    }
    let (first, records) = recorder.since(*read);
    let times: Vec<_> = records.map(|record| record.at).collect();
    if first + times.len() as u64 != recorder.total() || !times.is_sorted() {
        check.violate(None, "what is recorded has gaps, or goes back in time");
    }
    *read = recorder.total();
    for (token, what) in wrong {
        check.violate(token, what);
    }
}
