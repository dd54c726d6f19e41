//! Answers as bytes: heads, chunks and their ends (RFC 9112 §4, §7).

use std::error::Error;
use std::fmt;

use super::Version;
use super::token::is_token;

/// The interim answer to `Expect: 100-continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How an answer's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// The status has no body and no framing field: 1xx, 204, 304.
    None,
    /// So many bytes follow.
    Length(u64),
    /// Chunks follow.
    Chunked,
    /// Bytes follow until the connection closes: HTTP/1.0 without a length.
    UntilClose,
}

/// What the answer says about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It stays open; said only in HTTP/1.0, where that is not the rule.
    KeepAlive,
    /// It closes after this answer.
    Close,
    /// It speaks another protocol from here on.
    Upgrade,
}

/// A field of an answer that would break its framing: our own mistake, never the peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidHeader {
    name: String,
}

impl fmt::Display for InvalidHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the field {:?} has a name that is none, is one that the encoder writes itself, or has CR, LF or NUL in its value",
            self.name
        )
    }
}

impl Error for InvalidHeader {}

/// Appends an answer's head: status line, `Server`, `Date`, `headers`, framing, connection.
///
/// # Errors
///
/// A field would break the framing or is one of those written here; nothing is appended.
#[inline]
pub fn head(
    out: &mut Vec<u8>,
    version: Version,
    status: u16,
    date: &[u8; 29],
    headers: &[(&str, &[u8])],
    body: BodyLength,
    connection: Connection,
) -> Result<(), InvalidHeader> {
    for (name, value) in headers {
        check(name, value)?;
    }
    let fields: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    out.reserve(192 + fields);
    match (status, version) {
        // By far the most frequent line.
        (200, _) => out.extend_from_slice(b"HTTP/1.1 200 OK\r\nServer: readyloop\r\nDate: "),
        _ => status_line(out, status),
    }
    out.extend_from_slice(date);
    for (name, value) in headers {
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
    }
    match body {
        BodyLength::Length(length) => {
            out.extend_from_slice(b"\r\nContent-Length: ");
            decimal(out, length);
        }
        BodyLength::Chunked => out.extend_from_slice(b"\r\nTransfer-Encoding: chunked"),
        BodyLength::None | BodyLength::UntilClose => {}
    }
    out.extend_from_slice(match (connection, version) {
        // Whoever sends `Upgrade` says so here (RFC 9110 §7.8), and this status must (§15.5.22).
        (Connection::KeepAlive, _) if status == 426 => b"\r\nConnection: upgrade\r\n\r\n",
        (Connection::Close, _) if status == 426 => b"\r\nConnection: close, upgrade\r\n\r\n",
        (Connection::KeepAlive, Version::Http11) => b"\r\n\r\n",
        (Connection::KeepAlive, Version::Http10) => {
            b"\r\nConnection: keep-alive\r\n\r\n".as_slice()
        }
        (Connection::Close, _) => b"\r\nConnection: close\r\n\r\n",
        (Connection::Upgrade, _) => b"\r\nConnection: upgrade\r\n\r\n",
    });
    Ok(())
}

/// A reply to HTTP/1.0 carries our own version too (RFC 9110 §2.5).
fn status_line(out: &mut Vec<u8>, status: u16) {
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\nServer: readyloop\r\nDate: ");
}

/// Says whether a field may be in an answer.
///
/// # Errors
///
/// It would break the framing, or is one that [`head`] writes itself.
#[inline]
pub fn check(name: &str, value: &[u8]) -> Result<(), InvalidHeader> {
    let ours = match name.len() {
        0 => true,
        4 => name.eq_ignore_ascii_case("date"),
        6 => name.eq_ignore_ascii_case("server"),
        10 => name.eq_ignore_ascii_case("connection"),
        14 => name.eq_ignore_ascii_case("content-length"),
        17 => name.eq_ignore_ascii_case("transfer-encoding"),
        _ => false,
    };
    let name_breaks = !name.bytes().all(is_token);
    // Without branches, so that the compiler looks at sixteen bytes at a time.
    let value_breaks = value
        .iter()
        .fold(false, |bad, &byte| bad | (byte == b'\r') | (byte == b'\n') | (byte == 0));
    if ours || name_breaks || value_breaks {
        return Err(InvalidHeader { name: name.to_owned() });
    }
    Ok(())
}

/// Begins a chunk of `length` bytes, which is not 0: that would end the body. The bytes follow, and
/// an empty line.
pub fn chunk_size(out: &mut Vec<u8>, length: usize) {
    hexadecimal(out, length);
    out.extend_from_slice(b"\r\n");
}

/// Ends a chunked body.
pub fn last_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

#[inline]
fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn hexadecimal(out: &mut Vec<u8>, number: usize) {
    let digits = (usize::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[number >> (4 * digit) & 15]);
    }
}

/// The reason phrase of a status (RFC 9110 §15); empty for one without a name.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &[u8; 29] = b"Thu, 01 Jan 1970 00:00:00 GMT";

    fn text(
        version: Version,
        status: u16,
        headers: &[(&str, &[u8])],
        body: BodyLength,
        connection: Connection,
    ) -> String {
        let mut out = Vec::new();
        head(&mut out, version, status, DATE, headers, body, connection).expect("valid fields");
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn a_head_says_status_fields_framing_and_connection() {
        assert_eq!(
            text(
                Version::Http11,
                200,
                &[("A", b"b"), ("C", b"")],
                BodyLength::Length(u64::MAX),
                Connection::KeepAlive
            ),
            "HTTP/1.1 200 OK\r\nServer: readyloop\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nA: b\r\nC: \r\nContent-Length: 18446744073709551615\r\n\r\n"
        );
        assert_eq!(
            text(Version::Http10, 404, &[], BodyLength::Length(0), Connection::KeepAlive),
            "HTTP/1.1 404 Not Found\r\nServer: readyloop\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"
        );
        let chunked = text(Version::Http11, 200, &[], BodyLength::Chunked, Connection::Close);
        assert!(
            chunked.ends_with("GMT\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        );
        let upgrade = text(Version::Http11, 101, &[], BodyLength::None, Connection::Upgrade);
        assert!(upgrade.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
        assert!(upgrade.ends_with("GMT\r\nConnection: upgrade\r\n\r\n"));
        let unknown = text(Version::Http10, 299, &[], BodyLength::UntilClose, Connection::Close);
        assert!(unknown.starts_with("HTTP/1.1 299 \r\n"));
        assert!(unknown.ends_with("GMT\r\nConnection: close\r\n\r\n"));
    }

    #[test]
    fn fields_that_break_the_framing_leave_nothing_behind() {
        let table: [(&str, &[u8]); 15] = [
            ("", b"x"),
            ("A B", b"x"),
            ("A:", b"x"),
            ("A\r\nB", b"x"),
            ("(A)", b"x"),
            ("Ä", b"x"),
            ("A\x7f", b"x"),
            ("A", b"x\r"),
            ("A", b"\nx"),
            ("A", b"\0"),
            ("content-length", b"1"),
            ("Transfer-Encoding", b"chunked"),
            ("CONNECTION", b"close"),
            ("Date", b"now"),
            ("server", b"x"),
        ];
        for field in table {
            let mut out = b"before".to_vec();
            let fields = [("X-Fine", b"1".as_slice()), field];
            let body = BodyLength::None;
            let failed =
                head(&mut out, Version::Http11, 200, DATE, &fields, body, Connection::Close);
            assert_eq!(failed, Err(InvalidHeader { name: field.0.into() }));
            assert_eq!(out, b"before");
        }
    }

    #[test]
    fn chunks_begin_with_their_size_and_the_empty_one_is_the_end() {
        let mut out = Vec::new();
        chunk_size(&mut out, 3);
        chunk_size(&mut out, 0x1a0);
        chunk_size(&mut out, usize::MAX);
        last_chunk(&mut out);
        assert_eq!(out, format!("3\r\n1a0\r\n{:x}\r\n0\r\n\r\n", usize::MAX).as_bytes());
    }
}
