//! One set of transcripts through every I/O model, and through a connection without any driver: the
//! same bytes from all of them.
//!
//! What a model may do to bytes is to cut them up otherwise, to hold them back or to lose the end of
//! them; so each transcript is read to its very end. Nothing here looks at how long that took.
#![cfg(feature = "cli")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as cryptography;
#[cfg(not(feature = "aws-lc-rs"))]
use rustls::crypto::ring as cryptography;
use rustls::pki_types::ServerName;

use readyloop::app::bench::Bench;
use readyloop::app::echo::Echo;
use readyloop::blocking::{Blocking, Make, Model, Row};
use readyloop::buf::Out;
use readyloop::connection::tls::{KeyPair, TlsConfig, TlsPolicy};
use readyloop::connection::{Connection, Io, Life};
use readyloop::measure::{Outcome, Ready, Sample};
use readyloop::reactor::edge::Edge;
#[cfg(target_os = "linux")]
use readyloop::reactor::level::Level;
use readyloop::reactor::spin::Spin;
use readyloop::reactor::world::World;
use readyloop::session::datagram::Peer;
use readyloop::session::http::Http;
use readyloop::session::{Env, Service};
use readyloop::socket::{Address, Listen};
use readyloop::{Handle, Limits, Reactor, Token};

/// How long anything may take before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two pieces, so that they probably arrive apart.
const APART: Duration = Duration::from_millis(5);

/// Threads' stacks: debug builds need much.
const STACK: usize = 2 * 1024 * 1024;

// What is said to a server.

#[derive(Clone)]
enum Step {
    Send(Vec<u8>),
    /// Read until this has come.
    Await(&'static [u8]),
    /// End our direction.
    End,
    /// Say nothing until the server has had enough.
    Silence,
}

struct Transcript {
    name: String,
    /// Over raw echo rather than HTTP.
    raw: bool,
    steps: Vec<Step>,
}

fn send(text: impl AsRef<[u8]>) -> Step {
    Step::Send(text.as_ref().to_vec())
}

fn transcript(name: &str, steps: impl Into<Vec<Step>>) -> Transcript {
    Transcript { name: name.into(), raw: false, steps: steps.into() }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: parity\r\n\r\n")
}

fn last(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: parity\r\nConnection: close\r\n\r\n")
}

/// Requests as they should be.
fn good() -> Vec<Transcript> {
    let post = |body: &str| {
        let length = body.len();
        format!("POST /echo HTTP/1.1\r\nHost: parity\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let chunked = "POST /echo HTTP/1.1\r\nHost: parity\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\nX-Sum: 1\r\n\r\n";
    let expects = "POST /echo HTTP/1.1\r\nHost: parity\r\nExpect: 100-continue\r\n\
                   Content-Length: 5\r\nConnection: close\r\n\r\n";
    let one = get("/plaintext");
    let bytewise = one.bytes().map(|byte| send([byte])).chain([Step::End]);
    let head = "HEAD /plaintext HTTP/1.1\r\nHost: parity\r\n\r\nHEAD /bytes/99999 HTTP/1.1\r\n\
                Host: parity\r\nConnection: close\r\n\r\n";
    vec![
        transcript("whole", [send(&one), Step::End]),
        transcript("the last", [send(last("/plaintext"))]),
        transcript("HTTP/1.0", [send("GET /plaintext HTTP/1.0\r\n\r\n")]),
        transcript("in pieces", [send(&one[..9]), send(&one[9..]), send(last("/compute/10"))]),
        transcript("byte by byte", bytewise.collect::<Vec<_>>()),
        transcript("pipelined", [send(one.repeat(500) + &last("/bytes/7"))]),
        transcript("HEAD", [send(head)]),
        transcript("a body", [send(post("hello") + &last("/plaintext"))]),
        transcript("a long body", [send(post(&"x".repeat(900_000)) + &last("/plaintext"))]),
        transcript("chunks", [send(chunked.to_owned() + &last("/plaintext"))]),
        transcript("continue", [send(expects), Step::Await(b"Continue\r\n\r\n"), send("12345")]),
        transcript("a megabyte", [send(get("/bytes/1000000") + &last("/bytes/70000"))]),
        transcript("elsewhere", [send(get("/none") + &last("/bytes/x"))]),
        transcript("no WebSocket", [send(last("/ws/echo"))]),
        web_socket(),
    ]
}

/// An upgrade, a message and the end (RFC 6455 §1.3, §5.7): all of it known bytes.
fn web_socket() -> Transcript {
    let upgrade = "GET /ws/echo HTTP/1.1\r\nHost: parity\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    let close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
    let steps =
        [send(upgrade), Step::Await(b"\r\n\r\n"), send(hello), Step::Await(b"Hello"), send(close)];
    transcript("a WebSocket", steps)
}

/// Requests that are refused, and peers that leave.
fn bad() -> Vec<Transcript> {
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(10_000));
    let fields = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(200));
    let wrong = [
        ("no request", "nonsense\r\n\r\n"),
        ("no host", "GET / HTTP/1.1\r\n\r\n"),
        ("another version", "GET / HTTP/2.7\r\nHost: a\r\n\r\n"),
        (
            "both framings",
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        ("an unknown coding", "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
        (
            "a bad chunk",
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        ),
        (
            "a bad trailer",
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: a\r\n\r\n",
        ),
        ("too long a line", &long),
        ("too many fields", &fields),
        (
            "too large a body",
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n",
        ),
        ("no such method", "BREW /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    ];
    let mut all: Vec<_> = wrong.iter().map(|(name, text)| transcript(name, [send(text)])).collect();
    all.push(transcript("nothing", [Step::End]));
    all.push(transcript("half a head", [send("GET /plaintext HT"), Step::End]));
    all.push(transcript("refused after an answer", [send(get("/plaintext") + "nonsense\r\n\r\n")]));
    all
}

/// Bytes that come back as they are.
fn raw() -> Vec<Transcript> {
    let much: Vec<u8> = (0..700_000_u32).map(|number| (number % 251) as u8).collect();
    let said = [
        ("a word", vec![send("hello"), Step::End]),
        ("two words", vec![send("hello"), Step::Await(b"hello"), send("again"), Step::End]),
        ("much", vec![send(much), Step::End]),
    ];
    let raw = |(name, steps): (&str, Vec<Step>)| Transcript { name: name.into(), raw: true, steps };
    said.into_iter().map(raw).collect()
}

/// Peers that are too slow for these limits, or want too much.
fn limited() -> (Limits, Vec<Transcript>) {
    let time = Duration::from_millis(300);
    let limits = Limits { idle: time, head: time, body_bytes: 10_000, ..Limits::default() };
    let large = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10001\r\n\r\n";
    let transcripts = vec![
        transcript("idle", [send(get("/plaintext")), Step::Silence]),
        transcript("idle after two", [send(get("/plaintext").repeat(2)), Step::Silence]),
        transcript("a slow head", [send("GET /plaintext HTTP/1.1\r\nHo"), Step::Silence]),
        transcript("a large body", [send(large)]),
        Transcript { name: "idle echo".into(), raw: true, steps: vec![send("x"), Step::Silence] },
    ];
    (limits, transcripts)
}

// The reference: a connection, and nobody who waits.

fn service(raw: bool) -> Rc<dyn Service> {
    if raw { Rc::new(Echo) } else { Rc::new(Http::new(bench())) }
}

fn bench() -> Bench {
    Bench::new(|_| ()).expect("it can be framed")
}

fn reference(transcript: &Transcript, limits: &Limits) -> Vec<u8> {
    let (mut env, mut out) = (Env::new(limits.clone()), Out::default());
    let mut io = Io { out: &mut out, env: &mut env, token: Token::new(0, 0), unsent: 0 };
    let mut connection = Connection::plain(&*service(transcript.raw), &Peer::Unnamed, &mut io);
    let mut answer = Vec::new();
    let is_open = |connection: &Connection| matches!(connection.life(), Life::Open | Life::Paused);
    for step in transcript.steps.iter().cloned() {
        match step {
            Step::Send(mut bytes) => {
                // As much as a driver reads at a time.
                for piece in bytes.chunks_mut(limits.read_bytes) {
                    connection.feed(piece, &mut io);
                    settle(&mut connection, &mut io, &mut answer);
                }
            }
            Step::Await(_) => {}
            Step::End => connection.eof(&mut io),
            Step::Silence => {
                while is_open(&connection) {
                    io.env.now = connection.deadline();
                    connection.timeout(&mut io);
                    settle(&mut connection, &mut io, &mut answer);
                }
            }
        }
        settle(&mut connection, &mut io, &mut answer);
    }
    assert!(!is_open(&connection), "{}: it does not end", transcript.name);
    answer
}

fn settle(connection: &mut Connection, io: &mut Io<'_>, answer: &mut Vec<u8>) {
    answer.extend(io.out.take());
    while connection.wants_drain() {
        connection.drained(io);
        answer.extend(io.out.take());
    }
}

// The servers.

struct Server {
    http: SocketAddr,
    https: SocketAddr,
    echo: SocketAddr,
    end: Box<dyn FnOnce()>,
}

fn anywhere() -> Listen {
    Listen { peer_speaks_first: true, ..SocketAddr::from(([127, 0, 0, 1], 0)).into() }
}

fn inet(address: &Address) -> SocketAddr {
    address.as_inet().expect("an address")
}

fn blocking(model: Model, limits: &Limits, tls: &TlsConfig) -> Server {
    let row = |raw, tls: Option<&TlsConfig>| {
        let make: Make = Arc::new(move || service(raw));
        Row { how: anywhere(), service: make, tls: tls.cloned() }
    };
    let rows = vec![row(false, None), row(false, Some(tls)), row(true, None)];
    let server = Blocking::start(model, rows, limits.clone()).expect("a server");
    let [http, https, echo] = server.addresses() else { panic!("three rows") };
    let (http, https, echo) = (inet(http), inet(https), inet(echo));
    let end = Box::new(move || assert_eq!(server.end(PATIENCE), 0, "a drain ends everything"));
    Server { http, https, echo, end }
}

/// Loops on threads of their own, all on the same ports.
fn looping<W: World + 'static>(
    count: usize,
    world: fn(&Limits) -> std::io::Result<W>,
    limits: &Limits,
    tls: &TlsConfig,
) -> Server {
    let mut at = [anywhere(), anywhere(), anywhere()];
    at.iter_mut().for_each(|how| how.reuse_port = count > 1);
    let mut loops = Vec::new();
    for _ in 0..count {
        let (handle, addresses, thread) = one_loop(world, limits, tls, at.clone());
        at.iter_mut().zip(&addresses).for_each(|(how, address)| how.address = address.clone());
        loops.push((handle, thread));
    }
    let [http, https, echo] = at.map(|how| inet(&how.address));
    let end = move || {
        for (handle, thread) in loops {
            handle.drain(PATIENCE).expect("a loop");
            assert_eq!(thread.join().expect("no panic"), 0, "a drain ends everything");
        }
    };
    Server { http, https, echo, end: Box::new(end) }
}

fn one_loop<W: World + 'static>(
    world: fn(&Limits) -> std::io::Result<W>,
    limits: &Limits,
    tls: &TlsConfig,
    at: [Listen; 3],
) -> (Handle, Vec<Address>, thread::JoinHandle<usize>) {
    let (limits, tls) = (limits.clone(), tls.clone());
    let (say, hear) = mpsc::channel();
    let thread = thread::spawn(move || {
        let world = world(&limits).expect("a world");
        let mut reactor = Reactor::with_world(world, limits);
        let [http, https, echo] = at;
        let tokens = [
            reactor.listen(http, Http::new(bench())),
            reactor.listen_tls(https, tls, Http::new(bench())),
            reactor.listen(echo, Echo),
        ];
        let address = |token| reactor.local_address(token).expect("an address");
        let addresses: Vec<_> = tokens.map(|token| token.expect("a port")).map(address).to_vec();
        say.send((reactor.handle(), addresses)).expect("the test waits");
        reactor.run().expect("it polls");
        reactor.env().live
    });
    let (handle, addresses) = hear.recv().expect("it listens");
    (handle, addresses, thread)
}

type Start = fn(&Limits, &TlsConfig) -> Server;

const POOL: Model = Model::Pool { workers: 2, queue: 8, stack: STACK };

const MODELS: &[(&str, Start)] = &[
    ("blocking", |limits, tls| blocking(Model::Single, limits, tls)),
    ("threads", |limits, tls| blocking(Model::Threads { stack: STACK }, limits, tls)),
    ("pool=2", |limits, tls| blocking(POOL, limits, tls)),
    ("spin", |limits, tls| looping(1, Spin::new, limits, tls)),
    #[cfg(target_os = "linux")]
    ("level", |limits, tls| looping(1, Level::new, limits, tls)),
    ("loop", |limits, tls| looping(1, Edge::new, limits, tls)),
    ("loops=2", |limits, tls| looping(2, Edge::new, limits, tls)),
];

// The client.

/// A way to a server: plain, or enciphered.
trait Way: Read + Write {
    /// Ends our direction.
    fn end(&mut self);
}

impl Way for TcpStream {
    fn end(&mut self) {
        // The server may have left already.
        let _ = self.shutdown(Shutdown::Write);
    }
}

type Secure = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

impl Way for Secure {
    fn end(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
    }
}

fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).expect("accepted by the system");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// Carries a transcript out; answers everything that came, with the dates masked.
fn converse(way: &mut dyn Way, transcript: &Transcript) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut pieces = 0;
    for step in &transcript.steps {
        match step {
            Step::Send(bytes) => {
                if pieces > 0 {
                    thread::sleep(APART);
                }
                pieces += 1;
                // Refused before it was all said: the answer tells.
                let _ = way.write_all(bytes).and_then(|()| way.flush());
            }
            Step::Await(text) => {
                while !answer.ends_with(text) {
                    let mut byte = [0];
                    way.read_exact(&mut byte).expect("it says what is awaited");
                    answer.extend(byte);
                }
            }
            Step::End => way.end(),
            Step::Silence => {}
        }
    }
    // A reset at the end may follow what was refused; what came before it counts.
    let end = way.read_to_end(&mut answer);
    let late = end.err().filter(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(late.is_none(), "{}: it does not end", transcript.name);
    masked(answer)
}

/// Without the dates, and short enough to be shown.
fn masked(mut bytes: Vec<u8>) -> Vec<u8> {
    const DATE: &[u8] = b"\r\nDate: ";
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(DATE.len()).position(|window| window == DATE) {
        at += found + DATE.len();
        let end = (at + 29).min(bytes.len());
        bytes[at..end].fill(b'-');
    }
    bytes
}

/// Much is said on one thread and heard on another, or both sides would wait for room.
fn converse_at(at: SocketAddr, transcript: &Transcript) -> Vec<u8> {
    let mut stream = connect(at);
    let is_long = |step: &Step| matches!(step, Step::Send(bytes) if bytes.len() > 50_000);
    if !transcript.steps.iter().any(is_long) {
        return converse(&mut stream, transcript);
    }
    let mut reader = stream.try_clone().expect("a clone");
    let reading = thread::spawn(move || {
        let mut answer = Vec::new();
        reader.read_to_end(&mut answer).map(|_| answer)
    });
    for step in &transcript.steps {
        match step {
            Step::Send(bytes) => stream.write_all(bytes).expect("all is taken"),
            Step::End => stream.end(),
            Step::Await(_) | Step::Silence => panic!("not in a long one"),
        }
    }
    masked(reading.join().expect("no panic").expect("all of it"))
}

struct Keys {
    server: TlsConfig,
    client: Arc<rustls::ClientConfig>,
}

impl Keys {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]);
        let made = made.expect("a certificate");
        let pair = KeyPair {
            chain: made.cert.pem().as_str().into(),
            key: made.signing_key.serialize_pem().as_str().into(),
        };
        let server = TlsConfig::server(TlsPolicy::default(), vec![pair]).expect("a configuration");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let provider = Arc::new(cryptography::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Keys { server, client: Arc::new(client) }
    }

    fn connect(&self, at: SocketAddr) -> Secure {
        let name = ServerName::try_from("localhost").expect("a name");
        let client = rustls::ClientConnection::new(Arc::clone(&self.client), name);
        rustls::StreamOwned::new(client.expect("a client"), connect(at))
    }
}

fn compare(model: &str, transcript: &Transcript, got: &[u8], expected: &[u8]) {
    let same = got == expected;
    let shown = |bytes: &[u8]| {
        let part = &bytes[..bytes.len().min(600)];
        format!("{} bytes: {:?}", bytes.len(), String::from_utf8_lossy(part))
    };
    let name = &transcript.name;
    assert!(same, "{model}, {name}\n{}\nand not\n{}", shown(got), shown(expected));
}

#[test]
fn every_model_says_the_same_bytes() {
    let (keys, limits) = (Keys::new(), Limits::default());
    let transcripts: Vec<_> = good().into_iter().chain(bad()).chain(raw()).collect();
    for (model, start) in MODELS {
        let server = start(&limits, &keys.server);
        for transcript in &transcripts {
            let expected = masked(reference(transcript, &limits));
            let at = if transcript.raw { server.echo } else { server.http };
            compare(model, transcript, &converse_at(at, transcript), &expected);
        }
        (server.end)();
    }
}

#[test]
fn every_model_says_the_same_over_tls() {
    let (keys, limits) = (Keys::new(), Limits::default());
    for (model, start) in MODELS {
        let server = start(&limits, &keys.server);
        // What is long needs two threads, and an enciphered stream has one.
        let is_short = |transcript: &Transcript| transcript.name != "a long body";
        for transcript in good().into_iter().filter(is_short).chain(bad()) {
            let expected = masked(reference(&transcript, &limits));
            let got = converse(&mut keys.connect(server.https), &transcript);
            compare(model, &transcript, &got, &expected);
        }
        (server.end)();
    }
}

#[test]
fn every_model_keeps_the_same_limits() {
    let keys = Keys::new();
    let (limits, transcripts) = limited();
    for (model, start) in MODELS {
        let server = start(&limits, &keys.server);
        for transcript in &transcripts {
            let expected = masked(reference(transcript, &limits));
            let at = if transcript.raw { server.echo } else { server.http };
            compare(model, transcript, &converse_at(at, transcript), &expected);
        }
        (server.end)();
    }
}

#[test]
fn a_drain_answers_what_is_under_way_and_ends_idle_connections() {
    let (keys, limits) = (Keys::new(), Limits::default());
    for (model, start) in MODELS {
        let server = start(&limits, &keys.server);
        let mut idle = connect(server.http);
        idle.write_all(get("/plaintext").as_bytes()).expect("it is taken");
        let mut first = vec![0; 13];
        while !first.ends_with(b"Hello, World!") {
            let mut byte = [0];
            idle.read_exact(&mut byte).expect("an answer");
            first.extend(byte);
        }
        let leaving = thread::spawn(move || {
            let mut rest = Vec::new();
            idle.read_to_end(&mut rest).map(|_| rest.len())
        });
        (server.end)();
        let rest = leaving.join().expect("no panic");
        assert_eq!(rest.ok(), Some(0), "{model}: nothing more, and a clean end");
    }
}

#[test]
fn a_drain_lets_a_request_come_to_its_end() {
    let (keys, limits) = (Keys::new(), Limits::default());
    for (model, start) in MODELS {
        let server = start(&limits, &keys.server);
        let mut peer = connect(server.http);
        let head = "POST /echo HTTP/1.1\r\nHost: parity\r\nContent-Length: 10\r\n\r\n12345";
        peer.write_all(head.as_bytes()).expect("it is taken");
        let mut first = [0; 12];
        peer.read_exact(&mut first).expect("it has begun to answer");
        let sending = thread::spawn(move || {
            // After the drain has begun, most likely; before it, this shows nothing, and no harm.
            thread::sleep(Duration::from_millis(100));
            peer.write_all(b"67890").expect("it is still taken");
            let mut rest = Vec::new();
            peer.read_to_end(&mut rest).map(|_| rest)
        });
        (server.end)();
        let rest = sending.join().expect("no panic").expect("a clean end");
        assert!(rest.ends_with(b"1234567890"), "{model}: {}", rest.escape_ascii());
    }
}

// The command.

/// `serve --model` under control.
struct Controlled {
    child: Child,
    asks: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
    rows: BTreeMap<String, String>,
}

impl Controlled {
    fn start(model: &str, rows: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("readyloop-parity-{}", std::process::id()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_readyloop"));
        command.args(["serve", "--quiet", "--control", "--model", model, "--only", rows]);
        command.args(rows.split(',').flat_map(|row| [format!("--{row}"), "0".into()]));
        command.env("XDG_DATA_HOME", &folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let asks = child.stdin.take();
        let says = BufReader::new(child.stdout.take().expect("its stdout"));
        let mut controlled = Controlled { child, asks, says, rows: BTreeMap::new() };
        let ready: Ready = controlled.hear();
        assert_eq!(ready.model, model);
        assert!(!ready.options.is_empty());
        controlled.rows = ready.rows;
        controlled
    }

    fn hear<T: serde::de::DeserializeOwned>(&mut self) -> T {
        let mut line = String::new();
        self.says.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).expect(&line)
    }

    fn sample(&mut self) -> Sample {
        self.asks.as_mut().expect("a stdin").write_all(b"sample\n").expect("it listens");
        self.hear()
    }

    fn at(&self, row: &str) -> SocketAddr {
        self.rows[row].parse().expect("an address")
    }

    /// The end of its stdin is its own.
    fn end(mut self) {
        self.asks = None;
        assert!(self.child.wait().expect("it ends").success());
    }
}

#[test]
fn samples_tell_what_a_model_did() {
    for model in ["blocking", "threads", "pool=2", "spin", "level", "loop", "loops=2"] {
        if model == "level" && !cfg!(target_os = "linux") {
            continue;
        }
        let mut server = Controlled::start(model, "http,tcp-echo");
        let before = server.sample();
        assert_eq!((before.connections, before.calls.map(|calls| calls.accepts)), (0, Some(0)));
        let talk = transcript("two", [send(get("/plaintext")), send(last("/plaintext"))]);
        let answer = converse_at(server.at("http"), &talk);
        assert!(answer.ends_with(b"Hello, World!"), "{model}");
        // A loop answers at its next turn, by which it has closed or not.
        let after = server.sample();
        let calls = after.calls.expect("a model counts");
        assert_eq!(calls.accepts, 1, "{model}");
        assert!((1..=4).contains(&calls.reads) && (1..=2).contains(&calls.writes), "{calls:?}");
        assert!(after.user_us + after.system_us >= before.user_us + before.system_us);
        let threads = match model {
            "spin" | "level" | "loop" => 1,
            "pool=2" => 4,
            _ => 2,
        };
        // A thread per connection may have ended or not.
        assert!(!cfg!(target_os = "linux") || (threads..=threads + 1).contains(&after.threads));
        assert_eq!(after.turns.is_some(), !["blocking", "threads", "pool=2"].contains(&model));
        server.end();
    }
}

#[test]
fn the_commands_threads_have_room_for_tls() {
    for model in ["blocking", "threads", "pool=2"] {
        let server = Controlled::start(model, "https");
        let mut load = Command::new(env!("CARGO_BIN_EXE_readyloop"));
        load.args(["load", &format!("https://{}/bytes/100000", server.at("https"))]);
        load.args(["-c", "1", "-d", "100ms", "--warmup", "0", "--insecure", "--json"]);
        let output = load.output().expect("it runs");
        let outcome: Outcome = serde_json::from_slice(&output.stdout).expect("an outcome");
        assert!(outcome.answered > 0, "{model}: {outcome:?}");
        assert_eq!(outcome.errors.total(), 0, "{model}: {outcome:?}");
        server.end();
    }
}

#[test]
fn goroutines_say_the_same_to_good_requests() {
    if Command::new("go").arg("version").output().is_err() {
        eprintln!("SKIPPED: Go is not installed");
        return;
    }
    let limits = Limits::default();
    let mut server = Controlled::start("go", "http,tcp-echo");
    for transcript in good().iter().chain(&raw()) {
        // It has no WebSocket, nor one to refuse.
        if transcript.name.contains("WebSocket") {
            continue;
        }
        let at = server.at(if transcript.raw { "tcp-echo" } else { "http" });
        let expected = masked(reference(transcript, &limits));
        compare("go", transcript, &converse_at(at, transcript), &expected);
    }
    assert!(server.sample().user_us > 0);
    server.end();
}
