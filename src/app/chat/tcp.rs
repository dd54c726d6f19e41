//! A member over TCP: heart-beats, texts, and the five seconds.

use std::rc::Rc;

use super::{Room, Via, text};
use crate::Bytes;
use crate::error::{CloseReason, Phase};
use crate::session::{CloseMode, ConnInfo, Cx, Env, Flow, Message, Service, Session};
use crate::time::Moment;
use crate::token::Token;

/// Messages beyond its rate after which a member is put out.
const PATIENCE: u32 = 200;

/// The service of a row: each connection a member.
pub struct Tcp(pub Rc<Room>);

impl Service for Tcp {
    fn open(&self, info: &ConnInfo<'_>) -> Box<dyn Session> {
        Box::new(Member {
            room: Rc::clone(&self.0),
            token: info.token,
            peer: info.peer.to_string(),
            expires: Moment::NEVER,
            turn: Moment::START,
            is_slow: false,
            lost: 0,
            refused: 0,
        })
    }
}

struct Member {
    room: Rc<Room>,
    token: Token,
    peer: String,
    /// When it will have been silent for too long.
    expires: Moment,
    /// The turn in which it was last sent something, and whether it was behind then.
    turn: Moment,
    is_slow: bool,
    /// Messages that it lost and was not told of yet.
    lost: u64,
    /// Messages of its that were too fast.
    refused: u32,
}

impl Member {
    /// Tells it something that nobody said.
    fn note(&self, what: &str, cx: &mut Cx<'_>) {
        cx.write(text::line("*", "room", what).as_bytes());
    }

    fn say(&mut self, words: &[u8], cx: &mut Cx<'_>) -> Flow {
        let most = self.room.options.message_bytes;
        if words.len() > most {
            self.note(&format!("at most {most} bytes at once; this was not passed on"), cx);
            return Flow::Continue;
        }
        // For the page there may be many messages in a chunk, and each costs as much as one alone.
        let told = text::told(words);
        if self.room.allow(self.token, told.len().max(1), cx.now()).is_err() {
            self.refused += 1;
            if self.refused == 1 {
                self.note("too many messages; some are not passed on", cx);
            }
            if self.refused > PATIENCE {
                log::warn!("{} floods the room and is put out", self.peer);
                self.room.leave(self.token, cx.env());
                return Flow::Close(CloseMode::Linger, CloseReason::Aborted);
            }
            return Flow::Continue;
        }
        self.refused = 0;
        self.room.say_raw(self.token, Bytes::copy_from_slice(words), &told, cx.env());
        Flow::Continue
    }
}

impl Session for Member {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.expires = cx.now() + self.room.options.expiry;
        self.room.enter(self.token, &self.peer, Via::Tcp, cx.env());
        Flow::Continue
    }

    fn on_data(&mut self, input: &mut &[u8], cx: &mut Cx<'_>) -> Flow {
        self.expires = cx.now() + self.room.options.expiry;
        let (beats, words) = text::heart_beats(std::mem::take(input));
        let answers = cx.out();
        answers.resize(answers.len() + beats, b'1');
        if words.is_empty() { Flow::Continue } else { self.say(words, cx) }
    }

    fn on_message(&mut self, message: Message, cx: &mut Cx<'_>) -> Flow {
        if let Message::Bytes(words) = message {
            if self.turn != cx.now() {
                (self.turn, self.is_slow) = (cx.now(), cx.unsent() > self.room.options.unsent);
            }
            if self.is_slow || cx.unsent() + words.len() > cx.limits().backlog_cap / 2 {
                self.lost += 1;
                self.room.count_lost(1);
                cx.want_drain();
            } else {
                cx.write_shared(words);
            }
        }
        Flow::Stay
    }

    fn on_drain(&mut self, cx: &mut Cx<'_>) -> Flow {
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            self.note(&format!("{lost} messages were lost, because they were not taken"), cx);
        }
        Flow::Continue
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_>) -> Flow {
        // Whoever does not listen either must not stay for as long as its answers take.
        let mode = if cx.unsent() > 0 { CloseMode::Abort } else { CloseMode::Flush };
        Flow::Close(mode, CloseReason::TimedOut(Phase::Idle))
    }

    fn on_close(&mut self, _: CloseReason, env: &mut Env) {
        self.room.leave(self.token, env);
    }

    fn deadline(&self) -> Moment {
        self.expires
    }
}
