//! What can be watched: a [`Fact`] for each thing the loop does, and the [`Counters`] of them.
//!
//! A fact is emitted at one point of the code per kind. It costs no system call, and nothing at
//! all where nobody listens: [`Probe`] is implemented for `()` by doing nothing. The counters are
//! always on.

use std::time::Duration;

use crate::error::CloseReason;
use crate::token::Token;

/// Something that just happened in the loop.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fact {
    /// A poll returned; so many events were ready.
    Polled {
        /// Events returned.
        events: usize,
    },
    /// An event reached a live entry.
    Event {
        /// Whose.
        token: Token,
        /// The readiness bits that it carried.
        bits: u8,
    },
    /// An event, a message or a timer named an entry that is gone.
    Stale {
        /// Whose it had been.
        token: Token,
    },
    /// A connection was accepted.
    Accepted {
        /// Its new token.
        token: Token,
        /// The listener's token.
        from: Token,
    },
    /// A connection was begun from here; whether it comes about, `Closed` or a call of its session
    /// will tell.
    Dialled {
        /// Its new token.
        token: Token,
    },
    /// A handed-over connection was adopted.
    Adopted {
        /// Its new token.
        token: Token,
    },
    /// A read returned bytes; zero is the end of the stream.
    Read {
        /// Whose.
        token: Token,
        /// How many.
        bytes: usize,
    },
    /// A write took bytes.
    Wrote {
        /// Whose.
        token: Token,
        /// How many.
        bytes: usize,
    },
    /// A read or write would have blocked.
    Blocked {
        /// Whose.
        token: Token,
        /// True for a write.
        writing: bool,
    },
    /// An accept found nobody waiting.
    NobodyWaits {
        /// The listener.
        token: Token,
    },
    /// A budget ran out; the rest waits in the run queue.
    Budget {
        /// Whose.
        token: Token,
    },
    /// A deadline was put into the timer heap.
    Armed {
        /// Whose.
        token: Token,
    },
    /// A deadline was reached and acted upon.
    Fired {
        /// Whose.
        token: Token,
    },
    /// A stream's session is about to be called: proof that a socket was driven.
    Driven {
        /// Whose.
        token: Token,
    },
    /// Reading stopped because the peer does not take what it is sent.
    Stalled {
        /// Whose.
        token: Token,
        /// Its unsent bytes.
        backlog: usize,
    },
    /// A listener stopped accepting: full, or out of descriptors.
    Paused {
        /// The listener.
        token: Token,
        /// True if the system ran out of descriptors, false at our own cap.
        descriptors: bool,
    },
    /// A listener accepts again.
    Resumed {
        /// The listener.
        token: Token,
    },
    /// A client was turned away at the door: no descriptor was left. It never was a connection.
    Shed {
        /// The listener.
        token: Token,
    },
    /// A datagram was received.
    Received {
        /// The socket.
        token: Token,
        /// Its size.
        bytes: usize,
    },
    /// A datagram was sent.
    Sent {
        /// The socket.
        token: Token,
        /// Its size.
        bytes: usize,
    },
    /// A datagram was dropped, or refused by the system.
    Dropped {
        /// The socket.
        token: Token,
    },
    /// An entry ended.
    Closed {
        /// Whose.
        token: Token,
        /// Why.
        reason: CloseReason,
    },
}

/// Somebody who watches the loop.
pub trait Probe {
    /// Called once for each fact, on the loop's thread; must be quick and must not block.
    #[inline(always)]
    fn fact(&mut self, fact: Fact) {
        let _ = fact;
    }
}

impl Probe for () {}

/// Totals of the facts since the loop began.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Polls that returned.
    pub turns: u64,
    /// Events that they returned.
    pub events: u64,
    /// Events, messages and timers for entries that were gone.
    pub stale: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections handed over.
    pub adopted: u64,
    /// Connections that began here.
    pub dialled: u64,
    /// Reads that returned bytes or the end.
    pub reads: u64,
    /// Bytes that they returned.
    pub read_bytes: u64,
    /// Writes that took bytes.
    pub writes: u64,
    /// Bytes that they took.
    pub written_bytes: u64,
    /// Reads and writes that would have blocked.
    pub would_blocks: u64,
    /// Accepts that found nobody waiting.
    pub accepts_in_vain: u64,
    /// Budgets that ran out.
    pub budget_stops: u64,
    /// Deadlines put into the timer heap.
    pub timers_armed: u64,
    /// Deadlines reached and acted upon.
    pub timers_fired: u64,
    /// Times that reading stopped at a high watermark.
    pub stalls: u64,
    /// Times that accepting stopped.
    pub accept_pauses: u64,
    /// Those of them that were for want of descriptors.
    pub descriptor_exhaustions: u64,
    /// Clients turned away at the door.
    pub shed: u64,
    /// Datagrams received.
    pub datagrams_received: u64,
    /// Datagrams sent.
    pub datagrams_sent: u64,
    /// Datagrams dropped, or refused by the system.
    pub datagrams_dropped: u64,
    /// Bytes of datagrams received.
    pub datagram_bytes_in: u64,
    /// Bytes of datagrams sent.
    pub datagram_bytes_out: u64,
    /// Closed connections by [`CloseReason::kind`].
    pub closed: [u64; CloseReason::KINDS],
    /// Requests answered, by the first digit of their status.
    pub responses: [u64; 6],
    /// How long turns computed, from the end of one wait to the beginning of the next. Only
    /// [`run`](crate::Reactor::run) knows: between the turns of a host the time is the host's.
    pub busy: Spread,
    /// How late deadlines were looked at.
    pub late: Spread,
}

/// A distribution of times, coarse and cheap: `0[i]` counts those below 2^i ns and not below half of
/// that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread(pub [u64; Spread::BUCKETS]);

impl Spread {
    /// The last one takes everything from nine minutes on.
    pub const BUCKETS: usize = 40;

    /// Counts one.
    #[inline]
    pub fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bits = (u64::BITS - nanos.leading_zeros()) as usize;
        if let Some(count) = self.0.get_mut(bits.min(Spread::BUCKETS - 1)) {
            *count += 1;
        }
    }
}

impl Default for Spread {
    fn default() -> Self {
        Spread([0; Spread::BUCKETS])
    }
}

impl Probe for Counters {
    // Every caller names its fact, so that of this match one line is left.
    #[inline(always)]
    fn fact(&mut self, fact: Fact) {
        match fact {
            Fact::Polled { events } => {
                self.turns += 1;
                self.events += events as u64;
            }
            Fact::Stale { .. } => self.stale += 1,
            Fact::Accepted { .. } => self.accepted += 1,
            Fact::Adopted { .. } => self.adopted += 1,
            Fact::Dialled { .. } => self.dialled += 1,
            Fact::Read { bytes, .. } => {
                self.reads += 1;
                self.read_bytes += bytes as u64;
            }
            Fact::Wrote { bytes, .. } => {
                self.writes += 1;
                self.written_bytes += bytes as u64;
            }
            Fact::Blocked { .. } => self.would_blocks += 1,
            Fact::NobodyWaits { .. } => self.accepts_in_vain += 1,
            Fact::Budget { .. } => self.budget_stops += 1,
            Fact::Armed { .. } => self.timers_armed += 1,
            Fact::Fired { .. } => self.timers_fired += 1,
            Fact::Stalled { .. } => self.stalls += 1,
            Fact::Paused { descriptors, .. } => {
                self.accept_pauses += 1;
                self.descriptor_exhaustions += u64::from(descriptors);
            }
            Fact::Shed { .. } => self.shed += 1,
            Fact::Received { bytes, .. } => {
                self.datagrams_received += 1;
                self.datagram_bytes_in += bytes as u64;
            }
            Fact::Sent { bytes, .. } => {
                self.datagrams_sent += 1;
                self.datagram_bytes_out += bytes as u64;
            }
            Fact::Dropped { .. } => self.datagrams_dropped += 1,
            Fact::Closed { reason, .. } => self.closed[reason.kind()] += 1,
            Fact::Event { .. } | Fact::Driven { .. } | Fact::Resumed { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_counts_by_powers_of_two_and_loses_nothing() {
        let mut spread = Spread::default();
        for nanos in [0, 1, 2, 3, 4, 1023, 1024, u64::MAX] {
            spread.record(Duration::from_nanos(nanos));
        }
        assert_eq!(spread.0[..4], [1, 1, 2, 1]);
        assert_eq!((spread.0[10], spread.0[11], spread.0[39]), (1, 1, 1));
        assert_eq!(spread.0.iter().sum::<u64>(), 8);
    }
}
