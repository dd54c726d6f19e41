//! Lesson 4, repaired: a server that asks to be told of room for as long as something is left.
//!
//! The same as its broken twin but for `send`, and for what happens when there is room.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll};
use readyloop::cli::learn::{Stage, anywhere, whose};
use readyloop::{CloseReason, Token};

struct Download {
    socket: TcpStream,
    sent: usize,
}

/// The whole lesson: the server on this thread, its client on another.
pub fn run(stage: &Stage) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(anywhere())?;
    let address = listener.local_addr()?;
    let door = stage.token();
    stage.watch(door, poll.registry(), &mut listener, Interest::READABLE)?;
    stage.client("client", move |stage| super::client::download(stage, address))?;

    let body = vec![b'x'; super::client::SIZE];
    let mut downloads = HashMap::new();
    let mut events = Events::with_capacity(64);
    while stage.goes_on() {
        stage.poll(&mut poll, &mut events, Duration::from_secs(1))?;
        for event in &events {
            let token = whose(event);
            stage.event(token, event);
            if token == door {
                while let Ok((token, mut socket)) = stage.accept(door, &listener) {
                    stage.watch(token, poll.registry(), &mut socket, Interest::READABLE)?;
                    downloads.insert(token, Download { socket, sent: 0 });
                    send(stage, token, &poll, &mut downloads, &body)?;
                }
                continue;
            }
            if event.is_writable() {
                send(stage, token, &poll, &mut downloads, &body)?;
            }
            if event.is_readable() {
                receive(stage, token, &mut downloads);
            }
        }
    }
    Ok(())
}

/// Writes until the socket is full; then it waits for room.
fn send(
    stage: &Stage,
    token: Token,
    poll: &Poll,
    downloads: &mut HashMap<Token, Download>,
    body: &[u8],
) -> io::Result<()> {
    let Some(download) = downloads.get_mut(&token) else { return Ok(()) };
    if download.sent == body.len() {
        return Ok(());
    }
    while let Some(rest) = body.get(download.sent..)
        && !rest.is_empty()
    {
        match stage.write(token, &mut download.socket, rest) {
            Ok(taken) => download.sent += taken,
            Err(_) => break,
        }
    }
    let unsent = body.len() - download.sent;
    stage.keep(token, unsent);
    // HERE: as long as something is left the system is to say when there is room, and no longer.
    let interest = match unsent {
        0 => Interest::READABLE,
        _ => Interest::READABLE | Interest::WRITABLE,
    };
    stage.watch_again(token, poll.registry(), &mut download.socket, interest)
}

/// A client says nothing; it only leaves.
fn receive(stage: &Stage, token: Token, downloads: &mut HashMap<Token, Download>) {
    let Some(download) = downloads.get_mut(&token) else { return };
    let reason = match stage.read(token, &mut download.socket, &mut [0; 64]) {
        Ok(0) => CloseReason::PeerClosed,
        Ok(_) => return,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
        Err(error) => CloseReason::from_io(&error),
    };
    let download = downloads.remove(&token);
    stage.close(token, download, reason);
}
