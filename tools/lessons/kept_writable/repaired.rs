//! Lesson 5, repaired: a server that watches for WRITABLE only while something is to be sent.
//!
//! It writes at once, which nearly always takes everything, and asks for room only if it does not.
//! Linux only.

use std::collections::HashMap;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use readyloop::cli::learn::{Stage, anywhere};
use readyloop::{CloseReason, Token};

struct Talk {
    socket: TcpStream,
    unsent: Vec<u8>,
    /// It is watched for room.
    waits: bool,
}

/// The whole lesson: the server on this thread, its client on another.
pub fn run(stage: &Stage) -> io::Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let listener = TcpListener::bind(anywhere())?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let door = stage.token();
    stage.epoll_add(door, &epoll, &listener, EpollFlags::EPOLLIN)?;
    stage.client("client", move |stage| super::client::talk(stage, address))?;

    let mut talks = HashMap::new();
    let mut events = [EpollEvent::empty(); 64];
    while stage.goes_on() {
        let count = stage.epoll_wait(&epoll, &mut events, Duration::from_secs(1))?;
        for event in events.iter().take(count) {
            let token = Token::from_u64(event.data());
            stage.epoll_event(token, event);
            if token == door {
                while let Ok((token, socket)) = stage.accept(door, &listener) {
                    socket.set_nonblocking(true)?;
                    stage.epoll_add(token, &epoll, &socket, EpollFlags::EPOLLIN)?;
                    talks.insert(token, Talk { socket, unsent: Vec::new(), waits: false });
                }
            } else if let Some(talk) = talks.get_mut(&token)
                && let Some(reason) = serve(stage, token, talk, &epoll, event.events())
                && let Some(talk) = talks.remove(&token)
            {
                stage.close(token, talk.socket, reason);
            }
        }
    }
    Ok(())
}

/// Sends back what comes. Answers why the connection is over, if it is.
fn serve(
    stage: &Stage,
    token: Token,
    talk: &mut Talk,
    epoll: &Epoll,
    ready: EpollFlags,
) -> Option<CloseReason> {
    if ready.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
        let mut buffer = [0; 4096];
        match stage.read(token, &mut talk.socket, &mut buffer) {
            Ok(0) => return Some(CloseReason::PeerClosed),
            Ok(count) => talk.unsent.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Some(CloseReason::from_io(&error)),
        }
    }
    if !talk.unsent.is_empty() {
        match stage.write(token, &mut talk.socket, &talk.unsent) {
            Ok(taken) => drop(talk.unsent.drain(..taken)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Some(CloseReason::from_io(&error)),
        }
    }
    // HERE: room is of interest only while something is left; that it changes is rare.
    let waits = !talk.unsent.is_empty();
    if waits == talk.waits {
        return None;
    }
    talk.waits = waits;
    let mut flags = EpollFlags::EPOLLIN;
    flags.set(EpollFlags::EPOLLOUT, waits);
    let changed = stage.epoll_modify(token, epoll, &talk.socket, flags);
    changed.err().map(|error| CloseReason::from_io(&error))
}
