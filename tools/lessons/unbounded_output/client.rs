//! Lesson 8, the readers: one reads at once, the other when all has been sent.

use std::io::{self, BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::Barrier;
use std::time::Duration;

use readyloop::cli::learn::anywhere;
use socket2::SockRef;

/// A message: a line of 64 KiB that begins with its number.
pub fn message(number: usize) -> Vec<u8> {
    format!("{number:08}{}\n", "x".repeat(64 * 1024 - 9)).into_bytes()
}

/// For its connections the system keeps little: so it is soon the program's turn to keep the rest.
pub fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind(anywhere())?;
    SockRef::from(&listener).set_send_buffer_size(64 * 1024)?;
    SockRef::from(&listener).set_recv_buffer_size(64 * 1024)?;
    Ok(listener)
}

/// Somebody who listens, and for whom the system keeps little too.
pub fn connect(listener: &TcpListener) -> io::Result<TcpStream> {
    let client = TcpStream::connect(listener.local_addr()?)?;
    SockRef::from(&client).set_recv_buffer_size(64 * 1024)?;
    Ok(client)
}

/// Waits for its start, reads to the end, and answers how many messages came whole, and how many it was told of that it
/// has missed.
pub fn read(socket: TcpStream, starts: &Barrier) -> io::Result<(usize, usize)> {
    starts.wait();
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut whole, mut missed) = (0, 0);
    for line in BufReader::new(socket).lines() {
        let line = line?;
        match line.strip_prefix("missed ").and_then(|count| count.parse::<usize>().ok()) {
            Some(count) => missed += count,
            None => whole += usize::from(line.len() + 1 == message(0).len()),
        }
    }
    Ok((whole, missed))
}
