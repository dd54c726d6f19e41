//! Every budget, watermark, time-out and cap of a loop, in one place.
//!
//! The rule behind it: every wait has a deadline, every buffer a bound, every loop a budget. A
//! limit that is reached is a typed outcome (a status, a close reason, a counter), never a panic
//! and never silence.

use std::time::Duration;

/// The bounds of one loop. `Limits::default()` suits a public server; change fields with struct
/// update syntax.
///
/// ```
/// use readyloop::Limits;
/// use std::time::Duration;
///
/// let limits = Limits { idle: Duration::from_secs(15), connections: 500, ..Limits::default() };
/// assert_eq!(limits.head_bytes, 16 * 1024);
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    // What the loop may do in one turn.
    /// Reads of one stream socket in a row before its neighbours get their turn.
    pub reads_per_drive: u32,
    /// Connections accepted from one listener in one turn.
    pub accepts_per_turn: u32,
    /// TLS handshakes that may compute in one turn; the rest wait in the run queue.
    pub handshakes_per_turn: u32,
    /// Datagrams received from one UDP socket in one turn.
    pub datagrams_per_turn: u32,
    /// Commands taken from other threads in one turn.
    pub commands_per_turn: u32,

    // What the loop may hold.
    /// Open connections; accepting pauses while there are this many.
    pub connections: usize,
    /// Bytes read from a stream at a time: the size of the loop's one read buffer.
    pub read_bytes: usize,
    /// Unsent bytes of one connection at which reading from it stops.
    pub high_water: usize,
    /// Unsent bytes at or below which it may produce and read again.
    pub low_water: usize,
    /// Unsent bytes of one connection at which it is closed.
    pub backlog_cap: usize,
    /// Datagrams waiting to be sent on one UDP socket; more are dropped and counted.
    pub datagram_queue: usize,
    /// Commands from other threads waiting to be taken; a further `send` is refused.
    pub commands: usize,
    /// Threads of the off-load pool. They start with the first job.
    pub offload_threads: usize,
    /// Jobs waiting for an off-load thread; a further one is refused.
    pub offload_queue: usize,

    // How long it may wait.
    /// A TLS handshake, from accept to finished.
    pub handshake: Duration,
    /// From accept (or the end of the handshake) to the first byte of the first request.
    pub first_byte: Duration,
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// Between requests on a connection that is kept alive, and between bytes of a raw session.
    pub idle: Duration,
    /// The window of `progress_bytes`.
    pub progress: Duration,
    /// Bytes that a request body must gain, and that a reader must take, in every window of
    /// `progress`; whoever is slower is closed. Peers that need less time than one window to
    /// finish are never measured. A kernel tells of room in steps of up to 64 KiB, so the window
    /// must be long enough for the slowest welcome reader to take that much.
    pub progress_bytes: u32,
    /// From the end of a request to the start of its reply, when our own application answers later.
    pub reply: Duration,
    /// How long a closing connection may keep sending what nobody will read.
    pub linger: Duration,
    /// How many bytes it may send then.
    pub linger_bytes: u32,
    /// Pause before a listener that ran out of descriptors tries again by itself.
    pub accept_retry: Duration,
    /// During a drain: how long a kept-alive connection with nothing in flight is still served,
    /// so that a request already on its way is answered rather than reset.
    pub drain_idle: Duration,
    /// A call of a session that holds the loop for this long is a stall, and recorded as one while
    /// somebody watches. It is not cut short: nothing can.
    pub stall: Duration,

    // What an HTTP/1.1 request may contain.
    /// Bytes of the request line: more is `414`.
    pub request_line: usize,
    /// Bytes of the whole head: more is `431`.
    pub head_bytes: usize,
    /// Header fields (at most [`MAX_HEADERS`]): more is `431`.
    pub headers: usize,
    /// Bytes of a body: more is `413`.
    pub body_bytes: u64,
    /// Bytes of a body that nobody wants which are read and thrown away to keep the connection;
    /// a longer one closes it.
    pub discard_bytes: u64,
    /// Bytes of one chunk-size line with its extensions: more is `400`.
    pub chunk_line: usize,
    /// Bytes of all chunk extensions of one body: more is `400`.
    pub chunk_extensions: usize,
    /// Bytes of the trailer section: more is `431`.
    pub trailer_bytes: usize,
}

/// The most header fields that any configuration allows in one head.
pub const MAX_HEADERS: usize = 128;

impl Limits {
    /// Says what of these limits cannot work: a budget or a cap of nothing, watermarks that are
    /// not in order.
    ///
    /// # Errors
    ///
    /// The field's name and what is wrong with it, as a phrase.
    pub fn check(&self) -> Result<(), &'static str> {
        let wrong = [
            (self.reads_per_drive == 0, "reads_per_drive is 0: nothing would ever be read"),
            (self.accepts_per_turn == 0, "accepts_per_turn is 0: nobody would ever be accepted"),
            (self.handshakes_per_turn == 0, "handshakes_per_turn is 0: no handshake would end"),
            (self.datagrams_per_turn == 0, "datagrams_per_turn is 0: none would be received"),
            (self.commands_per_turn == 0, "commands_per_turn is 0: no command would be heard"),
            (self.connections == 0, "connections is 0: nobody would ever be accepted"),
            (self.read_bytes == 0, "read_bytes is 0: nothing would ever be read"),
            (self.high_water == 0, "high_water is 0: nothing would ever be read"),
            (self.low_water >= self.high_water, "low_water is not below high_water"),
            (self.high_water > self.backlog_cap, "backlog_cap is below high_water"),
            (self.headers > MAX_HEADERS, "headers is above 128, the most there can be"),
            (self.request_line > self.head_bytes, "head_bytes is below request_line"),
        ];
        wrong.iter().find(|(is_wrong, _)| *is_wrong).map_or(Ok(()), |(_, what)| Err(what))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            reads_per_drive: 16,
            accepts_per_turn: 64,
            handshakes_per_turn: 8,
            datagrams_per_turn: 256,
            commands_per_turn: 1024,

            connections: 100_000,
            read_bytes: 64 * 1024,
            high_water: 256 * 1024,
            low_water: 64 * 1024,
            backlog_cap: 4 * 1024 * 1024,
            datagram_queue: 1024,
            commands: 65_536,
            offload_threads: 2,
            offload_queue: 1024,

            handshake: Duration::from_secs(10),
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            progress: Duration::from_secs(20),
            progress_bytes: 1024,
            reply: Duration::from_secs(60),
            linger: Duration::from_secs(2),
            linger_bytes: 1024 * 1024,
            accept_retry: Duration::from_millis(100),
            drain_idle: Duration::from_millis(500),
            stall: Duration::from_millis(20),

            request_line: 8 * 1024,
            head_bytes: 16 * 1024,
            headers: 100,
            body_bytes: 64 * 1024 * 1024,
            discard_bytes: 64 * 1024,
            chunk_line: 256,
            chunk_extensions: 4 * 1024,
            trailer_bytes: 4 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work_and_what_cannot_work_is_named() {
        assert_eq!(Limits::default().check(), Ok(()));
        let odd = Limits { low_water: 300_000, ..Limits::default() };
        assert!(odd.check().is_err_and(|what| what.starts_with("low_water")));
        let odd = Limits { headers: 129, ..Limits::default() };
        assert!(odd.check().is_err_and(|what| what.starts_with("headers")));
    }
}
