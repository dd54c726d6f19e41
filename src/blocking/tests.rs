//! Blocking servers on loopback: what only they do. That they say the same bytes as the others is
//! shown in `tests/parity.rs`.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Blocking, Make, Model, Row};
use crate::buf::FileSpan;
use crate::limits::Limits;
use crate::session::raw::{Handler, Raw};
use crate::session::{ConnInfo, Cx, Flow, Message, Service, Session};
use crate::socket::Listen;
use crate::token::Token;

const PATIENCE: Duration = Duration::from_secs(30);

/// Does what each letter says.
struct Letters;

impl Handler for Letters {
    fn on_bytes(&mut self, bytes: &[u8], cx: &mut Cx<'_>) -> Flow {
        for letter in bytes {
            match letter {
                // A file, between bytes of our own.
                b'f' => {
                    cx.write(b"<");
                    let file = Arc::new(File::open("Cargo.toml").expect("the crate's folder"));
                    let span = FileSpan { file, offset: 1, length: 7 };
                    if cx.write_file(span).is_err() {
                        cx.write(b"package");
                    }
                    cx.write(b">");
                }
                // More shared parts than one write takes.
                b's' => {
                    for _ in 0..40 {
                        cx.write(b".");
                        cx.write_shared(Bytes::from(vec![b's'; 5000]));
                    }
                }
                b'o' => cx.offload(|| Message::Bytes(Bytes::from_static(b"done"))),
                b'p' => cx.offload(|| std::panic::resume_unwind(Box::new("a bug in a job"))),
                b'm' => {
                    let me = cx.token();
                    cx.send(Token::new(77, 77), Message::Bytes(Bytes::from_static(b"lost")));
                    cx.send(me, Message::Bytes(Bytes::from_static(b"heard")));
                }
                // Much more than the system takes.
                _ => cx.write_shared(Bytes::from(vec![b'x'; 32 << 20])),
            }
        }
        Flow::Continue
    }
}

struct Spell;

impl Service for Spell {
    fn open(&self, _: &ConnInfo<'_>) -> Box<dyn Session> {
        Box::new(Raw::new(Letters))
    }
}

fn serve(model: Model, limits: Limits) -> (Blocking, TcpStream) {
    let make: Make = Arc::new(|| Rc::new(Spell));
    let how = Listen::from(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
    let server = Blocking::start(model, vec![Row { how, service: make, tls: None }], limits);
    let server = server.expect("a server");
    let at = server.addresses()[0].as_inet().expect("an address");
    let peer = TcpStream::connect(at).expect("accepted");
    peer.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    (server, peer)
}

fn ask(peer: &mut TcpStream, letters: &str, count: usize) -> String {
    peer.write_all(letters.as_bytes()).expect("it is taken");
    let mut answer = vec![0; count];
    peer.read_exact(&mut answer).expect("an answer");
    String::from_utf8(answer).expect("text")
}

#[test]
fn files_shared_parts_and_wishes_are_done_on_the_spot() {
    let threads = Model::Threads { stack: 1 << 20 };
    for model in [Model::Single, threads, Model::Pool { workers: 1, queue: 1, stack: 1 << 20 }] {
        let (server, mut peer) = serve(model, Limits::default());
        assert_eq!(ask(&mut peer, "f", 9), "<package>");
        let part = format!(".{}", "s".repeat(5000));
        assert_eq!(ask(&mut peer, "s", 40 * part.len()), part.repeat(40));
        assert_eq!(ask(&mut peer, "o", 4), "done");
        // A job that panics takes nobody along.
        assert_eq!(ask(&mut peer, "po", 4), "done");
        assert_eq!(ask(&mut peer, "m", 5), "heard");
        drop(peer);
        let gate = server.gate();
        assert_eq!(server.end(PATIENCE), 0);
        let totals = gate.totals();
        assert_eq!((totals.accepted, totals.closed, totals.live), (1, 1, 0));
        assert!(totals.reads >= 5 && totals.writes >= 5);
    }
}

#[test]
fn who_takes_nothing_is_closed_by_the_rule_of_progress() {
    let limits = Limits { progress: Duration::from_millis(100), ..Limits::default() };
    let (server, mut peer) = serve(Model::Single, limits);
    peer.write_all(b"x").expect("it is taken");
    let gate = server.gate();
    while gate.totals().closed == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut rest = Vec::new();
    assert!(peer.read_to_end(&mut rest).is_err(), "cut short, and not ended in peace");
    assert_eq!(server.end(PATIENCE), 0);
}

#[test]
fn a_drain_cuts_off_whoever_takes_too_long() {
    let (server, mut peer) = serve(Model::Threads { stack: 1 << 20 }, Limits::default());
    // Half of what it is told is in the kernel, and nobody reads.
    peer.write_all(b"x").expect("it is taken");
    let mut first = [0];
    peer.read_exact(&mut first).expect("it begins");
    assert_eq!(server.end(Duration::from_millis(50)), 0);
}

#[test]
fn one_at_a_time_means_that_the_next_one_waits() {
    let (server, mut first) = serve(Model::Single, Limits::default());
    assert_eq!(ask(&mut first, "o", 4), "done");
    let at = first.peer_addr().expect("an address");
    let mut second = TcpStream::connect(at).expect("queued by the system");
    second.write_all(b"o").expect("taken by the system");
    assert_eq!(server.gate().totals().accepted, 1);
    drop(first);
    let mut answer = [0; 4];
    second.read_exact(&mut answer).expect("now it is its turn");
    drop(second);
    assert_eq!(server.end(PATIENCE), 0);
}
