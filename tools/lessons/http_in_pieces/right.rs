//! Lesson 19: HTTP requests that come a few bytes at a time, and a machine that can stop at every
//! byte.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use readyloop::cli::learn::{Stage, anywhere};
use readyloop::proto::h1::{Event, Memo, Server};
use readyloop::{CloseReason, Limits, Token};

const REQUESTS: &[u8] = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n\
    POST /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nhello world";

/// Round after round: the two requests in one piece, and in many.
pub fn run(stage: &Stage) -> io::Result<()> {
    while stage.another_round() {
        let (whole, reads) = receive(stage, REQUESTS.len())?;
        stage.say(&format!("{reads} read; now the same in pieces of 7 bytes"));
        let (pieces, reads) = receive(stage, 7)?;
        let text = format!("{reads} reads, and the machine has understood: {}", pieces.concat());
        match pieces.concat() == whole.concat() && reads > 1 {
            true => stage.well(&text),
            false => stage.fault(&text),
        }
    }
    Ok(())
}

/// Reads from a client that sends so many bytes at a time. Answers what they meant, and how many
/// reads it took.
fn receive(stage: &Stage, size: usize) -> io::Result<(Vec<String>, usize)> {
    let (listener, door) = (TcpListener::bind(anywhere())?, stage.token());
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    client.set_nodelay(true)?;
    let (token, mut socket) = stage.accept(door, &listener)?;
    stage.close(door, listener, CloseReason::Finished);
    let sending = thread::spawn(move || {
        REQUESTS.chunks(size).try_for_each(|piece| {
            thread::sleep(Duration::from_millis(5));
            client.write_all(piece)
        })
    });
    let understood = parse(stage, token, &mut socket);
    stage.close(token, socket, CloseReason::PeerClosed);
    sending.join().map_err(|_| io::Error::other("the client panicked"))??;
    understood
}

fn parse(stage: &Stage, token: Token, socket: &mut TcpStream) -> io::Result<(Vec<String>, usize)> {
    let (limits, mut memo, mut machine) = (Limits::default(), Memo::default(), Server::new());
    let (mut kept, mut understood, mut reads) = (Vec::new(), Vec::new(), 0);
    let mut buffer = [0; 256];
    loop {
        let count = stage.read(token, socket, &mut buffer)?;
        if count == 0 {
            return Ok((understood, reads));
        }
        reads += 1;
        // HERE: what could not be used yet, and behind it what has come.
        kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let (mut input, before) = (kept.as_slice(), understood.len());
        while let Some(event) = machine
            .next_event(&mut input, &mut memo, &limits)
            .map_err(|refusal| io::Error::other(refusal.to_string()))?
        {
            let (text, is_whole) = match event {
                Event::Request(head) => {
                    stage.request(token, head.method, head.target);
                    (format!("[{} {}] ", head.method, head.target), false)
                }
                Event::Data(data) => (String::from_utf8_lossy(data).into_owned(), false),
                Event::Trailers(_) => ("[trailers] ".into(), false),
                Event::End => ("[end] ".into(), true),
            };
            understood.push(text);
            // Here it would be answered. Only then does the machine look at what comes next.
            if is_whole {
                machine.next();
            }
        }
        let used = kept.len() - input.len();
        kept.drain(..used);
        let new = understood.get(before..).unwrap_or_default().concat();
        let new = if new.is_empty() { "nothing yet" } else { &new };
        stage.say(&format!("{count:3} bytes: {new}; {} kept", kept.len()));
    }
}
