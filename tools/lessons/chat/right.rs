//! Lesson 17: chat with heart-beats on bare mio. A map of guests, one deadline for each, one poll
//! for all.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::thread;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll};
use readyloop::cli::learn::{Stage, anywhere, whose};
use readyloop::{CloseReason, Moment, Token};

use super::guest::{GONE, PING, PONG, visit};

/// After so much silence a guest is asked; after as much again it is put out.
const SILENCE: Duration = Duration::from_millis(400);
/// What is kept of lines that are not handed on yet.
const LONGEST: usize = 1024;

struct Guest {
    socket: TcpStream,
    /// What has come of its next line.
    line: Vec<u8>,
    due: Moment,
    was_asked: bool,
}

type Guests = BTreeMap<Token, Guest>;

/// Round after round, with three guests: two answer, and one does not.
pub fn run(stage: &Stage) -> io::Result<()> {
    let (mut poll, mut listener) = (Poll::new()?, TcpListener::bind(anywhere())?);
    let (address, door) = (listener.local_addr()?, stage.token());
    stage.watch(door, poll.registry(), &mut listener, Interest::READABLE)?;
    while stage.another_round() {
        let visits = [("Ann", true), ("Ben", true), ("Cid", false)]
            .map(|(name, answers)| thread::spawn(move || visit(address, name, answers)));
        meet(stage, &mut poll, door, &listener)?;
        let asked = visits.map(|visit| visit.join().unwrap_or(Ok(0)).unwrap_or(0));
        match asked {
            [_, _, 1] if !asked.contains(&0) => {
                stage.well("all were asked, and who did not answer was put out");
            }
            _ => stage.fault(&format!("guests were asked {asked:?} times")),
        }
    }
    Ok(())
}

fn meet(stage: &Stage, poll: &mut Poll, door: Token, listener: &TcpListener) -> io::Result<()> {
    let (mut events, mut guests, mut came) = (Events::with_capacity(64), Guests::new(), 0);
    while stage.goes_on() && (came < 3 || !guests.is_empty()) {
        // Until the first of all deadlines.
        let next = guests.values().map(|guest| guest.due).min().unwrap_or(Moment::NEVER);
        stage.poll(poll, &mut events, next.since(stage.now()))?;
        for event in &events {
            stage.event(whose(event), event);
            if whose(event) != door {
                hear(stage, &mut guests, whose(event));
                continue;
            }
            while let Ok((token, mut socket)) = stage.accept(door, listener) {
                stage.watch(token, poll.registry(), &mut socket, Interest::READABLE)?;
                let due = set(stage, token);
                guests.insert(token, Guest { socket, line: Vec::new(), due, was_asked: false });
                came += 1;
            }
        }
        // After the events: whoever has spoken in time is not late.
        let now = stage.now();
        let late = guests.iter().filter(|(_, guest)| guest.due <= now);
        for token in late.map(|(token, _)| *token).collect::<Vec<_>>() {
            beat(stage, &mut guests, token);
        }
    }
    Ok(())
}

/// The next deadline: one number, which is written over at each sign of life.
fn set(stage: &Stage, token: Token) -> Moment {
    let due = stage.now() + SILENCE;
    stage.arm(token, due);
    due
}

/// HERE: silent for the first time, it is asked; for the second time, it is put out.
fn beat(stage: &Stage, guests: &mut Guests, token: Token) {
    let Some(guest) = guests.get_mut(&token) else { return };
    stage.fire(token, guest.due);
    if std::mem::replace(&mut guest.was_asked, true) {
        stage.say(&format!("{token} does not answer"));
        return leave(stage, guests, token, CloseReason::Aborted);
    }
    guest.due = set(stage, token);
    let asked = stage.write(token, &mut guest.socket, PING.as_bytes());
    if let Err(error) = asked {
        leave(stage, guests, token, CloseReason::from_io(&error));
    }
}

/// Reads until nothing is left, and tells the others each line that has ended.
fn hear(stage: &Stage, guests: &mut Guests, token: Token) {
    let Some(guest) = guests.get_mut(&token) else { return };
    let mut buffer = [0; 512];
    let reason = loop {
        match stage.read(token, &mut guest.socket, &mut buffer) {
            Ok(0) => break Some(CloseReason::PeerClosed),
            // Whoever says more at once does not chat.
            Ok(_) if guest.line.len() > LONGEST => break Some(CloseReason::Aborted),
            Ok(count) => guest.line.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break None,
            Err(error) => break Some(CloseReason::from_io(&error)),
        }
    };
    // Any byte is a sign of life.
    (guest.due, guest.was_asked) = (set(stage, token), false);
    let ended = guest.line.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines: Vec<u8> = guest.line.drain(..ended).collect();
    for line in lines.split_inclusive(|byte| *byte == b'\n').filter(|line| *line != PONG.as_bytes())
    {
        tell(stage, guests, token, line);
    }
    if let Some(reason) = reason {
        leave(stage, guests, token, reason);
    }
}

/// Tells all but one. Whoever has no room for a line has missed it: a real chat keeps it, in bounds.
fn tell(stage: &Stage, guests: &mut Guests, but: Token, line: &[u8]) {
    for (token, guest) in guests.iter_mut().filter(|(token, _)| **token != but) {
        let _ = stage.write(*token, &mut guest.socket, line);
    }
}

fn leave(stage: &Stage, guests: &mut Guests, token: Token, reason: CloseReason) {
    if let Some(guest) = guests.remove(&token) {
        stage.close(token, guest.socket, reason);
        tell(stage, guests, token, GONE.as_bytes());
    }
}
