//! The crowd: a process of its own that holds all members of a room; the first of them speaks.
//!
//! It is told what to do by lines on its standard input and answers each by a line: `open` lets the
//! members in; `run MS` says the next thing as soon as all have heard the last; `pace MS EVERY` says
//! something every so many milliseconds and takes the delays. Every frame is checked.

use std::collections::VecDeque;
use std::io::{self, BufRead, Write};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use super::ear::{self, Ear};
use crate::support::sys::{self, Epoll, IN};

/// The end of a handshake, as the yardstick answers it.
pub(crate) const ANSWER: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

/// What chat puts around what is said.
const AROUND: &str = r#"{"type":"message","id":1000,"time":"2000-01-01T00:00:00.000Z","name":"member-0","text":"","via":"web"}"#;

/// How long members may take to hear the last.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the crowd is and what it says.
pub(crate) struct Plan {
    pub(crate) port: u16,
    pub(crate) members: usize,
    /// Bytes of what is said.
    pub(crate) bytes: usize,
    /// In the words of the chat room.
    pub(crate) chat: bool,
}

/// The yardstick's frame.
pub(crate) fn frame(bytes: usize) -> Vec<u8> {
    [ear::header(1, bytes), vec![b'x'; bytes]].concat()
}

/// How long chat's message is when so much is said.
pub(crate) fn json_bytes(bytes: usize) -> usize {
    AROUND.len() + bytes
}

/// Serves the parent's commands until its end of the pipe closes.
pub(crate) fn serve(plan: &Plan) -> io::Result<()> {
    let mut crowd = Crowd {
        epoll: Epoll::new()?,
        ears: Vec::new(),
        said: VecDeque::new(),
        forgotten: 0,
        delays: None,
        delivered: 0,
        errors: 0,
    };
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let millis = |word: &str| word.parse().map(Duration::from_millis).map_err(io::Error::other);
        let start = Instant::now();
        match words[..] {
            ["open"] => crowd.open(plan)?,
            ["run", ms] => crowd.run(plan, millis(ms)?, None)?,
            ["pace", ms, every] => crowd.run(plan, millis(ms)?, Some(millis(every)?))?,
            _ => return Err(io::Error::other(format!("no such command: {line}"))),
        }
        crowd.report(start.elapsed())?;
    }
    Ok(())
}

/// Something said and not yet heard by all.
struct Said {
    at: Instant,
    /// The frame's payload, as the first of all heard it.
    payload: Vec<u8>,
    /// Members that have not heard it.
    left: usize,
}

struct Crowd {
    epoll: Epoll,
    ears: Vec<Ear>,
    said: VecDeque<Said>,
    /// How many came before the first of `said`.
    forgotten: u64,
    /// Nanoseconds from saying to hearing, if asked for.
    delays: Option<Vec<u64>>,
    delivered: u64,
    errors: u64,
}

/// Counts what nobody said, and shows the first.
fn complain(errors: &mut u64, payload: &[u8]) {
    if *errors == 0 {
        let shown = &payload[..payload.len().min(200)];
        eprintln!("heard what was not said: {}", shown.escape_ascii());
    }
    *errors += 1;
}

impl Crowd {
    fn open(&mut self, plan: &Plan) -> io::Result<()> {
        for index in 0..plan.members {
            let hello = format!(r#"{{"type":"join","name":"member-{index}"}}"#);
            let ear = Ear::open(plan.port, plan.chat.then_some(&hello))?;
            self.epoll.add(ear.as_raw_fd(), IN, index as u64)?;
            self.ears.push(ear);
        }
        Ok(())
    }

    /// Speaks for `time`, and hears until all have heard all.
    fn run(&mut self, plan: &Plan, time: Duration, every: Option<Duration>) -> io::Result<()> {
        let text = "x".repeat(plan.bytes);
        let text = if plan.chat { format!(r#"{{"type":"say","text":"{text}"}}"#) } else { text };
        self.delays = every.map(|_| Vec::new());
        let (start, mut next) = (Instant::now(), Duration::ZERO);
        let mut buf = vec![0; 64 * 1024];
        let mut events = sys::events(1024);
        loop {
            let past = start.elapsed();
            if past >= time && self.said.is_empty() {
                return Ok(());
            }
            if past > time + PATIENCE {
                return Err(io::Error::other("members did not hear what was said"));
            }
            let is_time = every.map_or(self.said.is_empty(), |_| past >= next);
            if past < time && is_time {
                next += every.unwrap_or_default();
                let left = self.ears.len();
                self.said.push_back(Said { at: Instant::now(), payload: Vec::new(), left });
                self.ears[0].say(&text)?;
            }
            // Never sleeping, the crowd costs the server no wake-ups, whose price varies most.
            let n = self.epoll.wait(&mut events, 0)?;
            for event in &events[..n] {
                self.hear(event.u64 as usize, &mut buf)?;
            }
        }
    }

    fn hear(&mut self, index: usize, buf: &mut [u8]) -> io::Result<()> {
        let Crowd { ears, said, forgotten, delays, delivered, errors, .. } = self;
        ears[index].hear(buf, |heard, payload| {
            // Chat welcomes, and tells who comes in.
            if payload.starts_with(br#"{"type":""#) && !payload.starts_with(br#"{"type":"message""#)
            {
                return Ok(());
            }
            let Some(said) = said.get_mut((*heard - *forgotten) as usize) else {
                complain(errors, payload);
                return Ok(());
            };
            *heard += 1;
            *delivered += 1;
            said.left -= 1;
            if let Some(delays) = delays {
                delays.push(said.at.elapsed().as_nanos() as u64);
            }
            if said.payload.is_empty() {
                said.payload.extend_from_slice(payload);
            } else if said.payload != payload {
                complain(errors, payload);
            }
            Ok(())
        })?;
        while self.said.front().is_some_and(|said| said.left == 0) {
            self.said.pop_front();
            self.forgotten += 1;
        }
        Ok(())
    }

    /// Answers the parent's command.
    fn report(&mut self, elapsed: Duration) -> io::Result<()> {
        let mut delays = self.delays.take().unwrap_or_default();
        delays.sort_unstable();
        let at = |share: f64| {
            let index = (delays.len() as f64 * share) as usize;
            delays.get(index.min(delays.len().saturating_sub(1))).copied().unwrap_or_default()
        };
        let (half, most, all) = (at(0.5), at(0.99), at(1.0));
        let nanos = elapsed.as_nanos();
        println!("done {} {} {nanos} {half} {most} {all}", self.delivered, self.errors);
        (self.delivered, self.errors) = (0, 0);
        io::stdout().flush()
    }
}
