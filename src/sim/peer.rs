//! Scripted peers: clients that live inside the world and behave as clients do.

use std::io::ErrorKind;
use std::time::Duration;

use super::agenda::Action;
use super::http::{self, Answers, Asked};
use super::net::{Buffers, Net};
use super::rng::Rng;
use super::service::{Dialogue, owed};
use crate::time::Moment;

/// How a peer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appetite {
    /// Whatever arrives, at once.
    Prompt,
    /// A little, at intervals.
    Slow,
    /// Nothing for a while, then promptly.
    Late,
    /// Nothing, ever.
    Never,
}

/// How a peer ends, once it has sent everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ends its direction and reads to the end.
    HalfClose,
    /// It waits for all answers and then closes.
    WhenAnswered,
    /// It waits for the loop to end.
    Wait,
    /// It resets at some moment.
    Reset,
    /// It closes without waiting for answers.
    Rude,
}

/// How a conversation ended, as the peer saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The loop ended its direction.
    Ended,
    /// The loop, or its kernel, reset the connection.
    Reset,
    /// The peer itself went away.
    Left,
    /// It was never let in.
    Refused,
}

/// A client's protocol, where the script alone cannot tell.
pub(crate) trait Client: std::fmt::Debug {
    /// Reads on in everything that came, and changes what of the script has not been sent. Fails
    /// with what is wrong.
    fn read(&mut self, got: &[u8], sent: usize, script: &mut Vec<u8>) -> Result<(), String>;
    /// True if nothing that was asked for is still to come.
    fn is_answered(&self, sent: usize) -> bool;
    /// What is wrong when the connection has ended in peace.
    fn judge(&self, sent: usize, whole: usize) -> Option<String>;
}

/// One client.
#[derive(Debug)]
pub struct Peer {
    /// What it talks about.
    pub dialogue: Dialogue,
    /// How it reads.
    pub appetite: Appetite,
    /// How it ends.
    pub ending: Ending,
    /// Everything that it will say.
    pub script: Vec<u8>,
    /// How much of it has been said.
    pub sent: usize,
    /// What it has got.
    pub got: Vec<u8>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// A client that answers what it reads.
    pub(crate) client: Option<Box<dyn Client>>,
    /// What an HTTP peer asks, and what it has been answered.
    pub(crate) asked: Vec<Asked>,
    pub(crate) answers: Answers,
    /// What was wrong with the answers.
    pub(crate) complaint: Option<String>,
    /// It sends the next piece only when the last one was answered.
    lock_step: bool,
    /// Bytes sent and read at a time, and the time between two pieces.
    piece: usize,
    bite: usize,
    pace: Duration,
    buffers: Buffers,
    pub(crate) listener: usize,
    pub(crate) conn: Option<usize>,
    /// When it is to appear, begin to read, and reset.
    starts: Moment,
    reads_from: Moment,
    resets_at: Moment,
    next_write: Moment,
    next_read: Moment,
    shut: bool,
    /// The moment for which it is on the agenda.
    planned: Moment,
    rng: Rng,
}

impl Peer {
    /// A peer with a will of its own.
    pub(crate) fn random(dialogue: Dialogue, listener: usize, calm: bool, rng: &mut Rng) -> Self {
        let mut rng = rng.fork();
        let mut sizes = [(); 4].map(|()| rng.pick(&[1, 7, 64, 300, 1000, 4000]));
        // What all others say must come through.
        if matches!(dialogue, Dialogue::Hall | Dialogue::Socket) {
            sizes = sizes.map(|size| size.max(64));
        }
        let buffers = Buffers { sizes };
        // Through a narrow pipe much takes long and teaches little.
        let narrow = buffers.sizes.iter().min().map_or(0, |size| size * 60);
        let size = rng.pick(&[1, 20, 200, 2000, 6000]).min(narrow);
        let (script, asked, client) = plan(dialogue, size, &mut rng);
        let appetite = match rng.below(if calm { 6 } else { 10 }) {
            0..=5 => Appetite::Prompt,
            6 | 7 => Appetite::Slow,
            8 => Appetite::Late,
            _ => Appetite::Never,
        };
        let ending = match rng.below(if calm { 7 } else { 10 }) {
            0..=3 => Ending::HalfClose,
            4 | 5 => Ending::WhenAnswered,
            6 => Ending::Wait,
            7 | 8 => Ending::Reset,
            _ => Ending::Rude,
        };
        let starts = Moment::START + rng.time(Duration::from_millis(40));
        let resets_at = match ending {
            Ending::Reset => starts + rng.time(Duration::from_millis(60)),
            _ => Moment::NEVER,
        };
        let pace = rng.pick(&[0, 0, 100, 2_000, 20_000]);
        Peer {
            dialogue,
            appetite,
            ending,
            sent: 0,
            got: Vec::new(),
            outcome: None,
            client,
            asked,
            answers: Answers::default(),
            complaint: None,
            lock_step: rng.chance(250),
            piece: rng.pick(&[1, 3, 50, 1000, 10_000]).max(script.len() / 200),
            bite: rng.pick(&[1, 5, 100, 10_000]),
            pace: Duration::from_micros(pace as u64),
            buffers,
            listener,
            conn: None,
            starts,
            reads_from: starts + rng.time(Duration::from_secs(12)),
            resets_at,
            next_write: starts,
            next_read: starts,
            shut: false,
            planned: Moment::NEVER,
            script,
            rng,
        }
    }

    /// A peer whose connection exists already.
    pub(crate) fn with_conn(mut self, net: &mut Net, index: usize) -> (Self, usize) {
        let conn = net.new_conn(index, self.buffers);
        self.conn = Some(conn);
        (self, conn)
    }

    /// What it has in mind, for a trace.
    pub(crate) fn plan_in_words(&self) -> String {
        let Peer { dialogue, appetite, ending, listener, starts, buffers, .. } = self;
        let script = match dialogue {
            Dialogue::Http => format!("{:?}", String::from_utf8_lossy(&self.script)),
            _ => format!("{} bytes", self.script.len()),
        };
        let buffers = buffers.sizes;
        format!(
            "{dialogue:?} at listener {listener} from {starts:?}, reads {appetite:?}, ends {ending:?}, \
             buffers {buffers:?}, says {script}"
        )
    }

    /// When it wants to act first.
    pub(crate) fn starts(&self) -> Moment {
        self.starts
    }

    /// True for a peer that does all it should, without delay.
    pub(crate) fn is_good(&self) -> bool {
        self.appetite == Appetite::Prompt && !matches!(self.ending, Ending::Reset | Ending::Rude)
    }

    /// True for a good peer that is fast enough for every time limit but that of an idle one.
    pub(crate) fn is_quick(&self) -> bool {
        let narrow = self.buffers.sizes.iter().any(|size| *size < 7);
        self.is_good() && self.pace <= Duration::from_millis(2) && !narrow
    }

    /// Acts as far as it can now, and puts its next deed on the agenda.
    pub(crate) fn act(&mut self, index: usize, net: &mut Net) {
        if self.outcome.is_some() || net.now < self.starts {
            return;
        }
        let Some(conn) = self.conn.or_else(|| self.connect(index, net)) else { return };
        if net.now >= self.resets_at {
            net.peer_close(conn, true);
            return self.end(Outcome::Left);
        }
        self.read(conn, net);
        if self.outcome.is_none() {
            self.write(conn, net);
            self.finish(conn, net);
        }
        self.plan(index, conn, net);
    }

    fn connect(&mut self, index: usize, net: &mut Net) -> Option<usize> {
        match net.connect(self.listener, index, self.buffers) {
            Ok(conn) => {
                self.conn = Some(conn);
                if !self.resets_at.is_never() {
                    net.after(self.resets_at.since(net.now), Action::Peer(index));
                }
                self.conn
            }
            Err(ErrorKind::WouldBlock) => {
                let later = self.rng.time(Duration::from_millis(50));
                net.after(later, Action::Peer(index));
                None
            }
            Err(_) => {
                self.end(Outcome::Refused);
                None
            }
        }
    }

    fn write(&mut self, conn: usize, net: &mut Net) {
        // Who has ended its direction may hear a ping, and cannot answer it.
        while !self.shut && self.sent < self.script.len() && net.now >= self.next_write {
            if self.lock_step && !self.is_answered() {
                return;
            }
            let most = self.rng.between(1, self.piece).min(self.script.len() - self.sent);
            let count = net.peer_write(conn, &self.script[self.sent..self.sent + most]);
            self.sent += count;
            if count == 0 {
                return;
            }
            self.next_write = net.now + self.rng.time(self.pace);
        }
    }

    fn read(&mut self, conn: usize, net: &mut Net) {
        let prompt = match self.appetite {
            Appetite::Prompt => true,
            Appetite::Late => net.now >= self.reads_from,
            Appetite::Slow => false,
            Appetite::Never => return,
        };
        if !prompt && net.now < self.next_read {
            return;
        }
        let most = if prompt { usize::MAX } else { self.bite };
        if !prompt {
            self.next_read = net.now + self.rng.time(Duration::from_millis(20));
        }
        let result = net.peer_read(conn, most, &mut self.got);
        if self.dialogue == Dialogue::Http && self.complaint.is_none() {
            self.complaint = self.answers.read(&self.got, &self.asked).err();
        }
        if let Some(client) = &mut self.client
            && self.complaint.is_none()
        {
            self.complaint = client.read(&self.got, self.sent, &mut self.script).err();
        }
        match result {
            Ok(false) => {}
            Ok(true) => {
                net.peer_close(conn, false);
                self.end(Outcome::Ended);
            }
            Err(_) => self.end(Outcome::Reset),
        }
    }

    /// True if everything sent so far is answered.
    fn is_answered(&self) -> bool {
        match self.dialogue {
            Dialogue::Http => {
                let whole = self.asked.iter().filter(|asked| asked.end <= self.sent).count();
                self.answers.done.len() >= whole
            }
            Dialogue::Relay | Dialogue::Hall | Dialogue::Mail => true,
            Dialogue::Socket => {
                self.client.as_ref().is_none_or(|client| client.is_answered(self.sent))
            }
            other => self.got.len() >= owed(other, &self.script[..self.sent]),
        }
    }

    fn finish(&mut self, conn: usize, net: &mut Net) {
        if self.sent < self.script.len() {
            return;
        }
        match self.ending {
            Ending::HalfClose if !self.shut => {
                self.shut = true;
                net.peer_shut(conn);
            }
            Ending::WhenAnswered if self.is_answered() => {
                net.peer_close(conn, false);
                self.end(Outcome::Left);
            }
            Ending::Rude => {
                net.peer_close(conn, false);
                self.end(Outcome::Left);
            }
            _ => {}
        }
    }

    fn plan(&mut self, index: usize, conn: usize, net: &mut Net) {
        if self.outcome.is_some() {
            return;
        }
        let mut next = Moment::NEVER;
        if self.sent < self.script.len() && self.next_write > net.now {
            next = self.next_write;
        }
        let end = &net.conns[conn];
        let waits = !end.outward.arrived.is_empty() || end.outward.at_end() || end.peer_reset;
        match self.appetite {
            Appetite::Slow if waits => {
                next = next.min(self.next_read.max(net.now + Duration::from_micros(1)));
            }
            Appetite::Late if waits && self.reads_from > net.now => {
                next = next.min(self.reads_from)
            }
            _ => {}
        }
        if !next.is_never() && next != self.planned {
            self.planned = next;
            net.after(next.since(net.now), Action::Peer(index));
        }
    }

    fn end(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

/// What a peer will say, and what it makes of the answers.
fn plan(
    dialogue: Dialogue,
    size: usize,
    rng: &mut Rng,
) -> (Vec<u8>, Vec<Asked>, Option<Box<dyn Client>>) {
    match dialogue {
        Dialogue::Http => {
            let (script, asked) = http::script(size, rng);
            (script, asked, None)
        }
        #[cfg(feature = "web")]
        Dialogue::Socket => {
            let (script, client) = super::socket::script(size, rng);
            (script, Vec::new(), Some(Box::new(client)))
        }
        _ => (script(dialogue, size, rng), Vec::new(), None),
    }
}

fn script(dialogue: Dialogue, size: usize, rng: &mut Rng) -> Vec<u8> {
    match dialogue {
        Dialogue::Echo | Dialogue::Mirror | Dialogue::Relay => {
            (0..size).map(|_| rng.draw() as u8).collect()
        }
        Dialogue::Produce => {
            let wanted = size * rng.between(1, 3);
            vec![(wanted >> 16) as u8, (wanted >> 8) as u8, wanted as u8]
        }
        Dialogue::Hall => (0..size.min(8)).map(|_| rng.draw() as u8).collect(),
        Dialogue::Refuse => vec![b'x'; size],
        Dialogue::Think => (0..8 * (size % 12)).map(|_| rng.draw() as u8).collect(),
        Dialogue::Greet | Dialogue::Mail | Dialogue::Http | Dialogue::Socket => Vec::new(),
    }
}
