//! Lesson 6, silent: a server that runs out of descriptors, edge-triggered, and tries no more.
//!
//! It accepts until accepting fails, as one should. But here it failed for another reason than that
//! nobody waits. Those who wait are no news to the system: it has told of them once.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::channel;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll};
use readyloop::cli::learn::{Stage, anywhere, whose};
use readyloop::{CloseReason, Token};

/// The whole lesson: the server on this thread, its clients on another.
pub fn run(stage: &Stage) -> io::Result<()> {
    let (tell, told) = channel();
    // The client's thread begins first, so that its descriptors are its own.
    stage.client("clients", move |stage| super::client::crowd(stage, &told, false))?;
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(anywhere())?;
    let _ballast = stage.few_descriptors(super::client::ROOM)?;
    tell.send(listener.local_addr()?).map_err(io::Error::other)?;
    let door = stage.token();
    stage.watch(door, poll.registry(), &mut listener, Interest::READABLE)?;

    let mut sockets: HashMap<Token, TcpStream> = HashMap::new();
    let mut events = Events::with_capacity(64);
    while stage.goes_on() {
        stage.poll(&mut poll, &mut events, Duration::from_secs(1))?;
        for event in &events {
            let token = whose(event);
            stage.event(token, event);
            if token == door {
                accept(stage, &poll, door, &listener, &mut sockets)?;
            } else if let Some(socket) = sockets.get_mut(&token) {
                // Clients send nothing but their end.
                if let Err(error) = stage.read(token, socket, &mut [0; 64])
                    && error.kind() == io::ErrorKind::WouldBlock
                {
                    continue;
                }
                let socket = sockets.remove(&token);
                stage.close(token, socket, CloseReason::PeerClosed);
            }
        }
    }
    Ok(())
}

/// Accepts until it fails.
fn accept(
    stage: &Stage,
    poll: &Poll,
    door: Token,
    listener: &TcpListener,
    sockets: &mut HashMap<Token, TcpStream>,
) -> io::Result<()> {
    // HERE: `WouldBlock` and "too many open files" are not the same end.
    while let Ok((token, mut socket)) = stage.accept(door, listener) {
        stage.watch(token, poll.registry(), &mut socket, Interest::READABLE)?;
        // A few bytes, which any socket takes.
        stage.write(token, &mut socket, b"hello\n")?;
        sockets.insert(token, socket);
    }
    Ok(())
}
