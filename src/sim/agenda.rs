//! What the simulated network has to do: what will happen, and whose edges wait to be reported.

use std::collections::VecDeque;

use super::conn::Way;
use crate::reactor::world::Ready;
use crate::token::Token;

/// Something that will happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Bytes of a connection arrive.
    Move(usize, Way),
    /// The answer to a connect comes: whether it is accepted.
    Answered(usize, bool),
    /// The edge that a fault owes to a connection.
    Owed(usize, Ready),
    /// The edge that a fault owes to a listener.
    OwedListener(usize),
    /// Datagrams leave or arrive.
    Mail(usize),
    /// A peer acts.
    Peer(usize),
    /// A promised answer is given.
    Promise(usize),
    /// An off-loaded job is done.
    Job(usize),
    /// Other processes take all descriptors, or give them back.
    Shortage(bool),
}

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) token: Token,
    pub(crate) backlog: usize,
    pub(crate) queue: VecDeque<usize>,
    pub(crate) edge: bool,
    pub(crate) owed: bool,
    pub(crate) refusing: bool,
    pub(crate) closed: bool,
}

/// What has an edge to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Conn(usize),
    Listener(usize),
    Mailbox(usize),
}
