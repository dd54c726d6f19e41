//! Lesson 9, repaired: a server that calls its connections by index and generation.
//!
//! The same as its broken twin but for `Server::turn`: a line is for one `Token`, not for whoever
//! has its index.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::TcpStream as Client;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll};
use readyloop::cli::learn::{Stage, anywhere};
use readyloop::probe::Fact;
use readyloop::{CloseReason, Token};

struct Server<'s> {
    stage: &'s Stage,
    poll: Poll,
    door: Token,
    listener: TcpListener,
    /// By index.
    seats: HashMap<usize, (Token, TcpStream)>,
}

impl Server<'_> {
    fn accept(&mut self) -> io::Result<()> {
        while self.seats.len() < 2 {
            let Ok((token, mut socket)) = self.stage.accept(self.door, &self.listener) else {
                return Ok(());
            };
            let name = mio::Token(token.index());
            self.poll.registry().register(&mut socket, name, Interest::READABLE)?;
            self.seats.insert(token.index(), (token, socket));
        }
        self.stage.note(Fact::Paused { token: self.door, descriptors: false });
        Ok(())
    }

    fn turn(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(16);
        self.stage.poll(&mut self.poll, &mut events, Duration::from_secs(1))?;
        let mut lines = Vec::new();
        for index in events.iter().map(|event| event.token().0) {
            let Some((token, socket)) = self.seats.get_mut(&index) else {
                self.accept()?;
                continue;
            };
            let mut buffer = [0; 64];
            let count = self.stage.read(*token, socket, &mut buffer)?;
            let line = buffer.get(..count).map(String::from_utf8_lossy).unwrap_or_default();
            lines.push((*token, line.trim_end().to_owned()));
        }
        for (whose, line) in lines {
            // HERE: only the one who has said it. Whoever has the index now is another generation.
            let seat = self.seats.get_mut(&whose.index());
            let Some((token, socket)) = seat.filter(|(token, _)| *token == whose) else {
                self.stage.note(Fact::Stale { token: whose });
                continue;
            };
            self.stage.note(Fact::Event { token: *token, bits: 1 });
            match line.strip_prefix("throw out ").and_then(|index| index.parse().ok()) {
                Some(index) => self.throw_out(index)?,
                None => {
                    let answer = format!("you said: {line}\n");
                    self.stage.write(*token, socket, answer.as_bytes())?;
                }
            }
        }
        Ok(())
    }

    /// The seat goes to the next in the queue.
    fn throw_out(&mut self, index: usize) -> io::Result<()> {
        if let Some((token, socket)) = self.seats.remove(&index) {
            self.stage.close(token, socket, CloseReason::Aborted);
            self.stage.note(Fact::Resumed { token: self.door });
        }
        self.accept()
    }
}

/// Round after round: Alice has Bob thrown out while he says something, and Carol is next.
pub fn run(stage: &Stage) -> io::Result<()> {
    let (poll, mut listener) = (Poll::new()?, TcpListener::bind(anywhere())?);
    let address = listener.local_addr()?;
    let door = stage.token();
    stage.watch(door, poll.registry(), &mut listener, Interest::READABLE)?;
    let mut server = Server { stage, poll, door, listener, seats: HashMap::new() };
    while stage.another_round() {
        let (mut alice, mut bob) = (Client::connect(address)?, Client::connect(address)?);
        server.turn()?;
        let mut carol = Client::connect(address)?;
        carol.set_read_timeout(Some(Duration::from_millis(200)))?;
        server.turn()?;
        alice.write_all(b"throw out 2\n")?;
        bob.write_all(b"my pin is 1234\n")?;
        stage.rest(Duration::from_millis(50));
        server.turn()?;
        let mut heard = String::new();
        // Until its time-out.
        let _ = carol.read_to_string(&mut heard);
        match heard.trim_end() {
            "" => stage.well("Carol has said nothing and heard nothing"),
            heard => stage.fault(&format!("Carol has said nothing and heard: {heard}")),
        }
        server.seats.drain().for_each(|(_, (token, socket))| {
            stage.close(token, socket, CloseReason::Finished);
        });
    }
    Ok(())
}
