//! What a kernel does for loops that wait otherwise: level-triggered, and not at all.
//!
//! A level that nobody takes down is a loop that never sleeps; so each test ends with polls that must
//! find nothing although there would be something to be told.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use readyloop::app::echo::Echo;
use readyloop::reactor::level::LevelPoller;
use readyloop::reactor::spin::SpinPoller;
use readyloop::reactor::system::{Poller, System};
use readyloop::{Limits, Reactor};

const SOON: Option<Duration> = Some(Duration::from_millis(20));

/// An echo server on `W` and where it listens.
fn echo<K: Poller + 'static>(limits: Limits) -> (Reactor<System<K>>, SocketAddr) {
    let world = System::new(&limits).expect("a poller");
    let mut reactor = Reactor::with_world(world, limits);
    let token = reactor.listen(SocketAddr::from(([127, 0, 0, 1], 0)), Echo).expect("a port");
    let at = reactor.local_address(token).and_then(|at| at.as_inet()).expect("an address");
    (reactor, at)
}

fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).expect("accepted by the system");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
    stream
}

/// Turns until `done`, or for so many turns that something must be wrong.
fn turn_until<K: Poller>(
    reactor: &mut Reactor<System<K>>,
    mut done: impl FnMut(&Reactor<System<K>>) -> bool,
) {
    for _ in 0..1_000_000 {
        if done(reactor) {
            return;
        }
        reactor.turn(Some(Duration::from_millis(1))).expect("a turn");
    }
    panic!("it never came");
}

/// Megabytes through a peer that does not read for a while come back whole.
fn bulk<K: Poller + 'static>() {
    let (mut reactor, at) = echo::<K>(Limits::default());
    let mut peer = connect(at);
    let sent: Vec<u8> = (0..4 << 20).map(|n: u32| (n % 251) as u8).collect();
    let (mut writer, copy) = (peer.try_clone().expect("a clone"), sent.clone());
    let writing = std::thread::spawn(move || writer.write_all(&copy));
    // Until the echo stalls: nobody reads.
    turn_until(&mut reactor, |reactor| reactor.counters().high_waters > 0);
    let reading = std::thread::spawn(move || {
        let mut back = vec![0; 4 << 20];
        peer.read_exact(&mut back).map(|()| back)
    });
    turn_until(&mut reactor, |_| reading.is_finished());
    assert!(reading.join().expect("no panic").expect("all of it") == sent);
    writing.join().expect("no panic").expect("all was sent");
}

#[test]
fn bulk_through_a_level_triggered_loop() {
    bulk::<LevelPoller>();
}

#[test]
fn bulk_through_a_loop_that_spins() {
    bulk::<SpinPoller>();
}

#[test]
fn a_level_that_nobody_takes_down_does_not_keep_the_loop_awake() {
    let limits = Limits { high_water: 64 * 1024, low_water: 1024, ..Limits::default() };
    let (mut reactor, at) = echo::<LevelPoller>(limits);
    let mut peer = connect(at);
    peer.set_nonblocking(true).expect("non-blocking");
    // Fill everything: our backlog, both kernels' buffers. Then input waits that nobody reads.
    let mut quiet = 0;
    for _ in 0..100_000 {
        let wrote = peer.write(&[7; 65536]).is_ok();
        let turn = reactor.turn(SOON).expect("a turn");
        quiet = if wrote || turn.events > 0 || turn.more { 0 } else { quiet + 1 };
        if quiet == 3 {
            break;
        }
    }
    assert_eq!(quiet, 3, "it went on although nothing could be done");
    assert!(reactor.counters().high_waters > 0, "reading has stopped");
    let before = reactor.counters().events;
    for _ in 0..5 {
        reactor.turn(SOON).expect("a turn");
    }
    assert_eq!(reactor.counters().events, before, "told of what it does not want");
}

#[test]
fn a_full_level_triggered_listener_sleeps_and_goes_on_when_there_is_room() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let (mut reactor, at) = echo::<LevelPoller>(limits);
    let (first, mut second) = (connect(at), connect(at));
    while reactor.counters().accept_pauses == 0 {
        reactor.turn(SOON).expect("a turn");
    }
    for _ in 0..3 {
        assert_eq!(reactor.turn(SOON).expect("a turn").events, 0);
    }
    drop(first);
    second.write_all(b"and me").expect("sent");
    let mut back = [0; 6];
    second.set_nonblocking(true).expect("non-blocking");
    turn_until(&mut reactor, |_| second.peek(&mut back).is_ok_and(|count| count == 6));
    assert_eq!(&back, b"and me");
}

#[test]
fn a_spinning_loop_tries_every_socket_in_every_turn() {
    let (mut reactor, at) = echo::<SpinPoller>(Limits::default());
    let peers = [connect(at), connect(at), connect(at)];
    while reactor.env().live < peers.len() {
        reactor.turn(None).expect("a turn");
    }
    let before = reactor.counters().would_blocks;
    for _ in 0..10 {
        assert_eq!(reactor.turn(None).expect("a turn").events, 4, "three peers and the listener");
    }
    assert_eq!(reactor.counters().would_blocks - before, 30, "each had nothing to say");
}
