//! The sessions that the simulated loop serves.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;

use super::check::Check;
use super::hall::{Hall, Member};
use super::mirror::Mirror;
use super::seen::Sender;
use crate::error::CloseReason;
use crate::session::raw::{Handler, Raw};
use crate::session::{CloseMode, Cx, Flow, Message, Session};
use crate::time::Moment;
use crate::token::Token;

/// The checks as the parts of a simulation share them.
pub(crate) type Checks = Rc<RefCell<Check>>;

/// What a listener's sessions do, and its peers expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialogue {
    /// Everything comes back.
    Echo,
    /// The same, mostly without a copy.
    Mirror,
    /// Three bytes ask for so many bytes, which a session produces as the peer takes them.
    Produce,
    /// The first byte is answered with a refusal, after which nothing is wanted.
    Refuse,
    /// Requests of eight bytes; each is worked on elsewhere, during which the session is paused.
    Think,
    /// What one peer says goes to the next one's connection.
    Relay,
    /// What one peer says all of them hear.
    Hall,
    /// The peer listens to what hosts send from other threads.
    Mail,
    /// A greeting, then the end.
    Greet,
    /// HTTP/1.1.
    Http,
    /// WebSocket, in builds that have it.
    Socket,
}

/// What [`Dialogue::Refuse`] says.
pub(crate) const REFUSAL: &[u8] = b"no, thank you: not today, and not in this tone\n";
/// What [`Dialogue::Greet`] says.
pub(crate) const GREETING: &[u8] = b"hello, world, and welcome to the loop\n";

/// Byte `at` of a produced stream.
pub(crate) fn pattern(at: usize) -> u8 {
    (at * 31 % 251) as u8
}

/// What a peer that has sent `sent` will have got when all is answered. Mail, relayed bytes,
/// halls and HTTP are checked otherwise.
pub(crate) fn expected(dialogue: Dialogue, sent: &[u8]) -> Vec<u8> {
    match dialogue {
        Dialogue::Echo | Dialogue::Mirror => sent.to_vec(),
        Dialogue::Produce => match sent {
            [high, middle, low, ..] => (0..asked([*high, *middle, *low])).map(pattern).collect(),
            _ => Vec::new(),
        },
        Dialogue::Refuse if sent.is_empty() => Vec::new(),
        Dialogue::Refuse => REFUSAL.to_vec(),
        Dialogue::Think => sent.chunks_exact(8).flat_map(thought).collect(),
        Dialogue::Greet => GREETING.to_vec(),
        Dialogue::Mail | Dialogue::Relay | Dialogue::Hall | Dialogue::Http | Dialogue::Socket => {
            Vec::new()
        }
    }
}

/// How long the answer to `sent` is, without making it.
pub(crate) fn owed(dialogue: Dialogue, sent: &[u8]) -> usize {
    match dialogue {
        Dialogue::Echo | Dialogue::Mirror => sent.len(),
        Dialogue::Think => sent.len() / 8 * 8,
        Dialogue::Produce => sent.first_chunk::<3>().map_or(0, |request| asked(*request)),
        Dialogue::Refuse if sent.is_empty() => 0,
        Dialogue::Refuse => REFUSAL.len(),
        Dialogue::Greet => GREETING.len(),
        Dialogue::Mail | Dialogue::Relay | Dialogue::Hall | Dialogue::Http | Dialogue::Socket => 0,
    }
}

fn asked(bytes: [u8; 3]) -> usize {
    usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2])
}

fn thought(request: &[u8]) -> Vec<u8> {
    request.iter().rev().map(|byte| byte ^ 0x20).collect()
}

/// A session of `dialogue`.
pub(crate) fn open(
    dialogue: Dialogue,
    checks: &Checks,
    pairs: &Pairs,
    hall: &Hall,
    token: Token,
) -> Box<dyn Session> {
    match dialogue {
        Dialogue::Echo | Dialogue::Http | Dialogue::Socket => Box::new(Raw::new(Echo)),
        Dialogue::Mirror => Box::new(Mirror::new()),
        Dialogue::Greet => Box::new(Raw::new(Greet)),
        Dialogue::Mail => Box::new(Raw::new(Listen)),
        Dialogue::Refuse => Box::new(Raw::new(Refuse)),
        Dialogue::Produce => Box::new(Produce { wanted: None, done: 0, deadline: Moment::NEVER }),
        Dialogue::Think => Box::new(Think { deadline: Moment::NEVER, ended: false, busy: false }),
        Dialogue::Hall => Box::new(Raw::new(Member::new(hall, checks, token))),
        Dialogue::Relay => {
            let partner = pairs.borrow_mut().join(token);
            let relay = Relay { checks: Rc::clone(checks), pairs: Rc::clone(pairs), partner };
            Box::new(Raw::new(relay))
        }
    }
}

struct Echo;

impl Handler for Echo {
    fn on_bytes(&mut self, bytes: &[u8], cx: &mut Cx<'_>) -> Flow {
        cx.write(bytes);
        Flow::Continue
    }
}

struct Listen;

impl Handler for Listen {
    fn on_bytes(&mut self, _: &[u8], _: &mut Cx<'_>) -> Flow {
        Flow::Continue
    }
}

struct Greet;

impl Handler for Greet {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.write(GREETING);
        Flow::Close(CloseMode::Flush, CloseReason::Finished)
    }

    fn on_bytes(&mut self, _: &[u8], _: &mut Cx<'_>) -> Flow {
        Flow::Continue
    }
}

struct Refuse;

impl Handler for Refuse {
    fn on_bytes(&mut self, _: &[u8], cx: &mut Cx<'_>) -> Flow {
        cx.write(REFUSAL);
        Flow::Close(CloseMode::Linger, CloseReason::Finished)
    }
}

/// Produces as much as was asked for, never beyond the high watermark, and then closes.
struct Produce {
    wanted: Option<usize>,
    done: usize,
    deadline: Moment,
}

impl Produce {
    fn go_on(&mut self, cx: &mut Cx<'_>) -> Flow {
        let Some(wanted) = self.wanted else { return Flow::Continue };
        let count = cx.room().min(wanted - self.done);
        cx.out().extend((self.done..self.done + count).map(pattern));
        self.done += count;
        let more = self.done < wanted;
        if more {
            cx.want_drain();
        }
        if more { Flow::Continue } else { Flow::Close(CloseMode::Linger, CloseReason::Finished) }
    }
}

impl Session for Produce {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.deadline = cx.now() + cx.limits().first_byte;
        Flow::Continue
    }

    fn on_data(&mut self, input: &mut &[u8], cx: &mut Cx<'_>) -> Flow {
        if self.wanted.is_some() {
            *input = &[];
            return Flow::Continue;
        }
        let Some((request, rest)) = input.split_first_chunk::<3>() else { return Flow::Continue };
        self.wanted = Some(asked(*request));
        self.deadline = Moment::NEVER;
        *input = rest;
        self.go_on(cx)
    }

    fn on_eof(&mut self, _: bool, _: &mut Cx<'_>) -> Flow {
        match self.wanted {
            // The peer has asked and now only listens.
            Some(_) => Flow::Continue,
            None => Flow::Close(CloseMode::Flush, CloseReason::PeerClosed),
        }
    }

    fn on_drain(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.go_on(cx)
    }

    fn on_shutdown(&mut self, cx: &mut Cx<'_>) -> Flow {
        if self.wanted.is_none() {
            self.deadline = self.deadline.min(cx.now() + cx.limits().drain_idle);
        }
        Flow::Continue
    }

    fn on_timeout(&mut self, _: &mut Cx<'_>) -> Flow {
        Flow::Close(CloseMode::Linger, CloseReason::TimedOut(crate::error::Phase::FirstByte))
    }

    fn deadline(&self) -> Moment {
        self.deadline
    }
}

/// Has each request worked on elsewhere and takes no other meanwhile.
struct Think {
    deadline: Moment,
    ended: bool,
    busy: bool,
}

struct Thought(Vec<u8>);

impl Session for Think {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.deadline = cx.now() + cx.limits().idle;
        Flow::Continue
    }

    fn on_data(&mut self, input: &mut &[u8], cx: &mut Cx<'_>) -> Flow {
        let Some((request, rest)) = input.split_first_chunk::<8>() else { return Flow::Continue };
        let request = *request;
        *input = rest;
        self.busy = true;
        self.deadline = cx.now() + cx.limits().reply;
        cx.offload(move || Message::any(Thought(thought(&request))));
        Flow::Pause
    }

    fn on_message(&mut self, message: Message, cx: &mut Cx<'_>) -> Flow {
        let Message::Any(any) = message else { return Flow::Continue };
        let Ok(thought) = any.downcast::<Thought>() else {
            return Flow::Close(CloseMode::Linger, CloseReason::Finished);
        };
        cx.write(&thought.0);
        self.busy = false;
        self.deadline = cx.now() + cx.limits().idle;
        if self.ended {
            Flow::Close(CloseMode::Flush, CloseReason::PeerClosed)
        } else {
            Flow::Continue
        }
    }

    fn on_eof(&mut self, _: bool, _: &mut Cx<'_>) -> Flow {
        self.ended = true;
        if self.busy { Flow::Pause } else { Flow::Close(CloseMode::Flush, CloseReason::PeerClosed) }
    }

    fn on_timeout(&mut self, _: &mut Cx<'_>) -> Flow {
        let phase =
            if self.busy { crate::error::Phase::Reply } else { crate::error::Phase::FirstByte };
        Flow::Close(CloseMode::Linger, CloseReason::TimedOut(phase))
    }

    fn deadline(&self) -> Moment {
        self.deadline
    }
}

/// Who talks to whom: connections find a partner in the order in which they come.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    first: Option<Token>,
    partners: std::collections::BTreeMap<Token, Token>,
}

/// The partners as relays share them.
pub(crate) type Pairs = Rc<RefCell<Waiting>>;

impl Waiting {
    fn join(&mut self, token: Token) -> Option<Token> {
        match self.first.take() {
            Some(other) => {
                self.partners.insert(other, token);
                Some(other)
            }
            None => {
                self.first = Some(token);
                None
            }
        }
    }
}

/// Sends what it gets to its partner.
struct Relay {
    checks: Checks,
    pairs: Pairs,
    partner: Option<Token>,
}

impl Handler for Relay {
    fn on_bytes(&mut self, bytes: &[u8], cx: &mut Cx<'_>) -> Flow {
        let partner =
            self.partner.or_else(|| self.pairs.borrow().partners.get(&cx.token()).copied());
        self.partner = partner;
        if let Some(to) = partner {
            let bytes = Bytes::copy_from_slice(bytes);
            self.checks.borrow_mut().post(to, bytes.clone(), Sender::Session);
            cx.send(to, Message::Bytes(bytes));
        }
        Flow::Continue
    }
}
