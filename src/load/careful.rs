//! The careful look at an HTTP answer: its framing (RFC 9112 §6), its status, and the length and
//! hash of its body.
//!
//! `answer.rs` takes it for what is not like the answers before.

/// What an answer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// More must come.
    More,
    /// It is complete.
    Whole {
        /// Its status.
        status: u16,
        /// Length and hash of its body.
        body: (u64, u64),
        /// The connection ends after it.
        last: bool,
        /// Its end is marked by itself and not by the end of the connection.
        delimited: bool,
    },
    /// It is no HTTP, or has no end that could be found.
    Broken,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Careful {
    head: Vec<u8>,
    status: u16,
    left: u64,
    length: u64,
    hash: Fnv,
    last: bool,
    in_body: bool,
}

impl Careful {
    /// Takes what belongs to the answer.
    pub fn feed(&mut self, input: &mut &[u8]) -> Verdict {
        if !self.in_body {
            let before = self.head.len();
            self.head.extend_from_slice(input);
            let Some(end) = memchr::memmem::find(&self.head, b"\r\n\r\n") else {
                *input = &[];
                return Verdict::More;
            };
            *input = &input[end + 4 - before..];
            let head = String::from_utf8_lossy(&self.head[..end]).to_ascii_lowercase();
            let Some(status) = head.get(9..12).and_then(|s| s.parse().ok()) else {
                return Verdict::Broken;
            };
            self.status = status;
            self.last = head.contains("\r\nconnection: close");
            let Some(length) = head
                .split("\r\n")
                .find_map(|line| line.strip_prefix("content-length: "))
                .and_then(|s| s.parse().ok())
            else {
                return Verdict::Broken;
            };
            self.left = length;
            self.in_body = true;
        }
        let count = (self.left.min(input.len() as u64)) as usize;
        self.hash.write(&input[..count]);
        self.length += count as u64;
        self.left -= count as u64;
        *input = &input[count..];
        if self.left > 0 {
            return Verdict::More;
        }
        Verdict::Whole {
            status: self.status,
            body: (self.length, self.hash.0),
            last: self.last,
            delimited: true,
        }
    }

    /// The peer has ended.
    pub fn end(&mut self) -> Verdict {
        Verdict::Broken
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
