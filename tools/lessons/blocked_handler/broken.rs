//! Lesson 3, broken: a handler that waits.
//!
//! `report` asks a slow database, which takes 300 ms. The handler waits for it, on the loop's one
//! thread; so everybody waits for it.

use std::collections::HashMap;
use std::io;
use std::thread;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll};
use readyloop::cli::learn::{Stage, anywhere, whose};
use readyloop::probe::Call;
use readyloop::{CloseReason, Token};

/// The whole lesson: the server on this thread, its clients on another.
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

/// Answers one request. Answers why the connection is over, if it is.
fn serve(stage: &Stage, token: Token, socket: &mut TcpStream) -> Option<CloseReason> {
    let mut buffer = [0; 64];
    // The clients send one short line and wait, so one short read is all there is.
    let count = match stage.read(token, socket, &mut buffer) {
        Ok(0) => return Some(CloseReason::PeerClosed),
        Ok(count) => count,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
        Err(error) => return Some(CloseReason::from_io(&error)),
    };
    let answer: &[u8] = if buffer.get(..count) == Some(b"report\n") {
        stage.request(token, "GET", "/report");
        // HERE: the thread sleeps, and with it the loop.
        stage.call(token, Call::Data, || thread::sleep(Duration::from_millis(300)));
        b"done\n"
    } else {
        b"pong\n"
    };
    stage.write(token, socket, answer).err().map(|error| CloseReason::from_io(&error))
}
