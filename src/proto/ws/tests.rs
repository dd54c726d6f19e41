//! The machine by transcripts: each is read whole, at every split, and byte by byte.

use super::*;
use crate::limits::Limits;
use crate::proto::h1::{self, Memo};
use handshake::{Ask, Asking, Origins, Rejected, Unfit};

const KEY: [u8; 4] = [0xa1, 0x02, 0x33, 0xf4];
const BOUNDS: Bounds = Bounds { message: 4096, frame: 2048 };

/// An [`Event`] that owns what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Refused(Refusal),
}

impl From<Event<'_>> for Heard {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Heard::Text(text.to_owned()),
            Event::Binary(data) => Heard::Binary(data.to_vec()),
            Event::Ping(data) => Heard::Ping(data.to_vec()),
            Event::Pong(data) => Heard::Pong(data.to_vec()),
            Event::Close(close) => Heard::Close(close.code, close.reason.to_owned()),
        }
    }
}

/// What a server hears of `bytes` that come in pieces of these sizes; the last goes on for ever.
fn hear(bytes: &[u8], agreed: Option<Agreed>, sizes: &[usize]) -> Vec<Heard> {
    let mut reader = Reader::new(Role::Server, agreed);
    let (mut scratch, mut heard, mut carry) = (Scratch::default(), Vec::new(), Vec::new());
    let mut sizes = sizes.iter().copied();
    let mut size = usize::MAX;
    let mut rest = bytes;
    while !rest.is_empty() {
        size = sizes.next().unwrap_or(size);
        let (piece, others) = rest.split_at(size.clamp(1, rest.len()));
        rest = others;
        carry.extend_from_slice(piece);
        let mut input = &carry[..];
        loop {
            match reader.next_event(&mut input, &mut scratch, &BOUNDS) {
                Ok(Some(event)) => heard.push(event.into()),
                Ok(None) => break,
                Err(refusal) => {
                    heard.push(Heard::Refused(refusal));
                    return heard;
                }
            }
        }
        assert!(input.len() < 140, "no more than a head and a control frame is left");
        carry = input.to_vec();
    }
    heard
}

/// The same however it is cut.
fn hears(bytes: &[u8], agreed: Option<Agreed>) -> Vec<Heard> {
    let whole = hear(bytes, agreed, &[]);
    assert_eq!(hear(bytes, agreed, &[1]), whole, "byte by byte: {bytes:x?}");
    for cut in 1..bytes.len().min(300) {
        assert_eq!(hear(bytes, agreed, &[cut, usize::MAX]), whole, "cut at {cut}: {bytes:x?}");
    }
    whole
}

/// A client's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | short as u8),
        long => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&KEY);
    let from = bytes.len();
    bytes.extend_from_slice(payload);
    mask::apply(&mut bytes[from..], KEY, 0);
    bytes
}

fn text(text: &str) -> Heard {
    Heard::Text(text.to_owned())
}

#[test]
fn messages_and_what_comes_between_their_fragments() {
    let long = "é".repeat(200);
    let table: &[(&[Vec<u8>], &[Heard])] = &[
        (&[frame(0x81, b"Hello")], &[text("Hello")]),
        (&[frame(0x81, b"")], &[text("")]),
        (&[frame(0x82, &[0, 255])], &[Heard::Binary(vec![0, 255])]),
        (&[frame(0x81, long.as_bytes())], &[text(&long)]),
        (&[frame(0x01, b"Hel"), frame(0x80, b"lo")], &[text("Hello")]),
        (&[frame(0x01, b""), frame(0x00, b""), frame(0x80, b"")], &[text("")]),
        (
            &[frame(0x02, &[1]), frame(0x89, b"?"), frame(0x00, &[2]), frame(0x80, &[3])],
            &[Heard::Ping(b"?".to_vec()), Heard::Binary(vec![1, 2, 3])],
        ),
        // A character cut in two by fragments.
        (&[frame(0x01, b"\xf0\x9f"), frame(0x80, b"\x98\x80!")], &[text("😀!")]),
        (&[frame(0x89, &[7; 125])], &[Heard::Ping(vec![7; 125])]),
        (&[frame(0x8a, b""), frame(0x81, b"a")], &[Heard::Pong(vec![]), text("a")]),
        (&[frame(0x88, b""), frame(0x81, b"a")], &[Heard::Close(None, String::new())]),
        (
            &[frame(0x01, b"a"), frame(0x88, b"\x03\xe8bye")],
            &[Heard::Close(Some(1000), "bye".into())],
        ),
    ];
    for (frames, expected) in table {
        assert_eq!(hears(&frames.concat(), None), *expected, "{frames:x?}");
    }
}

#[test]
fn refusals() {
    let unmasked = vec![0x81, 1, b'a'];
    let table: &[(&[Vec<u8>], Refusal)] = &[
        (&[unmasked], Refusal::Mask),
        (&[frame(0xc1, b"a")], Refusal::ReservedBit),
        (&[frame(0x83, b"a")], Refusal::ReservedOpcode),
        (&[frame(0x80, b"a")], Refusal::NothingToContinue),
        (&[frame(0x01, b"a"), frame(0x81, b"b")], Refusal::MessageInMessage),
        (&[frame(0x81, b"\xff")], Refusal::Utf8),
        (&[frame(0x81, b"\xe2\x82")], Refusal::Utf8),
        (&[frame(0x01, b"\xe2\x82"), frame(0x80, b"")], Refusal::Utf8),
        (&[frame(0x88, b"\x03")], Refusal::CloseCode),
        (&[frame(0x88, b"\x03\xed")], Refusal::CloseCode),
        (&[frame(0x88, b"\x03\xe8\xff")], Refusal::Utf8),
        (&[frame(0x82, &[0; 2049])], Refusal::FrameTooBig),
        (
            &[frame(0x02, &[0; 2048]), frame(0x00, &[0; 2048]), frame(0x80, b"a")],
            Refusal::MessageTooBig,
        ),
    ];
    for (frames, refusal) in table {
        let heard = hears(&frames.concat(), None);
        assert_eq!(heard, [Heard::Refused(*refusal)], "{frames:x?}");
    }
}

#[test]
fn impossible_text_is_not_waited_for() {
    // A surrogate, after which more of the frame and of the message would come.
    let bytes = [&[0x01, 0x80 | 100][..], &[0; 4], "κόσμε".as_bytes(), b"\xed\xa0"].concat();
    assert_eq!(hears(&bytes, None), [Heard::Refused(Refusal::Utf8)]);
    // So is a frame that may not come, before its head has.
    assert_eq!(hear(&[0x80, 0xff], None, &[]), [Heard::Refused(Refusal::NothingToContinue)]);
    assert_eq!(hear(&[0x81, 0x7f], None, &[]), [Heard::Refused(Refusal::Mask)]);
}

#[test]
fn close_codes() {
    for code in 0..=u16::MAX {
        let body = code.to_be_bytes();
        let heard = hear(&frame(0x88, &body), None, &[]);
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => {
                assert_eq!(heard, [Heard::Close(Some(code), String::new())]);
            }
            _ => assert_eq!(heard, [Heard::Refused(Refusal::CloseCode)], "{code}"),
        }
        let mut out = Vec::new();
        Sender::server(None).close(code, "why", &mut out);
        let expected = if may_be_sent(code) { 2 + 5 } else { 2 };
        assert_eq!(out.len(), expected, "{code}");
    }
}

#[test]
fn what_is_sent_is_short_enough_and_ends_with_the_close_frame() {
    let (mut sender, mut out, mut pool) = (Sender::server(None), Vec::new(), Pool::default());
    sender.close(1000, &"é".repeat(100), &mut out);
    assert_eq!(out.len(), 2 + 2 + 122, "cut between two characters");
    sender.text("late", &mut out, &mut pool);
    sender.ping(b"late", &mut out);
    sender.close(1000, "again", &mut out);
    assert_eq!(out.len(), 126);
}

#[test]
fn a_client_masks_and_reads_what_is_not_masked() {
    let mut client = Sender::client(Box::new(|| KEY), None);
    let (mut out, mut pool) = (Vec::new(), Pool::default());
    client.text("Hello", &mut out, &mut pool);
    assert_eq!(out, frame(0x81, b"Hello"));
    assert!(!client.shares());
    let mut reader = Reader::new(Role::Client, None);
    let mut scratch = Scratch::default();
    let shared = frame::encode_text("Hello");
    let event = reader.next_event(&mut &shared[..], &mut scratch, &BOUNDS);
    assert_eq!(event, Ok(Some(Event::Text("Hello"))));
    let event = reader.next_event(&mut &out[..], &mut scratch, &BOUNDS);
    assert_eq!(event, Err(Refusal::Mask));
}

/// A client and a server that agreed on `client`'s offer as `server` answers it.
fn agree(server: &Deflate, client: &Deflate) -> Option<(Agreed, Agreed)> {
    let (ours, answer) = server.accept([client.offer().as_bytes()].into_iter())?;
    Some((ours, client.confirm(answer.as_bytes())?))
}

#[test]
fn compressed_messages_come_back_for_every_window_and_takeover() {
    let messages: Vec<String> =
        (0..4).map(|n| format!("{n}: {}", "all work and no play ".repeat(40 + n))).collect();
    for bits in 9..=15 {
        for (sends, receives) in [(true, true), (true, false), (false, true), (false, false)] {
            let wish = Deflate {
                from: 0,
                send_bits: bits,
                receive_bits: bits,
                send_takeover: sends,
                receive_takeover: receives,
                ..Deflate::default()
            };
            let (server, client) = agree(&Deflate::with_takeover(), &wish).expect("agreed");
            let mut sender = Sender::client(Box::new(|| KEY), Some(client));
            let (mut out, mut pool) = (Vec::new(), Pool::default());
            for message in &messages {
                sender.text(message, &mut out, &mut pool);
            }
            assert!(out.len() < 400, "{} bytes", out.len());
            let expected: Vec<Heard> = messages.iter().map(|message| text(message)).collect();
            for size in [1, 100, usize::MAX] {
                let heard = hear(&out, Some(server), &[size]);
                assert_eq!(heard, expected, "{bits} {sends} {receives} in pieces of {size}");
            }
        }
    }
}

#[test]
fn a_bomb_ends_at_the_limit() {
    let wish = Deflate { from: 0, level: 9, ..Deflate::default() };
    let (server, client) = agree(&Deflate::default(), &wish).expect("agreed");
    let mut sender = Sender::client(Box::new(|| KEY), Some(client));
    let (mut out, mut pool) = (Vec::new(), Pool::default());
    sender.binary(&[0; 1 << 20], &mut out, &mut pool);
    assert!(out.len() < 2048, "a frame within the bounds: {}", out.len());
    assert_eq!(hears(&out, Some(server)), [Heard::Refused(Refusal::MessageTooBig)]);
}

/// RFC 7692 §7.2.3.
#[test]
fn the_examples_of_the_rfc() {
    let (server, _) = agree(&Deflate::with_takeover(), &Deflate::with_takeover()).expect("agreed");
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    let last_block = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let two_blocks = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    let frames = [
        frame(0xc1, &hello),
        frame(0xc1, &again),
        frame(0x41, &hello[..3]),
        frame(0x80, &hello[3..]),
        frame(0xc1, &stored),
        frame(0xc1, &two_blocks),
        frame(0xc1, &last_block),
        frame(0x81, b"Hello"),
    ];
    assert_eq!(hears(&frames.concat(), Some(server)), vec![text("Hello"); 7]);
    assert_eq!(hears(&frame(0xc1, b"\xff\xff"), Some(server)), [Heard::Refused(Refusal::Deflate)]);
    assert_eq!(
        hears(&[frame(0x41, &hello[..3]), frame(0xc0, b"")].concat(), Some(server)),
        [Heard::Refused(Refusal::ReservedBit)]
    );
}

#[test]
fn negotiation() {
    let table: &[(&str, Option<&str>)] = &[
        ("permessage-deflate", Some("permessage-deflate")),
        ("PerMessage-Deflate", Some("permessage-deflate")),
        (
            "permessage-deflate; server_no_context_takeover",
            Some("permessage-deflate; server_no_context_takeover"),
        ),
        (
            "permessage-deflate; client_no_context_takeover; client_max_window_bits",
            Some("permessage-deflate; client_no_context_takeover"),
        ),
        (
            "permessage-deflate; server_max_window_bits=\"10\"",
            Some("permessage-deflate; server_max_window_bits=10"),
        ),
        (
            "permessage-deflate; client_max_window_bits=9",
            Some("permessage-deflate; client_max_window_bits=9"),
        ),
        (
            "x-webkit-deflate-frame, permessage-deflate; unknown, permessage-deflate",
            Some("permessage-deflate"),
        ),
        ("permessage-deflate; unknown", None),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; server_max_window_bits=8", None),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits=010", None),
        ("permessage-deflate; server_no_context_takeover=1", None),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
        ("permessage-deflate; client_max_window_bits=7", None),
        ("", None),
    ];
    for (offer, expected) in table {
        let answer = Deflate::with_takeover().accept([offer.as_bytes()].into_iter());
        assert_eq!(answer.map(|(_, answer)| answer).as_deref(), *expected, "{offer}");
    }
    let narrow = Deflate { send_bits: 11, receive_bits: 12, ..Deflate::with_takeover() };
    let offer = b"permessage-deflate; client_max_window_bits".as_slice();
    let answer = narrow.accept([offer].into_iter()).map(|(_, answer)| answer);
    let expected = "permessage-deflate; server_max_window_bits=11; client_max_window_bits=12";
    assert_eq!(answer.as_deref(), Some(expected));
    // What a server may not answer.
    let wish = Deflate { receive_bits: 12, ..Deflate::default() };
    for answer in [
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=13",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=12; x",
        "other",
    ] {
        assert_eq!(wish.confirm(answer.as_bytes()), None, "{answer}");
    }
}

/// Calls `with` with the head of a handshake in which some fields are replaced.
fn request<T>(replaced: &[(&str, &str)], with: impl FnOnce(&h1::Head<'_>) -> T) -> T {
    let fields = [
        ("Host", "example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "keep-alive, Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    let mut text = String::from("GET /chat HTTP/1.1\r\n");
    let others = fields.iter().filter(|(name, _)| replaced.iter().all(|(other, _)| name != other));
    for (name, value) in others.chain(replaced).filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let (mut machine, mut memo) = (h1::Server::new(), Memo::new());
    let mut input = text.as_bytes();
    match machine.next_event(&mut input, &mut memo, &Limits::default()) {
        Ok(Some(h1::Event::Request(head))) => with(&head),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn handshakes_are_checked() {
    let check = |replaced: &[(&str, &str)]| request(replaced, handshake::check);
    assert_eq!(check(&[]).as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(check(&[("Upgrade", "WebSocket, h2c")]).map(|_| ()), Ok(()));
    assert_eq!(check(&[("Upgrade", "h2c")]), Err(Unfit::NotAsked));
    assert_eq!(check(&[("Upgrade", "")]), Err(Unfit::NotAsked));
    assert_eq!(check(&[("Connection", "keep-alive")]), Err(Unfit::NotAsked));
    assert_eq!(check(&[("Sec-WebSocket-Version", "8")]), Err(Unfit::Version));
    assert_eq!(check(&[("Sec-WebSocket-Version", "")]), Err(Unfit::Version));
    for key in ["", "short", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZSE="] {
        let unfit = check(&[("Sec-WebSocket-Key", key)]);
        assert!(matches!(unfit, Err(Unfit::Malformed(_))), "{key}");
    }
}

#[test]
fn subprotocols_are_chosen_in_the_clients_order() {
    let chosen = |asked: &str| {
        request(&[("Sec-WebSocket-Protocol", asked)], |head| {
            handshake::protocol(head, &["v1.chat", "v2.chat"])
        })
    };
    assert_eq!(chosen("v2.chat, v1.chat"), Some("v2.chat"));
    assert_eq!(chosen("v3.chat,v1.chat"), Some("v1.chat"));
    assert_eq!(chosen("V1.chat"), None);
    assert_eq!(chosen(""), None);
}

#[test]
fn pages_may_connect_or_not() {
    let list = Origins::List(vec!["https://a.example".into()]);
    for (origin, any, same, listed) in [
        ("", true, true, true),
        ("http://example.com", true, true, false),
        ("https://EXAMPLE.com", true, true, false),
        ("https://example.com:8443", true, false, false),
        ("https://a.example", true, false, true),
        ("https://a.example.evil", true, false, false),
        ("null", true, false, false),
    ] {
        request(&[("Origin", origin)], |head| {
            let allowed = [&Origins::Any, &Origins::Same, &list].map(|one| one.allow(head));
            assert_eq!(allowed, [any, same, listed], "{origin}");
        });
    }
}

#[test]
fn a_client_checks_the_answer() {
    let ask = Ask {
        host: "example.com",
        target: "/ws",
        protocols: &["a", "b"],
        deflate: Some(Deflate::with_takeover()),
    };
    let mut out = Vec::new();
    let asking = Asking::request(&ask, [7; 16], &mut out).expect("a request");
    let sent = String::from_utf8(out).expect("text");
    let key = sent.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let accept = request(&[("Sec-WebSocket-Key", key.expect("a key"))], handshake::check);
    let accept = accept.expect("a proper request");
    let answer = |more: &str| {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: upgrade\r\n\
            Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
        )
    };
    for good in
        ["", "Sec-WebSocket-Protocol: b\r\n", "Sec-WebSocket-Extensions: permessage-deflate\r\n"]
    {
        let bytes = [answer(good).as_bytes(), b"\x81\x01a"].concat();
        for cut in 0..bytes.len() - 3 {
            assert_eq!(asking.answer(&mut &bytes[..cut]), Ok(None), "{good} cut at {cut}");
        }
        let mut input = &bytes[..];
        let answer = asking.answer(&mut input).expect("good").expect("whole");
        assert_eq!(
            (answer.protocol.is_some(), answer.agreed.is_some()),
            (good.contains("Protocol"), good.contains("deflate"),)
        );
        assert_eq!(input, b"\x81\x01a");
    }
    for bad in [
        answer("Sec-WebSocket-Protocol: c\r\n"),
        answer("Sec-WebSocket-Extensions: other\r\n"),
        answer("Sec-WebSocket-Extensions: permessage-deflate; x\r\n"),
        answer("").replace("upgrade: WebSocket", "upgrade: h2c"),
        answer("").replace("Connection: upgrade", "Connection: close"),
        answer("").replace(&accept, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        "SSH-2.0\r\n\r\n".into(),
        format!("HTTP/1.1 101 x\r\nA: {}", "a".repeat(17_000)),
    ] {
        let refused = asking.answer(&mut bad.as_bytes());
        assert!(matches!(refused, Err(Rejected::Malformed(_))), "{bad}");
    }
    let busy = asking.answer(&mut b"HTTP/1.1 503 Busy\r\n\r\n".as_slice());
    assert_eq!(busy, Err(Rejected::Status(503)));
    for (host, target) in [("a\r\nb", "/"), ("a", "/ x"), ("a", "x"), ("", "/")] {
        let ask = Ask { host, target, ..Ask::default() };
        assert!(Asking::request(&ask, [0; 16], &mut Vec::new()).is_err());
    }
}

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Reader>() <= 24, "{}", size_of::<Reader>());
    assert!(size_of::<Sender>() <= 24, "{}", size_of::<Sender>());
}
