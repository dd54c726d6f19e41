//! Lesson 11, the server: answers each byte by a byte, and now and then stands still.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use readyloop::cli::learn::Stage;

/// How many requests a client sends, and in which intervals it means to.
pub const REQUESTS: u32 = 1000;
/// See [`REQUESTS`].
pub const GAP: Duration = Duration::from_millis(2);
/// It stands still for so long, so often.
const STANDS: Duration = Duration::from_millis(200);
const EVERY: Duration = Duration::from_millis(400);

/// Serves one client.
pub fn serve(listener: &TcpListener) -> io::Result<()> {
    let (mut socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut buffer, mut last) = ([0; 4096], Instant::now());
    loop {
        let count = socket.read(&mut buffer)?;
        let Some(questions @ [_, ..]) = buffer.get_mut(..count) else { return Ok(()) };
        if last.elapsed() > EVERY {
            thread::sleep(STANDS);
            last = Instant::now();
        }
        questions.fill(b'!');
        socket.write_all(questions)?;
    }
}

/// What 99 of 100 requests needed at most, from when they were sent and from when they were due.
pub fn report(stage: &Stage, mut from_sent: Vec<Duration>, mut from_due: Vec<Duration>) {
    let of = |times: &mut Vec<Duration>, part: usize| {
        times.sort_unstable();
        times.get(times.len() * part / 100).copied().unwrap_or_default()
    };
    for part in [50, 75, 99] {
        let (sent, due) = (of(&mut from_sent, part), of(&mut from_due, part));
        stage.say(&format!("{part} % within {sent:>9.2?} of being sent, {due:>9.2?} of being due"));
    }
    // Both see the same server.
    match of(&mut from_due, 99) > of(&mut from_sent, 99) * 2 {
        true => stage.fault("the client knows only half of it"),
        false => stage.well("the client knows how long its users wait"),
    }
}
