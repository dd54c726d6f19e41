//! Lesson 7, repaired: a server that sends the head of its answer and the body in one piece.
//!
//! The same as its broken twin but for the end of `serve`.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll};
use readyloop::cli::learn::{Stage, anywhere, whose};
use readyloop::{CloseReason, Token};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\n";
const BODY: &[u8] = b"Hello, World!\n";

/// The server on this thread, its client on another.
pub fn run(stage: &Stage) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(anywhere())?;
    let address = listener.local_addr()?;
    let door = stage.token();
    stage.watch(door, poll.registry(), &mut listener, Interest::READABLE)?;
    let answer = HEAD.len() + BODY.len();
    stage.client("client", move |stage| super::client::ask(stage, address, answer))?;

    let mut sockets = HashMap::new();
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
                && let Err(reason) = serve(stage, token, socket)
                && let Some(socket) = sockets.remove(&token)
            {
                stage.close(token, socket, reason);
            }
        }
    }
    Ok(())
}

/// The lesson's requests are small and come whole, and its answers find room.
fn serve(stage: &Stage, token: Token, socket: &mut TcpStream) -> Result<(), CloseReason> {
    let failed = |error| CloseReason::from_io(&error);
    match stage.read(token, socket, &mut [0; 1024]) {
        Ok(0) => return Err(CloseReason::PeerClosed),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    stage.request(token, "GET", "/");
    // HERE: one buffer, one write, one packet. `set_nodelay(true)` would end the waiting too, but not
    // the second call and the second packet.
    stage.write(token, socket, &[HEAD, BODY].concat()).map_err(failed)?;
    Ok(())
}
