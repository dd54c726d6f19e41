//! Lesson 8, the readers: one reads at once, the other sleeps first.

use std::io::{self, BufRead, BufReader};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

/// A message: a line of 64 KiB that begins with its number.
pub fn message(number: usize) -> Vec<u8> {
    format!("{number:08}{}\n", "x".repeat(64 * 1024 - 9)).into_bytes()
}

/// Reads to the end, and answers how many messages came whole, and how many it was told of that it
/// has missed.
pub fn read(socket: TcpStream, after: Duration) -> io::Result<(usize, usize)> {
    thread::sleep(after);
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
