//! Recordings for other eyes: as a Perfetto trace, as Chrome's trace JSON, as a picture.
//!
//! All three show the same [`Timeline`], in which several recordings stand side by side, each from
//! its own first fact on. `readyloop scope --export` calls this; nothing here opens a file.

mod chrome;
mod message;
mod names;
mod perfetto;
mod picture;
mod timeline;

pub use timeline::{Counts, MOST, TRACKS, Timeline};

use std::io;

use super::recording::Recording;

/// A form to export to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Perfetto's TrackEvent protobuf.
    Perfetto,
    /// Chrome's trace JSON.
    Chrome,
    /// A picture.
    Svg,
}

/// Writes recordings, each with the name that it is shown by, and answers what is in what was
/// written.
///
/// # Errors
///
/// Those of `out`.
pub fn write(
    form: Form,
    recordings: &[(String, Recording)],
    out: &mut impl io::Write,
) -> io::Result<Counts> {
    let timeline = Timeline::of(recordings);
    match form {
        Form::Perfetto => perfetto::write(&timeline, out)?,
        Form::Chrome => chrome::write(&timeline, out)?,
        Form::Svg => picture::write(&timeline, out)?,
    }
    Ok(timeline.counts())
}

#[cfg(test)]
mod tests;
