//! Lesson 5, the client: says a word, hears it back, and is silent for a second.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use readyloop::cli::learn::Stage;

/// A loop that sleeps turns a few times in a second of silence.
const MANY: u64 = 1000;

/// Round after round.
pub fn talk(stage: &Stage, address: SocketAddr) -> io::Result<()> {
    while stage.another_round() {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        socket.write_all(b"hello")?;
        socket.read_exact(&mut [0; 5])?;
        stage.say("client: heard its word, and is silent now");
        let before = stage.turns();
        stage.rest(Duration::from_secs(1));
        let turns = stage.turns() - before;
        let text = format!("client: in a second of silence the loop turned {turns} times");
        if turns > MANY { stage.fault(&text) } else { stage.well(&text) }
    }
    Ok(())
}
