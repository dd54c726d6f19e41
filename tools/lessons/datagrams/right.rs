//! Lesson 16: datagrams. Messages with borders, cut if the buffer is short, from anybody, perhaps
//! empty, and perhaps never.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use readyloop::cli::learn::{Stage, anywhere};
use readyloop::probe::Fact;
use readyloop::{CloseReason, Token};

/// Round after round: one server, two who send to it, all on one thread.
pub fn run(stage: &Stage) -> io::Result<()> {
    while stage.another_round() {
        let (server, token) = (bind()?, stage.token());
        let tried = attempt(stage, token, &server, &bind()?, &bind()?);
        stage.close(token, server, CloseReason::Finished);
        match tried? {
            true => stage.well("as messages are: whole or cut, and each with its sender"),
            false => stage.fault("that is not how messages are"),
        }
    }
    Ok(())
}

fn attempt(
    stage: &Stage,
    token: Token,
    server: &UdpSocket,
    ann: &UdpSocket,
    ben: &UdpSocket,
) -> io::Result<bool> {
    let at = server.local_addr()?;
    let receive = |size: usize| receive(stage, token, server, &mut vec![0; size]);

    ann.send_to(b"hello", at)?;
    ann.send_to(b"world", at)?;
    let ((first, _), (second, _)) = (receive(2048)?, receive(2048)?);
    stage.say(&format!("two sends of 5 bytes: received {first}, and then {second}"));

    // HERE 900 bytes are lost, and no error says so.
    ann.send_to(&[b'x'; 1000], at)?;
    ann.send_to(b"next", at)?;
    let ((cut, _), (next, _)) = (receive(100)?, receive(100)?);
    stage.say(&format!("1000 bytes into room for 100: received {cut}, and then the next, {next}"));

    ann.send_to(b"I am Ann", at)?;
    ben.send_to(b"I am Ben", at)?;
    let ((_, from_ann), (_, from_ben)) = (receive(100)?, receive(100)?);
    stage.say(&format!("one socket, two peers, no accept: {from_ann} and {from_ben}"));
    let sent = server.send_to(b"hello, Ben", from_ben)?;
    stage.note(Fact::Sent { token, bytes: sent });
    let (answer, _) = ben.recv_from(&mut [0; 100])?;

    ann.send_to(b"", at)?;
    let (empty, _) = receive(100)?;
    stage.say(&format!("a datagram of {empty} bytes: the end of nothing"));
    let peers = (from_ann, from_ben) == (ann.local_addr()?, ben.local_addr()?);
    Ok(peers && [first, second, cut, next, answer, empty] == [5, 5, 100, 4, 10, 0])
}

fn receive(
    stage: &Stage,
    token: Token,
    socket: &UdpSocket,
    buffer: &mut [u8],
) -> io::Result<(usize, SocketAddr)> {
    let (bytes, from) = socket.recv_from(buffer)?;
    stage.note(Fact::Received { token, bytes });
    Ok((bytes, from))
}

/// What is lost never comes: whoever waits for a datagram waits with a deadline.
fn bind() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(anywhere())?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok(socket)
}
