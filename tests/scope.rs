//! The loop shows itself: over real sockets, and for what no socket of this machine can be (a peer
//! from elsewhere, ten thousand connections) without one.
#![cfg(feature = "web")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use readyloop::buf::Out;
use readyloop::connection::{Connection, Io};
use readyloop::probe::{Call, Fact, Origin, Stage};
use readyloop::scope::{Source, page};
use readyloop::session::Env;
use readyloop::session::datagram::Peer;
use readyloop::session::http::{Exchange, Http, Writer};
use readyloop::web::router::Router;
use readyloop::{Handle, Limits, Moment, Reactor, Token};
use serde_json::Value;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends for as long as the peer takes it.
struct Pour;

impl Exchange for Pour {
    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        writer.start(200, &[], None);
        self.on_drain(writer);
    }

    fn on_drain(&mut self, writer: &mut Writer<'_, '_>) {
        // As an application that looks only now and then.
        for _ in 0..24 {
            writer.body(&[b'x'; 64 * 1024]);
        }
        writer.want_drain();
    }
}

fn router(options: page::Options) -> Router {
    Router::new()
        .get("/", |_, reply| reply.text(200, "hello\n"))
        .get("/sleep", |_, reply| {
            thread::sleep(Duration::from_millis(200));
            reply.text(200, "awake\n")
        })
        .get("/pour", |_, reply| reply.exchange(Pour))
        .nest("/_loop", page::routes(options))
}

struct Server {
    at: SocketAddr,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn new() -> Self {
        let (tell, told) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let mut reactor = Reactor::new(Limits::default()).expect("a reactor");
            reactor.record(1 << 14);
            let service = Http::new(router(page::Options::new(Source::Own)));
            let at = SocketAddr::from(([127, 0, 0, 1], 0));
            let listener = reactor.listen(at, service).expect("a port");
            let at = reactor.local_address(listener).expect("an address").to_string();
            tell.send((at, reactor.handle())).expect("the test waits");
            reactor.run().expect("the poll works");
        });
        let (at, handle) = told.recv_timeout(PATIENCE).expect("it listens");
        let at = at.parse().expect("an address");
        Server { at, handle, thread: Some(thread) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.at).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream
    }

    /// Asks, on a connection of its own, and hears the whole answer.
    fn ask(&self, path: &str, fields: &str) -> (u16, String) {
        let mut stream = self.connect();
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.at);
        let request = format!("{head}{fields}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status = answer.get(9..12).and_then(|digits| digits.parse().ok()).expect("a status");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        (status, body.to_owned())
    }

    fn sample(&self, query: &str) -> Value {
        let (status, body) = self.ask(&format!("/_loop/sample?{query}"), "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Samples until one is as wanted.
    fn sees(&self, query: &str, what: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let sample = self.sample(query);
            if what(&sample) {
                return sample;
            }
            assert!(Instant::now() < deadline, "not seen: {}", sample["connections"]);
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn stream(&self, query: &str) -> BufReader<TcpStream> {
        let mut stream = self.connect();
        let request = format!("GET /_loop/events?{query} HTTP/1.1\r\nHost: {}\r\n\r\n", self.at);
        stream.write_all(request.as_bytes()).expect("sent");
        BufReader::new(stream)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.handle.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The next sample of a stream.
fn beat(stream: &mut BufReader<TcpStream>) -> Value {
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).expect("a line") > 0, "the stream ended");
        if let Some(json) = line.strip_prefix("data: ") {
            return serde_json::from_str(json).expect("JSON");
        }
    }
}

fn rows(sample: &Value) -> &[Value] {
    sample["connections"].as_array().expect("rows")
}

#[test]
fn a_handler_that_sleeps_is_named_with_its_route_and_its_cause() {
    let server = Server::new();
    assert_eq!(server.ask("/sleep", "").0, 200);
    let sample = server.sample("");
    let stall = &sample["stalls"][0];
    assert_eq!((&stall["label"], &stall["call"]), (&"GET /sleep".into(), &"data".into()));
    assert!(stall["took"].as_u64() >= Some(200_000_000), "{stall}");
    assert!(stall["computing"].as_u64() < Some(100_000_000), "{stall}");
    let found = sample["findings"].as_array().expect("findings");
    let blocked = found.iter().find(|finding| finding["kind"] == "blocked-handler");
    let text = blocked.and_then(|finding| finding["text"].as_str()).expect("it is found");
    assert!(text.contains("GET /sleep"), "{text}");
    let turns = sample["turns"].as_array().expect("turns");
    let is_stall = |part: &Value| part["stall"] == true && part["token"] == stall["token"];
    let parts = turns.iter().filter_map(|turn| turn["parts"].as_array()).flatten();
    assert_eq!(parts.filter(|part| is_stall(part)).count(), 1);
}

#[test]
fn a_reader_that_does_not_read_is_seen_to_be_full() {
    let server = Server::new();
    let mut slow = server.connect();
    let request = format!("GET /pour HTTP/1.1\r\nHost: {}\r\n\r\n", server.at);
    slow.write_all(request.as_bytes()).expect("sent");
    let is_full = |row: &Value| row["label"] == "GET /pour" && row["full"] == true;
    let sample = server.sees("filter=/pour", |sample| rows(sample).iter().any(is_full));
    let row = rows(&sample).iter().find(|row| is_full(row)).expect("it is there");
    assert!(row["unsent"].as_u64() > sample["limits"]["low_water"].as_u64(), "{row}");
    assert_eq!((&row["stage"], &row["me"]), (&"reply".into(), &false.into()));
    let peer = slow.local_addr().expect("an address").to_string();
    assert_eq!(row["peer"], peer);
    // Followed, its story is told too, and once.
    let token = row["token"].as_str().expect("a token");
    let mut stream = server.stream(&format!("every=50&connections=0&turns=0&follow={token}"));
    let story = |sample: &Value| sample["story"]["lines"].as_array().cloned().expect("lines");
    let told = story(&beat(&mut stream));
    let facts: Vec<_> = told.iter().filter_map(|line| line["fact"].as_str()).collect();
    for fact in ["accepted", "request", "wrote", "buffer"] {
        assert!(facts.contains(&fact), "{fact}: {facts:?}");
    }
    drop(slow);
    let last = loop {
        if let Some(last) = story(&beat(&mut stream)).into_iter().next_back() {
            break last;
        }
    };
    assert!(["closed", "failed", "state"].contains(&last["fact"].as_str().unwrap_or("")), "{last}");
    let (status, text) = server.ask(&format!("/_loop/story?token={token}"), "");
    assert!(status == 200 && text.contains("GET /pour") && text.contains("closed"), "{text}");
    assert_eq!(server.ask("/_loop/story?token=99.99", "").0, 404);
    assert_eq!(server.ask("/_loop/story?token=never", "").0, 400);
}

#[test]
fn beats_come_and_tell_who_observes() {
    let server = Server::new();
    let mut stream = server.stream("every=50");
    let (first, second) = (beat(&mut stream), beat(&mut stream));
    assert!(first["now"].as_u64() < second["now"].as_u64());
    let mine: Vec<_> = rows(&second).iter().filter(|row| row["me"] == true).collect();
    assert_eq!(mine.len(), 1, "{second}");
    assert_eq!(mine[0]["label"], "GET /_loop/events");
    assert!(second["turns"].as_array().is_some_and(|turns| turns.len() > 1));
}

#[test]
fn a_stuck_reader_costs_one_sample_and_no_more() {
    let server = Server::new();
    let mut stuck = server.stream("every=50");
    // It takes a first one, so that it is known who it is, and then no other.
    let first = beat(&mut stuck);
    let me = rows(&first).iter().find(|row| row["me"] == true).expect("it is there");
    let query = format!("follow={}&connections=0&turns=0", me["token"].as_str().expect("a token"));
    let writes = |sample: &Value| rows(sample)[0]["writes"].as_u64().expect("a number");
    // The kernel takes some: then nothing is written any more, while beats go on being due.
    let fires = |sample: &Value| sample["counters"]["timers_fired"].as_u64().expect("a number");
    let deadline = Instant::now() + PATIENCE;
    let held = loop {
        let before = server.sample(&query);
        let after = server.sees(&query, |sample| fires(sample) >= fires(&before) + 10);
        if writes(&after) == writes(&before) {
            break after;
        }
        assert!(Instant::now() < deadline, "it is written to for ever");
    };
    let unsent = rows(&held)[0]["unsent"].as_u64().expect("a number");
    assert!(unsent > 0 && unsent < 400_000, "{unsent}");
    assert_eq!(rows(&held)[0]["full"], false);
}

#[test]
fn only_so_many_watch_at_a_time_and_a_place_becomes_free() {
    let server = Server::new();
    let mut streams: Vec<_> = (0..16).map(|_| server.stream("every=50&turns=0")).collect();
    streams.iter_mut().for_each(|stream| {
        beat(stream);
    });
    assert_eq!(server.ask("/_loop/events", "").0, 503);
    streams.clear();
    server.sees("connections=0", |_| {
        let mut next = server.stream("every=50");
        let mut line = String::new();
        next.read_line(&mut line).expect("a status");
        line.contains(" 200 ")
    });
}

#[test]
fn the_page_and_what_it_loads_are_there_under_a_strict_policy() {
    let server = Server::new();
    let (status, html) = server.ask("/_loop", "");
    assert!(status == 200 && html.contains("The loop, live") && !html.contains("{{"), "{html}");
    let mut loaded = 0;
    for path in html.split('"').filter(|part| part.starts_with("/_loop/") && part.contains('.')) {
        let (status, text) = server.ask(path, "");
        assert_eq!(status, 200, "{path}");
        for name in text.split("from \"./").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert_eq!(server.ask(&format!("/_loop/{name}"), "").0, 200, "{name}");
        }
        loaded += 1;
    }
    assert!(loaded >= 4, "{loaded}");
    for inline in ["<style", " style=", "<script>", "onclick", "http:", "https:"] {
        assert!(!html.contains(inline), "{inline}");
    }
    assert_eq!(server.ask("/_loop/sample?connections=many", "").0, 400);
    assert_eq!(server.ask("/_loop/sample?follow=me", "").0, 400);
}

#[test]
fn a_recording_is_served_whole() {
    let server = Server::new();
    server.ask("/", "");
    let (status, text) = server.ask("/_loop/recording", "");
    assert_eq!(status, 200);
    let recording =
        readyloop::scope::recording::Recording::read(text.as_bytes()).expect("a recording");
    assert_eq!(recording.header.lost, 0);
    let is_request = |record: &&readyloop::probe::Record| matches!(record.fact, Fact::Request { label, .. } if recording.labels.text(label) == "GET /");
    assert_eq!(recording.records.iter().filter(is_request).count(), 1);
}

// ---- without a socket

/// A connection to the page from `peer`.
struct Visit {
    connection: Connection,
    env: Env,
    out: Out,
}

const ME: Token = Token::new(20_000, 1);

impl Visit {
    fn new(options: page::Options, peer: &Peer, env: Env) -> Self {
        let (mut env, mut out) = (env, Out::default());
        let mut io = Io { out: &mut out, env: &mut env, token: ME, unsent: 0 };
        let connection = Connection::plain(&Http::new(router(options)), peer, &mut io);
        Visit { connection, env, out }
    }

    fn get(&mut self, path: &str, fields: &str) -> (u16, String) {
        let mut request = format!("GET {path} HTTP/1.1\r\n{fields}\r\n").into_bytes();
        let mut io = Io { out: &mut self.out, env: &mut self.env, token: ME, unsent: 0 };
        self.connection.feed(&mut request, &mut io);
        let answer = String::from_utf8(self.out.take()).expect("text");
        let status = answer.get(9..12).and_then(|digits| digits.parse().ok()).expect("a status");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        (status, body.to_owned())
    }
}

fn status(who: page::Who, peer: &str, fields: &str) -> u16 {
    let peer = Peer::Inet(peer.parse().expect("an address"));
    let options = page::Options { who, ..page::Options::new(Source::Own) };
    let mut visit = Visit::new(options, &peer, Env::new(Limits::default()));
    let answers = ["/_loop", "/_loop/sample", "/_loop/recording", "/_loop/loop.js"]
        .map(|path| (path, path == "/_loop/recording"))
        .map(|(path, is_later)| match is_later {
            true => None,
            false => Some(visit.get(path, fields).0),
        });
    let told: std::collections::BTreeSet<u16> = answers.into_iter().flatten().collect();
    assert_eq!(told.len(), 1, "all routes are guarded alike: {told:?}");
    *told.first().expect("an answer")
}

#[test]
fn strangers_may_not_look_unless_they_are_told() {
    use page::Who::{Anyone, Loopback};
    for (who, peer, fields, expected) in [
        (Loopback, "127.0.0.1:9", "Host: localhost:8080\r\n", 200),
        (Loopback, "[::1]:9", "Host: [::1]:8080\r\n", 200),
        (Loopback, "10.0.0.9:9", "Host: localhost\r\n", 403),
        (Loopback, "[2001:db8::9]:9", "Host: localhost\r\n", 403),
        // A name that a stranger has made to point here.
        (Loopback, "127.0.0.1:9", "Host: rebound.example:8080\r\n", 403),
        // Somebody behind a proxy.
        (Loopback, "127.0.0.1:9", "Host: localhost\r\nX-Forwarded-For: 10.0.0.9\r\n", 403),
        (Loopback, "127.0.0.1:9", "Host: localhost\r\nForwarded: for=10.0.0.9\r\n", 403),
        (Loopback, "127.0.0.1:9", "Host: localhost\r\nVia: 1.1 proxy\r\n", 403),
        (Loopback, "127.0.0.1:9", "Host: localhost\r\nX-Real-IP: 10.0.0.9\r\n", 403),
        // Another site's script.
        (Loopback, "127.0.0.1:9", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", 403),
        (Loopback, "127.0.0.1:9", "Host: localhost:8\r\nOrigin: http://localhost:9\r\n", 403),
        (Loopback, "127.0.0.1:9", "Host: localhost:8\r\nOrigin: http://localhost:8\r\n", 200),
        (
            Loopback,
            "127.0.0.1:9",
            "Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n",
            200,
        ),
        (Anyone, "10.0.0.9:9", "Host: loop.example\r\n", 200),
        (Anyone, "10.0.0.9:9", "Host: loop.example\r\nSec-Fetch-Site: cross-site\r\n", 403),
    ] {
        assert_eq!(status(who, peer, fields), expected, "{who:?} {peer} {fields}");
    }
}

#[test]
fn of_ten_thousand_connections_a_sample_shows_a_bounded_number() {
    let mut env = Env::new(Limits::default());
    let recorder = &mut env.recorder;
    recorder.start(Moment::START, 1 << 16, Duration::from_millis(20));
    for turn in 0..200 {
        recorder.tick(Moment::START + Duration::from_micros(turn * 1000));
        recorder.record(Fact::Polled { began: recorder.now(), until: Moment::NEVER, events: 50 });
        for index in 0..50 {
            let token = Token::new((turn * 50 + index) as u32, 1);
            recorder.record(Fact::Accepted { token, from: Token::new(30_000, 1) });
            let peer = Origin::V4([10, 1, (token.index() >> 8) as u8, token.index() as u8], 4000);
            recorder.record(Fact::Peer { token, peer });
            recorder.request(token, "GET", "/a/rather/long/path/as/they/are");
            recorder.called(token, Call::Data, recorder.now());
            recorder.stages(token, Stage::Open, Stage::Idle, Call::Data);
        }
    }
    let peer = Peer::Inet(([127, 0, 0, 1], 9).into());
    let mut visit = Visit::new(page::Options::new(Source::Own), &peer, env);
    let (status, body) = visit.get("/_loop/sample", "Host: localhost\r\n");
    assert_eq!(status, 200);
    let sample: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((rows(&sample).len(), &sample["shown"]), (200, &200.into()));
    assert!(sample["open"].as_u64() >= Some(10_000), "{}", sample["open"]);
    assert!(body.len() < 240 * 1024, "{} bytes", body.len());
}

/// What other threads' loops do is shown by their own facts.
#[test]
fn another_loop_is_shown_by_the_facts_that_it_notes() {
    use readyloop::scope::Watched;
    use std::sync::{Arc, Mutex};
    let mut watched = Watched::default();
    watched.recorder.start(Moment::START, 64, Duration::from_millis(20));
    let (listener, token) = (Token::new(0, 0), Token::new(1, 0));
    let now = Moment::START + Duration::from_millis(5);
    watched.note(now, Fact::Polled { began: Moment::START, until: Moment::NEVER, events: 1 });
    watched.note(now, Fact::Accepted { token, from: listener });
    let peer = Peer::Inet(([127, 0, 0, 1], 9).into());
    let source = Source::Other(Arc::new(Mutex::new(watched)));
    let mut visit = Visit::new(page::Options::new(source), &peer, Env::new(Limits::default()));
    let (_, body) = visit.get("/_loop/sample", "Host: localhost\r\n");
    let sample: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((&sample["now"], &sample["live"]), (&5_000_000.into(), &1.into()));
    assert_eq!((&sample["limits"], rows(&sample).len()), (&Value::Null, 2));
    assert_eq!(rows(&sample).iter().filter(|row| row["me"] == true).count(), 0);
    assert_eq!(sample["turns"][0]["ready"], 1);
    let counted = |name: &str| -> u64 {
        let counts = sample["spreads"][name].as_array().expect("counts");
        counts.iter().filter_map(Value::as_u64).sum()
    };
    assert_eq!((counted("busy"), counted("lag")), (1, 5));
}
