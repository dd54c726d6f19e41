//! Mutated input for every machine: nothing panics, nothing grows without bound, and how bytes are
//! split changes nothing. A few seconds in `cargo test`; `FUZZ_SECONDS=60` goes on for longer, and
//! `SEED=n` starts elsewhere. A failure prints the seed of its case.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use readyloop::buf::Out;
use readyloop::connection::tls::{
    ClientPolicy, ClientTls, KeyPair, TlsConfig, TlsPeer, TlsPolicy, Trust,
};
use readyloop::connection::{Connection, Io, Life};
use readyloop::proto::h1::client::{Asked, Client, Event, Memo};
use readyloop::session::datagram::Peer;
use readyloop::session::http::{Answered, Collect, Http, Reply};
use readyloop::session::raw::{Handler, Raw};
#[cfg(feature = "web")]
use readyloop::session::ws;
use readyloop::session::{Cx, Env, Flow};
use readyloop::{Head, Limits, Moment, Token};

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as cryptography;
#[cfg(not(feature = "aws-lc-rs"))]
use rustls::crypto::ring as cryptography;

/// A small generator: the cases must be the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs `case` on one seed after the other until the time is up.
fn fuzz(mut case: impl FnMut(&mut Random)) {
    let time = Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(3));
    let first = number("SEED").unwrap_or(1);
    let start = Instant::now();
    let mut seed = first;
    // At least some cases run, however slow the machine.
    while seed < first + 2000 || start.elapsed() < time {
        let outcome =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(&mut Random(seed))));
        if let Err(panic) = outcome {
            eprintln!("reproduce with SEED={seed}");
            std::panic::resume_unwind(panic);
        }
        seed += 1;
    }
    eprintln!("{} cases", seed - first);
}

/// Well-formed requests, and the pieces that mutations are made of.
const REQUESTS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /a?b=c HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
    b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world",
    b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=\"b\"\r\n world\r\n0\r\nX: y\r\n\r\n",
    b"PUT /body HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
    b"GET http://a.example/b HTTP/1.1\r\nHost: a.example\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
];

/// Well-formed responses.
const RESPONSES: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=\"b\"\r\n world\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
];

const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b"=",
    b"\"",
    b"\\",
    b",",
    b"0",
    b"00",
    b"-1",
    b"+5",
    b"ffffffffffffffff",
    b"99999999999999999999",
    b"HTTP/1.1",
    b"HTTP/2.0",
    b"HTTP/1.0",
    b"Host: y\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 3, 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"\xff",
    b"\x80",
    b"*",
    b"/",
    b"?",
    b"#",
    b"%",
    b"http://",
    b" folded\r\n",
];

fn input(messages: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..1 + random.below(3) {
        bytes.extend_from_slice(messages[random.below(messages.len())]);
    }
    for _ in 0..random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(4) {
            0 if at < bytes.len() => bytes[at] = random.next() as u8,
            1 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
            2 if at < bytes.len() => {
                drop(bytes.drain(at..(at + 1 + random.below(8)).min(bytes.len())))
            }
            _ => {
                let end = (at + random.below(40)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len() + 1);
                drop(bytes.splice(to..to, copy));
            }
        }
    }
    // A fault is reported when its line is complete, or before: at the end, lines are.
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes
}

fn answer(request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
    // What a handler may look at must never be malformed.
    assert!(
        request.path().starts_with('/') || request.target == "*" || request.method == "CONNECT"
    );
    for (name, value) in request.headers() {
        assert!(!name.is_empty() && !value.contains(&b'\n') && !value.contains(&b'\r'));
    }
    match request.path() {
        "/body" => Collect::reply(reply, 1 << 16, |body, writer| writer.send(200, &[], &body)),
        path => reply.send(200, &[], path.as_bytes()),
    }
}

/// Feeds `bytes` in pieces that `size` chooses.
fn run(bytes: &[u8], mut size: impl FnMut() -> usize) -> (Vec<u8>, Life) {
    let mut env = Env::new(Limits::default());
    env.date.refresh(Moment::START, UNIX_EPOCH);
    let (mut out, token) = (Out::default(), Token::new(0, 1));
    let service = Http::new(answer);
    let mut io = Io { out: &mut out, env: &mut env, token, unsent: 0 };
    let mut connection = Connection::plain(&service, &Peer::Unnamed, &mut io);
    let mut rest = bytes;
    while !rest.is_empty() && matches!(connection.life(), Life::Open) {
        let (piece, others) = rest.split_at(size().clamp(1, rest.len()));
        let mut wire = piece.to_vec();
        connection.feed(&mut wire, &mut Io { out: &mut out, env: &mut env, token, unsent: 0 });
        rest = others;
    }
    // Whether a peer that asked for the end sent more behind it is all that tells these two apart.
    let life =
        if connection.life() == Life::Flushing { Life::Lingering } else { connection.life() };
    (out.take(), life)
}

#[test]
fn http_is_read_the_same_however_it_is_split() {
    fuzz(|random| {
        let bytes = input(REQUESTS, random);
        let whole = run(&bytes, || usize::MAX);
        let split = run(&bytes, || 1 + random.below(20));
        assert_eq!(whole.1, split.1, "{}", bytes.escape_ascii());
        if whole.0 != split.0 {
            // Which of two faults is found first may depend on how much is there; that one is
            // found may not, nor what was answered before it.
            let ours = |out: &[u8]| String::from_utf8_lossy(out).rfind("HTTP/1.1 ").unwrap_or(0);
            let (a, b) = (ours(&whole.0), ours(&split.0));
            assert_eq!(whole.0[..a], split.0[..b], "{}", bytes.escape_ascii());
            assert_eq!(whole.1, Life::Lingering, "{}", bytes.escape_ascii());
        }
    });
}

/// What a response machine makes of `bytes` in pieces that `size` chooses: heads and ends, and the
/// bytes of bodies; and whether it refused the rest.
fn read(bytes: &[u8], asked: Asked, mut size: impl FnMut() -> usize) -> (String, bool) {
    let (mut machine, mut memo, limits) = (Client::new(), Memo::new(), Limits::default());
    let (mut log, mut used, mut came) = (String::new(), 0, 0);
    while came < bytes.len() {
        came += size().clamp(1, bytes.len() - came);
        loop {
            let mut rest = &bytes[used..came];
            let event = machine.next_event(&mut rest, asked, &mut memo, &limits);
            used = came - rest.len();
            match event {
                Ok(Some(Event::Head(head))) => {
                    assert!((100..1000).contains(&head.status));
                    for (name, value) in head.headers() {
                        assert!(!name.is_empty() && !value.contains(&b'\n'));
                    }
                    log += &format!("\n{} {:?} ", head.status, head.framing);
                }
                Ok(Some(Event::Data(data))) => log += &data.escape_ascii().to_string(),
                Ok(Some(Event::Trailers(_))) => log += "\ntrailers",
                Ok(Some(Event::End)) => log += "\nend",
                Ok(None) => break,
                Err(_) => return (log, true),
            }
        }
    }
    let refused = machine.eof().is_err();
    (log, refused)
}

#[test]
fn responses_are_read_the_same_however_they_are_split() {
    fuzz(|random| {
        let bytes = input(RESPONSES, random);
        let asked = if random.below(8) == 0 { Asked::Head } else { Asked::Other };
        let whole = read(&bytes, asked, || usize::MAX);
        let split = read(&bytes, asked, || 1 + random.below(20));
        assert_eq!(whole, split, "{}", bytes.escape_ascii());
    });
}

/// A client that trusts nobody and says hello all the same.
fn hello(random: &mut Random) -> Vec<u8> {
    let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
    let versions: &[&rustls::SupportedProtocolVersion] = match random.below(3) {
        0 => &[&rustls::version::TLS12],
        1 => &[&rustls::version::TLS13],
        _ => rustls::ALL_VERSIONS,
    };
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(cryptography::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions of this provider")
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("a vector takes everything");
    bytes
}

/// A server, and a client that trusts it.
fn tls() -> (TlsConfig, TlsPeer) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
    let chain = made.cert.pem();
    let pair = KeyPair {
        chain: chain.as_str().into(),
        key: made.signing_key.serialize_pem().as_str().into(),
    };
    let config = TlsConfig::server(TlsPolicy::default(), vec![pair]).expect("a configuration");
    let policy = ClientPolicy::new(Trust::Roots(vec![chain.as_str().into()]));
    let peer = ClientTls::new(&policy).and_then(|tls| tls.peer("localhost")).expect("a policy");
    (config, peer)
}

/// Changes a flight of a handshake a few times, or not at all.
fn spoil(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..random.below(6) {
        let at = random.below(bytes.len());
        match random.below(4) {
            _ if bytes.is_empty() => return,
            0 => bytes[at] = random.next() as u8,
            1 => bytes.insert(at, random.next() as u8),
            2 => drop(bytes.drain(at..(at + 1 + random.below(64)).min(bytes.len()))),
            _ => bytes.extend((0..random.below(300)).map(|_| random.next() as u8)),
        }
    }
}

/// What of a server's flight is bound to its keys: what its records hold, and how long they are. Of
/// their headers' types and versions rustls takes no notice once they are enciphered (what they
/// hold has its own type, RFC 8446 §5.2), and the change of cipher is there for the sake of boxes
/// on the way (§D.4).
fn bound(flight: &[u8]) -> Vec<u8> {
    const CHANGE_CIPHER: u8 = 20;
    let (mut kept, mut rest) = (Vec::new(), flight);
    while let [kind, _, _, high, low, more @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(more.len());
        let (body, others) = more.split_at(length);
        if *kind != CHANGE_CIPHER || body != [1] {
            kept.extend([*high, *low]);
            kept.extend(body);
        }
        rest = others;
    }
    kept.extend(rest);
    kept
}

#[test]
fn a_tls_client_opens_for_the_unchanged_flight_alone() {
    let (config, peer) = tls();
    fuzz(|random| {
        let mut env = Env::new(Limits::default());
        let (mut out, token) = (Out::default(), Token::new(0, 1));
        let (tls, session) = (peer.connect().expect("a client"), Raw::new(Silent));
        let deadline = env.now + Duration::from_secs(1);
        let mut connection = Connection::dialled(Box::new(session), Some(tls), deadline);
        connection.connected(&mut Io { out: &mut out, env: &mut env, token, unsent: 0 });
        let (mut server, mut flight) = (config.accept().expect("a server"), Vec::new());
        server.read(&mut out.take(), &mut flight, |_| {}).expect("an honest hello");
        let honest = flight.clone();
        spoil(&mut flight, random);
        let mut rest = &flight[..];
        while !rest.is_empty() && connection.wants_read() {
            let (piece, others) = rest.split_at((1 + random.below(700)).min(rest.len()));
            let mut wire = piece.to_vec();
            connection.feed(&mut wire, &mut Io { out: &mut out, env: &mut env, token, unsent: 0 });
            rest = others;
        }
        assert!(out.len() < 16 * 1024, "a handshake is not answered with a flood");
        let changed = !bound(&flight).starts_with(&bound(&honest));
        assert!(
            !changed || connection.life() != Life::Open,
            "something else was believed:\n{}\nfor\n{}",
            flight.escape_ascii(),
            honest.escape_ascii()
        );
        if flight == honest {
            assert_eq!(connection.life(), Life::Open, "{:?}", connection.fault());
        }
    });
}

/// A session that has nothing to say.
struct Silent;

impl Handler for Silent {
    fn on_bytes(&mut self, _: &[u8], _: &mut Cx<'_>) -> Flow {
        Flow::Continue
    }
}

#[test]
fn tls_ends_every_broken_handshake_and_keeps_little() {
    let (config, _) = tls();
    let service: Rc<dyn readyloop::session::Service> = Rc::new(Http::new(answer));
    fuzz(|random| {
        let mut bytes = hello(random);
        spoil(&mut bytes, random);
        if bytes.is_empty() {
            return;
        }
        let mut env = Env::new(Limits::default());
        let (mut out, token) = (Out::default(), Token::new(0, 1));
        let tls = config.accept().expect("a connection");
        let mut connection = Connection::secure(tls, Rc::clone(&service), Peer::Unnamed, &env);
        let mut rest = &bytes[..];
        while !rest.is_empty() && connection.wants_read() {
            let (piece, others) = rest.split_at((1 + random.below(700)).min(rest.len()));
            let mut wire = piece.to_vec();
            connection.feed(&mut wire, &mut Io { out: &mut out, env: &mut env, token, unsent: 0 });
            rest = others;
        }
        assert!(
            out.len() < 16 * 1024,
            "a handshake answers with its certificate, not with a flood"
        );
        assert_ne!(connection.life(), Life::Open, "no mutation completes a handshake");
        env.now = connection.deadline();
        connection.timeout(&mut Io { out: &mut out, env: &mut env, token, unsent: 0 });
        assert!(matches!(connection.life(), Life::Closed | Life::Lingering));
    });
}

#[cfg(feature = "web")]
mod websocket {
    use super::*;
    use readyloop::proto::ws::{Keys, Refusal, Sender};

    /// A handler that says what it hears.
    struct Echo;

    impl ws::Handler for Echo {
        fn on_text(&mut self, text: &str, peer: &mut ws::Peer<'_, '_>) {
            peer.send_text(text);
        }

        fn on_binary(&mut self, data: &[u8], peer: &mut ws::Peer<'_, '_>) {
            peer.send_binary(data);
        }
    }

    const OPENING: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

    /// What a client might say, and then not quite.
    fn frames(random: &mut Random) -> Vec<u8> {
        let keys: Keys = Box::new(|| [0x37, 0xfa, 0x21, 0x3d]);
        let (mut client, mut bytes) = (Sender::client(keys, None), Vec::new());
        let mut pool = Default::default();
        for _ in 0..1 + random.below(5) {
            let length = random.below(300);
            let data: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
            match random.below(6) {
                0 => client.binary(&data, &mut bytes, &mut pool),
                1 => client.ping(&data, &mut bytes),
                2 => client.pong(&data, &mut bytes),
                3 => bytes.extend_from_slice(b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\0"),
                4 => bytes.extend_from_slice(b"\x01\x82\0\0\0\0\xc3\xa9\x80\x81\0\0\0\0!"),
                _ => client.text(&"\u{e9}t\u{e9}".repeat(length), &mut bytes, &mut pool),
            }
        }
        if random.below(2) == 0 {
            client.close(1000, "enough", &mut bytes);
        }
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                2 => bytes.insert(at, random.next() as u8),
                _ => drop(bytes.drain(at..(at + 1 + random.below(8)).min(bytes.len()))),
            }
            if bytes.is_empty() {
                break;
            }
        }
        [OPENING, &bytes].concat()
    }

    /// Feeds `bytes` in pieces that `size` chooses.
    fn run(bytes: &[u8], mut size: impl FnMut() -> usize) -> (Vec<u8>, Life) {
        let (mut env, mut out) = (Env::new(Limits::default()), Out::default());
        env.date.refresh(Moment::START, UNIX_EPOCH);
        let token = Token::new(0, 1);
        let options = Rc::new(ws::Options {
            deflate: Some(ws::Deflate::with_takeover()),
            message_bytes: 4096,
            ..ws::Options::default()
        });
        let service = Http::new(move |head: &Head<'_>, reply: Reply<'_, '_>| -> Answered {
            ws::accept(head, reply, &options, Echo)
        });
        let mut io = Io { out: &mut out, env: &mut env, token, unsent: 0 };
        let mut connection = Connection::plain(&service, &Peer::Unnamed, &mut io);
        let mut rest = bytes;
        while !rest.is_empty() && connection.life() == Life::Open {
            let (piece, others) = rest.split_at(size().clamp(1, rest.len()));
            let mut wire = piece.to_vec();
            connection.feed(&mut wire, &mut Io { out: &mut out, env: &mut env, token, unsent: 0 });
            rest = others;
        }
        (out.take(), connection.life())
    }

    /// Without the close frame of a refusal: which of two faults is found may depend on how much
    /// has come.
    fn before_refusal(said: &[u8]) -> &[u8] {
        let frames = Refusal::ALL.iter().map(|refusal| {
            let what = refusal.fault().what.as_bytes();
            let head = [0x88, 2 + what.len() as u8];
            [&head, &refusal.code().to_be_bytes()[..], what].concat()
        });
        frames.into_iter().find_map(|frame| said.strip_suffix(&frame[..])).unwrap_or(said)
    }

    #[test]
    fn websockets_are_read_the_same_however_they_are_split() {
        fuzz(|random| {
            let bytes = frames(random);
            let whole = run(&bytes, || usize::MAX);
            let split = run(&bytes, || 1 + random.below(40));
            assert_eq!(whole.1, split.1, "{}", bytes.escape_ascii());
            let said = [&whole.0, &split.0].map(|said| before_refusal(said).escape_ascii());
            assert_eq!(said[0].to_string(), said[1].to_string(), "{}", bytes.escape_ascii());
        });
    }
}
