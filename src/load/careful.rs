//! The careful look at an HTTP answer: its framing (RFC 9112 §6), its status, and the length and
//! hash of its body.
//!
//! `answer.rs` takes it for what is not like the answers before. The parsing is `proto::h1`'s; what
//! that machine wants to see again together with more is kept here.

use crate::limits::Limits;
use crate::proto::h1::client::{Asked, Client, Event, Memo};

/// What an answer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// More must come.
    More,
    /// It is complete.
    Whole(Whole),
    /// It is no HTTP, or has no end that could be found.
    Broken,
}

/// A complete answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Whole {
    /// Its status.
    pub(super) status: u16,
    /// Length and hash of its body.
    pub(super) body: (u64, u64),
    /// The connection ends after it.
    pub(super) last: bool,
    /// Its end is marked by itself and not by the end of the connection.
    pub(super) delimited: bool,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Careful {
    machine: Client,
    memo: Memo,
    /// What the machine could make nothing of yet: part of a head or of a chunk's line.
    pending: Vec<u8>,
    whole: Whole,
    hash: Fnv,
}

impl Careful {
    /// Before the first byte of an answer.
    pub(super) fn new() -> Self {
        Careful {
            machine: Client::new(),
            memo: Memo::new(),
            pending: Vec::new(),
            whole: Whole::default(),
            hash: Fnv::default(),
        }
    }

    /// Takes what belongs to the answer.
    pub(super) fn feed(&mut self, input: &mut &[u8], limits: &Limits) -> Verdict {
        if self.pending.is_empty() {
            let verdict = self.read(input, limits);
            if verdict == Verdict::More {
                self.pending.extend_from_slice(std::mem::take(input));
            }
            return verdict;
        }
        let before = self.pending.len();
        let mut all = std::mem::take(&mut self.pending);
        all.extend_from_slice(input);
        let mut rest = &all[..];
        let verdict = self.read(&mut rest, limits);
        let used = all.len() - rest.len();
        match verdict {
            Verdict::More => {
                *input = &[];
                all.drain(..used);
                self.pending = all;
            }
            _ => *input = input.get(used.saturating_sub(before)..).unwrap_or_default(),
        }
        verdict
    }

    fn read(&mut self, input: &mut &[u8], limits: &Limits) -> Verdict {
        loop {
            match self.machine.next_event(input, Asked::Other, &mut self.memo, limits) {
                Ok(None) => return Verdict::More,
                Ok(Some(Event::Head(head))) => {
                    self.whole.status = head.status;
                    self.whole.last = !head.keep_alive;
                    self.whole.delimited = head.framing.is_some();
                }
                Ok(Some(Event::Data(data))) => {
                    self.whole.body.0 += data.len() as u64;
                    self.hash.write(data);
                }
                Ok(Some(Event::Trailers(_))) => {}
                Ok(Some(Event::End)) => return self.verdict(),
                Err(_) => return Verdict::Broken,
            }
        }
    }

    /// The peer has ended.
    pub(super) fn end(&mut self) -> Verdict {
        if matches!(self.machine.eof(), Ok(true)) { self.verdict() } else { Verdict::Broken }
    }

    fn verdict(&mut self) -> Verdict {
        self.whole.body.1 = self.hash.0;
        Verdict::Whole(self.whole)
    }
}

/// FNV-1a, 64 bits: tells bodies apart that differ by accident, which is what servers do.
#[derive(Clone, Copy, Debug)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes
            .iter()
            .fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    }
}
