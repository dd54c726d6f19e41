//! A place: one of the connections that a load keeps, whichever socket fills it.
//!
//! The desk has a row of them and does all with them; here is only what they are.

use std::collections::VecDeque;

use crate::load::recorder::Timing;
use crate::time::Moment;
use crate::token::Token;

/// How a connection's place is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Vacant,
    Dialling,
    Open,
}

/// A request that was drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    pub(super) timing: Timing,
    pub(super) kind: u8,
}

/// One of the connections that are to be open at a time, whichever socket fills it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) token: Token,
    pub(super) state: State,
    /// Drawn and not answered, in order.
    pub(super) owed: VecDeque<Ticket>,
    /// It is in the queue of the free.
    pub(super) queued: bool,
    /// Since when it has had room that nobody filled.
    pub(super) free_since: Moment,
    pub(super) dialled: Moment,
    /// It has been answered once, over this connection or one before.
    pub(super) ready: bool,
}

impl Place {
    /// A place without a connection, with memory for what one of this depth owes.
    pub(super) fn vacant(depth: usize) -> Self {
        Place {
            token: Token::from_u64(u64::MAX),
            state: State::Vacant,
            owed: VecDeque::with_capacity(depth.min(64)),
            queued: false,
            free_since: Moment::NEVER,
            dialled: Moment::NEVER,
            ready: false,
        }
    }
}
