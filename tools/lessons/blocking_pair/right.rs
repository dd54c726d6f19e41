//! Lesson 12: a blocking server and its clients, as every tutorial begins.
//!
//! Each call waits until it can be done, and the thread waits with it. So the server serves one
//! client after the other, and whoever comes second waits until the first has gone.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use readyloop::cli::learn::{Stage, anywhere};
use readyloop::{CloseReason, Token};

/// How long the first client stays without a word.
const STAY: Duration = Duration::from_millis(300);

/// The server, for the two clients of each round.
pub fn run(stage: &Stage) -> io::Result<()> {
    let listener = TcpListener::bind(anywhere())?;
    let (address, door) = (listener.local_addr()?, stage.token());
    while stage.another_round() {
        // Connected before anybody accepts: that is the system's work.
        let (first, second) = (TcpStream::connect(address)?, TcpStream::connect(address)?);
        stage.say("both clients are connected, and nobody has been accepted");
        let on_stage = stage.clone();
        let clients = thread::spawn(move || clients(&on_stage, first, second));
        for _ in 0..2 {
            let (token, mut socket) = stage.accept(door, &listener)?;
            let served = serve(stage, token, &mut socket);
            stage.close(token, socket, CloseReason::PeerClosed);
            served?;
        }
        clients.join().map_err(|_| io::Error::other("a client panicked"))??;
    }
    Ok(())
}

/// Serves one client to its end. Nobody else is accepted until this returns.
fn serve(stage: &Stage, token: Token, socket: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        // HERE the thread waits. No bytes at all are the end of the stream.
        let count = stage.read(token, socket, &mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        // A write may take less than it is offered; what is left is offered again.
        let mut rest = buffer.get(..count).unwrap_or_default();
        while !rest.is_empty() {
            let taken = stage.write(token, socket, rest)?;
            rest = rest.get(taken..).unwrap_or_default();
        }
    }
}

/// The first is served and stays. The second asks meanwhile.
fn clients(stage: &Stage, first: TcpStream, second: TcpStream) -> io::Result<()> {
    stage.say(&format!("the first client says one and hears {}; it stays", ask(&first, "one")?));
    let has_left = Arc::new(AtomicBool::new(false));
    let leaves = Arc::clone(&has_left);
    let leaving = thread::spawn(move || {
        thread::sleep(STAY);
        leaves.store(true, Ordering::SeqCst);
        drop(first);
    });
    let heard = ask(&second, "two")?;
    match has_left.load(Ordering::SeqCst) {
        true => stage.well(&format!("the second hears {heard} only now that the first has left")),
        false => stage.fault(&format!("the second hears {heard} while the first is there")),
    }
    leaving.join().map_err(|_| io::Error::other("the first client panicked"))
}

/// Says a line and waits for one: a stream has no messages, so somebody must look for the end.
fn ask(mut socket: &TcpStream, word: &str) -> io::Result<String> {
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    socket.write_all(format!("{word}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
