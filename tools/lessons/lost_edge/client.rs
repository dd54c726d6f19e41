//! Lesson 1, the client: sends 64 KiB and waits for a word of thanks, for a second.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use readyloop::cli::learn::Stage;

/// What it sends.
pub const SIZE: usize = 64 * 1024;

/// Round after round.
pub fn upload(stage: &Stage, address: SocketAddr) -> io::Result<()> {
    while stage.another_round() {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        socket.write_all(&vec![b'x'; SIZE])?;
        stage.say(&format!("client: sent {SIZE} bytes"));
        let mut answer = [0; 7];
        match socket.read_exact(&mut answer) {
            Ok(()) => stage.well("client: was thanked"),
            Err(_) => stage.fault("client: no answer within a second"),
        }
    }
    Ok(())
}
