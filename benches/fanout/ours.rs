//! The servers under measurement, through the library's public interface: WebSockets that tell all
//! others what one says, and the chat room that the command serves.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use readyloop::app::chat::{self, Room};
use readyloop::reactor::world::{Address, Listen};
use readyloop::session::http::Http;
use readyloop::session::ws::{self, Peer, encode_text};
use readyloop::session::{Env, Message};
use readyloop::web::router::Router;
use readyloop::{Limits, Reactor, Token};

use crate::support::server;

/// Serves plain WebSockets until killed.
pub(crate) fn sockets() -> io::Result<()> {
    let members = Members::default();
    let options = Rc::new(ws::Options::default());
    serve(Router::new().get("/ws/chat", move |request, reply| {
        let member = Member { members: Rc::clone(&members) };
        ws::accept(request, reply, &options, member)
    }))
}

/// Serves the chat room, where one may talk without end.
pub(crate) fn chat() -> io::Result<()> {
    let room = Room::new(chat::Options { rate: 1_000_000, ..chat::Options::default() });
    serve(chat::web::routes(&room))
}

fn serve(router: Router) -> io::Result<()> {
    // No more than the descriptors allow are ever open, so the cap is on and never reached.
    let limits = Limits { connections: 1_000_000, ..Limits::default() };
    let mut reactor = Reactor::new(limits)?;
    let mut listen = Listen::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    listen.peer_speaks_first = false;
    let listener = reactor.listen(listen, Http::new(router))?;
    match reactor.local_address(listener) {
        Some(Address::Inet(address)) => server::announce(address)?,
        _ => return Err(io::Error::other("the listener has no address")),
    }
    reactor.run()
}

type Members = Rc<RefCell<Vec<Token>>>;

struct Member {
    members: Members,
}

impl ws::Handler for Member {
    fn on_open(&mut self, peer: &mut Peer<'_, '_>) {
        self.members.borrow_mut().push(peer.token());
    }

    fn on_text(&mut self, text: &str, peer: &mut Peer<'_, '_>) {
        let frame = encode_text(text);
        for token in self.members.borrow().iter() {
            peer.send_to(*token, Message::Bytes(frame.clone()));
        }
    }

    fn on_close(&mut self, _: u16, _: &str, _: &mut Env) {}
}
