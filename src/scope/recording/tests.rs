//! Every fact goes out and comes back; whatever a file contains, reading it ends without a panic.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::error::{CloseReason, Fault, Phase};
use crate::limits::Limits;
use crate::probe::{Call, Fact, Operation, Origin, Stage};
use crate::time::Moment;
use crate::token::Token;

const A: Token = Token::new(5, 7);
const B: Token = Token::new(0, u32::MAX);

fn at(nanos: u64) -> Moment {
    Moment::from_nanos(nanos)
}

/// One of each, and of what has several forms, each form.
pub(crate) fn facts(labels: &mut Labels) -> Vec<Fact> {
    static FAULT: Fault = Fault { code: 431, what: "a \"head\" that is\ttoo long" };
    let label = labels.pair("GET", "/a \"b\"\\ü\u{1b}?c=1 d");
    let single = labels.number("tick");
    let (unsent, bytes, due) = (1 << 33, 0, Moment::NEVER);
    let mut facts = vec![
        Fact::Polled { began: at(1), until: Moment::NEVER, events: 3 },
        Fact::Polled { began: at(1), until: at(u64::MAX - 1), events: 0 },
        Fact::Woken { commands: 2 },
        Fact::Event { token: A, bits: 255 },
        Fact::Stale { token: B },
        Fact::Accepted { token: A, from: B },
        Fact::Peer { token: A, peer: Origin::Unix },
        Fact::Peer { token: A, peer: Origin::V4([127, 0, 0, 1], 65_535) },
        Fact::Peer { token: A, peer: Origin::V6([7; 16], 0) },
        Fact::Dialled { token: A },
        Fact::Adopted { token: A },
        Fact::Read { token: A, asked: 65_536, bytes },
        Fact::Wrote { token: A, asked: 143, bytes: 143 },
        Fact::Interest { token: A, bits: 3 },
        Fact::Request { token: A, label },
        Fact::Request { token: A, label: single },
        Fact::Request { token: A, label: crate::probe::Label(0) },
        Fact::Stall { token: A, began: at(9), computing: u64::MAX },
        Fact::Blocked { token: A, writing: true },
        Fact::Blocked { token: A, writing: false },
        Fact::NobodyWaits { token: A },
        Fact::Budget { token: A },
        Fact::Armed { token: A, due },
        Fact::Fired { token: A, due: at(77) },
        Fact::Driven { token: A },
        Fact::Buffer { token: A, unsent },
        Fact::HighWater { token: A, unsent },
        Fact::LowWater { token: A, unsent: 0 },
        Fact::Paused { token: B, descriptors: true },
        Fact::Descriptors { used: 1, limit: 0 },
        Fact::Resumed { token: B },
        Fact::Removed { token: B },
        Fact::Peer { token: B, peer: Origin::Unknown },
        Fact::Shed { token: B },
        Fact::Received { token: B, bytes: 9 },
        Fact::Sent { token: B, bytes: 9 },
        Fact::Dropped { token: B },
    ];
    let during = [Operation::Read, Operation::Write, Operation::Accept, Operation::Connect];
    facts.extend(during.map(|during| Fact::Failed { token: A, during, errno: -104 }));
    facts.extend(Call::ALL.map(|call| Fact::Called { token: A, call, began: at(5) }));
    let state = |to| Fact::State { token: A, from: Stage::Unknown, to, why: Call::Message };
    facts.extend(Stage::ALL.map(state));
    let phases = [Phase::Handshake, Phase::Body, Phase::Connect].map(CloseReason::TimedOut);
    use CloseReason::*;
    let io = [ErrorKind::HostUnreachable, ErrorKind::Other, ErrorKind::TimedOut].map(Io);
    let reasons = [Finished, PeerClosed, Truncated, Reset, Protocol(&FAULT), Tls, Overflow];
    let reasons = reasons.into_iter().chain([Drained, Aborted, Upgraded]).chain(phases).chain(io);
    facts.extend(reasons.map(|reason| Fact::Closed { token: A, reason }));
    facts
}

fn recording() -> Recording {
    let mut labels = Labels::default();
    let facts = facts(&mut labels);
    let record = |(number, fact)| Record { at: at(number as u64 * 1_000_003), fact };
    let limits = Limits { stall: Duration::from_millis(7), high_water: 99, ..Limits::default() };
    Recording {
        header: Header {
            lost: 12,
            descriptors: 1024,
            ..Header::new(
                "pool=8 \"x\"",
                UNIX_EPOCH + Duration::from_millis(1_234_567_890_123),
                &limits,
            )
        },
        records: facts.into_iter().enumerate().map(record).collect(),
        labels,
        cut: None,
    }
}

fn written(recording: &Recording) -> Vec<u8> {
    let mut bytes = Vec::new();
    recording.write(&mut bytes).unwrap();
    bytes
}

#[test]
fn every_fact_goes_out_and_comes_back() {
    let original = recording();
    let bytes = written(&original);
    let back = Recording::read(&bytes[..]).unwrap();
    assert_eq!(back.records.len(), original.records.len());
    for (was, is) in original.records.iter().zip(&back.records) {
        match (was.fact, is.fact) {
            // The number of a label is the reader's own.
            (Fact::Request { label: was, .. }, Fact::Request { label: is, .. }) => {
                assert_eq!(original.labels.text(was), back.labels.text(is));
            }
            _ => assert_eq!(was, is),
        }
        assert!(!text(is, &back.labels).contains(['\n', '\u{1b}']));
    }
    let names: HashSet<_> = back.records.iter().map(|record| name(&record.fact)).collect();
    assert_eq!(names.len(), NAMES.len(), "a fact is not tried");
    let (header, was) = (&back.header, &original.header);
    assert_eq!((&header.model, header.started), (&was.model, was.started));
    assert_eq!((header.lost, header.descriptors), (12, 1024));
    assert_eq!((header.limits.stall, header.limits.high_water), (Duration::from_millis(7), 99));
    assert_eq!(written(&back), bytes);
}

fn text(record: &Record, labels: &Labels) -> String {
    crate::scope::text::Line { record, labels }.to_string()
}

#[test]
fn a_line_is_what_others_can_rely_on() {
    let mut line_of = String::new();
    let fact = Fact::Read { token: A, asked: 65_536, bytes: 143 };
    line(&mut line_of, &Record { at: at(12_345_678), fact }, &Labels::default());
    let expected = r##"{"at":12345678,"fact":"read","token":"5.7","asked":65536,"bytes":143}"##;
    assert_eq!(line_of, expected);
}

#[test]
fn an_error_says_where_and_what() {
    let header = recording().header.to_json();
    let read = r#"{"at":1,"fact":"read","token":"5.7","asked":1,"bytes":1}"#;
    let cases = [
        (String::new(), "line 1: not the header of a recording"),
        ("{\"recording\":2}\n".into(), "line 1: a recording of form 2, not 1"),
        ("{\"recording\":1}\n".into(), "line 1: \"version\" cannot be that"),
        (format!("{header}\n{read}\nx\n"), "line 3: not a JSON object"),
        (format!("{header}\n[1]\n"), "line 2: not a JSON object"),
        (
            format!("{header}\n{}\n", read.replace("read", "slept")),
            "line 2: the fact slept is not known",
        ),
        (format!("{header}\n{}\n", read.replace("bytes", "b")), "line 2: there is no \"bytes\""),
        (
            format!("{header}\n{}\n", read.replace("5.7", "-1.7")),
            "line 2: \"token\" cannot be that",
        ),
        (
            format!("{header}\n{}\n", read.replace("5.7", "1048576.1")),
            "line 2: \"token\" cannot be that",
        ),
        (format!("{header}\n{}\n", " ".repeat(20_000)), "line 2: longer than 16384 bytes"),
    ];
    for (input, expected) in cases {
        let error = Recording::read(input.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(!error.what.advice().is_empty());
    }
    // After a wrong line it can go on.
    let input = format!("{header}\n{}\n{read}\n", "y".repeat(40_000));
    let mut reader = Reader::new(input.as_bytes()).unwrap();
    assert_eq!(reader.next_record().unwrap_err().line, 2);
    assert!(reader.next_record().unwrap().is_some());
    assert!(reader.next_record().unwrap().is_none());
}

#[test]
fn a_recording_may_be_cut_off_anywhere() {
    let mut short = recording();
    short.records.truncate(16);
    let bytes = written(&short);
    let first = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    for end in first + 1..bytes.len() {
        let back = Recording::read(&bytes[..end]).unwrap();
        let lines = bytes[..end].iter().filter(|byte| **byte == b'\n').count();
        // A line that lacks nothing but its end is a fact.
        assert!((lines - 1..=lines).contains(&back.records.len()));
        let is_whole = bytes[end - 1] == b'\n' || bytes[end] == b'\n';
        assert_eq!(back.cut.is_none(), is_whole, "{end}");
    }
}

#[test]
fn mangled_bytes_never_panic() {
    let bytes = written(&recording());
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % bound as u64) as usize
    };
    let mut read = 0;
    for _ in 0..300 {
        let mut mangled = bytes.clone();
        for _ in 0..1 + random(8) {
            let place = random(mangled.len());
            match random(5) {
                0 => mangled[place] = random(256) as u8,
                1 => mangled[place] = b"0123456789\"{}[],.:\n-e"[random(21)],
                2 => drop(mangled.remove(place)),
                3 => mangled.insert(place, b"9\"{}\n"[random(5)]),
                _ => mangled.truncate(place.max(1)),
            }
        }
        let Ok(mut reader) = Reader::new(&mangled[..]) else { continue };
        loop {
            match reader.next_record() {
                Ok(Some(record)) => {
                    assert!(!text(&record, reader.labels()).contains('\n'));
                    read += 1;
                }
                Ok(None) => break,
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
    assert!(read > 1000, "hardly anything was left to read");
}
