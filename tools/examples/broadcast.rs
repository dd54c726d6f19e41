//! WebSocket for many: all hear what one says, and from another thread the time each second.
//!
//! `cargo run --example broadcast`, then some of `python3 -m websockets ws://localhost:8080/`.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use readyloop::session::http::{Http, Reply};
use readyloop::session::ws::{self, Handler, Peer};
use readyloop::session::{Env, Message, Service};
use readyloop::{Head, Limits, Reactor, Token};

/// Who is here. Only the loop looks in; another thread carries it there, which is what the lock is for.
#[derive(Clone, Default)]
pub struct Room(Arc<Mutex<BTreeSet<Token>>>);

impl Room {
    fn members(&self) -> MutexGuard<'_, BTreeSet<Token>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One frame, shared by all. Who is too slow for it goes without: see `ws::Options::slow`.
    pub fn say(&self, text: &str, env: &mut Env) {
        let frame = ws::encode_text(text);
        self.members().iter().for_each(|to| env.send(*to, Message::Bytes(frame.clone())));
    }
}

struct Member(Room, Token);

impl Handler for Member {
    fn on_open(&mut self, _: &mut Peer<'_, '_>) {
        self.0.members().insert(self.1);
    }

    fn on_text(&mut self, text: &str, peer: &mut Peer<'_, '_>) {
        self.0.say(text, peer.env());
    }

    fn on_close(&mut self, _: u16, _: &str, _: &mut Env) {
        self.0.members().remove(&self.1);
    }
}

/// A WebSocket on every path.
pub fn service(room: Room) -> impl Service {
    let options = Rc::new(ws::Options::default());
    Http::new(move |head: &Head<'_>, reply: Reply<'_, '_>| {
        let member = Member(room.clone(), reply.token());
        ws::accept(head, reply, &options, member)
    })
}

/// Serves until it is interrupted.
pub fn main() -> std::io::Result<()> {
    let (room, mut reactor) = (Room::default(), Reactor::new(Limits::default())?);
    reactor.listen(SocketAddr::from(([127, 0, 0, 1], 8080)), service(room.clone()))?;
    let handle = reactor.handle();
    std::thread::spawn(move || {
        for seconds in 1.. {
            std::thread::sleep(Duration::from_secs(1));
            let room = room.clone();
            // Refused if the loop has too much to do already, or has ended.
            let _ = handle.exec(move |env| room.say(&format!("{seconds} s"), env));
        }
    });
    reactor.run()
}
