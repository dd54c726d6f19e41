//! Members in the browser: `/ws/chat`, JSON over a WebSocket.
//!
//! | the page says | |
//! |---|---|
//! | `{"type":"join","name":"Ann"}` | first; is answered by `welcome` |
//! | `{"type":"say","text":"hi"}` | is heard by all, the speaker too |
//! | `{"type":"ping"}` | is answered by `pong` |
//!
//! It hears `welcome` (its name, who is there, what was said last), `message`, `joined`, `left`,
//! `pong` and `error`. `via` says whether a member came by `web` or by `tcp`.

use std::rc::Rc;

use serde::Deserialize;

use super::room::Event;
use super::{Room, Via};
use crate::session::Env;
use crate::session::ws::{self, Handler, Peer};
use crate::token::Token;
use crate::web::router::Router;

/// Messages beyond its rate, or without sense, after which a member is put out.
const PATIENCE: u32 = 200;

/// What the page says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Said {
    Join { name: String },
    Say { text: String },
    Ping {},
}

/// The route of the room.
pub fn routes(room: &Rc<Room>) -> Router {
    let room = Rc::clone(room);
    let options = Rc::new(ws::Options {
        message_bytes: 4 * room.options.message_bytes,
        frame_bytes: 4 * room.options.message_bytes as u64,
        max_unsent: room.options.unsent,
        ..ws::Options::default()
    });
    Router::new().get("/ws/chat", move |request, reply| {
        let member =
            Member { room: Rc::clone(&room), token: reply.token(), is_in: false, refused: 0 };
        ws::accept(request.head(), reply, &options, member)
    })
}

struct Member {
    room: Rc<Room>,
    token: Token,
    is_in: bool,
    refused: u32,
}

impl Member {
    fn refuse(&mut self, what: &str, peer: &mut Peer<'_, '_>) {
        self.refused += 1;
        if self.refused > PATIENCE {
            self.room.leave(self.token, peer.env());
            return peer.close(ws::code::POLICY, "too many messages");
        }
        peer.send_text(&Event::Error { what }.json());
    }

    fn join(&mut self, name: &str, peer: &mut Peer<'_, '_>) {
        if self.is_in {
            return self.refuse("you are in the room already", peer);
        }
        self.is_in = true;
        self.room.enter(self.token, name, Via::Web, peer.env());
        peer.send_text(&self.room.welcome(self.token));
    }

    fn say(&mut self, words: &str, peer: &mut Peer<'_, '_>) {
        let most = self.room.options.message_bytes;
        if !self.is_in {
            return self.refuse("join first", peer);
        }
        if words.trim().is_empty() {
            return self.refuse("there is nothing in that message", peer);
        }
        if words.len() > most {
            return self.refuse(&format!("a message is at most {most} bytes long"), peer);
        }
        if self.room.allow(self.token, 1, peer.now()).is_err() {
            return self.refuse("too many messages; this one was not passed on", peer);
        }
        self.refused = 0;
        self.room.say(self.token, words, peer.env());
    }
}

impl Handler for Member {
    fn on_text(&mut self, text: &str, peer: &mut Peer<'_, '_>) {
        match serde_json::from_str(text) {
            Ok(Said::Join { name }) => self.join(&name, peer),
            Ok(Said::Say { text }) => self.say(&text, peer),
            Ok(Said::Ping {}) => peer.send_text(&Event::Pong.json()),
            Err(_) => self.refuse("that is none of join, say and ping", peer),
        }
    }

    fn on_drain(&mut self, peer: &mut Peer<'_, '_>) {
        let lost = peer.take_lost();
        if lost > 0 {
            self.room.count_lost(lost.into());
            let what = format!("{lost} messages were lost, because they were not taken");
            peer.send_text(&Event::Error { what: &what }.json());
        }
    }

    fn on_close(&mut self, _: u16, _: &str, env: &mut Env) {
        self.room.leave(self.token, env);
    }
}
