//! The service of a comparison: every I/O model serves this one, so that they differ in nothing else.
//!
//! Called by the HTTP sessions of `readyloop serve --model`. It has no routes to look up, no log and
//! nothing to share with other threads: each thread makes its own, for two allocations. It never
//! off-loads work. `/compute` burns the CPU of the thread that serves, on purpose: what a model does
//! to its other connections meanwhile is what a comparison wants to see.
//!
//! | request | answer |
//! |---|---|
//! | `GET /plaintext` | `Hello, World!` from prepared memory, the same bytes as the site's |
//! | `GET /bytes/{n}` | so many printable bytes, at most 16 MiB, as fast as the peer takes them |
//! | `GET /compute/{µs}` | `computed`, after computing for so long, at most a second |
//! | `POST /echo` | the body, streamed back while it arrives |
//! | `GET /ws/echo` | a WebSocket that sends back what it gets |

use std::io;
use std::time::Duration;

use bytes::Bytes;

use crate::app::ws_echo::Opener;
use crate::proto::h1::{Framing, Head};
use crate::session::http::{Answered, Exchange, Handler, Prepared, Reply, Writer};

/// Computes for this long on the calling thread. Passed in, because nothing below the drivers reads
/// a clock.
pub type Burn = fn(Duration);

/// Header fields, as replies take them.
type Headers = &'static [(&'static str, &'static [u8])];

const PLAINTEXT: Headers = &[("Content-Type", b"text/plain")];
const BINARY: Headers = &[("Content-Type", b"application/octet-stream")];

/// The longest answer to `/bytes`.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// The longest `/compute`, in microseconds.
const MAX_COMPUTE: u64 = 1_000_000;

/// What `/bytes` sends, again and again: printable, so that a terminal survives it.
static BLOCK: [u8; 64 * 1024] = block();

const fn block() -> [u8; 64 * 1024] {
    const LINE: &[u8; 64] = b"the quick brown fox jumps over the lazy dog; 0123456789, again.\n";
    let mut block = [0; 64 * 1024];
    let mut at = 0;
    while at < block.len() {
        block[at] = LINE[at % LINE.len()];
        at += 1;
    }
    block
}

/// The handler of all these requests.
pub struct Bench {
    plaintext: Prepared,
    burn: Burn,
    echo: Opener,
}

impl Bench {
    /// A service that computes with `burn`.
    ///
    /// # Errors
    ///
    /// The prepared answer cannot be framed; that would be a mistake in this file.
    pub fn new(burn: Burn) -> io::Result<Self> {
        let plaintext =
            Prepared::new(200, PLAINTEXT, b"Hello, World!").map_err(io::Error::other)?;
        Ok(Bench { plaintext, burn, echo: Opener::new() })
    }
}

/// What a path asks for.
enum Asked<'p> {
    Plaintext,
    /// So many bytes, as the path says it.
    Bytes(&'p str),
    /// So many microseconds.
    Compute(&'p str),
    Echo,
    WebSocket,
    Unknown,
}

impl<'p> Asked<'p> {
    #[inline]
    fn of(path: &'p str) -> Self {
        match path {
            "/plaintext" => Asked::Plaintext,
            "/echo" => Asked::Echo,
            "/ws/echo" => Asked::WebSocket,
            _ => path
                .strip_prefix("/bytes/")
                .map(Asked::Bytes)
                .or_else(|| path.strip_prefix("/compute/").map(Asked::Compute))
                .unwrap_or(Asked::Unknown),
        }
    }
}

impl Handler for Bench {
    #[inline]
    fn on_request(&self, request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        let is_get = matches!(request.method, "GET" | "HEAD");
        match Asked::of(request.path()) {
            Asked::Echo if request.method == "POST" => reply.exchange(Echo::of(request)),
            Asked::Unknown => reply.text(404, "not here\n"),
            Asked::Echo => refuse(reply, b"POST"),
            _ if !is_get => refuse(reply, b"GET, HEAD"),
            Asked::Plaintext => reply.prepared(&self.plaintext),
            Asked::Bytes(count) => bytes(request, count, reply),
            Asked::Compute(micros) => self.compute(micros, reply),
            Asked::WebSocket => self.echo.open(request, reply),
        }
    }
}

impl Bench {
    fn compute(&self, micros: &str, reply: Reply<'_, '_>) -> Answered {
        let Some(micros) = number(micros, MAX_COMPUTE) else {
            return reply.text(400, "/compute/ takes microseconds, at most 1000000\n");
        };
        (self.burn)(Duration::from_micros(micros));
        reply.send(200, PLAINTEXT, b"computed\n")
    }
}

fn refuse(reply: Reply<'_, '_>, allowed: &'static [u8]) -> Answered {
    reply.send(405, &[("Allow", allowed)], b"")
}

/// Digits and nothing else, at most `max`.
fn number(text: &str, max: u64) -> Option<u64> {
    // `parse` would take a sign.
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_digits && *number <= max)
}

fn bytes(request: &Head<'_>, count: &str, reply: Reply<'_, '_>) -> Answered {
    let Some(count) = number(count, MAX_BYTES) else {
        return reply.text(400, "/bytes/ takes a number, at most 16777216\n");
    };
    let short = usize::try_from(count).ok().and_then(|count| BLOCK.get(..count));
    match short {
        Some(short) => reply.send(200, BINARY, short),
        None => {
            reply.exchange(Pour { count, left: if request.method == "HEAD" { 0 } else { count } })
        }
    }
}

/// Sends so many bytes, as fast as the peer takes them and no faster.
struct Pour {
    count: u64,
    left: u64,
}

impl Exchange for Pour {
    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        writer.start(200, BINARY, Some(self.count));
        self.on_drain(writer);
    }

    fn on_drain(&mut self, writer: &mut Writer<'_, '_>) {
        while self.left > 0 && writer.room() > 0 {
            let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(BLOCK.len());
            writer.body_shared(Bytes::from_static(BLOCK.get(..count).unwrap_or_default()));
            self.left -= count as u64;
        }
        if self.left == 0 { writer.finish() } else { writer.want_drain() }
    }
}

/// Sends the request's body back while it arrives. The reply begins with the first piece of body, so
/// that a client which asked for `100 Continue` gets it.
struct Echo {
    length: Option<u64>,
}

impl Echo {
    fn of(request: &Head<'_>) -> Self {
        let length = match request.framing {
            Framing::None => Some(0),
            Framing::Length(length) => Some(length),
            Framing::Chunked => None,
        };
        Echo { length }
    }

    fn start(&self, writer: &mut Writer<'_, '_>) {
        if !writer.has_started() {
            writer.start(200, BINARY, self.length);
        }
    }
}

impl Exchange for Echo {
    fn on_body(&mut self, data: &[u8], writer: &mut Writer<'_, '_>) {
        self.start(writer);
        writer.body(data);
    }

    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        self.start(writer);
        writer.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::buf::Out;
    use crate::connection::{Connection, Io};
    use crate::session::Env;
    use crate::session::datagram::Peer;
    use crate::session::http::Http;
    use crate::token::Token;

    /// What a connection answers to `request`, all of it taken at once.
    fn ask(request: &str) -> String {
        let service = Http::new(Bench::new(|_| ()).expect("it can be framed"));
        let mut env = Env::new(Limits::default());
        let mut out = Out::default();
        let mut io = Io { out: &mut out, env: &mut env, token: Token::new(0, 0), unsent: 0 };
        let mut connection = Connection::plain(&service, &Peer::Unnamed, &mut io);
        connection.feed(&mut request.as_bytes().to_vec(), &mut io);
        let mut answer = io.out.take();
        while connection.wants_drain() {
            connection.drained(&mut io);
            answer.extend(io.out.take());
        }
        String::from_utf8(answer).expect("text")
    }

    #[test]
    fn each_request_has_its_answer() {
        for (request, status, ending) in [
            ("GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n", 200, "\r\n\r\nHello, World!"),
            ("GET /plaintext?a=b HTTP/1.1\r\nHost: a\r\n\r\n", 200, "\r\n\r\nHello, World!"),
            ("HEAD /plaintext HTTP/1.1\r\nHost: a\r\n\r\n", 200, "\r\n\r\n"),
            ("GET /bytes/9 HTTP/1.1\r\nHost: a\r\n\r\n", 200, "\r\n\r\nthe quick"),
            ("GET /bytes/+9 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "at most 16777216\n"),
            ("GET /bytes/16777217 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "at most 16777216\n"),
            ("GET /compute/5 HTTP/1.1\r\nHost: a\r\n\r\n", 200, "\r\n\r\ncomputed\n"),
            ("GET /compute/9999999 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "at most 1000000\n"),
            ("POST /compute/5 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405, "\r\n\r\n"),
            ("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", 405, "\r\n\r\n"),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not here\n"),
            ("GET /ws/echo HTTP/1.1\r\nHost: a\r\n\r\n", 426, "this is a WebSocket\n"),
            ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 200, "\r\n\r\nabc"),
        ] {
            let answer = ask(request);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
            assert!(answer.ends_with(ending), "{request}: {answer}");
        }
    }

    #[test]
    fn many_bytes_come_whole_and_only_as_many() {
        for count in [0, 1, 65_535, 65_536, 65_537, 1_000_000] {
            let answer = ask(&format!("GET /bytes/{count} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
            assert!(head.contains(&format!("Content-Length: {count}")), "{head}");
            assert_eq!(body.len(), count);
            assert!(body.bytes().zip(BLOCK.iter().cycle()).all(|(got, byte)| got == *byte));
        }
    }
}
