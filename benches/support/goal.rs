//! What our server is meant to reach. Told next to each figure; a miss is no failure of the bench,
//! because time depends on the machine.

use serde_json::{Value, json};

use super::role::Server;

/// A bound and whether the figure keeps to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    at_most: f64,
    met: bool,
}

impl Goal {
    /// The goal for a figure of `server`; only ours has one, and ours while it is watched, where
    /// that is the question.
    pub(crate) fn of(server: Server, at_most: Option<f64>, figure: f64) -> Option<Goal> {
        let at_most = at_most.filter(|_| matches!(server, Server::Ours | Server::Watched))?;
        Some(Goal { at_most, met: figure <= at_most })
    }

    pub(crate) fn json(self) -> Value {
        json!({ "at_most": self.at_most, "met": self.met })
    }
}

/// For a column of the table: a ratio's goal has two digits, a number of bytes has none.
pub(crate) fn text(goal: Option<Goal>) -> String {
    let Some(Goal { at_most, met }) = goal else { return String::new() };
    let digits = if at_most < 10.0 { 2 } else { 0 };
    format!("≤ {at_most:.digits$} {}", if met { "met" } else { "NOT MET" })
}
