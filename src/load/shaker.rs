//! TLS handshakes and nothing else: a connection is answered when its handshake is done.
//!
//! The driver makes one for each connection. It ends in peace, waiting for the server's end: a reset
//! could reach the server before it has read our last flight.

use crate::error::CloseReason;
use crate::load::seat::Seat;
use crate::session::{CloseMode, Cx, Env, Flow, Session, TlsInfo};

/// See the module's documentation.
pub(super) struct Shaker(pub(super) Seat);

impl Session for Shaker {
    fn on_connect(&mut self) {
        self.0.connect();
    }

    fn on_secure(&mut self, _: &TlsInfo<'_>) {
        self.0.shake();
    }

    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.0.open(cx.token(), |_| 0);
        self.0.answered(Ok(()), self.0.now());
        Flow::Close(CloseMode::Linger, CloseReason::Finished)
    }

    fn on_data(&mut self, input: &mut &[u8], _: &mut Cx<'_>) -> Flow {
        *input = &[];
        Flow::Continue
    }

    fn on_fault(&mut self, what: &str) {
        self.0.fault(what);
    }

    fn on_close(&mut self, why: CloseReason, _: &mut Env) {
        self.0.close(why);
    }
}
