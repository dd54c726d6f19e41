//! Lesson 13: how long a call may wait, to connect, to read, to write; and how long a whole answer
//! may take.

use std::io::{self, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::{Events, Interest, Poll};
use readyloop::cli::learn::{Stage, anywhere};
use readyloop::probe::Fact;
use readyloop::{CloseReason, Token};
use socket2::{Domain, Socket, Type};

/// For one call.
const CALL: Duration = Duration::from_millis(400);
/// For a whole answer, of which a piece comes now and then.
const ANSWER: Duration = Duration::from_millis(300);
const PAUSE: Duration = Duration::from_millis(50);
const PIECES: usize = 12;

/// Round after round.
pub fn run(stage: &Stage) -> io::Result<()> {
    while stage.another_round() {
        let attempts = [connect, silent, dripping, deadline, deaf];
        let ended: Vec<bool> =
            attempts.iter().map(|attempt| attempt(stage)).collect::<Result<_, _>>()?;
        match ended.iter().all(|ended| *ended) {
            true => stage.well("each ended as it should"),
            false => stage.fault(&format!("did they end as they should? {ended:?}")),
        }
    }
    Ok(())
}

/// A queue for hardly anybody: when it is full, the next client is not answered at all.
fn connect(stage: &Stage) -> io::Result<bool> {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    listener.bind(&anywhere().into())?;
    listener.listen(0)?;
    let at = listener.local_addr()?.as_socket().ok_or(ErrorKind::AddrNotAvailable)?;
    let mut waiting = Vec::new();
    let refused = loop {
        match TcpStream::connect_timeout(&at, CALL) {
            Ok(client) if waiting.len() < 64 => waiting.push(client),
            other => break other.map(drop).map_err(|error| error.kind()),
        }
    };
    stage.say(&format!("1. connecting to a full queue: {refused:?}"));
    Ok(refused == Err(ErrorKind::TimedOut))
}

fn silent(stage: &Stage) -> io::Result<bool> {
    let (token, mut ours, _silent) = pair(stage)?;
    ours.set_read_timeout(Some(CALL))?;
    let read = stage.read(token, &mut ours, &mut [0; 64]).map_err(|error| error.kind());
    stage.say(&format!("2. reading from a silent peer: {read:?}"));
    stage.close(token, ours, CloseReason::Aborted);
    Ok(matches!(read, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)))
}

/// Each byte starts the time-out anew.
fn dripping(stage: &Stage) -> io::Result<bool> {
    let (token, mut ours, peer) = pair(stage)?;
    ours.set_read_timeout(Some(CALL))?;
    let (drip, began, mut bytes) = (drip(peer), stage.now(), 0);
    while let Ok(count @ 1..) = stage.read(token, &mut ours, &mut [0; 64]) {
        bytes += count;
    }
    let took = stage.now().since(began);
    stage.say(&format!("3. a byte now and then: all {bytes} were waited for, {took:.0?}"));
    stage.close(token, ours, CloseReason::PeerClosed);
    drip.join().map_err(|_| io::Error::other("the peer panicked"))?;
    Ok(bytes == PIECES && took > CALL)
}

/// HERE is how it is done: one deadline for all, and each wait gets what is left of it.
fn deadline(stage: &Stage) -> io::Result<bool> {
    let (token, ours, peer) = pair(stage)?;
    ours.set_nonblocking(true)?;
    let mut ours = mio::net::TcpStream::from_std(ours);
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(8));
    stage.watch(token, poll.registry(), &mut ours, Interest::READABLE)?;
    let (drip, due, mut bytes) = (drip(peer), stage.now() + ANSWER, 0);
    stage.arm(token, due);
    while stage.now() < due {
        stage.poll(&mut poll, &mut events, due.since(stage.now()))?;
        while let Ok(count @ 1..) = stage.read(token, &mut ours, &mut [0; 64]) {
            bytes += count;
        }
    }
    stage.fire(token, due);
    stage.say(&format!("4. the same with one deadline: {bytes} of {PIECES} bytes, and enough"));
    stage.close(token, ours, CloseReason::Aborted);
    drip.join().map_err(|_| io::Error::other("the peer panicked"))?;
    Ok(bytes < PIECES)
}

/// The peer reads nothing: the systems of both sides take what they have room for.
fn deaf(stage: &Stage) -> io::Result<bool> {
    let (token, mut ours, _deaf) = pair(stage)?;
    ours.set_write_timeout(Some(CALL))?;
    let (mut bytes, piece) = (0, [b'x'; 65_536]);
    let error = loop {
        match stage.write(token, &mut ours, &piece) {
            Ok(count) => bytes += count,
            Err(error) => break error.kind(),
        }
    };
    stage.say(&format!("5. writing to a deaf peer: {bytes} bytes went well, then {error:?}"));
    stage.close(token, ours, CloseReason::Aborted);
    Ok(bytes > 0 && matches!(error, ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

fn pair(stage: &Stage) -> io::Result<(Token, TcpStream, TcpStream)> {
    let (listener, token) = (TcpListener::bind(anywhere())?, stage.token());
    let peer = TcpStream::connect(listener.local_addr()?)?;
    stage.note(Fact::Adopted { token });
    Ok((token, listener.accept()?.0, peer))
}

fn drip(mut peer: TcpStream) -> JoinHandle<()> {
    thread::spawn(move || {
        for _ in 0..PIECES {
            thread::sleep(PAUSE);
            // Whoever has had enough has closed.
            let _ = peer.write_all(b"x");
        }
    })
}
