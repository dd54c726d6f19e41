//! Lesson 7, the client: asks, and asks again as soon as it has the whole answer.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use readyloop::cli::learn::Stage;

const REQUESTS: usize = 20;
/// Nothing is computed anywhere: half of the answers should need much less than this.
const LONG: Duration = Duration::from_millis(35);

/// Round after round, on one connection each.
pub fn ask(stage: &Stage, address: SocketAddr, answer: usize) -> io::Result<()> {
    while stage.another_round() {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        let (mut took, mut buffer) = (Vec::new(), vec![0; answer]);
        for _ in 0..REQUESTS {
            let began = Instant::now();
            socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
            socket.read_exact(&mut buffer)?;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        let median = took.get(REQUESTS / 2).copied().unwrap_or_default();
        let text = format!("client: {REQUESTS} answers, half of them within {median:.1?}");
        if median < LONG { stage.well(&text) } else { stage.fault(&text) }
    }
    Ok(())
}
