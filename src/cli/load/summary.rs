//! An outcome as text for a person.

use crate::measure::Outcome;
use std::fmt::Write as _;

/// The whole summary.
pub(super) fn text(outcome: &Outcome) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{outcome:#?}");
    text
}
