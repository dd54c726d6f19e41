//! What a session says during one call: [`Out`], bytes of its own with insets that it shares.
//!
//! Most output is small and made for one peer: it is appended to `bytes`. What many connections send
//! (a published message, a file in memory) is inset instead, so that however many receivers are
//! slow there is one copy of it; and a span of an open file is inset so that the system can send it
//! without showing it to us.

use std::fs::File;
use std::io::IoSlice;
use std::sync::Arc;

use bytes::{Buf, Bytes};

/// Shorter runs are copied: cheaper than remembering where they are.
const SHARED_FROM: usize = 512;

/// Output in order: bytes, and insets at places between them.
#[derive(Debug, Default)]
pub struct Out {
    /// What encoders append to. Only appending is allowed while there are insets.
    pub bytes: Vec<u8>,
    /// Each with the length of `bytes` when it was inset.
    insets: Vec<(usize, Inset)>,
    /// Bytes of all insets.
    inset: usize,
    /// The driver can send spans of files.
    takes_files: bool,
}

/// A run of output that is not the connection's own.
#[derive(Clone, Debug)]
pub enum Inset {
    /// Bytes that others may be sending too.
    Shared(Bytes),
    /// A span of a file.
    File(FileSpan),
}

/// A span of an open file, to be sent as it is when its turn comes.
#[derive(Clone, Debug)]
pub struct FileSpan {
    /// The file. Its own position is not used.
    pub file: Arc<File>,
    /// Where the span begins.
    pub offset: u64,
    /// Bytes in it.
    pub length: usize,
}

/// A run of output in order.
#[derive(Debug)]
pub enum Part<'a> {
    /// The connection's own bytes.
    Own(&'a [u8]),
    /// An inset.
    Inset(&'a Inset),
}

impl Inset {
    /// Bytes left in it.
    pub fn len(&self) -> usize {
        match self {
            Inset::Shared(bytes) => bytes.len(),
            Inset::File(span) => span.length,
        }
    }

    /// True if nothing is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops the first `count` bytes, which were sent.
    pub(crate) fn advance(&mut self, count: usize) {
        match self {
            Inset::Shared(bytes) => bytes.advance(count.min(bytes.len())),
            Inset::File(span) => {
                span.offset += count as u64;
                span.length = span.length.saturating_sub(count);
            }
        }
    }
}

impl Out {
    /// Output for a driver that can send spans of files, or not.
    pub fn new(takes_files: bool) -> Self {
        Out { takes_files, ..Out::default() }
    }

    /// Bytes in it.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.inset
    }

    /// True if there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if it holds more than bytes.
    #[inline]
    pub fn has_insets(&self) -> bool {
        !self.insets.is_empty()
    }

    /// True if [`file`](Self::file) may be called.
    #[inline]
    pub fn takes_files(&self) -> bool {
        self.takes_files
    }

    /// Appends bytes without copying them, unless they are few.
    pub fn share(&mut self, bytes: Bytes) {
        if bytes.len() < SHARED_FROM {
            return self.bytes.extend_from_slice(&bytes);
        }
        self.inset += bytes.len();
        self.insets.push((self.bytes.len(), Inset::Shared(bytes)));
    }

    /// Appends a span of a file.
    ///
    /// # Errors
    ///
    /// The span comes back if the driver cannot send files, or the connection is enciphered.
    pub fn file(&mut self, span: FileSpan) -> Result<(), FileSpan> {
        if !self.takes_files {
            return Err(span);
        }
        if span.length > 0 {
            self.inset += span.length;
            self.insets.push((self.bytes.len(), Inset::File(span)));
        }
        Ok(())
    }

    /// Everything in order.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let mut from = 0;
        let end = self.insets.last().map_or(0, |(at, _)| *at);
        self.insets
            .iter()
            .flat_map(move |(at, inset)| {
                let own = &self.bytes[from..*at];
                from = *at;
                [Part::Own(own), Part::Inset(inset)]
            })
            .chain([Part::Own(&self.bytes[end..])])
            .filter(|part| !part.is_empty())
    }

    /// Fills `slices` with the first bytes, in order, up to the first span of a file. Answers how many
    /// slices.
    pub fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        gather(self.parts(), slices)
    }

    /// Forgets everything.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
        if !self.insets.is_empty() {
            self.insets.clear();
            self.inset = 0;
        }
    }

    /// Takes all bytes in one row, for callers without a socket. Files are not read.
    pub fn take(&mut self) -> Vec<u8> {
        let mut row = Vec::with_capacity(self.len());
        for part in self.parts() {
            match part {
                Part::Own(bytes) => row.extend_from_slice(bytes),
                Part::Inset(Inset::Shared(bytes)) => row.extend_from_slice(bytes),
                Part::Inset(Inset::File(_)) => {}
            }
        }
        self.clear();
        row
    }
}

impl Part<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Part::Own(bytes) => bytes.is_empty(),
            Part::Inset(inset) => inset.is_empty(),
        }
    }
}

/// Fills `slices` with the first runs of bytes, up to the first file. Answers how many.
pub(super) fn gather<'a>(
    parts: impl Iterator<Item = Part<'a>>,
    slices: &mut [IoSlice<'a>],
) -> usize {
    let mut count = 0;
    for (slice, part) in slices.iter_mut().zip(parts) {
        *slice = IoSlice::new(match part {
            Part::Own(bytes) => bytes,
            Part::Inset(Inset::Shared(bytes)) => bytes,
            Part::Inset(Inset::File(_)) => break,
        });
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_the_order_they_were_said() {
        let mut out = Out::new(false);
        let long = Bytes::from(vec![b'-'; SHARED_FROM]);
        out.share(long.clone());
        out.bytes.extend_from_slice(b"one");
        out.share(Bytes::from_static(b"two"));
        out.share(long.clone());
        out.share(long.clone());
        out.bytes.extend_from_slice(b"three");
        let line = "-".repeat(SHARED_FROM);
        let whole = format!("{line}onetwo{line}{line}three");
        assert_eq!(out.len(), whole.len());
        assert_eq!(out.parts().count(), 5, "what is short was copied");
        assert_eq!(out.take(), whole.as_bytes());
        assert!(out.is_empty() && out.parts().next().is_none());
    }

    #[test]
    fn a_file_is_refused_where_it_cannot_be_sent() {
        let file = Arc::new(File::open("Cargo.toml").expect("the tests run in the crate's folder"));
        let span = FileSpan { file, offset: 1, length: 6 };
        assert!(Out::new(false).file(span.clone()).is_err());
        let mut out = Out::new(true);
        out.bytes.push(b'<');
        assert!(out.file(span).is_ok());
        out.bytes.push(b'>');
        assert_eq!(out.len(), 8);
        assert!(matches!(
            out.parts().collect::<Vec<_>>()[..],
            [Part::Own(b"<"), Part::Inset(Inset::File(_)), Part::Own(b">")]
        ));
    }
}
