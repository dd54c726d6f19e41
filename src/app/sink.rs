//! A sink: logs what it gets and answers nothing.

use crate::app::escaped::Escaped;
use crate::session::datagram::Peer;
use crate::session::raw::{Handler, Raw};
use crate::session::{ConnInfo, Cx, Flow, Service, Session};

/// Opens a [`Logged`] for every connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sink;

impl Service for Sink {
    fn open(&self, info: &ConnInfo<'_>) -> Box<dyn Session> {
        Box::new(Raw::new(Logged { peer: info.peer.clone() }))
    }
}

/// Logs what one peer sends, a line for each piece in which it arrives.
#[derive(Debug)]
pub struct Logged {
    peer: Peer,
}

impl Handler for Logged {
    fn on_bytes(&mut self, bytes: &[u8], _: &mut Cx<'_>) -> Flow {
        log::info!(target: "tcp-sink", "received from {}: {}", self.peer, Escaped::new(bytes));
        Flow::Continue
    }
}
