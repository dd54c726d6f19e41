//! Lesson 14: reading without blocking, asked again and again, and asked when there is something.
//!
//! A read that would have to wait says `WouldBlock` instead: not now. That answers whether, and not
//! when; for that there is the poll.

use std::io::{self, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use mio::{Events, Interest, Poll};
use readyloop::CloseReason;
use readyloop::cli::learn::{Stage, anywhere};
use readyloop::probe::Fact;

const MESSAGES: usize = 3;
const PAUSE: Duration = Duration::from_millis(20);

/// The same reader twice.
pub fn run(stage: &Stage) -> io::Result<()> {
    while stage.another_round() {
        let spun = spin(stage)?;
        stage.say(&format!("asking again and again: {spun} reads for {MESSAGES} messages"));
        let (waits, reads) = wait(stage)?;
        let text = format!("asking when told to: {waits} waits and {reads} reads for as many");
        // A message may come with another, and a wait may end for nothing; but by far not as often.
        if reads < spun / 10 { stage.well(&text) } else { stage.fault(&text) }
    }
    Ok(())
}

/// A busy loop: there is always an answer, and mostly it is "not now".
fn spin(stage: &Stage) -> io::Result<usize> {
    let (mut socket, token) = (talker()?, stage.token());
    stage.note(Fact::Adopted { token });
    let (mut reads, mut buffer) = (0, [0; 64]);
    let result = loop {
        reads += 1;
        match stage.read(token, &mut socket, &mut buffer) {
            Ok(0) => break Ok(reads),
            Ok(_) => {}
            // HERE something else could be done. But when should one stop doing it?
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => break Err(error),
        }
    };
    stage.close(token, socket, CloseReason::PeerClosed);
    result
}

/// The same, but the system says when there is something.
fn wait(stage: &Stage) -> io::Result<(usize, usize)> {
    let (mut socket, token) = (mio::net::TcpStream::from_std(talker()?), stage.token());
    stage.note(Fact::Adopted { token });
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(8));
    stage.watch(token, poll.registry(), &mut socket, Interest::READABLE)?;
    let (mut waits, mut reads, mut buffer) = (0, 0, [0; 64]);
    let result = 'open: loop {
        waits += 1;
        stage.poll(&mut poll, &mut events, Duration::from_secs(1))?;
        for event in &events {
            stage.event(token, event);
            reads += 1;
            match stage.read(token, &mut socket, &mut buffer) {
                Ok(0) => break 'open Ok((waits, reads)),
                Ok(_) => {}
                // What the poll says is a hint, not a promise.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => break 'open Err(error),
            }
        }
    };
    stage.close(token, socket, CloseReason::PeerClosed);
    result
}

/// A socket on which a message comes now and then, and at last the end.
fn talker() -> io::Result<TcpStream> {
    let listener = TcpListener::bind(anywhere())?;
    let mut peer = TcpStream::connect(listener.local_addr()?)?;
    thread::spawn(move || {
        for _ in 0..MESSAGES {
            thread::sleep(PAUSE);
            peer.write_all(b"hello\n")?;
        }
        thread::sleep(PAUSE);
        io::Result::Ok(())
    });
    let (socket, _) = listener.accept()?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
