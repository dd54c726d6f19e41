//! Deadlines: a heap that is touched as rarely as possible.
//!
//! An entry remembers the moment for which it is armed. Moving its deadline later touches nothing:
//! the heap's item fires at the old moment, finds that the deadline has moved, and is armed again.
//! Only a deadline earlier than the armed one is pushed. A kept-alive connection that serves a
//! million requests touches the heap once per idle time-out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::Moment;
use crate::token::Token;

/// The heap of one loop.
#[derive(Debug, Default)]
pub(crate) struct Timers(BinaryHeap<Reverse<(Moment, Token)>>);

impl Timers {
    /// Makes sure that `token` fires at `deadline` or before; `armed` is the entry's memory of it.
    /// Answers whether the heap was touched.
    #[inline]
    pub(crate) fn arm(&mut self, armed: &mut Moment, deadline: Moment, token: Token) -> bool {
        if deadline >= *armed {
            return false;
        }
        *armed = deadline;
        self.0.push(Reverse((deadline, token)));
        true
    }

    /// The earliest moment at which something may be due.
    #[inline]
    pub(crate) fn next(&self) -> Moment {
        self.0.peek().map_or(Moment::NEVER, |Reverse((moment, _))| *moment)
    }

    /// Takes one item that is due. Its entry compares the moment with its own: an item that was
    /// overtaken by an earlier one is no longer anybody's.
    pub(crate) fn pop(&mut self, now: Moment) -> Option<(Moment, Token)> {
        if self.next() > now {
            return None;
        }
        self.0.pop().map(|Reverse(item)| item)
    }

    /// Forgets the items that are nobody's any more, once they are the most part. What an entry
    /// leaves behind, by ending or by an earlier deadline, would otherwise stay until its moment:
    /// quick connections, or quick deadlines on one, would fill the heap as fast as they come.
    pub(crate) fn prune(
        &mut self,
        entries: usize,
        mut is_armed: impl FnMut(Moment, Token) -> bool,
    ) {
        if self.0.len() > 64 + 2 * entries {
            self.0.retain(|&Reverse((moment, token))| is_armed(moment, token));
        }
    }

    /// Items in the heap.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> Moment {
        Moment::START + Duration::from_secs(seconds)
    }

    #[test]
    fn later_deadlines_do_not_touch_the_heap_and_earlier_ones_do() {
        let (mut timers, mut armed, token) = (Timers::default(), Moment::NEVER, Token::new(1, 1));
        assert!(timers.arm(&mut armed, at(10), token));
        for second in 11..1000 {
            assert!(!timers.arm(&mut armed, at(second), token));
        }
        assert_eq!(timers.len(), 1);
        assert!(timers.arm(&mut armed, at(5), token));
        assert_eq!((timers.next(), armed), (at(5), at(5)));
    }

    #[test]
    fn what_is_left_behind_is_bounded_by_what_is_armed() {
        let (mut timers, token) = (Timers::default(), Token::new(1, 1));
        for round in 0..10_000 {
            // A quick deadline comes before a slow one that was armed, and fires.
            let mut armed = Moment::NEVER;
            timers.arm(&mut armed, at(1000 + round), token);
            timers.arm(&mut armed, at(1), token);
            assert_eq!(timers.pop(at(1)), Some((at(1), token)));
            let last = at(1000 + round);
            timers.prune(1, |moment, _| moment == last);
            assert!(timers.len() <= 66);
        }
        assert_eq!(timers.pop(at(20_000)).map(|(_, token)| token), Some(token));
        timers.prune(1, |_, _| true);
    }

    #[test]
    fn nothing_is_due_early() {
        let (mut timers, mut armed, token) = (Timers::default(), Moment::NEVER, Token::new(1, 1));
        timers.arm(&mut armed, at(10), token);
        assert_eq!(timers.pop(Moment::from_nanos(at(10).as_nanos() - 1)), None);
        assert_eq!(timers.pop(at(10)), Some((at(10), token)));
        assert_eq!(timers.next(), Moment::NEVER);
    }
}
