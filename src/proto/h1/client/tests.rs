//! The response machine by byte transcripts: the same events, and the same refusal, however the
//! bytes are split.

use super::*;

/// Feeds `input` up to each of `ends` in turn, as a connection would, and writes down what happens.
/// `asked` is for the first response; all others answer something else.
fn replay(
    input: &[u8],
    ends: impl IntoIterator<Item = usize>,
    asked: Asked,
    limits: &Limits,
) -> String {
    let (mut machine, mut memo) = (Client::new(), Memo::new());
    let (mut lines, mut asked): (Vec<String>, _) = (Vec::new(), asked);
    let mut used = 0;
    let refused = |lines: &mut Vec<String>, refusal: Refusal| lines.push(format!("! {refusal:?}"));
    for end in ends.into_iter().chain([input.len()]) {
        loop {
            let mut rest = &input[used..end];
            let outcome = machine.next_event(&mut rest, asked, &mut memo, limits);
            used = end - rest.len();
            match outcome {
                Ok(Some(Event::Head(head))) => lines.push(describe(&head)),
                Ok(Some(Event::Data(data))) => match lines.last_mut() {
                    Some(line) if line.starts_with('=') => {
                        line.push_str(&data.escape_ascii().to_string());
                    }
                    _ => lines.push(format!("= {}", data.escape_ascii())),
                },
                Ok(Some(Event::Trailers(fields))) => {
                    let mut line = String::from("trailers");
                    fields.each(|name, value| line += &format!(" {name}={}", value.escape_ascii()));
                    lines.push(line);
                }
                Ok(Some(Event::End)) => {
                    lines.push("end".into());
                    asked = Asked::Other;
                }
                Ok(None) => break,
                Err(refusal) => {
                    refused(&mut lines, refusal);
                    return lines.join("\n");
                }
            }
        }
    }
    if used < input.len() && machine.is_over() {
        lines.push(format!("and {} bytes", input.len() - used));
    }
    match machine.eof() {
        Ok(true) => lines.push("end by eof".into()),
        Ok(false) => {}
        Err(_) => lines.push("…".into()),
    }
    lines.join("\n")
}

fn describe(head: &Head<'_>) -> String {
    let mut line = format!("{} {}", head.status, head.reason);
    match head.framing {
        Some(framing) => line += &format!(" {framing:?}"),
        None => line += " Rest",
    }
    if head.version == Version::Http10 {
        line += " 1.0";
    }
    if !head.keep_alive {
        line += " close";
    }
    line
}

/// The events of `input`, which must not depend on how it is split.
fn events(input: &[u8], asked: Asked, limits: &Limits) -> String {
    let whole = replay(input, [], asked, limits);
    for split in 1..input.len() {
        let parts = replay(input, [split], asked, limits);
        assert_eq!(parts, whole, "{} at {split}", input.escape_ascii());
    }
    let bytes = replay(input, 1..input.len(), asked, limits);
    assert_eq!(bytes, whole, "{} by bytes", input.escape_ascii());
    whole
}

fn expect(input: &str, log: &[&str]) {
    let events = events(input.as_bytes(), Asked::Other, &Limits::default());
    assert_eq!(events, log.join("\n"), "{input:?}");
}

#[test]
fn heads_and_bodies_become_events() {
    expect("", &[]);
    expect("HTTP/1.1 200 OK\r\nDate:", &["…"]);
    expect(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        &["200 OK Length(5)", "= hello", "end"],
    );
    expect("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", &["200  None", "end"]);
    expect("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", &["200  None", "end"]);
    expect(
        "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
        &["404 Not Found Chunked", "= hello", "trailers X=y", "end"],
    );
    expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", &["200 OK Length(5)", "= hel", "…"]);
}

#[test]
fn pipelined_responses_come_in_order() {
    let one = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let other = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes";
    expect(
        &[one, one, other, one].concat(),
        &[
            "200 OK Length(2)",
            "= ok",
            "end",
            "200 OK Length(2)",
            "= ok",
            "end",
            "200 OK Length(3)",
            "= yes",
            "end",
            "200 OK Length(2)",
            "= ok",
            "end",
        ],
    );
}

#[test]
fn a_body_without_a_length_lasts_until_the_end() {
    expect(
        "HTTP/1.1 200 OK\r\nX: y\r\n\r\nall of HTTP/1.1 this",
        &["200 OK Rest close", "= all of HTTP/1.1 this", "end by eof"],
    );
    expect(
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
        &["200 OK Rest 1.0 close", "end by eof"],
    );
}

#[test]
fn what_has_no_body_ends_with_its_head() {
    let two = |head: &str| format!("{head}\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    let second = ["200 OK Length(1)", "= x", "end"];
    for (head, first) in [
        ("HTTP/1.1 204 No Content", "204 No Content None"),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 99", "304 Not Modified None"),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 99999999999", "304 Not Modified None"),
    ] {
        expect(&two(head), &[&[first, "end"], &second[..]].concat());
    }
    for (head, first) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 99", "200 OK None"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "200 OK None"),
        ("HTTP/1.1 200 OK", "200 OK None"),
    ] {
        let events = events(two(head).as_bytes(), Asked::Head, &Limits::default());
        assert_eq!(events, [&[first, "end"], &second[..]].concat().join("\n"), "{head}");
    }
}

#[test]
fn interim_responses_are_skipped_within_reason() {
    let end = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    expect(&format!("HTTP/1.1 100 Continue\r\n\r\n{hint}{hint}{end}"), &["200 OK None", "end"]);
    expect(hint, &["…"]);
    expect(&format!("{}{end}", hint.repeat(16)), &["200 OK None", "end"]);
    let flood = replay(hint.repeat(17).as_bytes(), [], Asked::Other, &Limits::default());
    assert_eq!(flood, "! TooManyInterim");
    expect(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nsomething else",
        &["101 Switching Protocols None", "end", "and 14 bytes"],
    );
}

#[test]
fn the_connection_lasts_as_it_says() {
    let none = "Content-Length: 0\r\n\r\n";
    expect(&format!("HTTP/1.0 200 OK\r\n{none}"), &["200 OK None 1.0 close", "end"]);
    expect(
        &format!("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n{none}"),
        &["200 OK None 1.0", "end"],
    );
    expect(
        &format!("HTTP/1.1 200 OK\r\nConnection: x, close\r\n{none}HTTP/1.1 200 OK"),
        &["200 OK None close", "end", "and 15 bytes"],
    );
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    for (input, refusal) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "LengthRepeated"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", "LengthRepeated"),
        ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", "LengthInvalid"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "BodyTooLarge"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "LengthAndChunked",
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "TransferEncoding"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "TransferCoding"),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "TransferEncoding"),
        ("HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", "BareLineEnd"),
        ("HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", "Fold"),
        ("HTTP/1.1 200 OK\r\nX y\r\n\r\n", "Field"),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", "StatusLine"),
        ("HTTP/1.1 099 No\r\n\r\n", "StatusLine"),
        ("HTTP/1.1 2xx OK\r\n\r\n", "StatusLine"),
        ("HTTP/1.1200 OK\r\n\r\n", "StatusLine"),
        ("HTTP/2.0 200 OK\r\n\r\n", "Version"),
        ("HTTP/2\r\n\r\n", "StatusLine"),
        ("SSH-2.0-OpenSSH\r\n", "StatusLine"),
        ("HELLO\r\n\r\n", "StatusLine"),
    ] {
        expect(input, &[&format!("! {refusal}")]);
    }
    expect(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        &["200 OK Chunked", "! ChunkSize"],
    );
}

#[test]
fn heads_and_endless_bodies_are_bounded() {
    let limits =
        Limits { head_bytes: 60, request_line: 50, headers: 2, body_bytes: 8, ..Limits::default() };
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(80));
    assert_eq!(events(long.as_bytes(), Asked::Other, &limits), "! HeadTooLarge");
    let many = b"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n";
    assert_eq!(events(many, Asked::Other, &limits), "! TooManyFields");
    let rest = b"HTTP/1.1 200 OK\r\n\r\n12345678";
    assert_eq!(events(rest, Asked::Other, &limits), "200 OK Rest close\n= 12345678\nend by eof");
    let rest = b"HTTP/1.1 200 OK\r\n\r\n123456789";
    assert!(replay(rest, [], Asked::Other, &limits).ends_with("! BodyTooLarge"));
}

#[test]
fn fields_are_found_and_a_known_head_is_not_parsed_again() {
    let bytes = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 0\r\n\r\n";
    let (mut machine, mut memo) = (Client::new(), Memo::new());
    for _ in 0..3 {
        let mut input = &bytes[..];
        match machine.next_event(&mut input, Asked::Other, &mut memo, &Limits::default()) {
            Ok(Some(Event::Head(head))) => {
                assert_eq!(head.header("server"), Some(&b"x"[..]));
                assert_eq!(head.headers().count(), 2);
            }
            other => panic!("{other:?}"),
        }
        let end = machine.next_event(&mut input, Asked::Other, &mut memo, &Limits::default());
        assert!(matches!(end, Ok(Some(Event::End))) && machine.is_between());
        let known = memo.0.as_ref().expect("a head was parsed");
        assert_eq!(known.bytes, bytes);
    }
    // Were it parsed, a stranger's summary would not survive.
    memo.0.as_mut().expect("a head was parsed").summary.status = 299;
    let mut input = &bytes[..];
    match machine.next_event(&mut input, Asked::Other, &mut memo, &Limits::default()) {
        Ok(Some(Event::Head(head))) => assert_eq!(head.status, 299),
        other => panic!("{other:?}"),
    }
}
