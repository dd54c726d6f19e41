//! What a load is to do, as plain data.

use std::net::SocketAddr;
use std::time::Duration;

use crate::load::schedule::Phase;
use crate::load::url::{Scheme, Url};

/// When requests are sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Pace {
    /// Each connection sends its next request when it has the answer to its last.
    Closed,
    /// At planned times, whatever the server does. The first phase's rate also holds during the
    /// warm-up.
    Open(Vec<Phase>),
}

/// Whether connections are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// They are.
    Kept,
    /// Each request has a connection of its own.
    Request,
    /// Each connection is for a TLS handshake and nothing else.
    Handshake,
}

/// Each datagram socket has buffers of two megabytes.
const SOCKETS: usize = 1000;
/// What fits into a datagram, with room for its headers.
const MOST_DATAGRAM: usize = 60_000;
/// The longest message of a stream.
const MOST: usize = 16 << 20;

/// A load.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is asked.
    pub url: Url,
    /// What is asked too, and its share of one.
    pub also: Vec<(Url, f64)>,
    /// Where that is.
    pub address: SocketAddr,
    /// Connections that ask.
    pub connections: usize,
    /// Requests that a connection has under way at a time.
    pub depth: usize,
    /// Whether connections are kept.
    pub fresh: Fresh,
    /// When requests are sent.
    pub pace: Pace,
    /// Before anything is measured.
    pub warmup: Duration,
    /// What is measured.
    pub lasts: Duration,
    /// How long an answer, or a connection, may take.
    pub patience: Duration,
    /// Bytes of a message, where messages come back.
    pub size: usize,
    /// Connections that only stay open.
    pub idle: usize,
    /// Connections that ask for much and read it slowly.
    pub slow_readers: usize,
    /// Connections that send a request slowly.
    pub slow_writers: usize,
}

impl Plan {
    /// Connections that are open besides those that ask.
    pub fn beside(&self) -> usize {
        self.idle + self.slow_readers + self.slow_writers
    }

    /// Says what of this plan makes no sense.
    ///
    /// # Errors
    ///
    /// A sentence for whoever asked for it.
    pub fn check(&self) -> Result<(), &'static str> {
        let http = self.url.scheme.is_http();
        let udp = self.url.scheme == Scheme::Udp;
        let fresh = self.fresh != Fresh::Kept;
        let rates = match &self.pace {
            Pace::Closed => true,
            Pace::Open(phases) => phases.iter().any(|phase| phase.rate > 0.0),
        };
        let shares: f64 = self.also.iter().map(|(_, share)| share).sum();
        let wrong = [
            (self.connections == 0, "a load needs at least one connection"),
            (self.depth == 0, "--pipeline is at least 1: one request at a time"),
            (self.lasts.is_zero(), "a load that lasts no time measures nothing"),
            (!rates, "a rate of zero asks for nothing"),
            (fresh && self.depth > 1, "--fresh leaves nothing to pipeline"),
            (fresh && !http, "--fresh is for http and https"),
            (
                self.fresh == Fresh::Handshake && !self.url.scheme.is_secure(),
                "--handshakes needs https",
            ),
            (udp && self.depth > 1, "--pipeline is for streams, which keep their order"),
            (udp && self.connections > SOCKETS, "udp takes at most 1,000 sockets (-c)"),
            (
                udp && !(8..=MOST_DATAGRAM).contains(&self.size),
                "a datagram has 8 to 60,000 bytes (--size)",
            ),
            (udp && self.idle > 0, "--idle is for connections, which udp has not"),
            (self.size > MOST, "a message has at most 16 MiB (--size)"),
            (!self.also.is_empty() && !http, "--also is for http and https"),
            (shares > 1.0, "the shares of --also are more than 100 %"),
            (
                self.slow_readers + self.slow_writers > 0 && !http,
                "--slow-readers and --slow-writers are for http and https",
            ),
        ];
        wrong.iter().find(|(is_wrong, _)| *is_wrong).map_or(Ok(()), |(_, what)| Err(what))
    }
}
