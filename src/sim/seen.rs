//! What is known of one connection while a simulation runs, by its facts and by its sessions.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::error::CloseReason;
use crate::session::CloseMode;
use crate::time::Moment;

/// Who sends messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// A session of the loop.
    Session,
    /// A host, by a handle.
    Host,
}

/// What is known of one token.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The simulated connection behind it.
    pub(crate) conn: Option<usize>,
    /// It was begun by the loop, and its session has been called.
    pub(crate) dialled: bool,
    pub(crate) opened: bool,
    pub(crate) closed: Option<CloseReason>,
    /// What its session heard as its end.
    pub(crate) heard: Option<CloseReason>,
    /// Bytes its sessions produced and the loop wrote.
    pub(crate) produced: usize,
    pub(crate) wrote: usize,
    pub(crate) read: usize,
    pub(crate) ended: bool,
    pub(crate) paused: bool,
    pub(crate) closing: Option<CloseMode>,
    /// The session asked to be told when there is room.
    pub(crate) wants_drain: bool,
    /// It left input for later.
    pub(crate) holds: bool,
    pub(crate) deadline: Option<Moment>,
    /// The turn in which `deadline` was last set.
    pub(super) deadline_turn: u64,
    /// Calls that wrote, with their times: the peer's progress.
    pub(super) progress: Vec<(Moment, usize)>,
    /// Since when bytes have been waiting without a gap.
    pub(crate) unsent_since: Option<Moment>,
    pub(super) last_read: Option<Moment>,
    pub(super) reads_in_drive: u32,
    /// The turn in which its budget ran out last.
    pub(super) spent_turn: u64,
    /// The turn in which a message or a timer last reached its session.
    pub(super) asked_turn: u64,
    /// The turn in which it was read last, and how often.
    pub(super) reads_in_turn: (u64, u32),
    /// Drives in a row that no event, message or timer asked for and that did nothing.
    pub(super) idle_drives: u32,
    /// Messages under way to it, by who sent them: each sender's come in order.
    pub(crate) posted: [VecDeque<Bytes>; 2],
    /// What it passed on to its peer.
    pub(crate) passed: Vec<u8>,
    /// What it is sent may wait inside of its session.
    pub(crate) queues: bool,
    /// It loses messages rather than have its backlog pass the cap.
    pub(crate) loses: bool,
    /// Slices of the last write in a row of writes, if it took all of them.
    pub(crate) took_all: Option<usize>,
    pub(super) drives_in_turn: u32,
    pub(super) drove_turn: u64,
    /// Since when it has been lingering with nothing left to send.
    pub(crate) lingers_since: Option<Moment>,
    /// It was closed because it had lingered for as long as it may: its peer was still sending.
    pub(crate) lingered: bool,
    /// Somebody outside asked for its end.
    pub(crate) close_asked: bool,
}

impl Seen {
    /// Bytes that the peer is owed.
    pub(crate) fn unsent(&self) -> usize {
        self.produced.saturating_sub(self.wrote)
    }
}
