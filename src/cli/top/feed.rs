//! What a loop tells, on a thread of its own: one sample after the other, and why there are none.
//!
//! A connection that breaks is made again, after a pause that grows while nothing comes of it.

use std::sync::mpsc::{
    Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, channel, sync_channel,
};
use std::thread;
use std::time::Duration;

use super::events::Events;
use super::link::{Got, Link};
use super::sample::Sample;
use super::target::Target;
use super::trouble::Trouble;
use crate::connection::tls::TlsPeer;

/// The first pause, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// The most that one sample may be.
const LARGEST: usize = 8 << 20;

/// Something new.
pub(super) enum News {
    /// What the loop is at.
    Sample(Box<Sample>),
    /// The loop does not answer, and is asked again after the pause.
    Lost(Trouble, Duration),
}

/// Whom to ask and how.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) target: Target,
    pub(super) peer: Option<TlsPeer>,
    /// How often.
    pub(super) every: Duration,
    /// How many connections to tell of.
    pub(super) connections: usize,
}

impl Server {
    /// One sample, as it came.
    pub(super) fn once(&self) -> Result<String, Trouble> {
        let path = self.target.path(&format!("sample?connections={}", self.connections));
        let mut link = Link::open(&self.target, self.peer.as_ref(), &path)?;
        let mut body = Vec::new();
        while link.next(&mut body)? != Got::End {
            if body.len() > LARGEST {
                return Err(Trouble::Unclear("an answer without an end".into()));
            }
        }
        String::from_utf8(body).map_err(|error| Trouble::Unclear(error.to_string()))
    }

    fn path(&self, wish: &Wish) -> String {
        let (every, connections) = (self.every.as_millis(), self.connections);
        let mut query = format!("events?every={every}&connections={connections}");
        for (name, value) in [("follow", &wish.follow), ("filter", &wish.filter)] {
            if !value.is_empty() {
                query.push_str(&format!("&{name}={}", escaped(value)));
            }
        }
        self.target.path(&query)
    }
}

/// A text as a query carries it (RFC 3986 §2.1).
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => escaped.push(byte.into()),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// What the samples are to hold, of a loop with more connections than they have room for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// A connection that is looked at, by its token.
    pub(super) follow: String,
    /// What is in the token, the peer, the request or the state of those that are wanted.
    pub(super) filter: String,
}

/// The end of the thread that is read from. It ends when this is dropped.
pub(super) struct Feed {
    pub(super) news: Receiver<News>,
    wishes: Sender<Wish>,
}

impl Feed {
    /// Starts asking.
    pub(super) fn start(server: Server) -> Feed {
        // Who does not read in time is not sent more: the stream backs up to the server.
        let (tell, news) = sync_channel(2);
        let (wishes, wished) = channel();
        thread::spawn(move || Asking { server, tell, wished, wish: Wish::default() }.run());
        Feed { news, wishes }
    }

    /// Says what the samples are to hold from now on.
    pub(super) fn wish(&self, wish: Wish) {
        // If the thread is gone, the news say so.
        let _ = self.wishes.send(wish);
    }
}

struct Asking {
    server: Server,
    tell: SyncSender<News>,
    wished: Receiver<Wish>,
    wish: Wish,
}

/// Why a stream is no longer read.
enum Stop {
    /// Nobody listens any more.
    Over,
    /// Something else is to be asked for.
    Again,
    Trouble(Trouble),
}

impl Asking {
    fn run(&mut self) {
        let mut pause = PAUSES.0;
        loop {
            let mut heard = false;
            let trouble = match self.listen(&mut heard) {
                Stop::Over => return,
                Stop::Again => continue,
                Stop::Trouble(trouble) => trouble,
            };
            pause = if heard { PAUSES.0 } else { (pause * 2).min(PAUSES.1) };
            if self.tell.send(News::Lost(trouble, pause)).is_err() {
                return;
            }
            match self.wished.recv_timeout(pause) {
                Ok(wish) => self.wish = wish,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Reads one stream until something happens to it.
    fn listen(&mut self, heard: &mut bool) -> Stop {
        let path = self.server.path(&self.wish);
        let mut link = match Link::open(&self.server.target, self.server.peer.as_ref(), &path) {
            Ok(link) => link,
            Err(trouble) => return Stop::Trouble(trouble),
        };
        let (mut events, mut body) = (Events::default(), Vec::new());
        loop {
            match self.wished.try_recv() {
                Ok(wish) => {
                    self.wish = wish;
                    return Stop::Again;
                }
                Err(TryRecvError::Disconnected) => return Stop::Over,
                Err(TryRecvError::Empty) => {}
            }
            body.clear();
            let got = match link.next(&mut body) {
                Ok(got) => got,
                Err(trouble) => return Stop::Trouble(trouble),
            };
            if let Err(stop) = self.hand_on(&mut events, &body, heard) {
                return stop;
            }
            if got == Got::End {
                return Stop::Trouble(Trouble::Ended);
            }
        }
    }
    /// Tells the samples that a piece of the stream completes.
    fn hand_on(&self, events: &mut Events, piece: &[u8], heard: &mut bool) -> Result<(), Stop> {
        let unclear = |why: String| Stop::Trouble(Trouble::Unclear(why));
        let mut texts = Vec::new();
        let taken = events.take(piece, |text| texts.push(text.to_owned()));
        taken.map_err(|why| unclear(why.into()))?;
        for text in texts {
            let sample = Box::new(Sample::parse(&text).map_err(unclear)?);
            self.tell.send(News::Sample(sample)).map_err(|_| Stop::Over)?;
            *heard = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_cannot_leave_its_place_in_a_query() {
        let server = Server {
            target: "8080".parse().expect("a port"),
            peer: None,
            every: Duration::from_millis(500),
            connections: 9,
        };
        let path = server.path(&Wish::default());
        assert_eq!(path, "/_loop/events?every=500&connections=9");
        let wish = Wish { follow: "5.7".into(), filter: "GET /ä &b".into() };
        let path = server.path(&wish);
        assert!(path.ends_with("&follow=5.7&filter=GET%20%2F%C3%A4%20%26b"), "{path}");
    }
}
