//! Output that the socket has not taken yet, and how fast the peer takes it: [`Backlog`].

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::buf::out::{FileSpan, Inset, Out, Part, gather};
use crate::limits::Limits;
use crate::time::Moment;

/// A run of own bytes grows to this length before another is begun: so much memory may be kept for
/// bytes already sent.
const RUN: usize = 64 * 1024;

/// Bytes produced that the socket has not taken yet, and how fast the peer takes them.
#[derive(Debug, Default)]
pub struct Backlog(Option<Box<Unsent>>);

#[derive(Debug)]
struct Unsent {
    /// Never empty; most backlogs have one piece, so it is here and not in the queue.
    first: Piece,
    rest: VecDeque<Piece>,
    length: usize,
    window_ends: Moment,
    taken: u64,
}

#[derive(Debug)]
enum Piece {
    Own { bytes: Vec<u8>, sent: usize },
    Inset(Inset),
}

impl Piece {
    fn own(bytes: &[u8]) -> Self {
        Piece::Own { bytes: bytes.to_vec(), sent: 0 }
    }

    fn len(&self) -> usize {
        match self {
            Piece::Own { bytes, sent } => bytes.len() - sent,
            Piece::Inset(inset) => inset.len(),
        }
    }

    fn as_part(&self) -> Part<'_> {
        match self {
            Piece::Own { bytes, sent } => Part::Own(bytes.get(*sent..).unwrap_or_default()),
            Piece::Inset(inset) => Part::Inset(inset),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Piece::Own { sent, .. } => *sent += count,
            Piece::Inset(inset) => inset.advance(count),
        }
    }
}

impl Backlog {
    /// Bytes waiting.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |unsent| unsent.length)
    }

    /// True if nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Appends `bytes`; the first ones start the peer's window of progress.
    pub fn push(&mut self, bytes: &[u8], now: Moment, limits: &Limits) {
        if bytes.is_empty() {
            return;
        }
        let Some(unsent) = &mut self.0 else { return self.begin(Piece::own(bytes), now, limits) };
        unsent.length += bytes.len();
        let last = unsent.rest.back_mut().unwrap_or(&mut unsent.first);
        match last {
            Piece::Own { bytes: run, .. } if run.len() + bytes.len() <= RUN => {
                run.extend_from_slice(bytes);
            }
            _ => unsent.rest.push_back(Piece::own(bytes)),
        }
    }

    /// Moves all that `out` holds to the end; insets stay shared.
    pub fn take(&mut self, out: &mut Out, now: Moment, limits: &Limits) {
        for part in out.parts() {
            match part {
                Part::Own(bytes) => self.push(bytes, now, limits),
                Part::Inset(inset) => self.push_inset(inset.clone(), now, limits),
            }
        }
        out.clear();
    }

    fn push_inset(&mut self, inset: Inset, now: Moment, limits: &Limits) {
        let Some(unsent) = &mut self.0 else {
            return self.begin(Piece::Inset(inset), now, limits);
        };
        unsent.length += inset.len();
        unsent.rest.push_back(Piece::Inset(inset));
    }

    fn begin(&mut self, first: Piece, now: Moment, limits: &Limits) {
        self.0 = Some(Box::new(Unsent {
            length: first.len(),
            first,
            rest: VecDeque::new(),
            window_ends: now + limits.progress,
            taken: 0,
        }));
    }

    /// Fills `slices` with the first waiting bytes, in order, up to the first span of a file.
    /// Answers how many slices.
    pub fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let Some(unsent) = &self.0 else { return 0 };
        gather(std::iter::once(&unsent.first).chain(&unsent.rest).map(Piece::as_part), slices)
    }

    /// The span of a file that is next, if one is.
    pub fn next_file(&self) -> Option<&FileSpan> {
        match self.0.as_deref() {
            Some(Unsent { first: Piece::Inset(Inset::File(span)), .. }) => Some(span),
            _ => None,
        }
    }

    /// Removes the first `count` bytes, which the socket has taken.
    pub fn consume(&mut self, mut count: usize) {
        let Some(unsent) = &mut self.0 else { return };
        unsent.taken += count as u64;
        unsent.length = unsent.length.saturating_sub(count);
        loop {
            let now = count.min(unsent.first.len());
            unsent.first.advance(now);
            count -= now;
            if unsent.first.len() > 0 {
                return;
            }
            match unsent.rest.pop_front() {
                Some(next) => unsent.first = next,
                None => break,
            }
        }
        self.0 = None;
    }

    /// When the window of progress ends; never if nothing waits.
    #[inline]
    pub fn deadline(&self) -> Moment {
        self.0.as_ref().map_or(Moment::NEVER, |unsent| unsent.window_ends)
    }

    /// True if the window has ended and the peer took less in it than it must. If it took enough,
    /// the next window begins.
    pub fn is_stuck(&mut self, now: Moment, limits: &Limits) -> bool {
        let Some(unsent) = &mut self.0 else { return false };
        if now < unsent.window_ends {
            return false;
        }
        if unsent.taken < u64::from(limits.progress_bytes) {
            return true;
        }
        unsent.window_ends = now + limits.progress;
        unsent.taken = 0;
        false
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    #[test]
    fn an_empty_backlog_is_one_pointer_and_owns_nothing() {
        assert_eq!(size_of::<Backlog>(), size_of::<usize>());
        let mut backlog = Backlog::default();
        backlog.push(b"abc", Moment::START, &Limits::default());
        backlog.consume(3);
        assert!(backlog.is_empty());
    }

    /// Whatever was pushed in whatever pieces, and consumed in steps of any length, comes in order.
    #[test]
    fn pieces_are_sent_in_order_at_every_step() {
        let limits = Limits::default();
        let shared = Bytes::from((0..1000_u32).map(|n| n as u8).collect::<Vec<u8>>());
        for step in [1, 7, 512, 700, 4096, 200_000] {
            let mut backlog = Backlog::default();
            let mut whole = Vec::new();
            for round in 0..4 {
                let own = vec![round; 40_000];
                backlog.push(&own, Moment::START, &limits);
                whole.extend_from_slice(&own);
                let mut out = Out::new(false);
                out.bytes.extend_from_slice(b"<");
                out.share(shared.clone());
                out.bytes.extend_from_slice(b">");
                whole.push(b'<');
                whole.extend_from_slice(&shared);
                whole.push(b'>');
                backlog.take(&mut out, Moment::START, &limits);
                assert!(out.is_empty());
            }
            assert_eq!(backlog.len(), whole.len());
            let mut sent = Vec::new();
            while !backlog.is_empty() {
                let mut slices = [IoSlice::new(&[]); 3];
                let count = backlog.gather(&mut slices);
                let mut left = step;
                for slice in &slices[..count] {
                    let now = left.min(slice.len());
                    sent.extend_from_slice(&slice[..now]);
                    left -= now;
                }
                backlog.consume(step - left);
            }
            assert!(sent == whole, "in steps of {step}");
        }
    }

    #[test]
    fn a_slow_reader_is_stuck_at_the_end_of_a_window_and_a_fast_one_is_not() {
        let limits =
            Limits { progress: Duration::from_secs(1), progress_bytes: 10, ..Limits::default() };
        let mut backlog = Backlog::default();
        backlog.push(&[0; 100], Moment::START, &limits);
        let first = backlog.deadline();
        assert!(
            !backlog.is_stuck(Moment::from_nanos(first.as_nanos() - 1), &limits),
            "never early"
        );
        backlog.consume(10);
        assert!(!backlog.is_stuck(first, &limits), "ten bytes are enough");
        backlog.consume(9);
        assert!(backlog.is_stuck(backlog.deadline(), &limits), "nine in the second window are not");
    }
}
