//! Sessions of datagram sockets, and the batches that they send.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;

use crate::probe::Origin;
use crate::session::Env;

/// The other end of a connection or of a datagram.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// An IPv4 or IPv6 address and port.
    Inet(SocketAddr),
    /// A Unix socket bound to a path.
    Unix(PathBuf),
    /// A Unix socket without a name.
    Unnamed,
}

impl From<&Peer> for Origin {
    fn from(peer: &Peer) -> Self {
        match peer {
            Peer::Inet(address) => Origin::from(*address),
            Peer::Unix(_) | Peer::Unnamed => Origin::Unix,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Inet(address) => write!(f, "{address}"),
            Peer::Unix(path) => write!(f, "unix:{}", path.display()),
            Peer::Unnamed => f.write_str("unix:"),
        }
    }
}

/// A datagram that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub from: &'a Peer,
    /// Its bytes.
    pub data: &'a [u8],
    /// True if it was longer than the loop's buffer and lost its end.
    pub truncated: bool,
}

/// What a datagram socket runs.
pub trait DatagramSession {
    /// A datagram arrived. Answers go to `out`; they leave in batches after the turn's receives.
    fn on_datagram(&mut self, datagram: Datagram<'_>, out: &mut Outbox, env: &mut Env);
}

impl<F: FnMut(Datagram<'_>, &mut Outbox, &mut Env)> DatagramSession for F {
    fn on_datagram(&mut self, datagram: Datagram<'_>, out: &mut Outbox, env: &mut Env) {
        self(datagram, out, env)
    }
}

/// Datagrams waiting to be sent by one socket: bounded, in order, in one allocation.
#[derive(Debug)]
pub struct Outbox {
    bytes: Vec<u8>,
    items: Vec<(Peer, Range<usize>)>,
    sent: usize,
    cap: usize,
    dropped: u64,
}

impl Outbox {
    /// An outbox for at most `cap` datagrams.
    pub fn new(cap: usize) -> Self {
        Outbox { bytes: Vec::new(), items: Vec::new(), sent: 0, cap, dropped: 0 }
    }

    /// Queues a datagram. When the queue is full it is dropped and counted, as the network would;
    /// answers whether it was queued.
    pub fn send(&mut self, to: &Peer, data: &[u8]) -> bool {
        if self.len() >= self.cap {
            self.dropped += 1;
            return false;
        }
        let from = self.bytes.len();
        self.bytes.extend_from_slice(data);
        self.items.push((to.clone(), from..self.bytes.len()));
        true
    }

    /// Datagrams waiting.
    pub fn len(&self) -> usize {
        self.items.len() - self.sent
    }

    /// True if none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The waiting datagrams, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Peer, &[u8])> {
        self.items[self.sent..].iter().map(|(to, range)| (to, &self.bytes[range.clone()]))
    }

    /// Removes the first `count`, which the system has taken or refused.
    pub fn advance(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.items.len());
        if self.is_empty() {
            self.items.clear();
            self.bytes.clear();
            self.sent = 0;
        } else if self.sent > self.items.len() / 2 {
            // A queue that is never quite empty must not keep what has left it.
            let freed = self.items[self.sent].1.start;
            self.items.drain(..self.sent);
            self.bytes.drain(..freed);
            for (_, range) in &mut self.items {
                *range = range.start - freed..range.end - freed;
            }
            self.sent = 0;
        }
    }

    /// How many were dropped since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_is_bounded_and_in_order() {
        let to = Peer::Inet(([127, 0, 0, 1], 9).into());
        let mut outbox = Outbox::new(2);
        assert!(outbox.send(&to, b"one"));
        assert!(outbox.send(&to, b"two"));
        assert!(!outbox.send(&to, b"three"));
        assert_eq!(outbox.take_dropped(), 1);
        outbox.advance(1);
        assert!(outbox.send(&to, b"four"));
        let waiting: Vec<_> = outbox.iter().map(|(_, data)| data.to_vec()).collect();
        assert_eq!(waiting, [b"two".to_vec(), b"four".to_vec()]);
        outbox.advance(2);
        for round in 0..1000_u32 {
            assert!(outbox.send(&to, &round.to_be_bytes()));
            if round > 0 {
                assert_eq!(
                    outbox.iter().next().map(|(_, data)| data),
                    Some(&(round - 1).to_be_bytes()[..])
                );
                outbox.advance(1);
            }
            assert!(outbox.bytes.len() <= 16, "what was sent is not kept");
        }
        outbox.advance(1);
        assert!(outbox.is_empty() && outbox.bytes.is_empty());
    }
}
