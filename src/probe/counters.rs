//! The [`Counters`]: totals of the facts, always on.

use super::{Fact, Lag, Probe, Spread};
use crate::error::CloseReason;

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
    /// Reads, writes, accepts and connects that failed.
    pub failures: u64,
    /// Turns in which commands of other threads were taken.
    pub wakes: u64,
    /// Accepts that found nobody waiting.
    pub accepts_in_vain: u64,
    /// Budgets that ran out.
    pub budget_stops: u64,
    /// Deadlines put into the timer heap.
    pub timers_armed: u64,
    /// Deadlines reached and acted upon.
    pub timers_fired: u64,
    /// Times that reading stopped at a high watermark.
    pub high_waters: u64,
    /// Calls that held the loop for longer than [`Limits::stall`](crate::Limits::stall). Known only
    /// while a recorder is on.
    pub stalls: u64,
    /// Those of them in which the thread was not computing for most of the time. Known only to a
    /// reactor.
    pub stalls_parked: u64,
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
    /// How long somebody had to wait who came at an arbitrary moment.
    pub lag: Lag,
    /// Events of a turn: `[i]` counts turns with 2^(i-1) to 2^i - 1 of them, `[0]` those with none.
    pub ready: [u64; 16],
}

impl Probe for Counters {
    // Every caller names its fact, so that of this match one line is left.
    #[inline(always)]
    fn fact(&mut self, fact: Fact) {
        match fact {
            Fact::Polled { events, .. } => {
                self.turns += 1;
                self.events += events as u64;
                let bits = (usize::BITS - events.leading_zeros()) as usize;
                self.ready[bits.min(15)] += 1;
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
            Fact::HighWater { .. } => self.high_waters += 1,
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
            Fact::Failed { .. } => self.failures += 1,
            Fact::Woken { .. } => self.wakes += 1,
            Fact::Stall { .. } => self.stalls += 1,
            Fact::Event { .. }
            | Fact::Driven { .. }
            | Fact::Resumed { .. }
            | Fact::Peer { .. }
            | Fact::Interest { .. }
            | Fact::Removed { .. }
            | Fact::Called { .. }
            | Fact::Request { .. }
            | Fact::State { .. }
            | Fact::Buffer { .. }
            | Fact::LowWater { .. }
            | Fact::Descriptors { .. } => {}
        }
    }
}
