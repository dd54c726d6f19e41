//! Lesson 2, the clients: one asks and waits for the answer, while another sends without end.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use readyloop::cli::learn::Stage;

/// Both, round after round.
pub fn both(stage: &Stage, address: SocketAddr) -> io::Result<()> {
    while stage.another_round() {
        let mut asker = TcpStream::connect(address)?;
        asker.set_read_timeout(Some(Duration::from_secs(1)))?;
        ask(&mut asker)?;
        stage.say("asker: alone, it is answered");
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        stage.client("flooder", move |stage| flood(stage, address, &until))?;
        stage.rest(Duration::from_millis(300));
        match ask(&mut asker) {
            Ok(()) => stage.well("asker: answered while the other one floods"),
            Err(_) => stage.fault("asker: no answer within a second while the other one floods"),
        }
        over.store(true, Ordering::Relaxed);
    }
    Ok(())
}

fn ask(socket: &mut TcpStream) -> io::Result<()> {
    socket.write_all(b"ping\n")?;
    socket.read_exact(&mut [0; 5])
}

/// Sends as fast as it can; there is no line in it, so no answer either.
fn flood(stage: &Stage, address: SocketAddr, over: &AtomicBool) -> io::Result<()> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_write_timeout(Some(Duration::from_secs(1)))?;
    let block = vec![b'x'; 256 * 1024];
    while stage.goes_on() && !over.load(Ordering::Relaxed) {
        // A server that takes nothing for a second has ended.
        if socket.write(&block).is_err() {
            break;
        }
    }
    Ok(())
}

/// What a server does with what it has read: looks for lines, thoroughly. It takes longer than to
/// send the same, as work does.
pub fn lines(bytes: &[u8]) -> usize {
    let mut sum = 1u32;
    for _ in 0..16 {
        for byte in bytes {
            sum = (sum ^ u32::from(*byte)).wrapping_mul(16_777_619);
        }
    }
    std::hint::black_box(sum);
    bytes.iter().filter(|byte| **byte == b'\n').count()
}
