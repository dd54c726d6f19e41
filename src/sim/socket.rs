//! WebSocket in the simulator: the server's handlers, and a client that speaks in fragments.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::peer::Client;
use super::rng::Rng;
use super::seen::Sender;
use super::service::{Checks, pattern};
use crate::Head;
use crate::proto::ws::handshake::{Ask, Asking, Rejected};
use crate::proto::ws::{Bounds, Event, Reader, Role, Scratch, code};
use crate::session::http::{self, Answered, Reply};
use crate::session::{Env, Message, Service, ws};
use crate::token::Token;

/// Pings that a client answers; then it falls silent, so that a run comes to its end.
const PONGS: u32 = 2;

/// The open sockets of a listener, and how often they were told something.
#[derive(Debug, Default)]
struct Crowd {
    present: Vec<Token>,
    said: u32,
}

/// A listener's service: every request is to become a WebSocket.
struct Sockets {
    options: Rc<ws::Options>,
    crowd: Rc<RefCell<Crowd>>,
    checks: Checks,
}

/// The service of a listener.
pub(crate) fn service(checks: &Checks) -> impl Service + use<> {
    let limits = checks.borrow().limits.clone();
    let options = ws::Options {
        ping_after: limits.idle,
        pong_within: limits.idle / 2,
        close_within: limits.linger,
        max_unsent: limits.high_water + limits.read_bytes,
        ..ws::Options::default()
    };
    let checks = Rc::clone(checks);
    http::Http::new(Sockets { options: Rc::new(options), crowd: Rc::default(), checks })
}

impl http::Handler for Sockets {
    fn on_request(&self, request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        let (crowd, checks) = (Rc::clone(&self.crowd), Rc::clone(&self.checks));
        let socket = Socket { crowd, checks, token: reply.token() };
        ws::accept(request, reply, &self.options, socket)
    }
}

/// Sends back what it gets; what begins with `all` goes to everybody as a note.
struct Socket {
    crowd: Rc<RefCell<Crowd>>,
    checks: Checks,
    token: Token,
}

impl ws::Handler for Socket {
    fn on_open(&mut self, _: &mut ws::Peer<'_, '_>) {
        self.checks.borrow_mut().seen(self.token).queues = true;
        self.crowd.borrow_mut().present.push(self.token);
    }

    fn on_text(&mut self, text: &str, peer: &mut ws::Peer<'_, '_>) {
        if !text.starts_with("all") {
            return peer.send_text(text);
        }
        let mut crowd = self.crowd.borrow_mut();
        crowd.said += 1;
        let frame = ws::encode_text(&note(crowd.said));
        for to in &crowd.present {
            self.checks.borrow_mut().post(*to, frame.clone(), Sender::Session);
            peer.send_to(*to, Message::Bytes(frame.clone()));
        }
    }

    fn on_binary(&mut self, data: &[u8], peer: &mut ws::Peer<'_, '_>) {
        peer.send_binary(data);
    }

    fn on_close(&mut self, _: u16, _: &str, _: &mut Env) {
        self.crowd.borrow_mut().present.retain(|token| *token != self.token);
    }
}

/// What everybody is told for the `number`th time.
fn note(number: u32) -> String {
    let length = number as usize * 331 % 1200;
    format!("note {number} {}", "-".repeat(length))
}

/// Something that the server is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
}

/// A client: what it waits for.
#[derive(Debug)]
pub(crate) struct SocketClient {
    asking: Option<Asking>,
    reader: Reader,
    scratch: Scratch,
    /// Bytes of what it got that it has read.
    at: usize,
    /// Where its frames end in its script.
    frames: Vec<usize>,
    /// What is to come, each with the end of the frame that it answers.
    expected: VecDeque<(usize, Said)>,
    noted: u32,
    pongs: u32,
    /// It takes its leave, properly or by breaking the protocol, at the end of its script.
    leaves: Option<u16>,
    /// The server has taken its leave, or has refused it.
    closed: Option<u16>,
    refused: bool,
}

/// One client's frame.
fn frame(first: u8, payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    out.push(first);
    match payload.len() {
        short @ 0..126 => out.push(0x80 | short as u8),
        long => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(&key);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// A handshake, messages in pieces with pings between them, and perhaps a leave.
pub(crate) fn script(size: usize, rng: &mut Rng) -> (Vec<u8>, SocketClient) {
    let mut bytes = Vec::new();
    let ask = Ask { host: "sim", target: "/", ..Ask::default() };
    let nonce = [rng.draw() as u8; 16];
    let asking = Asking::request(&ask, nonce, &mut bytes).ok();
    let mut client = SocketClient {
        asking,
        reader: Reader::new(Role::Client, None),
        scratch: Scratch::default(),
        at: 0,
        frames: vec![bytes.len()],
        expected: VecDeque::new(),
        noted: 0,
        pongs: 0,
        leaves: None,
        closed: None,
        refused: false,
    };
    let count = rng.between(0, 6);
    for number in 0..count {
        client.message(number, rng.below(size / count + 2), rng, &mut bytes);
    }
    match rng.below(10) {
        0..7 => {
            client.leaves = Some(code::NORMAL);
            client.add(0x88, &code::NORMAL.to_be_bytes(), rng, &mut bytes);
        }
        7 => {
            // A bit that nobody agreed on.
            client.leaves = Some(code::PROTOCOL);
            client.add(0xC1, b"?", rng, &mut bytes);
        }
        _ => {}
    }
    (bytes, client)
}

impl SocketClient {
    fn add(&mut self, first: u8, payload: &[u8], rng: &mut Rng, out: &mut Vec<u8>) {
        frame(first, payload, (rng.draw() as u32).to_be_bytes(), out);
        self.frames.push(out.len());
    }

    fn message(&mut self, number: usize, size: usize, rng: &mut Rng, out: &mut Vec<u8>) {
        let is_note = rng.chance(250);
        let is_text = is_note || rng.chance(500);
        let mut body: Vec<u8> = (0..size).map(|at| b'A' + pattern(at + number) % 26).collect();
        if is_note {
            body.splice(0..0, *b"all");
        }
        let pieces = rng.between(1, 4);
        let step = body.len().div_ceil(pieces).max(1);
        let mut opcode = if is_text { 1 } else { 2 };
        let mut rest = &body[..];
        loop {
            let (now, later) = rest.split_at(step.min(rest.len()));
            let is_last = if later.is_empty() { 0x80 } else { 0 };
            self.add(is_last | opcode, now, rng, out);
            if is_last != 0 && !is_note {
                let body = body.clone();
                let said = if is_text { Said::Text(body) } else { Said::Binary(body) };
                self.expected.push_back((out.len(), said));
            }
            (opcode, rest) = (0, later);
            if rng.chance(200) {
                let data = vec![number as u8; rng.below(20)];
                self.add(0x89, &data, rng, out);
                self.expected.push_back((out.len(), Said::Pong(data)));
            }
            if is_last != 0 {
                break;
            }
        }
    }

    /// Says something before the rest of the script, between two frames.
    fn interject(&mut self, first: u8, payload: &[u8], sent: usize, script: &mut Vec<u8>) -> usize {
        let at = self.frames.iter().copied().find(|end| *end >= sent).unwrap_or(script.len());
        let mut bytes = Vec::new();
        frame(first, payload, [at as u8; 4], &mut bytes);
        let length = bytes.len();
        script.splice(at..at, bytes);
        let ends = self.frames.iter_mut().chain(self.expected.iter_mut().map(|(end, _)| end));
        ends.filter(|end| **end > at).for_each(|end| *end += length);
        let place = self.frames.partition_point(|end| *end <= at);
        self.frames.insert(place, at + length);
        at + length
    }

    fn heard(
        &mut self,
        event: &Event<'_>,
        sent: usize,
        script: &mut Vec<u8>,
    ) -> Result<(), String> {
        let said = match event {
            Event::Text(text) if text.starts_with("note ") => return self.note(text),
            Event::Text(text) => Said::Text(text.as_bytes().to_vec()),
            Event::Binary(data) => Said::Binary(data.to_vec()),
            Event::Pong(data) => Said::Pong(data.to_vec()),
            Event::Ping(data) => {
                self.pongs += 1;
                if self.pongs <= PONGS {
                    self.interject(0x8A, data, sent, script);
                }
                return Ok(());
            }
            Event::Close(close) => {
                self.closed = Some(close.code.unwrap_or(code::NONE));
                let leaves = self.leaves.is_some() && sent == script.len();
                if !leaves {
                    let end = self.interject(0x88, &code::AWAY.to_be_bytes(), sent, script);
                    script.truncate(end);
                }
                return Ok(());
            }
        };
        match self.expected.pop_front() {
            Some((end, expected)) if expected == said && end <= sent => Ok(()),
            other => Err(format!("it heard {said:?} instead of {other:?}")),
        }
    }

    /// Notes may be left out, but come in order, and whole.
    fn note(&mut self, text: &str) -> Result<(), String> {
        let number = text.split(' ').nth(1).and_then(|number| number.parse().ok()).unwrap_or(0);
        if number <= self.noted || text != note(number) {
            return Err(format!("note {number} after note {}", self.noted));
        }
        self.noted = number;
        Ok(())
    }
}

impl Client for SocketClient {
    fn read(&mut self, got: &[u8], sent: usize, script: &mut Vec<u8>) -> Result<(), String> {
        let mut input = got.get(self.at..).unwrap_or_default();
        if let Some(asking) = &self.asking {
            match asking.answer(&mut input) {
                Ok(Some(_)) => self.asking = None,
                Ok(None) => return Ok(()),
                Err(Rejected::Status(408 | 503)) => {
                    self.refused = true;
                    return Ok(());
                }
                Err(rejected) => return Err(format!("{rejected:?}")),
            }
        }
        let bounds = Bounds { message: 1 << 20, frame: 1 << 20 };
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = loop {
            match self.reader.next_event(&mut input, &mut scratch, &bounds) {
                Ok(None) => break Ok(()),
                Ok(Some(event)) => {
                    if let Err(what) = self.heard(&event, sent, script) {
                        break Err(what);
                    }
                }
                Err(refusal) => break Err(format!("{refusal:?}")),
            }
        };
        self.scratch = scratch;
        self.at = got.len() - input.len();
        result
    }

    fn is_answered(&self, sent: usize) -> bool {
        self.refused || self.expected.front().is_none_or(|(end, _)| *end > sent)
    }

    fn judge(&self, sent: usize, whole: usize) -> Option<String> {
        if self.refused || sent < whole {
            return None;
        }
        match (self.leaves, self.closed) {
            (Some(ours), Some(theirs)) if ours == theirs && !self.expected.is_empty() => {
                Some(format!("{} answers never came", self.expected.len()))
            }
            (Some(_), None) => Some("its leave was not answered".into()),
            _ => None,
        }
    }
}
