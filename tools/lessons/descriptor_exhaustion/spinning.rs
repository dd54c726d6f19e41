//! Lesson 6, spinning: a server that runs out of descriptors, level-triggered, and tries for ever.
//!
//! The system says that somebody waits, accepting fails, and the system says so again, at once: the
//! loop turns as fast as it can and comes no further.

use std::collections::HashMap;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use readyloop::cli::learn::{Stage, anywhere};
use readyloop::{CloseReason, Token};

/// The whole lesson: the server on this thread, its clients on another.
pub fn run(stage: &Stage) -> io::Result<()> {
    let (tell, told) = channel();
    // The client's thread begins first, so that its descriptors are its own.
    stage.client("clients", move |stage| super::client::crowd(stage, &told, true))?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let listener = TcpListener::bind(anywhere())?;
    listener.set_nonblocking(true)?;
    let _ballast = stage.few_descriptors(super::client::ROOM)?;
    tell.send(listener.local_addr()?).map_err(io::Error::other)?;
    let door = stage.token();
    stage.epoll_add(door, &epoll, &listener, EpollFlags::EPOLLIN)?;

    let mut sockets: HashMap<Token, TcpStream> = HashMap::new();
    let mut events = [EpollEvent::empty(); 64];
    while stage.goes_on() {
        let count = stage.epoll_wait(&epoll, &mut events, Duration::from_secs(1))?;
        for event in events.iter().take(count) {
            let token = Token::from_u64(event.data());
            stage.epoll_event(token, event);
            if token == door {
                // HERE: if it fails, there will be another event. And another.
                if let Ok((token, mut socket)) = stage.accept(door, &listener) {
                    socket.set_nonblocking(true)?;
                    stage.epoll_add(token, &epoll, &socket, EpollFlags::EPOLLIN)?;
                    stage.write(token, &mut socket, b"hello\n")?;
                    sockets.insert(token, socket);
                }
            } else if let Some(mut socket) = sockets.remove(&token) {
                // Clients send nothing but their end. What it is does not matter.
                let _ = stage.read(token, &mut socket, &mut [0; 64]);
                stage.close(token, socket, CloseReason::PeerClosed);
            }
        }
    }
    Ok(())
}
