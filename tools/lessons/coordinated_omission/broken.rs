//! Lesson 11, broken: a client that measures a server, and waits for each answer before it asks
//! again.
//!
//! It means to ask every 2 ms. While the server stands still it does not ask, so that it has nothing
//! to measure but one slow answer where users would have had a hundred.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use readyloop::CloseReason;
use readyloop::cli::learn::{Stage, anywhere};

use super::server::{GAP, REQUESTS, report, serve};

/// Round after round: the client on this thread, the server on another.
pub fn run(stage: &Stage) -> io::Result<()> {
    while stage.another_round() {
        let listener = TcpListener::bind(anywhere())?;
        let address = listener.local_addr()?;
        let server = thread::spawn(move || serve(&listener));
        measure(stage, address)?;
        server.join().map_err(|_| io::Error::other("the server panicked"))??;
    }
    Ok(())
}

fn measure(stage: &Stage, address: SocketAddr) -> io::Result<()> {
    let (token, mut socket) = stage.connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (start, mut answer) = (stage.now(), [0; 1]);
    let (mut from_sent, mut from_due) = (Vec::new(), Vec::new());
    for number in 0..REQUESTS {
        let due = start + GAP * number;
        thread::sleep(due.since(stage.now()));
        let sent = stage.now();
        // The next one is due then, whatever becomes of this one.
        let next = due + GAP;
        if next > sent {
            stage.arm(token, next);
        }
        stage.write(token, &mut socket, b"?")?;
        // HERE it waits for the answer, and meanwhile others are due.
        stage.read(token, &mut socket, &mut answer)?;
        from_sent.push(stage.now().since(sent));
        from_due.push(stage.now().since(due));
    }
    stage.close(token, socket, CloseReason::Finished);
    report(stage, from_sent, from_due);
    Ok(())
}
