//! The last messages of a topic: [`Ring`].

use std::collections::VecDeque;

use crate::Bytes;
use crate::session::ws::encode_text;
use crate::time::Moment;
use crate::web::sse;

/// A message as it is kept: serialised once for each kind of receiver.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its number. All topics of a hub share one sequence.
    pub id: u64,
    /// The message as JSON: the end of the frame.
    pub json: Bytes,
    /// The same as a Server-Sent Event.
    pub event: Bytes,
    /// The same as a WebSocket frame.
    pub frame: Bytes,
}

impl Stored {
    /// Message number `id`, whose JSON has no line breaks.
    pub(super) fn new(id: u64, json: &str) -> Self {
        let (event, frame) = (Bytes::from(sse::event(Some(id), None, json)), encode_text(json));
        Stored { id, json: frame.slice(frame.len() - json.len()..), event, frame }
    }

    /// How much memory it takes.
    fn bytes(&self) -> usize {
        OVERHEAD + self.event.len() + self.frame.len()
    }
}

/// About how much memory a message takes besides its text.
const OVERHEAD: usize = 200;

/// How many numbers of messages that are gone are remembered, to say exactly how many were missed.
const GONE: usize = 4096;

/// The last messages of one topic, bounded in number and in bytes but for those of one turn.
#[derive(Debug)]
pub(super) struct Ring {
    kept: VecDeque<Stored>,
    bytes: usize,
    /// The numbers of those that left, the oldest first.
    gone: VecDeque<u64>,
    most: usize,
    most_bytes: usize,
    /// When the newest one came, and how many came in that turn.
    turn: Moment,
    fresh: usize,
}

impl Ring {
    pub(super) fn new(most: usize, most_bytes: usize) -> Self {
        let (kept, gone) = (VecDeque::new(), VecDeque::new());
        Ring { kept, bytes: 0, gone, most, most_bytes, turn: Moment::START, fresh: 0 }
    }

    /// Adds a message; the oldest ones make room for it. Those of this turn do not, however many
    /// they are: the fastest subscriber cannot have them before the turn ends.
    pub(super) fn push(&mut self, message: Stored, now: Moment) {
        let before = if self.turn == now { self.fresh } else { 0 };
        (self.turn, self.fresh) = (now, before + 1);
        self.bytes += message.bytes();
        self.kept.push_back(message);
        let is_over = |ring: &Ring| ring.kept.len() > ring.most || ring.bytes > ring.most_bytes;
        while self.kept.len() > self.fresh && is_over(self) {
            self.forget();
        }
    }

    /// Gives up the oldest message.
    pub(super) fn forget(&mut self) {
        let Some(oldest) = self.kept.pop_front() else { return };
        self.bytes -= oldest.bytes();
        if self.gone.len() == GONE {
            self.gone.pop_front();
        }
        self.gone.push_back(oldest.id);
    }

    /// The first message after number `last`.
    pub(super) fn after(&self, last: u64) -> Option<&Stored> {
        // Nearly everybody has all but the newest.
        match self.kept.back() {
            Some(newest) if newest.id <= last => return None,
            _ => {}
        }
        self.kept.get(self.kept.partition_point(|message| message.id <= last))
    }

    /// How many messages that are gone have numbers after `last` and before `next`.
    pub(super) fn missed(&self, last: u64, next: u64) -> u64 {
        if self.gone.back().is_none_or(|newest| *newest <= last) {
            return 0;
        }
        let until = self.gone.partition_point(|id| *id < next);
        let from = self.gone.partition_point(|id| *id <= last);
        until.saturating_sub(from) as u64
    }

    /// Messages that are kept.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Bytes of them.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of the newest message, kept or not; 0 if there never was one.
    pub(super) fn newest(&self) -> u64 {
        self.kept.back().map(|message| message.id).or(self.gone.back().copied()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn message(id: u64, length: usize) -> Stored {
        let event = Bytes::from(vec![b'x'; length]);
        Stored { id, json: Bytes::new(), event, frame: Bytes::new() }
    }

    #[test]
    fn it_is_bounded_and_knows_what_it_lost() {
        let mut ring = Ring::new(3, 3 * OVERHEAD + 100);
        let mut now = Moment::START;
        let mut push = |ring: &mut Ring, id, length| {
            now += Duration::from_micros(1);
            ring.push(message(id, length), now);
        };
        for id in [10, 20, 30, 40, 50] {
            push(&mut ring, id, 10);
        }
        assert_eq!(ring.after(0).map(|message| message.id), Some(30));
        assert_eq!(ring.after(30).map(|message| message.id), Some(40));
        assert_eq!(ring.after(45).map(|message| message.id), Some(50));
        assert!(ring.after(50).is_none());
        assert_eq!(ring.missed(0, 30), 2);
        assert_eq!(ring.missed(10, 30), 1);
        assert_eq!(ring.missed(20, 30), 0);
        assert_eq!(ring.missed(0, 15), 1, "what comes after the next is counted with what follows");
        push(&mut ring, 60, 2 * OVERHEAD + 95);
        assert_eq!((ring.len(), ring.newest()), (1, 60), "bytes count too");
        push(&mut ring, 70, 10_000);
        assert_eq!((ring.len(), ring.newest()), (1, 70), "one is always kept");
        ring.forget();
        assert_eq!((ring.len(), ring.bytes(), ring.newest()), (0, 0, 70), "unless it is given up");
        assert_eq!(ring.missed(60, 80), 1);
    }

    #[test]
    fn all_forms_of_a_message_count() {
        let message = Stored::new(7, "{\"a\":1}");
        assert_eq!(&message.json[..], b"{\"a\":1}");
        assert_eq!(&message.event[..], b"id: 7\ndata: {\"a\":1}\n\n");
        assert_eq!(&message.frame[..], b"\x81\x07{\"a\":1}");
        let mut ring = Ring::new(3, 1000);
        ring.push(message, Moment::START);
        assert_eq!(ring.bytes(), OVERHEAD + 21 + 9);
    }

    #[test]
    fn what_comes_in_one_turn_is_kept_until_the_next() {
        let mut ring = Ring::new(2, OVERHEAD);
        let now = Moment::START + Duration::from_secs(1);
        for id in 1..=5 {
            ring.push(message(id, 1), now);
        }
        assert_eq!((ring.len(), ring.missed(0, 9)), (5, 0));
        ring.push(message(6, 1), now + Duration::from_micros(1));
        assert_eq!((ring.len(), ring.missed(0, 9)), (1, 5));
    }
}
