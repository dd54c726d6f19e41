//! Lesson 4, the client: is slow to begin, and then reads as fast as it can.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use readyloop::cli::learn::Stage;

/// What it is sent: more than the system's buffers on both sides hold.
pub const SIZE: usize = 32 * 1024 * 1024;

/// Round after round.
pub fn download(stage: &Stage, address: SocketAddr) -> io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    while stage.another_round() {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        // By then the server has met a full buffer.
        stage.rest(Duration::from_millis(300));
        let mut got = 0;
        while got < SIZE {
            match socket.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(count) => got += count,
            }
        }
        let text = format!("client: got {got} of {SIZE} bytes");
        if got == SIZE {
            stage.well(&text);
        } else {
            stage.fault(&format!("{text}, and then nothing for two seconds"));
        }
    }
    Ok(())
}
