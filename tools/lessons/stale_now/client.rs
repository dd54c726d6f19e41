//! Lesson 10, the client: asks, and says thanks a moment after the answer.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use readyloop::cli::learn::Stage;

/// How long it takes to say thanks.
const TAKES: Duration = Duration::from_millis(50);

/// One exchange.
pub fn ask(stage: &Stage, mut socket: TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    socket.write_all(b"six times seven?\n")?;
    socket.read_exact(&mut [0; 3])?;
    thread::sleep(TAKES);
    // Whoever has been put out is not heard, and hears nothing.
    let said = socket.write_all(b"thanks\n").and_then(|()| socket.read_exact(&mut [0; 8]));
    match said {
        Ok(()) => stage.well("client: said thanks after 50 ms, and was welcome"),
        Err(_) => stage.fault("client: wanted to say thanks after 50 ms, and had been put out"),
    }
    Ok(())
}
