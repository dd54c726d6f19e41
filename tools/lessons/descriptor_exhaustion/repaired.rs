//! Lesson 6, repaired: a server that runs out of descriptors and says so, waits, and tries again.
//!
//! It tries when a connection has closed, because then there is a descriptor, and after a while,
//! because others of the process have descriptors too.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::channel;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll};
use readyloop::cli::learn::{Stage, anywhere, whose};
use readyloop::probe::Fact;
use readyloop::{CloseReason, Token};

/// Somebody may wait who was not accepted. After this time it is tried again.
const RETRY: Duration = Duration::from_millis(100);

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
    let mut paused = false;
    let mut events = Events::with_capacity(64);
    while stage.goes_on() {
        let most = if paused { RETRY } else { Duration::from_secs(1) };
        stage.poll(&mut poll, &mut events, most)?;
        let mut knocks = paused && events.is_empty();
        for event in &events {
            let token = whose(event);
            stage.event(token, event);
            if token == door {
                knocks = true;
            } else if let Some(socket) = sockets.get_mut(&token) {
                // Clients send nothing but their end.
                if let Err(error) = stage.read(token, socket, &mut [0; 64])
                    && error.kind() == io::ErrorKind::WouldBlock
                {
                    continue;
                }
                let socket = sockets.remove(&token);
                stage.close(token, socket, CloseReason::PeerClosed);
                // HERE: a descriptor is free.
                knocks |= paused;
            }
        }
        if knocks {
            paused = accept(stage, &poll, door, &listener, &mut sockets, paused)?;
        }
    }
    Ok(())
}

/// Accepts until nobody waits, or until no descriptor is left; answers whether it is the latter.
fn accept(
    stage: &Stage,
    poll: &Poll,
    door: Token,
    listener: &TcpListener,
    sockets: &mut HashMap<Token, TcpStream>,
    paused: bool,
) -> io::Result<bool> {
    loop {
        match stage.accept(door, listener) {
            Ok((token, mut socket)) => {
                stage.watch(token, poll.registry(), &mut socket, Interest::READABLE)?;
                stage.write(token, &mut socket, b"hello\n")?;
                sockets.insert(token, socket);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if paused {
                    stage.note(Fact::Resumed { token: door });
                }
                return Ok(false);
            }
            // HERE: another end than that nobody waits.
            Err(_) => {
                if !paused {
                    stage.note(Fact::Paused { token: door, descriptors: true });
                }
                return Ok(true);
            }
        }
    }
}
