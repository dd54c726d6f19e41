//! Sending a file that is too long to be kept: piece by piece, as the peer takes it, and never
//! waiting for the disk on the loop.
//!
//! Over plain TCP on Linux the system sends the file itself, a window at a time, once the window is
//! known to be in memory. Elsewhere (TLS) its bytes are read here if they are in memory. What is not
//! is fetched by a job off the loop, which also has the system begin to read what comes after.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::load::read_at;
use super::plan::{Piece, Pieces};
use super::resident;
use crate::buf::FileSpan;
use crate::session::http::{Exchange, Writer};
use crate::session::{Message, OffloadFailed};
use crate::time::Moment;

/// Bytes of a file that the system is asked to send at once.
const WINDOW: u64 = 2 * 1024 * 1024;
/// Bytes of a file that are read on the loop at once.
const CHUNK: u64 = 64 * 1024;
/// Bytes of a file that a job reads at once where the system cannot send files.
const AHEAD: u64 = 256 * 1024;
/// When every thread of the pool has too much to do already, it is asked again after this.
const PATIENCE: Duration = Duration::from_millis(50);

/// What a job has done.
enum Fetched {
    /// The next window is in memory.
    Warm,
    /// The next bytes.
    Read(Bytes),
    /// The file ended, or the disk failed.
    Broken,
}

/// The body of an answer on its way.
pub(super) struct Sending {
    file: Arc<File>,
    pieces: Pieces,
    /// The window that was fetched; if it was put out again meanwhile, that is waited for.
    is_warm: bool,
    /// A job is at work.
    is_fetching: bool,
    again: Moment,
}

impl Sending {
    /// Sends `pieces` of `file`.
    pub(super) fn new(file: Arc<File>, pieces: Pieces) -> Self {
        Sending { file, pieces, is_warm: false, is_fetching: false, again: Moment::NEVER }
    }

    /// Begins the answer.
    pub(super) fn start(
        &mut self,
        writer: &mut Writer<'_, '_>,
        status: u16,
        headers: &[(&str, &[u8])],
        length: u64,
    ) {
        writer.start(status, headers, Some(length));
        self.pump(writer);
    }

    fn pump(&mut self, writer: &mut Writer<'_, '_>) {
        if self.is_fetching {
            return;
        }
        loop {
            let Some(piece) = self.pieces.front_mut() else { return writer.finish() };
            if writer.room() == 0 {
                return writer.want_drain();
            }
            match piece {
                Piece::Text(text) => {
                    writer.body_shared(std::mem::take(text));
                    self.pieces.pop_front();
                }
                Piece::Span(range) if range.is_empty() => {
                    self.pieces.pop_front();
                }
                Piece::Span(range) => {
                    let (offset, left) = (range.start, range.end - range.start);
                    let sent = if writer.takes_files() {
                        let most = writer.env().limits.backlog_cap as u64 / 2;
                        self.send(writer, offset, left.min(WINDOW).min(most.max(1)))
                    } else {
                        let room = writer.room() as u64;
                        self.copy(writer, offset, left.min(CHUNK).min(room))
                    };
                    let Some(sent) = sent else { return };
                    self.advance(sent);
                }
            }
        }
    }

    fn advance(&mut self, by: u64) {
        if let Some(Piece::Span(range)) = self.pieces.front_mut() {
            range.start = range.start.saturating_add(by).min(range.end);
        }
    }

    /// Has the system send a window. `None` if it must be fetched first.
    fn send(&mut self, writer: &mut Writer<'_, '_>, offset: u64, length: u64) -> Option<u64> {
        if !std::mem::take(&mut self.is_warm) && !resident::is_resident(&self.file, offset, length)
        {
            let file = Arc::clone(&self.file);
            self.fetch(writer, move || {
                resident::warm(&file, offset, length, WINDOW)
                    .map_or(Fetched::Broken, |()| Fetched::Warm)
            });
            return None;
        }
        let span = FileSpan {
            file: Arc::clone(&self.file),
            offset,
            length: usize::try_from(length).unwrap_or(usize::MAX),
        };
        writer.body_file(span).ok().map(|()| length)
    }

    /// Sends bytes that are in memory. `None` if they must be fetched first.
    fn copy(&mut self, writer: &mut Writer<'_, '_>, offset: u64, length: u64) -> Option<u64> {
        if let Some(bytes) = resident::read(&self.file, offset, length) {
            let count = bytes.len() as u64;
            writer.body_shared(bytes.into());
            return Some(count);
        }
        let left = match self.pieces.front() {
            Some(Piece::Span(range)) => range.end.saturating_sub(offset).min(AHEAD),
            _ => length,
        };
        let file = Arc::clone(&self.file);
        self.fetch(writer, move || {
            let mut bytes = vec![0; usize::try_from(left).unwrap_or(0)];
            match read_at(&file, &mut bytes, offset) {
                Ok(count @ 1..) => {
                    resident::expect(&file, offset.saturating_add(left), WINDOW);
                    bytes.truncate(count);
                    Fetched::Read(bytes.into())
                }
                Ok(0) | Err(_) => Fetched::Broken,
            }
        });
        None
    }

    fn fetch(
        &mut self,
        writer: &mut Writer<'_, '_>,
        job: impl FnOnce() -> Fetched + Send + 'static,
    ) {
        self.is_fetching = true;
        writer.offload(move || Message::any(job()));
    }
}

impl Exchange for Sending {
    fn on_drain(&mut self, writer: &mut Writer<'_, '_>) {
        self.pump(writer);
    }

    fn on_message(&mut self, message: Message, writer: &mut Writer<'_, '_>) {
        let Message::Any(any) = message else { return };
        let fetched = match any.downcast::<Fetched>() {
            Ok(fetched) => *fetched,
            Err(any) if any.is::<OffloadFailed>() => {
                self.again = writer.now() + PATIENCE;
                return;
            }
            Err(_) => return,
        };
        self.is_fetching = false;
        match fetched {
            Fetched::Warm => self.is_warm = true,
            Fetched::Read(bytes) => {
                self.advance(bytes.len() as u64);
                writer.body_shared(bytes);
            }
            Fetched::Broken => {
                log::error!("a file became shorter or unreadable while it was sent");
                self.pieces = VecDeque::new();
            }
        }
        // If the file broke, what was promised is still owed: ending here breaks the connection.
        self.pump(writer);
    }

    fn on_timeout(&mut self, writer: &mut Writer<'_, '_>) {
        self.again = Moment::NEVER;
        self.is_fetching = false;
        self.pump(writer);
    }

    fn deadline(&self) -> Moment {
        self.again
    }
}
