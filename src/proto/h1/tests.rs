//! The machine by byte transcripts: the same events, and the same refusal, however the bytes are
//! split.

use super::{Event, Memo, Refusal, Server, Version, encode};
use crate::limits::Limits;

/// Feeds `input` up to each of `ends` in turn, as a connection would, and writes down what happens.
fn replay(input: &[u8], ends: impl IntoIterator<Item = usize>, limits: &Limits) -> String {
    let (mut machine, mut memo) = (Server::new(), Memo::new());
    let mut log = Log::default();
    let mut used = 0;
    for end in ends.into_iter().chain([input.len()]) {
        loop {
            let mut rest = &input[used..end];
            let outcome = machine.next_event(&mut rest, &mut memo, limits);
            assert!(rest.len() <= end - used, "input only shrinks");
            used = end - rest.len();
            match outcome {
                Ok(Some(event)) => {
                    if log.event(&event) {
                        machine.next();
                    }
                }
                Ok(None) => break,
                Err(refusal) => return log.line(&format!("! {refusal:?}")),
            }
        }
    }
    let end = if machine.eof().is_ok() { "" } else { "…" };
    log.line(end)
}

/// Events, a line each; data that came in pieces is one line.
#[derive(Default)]
struct Log {
    text: String,
    in_data: bool,
}

impl Log {
    /// True for the end of a request.
    fn event(&mut self, event: &Event<'_>) -> bool {
        let line = match event {
            Event::Request(head) => {
                let mut line = format!("{} {} {:?}", head.method, head.target, head.framing);
                let flags = [
                    (head.version == Version::Http10, "1.0"),
                    (!head.keep_alive, "close"),
                    (head.expect_continue, "expects"),
                    (head.upgrade, "upgrade"),
                ];
                flags.iter().filter(|(is_set, _)| *is_set).for_each(|(_, word)| {
                    line.push(' ');
                    line.push_str(word);
                });
                line
            }
            Event::Data(data) => {
                let more = data.escape_ascii().to_string();
                if std::mem::replace(&mut self.in_data, true) {
                    self.text.push_str(&more);
                } else {
                    self.text.push_str(&format!("\n= {more}"));
                }
                return false;
            }
            Event::Trailers(fields) => {
                let mut line = String::from("trailers");
                fields.each(|name, value| line += &format!(" {name}={}", value.escape_ascii()));
                line
            }
            Event::End => "end".into(),
        };
        self.line(&line);
        matches!(event, Event::End)
    }

    fn line(&mut self, line: &str) -> String {
        self.in_data = false;
        if !line.is_empty() {
            self.text.push('\n');
            self.text.push_str(line);
        }
        self.text.trim_start().into()
    }
}

/// The events of `input`, which must not depend on how it is split.
fn events(input: &[u8], limits: &Limits) -> String {
    let whole = replay(input, [], limits);
    for split in 1..input.len() {
        assert_eq!(replay(input, [split], limits), whole, "{} at {split}", input.escape_ascii());
    }
    assert_eq!(replay(input, 1..input.len(), limits), whole, "{} by bytes", input.escape_ascii());
    whole
}

fn expect(input: &str, log: &[&str]) {
    assert_eq!(events(input.as_bytes(), &Limits::default()), log.join("\n"), "{input:?}");
}

#[test]
fn heads_and_bodies_become_events() {
    expect("", &[]);
    expect("GET / HTTP/1.1\r\nHost:", &["…"]);
    expect("\r\n\r\nGET /a?b HTTP/1.1\r\nHost: x\r\n\r\n", &["GET /a?b None", "end"]);
    expect(
        "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.0\r\n\r\n",
        &["GET /1 None", "end", "GET /1 None", "end", "GET /2 None 1.0 close", "end"],
    );
    expect(
        "PUT / HTTP/1.1\r\nhOST: x\r\nContent-Length: 003\r\n\r\nabc",
        &["PUT / Length(3)", "= abc", "end"],
    );
    expect("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", &["PUT / None", "end"]);
    expect(
        "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab",
        &["PUT / Length(3)", "= ab", "…"],
    );
    expect(
        "PUT / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: \t Chunked \r\n\r\n3\r\nabc\r\n00a;b ; c = \"d\\\"\te\";f=g\r\n0123456789\r\n0\r\n\r\n",
        &["PUT / Chunked", "= abc0123456789", "end"],
    );
    expect(
        "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\nC:\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        &["PUT / Chunked", "trailers A=b C=", "end", "GET / None", "end"],
    );
    expect("BREW /tea HTTP/1.1\r\nHost: x\r\n\r\n", &["BREW /tea None", "end"]);
}

#[test]
fn the_connection_is_a_list_in_any_case() {
    let cases = [
        ("1.1\r\nHost: x\r\nConnection: Keep-Alive", "GET / None"),
        ("1.1\r\nHost: x\r\nConnection: a, CLOSE ,b", "GET / None close"),
        ("1.1\r\nHost: x\r\nConnection: a\r\nConnection: close", "GET / None close"),
        ("1.1\r\nHost: x\r\nConnection: closed", "GET / None"),
        ("1.0\r\nConnection: Keep-Alive", "GET / None 1.0"),
        ("1.0\r\nConnection: keep-alive, close", "GET / None 1.0 close"),
        ("1.1\r\nHost: x\r\nConnection: x, Upgrade\r\nUpgrade: y", "GET / None upgrade"),
        ("1.1\r\nHost: x\r\nUpgrade: y", "GET / None"),
        ("1.1\r\nHost: x\r\nConnection: upgrade", "GET / None"),
        ("1.0\r\nConnection: upgrade\r\nUpgrade: y", "GET / None 1.0 close"),
        ("1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 0", "GET / None"),
    ];
    for (head, line) in cases {
        expect(&format!("GET / HTTP/{head}\r\n\r\n"), &[line, "end"]);
    }
    expect(
        "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
        &["PUT / Length(1) expects", "…"],
    );
    expect(
        "PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
        &["PUT / Length(1) 1.0 close", "…"],
    );
}

/// The refusal that ends `input`, at every split.
fn refused(input: &[u8], limits: &Limits) -> String {
    let log = events(input, limits);
    let last = log.lines().last().and_then(|line| line.strip_prefix("! "));
    last.unwrap_or_else(|| panic!("{} is not refused: {log}", input.escape_ascii())).into()
}

fn refuses(table: &[(&str, Refusal)], input: impl Fn(&str) -> String) {
    for (part, refusal) in table {
        let input = input(part);
        let found = refused(input.as_bytes(), &Limits::default());
        assert_eq!(found, format!("{refusal:?}"), "{input:?}");
    }
}

#[test]
fn request_lines_are_refused() {
    use Refusal::*;
    let table = [
        ("GET  / HTTP/1.1", RequestLine),
        (" GET / HTTP/1.1", RequestLine),
        ("GET / HTTP/1.1 ", RequestLine),
        ("GET / a HTTP/1.1", RequestLine),
        ("GET\t/ HTTP/1.1", RequestLine),
        ("GET /\0 HTTP/1.1", RequestLine),
        ("GET /\x7f HTTP/1.1", RequestLine),
        ("G@T / HTTP/1.1", RequestLine),
        ("GET /", RequestLine),
        ("GET / HTTP/1", RequestLine),
        ("GET / HTTP/1.", RequestLine),
        ("GET / HTTP/1.10", RequestLine),
        ("GET / http/1.1", RequestLine),
        ("GET / HTTPS/1.1", RequestLine),
        ("\x16\x03\x01\x02", RequestLine),
        ("GET / HTTP/1.2", Version),
        ("GET / HTTP/0.9", Version),
        ("GET / HTTP/2.0", Version),
        ("PRI * HTTP/2.0", Version),
        ("GET * HTTP/1.1", Target),
        ("GET x HTTP/1.1", Target),
        ("GET /ä HTTP/1.1", Target),
        ("GET ftp://x/ HTTP/1.1", Target),
        ("CONNECT / HTTP/1.1", Target),
        ("GET / HTTP/1.1\n", BareLineEnd),
        ("GET / HTTP/1.1\rX: y", BareLineEnd),
        ("\nGET / HTTP/1.1", BareLineEnd),
        ("\r\n\nGET / HTTP/1.1", BareLineEnd),
        ("\r\rGET / HTTP/1.1", BareLineEnd),
    ];
    refuses(&table, |line| format!("{line}\r\nHost: x\r\n\r\n"));
}

#[test]
fn fields_are_refused() {
    use Refusal::*;
    let table = [
        ("X : y", Field),
        ("X y", Field),
        (": y", Field),
        ("X(: y", Field),
        ("X: a\0b", Field),
        ("X: a\x01b", Field),
        ("X: a\x7fb", Field),
        ("X: a\rb", Field),
        ("X: a\r\r", Field),
        ("X: y\r\n folded", Fold),
        ("X: y\r\n\tfolded", Fold),
        ("X: y\n", BareLineEnd),
        ("X: y\nY: z", BareLineEnd),
        ("Host: x", HostRepeated),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked", LengthAndChunked),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1", LengthAndChunked),
        ("Content-Length: 5\r\nContent-Length: 5", LengthRepeated),
        ("Content-Length: 5, 5", LengthRepeated),
        ("Content-Length:", LengthInvalid),
        ("Content-Length: +5", LengthInvalid),
        ("Content-Length: -5", LengthInvalid),
        ("Content-Length: 5 5", LengthInvalid),
        ("Content-Length: 0x5", LengthInvalid),
        ("Content-Length: 5.0", LengthInvalid),
        ("Content-Length: 18446744073709551616", LengthInvalid),
        ("Content-Length: 000000000000000000005", LengthInvalid),
        ("Content-Length: 18446744073709551615", BodyTooLarge),
        ("Transfer-Encoding:", TransferEncoding),
        ("Transfer-Encoding: gzip", TransferEncoding),
        ("Transfer-Encoding: identity", TransferEncoding),
        ("Transfer-Encoding: xchunked", TransferEncoding),
        ("Transfer-Encoding: chunked, gzip", TransferEncoding),
        ("Transfer-Encoding: chunked, chunked", TransferEncoding),
        ("Transfer-Encoding: ,chunked", TransferEncoding),
        ("Transfer-Encoding: \"chunked\"", TransferEncoding),
        ("Transfer-Encoding: chunked;a=b", TransferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", TransferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", TransferEncoding),
        ("Transfer-Encoding: gzip, chunked", TransferCoding),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", TransferCoding),
        ("Expect: 200-ok", Expectation),
    ];
    refuses(&table, |field| format!("GET / HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n"));
    let table = [
        ("1.1", HostMissing),
        ("1.1\r\nHost: a/b", HostInvalid),
        ("1.1\r\nHost: a:b", HostInvalid),
        ("1.0\r\nHost: a b", HostInvalid),
        ("1.0\r\nTransfer-Encoding: chunked", TransferEncoding),
    ];
    refuses(&table, |head| format!("GET / HTTP/{head}\r\n\r\n"));
}

#[test]
fn chunks_are_refused() {
    use Refusal::*;
    let table = [
        ("\r\n", ChunkSize),
        ("\n", ChunkSize),
        (" 1\r\n", ChunkSize),
        ("+1\r\n", ChunkSize),
        ("g\r\n", ChunkSize),
        ("11111111111111111\r\n", ChunkSize),
        ("00000000000000001\r\n", ChunkSize),
        ("0x1\r\n", ChunkExtension),
        ("1 \r\n", ChunkExtension),
        ("1 1\r\n", ChunkExtension),
        ("1;\r\n", ChunkExtension),
        ("1;a=\r\n", ChunkExtension),
        ("1;a=\"b\r\n", ChunkExtension),
        ("1;a=\"\0\"\r\n", ChunkExtension),
        ("1;a b\r\n", ChunkExtension),
        ("1\r;a\r\n", ChunkExtension),
        ("1\r\r;a\r\n", ChunkExtension),
        ("1;\ra\r\n", ChunkExtension),
        ("1;a=\r\"b\"\r\n", ChunkExtension),
        ("1\x0c;a\r\n", ChunkExtension),
        ("1\n", BareLineEnd),
        ("1;a\n", BareLineEnd),
        ("ffffffffffffffff\r\n", BodyTooLarge),
        ("1\r\na\r\nffffffffffffffff\r\n", BodyTooLarge),
        ("1\r\nab\r\n", ChunkEnd),
        ("1\r\na\n", ChunkEnd),
        ("1\r\na\r\r\n", ChunkEnd),
        ("0\r\nContent-Length: 1\r\n\r\n", TrailerForbidden),
        ("0\r\nHOST: x\r\n\r\n", TrailerForbidden),
        ("0\r\nA : b\r\n\r\n", Field),
        ("0\r\n A: b\r\n\r\n", Field),
        ("0\r\nA: b\rc\r\n\r\n", Field),
        ("0\r\nA: b\n\r\n", BareLineEnd),
        ("0\r\n\n", BareLineEnd),
    ];
    refuses(&table, |body| {
        format!("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
    });
}

#[test]
fn limits_are_exact_and_hold_before_a_line_ends() {
    let limits = Limits {
        request_line: 40,
        head_bytes: 120,
        headers: 3,
        body_bytes: 9,
        chunk_line: 8,
        chunk_extensions: 9,
        trailer_bytes: 20,
        ..Limits::default()
    };
    let line = |length: usize| format!("GET /{} HTTP/1.1", "a".repeat(length - 14));
    let filled = |length: usize| {
        let head = "GET / HTTP/1.1\r\nHost: x\r\nX: ";
        format!("{head}{}\r\n\r\n", "a".repeat(length - head.len() - 4))
    };
    let chunked = |body: &str| {
        format!("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
    };
    let within = [
        format!("{}\r\nHost: x\r\n\r\n", line(40)),
        format!("\r\n{}\r\nHost: x\r\n\r\n", line(40)),
        filled(120),
        "GET / HTTP/1.1\r\nHost: x\r\nA:\r\nB:\r\n\r\n".into(),
        "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123456789".into(),
        chunked("4\r\n1234\r\n5\r\n12345\r\n0\r\n\r\n"),
        chunked("1;abcdef\r\na\r\n0;a\r\n\r\n"),
        chunked("0\r\nA: 4567890123456\r\n\r\n"),
    ];
    for input in within {
        let log = events(input.as_bytes(), &limits);
        assert!(log.ends_with("end"), "{input:?}: {log}");
    }
    use Refusal::*;
    let over = [
        (format!("{}\r\nHost: x\r\n\r\n", line(41)), RequestLineTooLong),
        (line(60), RequestLineTooLong),
        (filled(121), HeadTooLarge),
        (filled(200), HeadTooLarge),
        ("\r\n".repeat(60), HeadTooLarge),
        ("GET / HTTP/1.1\r\nHost: x\r\nA:\r\nB:\r\nC:\r\n\r\n".into(), TooManyFields),
        ("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n".into(), BodyTooLarge),
        (chunked("5\r\n12345\r\n5\r\n"), BodyTooLarge),
        (chunked("1;abcdefg\r\n"), ChunkLineTooLong),
        (chunked("1;abcdefghi"), ChunkLineTooLong),
        (chunked("1;abcdef\r\na\r\n1;ab\r\n"), ChunkExtensionsTooLarge),
        (chunked("0\r\nA: 45678901234567\r\n\r\n"), TrailersTooLarge),
        (chunked("0\r\naaaaaaaaaaaaaaaaaaaaa"), TrailersTooLarge),
        (chunked("0\r\nA:\r\nB:\r\nC:\r\nD:\r\n\r\n"), TooManyFields),
    ];
    for (input, refusal) in over {
        assert_eq!(refused(input.as_bytes(), &limits), format!("{refusal:?}"), "{input:?}");
    }
}

#[test]
fn the_target_names_the_host() {
    let ask = |head: &str| {
        let (mut machine, mut memo) = (Server::new(), Memo::new());
        let mut input = head.as_bytes();
        match machine.next_event(&mut input, &mut memo, &Limits::default()) {
            Ok(Some(Event::Request(head))) => {
                let host = head.host().map(|host| host.escape_ascii().to_string());
                (host, head.path().to_owned(), head.query().map(str::to_owned))
            }
            other => panic!("{head:?}: {other:?}"),
        }
    };
    let is = |host: Option<&str>, path: &str, query: Option<&str>| {
        (host.map(str::to_owned), path.to_owned(), query.map(str::to_owned))
    };
    assert_eq!(
        ask("GET http://a:1/b?c=/d HTTP/1.1\r\nHost: x\r\n\r\n"),
        is(Some("a:1"), "/b", Some("c=/d"))
    );
    assert_eq!(ask("GET http://a?c HTTP/1.1\r\nHost: x\r\n\r\n"), is(Some("a"), "/", Some("c")));
    assert_eq!(ask("GET /b? HTTP/1.1\r\nHost: x:2\r\n\r\n"), is(Some("x:2"), "/b", Some("")));
    assert_eq!(ask("GET / HTTP/1.0\r\n\r\n"), is(None, "/", None));
    assert_eq!(ask("OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n"), is(Some(""), "*", None));
}

/// The next number of a fixed sequence.
fn random(state: &mut u64, below: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as usize % below.max(1)
}

/// Valid messages with a few bytes changed, removed, doubled or cut: no panic, and one meaning.
#[test]
fn mutations_mean_the_same_however_they_are_split() {
    const SEEDS: [&str; 6] = [
        "GET /a?b HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n0\r\nT: u\r\n\r\n",
        "\r\nGET http://a/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nUpgrade: y\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ];
    const BYTES: &[u8] = b"\r\n\r\n\t :;,=\"\\/?*%[]@\0\x7f\x80019afGH";
    // Small enough that the limits take part.
    let limits = Limits {
        request_line: 60,
        head_bytes: 150,
        headers: 4,
        chunk_line: 20,
        trailer_bytes: 20,
        ..Limits::default()
    };
    let mut state = 0x2545_f491_4f6c_dd1d;
    for _ in 0..30_000 {
        let mut input = Vec::new();
        for _ in 0..=random(&mut state, 2) {
            input.extend_from_slice(SEEDS[random(&mut state, SEEDS.len())].as_bytes());
        }
        for _ in 0..=random(&mut state, 3) {
            let at = random(&mut state, input.len());
            match random(&mut state, 4) {
                0 => input[at] = BYTES[random(&mut state, BYTES.len())],
                1 => input.insert(at, BYTES[random(&mut state, BYTES.len())]),
                2 => drop(input.drain(at..(at + 1 + random(&mut state, 4)).min(input.len()))),
                _ => {
                    let end = (at + random(&mut state, 30)).min(input.len());
                    input.extend_from_within(at..end);
                }
            }
            if input.is_empty() {
                input.push(b'G');
            }
        }
        // What is left open at the end may be judged when the line ends.
        input.extend_from_slice(b"\r\n\r\n");
        let whole = replay(&input, [], &limits);
        let cut = 1 + random(&mut state, input.len() - 1);
        assert_eq!(replay(&input, [cut], &limits), whole, "{} at {cut}", input.escape_ascii());
        let step = 1 + random(&mut state, 7);
        let ends = (1..input.len()).step_by(step);
        assert_eq!(replay(&input, ends, &limits), whole, "{} by {step}", input.escape_ascii());
    }
}

#[test]
fn every_refusal_has_a_status_of_its_own_kind() {
    for refusal in Refusal::ALL {
        let status = refusal.status();
        assert!((400..600).contains(&status) && !encode::reason(status).is_empty(), "{refusal:?}");
        assert!(refusal.to_string().ends_with(&format!("({status})")), "{refusal}");
    }
}
