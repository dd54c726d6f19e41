//! The sample of recorders that are made up, and the routes without a socket.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::error::CloseReason;
use crate::probe::{Call, Fact, Origin, Probe, Stage};
use crate::time::Moment;
use crate::token::Token;

fn at(micros: u64) -> Moment {
    Moment::from_nanos(micros * 1000)
}

fn started(facts: usize) -> Recorder {
    let mut recorder = Recorder::default();
    recorder.start(at(0), facts, Duration::from_millis(20));
    recorder
}

fn poll(recorder: &mut Recorder, began: u64, ended: u64, events: usize) {
    recorder.tick(at(ended));
    recorder.record(Fact::Polled { began: at(began), until: Moment::NEVER, events });
}

fn call(recorder: &mut Recorder, token: Token, began: u64, ended: u64) {
    recorder.tick(at(ended));
    if recorder.called(token, Call::Data, at(began)) {
        recorder.stalled(token, Call::Data, at(began), Duration::ZERO);
    }
}

fn looked(recorder: &Recorder, ask: &Ask, observer: Option<&Observer>) -> Value {
    let counters = Counters::default();
    let now = recorder.now();
    let mut recorder = recorder.clone();
    recorder.settle();
    let view = View {
        recorder: &recorder,
        counters: &counters,
        now,
        live: 3,
        limits: None,
        observer,
        findings: &[],
        ask,
        read: 0,
    };
    serde_json::from_str(&view.sample().json()).expect("it is JSON")
}

const WHO: Token = Token::new(3, 7);

#[test]
fn turns_are_put_together_from_their_facts() {
    let mut recorder = started(64);
    poll(&mut recorder, 0, 100, 1);
    call(&mut recorder, WHO, 110, 150);
    recorder.record(Fact::Budget { token: WHO });
    poll(&mut recorder, 170, 200, 2);
    call(&mut recorder, Token::new(4, 0), 201, 203);
    recorder.request(WHO, "GET", "/slow");
    call(&mut recorder, WHO, 210, 60_210);
    let sample = looked(&recorder, &Ask::default(), None);
    let turns = sample["turns"].as_array().expect("turns");
    assert_eq!(turns.len(), 2);
    assert_eq!(turns[0]["at"], 100_000);
    assert_eq!(turns[0]["busy"], 70_000);
    assert_eq!(turns[0]["until"], Value::Null);
    assert_eq!(turns[0]["parts"][0]["token"], "3.7");
    assert_eq!(turns[0]["parts"][0]["over"], true);
    assert_eq!(turns[1]["began"], 170_000);
    assert_eq!(turns[1]["busy"], 60_010_000);
    assert_eq!(turns[1]["parts"][0]["took"], 2000);
    assert_eq!(turns[1]["parts"][1]["stall"], true);
    assert_eq!(turns[1]["parts"][1]["over"], Value::Null);
    assert_eq!(sample["stalls"][0]["label"], "GET /slow");
    assert_eq!(sample["stalled"], 1);
}

#[test]
fn a_turn_of_very_many_calls_tells_the_longest_and_how_many_more() {
    let mut recorder = started(1 << 15);
    for turn in 0..40 {
        let begin = turn * 10_000;
        poll(&mut recorder, begin, begin + 1, 1000);
        for index in 0..100 {
            let took = if index == 77 { 50 } else { 1 };
            let began = begin + 10 + u64::from(index) * 60;
            call(&mut recorder, Token::new(index, 0), began, began + took);
        }
    }
    let sample = looked(&recorder, &Ask::default(), None);
    let turns = sample["turns"].as_array().expect("turns");
    let parts = |turn: &Value| turn["parts"].as_array().map_or(0, Vec::len);
    assert!(turns.iter().map(parts).sum::<usize>() <= 600);
    let last = turns.last().expect("a turn");
    assert_eq!((parts(last), &last["more"]), (24, &Value::from(76)));
    assert!(
        last["parts"]
            .as_array()
            .is_some_and(|parts| parts.iter().any(|part| part["token"] == "77.0"))
    );
}

/// So many idle connections, and a few that are not.
fn crowd(count: u32) -> Recorder {
    let mut recorder = started(64);
    let listener = Token::new(0, 0);
    for index in 1..=count {
        let token = Token::new(index, 1);
        recorder.record(Fact::Accepted { token, from: listener });
        let peer = Origin::V4([10, 0, (index >> 8) as u8, index as u8], 4000);
        recorder.record(Fact::Peer { token, peer });
        recorder.stages(token, Stage::Open, Stage::Idle, Call::Open);
    }
    let slow = Token::new(count / 2, 1);
    recorder.request(slow, "GET", "/bytes/9");
    recorder.record(Fact::HighWater { token: slow, unsent: 300_000 });
    recorder
}

#[test]
fn of_ten_thousand_a_bounded_number_is_shown_with_those_that_matter() {
    let recorder = crowd(10_000);
    let ask = Ask { follow: Some(Token::new(9_999, 1)), ..Ask::default() };
    let sample = looked(&recorder, &ask, None);
    let rows = sample["connections"].as_array().expect("rows");
    assert_eq!((rows.len(), &sample["shown"], &sample["open"]), (200, &200.into(), &10_001.into()));
    for token in ["0.0", "5000.1", "9999.1"] {
        assert!(rows.iter().any(|row| row["token"] == token), "{token}");
    }
    let slow = rows.iter().find(|row| row["token"] == "5000.1").expect("it is there");
    assert_eq!((&slow["full"], &slow["unsent"]), (&true.into(), &300_000.into()));
    assert_eq!(
        (&slow["label"], &slow["peer"]),
        (&"GET /bytes/9".into(), &"10.0.19.136:4000".into())
    );
    assert_eq!((&slow["life"], &slow["stage"]), (&"open".into(), &"idle".into()));
    assert!(sample.to_string().len() < 120_000, "{}", sample.to_string().len());
}

#[test]
fn in_time_everybody_is_shown() {
    let mut recorder = crowd(20_000);
    let mut seen = std::collections::HashSet::new();
    let mut rounds = 0;
    while seen.len() < 20_001 {
        rounds += 1;
        assert!(rounds < 2000, "only {} were shown", seen.len());
        recorder.tick(recorder.now() + Duration::from_secs(2));
        let wish = pick::Wish { most: 200, filter: "", always: &[] };
        let picked = pick::pick(&recorder, &wish, recorder.now());
        assert!(picked.len() <= 200 && picked.iter().any(|tally| tally.token.index() == 0));
        seen.extend(picked.iter().map(|tally| tally.token));
    }
}

#[test]
fn a_filter_finds_by_name_peer_request_and_stage() {
    let recorder = crowd(300);
    let found = |filter: &str| {
        let ask = Ask { filter: filter.into(), ..Ask::default() };
        let sample = looked(&recorder, &ask, None);
        let rows = sample["connections"].as_array().expect("rows");
        rows.iter().map(|row| row["token"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(found("#17.1"), ["\"17.1\""]);
    assert_eq!(found("10.0.0.250:"), ["\"250.1\""]);
    assert_eq!(found("/BYTES"), ["\"150.1\""]);
    assert_eq!(found("listener"), ["\"0.0\""]);
    assert_eq!(found("idle").len(), 200);
    assert!(found("nothing like it").is_empty());
}

#[test]
fn observers_are_marked() {
    let mut recorder = crowd(10);
    recorder.request(Token::new(2, 1), "GET", "/_loop/events");
    recorder.record(Fact::Closed { token: Token::new(9, 1), reason: CloseReason::Finished });
    let observer = Observer { token: Token::new(4, 1), prefix: "/_loop/".into() };
    let sample = looked(&recorder, &Ask::default(), Some(&observer));
    let rows = sample["connections"].as_array().expect("rows");
    let mine: Vec<_> =
        rows.iter().filter(|row| row["me"] == true).map(|row| &row["token"]).collect();
    assert_eq!(mine, ["2.1", "4.1"]);
}

#[test]
fn totals_are_told_by_name_and_open_ones_follow_from_them() {
    let mut counters = Counters::default();
    for _ in 0..3 {
        counters.fact(Fact::Accepted { token: WHO, from: Token::new(0, 0) });
    }
    counters.fact(Fact::Closed { token: WHO, reason: CloseReason::Reset });
    assert_eq!(live(&counters), 2);
    let told: Value = serde_json::to_value(told::Totals(&counters)).expect("JSON");
    assert_eq!((&told["accepted"], &told["closed"]["reset"]), (&3.into(), &1.into()));
}
