//! Lesson 3, repaired: what waits, waits on another thread.
//!
//! The loop hands the report to a worker and goes on. The worker sends the name of the connection
//! back and wakes the poll; then the loop answers.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Waker};
use readyloop::cli::learn::{Stage, anywhere, named, whose};
use readyloop::probe::{Call, Fact};
use readyloop::{CloseReason, Token};

/// The whole lesson: the server on this thread, its worker and its clients on others.
pub fn run(stage: &Stage) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(anywhere())?;
    let address = listener.local_addr()?;
    let (door, alarm) = (stage.token(), stage.token());
    stage.watch(door, poll.registry(), &mut listener, Interest::READABLE)?;
    let waker = Arc::new(Waker::new(poll.registry(), named(alarm))?);
    let (jobs, todo) = channel();
    let (results, done) = channel();
    thread::spawn(move || work(&todo, &results, &waker));
    stage.client("clients", move |stage| super::client::both(stage, address))?;

    let mut sockets: HashMap<Token, TcpStream> = HashMap::new();
    let mut events = Events::with_capacity(64);
    while stage.goes_on() {
        stage.poll(&mut poll, &mut events, Duration::from_secs(1))?;
        for event in &events {
            let token = whose(event);
            if token == alarm {
                let ready: Vec<Token> = done.try_iter().collect();
                stage.note(Fact::Woken { commands: ready.len() });
                for token in ready {
                    // Its client may have left meanwhile: then the name names nobody.
                    let Some(socket) = sockets.get_mut(&token) else { continue };
                    // A client that is gone is noticed by its next read.
                    let _ = stage.write(token, socket, b"done\n");
                }
                continue;
            }
            stage.event(token, event);
            if token == door {
                while let Ok((token, mut socket)) = stage.accept(door, &listener) {
                    stage.watch(token, poll.registry(), &mut socket, Interest::READABLE)?;
                    sockets.insert(token, socket);
                }
            } else if let Some(socket) = sockets.get_mut(&token)
                && let Some(reason) = serve(stage, token, socket, &jobs)
                && let Some(socket) = sockets.remove(&token)
            {
                stage.close(token, socket, reason);
            }
        }
    }
    Ok(())
}

/// The worker: until the loop hangs up.
fn work(todo: &Receiver<Token>, results: &Sender<Token>, waker: &Waker) {
    while let Ok(token) = todo.recv() {
        thread::sleep(Duration::from_millis(300));
        if results.send(token).is_err() || waker.wake().is_err() {
            return;
        }
    }
}

/// Answers one request, or has it answered later. Answers why the connection is over, if it is.
fn serve(
    stage: &Stage,
    token: Token,
    socket: &mut TcpStream,
    jobs: &Sender<Token>,
) -> Option<CloseReason> {
    let mut buffer = [0; 64];
    let count = match stage.read(token, socket, &mut buffer) {
        Ok(0) => return Some(CloseReason::PeerClosed),
        Ok(count) => count,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
        Err(error) => return Some(CloseReason::from_io(&error)),
    };
    if buffer.get(..count) == Some(b"report\n") {
        stage.request(token, "GET", "/report");
        // HERE: handed over, in no time.
        let sent = stage.call(token, Call::Data, || jobs.send(token));
        return sent.err().map(|_| CloseReason::Aborted);
    }
    stage.write(token, socket, b"pong\n").err().map(|error| CloseReason::from_io(&error))
}
