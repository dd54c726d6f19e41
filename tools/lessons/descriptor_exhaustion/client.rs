//! Lesson 6, the clients: more of them than the server has descriptors. Those who are greeted leave
//! after a while, and the others hope.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use readyloop::cli::learn::Stage;

/// Descriptors that the server has for connections.
pub const ROOM: usize = 8;
/// Clients that come.
const CROWD: usize = 12;
/// A loop that sleeps turns a few times in half a second of silence.
const MANY: u64 = 1000;

/// Round after round. What is looked at: how the loop turns, or else who is greeted in the end.
pub fn crowd(stage: &Stage, address: &Receiver<SocketAddr>, turns: bool) -> io::Result<()> {
    let address = address.recv_timeout(Duration::from_secs(10)).map_err(io::Error::other)?;
    while stage.another_round() {
        let mut clients = Vec::new();
        for _ in 0..CROWD {
            clients.push(TcpStream::connect(address)?);
        }
        let first = greeted(&mut clients);
        stage.say(&format!("clients: {first} of {CROWD} are greeted"));
        let before = stage.turns();
        stage.rest(Duration::from_millis(500));
        if turns {
            let turned = stage.turns() - before;
            let text =
                format!("clients: in half a second of silence the loop turned {turned} times");
            if turned > MANY { stage.fault(&text) } else { stage.well(&text) }
        }
        // Those who were greeted leave: there is room for the others now.
        let mut late = clients.split_off(first.min(clients.len()));
        drop(clients);
        let served = greeted(&mut late);
        let text = format!("clients: then room was made, and {served} of {} more", late.len());
        match served == late.len() {
            true if !turns => stage.well(&text),
            true => stage.say(&text),
            false => stage.fault(&text),
        }
    }
    Ok(())
}

/// How many are greeted. Who comes first is served first: after the first who is not, nobody is.
fn greeted(clients: &mut [TcpStream]) -> usize {
    let waits = clients.iter_mut().map(hello).take_while(Result::is_ok);
    waits.count()
}

/// Waits for the greeting, for a second.
fn hello(client: &mut TcpStream) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(1)))?;
    client.read_exact(&mut [0; 6])
}
