//! What was said on a stage: the lines, and of them the faults and what went well.
//!
//! The stage writes it, `readyloop learn` and the tests read it. It is bounded: a lesson that runs
//! for hours forgets its first lines.

use std::collections::VecDeque;

use crate::Moment;

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Diary {
    /// Everything, oldest first.
    pub lines: VecDeque<String>,
    /// What clients got that they should not have got, or did not get.
    pub faults: Vec<String>,
    /// What clients got as they should.
    pub wells: Vec<String>,
}

impl Diary {
    /// Lines that are kept.
    const MOST: usize = 1000;

    /// Adds a line, and answers how it is shown.
    pub(super) fn say(&mut self, now: Moment, text: &str) -> String {
        if self.lines.len() >= Diary::MOST {
            self.lines.pop_front();
        }
        // In a lesson without end the first of these say what the later ones would.
        self.faults.truncate(Diary::MOST);
        self.wells.truncate(Diary::MOST);
        let line = format!("{:8.3}s  {text}", now.as_nanos() as f64 / 1e9);
        self.lines.push_back(line.clone());
        line
    }
}
