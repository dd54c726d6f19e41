//! Lesson 2, broken: a server that reads each socket until it is empty.
//!
//! That cures the lost edge, and brings the opposite: a client that sends faster than it is read is
//! never empty, and the loop never leaves it.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll};
use readyloop::cli::learn::{Stage, anywhere, whose};
use readyloop::{CloseReason, Token};

/// The whole lesson: the server on this thread, its clients on others.
pub fn run(stage: &Stage) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(anywhere())?;
    let address = listener.local_addr()?;
    let door = stage.token();
    stage.watch(door, poll.registry(), &mut listener, Interest::READABLE)?;
    stage.client("clients", move |stage| super::client::both(stage, address))?;

    let mut sockets: HashMap<Token, TcpStream> = HashMap::new();
    let mut events = Events::with_capacity(64);
    while stage.goes_on() {
        stage.poll(&mut poll, &mut events, Duration::from_secs(1))?;
        for event in &events {
            let token = whose(event);
            stage.event(token, event);
            if token == door {
                while let Ok((token, mut socket)) = stage.accept(door, &listener) {
                    stage.watch(token, poll.registry(), &mut socket, Interest::READABLE)?;
                    sockets.insert(token, socket);
                }
            } else if let Some(socket) = sockets.get_mut(&token)
                && let Some(reason) = serve(stage, token, socket)
                && let Some(socket) = sockets.remove(&token)
            {
                stage.close(token, socket, reason);
            }
        }
    }
    Ok(())
}

/// Answers each line. Answers why the connection is over, if it is.
fn serve(stage: &Stage, token: Token, socket: &mut TcpStream) -> Option<CloseReason> {
    let mut buffer = [0; 4096];
    // HERE: nothing ends this loop but the client.
    loop {
        match stage.read(token, socket, &mut buffer) {
            Ok(0) => return Some(CloseReason::PeerClosed),
            Ok(count) => {
                for _ in 0..super::client::lines(buffer.get(..count).unwrap_or_default()) {
                    // A few bytes, which any socket takes.
                    if let Err(error) = stage.write(token, socket, b"pong\n") {
                        return Some(CloseReason::from_io(&error));
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) => return Some(CloseReason::from_io(&error)),
        }
    }
}
