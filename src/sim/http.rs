//! HTTP for the simulated peers: what they ask, and what they make of the answers.

use super::rng::Rng;
use super::service::pattern;

/// Ways in which the simulated application answers; the first part of a request's path.
pub(crate) const WAYS: [&str; 10] =
    ["now", "later", "work", "pour", "chunks", "shared", "stream", "echo", "hold", "collect"];

/// A request as its peer remembers it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Where its head and where its body end in the peer's script.
    pub(crate) head_end: usize,
    pub(crate) end: usize,
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) head_only: bool,
    /// Its answer is made elsewhere, and may fail to be made.
    pub(crate) may_fail: bool,
    /// A drain may end its answer early.
    pub(crate) may_end: bool,
}

/// An answer as its peer read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// It said that it is the last.
    pub(crate) last: bool,
}

/// The body that request `id` of so many bytes is about.
pub(crate) fn body(id: usize, size: usize) -> Vec<u8> {
    (0..size).map(|at| b'a' + pattern(at + id * 7) % 26).collect()
}

/// A stream of requests, and what is to come back.
pub(crate) fn script(size: usize, rng: &mut Rng) -> (Vec<u8>, Vec<Asked>) {
    let (mut bytes, mut asked) = (Vec::new(), Vec::new());
    let count = rng.between(1, 8);
    for id in 0..count {
        let last = id + 1 == count;
        if last && rng.chance(150) {
            bytes.extend_from_slice(b"GET /now/0/1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
            let end = bytes.len();
            asked.push(Asked { head_end: end, end, status: 400, ..Asked::default() });
        } else {
            let length = rng.below(size.max(2) / count + 2);
            request(id, length, last && rng.chance(300), rng, &mut bytes, &mut asked);
        }
    }
    (bytes, asked)
}

fn request(
    id: usize,
    size: usize,
    last: bool,
    rng: &mut Rng,
    bytes: &mut Vec<u8>,
    asked: &mut Vec<Asked>,
) {
    let way = rng.pick(&WAYS);
    let has_body = matches!(way, "echo" | "hold" | "collect") || way == "now" && rng.chance(300);
    let head_only = !has_body && rng.chance(100);
    let method = match (has_body, head_only) {
        (true, _) => "POST",
        (_, true) => "HEAD",
        _ => "GET",
    };
    let connection = if last { "Connection: close\r\n" } else { "" };
    let line = format!("{method} /{way}/{id}/{size} HTTP/1.1\r\nHost: sim\r\n{connection}");
    bytes.extend_from_slice(line.as_bytes());
    let body = body(id, size);
    let mut head_end = bytes.len() + 2;
    if !has_body {
        bytes.extend_from_slice(b"\r\n");
    } else if rng.chance(500) && way != "now" {
        bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        head_end = bytes.len();
        let piece = rng.between(1, size.max(1));
        for chunk in body.chunks(piece) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
    } else {
        bytes.extend_from_slice(format!("Content-Length: {size}\r\n\r\n").as_bytes());
        head_end = bytes.len();
        bytes.extend_from_slice(&body);
    }
    let may_fail = matches!(way, "work" | "later");
    let may_end = way == "stream";
    let end = bytes.len();
    asked.push(Asked { head_end, end, status: 200, body, head_only, may_fail, may_end });
}

/// What a peer has read of its answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    pub(crate) done: Vec<Answer>,
    /// Bytes that the answers so far took.
    pub(crate) at: usize,
}

impl Answers {
    /// Reads on in everything that the peer has got. Fails with what is wrong.
    pub(crate) fn read(&mut self, got: &[u8], asked: &[Asked]) -> Result<(), String> {
        while self.at < got.len() {
            let head_only = asked.get(self.done.len()).is_some_and(|asked| asked.head_only);
            match answer(&got[self.at..], head_only)? {
                Some((answer, length)) => {
                    self.at += length;
                    self.done.push(answer);
                }
                None => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Reads one answer: itself and its length, or `None` if it is not complete.
fn answer(got: &[u8], head_only: bool) -> Result<Option<(Answer, usize)>, String> {
    let Some(end) = find(got, b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&got[..end]);
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "))
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or_else(|| format!("no status line: {head:?}"))?;
    let (mut length, mut chunked, mut last) = (None, false, false);
    for line in lines {
        match line.split_once(": ") {
            Some(("Content-Length", value)) => length = value.parse::<usize>().ok(),
            Some(("Transfer-Encoding", "chunked")) => chunked = true,
            Some(("Connection", "close")) => last = true,
            _ => {}
        }
    }
    let from = end + 4;
    let done = |body: Vec<u8>, length| Ok(Some((Answer { status, body, last }, length)));
    match (head_only, chunked, length) {
        (true, _, _) => done(Vec::new(), from),
        (_, true, _) => match unchunk(&got[from..])? {
            Some((body, length)) => done(body, from + length),
            None => Ok(None),
        },
        (_, _, Some(length)) if got.len() < from + length => Ok(None),
        (_, _, Some(length)) => done(got[from..from + length].to_vec(), from + length),
        (_, _, None) => Err(format!("an answer without framing: {head:?}")),
    }
}

fn unchunk(mut rest: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let (mut body, whole) = (Vec::new(), rest.len());
    loop {
        let Some(end) = find(rest, b"\r\n") else { return Ok(None) };
        let line = String::from_utf8_lossy(&rest[..end]);
        let size =
            usize::from_str_radix(&line, 16).map_err(|_| format!("a chunk size: {line:?}"))?;
        let next = end + 2 + size + 2;
        if rest.len() < next {
            return Ok(None);
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[next..];
        if size == 0 {
            return Ok(Some((body, whole - rest.len())));
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_in_any_pieces() {
        let got = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n\
            Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nxyz\r\n0\r\n\r\n";
        let mut answers = Answers::default();
        for end in 0..=got.len() {
            answers.read(&got[..end], &[]).expect("well-formed");
        }
        let expected = [
            Answer { status: 200, body: b"ab".to_vec(), last: false },
            Answer { status: 200, body: b"xyz".to_vec(), last: true },
        ];
        assert_eq!((&answers.done[..], answers.at), (&expected[..], got.len()));
    }
}
