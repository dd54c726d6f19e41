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
use readyloop::session::{CloseMode, Message};
use readyloop::{Limits, Reactor, Token};

#[path = "../tools/examples/nested.rs"]
pub mod nested;
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

fn echoes() -> (Reactor, SocketAddr) {
    let mut reactor = Reactor::new(Limits::default()).expect("a poll");
    let listener = reactor.listen(SocketAddr::from(([127, 0, 0, 1], 0)), Echo).expect("a port");
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
