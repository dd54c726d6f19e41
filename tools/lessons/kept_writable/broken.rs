//! Lesson 5, broken: a server that always watches for WRITABLE.
//!
//! It uses epoll as it is by default: level-triggered, told of a socket for as long as it is ready.
//! A socket can nearly always be written to. So the system has always something to tell, and the
//! loop never sleeps. Linux only.

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
                    // HERE: both, for ever.
                    let both = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT;
                    stage.epoll_add(token, &epoll, &socket, both)?;
                    talks.insert(token, Talk { socket, unsent: Vec::new() });
                }
            } else if let Some(talk) = talks.get_mut(&token)
                && let Some(reason) = serve(stage, token, talk, event.events())
                && let Some(talk) = talks.remove(&token)
            {
                stage.close(token, talk.socket, reason);
            }
        }
    }
    Ok(())
}

/// Sends back what comes. Answers why the connection is over, if it is.
fn serve(stage: &Stage, token: Token, talk: &mut Talk, ready: EpollFlags) -> Option<CloseReason> {
    if ready.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
        let mut buffer = [0; 4096];
        match stage.read(token, &mut talk.socket, &mut buffer) {
            Ok(0) => return Some(CloseReason::PeerClosed),
            Ok(count) => talk.unsent.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Some(CloseReason::from_io(&error)),
        }
    }
    if ready.contains(EpollFlags::EPOLLOUT) && !talk.unsent.is_empty() {
        match stage.write(token, &mut talk.socket, &talk.unsent) {
            Ok(taken) => drop(talk.unsent.drain(..taken)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Some(CloseReason::from_io(&error)),
        }
    }
    None
}
