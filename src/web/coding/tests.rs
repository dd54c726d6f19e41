//! Bodies compressed and read again; whole answers, and streamed ones.

use std::io::Read;

use super::*;
use crate::Limits;
use crate::buf::Out;
use crate::connection::{Connection, Io};
use crate::session::datagram::Peer;
use crate::session::http::{Exchange, Handler, Http};
use crate::session::{Env, Op};
use crate::token::Token;
use crate::web::testing::field as said;

fn decoded(coding: &[u8], body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match coding {
        b"gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut plain).map(drop),
        b"br" => brotli::Decompressor::new(body, 4096).read_to_end(&mut plain).map(drop),
        _ => panic!("{coding:?}"),
    }
    .expect("it can be decoded");
    plain
}

fn page(length: usize) -> Response {
    Response::text(200, "So it goes. ".repeat(length / 12 + 1))
}

#[test]
fn types_that_are_text_in_disguise_are_compressed() {
    for name in [
        "text/html",
        "text/html; charset=utf-8",
        "TEXT/CSS",
        "application/json",
        "application/problem+json",
        "image/svg+xml",
        "application/wasm",
    ] {
        assert!(is_compressible(name.as_bytes()), "{name}");
    }
    for name in ["image/png", "video/mp4", "application/zip", "font/woff2", "", "application"] {
        assert!(!is_compressible(name.as_bytes()), "{name}");
    }
}

#[test]
fn a_piece_that_was_flushed_can_be_read_at_once() {
    for coding in [Coding::Gzip, Coding::Brotli] {
        let mut encoder = Encoder::new(coding, &Options::default()).expect("made here");
        let mut sent = Vec::new();
        for piece in ["one", "two", "", "three"] {
            sent.extend(encoder.push(piece.as_bytes(), true).expect("it takes it"));
            let mut seen = [0; 64];
            // What has come so far decodes to all that was pushed; only the end is missing.
            let mut read = |source: &mut dyn Read| {
                let mut have = 0;
                while let Ok(count @ 1..) = source.read(&mut seen[have..]) {
                    have += count;
                }
                have
            };
            let have = match coding {
                Coding::Gzip => read(&mut flate2::read::GzDecoder::new(&sent[..])),
                _ => read(&mut brotli::Decompressor::new(&sent[..], 64)),
            };
            assert!(seen[..have].ends_with(piece.as_bytes()), "{coding:?} {piece}");
        }
        sent.extend(encoder.finish().expect("it ends"));
        assert_eq!(decoded(coding.name().as_bytes(), &sent), b"onetwothree");
    }
}

#[test]
fn a_compressed_response_says_so_and_has_a_weak_tag() {
    for coding in [Coding::Gzip, Coding::Brotli] {
        let before = page(5000).with("ETag", "\"a\"");
        let after = made(before.clone(), coding, &Options::default());
        assert_eq!(field(&after, "content-encoding"), Some(coding.name().as_bytes()));
        assert_eq!(field(&after, "etag"), Some(&b"W/\"a\""[..]));
        assert_eq!(decoded(coding.name().as_bytes(), &after.body), &before.body[..]);
        assert!(after.body.len() < 200);
    }
    let mut state = 1_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let noise: Vec<u8> = (0..2000).map(|_| random()).collect();
    let mut before = page(0);
    before.body = noise.into();
    let after = made(before.clone(), Coding::Gzip, &Options::default());
    assert_eq!(field(&after, "content-encoding"), None);
}

#[test]
fn what_must_not_be_changed_is_left_alone() {
    let options = Options::default();
    assert!(varies(&page(5000), &options));
    let mut partial = page(5000);
    partial.status = 206;
    for response in [
        page(500),
        partial,
        page(5000).with("Content-Encoding", "br"),
        page(5000).with("content-range", "bytes 0-4999/5000"),
        page(5000).with("Cache-Control", "private, No-Transform"),
        Response { headers: Vec::new(), ..page(5000) },
        Response { headers: Vec::new(), ..page(5000) }.with("Content-Type", "image/png"),
    ] {
        assert!(!varies(&response, &options), "{:?}", response.headers);
    }
}

#[test]
fn vary_is_said_once_and_added_to() {
    let varied = |mut response: Response| {
        vary(&mut response);
        field(&response, "vary").map(<[u8]>::to_vec)
    };
    assert_eq!(varied(page(1)), Some(b"Accept-Encoding".to_vec()));
    let other = page(1).with("vary", "Origin");
    assert_eq!(varied(other), Some(b"Origin, Accept-Encoding".to_vec()));
    assert_eq!(varied(page(1).with("Vary", "*")), Some(b"*".to_vec()));
}

/// What `handler` answers, its jobs done at once.
fn asked(handler: impl Handler, method: &str, accept: &str) -> (String, Vec<u8>) {
    let token = Token::new(0, 1);
    let (mut env, mut out) = (Env::new(Limits::default()), Out::default());
    let mut io = Io { out: &mut out, env: &mut env, token, unsent: 0 };
    let mut connection = Connection::plain(&Http::new(handler), &Peer::Unnamed, &mut io);
    let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {accept}\r\n\r\n");
    connection.feed(&mut request.into_bytes(), &mut io);
    while let Some(Op::Offload(_, _, job)) = io.env.ops.pop() {
        connection.message(job(), &mut io);
    }
    let said = out.take();
    let end = said.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8(said[..end].to_vec()).expect("text");
    (head, said[end..].to_vec())
}

#[test]
fn a_handler_is_compressed_on_the_loop_or_off_it_and_head_says_the_same() {
    for length in [5000, 100_000] {
        let handler = || coded(Options::default(), move |_| page(length));
        for coding in ["br", "gzip"] {
            let (head, body) = asked(handler(), "GET", coding);
            assert_eq!(said(&head, "Content-Encoding"), Some(coding));
            assert_eq!(said(&head, "Vary"), Some("Accept-Encoding"));
            assert!(decoded(coding.as_bytes(), &body) == page(length).body);
            assert_eq!(asked(handler(), "HEAD", coding), (head, Vec::new()));
        }
        let (head, body) = asked(handler(), "GET", "identity");
        assert_eq!(said(&head, "Content-Encoding"), None);
        assert_eq!(said(&head, "Vary"), Some("Accept-Encoding"));
        assert!(body == page(length).body);
    }
}

/// An exchange that streams two pieces.
struct Two(Stream);

impl Exchange for Two {
    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        self.0.start(writer, 200, &[("Content-Type", b"text/event-stream")]);
        self.0.body(writer, b"one, ");
        self.0.body(writer, b"two");
        self.0.finish(writer);
    }
}

#[test]
fn an_exchange_is_compressed_as_it_is_streamed() {
    let handler = |head: &Head<'_>, reply: Reply<'_, '_>| {
        reply.exchange(Two(Stream::of(head, b"text/event-stream", &Options::default())))
    };
    for coding in ["br", "gzip", "identity"] {
        let (head, mut rest) = asked(handler, "GET", coding);
        let expected = Some(coding).filter(|coding| *coding != "identity");
        assert_eq!(said(&head, "Content-Encoding"), expected);
        let mut body = Vec::new();
        while !rest.starts_with(b"0\r\n") {
            let line = rest.iter().position(|&byte| byte == b'\r').expect("a size");
            let size = str::from_utf8(&rest[..line]).expect("text");
            let size = usize::from_str_radix(size, 16).expect("a number");
            body.extend_from_slice(&rest[line + 2..][..size]);
            rest.drain(..line + size + 4);
        }
        let plain = match coding {
            "identity" => body,
            coding => decoded(coding.as_bytes(), &body),
        };
        assert_eq!(plain, b"one, two", "{coding}");
    }
}
