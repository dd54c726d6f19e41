//! Lesson 3, the clients: one asks for a report, and right after it the other one says ping.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use readyloop::cli::learn::Stage;

/// Both, round after round.
pub fn both(stage: &Stage, address: SocketAddr) -> io::Result<()> {
    while stage.another_round() {
        let mut slow = TcpStream::connect(address)?;
        let mut quick = TcpStream::connect(address)?;
        for socket in [&slow, &quick] {
            socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        }
        slow.write_all(b"report\n")?;
        stage.rest(Duration::from_millis(50));
        quick.write_all(b"ping\n")?;
        let asked = stage.now();
        quick.read_exact(&mut [0; 5])?;
        let waited = stage.now().since(asked).as_millis();
        // Whoever was served first is seen from what is there already, not from a clock.
        slow.set_nonblocking(true)?;
        let text = format!("the quick one was answered after {waited} ms");
        match slow.peek(&mut [0; 5]) {
            Ok(_) => stage.fault(&format!("{text}, when the report was done")),
            Err(_) => stage.well(&format!("{text}, and the report is still being made")),
        }
        slow.set_nonblocking(false)?;
        slow.read_exact(&mut [0; 5])?;
    }
    Ok(())
}
