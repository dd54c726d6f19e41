//! Lesson 11, repaired: a client that sends each request when it is due, whether the one before was
//! answered or not.
//!
//! Waiting for an answer and waiting for the next appointment are one wait: a poll with a deadline.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll};
use readyloop::CloseReason;
use readyloop::cli::learn::{Stage, anywhere};

use super::server::{GAP, REQUESTS, report, serve};

/// Round after round: the client on this thread, the server on another.
pub fn run(stage: &Stage) -> io::Result<()> {
    while stage.another_round() {
        let listener = TcpListener::bind(anywhere())?;
        let address = listener.local_addr()?;
        let server = thread::spawn(move || serve(&listener));
        measure(stage, address)?;
        server.join().map_err(|_| io::Error::other("the server panicked"))??;
    }
    Ok(())
}

fn measure(stage: &Stage, address: SocketAddr) -> io::Result<()> {
    let (token, socket) = stage.connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(8));
    let mut socket = TcpStream::from_std(socket);
    stage.watch(token, poll.registry(), &mut socket, Interest::READABLE)?;
    let (start, mut answers) = (stage.now(), [0; 4096]);
    let (mut sent, mut answered) = (Vec::new(), 0);
    let (mut from_sent, mut from_due) = (Vec::new(), Vec::new());
    while answered < REQUESTS && stage.goes_on() {
        let due = start + GAP * sent.len() as u32;
        if due <= stage.now() && sent.len() < REQUESTS as usize {
            // HERE: whatever has become of the last one.
            sent.push(stage.now());
            stage.write(token, &mut socket, b"?")?;
            continue;
        }
        stage.poll(&mut poll, &mut events, due.since(stage.now()))?;
        for event in &events {
            stage.event(token, event);
            while let Ok(count @ 1..) = stage.read(token, &mut socket, &mut answers) {
                // Answers come in the order of their requests.
                for sent in sent.iter().skip(answered as usize).take(count) {
                    from_sent.push(stage.now().since(*sent));
                    from_due.push(stage.now().since(start + GAP * answered));
                    answered += 1;
                }
            }
        }
    }
    stage.close(token, socket, CloseReason::Finished);
    report(stage, from_sent, from_due);
    Ok(())
}
