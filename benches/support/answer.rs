//! What the load expects of each HTTP answer: status 200, framing by `Content-Length`, a body of
//! that length.
//!
//! The first answer is parsed; later ones are compared with it where they must agree, which costs
//! the load little and still finds every wrong status, length and framing.

/// The length and the places that later answers must repeat.
#[derive(Default)]
pub(crate) struct Answer {
    total: usize,
    /// Where the `Content-Length` field stands, and its bytes.
    length_at: usize,
    length: Vec<u8>,
    /// Where the head ends.
    head: usize,
    body: Vec<u8>,
}

const STATUS: &[u8] = b"HTTP/1.1 200 ";
const END: &[u8] = b"\r\n\r\n";

impl Answer {
    /// Checks the answer at the front of `bytes`. Answers its length, or `None` if it is not
    /// there in full.
    pub(crate) fn check(&mut self, bytes: &[u8]) -> Result<Option<usize>, String> {
        if self.total == 0 {
            return self.learn(bytes);
        }
        if bytes.len() < self.total {
            return Ok(None);
        }
        let same = bytes.starts_with(STATUS)
            && bytes[self.length_at..].starts_with(&self.length)
            && bytes[self.head - END.len()..].starts_with(END)
            && bytes[self.head..self.total] == self.body[..];
        if same {
            return Ok(Some(self.total));
        }
        Err(format!("unlike the first answer: {}", bytes[..self.total].escape_ascii()))
    }

    fn learn(&mut self, bytes: &[u8]) -> Result<Option<usize>, String> {
        let Some(end) = memchr::memmem::find(bytes, END) else { return Ok(None) };
        let wrong = |what: &str| Err(format!("{what}: {}", bytes.escape_ascii()));
        if !bytes.starts_with(STATUS) {
            return wrong("not a 200");
        }
        let head = end + END.len();
        let lower = bytes[..head].to_ascii_lowercase();
        let Some(length_at) = memchr::memmem::find(&lower, b"\r\ncontent-length:") else {
            return wrong("no Content-Length");
        };
        let line = &bytes[length_at + 2..head];
        let line = &line[..memchr::memchr(b'\r', line).unwrap_or(line.len())];
        let value = line.rsplit(|&b| b == b':' || b == b' ').next().unwrap_or_default();
        let Some(body) = std::str::from_utf8(value).ok().and_then(|v| v.parse::<usize>().ok())
        else {
            return wrong("a bad Content-Length");
        };
        if bytes.len() < head + body {
            return Ok(None);
        }
        self.total = head + body;
        self.length_at = length_at + 2;
        self.length = [line, b"\r\n"].concat();
        self.head = head;
        self.body = bytes[head..head + body].to_vec();
        Ok(Some(self.total))
    }
}
