//! Whole sessions in memory: a client and a server that talk to each other, cut into pieces of any
//! size, in a time that the test makes.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::Limits;
use crate::buf::Out;
use crate::connection::{Connection, Io, Life};
use crate::proto::h1::Head;
use crate::session::Env;
use crate::session::datagram::Peer as Address;
use crate::session::http::{Answered, Http, Reply};
use crate::token::Token;

/// What a handler heard, one line for each thing.
type Log = Rc<RefCell<Vec<String>>>;

/// A handler that writes down what it hears and answers some of it.
struct Probe {
    log: Log,
    /// A client: says this when it is open.
    says: Vec<&'static str>,
}

impl Probe {
    fn note(&self, line: impl Into<String>) {
        self.log.borrow_mut().push(line.into());
    }
}

impl Handler for Probe {
    fn on_open(&mut self, peer: &mut Peer<'_, '_>) {
        self.note(format!("open {}", peer.protocol().unwrap_or("-")));
        self.says.iter().for_each(|text| peer.send_text(text));
    }

    fn on_text(&mut self, text: &str, peer: &mut Peer<'_, '_>) {
        self.note(match text.len() {
            0..100 => format!("text {text}"),
            length => format!("text of {length}"),
        });
        match text.split_once(' ') {
            Some(("echo", rest)) => peer.send_text(rest),
            Some(("repeat", count)) => {
                peer.send_text(&"0123456789".repeat(count.parse().unwrap_or(0)));
            }
            Some(("close", code)) => peer.close(code.parse().unwrap_or(1000), "asked to"),
            _ => {}
        }
    }

    fn on_notice(&mut self, message: Message, peer: &mut Peer<'_, '_>) {
        if let Message::Any(any) = message
            && let Some(text) = any.downcast_ref::<&str>()
        {
            peer.send_text(text);
        }
    }

    fn on_drain(&mut self, peer: &mut Peer<'_, '_>) {
        self.note(format!("drain, {} lost", peer.take_lost()));
    }

    fn on_close(&mut self, code: u16, reason: &str, _: &mut Env) {
        self.note(format!("close {code} {reason}"));
    }
}

/// One end: a connection, what it has to say, and what it heard.
struct End {
    connection: Connection,
    out: Out,
    env: Env,
    log: Log,
}

const TOKEN: Token = Token::new(0, 1);

impl End {
    fn open(make: impl FnOnce(Log, &mut Io<'_>) -> Connection) -> End {
        let mut env = Env::new(Limits::default());
        env.date.refresh(Moment::START, std::time::UNIX_EPOCH);
        let (mut out, log) = (Out::default(), Log::default());
        let io = &mut Io { out: &mut out, env: &mut env, token: TOKEN, unsent: 0 };
        let connection = make(Rc::clone(&log), io);
        End { connection, out, env, log }
    }

    fn server(options: Options) -> End {
        let options = Rc::new(options);
        End::open(|log, io| {
            let service = Http::new(move |head: &Head<'_>, reply: Reply<'_, '_>| -> Answered {
                accept(head, reply, &options, Probe { log: Rc::clone(&log), says: vec![] })
            });
            Connection::plain(&service, &Address::Unnamed, io)
        })
    }

    fn client(options: Options, says: &[&'static str]) -> End {
        let target = Target { host: "localhost".into(), path: "/ws".into() };
        End::open(|log, io| {
            let probe = Probe { log, says: says.to_vec() };
            Connection::with_session(Box::new(Client::new(target, &Rc::new(options), probe)), io)
        })
    }

    fn io<T>(&mut self, unsent: usize, f: impl FnOnce(&mut Connection, &mut Io<'_>) -> T) -> T {
        let End { connection, out, env, .. } = self;
        f(connection, &mut Io { out, env, token: TOKEN, unsent })
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.io(0, |connection, io| connection.feed(&mut bytes.to_vec(), io));
    }

    /// The deadline comes.
    fn wait(&mut self) -> Duration {
        let deadline = self.connection.deadline();
        let waited = deadline.since(self.env.now);
        self.env.now = deadline;
        self.io(0, |connection, io| connection.timeout(io));
        waited
    }

    fn said(&mut self) -> Vec<u8> {
        self.out.take()
    }

    fn heard(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    fn hang_up(&mut self) {
        let End { connection, env, .. } = self;
        let reason = connection.reason();
        connection.closed(reason, env);
    }
}

/// Carries bytes between the two, in pieces of `size`, until both are silent.
fn talk(client: &mut End, server: &mut End, size: usize) {
    while pass(client, server, size) | pass(server, client, size) {}
}

/// True if `from` said something.
fn pass(from: &mut End, to: &mut End, size: usize) -> bool {
    let wanted = from.connection.wants_drain();
    if wanted {
        from.io(0, |connection, io| connection.drained(io));
    }
    let said = from.said();
    said.chunks(size).for_each(|piece| to.feed(piece));
    wanted || !said.is_empty()
}

const REQUEST: &str = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A server after its handshake.
fn opened(options: Options) -> End {
    let mut server = End::server(options);
    server.feed(format!("{REQUEST}\r\n").as_bytes());
    let answer = String::from_utf8(server.said()).expect("text");
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
    assert!(answer.contains("\r\nUpgrade: websocket\r\n"), "{answer}");
    assert!(answer.contains("\r\nConnection: upgrade\r\n"), "{answer}");
    assert!(answer.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert!(!answer.contains("Extensions"), "nobody asked");
    server
}

/// A client's frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

#[test]
fn client_and_server_talk_in_pieces_of_any_size() {
    for size in [1, 2, 3, 7, 1000, usize::MAX] {
        for deflate in [None, Some(Deflate::default()), Some(Deflate::with_takeover())] {
            let options = Options { deflate, protocols: &["b", "a"], ..Options::default() };
            let mut server = End::server(options.clone());
            let options = Options { protocols: &["a", "b"], ..options };
            let says = ["echo hello", "repeat 30", "repeat 30", "close 4000"];
            let mut client = End::client(options, &says);
            talk(&mut client, &mut server, size);
            assert_eq!(
                server.heard(),
                [
                    "open a",
                    "text echo hello",
                    "text repeat 30",
                    "text repeat 30",
                    "text close 4000"
                ],
                "{size} {deflate:?}"
            );
            assert_eq!(client.heard(), ["open a", "text hello", "text of 300", "text of 300"]);
            assert_eq!(server.connection.life(), Life::Lingering, "{size} {deflate:?}");
            assert_eq!(server.connection.reason(), CloseReason::Finished);
            assert_eq!(client.connection.life(), Life::Open, "the server ends the stream");
            client.io(0, |connection, io| connection.eof(io));
            assert_eq!(client.connection.reason(), CloseReason::Finished);
            client.hang_up();
            server.hang_up();
            assert_eq!(client.heard().last().map(String::as_str), Some("close 4000 asked to"));
            assert_eq!(server.heard().last().map(String::as_str), Some("close 4000 "));
        }
    }
}

#[test]
fn what_does_not_open_a_websocket_is_told_why() {
    let request = format!("{REQUEST}\r\n");
    let table = [
        (request.replace("Upgrade: websocket\r\n", ""), "426", "Upgrade: websocket"),
        (request.replace("Upgrade: websocket\r\n", ""), "426", "\r\nConnection: upgrade\r\n"),
        (request.replace(": 13", ": 12"), "426", "Sec-WebSocket-Version: 13"),
        (format!("{REQUEST}Sec-WebSocket-Version: 8\r\n\r\n"), "426", "Sec-WebSocket-Version: 13"),
        (request.replace("dGhl", "x"), "400", ""),
        (request.replace("GET", "PUT"), "400", ""),
        (format!("{REQUEST}Content-Length: 1\r\n\r\na"), "400", ""),
        (format!("{REQUEST}Origin: http://evil.example\r\n\r\n"), "403", ""),
        (format!("{REQUEST}Origin: null\r\n\r\n"), "403", ""),
        (format!("{REQUEST}Origin: http://x\r\nOrigin: http://evil.example\r\n\r\n"), "403", ""),
    ];
    for (request, status, field) in table {
        let mut server = End::server(Options::default());
        server.feed(request.as_bytes());
        let answer = String::from_utf8(server.said()).expect("text");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}{answer}");
        assert!(answer.contains(field), "{answer}");
        assert!(server.heard().is_empty());
    }
}

#[test]
fn a_client_that_is_refused_says_so() {
    let mut client = End::client(Options::default(), &[]);
    client.feed(b"HTTP/1.1 403 Forbidden\r\n\r\n");
    assert_eq!(client.connection.life(), Life::Flushing);
    assert_eq!(client.heard(), ["close 1006 the server answered 403"]);
    let mut client = End::client(Options::default(), &[]);
    assert_eq!(client.wait(), client.env.limits.head);
    assert_eq!(client.connection.life(), Life::Closed);
    client.hang_up();
    assert_eq!(client.heard(), ["close 1006 no answer"]);
}

#[test]
fn silence_is_pinged_and_then_ended() {
    let mut server = opened(Options::default());
    server.feed(&frame(0x81, b"hi"));
    assert_eq!(server.wait(), Duration::from_secs(30));
    assert_eq!(server.said(), b"\x89\x00");
    server.feed(&frame(0x8a, b""));
    assert_eq!(server.wait(), Duration::from_secs(30), "a pong is a sign of life");
    assert_eq!(server.said(), b"\x89\x00");
    assert_eq!(server.wait(), Duration::from_secs(20));
    assert_eq!(&server.said()[..4], b"\x88\x15\x03\xf3");
    assert_eq!(server.connection.reason(), CloseReason::TimedOut(crate::error::Phase::Idle));
    server.hang_up();
    assert_eq!(server.heard(), ["open -", "text hi", "close 1006 no answer to a ping"]);
}

#[test]
fn half_a_head_is_no_sign_of_life_twice() {
    let mut server = opened(Options::default());
    server.feed(&frame(0x81, b"hi")[..1]);
    assert_eq!(server.wait(), Duration::from_secs(30));
    assert_eq!(server.said(), b"\x89\x00");
    assert_eq!(server.wait(), Duration::from_secs(20));
    assert_eq!(server.connection.reason(), CloseReason::TimedOut(crate::error::Phase::Idle));
}

#[test]
fn who_comes_while_the_loop_drains_is_told_so() {
    let mut server = End::server(Options::default());
    server.env.draining = true;
    server.feed(format!("{REQUEST}\r\n").as_bytes());
    assert!(server.said().ends_with(b"\r\n\r\n\x88\x02\x03\xe9"), "nobody tells it later");
}

#[test]
fn leave_is_taken_within_a_time() {
    let mut server = opened(Options::default());
    server.io(0, |connection, io| connection.shutdown(io));
    assert_eq!(server.said(), b"\x88\x02\x03\xe9", "1001: we go away");
    server.feed(&frame(0x81, b"late"));
    server.feed(&frame(0x89, b"late"));
    assert_eq!(server.said(), b"", "nothing is said after the close frame");
    assert_eq!(server.wait(), Duration::from_secs(5));
    assert_eq!(server.connection.life(), Life::Lingering);
    let mut server = opened(Options::default());
    server.io(0, |connection, io| connection.shutdown(io));
    server.feed(&frame(0x88, b"\x03\xe9"));
    assert_eq!(server.connection.reason(), CloseReason::Finished);
    assert_eq!(server.said(), b"\x88\x02\x03\xe9");
}

#[test]
fn a_broken_protocol_is_told_and_ends() {
    for (bytes, code) in [
        (frame(0x83, b""), 1002_u16),
        (frame(0x81, b"\xff"), 1007),
        (frame(0x82, b"binary"), 1003),
        (b"\x82\xff\0\0\0\0\x10\0\0\0\0\0\0\0".to_vec(), 1009),
    ] {
        let mut server = opened(Options::default());
        server.feed(&bytes);
        let said = server.said();
        assert_eq!(said[0], 0x88, "{said:x?}");
        assert_eq!(said[2..4], code.to_be_bytes(), "{bytes:x?}");
    }
}

#[test]
fn a_close_without_a_code_is_answered_without_one() {
    let mut server = opened(Options::default());
    server.feed(&frame(0x88, b""));
    assert_eq!(server.said(), b"\x88\x00");
    server.hang_up();
    assert_eq!(server.heard(), ["open -", "close 1005 "]);
}

#[test]
fn the_end_of_the_stream_without_leave_is_abnormal() {
    for (bytes, reason) in
        [(frame(0x81, b"a"), CloseReason::PeerClosed), (frame(0x01, b"a"), CloseReason::Truncated)]
    {
        let mut server = opened(Options::default());
        server.feed(&bytes);
        server.io(0, |connection, io| connection.eof(io));
        assert_eq!(server.connection.reason(), reason);
        server.hang_up();
        assert_eq!(server.heard().last().map(String::as_str), Some("close 1006 "));
    }
}

#[test]
fn shared_frames_go_out_as_they_are_or_not_at_all() {
    let frame = encode_text(&"x".repeat(1000));
    let mut server = opened(Options { max_unsent: 5000, ..Options::default() });
    let send = |server: &mut End, unsent, frame: &Bytes| {
        server.env.now += Duration::from_micros(1);
        let message = Message::Bytes(frame.clone());
        server.io(unsent, |connection, io| connection.message(message, io));
        server.said()
    };
    assert_eq!(send(&mut server, 5000, &frame), frame);
    assert_eq!(send(&mut server, 5001, &frame), b"");
    assert_eq!(send(&mut server, 6000, &frame), b"");
    assert!(server.connection.wants_drain());
    server.io(0, |connection, io| connection.drained(io));
    assert_eq!(server.heard(), ["open -", "drain, 2 lost"]);
    server.io(0, |connection, io| connection.message(Message::any("told"), io));
    assert_eq!(server.said(), b"\x81\x04told");

    // What is sent in one turn is written at its end, and does not count against the peer.
    server.env.now += Duration::from_micros(1);
    for unsent in [5000, 50_000, 1_000_000] {
        let message = Message::Bytes(frame.clone());
        server.io(unsent, |connection, io| connection.message(message, io));
        assert_eq!(server.said(), frame, "{unsent}");
    }
    let message = Message::Bytes(frame.clone());
    let bound = server.env.limits.backlog_cap / 2;
    server.io(bound, |connection, io| connection.message(message, io));
    assert_eq!(server.said(), b"", "but for the bound of all connections");

    let mut server = opened(Options { max_unsent: 5000, slow: Slow::Close, ..Options::default() });
    assert_eq!(send(&mut server, 6000, &frame), b"\x88\x0a\x03\xf0too slow");
    assert_eq!(server.connection.reason(), CloseReason::Overflow);
}

#[test]
fn a_long_message_is_written_as_the_peer_takes_it() {
    let mut server = opened(Options::default());
    let high_water = server.env.limits.high_water;
    server.feed(&[frame(0x81, b"repeat 100000"), frame(0x81, b"echo after")].concat());
    let mut said = server.said();
    assert_eq!(said.len(), high_water, "as much as there is room for");
    assert_eq!(server.heard().len(), 2, "what came after it waits");
    // What others send waits behind it.
    let message = Message::Bytes(encode_text("shared"));
    server.io(high_water, |connection, io| connection.message(message, io));
    assert_eq!(server.said(), b"");
    while server.connection.wants_drain() {
        server.io(0, |connection, io| connection.drained(io));
        let piece = server.said();
        assert!(piece.len() <= high_water + 20);
        said.extend(piece);
    }
    assert_eq!(said.len(), 10 + 1_000_000 + 8 + 7);
    assert!(said.ends_with(b"\x81\x06shared\x81\x05after"));
    assert_eq!(server.heard().last().map(String::as_str), Some("text echo after"));

    let mut server = opened(Options::default());
    server.feed(&frame(0x81, b"repeat 100000"));
    server.io(high_water, |connection, io| connection.eof(io));
    let mut said = server.said();
    while server.connection.wants_drain() {
        server.io(0, |connection, io| connection.drained(io));
        said.extend(server.said());
    }
    assert_eq!(said.len(), 10 + 1_000_000, "to a peer that has only ended its own direction, too");
    assert_eq!(server.connection.reason(), CloseReason::PeerClosed);

    let mut server = opened(Options { max_queued: 500_000, ..Options::default() });
    server.feed(&frame(0x81, b"repeat 100000"));
    assert_eq!(server.connection.reason(), CloseReason::Overflow);
}

#[test]
fn what_all_hold_together_is_bounded() {
    let options = Options { together: 10_000, ..Options::default() };
    let begun = [&[0x01, 0xfe, 0x10, 0, 0, 0, 0, 0][..], &[b'x'; 4000]].concat();
    let mut server = opened(options.clone());
    server.feed(&begun);
    assert!(server.env.held >= 4000);
    server.feed(&[b'x'; 96]);
    server.feed(&frame(0x80, b""));
    assert_eq!((server.env.held, server.said().len()), (0, 0), "the message is whole");
    // As if others held as much.
    server.env.held += 8000;
    server.feed(&begun);
    assert_eq!(server.said()[..4], *b"\x88\x1d\x03\xf5", "1013");
    assert_eq!(server.connection.reason(), CloseReason::Overflow);
    server.hang_up();
    assert_eq!(server.env.held, 8000);

    let mut server = opened(Options { together: 500_000, ..Options::default() });
    server.feed(&frame(0x81, b"repeat 100000"));
    assert_eq!(server.connection.reason(), CloseReason::Overflow, "what waits for room counts");
}

#[test]
fn much_in_few_bytes_is_heard_in_turns() {
    let options = Options { deflate: Some(Deflate::default()), ..Options::default() };
    let long: &'static str = "x".repeat(900_000).leak();
    let mut client = End::client(options.clone(), &[long; 5]);
    let mut server = End::server(options);
    server.feed(&client.said());
    client.feed(&server.said());
    let said = client.said();
    assert!(said.len() < 64 * 1024, "one read brings all of it");
    server.feed(&said);
    for heard in [2, 4, 5] {
        assert_eq!(server.heard().iter().filter(|line| line.starts_with("text")).count(), heard);
        assert_eq!(server.connection.wants_drain(), heard < 5, "it goes on by itself");
        server.io(0, |connection, io| connection.drained(io));
    }
}

#[test]
fn an_idle_websocket_is_small() {
    let size = size_of::<WebSocket<()>>();
    assert!(size <= 136, "{size}");
}
