//! A request becomes a WebSocket, or is told why not (RFC 6455 §4.2).

use std::rc::Rc;

use super::link::Link;
use super::{Handler, Options, WebSocket};
use crate::proto::h1::{Framing, Head};
use crate::proto::ws::handshake::{self, Unfit};
use crate::proto::ws::{Reader, Role, Sender};
use crate::session::http::{Answered, Reply};

const TEXT: (&str, &[u8]) = ("Content-Type", b"text/plain; charset=utf-8");

/// Opens a WebSocket for `handler`, if the request asks for one properly and its page may: otherwise
/// it is answered with 426, 400 or 403.
pub fn accept(
    head: &Head<'_>,
    reply: Reply<'_, '_>,
    options: &Rc<Options>,
    handler: impl Handler,
) -> Answered {
    let accept = match handshake::check(head) {
        Ok(accept) if head.framing == Framing::None => accept,
        Ok(_) => return reply.text(400, "a handshake has no body\n"),
        Err(unfit) => return refuse(unfit, reply),
    };
    if !options.origins.allow(head) {
        return reply.text(403, "pages of this origin may not connect\n");
    }
    let protocol = handshake::protocol(head, options.protocols);
    let packing = options.deflate.and_then(|wish| handshake::compression(head, &wish));
    let mut fields: Vec<(&str, &[u8])> =
        vec![("Upgrade", b"websocket"), ("Sec-WebSocket-Accept", accept.as_bytes())];
    if let Some(protocol) = protocol {
        fields.push(("Sec-WebSocket-Protocol", protocol.as_bytes()));
    }
    if let Some((_, answer)) = &packing {
        fields.push(("Sec-WebSocket-Extensions", answer.as_bytes()));
    }
    let agreed = packing.as_ref().map(|(agreed, _)| *agreed);
    let reader = Reader::new(Role::Server, agreed);
    let link = Link::new(Sender::server(agreed), Role::Server, options, protocol);
    reply.upgrade(101, &fields, WebSocket::new(handler, reader, link))
}

#[cold]
fn refuse(unfit: Unfit, reply: Reply<'_, '_>) -> Answered {
    match unfit {
        Unfit::NotAsked => {
            reply.send(426, &[TEXT, ("Upgrade", b"websocket")], b"this is a WebSocket\n")
        }
        Unfit::Version => reply.send(
            426,
            &[TEXT, ("Upgrade", b"websocket"), ("Sec-WebSocket-Version", b"13")],
            b"only version 13 is spoken here\n",
        ),
        Unfit::Malformed(what) => reply.text(400, &format!("{what}\n")),
    }
}
