//! The lessons about clients, names, time and bounds that are broken on purpose, and those that are
//! right: each program is held to its promise.
#![cfg(feature = "cli")]

use readyloop::cli::learn::{LESSONS, Lesson, Script, Stage, play};

/// Plays all programs of a lesson, once each, and holds each to its promise.
fn keeps_its_promises(name: &str) {
    let find = |lesson: &&Lesson| lesson.name == name;
    let lesson = LESSONS.iter().find(find).expect("it is in the table");
    for act in lesson.acts {
        let stage = Stage::new(Script { once: true, ..Script::default() });
        let outcome = play(act, &stage).expect("it can be played");
        let kept = outcome.keeps(act.promise);
        assert_eq!(kept, Ok(()), "{name}, {}: {:#?}", act.word, outcome.lines);
    }
}

/// Elsewhere acknowledgements are delayed for other times, or not at all on one machine.
#[test]
#[cfg(target_os = "linux")]
fn nagle_delayed_ack() {
    keeps_its_promises("nagle_delayed_ack");
}

#[test]
fn stale_token() {
    keeps_its_promises("stale_token");
}

#[test]
fn blocking_pair() {
    keeps_its_promises("blocking_pair");
}

#[test]
fn non_blocking() {
    keeps_its_promises("non_blocking");
}

#[test]
#[cfg(target_os = "linux")]
fn readiness() {
    keeps_its_promises("readiness");
}

#[test]
fn datagrams() {
    keeps_its_promises("datagrams");
}

#[test]
fn unbounded_output() {
    keeps_its_promises("unbounded_output");
}

#[test]
fn stale_now() {
    keeps_its_promises("stale_now");
}

#[test]
fn coordinated_omission() {
    keeps_its_promises("coordinated_omission");
}

#[test]
fn time_outs() {
    keeps_its_promises("time_outs");
}

#[test]
fn chat() {
    keeps_its_promises("chat");
}

#[test]
fn tls_handshake() {
    keeps_its_promises("tls_handshake");
}

#[test]
fn http_in_pieces() {
    keeps_its_promises("http_in_pieces");
}
