//! A UDP responder: logs each datagram and its sender, and says who it is.

use crate::app::escaped::Escaped;
use crate::session::Env;
use crate::session::datagram::{Datagram, DatagramSession, Outbox};

/// What is answered.
const ANSWER: &[u8] = b"I am server";

/// Answers every datagram with the same words.
#[derive(Clone, Copy, Debug, Default)]
pub struct Responder;

impl DatagramSession for Responder {
    fn on_datagram(&mut self, datagram: Datagram<'_>, out: &mut Outbox, _: &mut Env) {
        let Datagram { from, data, truncated } = datagram;
        let cut = if truncated { " (its end was cut off)" } else { "" };
        log::info!(target: "udp-responder", "received from {from}: {}{cut}", Escaped::new(data));
        out.send(from, ANSWER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::session::datagram::Peer;

    #[test]
    fn every_datagram_is_answered_to_its_sender() {
        let (mut env, mut out) = (Env::new(Limits::default()), Outbox::new(8));
        let from = Peer::Inet(([127, 0, 0, 1], 4000).into());
        for data in [&b""[..], b"who?"] {
            let datagram = Datagram { from: &from, data, truncated: false };
            Responder.on_datagram(datagram, &mut out, &mut env);
        }
        let sent: Vec<_> = out.iter().collect();
        assert_eq!(sent, [(&from, ANSWER), (&from, ANSWER)]);
    }
}
