//! Lesson 8, broken: a broadcaster that keeps for each reader whatever that reader does not take.
//!
//! One of two readers sleeps while all is sent. What the system does not take for it goes to its
//! backlog, which never refuses. This one ends because the broadcast does.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll};
use readyloop::cli::learn::{Stage, limits, whose};
use readyloop::{CloseReason, Moment, Token};

use super::client::{connect, listen, message, read};

const MESSAGES: usize = 60;
/// Between two messages: slow enough to watch.
const PAUSE: Duration = Duration::from_millis(25);

type Readers = HashMap<Token, Reader>;

struct Reader {
    socket: TcpStream,
    backlog: Vec<u8>,
    /// The longest that the backlog has been.
    most: usize,
}

/// Round after round: the broadcaster on this thread, two readers on others.
pub fn run(stage: &Stage) -> io::Result<()> {
    while stage.another_round() {
        let (listener, door, mut poll) = (listen()?, stage.token(), Poll::new()?);
        let mut readers = Readers::new();
        let (asleep, awake) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(1)));
        let clients = [&awake, &asleep].map(|starts| {
            let client = connect(&listener)?;
            let (token, socket) = stage.accept(door, &listener)?;
            socket.set_nonblocking(true)?;
            let mut socket = TcpStream::from_std(socket);
            stage.watch(token, poll.registry(), &mut socket, Interest::WRITABLE)?;
            readers.insert(token, Reader { socket, backlog: Vec::new(), most: 0 });
            let starts = Arc::clone(starts);
            io::Result::Ok(thread::spawn(move || read(client, &starts)))
        });
        stage.close(door, listener, CloseReason::Finished);
        for number in 0..MESSAGES {
            for (token, reader) in &mut readers {
                // HERE: whether it takes anything or not.
                reader.backlog.extend(message(number));
                flush(stage, *token, reader)?;
            }
            let next = stage.now() + PAUSE;
            while stage.now() < next {
                turn(stage, &mut poll, &mut readers, next)?;
            }
        }
        asleep.wait();
        while stage.goes_on() && readers.values().any(|reader| !reader.backlog.is_empty()) {
            turn(stage, &mut poll, &mut readers, Moment::NEVER)?;
        }
        let most = readers.values().map(|reader| reader.most).max().unwrap_or(0);
        let text = format!("at most {} KiB were kept for one reader", most / 1024);
        if most < limits().backlog_cap {
            stage.well(&text)
        } else {
            stage.fault(&text)
        }
        readers.drain().for_each(|(token, reader)| {
            stage.close(token, reader.socket, CloseReason::Finished);
        });
        for (name, client) in ["quick", "slow"].iter().zip(clients) {
            let read = client?.join().map_err(|_| io::Error::other("a reader panicked"))?;
            let (whole, missed) = read?;
            stage.say(&format!("the {name} reader has read {whole} messages; it missed {missed}"));
        }
    }
    Ok(())
}

fn turn(stage: &Stage, poll: &mut Poll, readers: &mut Readers, until: Moment) -> io::Result<()> {
    let mut events = Events::with_capacity(64);
    stage.poll(poll, &mut events, until.since(stage.now()))?;
    for event in &events {
        stage.event(whose(event), event);
        if let Some(reader) = readers.get_mut(&whose(event)) {
            flush(stage, whose(event), reader)?;
        }
    }
    Ok(())
}

/// Writes until all is gone or the system takes no more; it will tell when there is room again.
fn flush(stage: &Stage, token: Token, reader: &mut Reader) -> io::Result<()> {
    while !reader.backlog.is_empty() {
        match stage.write(token, &mut reader.socket, &reader.backlog) {
            Ok(count) => drop(reader.backlog.drain(..count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    reader.most = reader.most.max(reader.backlog.len());
    stage.keep(token, reader.backlog.len());
    Ok(())
}
