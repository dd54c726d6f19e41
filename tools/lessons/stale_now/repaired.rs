//! Lesson 10, repaired: a server that looks at its clock again after it has computed.
//!
//! The same as its broken twin but for one line of `serve`.

use std::hint;
use std::io;
use std::net::{TcpListener, TcpStream as Client};
use std::thread;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll};
use readyloop::cli::learn::{Stage, anywhere};
use readyloop::{CloseReason, Moment, Token};

/// What an answer takes to be computed.
const WORK: Duration = Duration::from_millis(300);
/// How long the client may then take to say thanks.
const MAY: Duration = Duration::from_millis(200);

/// Round after round, with a client each.
pub fn run(stage: &Stage) -> io::Result<()> {
    while stage.another_round() {
        let listener = TcpListener::bind(anywhere())?;
        let client = Client::connect(listener.local_addr()?)?;
        let on_stage = stage.clone();
        let client = thread::spawn(move || super::client::ask(&on_stage, client));
        let door = stage.token();
        let (token, socket) = stage.accept(door, &listener)?;
        stage.close(door, listener, CloseReason::Finished);
        socket.set_nonblocking(true)?;
        let mut socket = TcpStream::from_std(socket);
        let reason = serve(stage, token, &mut socket)?;
        stage.close(token, socket, reason);
        client.join().map_err(|_| io::Error::other("the client panicked"))??;
    }
    Ok(())
}

/// Answers why it is over.
fn serve(stage: &Stage, token: Token, socket: &mut TcpStream) -> io::Result<CloseReason> {
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(8));
    stage.watch(token, poll.registry(), socket, Interest::READABLE)?;
    let (mut due, mut answered, mut line) = (Moment::NEVER, Moment::NEVER, [0; 64]);
    loop {
        stage.poll(&mut poll, &mut events, due.since(stage.now()))?;
        // Once a turn: all that happens in this turn happens now.
        let now = stage.now();
        for event in &events {
            stage.event(token, event);
            if stage.read(token, socket, &mut line)? == 0 {
                return Ok(CloseReason::PeerClosed);
            }
            if !due.is_never() {
                stage.write(token, socket, b"welcome\n")?;
                return Ok(CloseReason::Finished);
            }
            compute(stage);
            stage.write(token, socket, b"42\n")?;
            // HERE: the time that has come meanwhile.
            answered = stage.now();
            due = answered + MAY;
            stage.arm(token, due);
        }
        if due <= now {
            stage.fire(token, due);
            let took = stage.now().since(answered);
            stage.say(&format!("the client had {MAY:?}, and is put out after {took:.1?}"));
            return Ok(CloseReason::Aborted);
        }
    }
}

/// Stands for something that takes its time.
fn compute(stage: &Stage) {
    let end = stage.now() + WORK;
    while stage.now() < end {
        hint::spin_loop();
    }
}
