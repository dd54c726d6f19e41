//! What an exchange may do with its connection: hold a body, share what it sends, hear of the drain
//! and have its end observed. Without a socket, but for files, which only a kernel can send.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use readyloop::buf::{FileSpan, Inset, Out, Part};
use readyloop::connection::{Connection, Io, Life};
use readyloop::proto::h1::Trailers;
use readyloop::reactor::world::Address;
use readyloop::session::datagram::Peer;
use readyloop::session::http::{
    Answered, Exchange, Http, Outcome, Prepared, Reply, Response, Writer,
};
use readyloop::session::{Env, Message};
use readyloop::{Bytes, CloseReason, Head, Limits, Reactor, Token};

const TOKEN: Token = Token::new(3, 1);

struct Bench {
    connection: Connection,
    env: Env,
    out: Out,
}

impl Bench {
    fn new(answer: impl Fn(&Head<'_>, Reply<'_, '_>) -> Answered + 'static) -> Self {
        let (mut env, mut out) = (Env::new(Limits::default()), Out::default());
        let mut io = Io { out: &mut out, env: &mut env, token: TOKEN, unsent: 0 };
        let peer = Peer::Inet(SocketAddr::from(([192, 0, 2, 7], 4711)));
        let connection = Connection::plain(&Http::new(answer), &peer, &mut io);
        Bench { connection, env, out }
    }

    fn call(&mut self, f: impl FnOnce(&mut Connection, &mut Io<'_>)) {
        let mut io = Io { out: &mut self.out, env: &mut self.env, token: TOKEN, unsent: 0 };
        f(&mut self.connection, &mut io);
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.call(|connection, io| connection.feed(&mut bytes.to_vec(), io));
    }

    fn said(&mut self) -> String {
        String::from_utf8_lossy(&self.out.take()).into_owned()
    }
}

/// Stores a body piece by piece, and takes the next piece only when told that the last is stored.
struct Store {
    heard: Rc<RefCell<Vec<u8>>>,
}

impl Exchange for Store {
    fn on_body(&mut self, data: &[u8], writer: &mut Writer<'_, '_>) {
        self.heard.borrow_mut().extend_from_slice(data);
        writer.hold();
    }

    fn on_message(&mut self, _: Message, writer: &mut Writer<'_, '_>) {
        writer.resume();
    }

    fn on_trailers(&mut self, trailers: &Trailers<'_>, _: &mut Writer<'_, '_>) {
        trailers.each(|name, value| {
            let mut heard = self.heard.borrow_mut();
            heard.extend_from_slice(name.as_bytes());
            heard.extend_from_slice(value);
        });
    }

    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        writer.send(200, &[], b"stored");
    }
}

fn store(heard: &Rc<RefCell<Vec<u8>>>) -> Bench {
    let heard = Rc::clone(heard);
    Bench::new(move |_, reply| reply.exchange(Store { heard: Rc::clone(&heard) }))
}

#[test]
fn a_held_body_waits_and_comes_on_in_order() {
    let heard = Rc::default();
    let mut bench = store(&heard);
    bench.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\nSum: 6\r\n\r\n");
    assert_eq!(*heard.borrow(), b"one");
    assert!(!bench.connection.wants_read(), "the peer is slowed down");
    bench.call(|connection, io| connection.message(Message::any(()), io));
    assert_eq!(*heard.borrow(), b"onetwo");
    assert_eq!(bench.said(), "");
    bench.call(|connection, io| connection.message(Message::any(()), io));
    assert_eq!(*heard.borrow(), b"onetwoSum6");
    assert!(bench.said().ends_with("stored"));
    assert_eq!(bench.connection.life(), Life::Open);
}

#[test]
fn a_body_held_at_its_very_end_ends_when_it_is_taken_again() {
    let heard = Rc::default();
    let mut bench = store(&heard);
    bench.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none");
    assert_eq!((&heard.borrow()[..], bench.said().as_str()), (&b"one"[..], ""));
    bench.call(|connection, io| connection.message(Message::any(()), io));
    assert!(bench.said().ends_with("stored"), "no byte will come to end it");
    assert_eq!(bench.connection.life(), Life::Open);
}

#[test]
fn a_body_held_for_too_long_is_the_servers_fault() {
    let mut bench = store(&Rc::default());
    bench.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\none");
    let since = bench.env.now;
    let reply = bench.env.limits.reply;
    for _ in 0..8 {
        if bench.connection.life() == Life::Lingering {
            break;
        }
        bench.env.now = bench.connection.deadline();
        bench.call(|connection, io| connection.timeout(io));
    }
    assert_eq!(bench.env.now, since + reply);
    assert!(bench.said().starts_with("HTTP/1.1 503 "));
}

#[test]
fn large_answers_are_shared_and_not_copied() {
    let file = Bytes::from(vec![b'x'; 100_000]);
    let kept = file.clone();
    let mut bench = Bench::new(move |head, reply| match head.path() {
        "/now" => reply.send_shared(200, &[], kept.clone()),
        _ => reply.exchange(AtOnce(Response::new(200, kept.clone()))),
    });
    for path in ["now", "exchange"] {
        bench.feed(format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let shared = bench.out.parts().any(|part| {
            matches!(part, Part::Inset(Inset::Shared(bytes)) if bytes.as_ptr() == file.as_ptr())
        });
        assert!(shared, "{path}");
        assert!(bench.said().ends_with(&"x".repeat(100_000)), "{path}");
        bench.feed(format!("HEAD /{path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert!(bench.said().ends_with("Content-Length: 100000\r\n\r\n"), "{path}");
    }
}

/// Answers before the body, in one go.
struct AtOnce(Response);

impl Exchange for AtOnce {
    fn on_start(&mut self, writer: &mut Writer<'_, '_>) {
        writer.respond(std::mem::take(&mut self.0));
    }
}

/// A stream without an end.
struct Endless;

impl Exchange for Endless {
    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        writer.start(200, &[], None);
        writer.body_shared(Bytes::from(vec![b'-'; 1000]));
    }

    fn on_shutdown(&mut self, writer: &mut Writer<'_, '_>) {
        writer.finish();
    }
}

#[test]
fn a_stream_without_an_end_ends_when_the_loop_drains() {
    let mut bench = Bench::new(|_, reply| reply.exchange(Endless));
    bench.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(bench.said().ends_with(&format!("\r\n\r\n3e8\r\n{}\r\n", "-".repeat(1000))));
    bench.env.draining = true;
    bench.call(|connection, io| connection.shutdown(io));
    assert_eq!(bench.said(), "0\r\n\r\n");
}

#[test]
fn whatever_becomes_of_an_answer_is_told_once() {
    let told: Rc<RefCell<Vec<Outcome>>> = Rc::default();
    let note = Rc::clone(&told);
    let mut bench = Bench::new(move |head, reply| {
        assert_eq!(reply.peer().to_string(), "192.0.2.7:4711");
        let note = Rc::clone(&note);
        let answered = match head.path() {
            "/now" => reply.text(404, "four"),
            "/last" => reply.close().text(200, "last"),
            "/later" => reply.later().1,
            _ => reply.exchange(Endless),
        };
        answered.on_end(move |outcome| note.borrow_mut().push(*outcome))
    });
    bench.feed(b"GET /now HTTP/1.1\r\nHost: a\r\n\r\nHEAD /now HTTP/1.1\r\nHost: a\r\n\r\n");
    bench.feed(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    let outcome =
        |status, bytes, complete| Outcome { status, bytes, complete, took: Duration::ZERO };
    let mut expected = vec![outcome(404, 4, true), outcome(404, 0, true)];
    assert_eq!(*told.borrow(), expected, "a stream has no outcome before its end");
    bench.env.draining = true;
    bench.call(|connection, io| connection.shutdown(io));
    expected.push(outcome(200, 1000, true));
    assert_eq!(*told.borrow(), expected);
    bench.env.draining = false;
    bench.feed(b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    bench.connection.closed(CloseReason::Reset, &mut bench.env);
    expected.push(outcome(0, 0, false));
    assert_eq!(*told.borrow(), expected);
}

#[test]
fn an_answer_that_never_comes_has_the_status_that_the_peer_got() {
    let told: Rc<RefCell<Vec<Outcome>>> = Rc::default();
    let note = Rc::clone(&told);
    let mut bench = Bench::new(move |_, reply| {
        let note = Rc::clone(&note);
        reply.later().1.on_end(move |outcome| note.borrow_mut().push(*outcome))
    });
    bench.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    bench.env.now = bench.connection.deadline();
    bench.call(|connection, io| connection.timeout(io));
    assert!(bench.said().starts_with("HTTP/1.1 503 "));
    bench.connection.closed(CloseReason::Reset, &mut bench.env);
    let took = bench.env.limits.reply;
    assert_eq!(*told.borrow(), [Outcome { status: 503, bytes: 0, complete: false, took }]);
}

#[test]
fn fields_from_outside_reach_every_kind_of_answer() {
    let prepared = Prepared::new(200, &[("A", b"1")], b"body").expect("good fields");
    let long = Bytes::from(vec![b'x'; Prepared::INCLUDED + 1]);
    let shared = Prepared::shared(200, &[], long).expect("good fields");
    let answer = Rc::new(move |head: &Head<'_>, reply: Reply<'_, '_>| {
        let reply = reply.with("Set-Cookie", "a=b").with("Vary", "Origin").with("Bad", "a\r\nb");
        match head.path() {
            "/send" => reply.text(200, "text"),
            "/empty" => reply.send(304, &[], b""),
            "/prepared" => reply.prepared(&prepared),
            "/shared" => reply.prepared(&shared),
            "/respond" => reply.respond(Response::text(200, "response")),
            "/long" => reply.send(200, &[], &vec![b'x'; 300_000]),
            _ => reply.exchange(Endless),
        }
    });
    for path in ["send", "empty", "prepared", "shared", "respond", "long", "stream"] {
        for method in ["GET", "HEAD"] {
            let answer = Rc::clone(&answer);
            let mut bench = Bench::new(move |head, reply| answer(head, reply));
            bench.feed(format!("{method} /{path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            let said = bench.said();
            let (head, body) = said.split_once("\r\n\r\n").expect("a head");
            let fields = "\r\nSet-Cookie: a=b\r\nVary: Origin";
            assert_eq!(head.matches(fields).count(), 1, "{path}: {head}");
            assert_eq!(head.matches("Bad").count(), 0, "{path}: {head}");
            assert!(method == "GET" || body.is_empty(), "{path}: {body}");
            assert!(method == "HEAD" || path != "prepared" || body == "body", "{body}");
        }
    }
}

#[test]
fn an_answer_can_be_the_last() {
    let mut bench = Bench::new(|_, reply| reply.close().text(200, "good-bye"));
    bench.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(bench.said().contains("\r\nConnection: close\r\n"));
    assert_eq!(bench.connection.life(), Life::Lingering);
}

/// Sends a file twice, with bytes before, between and after.
struct Sandwich {
    file: Arc<std::fs::File>,
    length: usize,
}

impl Exchange for Sandwich {
    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        let length = self.length;
        writer.start(200, &[], Some(2 * length as u64 + 3));
        for offset in [0, 0] {
            writer.body(b"|");
            let span = FileSpan { file: Arc::clone(&self.file), offset, length };
            assert!(writer.body_file(span).is_ok(), "plain TCP takes files");
        }
        writer.body(b"|");
        writer.finish();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_system_sends_files_in_their_place_also_to_a_slow_reader() {
    let folder = std::env::temp_dir().join(format!("readyloop-exchange-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let bytes: Vec<u8> = (0..1_500_000_u32).map(|n| (n / 7) as u8).collect();
    let path = folder.join("file");
    std::fs::write(&path, &bytes).expect("a file can be written");
    let file = Arc::new(std::fs::File::open(&path).expect("it is there"));
    let (length, expected) = (bytes.len(), [b"|", &bytes[..], b"|", &bytes[..], b"|"].concat());
    let (sender, receiver) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let mut reactor = Reactor::new(Limits::default()).expect("a poll can be had");
        let answer = move |head: &Head<'_>, reply: Reply<'_, '_>| {
            // A file that became shorter cannot be sent as promised: the connection breaks off.
            let length = if head.path() == "/short" { length + 1 } else { length };
            reply.exchange(Sandwich { file: Arc::clone(&file), length })
        };
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let token = reactor.listen(at, Http::new(answer)).expect("a port is free");
        let Some(Address::Inet(at)) = reactor.local_address(token) else { return };
        sender.send((at, reactor.handle())).expect("the test listens");
        reactor.run().expect("the poll works");
    });
    let (at, handle) = receiver.recv().expect("it starts");
    let fetch = |path: &str| {
        let mut client = TcpStream::connect(at).expect("it listens");
        client.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out can be set");
        write!(client, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .expect("sent");
        // Long enough for the server to fill every buffer in between and to be told to wait.
        std::thread::sleep(Duration::from_millis(50));
        let mut all = Vec::new();
        let end = client.read_to_end(&mut all);
        let head = all.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
        (all.split_off(head), end.is_ok())
    };
    let (body, _) = fetch("/");
    assert!(body == expected, "{} bytes of {}", body.len(), expected.len());
    let (body, _) = fetch("/short");
    assert!(body.len() <= length + 1, "nothing follows the gap");
    handle.stop().expect("it runs");
    server.join().expect("it ends");
    std::fs::remove_dir_all(&folder).expect("it can be removed");
}
