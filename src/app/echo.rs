//! Echo over TCP (RFC 862) and over UDP.
//!
//! Back-pressure needs no code here: what the peer does not take stays in the connection's backlog,
//! and at the high watermark the driver stops reading.

use crate::session::datagram::{Datagram, DatagramSession, Outbox};
use crate::session::raw::{Handler, Raw};
use crate::session::{ConnInfo, Cx, Env, Flow, Service, Session};

/// Sends back what it gets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl Handler for Echo {
    fn on_bytes(&mut self, _: &[u8], _: &mut Cx<'_>) -> Flow {
        Flow::Reflect
    }
}

impl Service for Echo {
    fn open(&self, _: &ConnInfo<'_>) -> Box<dyn Session> {
        Box::new(Raw::new(Echo))
    }
}

impl DatagramSession for Echo {
    fn on_datagram(&mut self, datagram: Datagram<'_>, out: &mut Outbox, _: &mut Env) {
        out.send(datagram.from, datagram.data);
    }
}
