//! The loop inside other programs: the examples of `tools/examples`, run here, and what they do
//! not show.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use readyloop::app::echo::Echo;
use readyloop::reactor::SendError;
use readyloop::session::{CloseMode, Message, Service};
use readyloop::{Limits, Reactor, Token};

#[cfg(feature = "web")]
#[path = "../tools/examples/broadcast.rs"]
pub mod broadcast;
#[path = "../tools/examples/nested.rs"]
pub mod nested;
#[cfg(feature = "web")]
#[path = "../tools/examples/rest.rs"]
pub mod rest;
#[path = "../tools/examples/tick.rs"]
pub mod tick;
#[path = "../tools/examples/worker.rs"]
pub mod worker;

#[test]
fn the_examples_reach_their_ends() {
    tick::main().expect("a host that ticks");
    nested::main().expect("a host that nests");
    worker::main().expect("a host with a worker");
}

/// The examples that serve for ever, as their peers see them.
#[cfg(feature = "web")]
mod servers {
    use super::*;

    /// Asks, with a request that ends the connection, and hears all that comes.
    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer
    }

    #[test]
    fn rest_reads_and_writes_json_counts_visits_and_has_files() {
        let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/examples");
        let (mut reactor, address) = serving(rest::service(tools.as_ref()).expect("a folder"));
        let handle = reactor.handle();
        let client = thread::spawn(move || {
            let ends = "Host: here\r\nConnection: close\r\n";
            let item = r#"{"name":"milk","count":2}"#;
            let json = format!("Content-Type: application/json\r\nContent-Length: {}", item.len());
            let made = ask(address, &format!("POST /items HTTP/1.1\r\n{ends}{json}\r\n\r\n{item}"));
            let cookie = "Cookie: visits=41\r\n";
            let list = ask(address, &format!("GET /items HTTP/1.1\r\n{ends}{cookie}\r\n"));
            let file = ask(address, &format!("GET /rest.rs HTTP/1.1\r\n{ends}\r\n"));
            handle.stop().expect("it runs");
            (made, list, file)
        });
        reactor.run().expect("the poll works");
        let (made, list, file) = client.join().expect("the client ends");
        assert!(made.starts_with("HTTP/1.1 201 ") && made.contains("visits=1;"), "{made}");
        assert!(list.ends_with(r#"[{"name":"milk","count":2}]"#) && list.contains("visits=42;"));
        assert!(file.starts_with("HTTP/1.1 200 ") && file.contains("//! A small REST service"));
    }

    #[test]
    fn broadcast_passes_on_what_members_and_other_threads_say() {
        let room = broadcast::Room::default();
        let (mut reactor, address) = serving(broadcast::service(room.clone()));
        let handle = reactor.handle();
        let client = thread::spawn(move || {
            let hello = "GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\n\
                Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
            let mut heard = Vec::new();
            let mut members = [(); 2].map(|()| {
                let mut stream = TcpStream::connect(address).expect("it listens");
                stream.write_all(hello.as_bytes()).expect("sent");
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).expect("an answer");
                    head.extend(byte);
                }
                stream
            });
            // "hi" under a mask of zeros.
            members[0].write_all(b"\x81\x82\0\0\0\0hi").expect("sent");
            for member in &mut members {
                let mut frame = [0; 4];
                member.read_exact(&mut frame).expect("what the first said");
                heard.push(frame);
            }
            handle.exec(move |env| room.say("yo", env)).expect("it runs");
            for member in &mut members {
                let mut frame = [0; 4];
                member.read_exact(&mut frame).expect("what the thread said");
                heard.push(frame);
            }
            handle.stop().expect("it runs");
            heard
        });
        reactor.run().expect("the poll works");
        let heard = client.join().expect("the client ends");
        assert_eq!(heard, [*b"\x81\x02hi", *b"\x81\x02hi", *b"\x81\x02yo", *b"\x81\x02yo"]);
    }
}

fn echoes() -> (Reactor, SocketAddr) {
    serving(Echo)
}

fn serving(service: impl Service + 'static) -> (Reactor, SocketAddr) {
    let mut reactor = Reactor::new(Limits::default()).expect("a poll");
    let listener = reactor.listen(SocketAddr::from(([127, 0, 0, 1], 0)), service).expect("a port");
    let address = reactor.local_address(listener).and_then(|at| at.as_inet()).expect("an address");
    (reactor, address)
}

/// Turns until nothing is left to do at once.
fn settle(reactor: &mut Reactor) {
    while reactor.turn(Some(Duration::ZERO)).expect("the poll works").more {}
}

/// Whether the loop's descriptor says within `time` that a turn would find something.
fn is_readable(reactor: &Reactor, time: u16) -> bool {
    let mut ready = [PollFd::new(reactor.as_fd(), PollFlags::POLLIN)];
    poll(&mut ready, PollTimeout::from(time)).expect("the poll works");
    ready[0].any().unwrap_or(false)
}

const LONG: u16 = 20_000;

#[test]
fn two_loops_live_in_one_thread() {
    let (mut first, first_address) = echoes();
    let (mut second, second_address) = echoes();
    let clients = [first_address, second_address, first_address].map(|address| {
        thread::spawn(move || {
            let mut stream = TcpStream::connect(address).expect("it listens");
            stream.write_all(b"both").expect("sent");
            let mut answer = [0; 4];
            stream.read_exact(&mut answer).expect("answered");
            answer
        })
    });
    while !clients.iter().all(|client| client.is_finished()) {
        first.turn(Some(Duration::from_millis(1))).expect("the poll works");
        second.turn(Some(Duration::from_millis(1))).expect("the poll works");
    }
    for client in clients {
        assert_eq!(&client.join().expect("well"), b"both");
    }
    assert_eq!((first.counters().accepted, second.counters().accepted), (2, 1));
}

#[test]
fn the_descriptor_is_readable_when_and_only_when_a_turn_would_find_something() {
    let (mut reactor, address) = echoes();
    settle(&mut reactor);
    assert!(!is_readable(&reactor, 0), "nothing has happened yet");
    let mut client = TcpStream::connect(address).expect("it listens");
    assert!(is_readable(&reactor, LONG), "somebody connects");
    settle(&mut reactor);
    assert!(!is_readable(&reactor, 0), "accepted");
    client.write_all(b"x").expect("sent");
    assert!(is_readable(&reactor, LONG), "bytes came for a connection that was just registered");
    settle(&mut reactor);
    assert!(!is_readable(&reactor, 0), "answered");
    reactor.handle().send(Token::new(0, 0), Message::any(())).expect("room");
    assert!(is_readable(&reactor, LONG), "another thread has a command");
    settle(&mut reactor);
    assert!(!is_readable(&reactor, 0), "carried out");
}

#[test]
fn many_commands_are_one_wake_and_are_carried_out_in_order() {
    let (mut reactor, _) = echoes();
    let (sender, receiver) = mpsc::channel();
    let handle = reactor.handle();
    settle(&mut reactor);
    let turns = reactor.counters().turns;
    thread::spawn(move || {
        for number in 0..500 {
            let sender = sender.clone();
            handle.exec(move |_| sender.send(number).expect("the test waits")).expect("room");
        }
    })
    .join()
    .expect("well");
    let mut woken = 0;
    while is_readable(&reactor, 0) {
        woken += 1;
        settle(&mut reactor);
    }
    assert_eq!((woken, reactor.counters().turns - turns), (1, 1));
    assert!(receiver.try_iter().eq(0..500));
}

#[test]
fn a_job_sees_what_the_commands_before_it_have_done() {
    let (mut reactor, address) = echoes();
    let client = TcpStream::connect(address).expect("it listens");
    let mut live = 0;
    while live == 0 {
        live = reactor.turn(Some(Duration::from_millis(10))).expect("the poll works").live;
    }
    let stale = reactor.counters().stale;
    let handle = reactor.handle();
    let (sender, receiver) = mpsc::channel();
    handle.send(Token::new(9, 9), Message::any(())).expect("room");
    handle.exec(move |env| sender.send(env.counters.stale).expect("the test waits")).expect("room");
    settle(&mut reactor);
    assert_eq!(receiver.try_recv(), Ok(stale + 1));
    drop(client);
}

#[test]
fn a_handle_outlives_its_loop_and_says_so() {
    let (reactor, _) = echoes();
    let handle = reactor.handle();
    drop(reactor);
    assert_eq!(handle.exec(|_| ()), Err(SendError::Gone));
    assert_eq!(handle.close(Token::new(0, 0), CloseMode::Abort), Err(SendError::Gone));
    assert_eq!(handle.drain(Duration::ZERO), Err(SendError::Gone));
}

#[test]
fn a_full_mailbox_refuses_all_but_the_end() {
    let mut reactor = Reactor::new(Limits { commands: 2, ..Limits::default() }).expect("a poll");
    let handle = reactor.handle();
    assert_eq!((handle.exec(|_| ()), handle.exec(|_| ())), (Ok(()), Ok(())));
    assert_eq!(handle.exec(|_| ()), Err(SendError::Full));
    assert_eq!(handle.drain(Duration::ZERO), Ok(()));
    while !reactor.turn(None).expect("the poll works").done {}
    assert_eq!(handle.exec(|_| ()), Ok(()), "room again");
}

#[test]
fn a_hosts_descriptor_is_watched_and_its_wishes_are_heard() {
    let (mut reactor, _) = echoes();
    let (mut host, watched) = UnixStream::pair().expect("a pair");
    watched.set_nonblocking(true).expect("an option");
    let mut reader = watched.try_clone().expect("a descriptor");
    let (sender, receiver) = mpsc::channel();
    let on_ready = move |_, env: &mut readyloop::session::Env| {
        let mut bytes = [0; 64];
        while let Ok(count @ 1..) = reader.read(&mut bytes) {
            sender.send(bytes[..count].to_vec()).expect("the test waits");
            env.ops.push(readyloop::session::Op::Stop);
        }
    };
    reactor.external(OwnedFd::from(watched), Box::new(on_ready)).expect("watched");
    settle(&mut reactor);
    host.write_all(b"enough").expect("sent");
    reactor.run().expect("stopped by the host's own wish");
    assert_eq!(receiver.try_recv().as_deref(), Ok(&b"enough"[..]));
}
