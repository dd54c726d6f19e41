//! HTTP/1.1 as a connection sees it, without a socket: transcripts in, transcripts out, and the
//! same answer however the bytes are split.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use readyloop::buf::Out;
use readyloop::connection::{Connection, Io, Life};
use readyloop::session::datagram::Peer;
use readyloop::session::http::{
    Answered, Collect, Exchange, Http, Prepared, Reply, ReplyTo, Response, Writer,
};
use readyloop::session::{Cx, Env, Flow, Message, Service, Session};
use readyloop::{CloseReason, Head, Limits, Moment, Token};

/// Echoes a body as it comes.
struct Echo {
    length: Option<u64>,
}

impl Exchange for Echo {
    fn on_body(&mut self, data: &[u8], writer: &mut Writer<'_, '_>) {
        if !writer.has_started() {
            writer.start(200, &[], self.length);
        }
        writer.body(data);
    }

    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        if !writer.has_started() {
            writer.start(200, &[], Some(0));
        }
        writer.finish();
    }
}

/// Produces as many bytes as were asked for, as the peer takes them.
struct Count(usize);

impl Exchange for Count {
    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        writer.start(200, &[], None);
        self.on_drain(writer);
    }

    fn on_drain(&mut self, writer: &mut Writer<'_, '_>) {
        let count = self.0.min(writer.room());
        writer.body(&vec![b'x'; count]);
        self.0 -= count;
        if self.0 == 0 { writer.finish() } else { writer.want_drain() }
    }
}

/// Answers before it has seen the end of its request.
struct AtOnce;

impl Exchange for AtOnce {
    fn on_start(&mut self, writer: &mut Writer<'_, '_>) {
        writer.send(200, &[], b"at once");
    }
}

/// What an upgraded connection runs.
struct Shout;

impl Session for Shout {
    fn on_data(&mut self, input: &mut &[u8], cx: &mut Cx<'_>) -> Flow {
        cx.write(&std::mem::take(input).to_ascii_uppercase());
        Flow::Continue
    }
}

fn answer(request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
    use readyloop::proto::h1::Framing;
    match request.path() {
        "/echo" => {
            let length = match request.framing {
                Framing::Length(length) => Some(length),
                _ => None,
            };
            reply.exchange(Echo { length })
        }
        "/count" => {
            reply.exchange(Count(request.query().and_then(|n| n.parse().ok()).unwrap_or(0)))
        }
        "/collect" => Collect::reply(reply, 1 << 20, |body, writer| writer.send(200, &[], &body)),
        "/big" => reply.send(200, &[], &vec![b'x'; 1_000_000]),
        "/start" => reply.exchange(AtOnce),
        "/upgrade" => reply.upgrade(101, &[("Upgrade", b"shout")], Shout),
        "/inject" => reply.send(200, &[("X", b"a\r\nEvil: yes")], b""),
        "/nothing" => reply.send(204, &[], b""),
        path => reply.send(200, &[], path.as_bytes()),
    }
}

struct Bench {
    promised: Rc<Cell<Option<ReplyTo>>>,
    connection: Connection,
    env: Env,
    out: Out,
}

const TOKEN: Token = Token::new(0, 1);

impl Bench {
    fn new(limits: Limits) -> Self {
        let promised = Rc::new(Cell::new(None));
        let note = Rc::clone(&promised);
        let service = Http::new(move |request: &Head<'_>, reply: Reply<'_, '_>| {
            if request.path() == "/later" {
                let (to, answered) = reply.later();
                note.set(Some(to));
                return answered;
            }
            answer(request, reply)
        });
        Bench { promised, ..Bench::with(limits, &service) }
    }

    fn with(limits: Limits, service: &dyn Service) -> Self {
        let mut env = Env::new(limits);
        env.date.refresh(Moment::START, UNIX_EPOCH);
        let mut out = Out::default();
        let mut io = Io { out: &mut out, env: &mut env, token: TOKEN, unsent: 0 };
        let connection = Connection::plain(service, &Peer::Unnamed, &mut io);
        Bench { promised: Rc::default(), connection, env, out }
    }

    fn call(&mut self, f: impl FnOnce(&mut Connection, &mut Io<'_>)) {
        let mut io = Io { out: &mut self.out, env: &mut self.env, token: TOKEN, unsent: 0 };
        f(&mut self.connection, &mut io);
        // A driver that writes all at once has drained at once.
        while self.connection.wants_drain() {
            let mut sent = self.out.take();
            let mut io = Io { out: &mut self.out, env: &mut self.env, token: TOKEN, unsent: 0 };
            self.connection.drained(&mut io);
            sent.append(&mut self.out.take());
            self.out.bytes = sent;
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut wire = bytes.to_vec();
        self.call(|connection, io| connection.feed(&mut wire, io));
    }

    /// What was answered since the last call, without the fields that every answer has.
    fn said(&mut self) -> String {
        let text = String::from_utf8(self.out.take()).expect("answers are text here");
        text.replace("Server: readyloop\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n", "")
    }
}

/// Answers to a transcript fed in pieces of the given sizes, the last one repeated.
fn exchange(input: &[u8], sizes: &[usize]) -> (String, Life) {
    let mut bench = Bench::new(Limits::default());
    let (mut rest, mut turn) = (input, 0);
    while !rest.is_empty() && bench.connection.wants_read() {
        let size = sizes[turn.min(sizes.len() - 1)].clamp(1, rest.len());
        let (piece, others) = rest.split_at(size);
        bench.feed(piece);
        (rest, turn) = (others, turn + 1);
    }
    (bench.said(), bench.connection.life())
}

/// Dechunks, so that answers that were chunked differently compare equal.
fn joined(text: &str) -> String {
    let Some((head, mut body)) = text.split_once("Transfer-Encoding: chunked\r\n\r\n") else {
        return text.to_owned();
    };
    let mut whole = format!("{head}chunked:");
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        whole.push_str(&rest[..size]);
        body = &rest[size + 2..];
        if size == 0 {
            break;
        }
    }
    whole + &joined(body)
}

fn expect(input: &[u8], life: Life, output: &str) {
    let (whole, end) = exchange(input, &[usize::MAX]);
    assert_eq!((joined(&whole).as_str(), end), (output, life), "{}", input.escape_ascii());
    for split in 1..input.len() {
        let (said, end) = exchange(input, &[split, usize::MAX]);
        assert_eq!(
            (joined(&said).as_str(), end),
            (output, life),
            "{} at {split}",
            input.escape_ascii()
        );
    }
    let (said, end) = exchange(input, &[1]);
    assert_eq!(
        (joined(&said).as_str(), end),
        (output, life),
        "{} byte by byte",
        input.escape_ascii()
    );
}

#[test]
fn requests_are_answered_however_they_are_split() {
    expect(
        b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
        Life::Open,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/a",
    );
    expect(
        b"\r\nHEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nhost:x\r\nCONNECTION: foo, Close\r\n\r\n",
        Life::Flushing,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n/b",
    );
    expect(
        b"GET /a HTTP/1.0\r\n\r\n",
        Life::Flushing,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n/a",
    );
    expect(
        b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        Life::Open,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n/a",
    );
    expect(
        b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
        Life::Open,
        "HTTP/1.1 204 No Content\r\n\r\n",
    );
}

#[test]
fn bodies_are_framed_by_length_and_by_chunks() {
    expect(
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        Life::Open,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/b",
    );
    expect(
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;a=b;c=\"d\\\"e\"\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        Life::Open,
        "HTTP/1.1 200 OK\r\nchunked:abc0123456789HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/b",
    );
    // An answer that does not want the body skips it, if it is short.
    expect(
        b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxyzGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        Life::Open,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/aHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/b",
    );
    // And ends the connection if nobody knows how long it is.
    expect(
        b"PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        Life::Lingering,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n/a",
    );
}

#[test]
fn a_client_that_waits_for_100_gets_it_before_it_sends() {
    let mut bench = Bench::new(Limits::default());
    bench.feed(
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n",
    );
    assert_eq!(bench.said(), "HTTP/1.1 100 Continue\r\n\r\n");
    bench.feed(b"ok");
    assert_eq!(bench.said(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    // Nobody wants this body: the answer comes instead, and the connection ends, because whether
    // the body will come is the client's choice.
    bench.feed(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(bench.said(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n/a");
    assert_eq!(bench.connection.life(), Life::Lingering);
}

#[test]
fn what_could_be_understood_in_two_ways_is_refused() {
    let table: &[(&[u8], u16)] = &[
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/1.1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET a.com:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417),
    ];
    for (input, status) in table {
        let (said, life) = exchange(input, &[usize::MAX]);
        assert!(
            said.starts_with(&format!("HTTP/1.1 {status} ")),
            "{}: {said}",
            input.escape_ascii()
        );
        assert!(said.contains("\r\nConnection: close\r\n"), "{said}");
        assert_eq!(life, Life::Lingering);
        let (slow, life) = exchange(input, &[1]);
        assert!(
            slow.starts_with(&format!("HTTP/1.1 {status} ")),
            "{}: {slow}",
            input.escape_ascii()
        );
        assert_eq!(life, Life::Lingering);
    }
    let bodies: &[(&[u8], u16)] = &[
        (b"x\r\n", 400),
        (b"\r\n", 400),
        (b"-1\r\n", 400),
        (b"0x1\r\n", 400),
        (b"1 \r\n", 400),
        (b"1\n", 400),
        (b"11111111111111111\r\n", 400),
        (b"fffffffffffffff\r\n", 413),
        (b"1\r\nab\r\n", 400),
        (b"1;\r\n", 400),
        (b"1;a=\"\r\n", 400),
        (b"0\r\nContent-Length: 1\r\n\r\n", 400),
        (b"0\r\nA : 1\r\n\r\n", 400),
        (b"0\r\nA: 1\n\r\n", 400),
    ];
    for (body, status) in bodies {
        let mut input =
            b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        input.extend_from_slice(body);
        let (said, life) = exchange(&input, &[usize::MAX]);
        assert!(
            said.starts_with(&format!("HTTP/1.1 {status} ")),
            "{}: {said}",
            body.escape_ascii()
        );
        assert_eq!(life, Life::Lingering);
    }
}

#[test]
fn every_limit_has_its_refusal() {
    let long = |count: usize| "a".repeat(count);
    let head = |field: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
    let many: String = (0..200).map(|n| format!("X{n}: 1\r\n")).collect();
    let chunks = |chunk: &str, count: usize| {
        let chunk = chunk.repeat(count);
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}")
    };
    let table = [
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", long(9000)), "414"),
        (format!("GET /{}", long(9000)), "414"),
        (head(&format!("X: {}", long(20_000))), "431"),
        (format!("GET / HTTP/1.1\r\nX: {}", long(17_000)), "431"),
        (head(&many), "431"),
        (chunks(&format!("1;{}\r\na\r\n", long(300)), 1), "400"),
        (chunks(&format!("1;{}", long(300)), 1), "400"),
        (chunks("0\r\n", 1) + &format!("X: {}\r\n\r\n", long(5000)), "431"),
        (chunks("0\r\n", 1) + &long(5000), "431"),
    ];
    for (input, status) in table {
        let (said, life) = exchange(input.as_bytes(), &[usize::MAX]);
        assert!(said.contains(&format!("HTTP/1.1 {status} ")), "{}…: {said}", &input[..40]);
        assert_eq!(life, Life::Lingering);
    }
    // Extensions are bounded in sum too; the reply has begun by then, so only closing tells.
    let (said, life) =
        exchange(chunks(&format!("1;{}\r\na\r\n", long(200)), 30).as_bytes(), &[usize::MAX]);
    assert!(!said.contains("0\r\n\r\n"), "{said}");
    assert_eq!(life, Life::Lingering);
}

#[test]
fn a_handler_cannot_inject_a_header() {
    let (said, _) = exchange(b"GET /inject HTTP/1.1\r\nHost: x\r\n\r\n", &[usize::MAX]);
    assert!(said.starts_with("HTTP/1.1 500 ") && !said.contains("Evil"), "{said}");
}

#[test]
fn a_prepared_answer_is_the_same_as_one_that_is_sent() {
    let fields: &[(&str, &[u8])] = &[("Content-Type", b"text/plain")];
    let prepared = Prepared::new(200, fields, b"hello").expect("valid");
    assert!(Prepared::new(200, &[("Content-Length", b"1")], b"").is_err());
    type Answer = Box<dyn Fn(&Head<'_>, Reply<'_, '_>) -> Answered>;
    let services: [Http<Answer>; 2] = [
        Http::new(Box::new(move |_: &Head<'_>, reply: Reply<'_, '_>| reply.prepared(&prepared))),
        Http::new(Box::new(move |_: &Head<'_>, reply: Reply<'_, '_>| {
            reply.send(200, fields, b"hello")
        })),
    ];
    for input in [
        "GET / HTTP/1.1",
        "HEAD / HTTP/1.1",
        "GET / HTTP/1.0",
        "GET / HTTP/1.1\r\nConnection: close",
    ] {
        let said = services.each_ref().map(|service| {
            let mut bench = Bench::with(Limits::default(), service);
            bench.feed(format!("{input}\r\nHost: x\r\n\r\n").as_bytes());
            (bench.said(), bench.connection.life())
        });
        assert_eq!(said[0], said[1], "{input}");
        assert!(said[0].0.starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

#[test]
fn a_streamed_answer_is_pulled_and_pipelined_requests_wait() {
    let input = b"GET /count?1000000 HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n";
    let (said, life) = exchange(input, &[usize::MAX]);
    let said = joined(&said);
    assert_eq!(said.matches('x').count(), 1_000_000);
    assert!(said.ends_with("xHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/b"));
    assert_eq!(life, Life::Open);
}

#[test]
fn a_later_answer_goes_to_its_request_only() {
    let mut bench = Bench::new(Limits::default());
    bench.feed(b"GET /later HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((bench.said().as_str(), bench.connection.life()), ("", Life::Paused));
    // Nobody answers: the limit on replies does.
    bench.env.now = bench.connection.deadline();
    bench.call(|connection, io| connection.timeout(io));
    assert!(bench.said().starts_with("HTTP/1.1 503 "));
    assert_eq!(bench.connection.reason(), CloseReason::TimedOut(readyloop::error::Phase::Reply));
    // A message that is no answer changes nothing.
    let mut bench = Bench::new(Limits::default());
    bench.feed(b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    bench.call(|connection, io| connection.message(Message::any(Response::text(200, "x")), io));
    assert_eq!((bench.said().as_str(), bench.connection.life()), ("", Life::Paused));
}

#[test]
fn a_long_answer_is_kept_and_poured_as_the_peer_takes_it() {
    let input = b"GET /big HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n";
    let (said, life) = exchange(input, &[usize::MAX]);
    assert!(said.starts_with("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nxxx"));
    assert_eq!(said.matches('x').count(), 1_000_000);
    assert!(said.ends_with("xHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/b"));
    assert_eq!(life, Life::Open);
    // One that comes later goes the same way.
    let mut bench = Bench::new(Limits::default());
    bench.feed(b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    let to = bench.promised.take().expect("promised");
    let response = Response::text(200, "z".repeat(3_000_000));
    bench.call(|connection, io| connection.message(to.message(response), io));
    assert_eq!(bench.said().matches('z').count(), 3_000_000);
    assert_eq!(bench.connection.life(), Life::Open);
}

#[test]
fn an_answer_given_at_once_keeps_the_connection_if_the_rest_is_short() {
    let get = b"GET /start HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n";
    let at_once = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nat once";
    let then = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/b";
    expect(get, Life::Open, &format!("{at_once}{then}"));
    let put = b"PUT /start HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: x\r\n\r\n";
    expect(put, Life::Open, &format!("{at_once}{then}"));
}

#[test]
fn an_unwanted_long_body_is_neither_invited_nor_read() {
    let mut bench = Bench::new(Limits::default());
    let head = "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\nExpect: 100-continue\r\n\r\n";
    bench.feed(head.as_bytes());
    assert_eq!((bench.said().as_str(), bench.connection.wants_read()), ("", false));
    let to = bench.promised.take().expect("promised");
    bench.call(|connection, io| connection.message(to.message(Response::text(403, "no")), io));
    assert!(bench.said().contains("\r\nConnection: close\r\n"));
    assert_eq!(bench.connection.life(), Life::Lingering);
}

#[test]
fn the_result_of_an_old_job_answers_no_new_request() {
    use readyloop::session::{OffloadFailed, Op};
    let mut bench = Bench::new(Limits::default());
    bench.feed(b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    let first = bench.promised.take().expect("promised");
    bench
        .call(|connection, io| connection.message(first.message(Response::text(200, "first")), io));
    bench.said();
    bench.feed(b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    bench
        .call(|connection, io| connection.message(first.message(Response::text(200, "again")), io));
    let failed = Message::any(OffloadFailed { tag: 1 });
    bench.call(|connection, io| connection.message(failed, io));
    assert_eq!((bench.said().as_str(), bench.connection.life()), ("", Life::Paused));
    assert!(!bench.env.ops.iter().any(|op| matches!(op, Op::Close(..))));
}

#[test]
fn an_upgrade_hands_over_what_follows_the_head() {
    let input =
        b"GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\nhello";
    expect(
        input,
        Life::Open,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: shout\r\nConnection: upgrade\r\n\r\nHELLO",
    );
}

#[test]
fn each_phase_has_its_time_limit() {
    use readyloop::error::Phase::*;
    let limits = Limits::default();
    let cases: [(&[u8], _, _); 4] = [
        (b"", limits.first_byte, FirstByte),
        (b"GET / HT", limits.head, Head),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", limits.idle, Idle),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", limits.progress, Body),
    ];
    for (input, limit, phase) in cases {
        let mut bench = Bench::new(Limits::default());
        if !input.is_empty() {
            bench.feed(input);
        }
        assert_eq!(bench.connection.deadline(), Moment::START + limit, "{phase:?}");
        bench.said();
        bench.env.now = bench.connection.deadline();
        bench.call(|connection, io| connection.timeout(io));
        assert_eq!(bench.connection.reason(), CloseReason::TimedOut(phase));
    }
    // A byte now and then does not move the limit on a head.
    let mut bench = Bench::new(Limits::default());
    bench.feed(b"GET / HT");
    bench.env.now += Duration::from_secs(5);
    bench.feed(b"TP/1.1\r\nX: ");
    assert_eq!(bench.connection.deadline(), Moment::START + Limits::default().head);
}

/// A peer that always ends a packet within a message is not slow.
#[test]
fn each_request_has_its_own_time() {
    let limits = Limits::default();
    for request in [
        &b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxyz",
    ] {
        let mut bench = Bench::new(Limits::default());
        let last = request.len() - 2;
        bench.feed(&request[..last]);
        for _ in 0..10 {
            bench.env.now += limits.head / 2;
            assert!(bench.connection.deadline() > bench.env.now);
            bench.feed(&[&request[last..], &request[..last]].concat());
        }
        assert!(bench.said().matches("\r\n\r\n/a").count() >= 10);
        assert_eq!(bench.connection.life(), Life::Open);
    }
}

/// While the peer takes what it was sent we may not read, so its own time does not run.
#[test]
fn who_waits_for_us_is_not_late() {
    let limits = Limits { high_water: 2000, low_water: 1000, ..Limits::default() };
    let ask = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    let put = b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxyz";
    let mut post = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n".to_vec();
    post.resize(post.len() + 100, b'x');
    for half in [&b""[..], &ask[..9], &put[..put.len() - 1], &post] {
        let mut bench = Bench::new(limits.clone());
        bench.feed(&[ask, half].concat());
        for _ in 0..3 {
            bench.env.now = bench.connection.deadline();
            let mut io = Io { out: &mut bench.out, env: &mut bench.env, token: TOKEN, unsent: 1 };
            bench.connection.timeout(&mut io);
            assert_eq!(bench.connection.life(), Life::Open, "{}", half.escape_ascii());
            assert!(bench.connection.deadline() > bench.env.now);
        }
        bench.out.clear();
        bench.env.now = bench.connection.deadline();
        bench.call(|connection, io| connection.timeout(io));
        assert_eq!(bench.connection.life(), Life::Lingering, "{}", half.escape_ascii());
    }
}

#[test]
fn half_a_close_after_a_whole_request_is_no_reason_not_to_answer() {
    let mut bench = Bench::new(Limits::default());
    bench.feed(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    bench.call(|connection, io| connection.eof(io));
    assert_eq!(bench.said(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/a");
    assert_eq!(
        (bench.connection.life(), bench.connection.reason()),
        (Life::Flushing, CloseReason::PeerClosed)
    );
    let mut bench = Bench::new(Limits::default());
    bench.feed(b"GET /a HT");
    bench.call(|connection, io| connection.eof(io));
    assert_eq!(bench.connection.reason(), CloseReason::Truncated);
}

#[test]
fn a_draining_loop_answers_and_closes() {
    let mut bench = Bench::new(Limits::default());
    bench.feed(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    bench.said();
    bench.env.draining = true;
    bench.call(|connection, io| connection.shutdown(io));
    assert_eq!(bench.connection.life(), Life::Open, "a request may be on its way");
    bench.feed(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(bench.said(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n/b");
    assert_eq!(bench.connection.life(), Life::Lingering);
}
