//! Recordings: facts as JSON Lines, written and read back.
//!
//! The first line is a [`Header`], each line after it one fact, oldest first:
//!
//! ```text
//! {"recording":1,"version":"0.1.0","model":"loop","started":"2026-11-21T18:00:00Z","lost":0,…}
//! {"at":12345678,"fact":"read","token":"5.7","asked":65536,"bytes":143}
//! ```
//!
//! Times are nanoseconds since the loop began; `null` is never. A fact is its variant's name in
//! kebab-case and its fields by theirs. The flight recorder of the command writes them, the page
//! serves them, `readyloop scope` reads them. Nothing here opens a file.

mod fault;
mod header;
mod parse;
mod read;
mod word;
mod write;

pub use header::Header;
pub use read::{MOST, ReadError, Reader, Wrong};
pub use word::{NAMES, name};
pub use write::line;

use std::io;

use crate::probe::{Labels, Record};
use crate::session::Env;

/// Facts that have been taken out of a loop, or read from a file.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Of what and when.
    pub header: Header,
    /// Oldest first.
    pub records: Vec<Record>,
    /// The texts of their labels.
    pub labels: Labels,
    /// The last line was cut off, as a crash does: its number.
    pub cut: Option<u64>,
}

impl Recording {
    /// A copy of what the recorder of a loop keeps now. `model` is how the loop waits, in a word.
    pub fn of(env: &Env, model: &str) -> Self {
        let (lost, records) = env.recorder.since(0);
        Recording {
            header: Header { lost, ..Header::of(env, model) },
            records: records.copied().collect(),
            labels: env.recorder.labels().clone(),
            cut: None,
        }
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        let mut text = self.header.to_json();
        for record in &self.records {
            text.push('\n');
            line(&mut text, record, &self.labels);
            if text.len() > 1 << 16 {
                out.write_all(text.as_bytes())?;
                text.clear();
            }
        }
        text.push('\n');
        out.write_all(text.as_bytes())
    }

    /// Reads one to its end; of more than [`MOST`] facts only the last are kept, and the header's
    /// `lost` says how many are not.
    ///
    /// # Errors
    ///
    /// [`ReadError`] says in which line something is wrong.
    pub fn read(input: impl io::BufRead) -> Result<Self, ReadError> {
        let mut reader = Reader::new(input)?;
        let mut records = std::collections::VecDeque::new();
        let mut dropped = 0;
        while let Some(record) = reader.next_record()? {
            if records.len() == MOST {
                records.pop_front();
                dropped += 1;
            }
            records.push_back(record);
        }
        let cut = reader.cut();
        let (mut header, labels) = reader.into_parts();
        header.lost = header.lost.saturating_add(dropped);
        Ok(Recording { header, records: records.into(), labels, cut })
    }
}

#[cfg(test)]
mod tests;
