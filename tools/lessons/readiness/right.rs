//! Lesson 15: one socket, watched by level and by edge side by side.
//!
//! Who is told what, and how often? Two epolls watch the same socket, and after each event one byte
//! is read. mio knows edges only, so this one speaks to epoll itself.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use readyloop::cli::learn::{Stage, anywhere};
use readyloop::probe::Fact;
use readyloop::probe::LEVEL;
use readyloop::{CloseReason, Token};

const READABLE: u8 = 1;
/// After so many milliseconds of silence nothing more is going to be told.
const QUIET: u16 = 50;

/// Round after round on a socket each.
pub fn run(stage: &Stage) -> io::Result<()> {
    while stage.another_round() {
        let listener = TcpListener::bind(anywhere())?;
        let mut peer = TcpStream::connect(listener.local_addr()?)?;
        let (mut socket, _) = listener.accept()?;
        socket.set_nonblocking(true)?;
        let token = stage.token();
        stage.note(Fact::Adopted { token });
        // One of the two tells again and again, so nothing is lost here for good.
        stage.note(Fact::Interest { token, bits: READABLE | LEVEL });
        let watched = watch(stage, token, &mut socket, &mut peer);
        stage.close(token, socket, CloseReason::Finished);
        watched?;
    }
    Ok(())
}

fn watch(
    stage: &Stage,
    token: Token,
    socket: &mut TcpStream,
    peer: &mut TcpStream,
) -> io::Result<()> {
    let level = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    level.add(&*socket, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
    let edge = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    edge.add(&*socket, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 0))?;

    // Both are told that these ten have come. One byte is read for each event.
    peer.write_all(b"0123456789")?;
    let mut one = [0; 1];
    let (mut by_edge, mut by_level) = (0, 0);
    while is_told(stage, token, &edge)? {
        by_edge += stage.read(token, socket, &mut one)?;
    }
    stage.say(&format!("by edge: told {by_edge} time, read {by_edge} byte, and then silence"));
    while is_told(stage, token, &level)? {
        by_level += stage.read(token, socket, &mut one)?;
    }
    stage.say(&format!("by level: told {by_level} times, for each byte that was left"));

    // HERE is how edges are used: after the one event, read until there is nothing.
    peer.write_all(b"0123456789")?;
    let (mut events, mut bytes) = (0, 0);
    while is_told(stage, token, &edge)? {
        events += 1;
        while let Ok(count @ 1..) = stage.read(token, socket, &mut one) {
            bytes += count;
        }
    }
    let text = format!("by edge, read to the end: told {events} time, read {bytes} bytes");
    match (by_edge, by_level, events, bytes) {
        (1, 9, 1, 10) => stage.well(&text),
        _ => stage.fault(&text),
    }
    Ok(())
}

/// Waits until the socket's readiness is told, or nobody tells it.
fn is_told(stage: &Stage, token: Token, epoll: &Epoll) -> io::Result<bool> {
    let (began, mut events) = (stage.now(), [EpollEvent::empty()]);
    let count = epoll.wait(&mut events, EpollTimeout::from(QUIET))?;
    let until = began + Duration::from_millis(QUIET.into());
    stage.note(Fact::Polled { began, until, events: count });
    if count > 0 {
        stage.note(Fact::Event { token, bits: READABLE });
    }
    Ok(count > 0)
}
