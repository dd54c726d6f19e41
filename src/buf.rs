//! The buffers that a connection owns only while it needs them: [`Carry`] and [`Backlog`].
//!
//! An idle connection owns neither. Both are one pointer wide when empty and give their memory
//! back the moment the last byte leaves.

use std::collections::VecDeque;

use crate::limits::Limits;
use crate::time::Moment;

/// Bytes read from the wire that the session has not taken yet: half a request head, or what a
/// pipelining peer sent ahead.
#[derive(Debug, Default)]
pub struct Carry(Option<Box<Held>>);

/// Boxed so that an idle connection pays one pointer, not a vector's three words.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
}

impl Carry {
    /// Bytes carried.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |held| held.bytes.len())
    }

    /// True if nothing is carried.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Appends `bytes`.
    pub fn push(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.0.get_or_insert_default().bytes.extend_from_slice(bytes);
        }
    }

    /// Takes all of it, to be offered to the session; what it leaves goes back by [`keep`](Self::keep).
    pub fn take(&mut self) -> Vec<u8> {
        self.0.take().map_or_else(Vec::new, |held| held.bytes)
    }

    /// Puts back the end of `bytes` from `from` on, in front of whatever came meanwhile (nothing,
    /// as sessions do not re-enter).
    pub fn keep(&mut self, mut bytes: Vec<u8>, from: usize) {
        debug_assert!(self.0.is_none());
        if from < bytes.len() {
            bytes.drain(..from);
            self.0 = Some(Box::new(Held { bytes }));
        }
    }

    /// Forgets it.
    pub fn clear(&mut self) {
        self.0 = None;
    }
}

/// Bytes produced that the socket has not taken yet, and how fast the peer takes them.
#[derive(Debug, Default)]
pub struct Backlog(Option<Box<Unsent>>);

#[derive(Debug)]
struct Unsent {
    bytes: VecDeque<u8>,
    window_ends: Moment,
    taken: u64,
}

impl Backlog {
    /// Bytes waiting.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |unsent| unsent.bytes.len())
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
        let unsent = self.0.get_or_insert_with(|| {
            Box::new(Unsent {
                bytes: VecDeque::new(),
                window_ends: now + limits.progress,
                taken: 0,
            })
        });
        unsent.bytes.extend(bytes);
    }

    /// The waiting bytes, in order, as the two halves of a ring.
    pub fn slices(&self) -> (&[u8], &[u8]) {
        self.0.as_ref().map_or((&[], &[]), |unsent| unsent.bytes.as_slices())
    }

    /// Removes the first `count` bytes, which the socket has taken.
    pub fn consume(&mut self, count: usize) {
        let Some(unsent) = &mut self.0 else { return };
        unsent.taken += count as u64;
        unsent.bytes.drain(..count.min(unsent.bytes.len()));
        if unsent.bytes.is_empty() {
            self.0 = None;
        }
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
    use super::*;
    use std::time::Duration;

    #[test]
    fn empty_buffers_are_one_pointer_and_own_nothing() {
        assert_eq!(size_of::<Carry>(), size_of::<usize>());
        assert_eq!(size_of::<Backlog>(), size_of::<usize>());
        let mut backlog = Backlog::default();
        backlog.push(b"abc", Moment::START, &Limits::default());
        backlog.consume(3);
        assert!(backlog.is_empty());
        let mut carry = Carry::default();
        carry.push(b"abc");
        let bytes = carry.take();
        carry.keep(bytes, 3);
        assert!(carry.is_empty());
    }

    #[test]
    fn carry_keeps_the_end() {
        let mut carry = Carry::default();
        carry.push(b"abc");
        carry.push(b"def");
        let bytes = carry.take();
        carry.keep(bytes, 2);
        assert_eq!(carry.take(), b"cdef");
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
