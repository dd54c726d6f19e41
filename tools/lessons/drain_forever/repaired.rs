//! Lesson 2, repaired: a server that reads each socket a few times, and comes back for the rest.
//!
//! Under edge triggering nobody will tell it of the rest, so it remembers: in a run queue. While
//! somebody is in that queue the poll does not wait.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll};
use readyloop::cli::learn::{Stage, anywhere, whose};
use readyloop::probe::Fact;
use readyloop::{CloseReason, Token};

/// Reads of one socket before the others have their turn.
const BUDGET: usize = 16;

/// What is left to do with a socket.
enum Left {
    Nothing,
    More,
    Close(CloseReason),
}

/// The whole lesson: the server on this thread, its clients on others.
pub fn run(stage: &Stage) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(anywhere())?;
    let address = listener.local_addr()?;
    let door = stage.token();
    stage.watch(door, poll.registry(), &mut listener, Interest::READABLE)?;
    stage.client("clients", move |stage| super::client::both(stage, address))?;

    let mut sockets: HashMap<Token, TcpStream> = HashMap::new();
    let mut queue: VecDeque<Token> = VecDeque::new();
    let mut events = Events::with_capacity(64);
    while stage.goes_on() {
        let most = if queue.is_empty() { Duration::from_secs(1) } else { Duration::ZERO };
        stage.poll(&mut poll, &mut events, most)?;
        // Whoever was left over, and then whoever is new; each of them once.
        let mut turn = std::mem::take(&mut queue);
        for event in &events {
            let token = whose(event);
            stage.event(token, event);
            if token == door {
                while let Ok((token, mut socket)) = stage.accept(door, &listener) {
                    stage.watch(token, poll.registry(), &mut socket, Interest::READABLE)?;
                    sockets.insert(token, socket);
                }
            } else if !turn.contains(&token) {
                turn.push_back(token);
            }
        }
        for token in turn {
            let Some(socket) = sockets.get_mut(&token) else { continue };
            match serve(stage, token, socket) {
                Left::Nothing => {}
                Left::More => queue.push_back(token),
                Left::Close(reason) => {
                    let socket = sockets.remove(&token);
                    stage.close(token, socket, reason);
                }
            }
        }
    }
    Ok(())
}

/// Answers each line, within the budget.
fn serve(stage: &Stage, token: Token, socket: &mut TcpStream) -> Left {
    let mut buffer = [0; 4096];
    for _ in 0..BUDGET {
        match stage.read(token, socket, &mut buffer) {
            Ok(0) => return Left::Close(CloseReason::PeerClosed),
            Ok(count) => {
                for _ in 0..super::client::lines(buffer.get(..count).unwrap_or_default()) {
                    if let Err(error) = stage.write(token, socket, b"pong\n") {
                        return Left::Close(CloseReason::from_io(&error));
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Left::Nothing,
            Err(error) => return Left::Close(CloseReason::from_io(&error)),
        }
    }
    // HERE: enough for one turn. The rest is remembered.
    stage.note(Fact::Budget { token });
    Left::More
}
