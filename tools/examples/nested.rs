//! A host with a poll of its own nests the loop in it: it watches the loop's descriptor among
//! others, sleeps no longer than the loop allows, and turns the loop until nothing is left to do.
//!
//! The example is its own client. It asks for an echo, then falls silent, and is closed by the
//! loop's idle time-out, which shows that timers run although only the host ever sleeps.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use readyloop::app::echo::Echo;
use readyloop::{Limits, Reactor};

/// Runs until the client has been closed.
pub fn main() -> Result<(), Box<dyn Error>> {
    let limits = Limits { idle: Duration::from_millis(200), ..Limits::default() };
    let mut reactor = Reactor::new(limits)?;
    let listener = reactor.listen(SocketAddr::from(([127, 0, 0, 1], 0)), Echo)?;
    let address = reactor.local_address(listener).and_then(|at| at.as_inet()).ok_or("no port")?;

    // A descriptor of the host's own: here it tells that the client is done.
    let (mut host, done) = UnixStream::pair()?;
    let client = thread::spawn(move || visit(address, done));
    loop {
        let timeout = match reactor.next_timeout() {
            // Rounded up: to wake a moment early would be to wake in vain.
            Some(time) => PollTimeout::try_from(time + Duration::from_millis(1))?,
            None => PollTimeout::NONE,
        };
        let mut ready = [
            PollFd::new(reactor.as_fd(), PollFlags::POLLIN),
            PollFd::new(host.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut ready, timeout)?;
        let is_done = ready[1].any().unwrap_or(false);
        // `more` means that work is left which the descriptor will not announce.
        while reactor.turn(Some(Duration::ZERO))?.more {}
        if is_done {
            break;
        }
    }
    let mut answer = String::new();
    host.read_to_string(&mut answer)?;
    client.join().map_err(|_| "the client failed")??;
    println!("the client got {answer:?} and was closed when it fell silent");
    if answer == "nested" { Ok(()) } else { Err("the echo was wrong".into()) }
}

/// Asks for an echo, waits to be closed, and hands over what it got.
fn visit(address: SocketAddr, mut done: UnixStream) -> Result<(), std::io::Error> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"nested")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    done.write_all(answer.as_bytes())
}
