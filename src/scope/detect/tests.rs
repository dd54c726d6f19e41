//! The detectors, fed facts that were written by hand.

use std::time::Duration;

use super::*;
use crate::error::CloseReason;

const DOOR: Token = Token::new(0, 0);
const WHO: Token = Token::new(1, 0);

/// Facts one after the other, at times in milliseconds.
struct Tale {
    detector: Detector,
    labels: Labels,
    now: Moment,
}

impl Tale {
    fn new() -> Self {
        let detector = Detector::new(&Limits::default());
        let mut tale = Tale { detector, labels: Labels::default(), now: Moment::START };
        tale.turn(1, 1);
        tale.fact(Fact::Accepted { token: WHO, from: DOOR });
        tale.fact(Fact::NobodyWaits { token: DOOR });
        tale.fact(Fact::Interest { token: WHO, bits: READABLE });
        tale
    }

    fn fact(&mut self, fact: Fact) -> &mut Self {
        self.detector.take(&Record { at: self.now, fact }, &self.labels);
        self
    }

    /// A poll that may wait for a second, and waits so many milliseconds.
    fn turn(&mut self, millis: u64, events: usize) -> &mut Self {
        let began = self.now;
        self.now += Duration::from_millis(millis);
        self.fact(Fact::Polled { began, until: began + Duration::from_secs(1), events })
    }

    fn passes(&mut self, millis: u64) -> &mut Self {
        self.now += Duration::from_millis(millis);
        self
    }

    fn kinds(&self) -> Vec<FindingKind> {
        self.detector.findings().iter().map(|finding| finding.kind).collect()
    }
}

fn readable() -> Fact {
    Fact::Event { token: WHO, bits: READABLE }
}

fn read(asked: usize, bytes: usize) -> Fact {
    Fact::Read { token: WHO, asked, bytes }
}

#[test]
fn a_full_read_and_then_a_wait_is_a_lost_edge() {
    let mut tale = Tale::new();
    tale.turn(1, 1).fact(readable()).fact(read(4096, 4096)).turn(20, 0);
    assert!(tale.kinds().is_empty());
    tale.turn(40, 0);
    assert_eq!(tale.kinds(), [FindingKind::LostEdge]);
}

#[test]
fn an_event_that_nobody_acts_on_is_a_lost_edge() {
    let mut tale = Tale::new();
    tale.turn(1, 1).fact(readable()).turn(60, 0);
    assert_eq!(tale.kinds(), [FindingKind::LostEdge]);
}

#[test]
fn whoever_has_a_reason_not_to_read_loses_no_edge() {
    let full = Fact::HighWater { token: WHO, unsent: 1 << 20 };
    let paused = Fact::State {
        token: WHO,
        from: crate::probe::Stage::Open,
        to: crate::probe::Stage::Paused,
        why: crate::probe::Call::Data,
    };
    let level = Fact::Interest { token: WHO, bits: READABLE | LEVEL };
    for reason in [full, paused, level, read(4096, 12), read(4096, 0)] {
        let mut tale = Tale::new();
        tale.fact(Fact::Interest { token: WHO, bits: READABLE | WRITABLE });
        tale.turn(1, 1).fact(readable()).fact(reason).turn(1000, 0).turn(1000, 0);
        assert_eq!(tale.kinds(), [], "{reason:?}");
    }
}

#[test]
fn a_stall_is_named_with_its_request() {
    let mut tale = Tale::new();
    let label = tale.labels.number("GET /sleep");
    tale.fact(Fact::Request { token: WHO, label });
    let began = tale.now;
    tale.passes(200).fact(Fact::Stall { token: WHO, began, computing: 1000 });
    let finding = &tale.detector.findings()[0];
    assert_eq!((finding.kind, finding.token), (FindingKind::BlockedHandler, Some(WHO)));
    for word in ["GET /sleep", "200 ms", "parked"] {
        assert!(finding.text.contains(word), "{}", finding.text);
    }
}

#[test]
fn a_closed_socket_is_forgotten() {
    let mut tale = Tale::new();
    tale.turn(1, 1).fact(readable()).fact(read(4096, 4096));
    tale.fact(Fact::Closed { token: WHO, reason: CloseReason::Finished }).turn(1000, 0);
    assert_eq!(tale.kinds(), []);
    assert!(tale.detector.suspects.is_empty());
}
