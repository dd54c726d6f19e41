//! Lesson 1, repaired: a server that reads until there is nothing left.
//!
//! The same as its broken twin but for `receive`.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll};
use readyloop::cli::learn::{Stage, anywhere, whose};
use readyloop::{CloseReason, Token};

struct Upload {
    socket: TcpStream,
    received: usize,
}

/// The whole lesson: the server on this thread, its client on another.
pub fn run(stage: &Stage) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(anywhere())?;
    let address = listener.local_addr()?;
    let door = stage.token();
    stage.watch(door, poll.registry(), &mut listener, Interest::READABLE)?;
    stage.client("client", move |stage| super::client::upload(stage, address))?;

    let mut uploads = HashMap::new();
    let mut events = Events::with_capacity(64);
    while stage.goes_on() {
        stage.poll(&mut poll, &mut events, Duration::from_secs(1))?;
        for event in &events {
            let token = whose(event);
            stage.event(token, event);
            if token == door {
                accept(stage, &poll, door, &listener, &mut uploads)?;
            } else if let Some(upload) = uploads.get_mut(&token)
                && let Some(reason) = receive(stage, token, upload)
                && let Some(upload) = uploads.remove(&token)
            {
                stage.close(token, upload.socket, reason);
            }
        }
    }
    Ok(())
}

/// Accepts until nobody waits: a listener has edges too.
fn accept(
    stage: &Stage,
    poll: &Poll,
    door: Token,
    listener: &TcpListener,
    uploads: &mut HashMap<Token, Upload>,
) -> io::Result<()> {
    while let Ok((token, mut socket)) = stage.accept(door, listener) {
        stage.watch(token, poll.registry(), &mut socket, Interest::READABLE)?;
        uploads.insert(token, Upload { socket, received: 0 });
    }
    Ok(())
}

/// Answers why the connection is over, if it is.
fn receive(stage: &Stage, token: Token, upload: &mut Upload) -> Option<CloseReason> {
    let mut buffer = [0; 4096];
    // HERE: a short read says that the socket is empty, and so does `WouldBlock`. Nothing else does.
    // (If the event says that the peer has ended its stream, one reads on to that end: no further
    // event tells of it. This client waits for its answer first.)
    loop {
        match stage.read(token, &mut upload.socket, &mut buffer) {
            Ok(0) => return Some(CloseReason::PeerClosed),
            Ok(count) => {
                upload.received += count;
                if count < buffer.len() {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Some(CloseReason::from_io(&error)),
        }
    }
    if upload.received == super::client::SIZE {
        // Few enough bytes for any socket's buffer.
        return match stage.write(token, &mut upload.socket, b"thanks\n") {
            Ok(_) => Some(CloseReason::Finished),
            Err(error) => Some(CloseReason::from_io(&error)),
        };
    }
    None
}
