//! What a small recording becomes, in each form.

use std::time::{Duration, UNIX_EPOCH};

use prost::Message;

use super::message::{self, Trace};
use super::*;
use crate::error::CloseReason;
use crate::limits::Limits;
use crate::probe::{Call, Fact, Labels, Origin, Record, Stage};
use crate::scope::detect::Detector;
use crate::scope::recording::{Header, Reader};
use crate::time::Moment;
use crate::token::Token;

const LISTENER: Token = Token::new(0, 0);
const WHO: Token = Token::new(1, 4);

fn at(micros: u64) -> Moment {
    Moment::from_nanos(micros * 1000)
}

/// Somebody comes, asks once, is answered and goes.
fn exchange(model: &str) -> Recording {
    let mut labels = Labels::default();
    let label = labels.pair("GET", "/<a&\"b\">");
    let token = WHO;
    let state = |from, to| Fact::State { token, from, to, why: Call::Data };
    let facts = [
        (10, Fact::Polled { began: at(0), until: Moment::NEVER, events: 1 }),
        (10, Fact::Event { token: LISTENER, bits: 1 }),
        (10, Fact::Accepted { token, from: LISTENER }),
        (10, Fact::Peer { token, peer: Origin::V4([127, 0, 0, 1], 4242) }),
        (12, Fact::Called { token, call: Call::Open, began: at(10) }),
        (12, state(Stage::Unknown, Stage::Open)),
        (12, state(Stage::Unknown, Stage::FirstByte)),
        (50, Fact::Polled { began: at(20), until: at(99), events: 1 }),
        (50, Fact::Event { token, bits: 1 }),
        (50, Fact::Read { token, asked: 100, bytes: 40 }),
        (51, Fact::Request { token, label }),
        (71, Fact::Called { token, call: Call::Data, began: at(51) }),
        (71, state(Stage::FirstByte, Stage::Idle)),
        (71, Fact::Wrote { token, asked: 60, bytes: 30 }),
        (71, Fact::Buffer { token, unsent: 30 }),
        (80, Fact::Buffer { token, unsent: 0 }),
        (90, Fact::Closed { token, reason: CloseReason::PeerClosed }),
    ];
    let records = facts.map(|(micros, fact)| Record { at: at(micros), fact }).to_vec();
    let header = Header::new(model, UNIX_EPOCH + Duration::from_secs(9), &Limits::default());
    Recording { header, records, labels, cut: None }
}

fn exported(form: Form, recordings: &[(String, Recording)]) -> (Vec<u8>, Counts) {
    let mut bytes = Vec::new();
    let counts = write(form, recordings, &mut bytes).unwrap();
    (bytes, counts)
}

#[test]
fn a_trace_has_tracks_slices_flows_and_counters() {
    let (bytes, counts) = exported(Form::Perfetto, &[("a.jsonl".into(), exchange("loop"))]);
    let trace = Trace::decode(&bytes[..]).unwrap();
    let tracks: Vec<_> = trace.packet.iter().filter_map(|p| p.track_descriptor.as_ref()).collect();
    let names: Vec<_> = tracks.iter().filter_map(|track| track.name.as_deref()).collect();
    assert_eq!(names[0], "loop");
    assert_eq!(names[4..], ["#0.0 listener", "#1.4 accepted 127.0.0.1:4242"]);
    assert_eq!((counts.tracks, counts.counters), (3, 3));
    let events: Vec<_> = trace.packet.iter().filter_map(|p| p.track_event.as_ref()).collect();
    let of = |kind| events.iter().filter(move |event| event.kind == Some(kind));
    // Two turns of two parts; a life; two stages; two calls.
    assert_eq!((of(message::SLICE_BEGIN).count(), counts.slices), (9, 9));
    assert_eq!(of(message::SLICE_END).count(), 9);
    assert_eq!(of(message::INSTANT).count(), counts.instants);
    assert_eq!(of(message::COUNTER).count(), counts.values);
    // Of the listener's event, and of the connection's: by its call to what it wrote.
    let flows = |event: &&&message::TrackEvent| event.flow_ids.first().copied();
    let begun: Vec<_> = of(message::INSTANT).filter_map(|event| flows(&event)).collect();
    assert_eq!((begun.len(), counts.flows), (2, 2));
    let request = of(message::SLICE_BEGIN).find(|event| flows(event) == Some(begun[1])).unwrap();
    assert_eq!(request.name.as_deref(), Some("GET /<a&\"b\">"));
    let ended = of(message::INSTANT).find(|event| event.terminating_flow_ids == [begun[1]]);
    assert_eq!(ended.and_then(|event| event.name.as_deref()), Some("wrote"));
    let times: Vec<_> = trace.packet.iter().filter_map(|packet| packet.timestamp).collect();
    assert!(times.is_sorted() && times.last() == Some(&90_000));
}

#[test]
fn slices_of_a_track_lie_within_each_other() {
    let timeline = Timeline::of(&[("a".into(), exchange("loop"))]);
    for track in 0..timeline.tracks.len() {
        let mut depth = 0;
        for item in timeline.items.iter().filter(|item| item.track == track) {
            match item.what {
                timeline::What::Begin { .. } => depth += 1,
                timeline::What::End => depth -= 1,
                _ => {}
            }
            assert!((0..=3).contains(&depth));
        }
        assert_eq!(depth, 0);
    }
}

#[test]
fn who_was_there_before_has_a_life_from_the_beginning() {
    let mut recording = exchange("loop");
    // Without its beginning, as when a ring has gone round.
    recording.records.drain(..7);
    let (bytes, counts) = exported(Form::Perfetto, &[("late".into(), recording)]);
    let trace = Trace::decode(&bytes[..]).unwrap();
    let first = trace.packet.iter().find(|packet| {
        packet.track_event.as_ref().is_some_and(|event| event.categories == ["life"])
    });
    let life = first.and_then(|packet| packet.track_event.as_ref()?.name.clone());
    assert_eq!(
        (life.as_deref(), first.and_then(|packet| packet.timestamp)),
        (Some("earlier"), Some(50_000))
    );
    // A turn of two parts, a life, a stage, a call.
    assert_eq!((counts.slices, counts.tracks), (5, 2));
}

#[test]
fn recordings_stand_side_by_side() {
    let mut later = exchange("threads");
    later.records.iter_mut().for_each(|record| record.at += Duration::from_secs(100));
    let both = [("a".into(), exchange("loop")), ("b".into(), later)];
    let (bytes, counts) = exported(Form::Perfetto, &both);
    assert_eq!((counts.tracks, counts.flows), (6, 4));
    let trace = Trace::decode(&bytes[..]).unwrap();
    let processes = trace.packet.iter().filter_map(|packet| packet.track_descriptor.as_ref());
    let names: Vec<_> = processes.filter_map(|each| each.process.clone()?.process_name).collect();
    assert_eq!(names, ["loop a", "threads b"]);
    let last = trace.packet.iter().filter_map(|packet| packet.timestamp).max();
    assert!(last.is_some_and(|last| last < 1_000_000), "each begins at its own first fact");
    let (picture, _) = exported(Form::Svg, &both);
    let picture = String::from_utf8(picture).unwrap();
    assert!(picture.contains(">loop a<") && picture.contains(">threads b<"));
}

#[test]
fn json_and_picture_are_well_formed_whatever_a_peer_says() {
    let recordings = [("<a>\n".into(), exchange("loop"))];
    let (json, counts) = exported(Form::Chrome, &recordings);
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let events = json["traceEvents"].as_array().unwrap();
    let count = |phase: &str| events.iter().filter(|event| event["ph"] == phase).count();
    assert_eq!(
        (count("B"), count("E"), count("i")),
        (counts.slices, counts.slices, counts.instants)
    );
    assert_eq!((count("s"), count("f"), count("C")), (counts.flows, 1, counts.values));
    let picture = String::from_utf8(exported(Form::Svg, &recordings).0).unwrap();
    assert!(picture.contains("GET /&lt;a&amp;&quot;b&quot;&gt; 20.0us"));
    assert_eq!(picture.matches("<rect").count(), picture.matches("</rect>").count());
    assert!(picture.contains("prefers-color-scheme:dark"));
}

#[test]
fn most_connections_share_a_track_when_there_are_too_many() {
    let mut recording = exchange("loop");
    for index in 0..3000 {
        let token = Token::new(10 + index, 0);
        let fact = Fact::Read { token, asked: 9, bytes: 9 };
        recording.records.push(Record { at: at(100), fact });
        let fact = Fact::Called { token, call: Call::Data, began: at(100) };
        recording.records.push(Record { at: at(101), fact });
    }
    let timeline = Timeline::of(&[("many".into(), recording)]);
    let counts = timeline.counts();
    assert_eq!(counts.tracks, 1 + TRACKS + 1);
    assert_eq!(timeline.tracks.last().map(|track| &*track.name), Some("1002 others"));
}

#[test]
fn times_without_sense_do_no_harm() {
    let mut recording = exchange("loop");
    for (number, record) in recording.records.iter_mut().enumerate() {
        record.at = Moment::from_nanos([u64::MAX, 0, 5, u64::MAX - 1][number % 4]);
    }
    for form in [Form::Perfetto, Form::Chrome, Form::Svg] {
        for recordings in [vec![], vec![("a".to_owned(), recording.clone()); 2]] {
            assert!(!exported(form, &recordings).0.is_empty() || recordings.is_empty());
        }
    }
}

#[test]
fn whatever_a_file_says_can_be_exported_and_judged() {
    let mut bytes = Vec::new();
    exchange("loop").write(&mut bytes).unwrap();
    let mut seed = 7_u64;
    let mut random = |bound: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % bound
    };
    let mut judged = 0;
    for _ in 0..300 {
        let mut mangled = bytes.clone();
        for _ in 0..1 + random(6) {
            // Digits above all: the lines are to be read.
            let digits: Vec<_> =
                (0..mangled.len()).filter(|at| mangled[*at].is_ascii_digit()).collect();
            let place = digits[random(digits.len())];
            match random(3) {
                0 => {
                    let is_text = |byte: &u8| !byte.is_ascii_digit();
                    let begin = mangled[..place].iter().rposition(is_text).map_or(0, |at| at + 1);
                    let end = mangled[place..].iter().position(is_text).unwrap() + place;
                    drop(mangled.splice(begin..end, *b"18446744073709551615"));
                }
                1 => mangled[place] = b'0' + random(10) as u8,
                _ => drop(mangled.splice(place..place, *b"99")),
            }
        }
        let mut reader =
            Reader::new(&mangled[..]).unwrap_or_else(|_| Reader::new(&bytes[..]).unwrap());
        let mut records = Vec::new();
        loop {
            match reader.next_record() {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(_) => {}
            }
        }
        let (header, labels) = reader.into_parts();
        let mut detector = Detector::new(&header.limits);
        records.iter().for_each(|record| detector.take(record, &labels));
        judged += records.len();
        let recordings = [("a".to_owned(), Recording { header, records, labels, cut: None })];
        for form in [Form::Perfetto, Form::Chrome, Form::Svg] {
            exported(form, &recordings);
        }
    }
    assert!(judged > 1000, "hardly anything was left to read");
}
