//! The opening handshake (RFC 6455 §4): both sides of it.
//!
//! A server calls [`check`], [`protocol`] and [`compression`] on a request's head and decides about
//! [`Origins`]; a client writes its request with [`Asking::request`] and reads the answer with
//! [`Asking::answer`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::deflate::{Agreed, Deflate};
use crate::proto::h1::Head;

/// What is appended to a key before it is hashed (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why a request does not open a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It does not ask for one: to be answered with 426 and `Upgrade: websocket`.
    NotAsked,
    /// It asks for another version: to be answered with 426 and `Sec-WebSocket-Version: 13`.
    Version,
    /// It is no GET, or its key is missing or malformed: 400.
    Malformed(&'static str),
}

/// Checks a request (RFC 6455 §4.2.1). Answers the value for `Sec-WebSocket-Accept`.
///
/// # Errors
///
/// What is missing from it.
pub fn check(head: &Head<'_>) -> Result<String, Unfit> {
    let asks = list(head, "Upgrade").any(|item| item.eq_ignore_ascii_case(b"websocket"));
    if !head.upgrade || !asks {
        return Err(Unfit::NotAsked);
    }
    if head.method != "GET" {
        return Err(Unfit::Malformed("a WebSocket begins with GET"));
    }
    if !head.headers().values("Sec-WebSocket-Version").eq([b"13"]) {
        return Err(Unfit::Version);
    }
    let mut keys = head.headers().values("Sec-WebSocket-Key");
    match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key) => Ok(accept(key)),
        _ => Err(Unfit::Malformed("Sec-WebSocket-Key is not one value of 16 bytes in Base64")),
    }
}

/// The first of the client's subprotocols that is among ours.
pub fn protocol<'p>(head: &Head<'_>, ours: &[&'p str]) -> Option<&'p str> {
    list(head, "Sec-WebSocket-Protocol")
        .find_map(|item| ours.iter().copied().find(|name| name.as_bytes() == item))
}

/// What to agree on about compression, and the value for `Sec-WebSocket-Extensions`.
pub fn compression(head: &Head<'_>, wish: &Deflate) -> Option<(Agreed, String)> {
    wish.accept(head.headers().values("Sec-WebSocket-Extensions"))
}

/// Whose pages may connect. A browser says in `Origin` which page wants to, and sends cookies
/// along whatever page that is (RFC 6455 §10.2). Programs that are no browsers send none.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Origins {
    /// Anybody's.
    Any,
    /// Those of the host that is asked.
    #[default]
    Same,
    /// These, written as browsers do: `https://example.org`.
    List(Vec<String>),
}

impl Origins {
    /// True if the request comes from an allowed page, or from none.
    pub fn allow(&self, head: &Head<'_>) -> bool {
        head.headers().values("Origin").all(|origin| match self {
            Origins::Any => true,
            Origins::List(list) => {
                list.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(origin))
            }
            Origins::Same => {
                let authority =
                    origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
                match (authority, head.host()) {
                    (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host),
                    _ => false,
                }
            }
        })
    }
}

/// What a client asks for.
#[derive(Clone, Debug, Default)]
pub struct Ask<'a> {
    /// The value of `Host`.
    pub host: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// Subprotocols, the preferred first.
    pub protocols: &'static [&'static str],
    /// Compression, if wanted.
    pub deflate: Option<Deflate>,
}

/// A client that has asked and waits for the answer.
#[derive(Debug)]
pub struct Asking {
    accept: String,
    protocols: &'static [&'static str],
    deflate: Option<Deflate>,
}

/// What the server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The subprotocol.
    pub protocol: Option<&'static str>,
    /// About compression.
    pub agreed: Option<Agreed>,
}

/// Why an answer opens no WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The server answered with this status.
    Status(u16),
    /// It answered what cannot be right.
    Malformed(&'static str),
}

/// The longest answer that a client reads.
const ANSWER: usize = 16 * 1024;

impl Asking {
    /// Appends the request to `out`. `nonce` must be random.
    ///
    /// # Errors
    ///
    /// The host or the target has characters that would break the request.
    pub fn request(ask: &Ask<'_>, nonce: [u8; 16], out: &mut Vec<u8>) -> Result<Self, Rejected> {
        let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if !is_plain(ask.host) || !is_plain(ask.target) || !ask.target.starts_with('/') {
            return Err(Rejected::Malformed("a host or target that cannot be asked for"));
        }
        let key = STANDARD.encode(nonce);
        let mut line = |parts: [&str; 3]| {
            parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
            out.extend_from_slice(b"\r\n");
        };
        line(["GET ", ask.target, " HTTP/1.1"]);
        line(["Host", ": ", ask.host]);
        line(["Connection", ": ", "Upgrade"]);
        line(["Upgrade", ": ", "websocket"]);
        line(["Sec-WebSocket-Version", ": ", "13"]);
        line(["Sec-WebSocket-Key", ": ", &key]);
        if !ask.protocols.is_empty() {
            line(["Sec-WebSocket-Protocol", ": ", &ask.protocols.join(", ")]);
        }
        if let Some(deflate) = &ask.deflate {
            line(["Sec-WebSocket-Extensions", ": ", &deflate.offer()]);
        }
        line([""; 3]);
        Ok(Asking {
            accept: accept(key.as_bytes()),
            protocols: ask.protocols,
            deflate: ask.deflate,
        })
    }

    /// The answer at the front of `input`, which is advanced past it. `None`: more is needed.
    ///
    /// # Errors
    ///
    /// The server refused, or answered what the client must not accept (RFC 6455 §4.1).
    pub fn answer(&self, input: &mut &[u8]) -> Result<Option<Answer>, Rejected> {
        let mut slots = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut slots);
        let size = match response.parse(input) {
            Ok(httparse::Status::Complete(size)) => size,
            Ok(httparse::Status::Partial) if input.len() < ANSWER => return Ok(None),
            _ => return Err(Rejected::Malformed("the answer is no HTTP head")),
        };
        match response.code {
            Some(101) => {}
            code => return Err(Rejected::Status(code.unwrap_or(0))),
        }
        let answer = self.judge(response.headers)?;
        *input = input.get(size..).unwrap_or_default();
        Ok(Some(answer))
    }

    fn judge(&self, fields: &[httparse::Header<'_>]) -> Result<Answer, Rejected> {
        let of = |name: &'static str| {
            fields.iter().filter(move |f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value)
        };
        let says = |name: &'static str, word: &str| {
            of(name).flat_map(items).any(|item| item.eq_ignore_ascii_case(word.as_bytes()))
        };
        if !says("Upgrade", "websocket") || !says("Connection", "upgrade") {
            return Err(Rejected::Malformed("the answer upgrades to something else"));
        }
        if of("Sec-WebSocket-Accept").next().map(<[u8]>::trim_ascii) != Some(self.accept.as_bytes())
        {
            return Err(Rejected::Malformed("the answer is not to this request's key"));
        }
        let protocol = match of("Sec-WebSocket-Protocol").next() {
            None => None,
            Some(name) => Some(
                *self
                    .protocols
                    .iter()
                    .find(|ours| ours.as_bytes() == name.trim_ascii())
                    .ok_or(Rejected::Malformed("a subprotocol that was not asked for"))?,
            ),
        };
        let mut extensions = of("Sec-WebSocket-Extensions").flat_map(items);
        let agreed = match (extensions.next(), extensions.next(), &self.deflate) {
            (None, ..) => None,
            (Some(answer), None, Some(deflate)) => Some(
                deflate
                    .confirm(answer)
                    .ok_or(Rejected::Malformed("an extension beyond what was offered"))?,
            ),
            _ => return Err(Rejected::Malformed("an extension that was not asked for")),
        };
        Ok(Answer { protocol, agreed })
    }
}

fn accept(key: &[u8]) -> String {
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key);
    hash.update(GUID);
    STANDARD.encode(hash.digest().bytes())
}

fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

fn list<'h>(head: &Head<'h>, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
    head.headers().values(name).flat_map(items)
}

fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
}
