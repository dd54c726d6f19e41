//! Lesson 17, a guest of the chat.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What the chat asks, and what it hopes for.
pub const PING: &str = "PING\n";
/// See [`PING`].
pub const PONG: &str = "PONG\n";
/// What all are told when somebody has gone.
pub const GONE: &str = "somebody has gone\n";

/// Says hello, and answers whenever it is asked, or never. Goes when somebody else has gone. Answers
/// how often it was asked.
pub fn visit(address: SocketAddr, name: &str, answers: bool) -> io::Result<usize> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    socket.write_all(format!("hello from {name}\n").as_bytes())?;
    let (mut lines, mut line, mut asked) = (BufReader::new(socket.try_clone()?), String::new(), 0);
    while lines.read_line(&mut line)? > 0 && line != GONE {
        if line == PING {
            asked += 1;
            if answers {
                socket.write_all(PONG.as_bytes())?;
            }
        }
        line.clear();
    }
    Ok(asked)
}
