//! The detectors, fed facts that were written by hand.

use std::time::Duration;

use super::*;
use crate::error::CloseReason;
use crate::probe::LEVEL;

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

/// The kinds found in a tale that some facts tell.
fn found(tell: impl FnOnce(&mut Tale)) -> Vec<FindingKind> {
    let mut tale = Tale::new();
    tell(&mut tale);
    tale.kinds()
}

fn wrote(asked: usize, bytes: usize) -> Fact {
    Fact::Wrote { token: WHO, asked, bytes }
}

fn writable() -> Fact {
    Fact::Event { token: WHO, bits: WRITABLE }
}

fn refused() -> Fact {
    Fact::Failed { token: DOOR, during: Operation::Accept, errno: 24 }
}

#[test]
fn many_reads_in_one_turn_while_others_are_ready_are_starvation() {
    let reads = |events, passes| {
        found(|tale| {
            tale.turn(1, events).fact(readable());
            (0..200).for_each(|_| {
                tale.fact(read(4096, 4096)).passes(passes);
            });
            tale.fact(read(4096, 1));
        })
    };
    assert_eq!(reads(2, 0), [FindingKind::Starvation]);
    assert_eq!(reads(1, 1), [FindingKind::Starvation]);
    // Alone and quick, it takes nothing from anybody.
    assert_eq!(reads(1, 0), []);
}

#[test]
fn a_partial_write_without_an_interest_is_forgotten_and_with_it_is_not() {
    let blocked = Fact::Blocked { token: WHO, writing: true };
    for fact in [wrote(9, 4), blocked, Fact::Buffer { token: WHO, unsent: 5 }] {
        let alone = found(|tale| {
            tale.turn(1, 1).fact(fact).turn(60, 0);
        });
        assert_eq!(alone, [FindingKind::ForgottenWritable], "{fact:?}");
        let watched = found(|tale| {
            tale.turn(1, 1).fact(fact);
            tale.fact(Fact::Interest { token: WHO, bits: READABLE | WRITABLE }).turn(60, 0);
        });
        assert_eq!(watched, [], "{fact:?}");
    }
}

#[test]
fn room_that_nobody_needs_is_a_spin_only_if_the_loop_cannot_wait() {
    let events = |millis| {
        found(|tale| {
            (0..200).for_each(|_| {
                tale.turn(millis, 1).fact(writable());
            });
        })
    };
    assert_eq!(events(0), [FindingKind::KeptWritable]);
    assert_eq!(events(5), []);
    let used = found(|tale| {
        (0..200).for_each(|_| {
            tale.turn(0, 1).fact(writable()).fact(wrote(5, 5));
        });
    });
    assert_eq!(used, []);
}

#[test]
fn accepts_that_fail_without_a_pause_spin() {
    let spin = found(|tale| {
        (0..60).for_each(|_| {
            tale.turn(0, 1).fact(refused());
        });
    });
    assert_eq!(spin, [FindingKind::DescriptorSpin]);
    let paused = found(|tale| {
        tale.fact(refused()).fact(Fact::Paused { token: DOOR, descriptors: true });
        tale.fact(Fact::Armed { token: DOOR, due: Moment::NEVER });
        (0..60).for_each(|_| {
            tale.turn(0, 1).fact(refused());
        });
    });
    assert_eq!(paused, []);
}

#[test]
fn an_accept_that_failed_and_is_not_tried_again_is_silence() {
    let closed = Fact::Closed { token: WHO, reason: CloseReason::Finished };
    let silence = |and: &[Fact]| {
        found(|tale| {
            tale.turn(1, 1).fact(refused()).turn(1000, 0).turn(1000, 0);
            assert_eq!(tale.kinds(), [], "nobody could have been accepted");
            tale.fact(closed);
            and.iter().for_each(|fact| {
                tale.fact(*fact);
            });
            tale.turn(200, 0).turn(200, 0);
        })
    };
    assert_eq!(silence(&[]), [FindingKind::DescriptorSilence]);
    assert_eq!(silence(&[Fact::NobodyWaits { token: DOOR }]), []);
    let due = Moment::START + Duration::from_secs(10);
    assert_eq!(silence(&[Fact::Armed { token: DOOR, due }]), []);
}

#[test]
fn two_small_writes_and_forty_milliseconds_again_and_again_are_nagle() {
    let exchanges = |writes: usize, gap| {
        found(|tale| {
            for _ in 0..10 {
                tale.turn(1, 1).fact(readable()).fact(read(4096, 20));
                (0..writes).for_each(|_| {
                    tale.fact(wrote(30, 30));
                });
                tale.turn(gap, 0);
            }
        })
    };
    assert_eq!(exchanges(2, 40), [FindingKind::NagleDelayedAck]);
    assert_eq!(exchanges(1, 40), []);
    assert_eq!(exchanges(2, 2), []);
    assert_eq!(exchanges(2, 500), []);
}

#[test]
fn output_that_grows_beyond_its_cap_is_unbounded() {
    let cap = Limits::default().backlog_cap;
    let grows = |from: usize| {
        found(|tale| {
            tale.fact(Fact::Interest { token: WHO, bits: READABLE | WRITABLE });
            (0..20).for_each(|step| {
                tale.turn(1, 1).fact(Fact::Buffer { token: WHO, unsent: from + step * 100 });
            });
        })
    };
    assert_eq!(grows(cap), [FindingKind::UnboundedOutput]);
    assert_eq!(grows(cap / 2), []);
}

#[test]
fn an_event_that_is_older_than_its_socket_is_stale() {
    let next = Token::new(1, 1);
    let stale = found(|tale| {
        tale.turn(1, 3).fact(Fact::Closed { token: WHO, reason: CloseReason::Finished });
        tale.fact(Fact::Accepted { token: next, from: DOOR });
        tale.fact(Fact::Event { token: next, bits: READABLE });
    });
    assert_eq!(stale, [FindingKind::StaleToken]);
    let right = found(|tale| {
        tale.turn(1, 3).fact(Fact::Closed { token: WHO, reason: CloseReason::Finished });
        tale.fact(Fact::Accepted { token: next, from: DOOR });
        tale.fact(Fact::Stale { token: WHO });
        tale.fact(Fact::NobodyWaits { token: DOOR });
        tale.turn(1, 1).fact(Fact::Event { token: next, bits: READABLE });
    });
    assert_eq!(right, []);
}

#[test]
fn a_deadline_in_the_past_is_stale_unless_the_loop_overslept() {
    let stale = found(|tale| {
        tale.turn(1, 1);
        let due = tale.now + Duration::from_millis(100);
        tale.passes(200).fact(Fact::Armed { token: WHO, due });
    });
    assert_eq!(stale, [FindingKind::StaleNow]);
    let overslept = found(|tale| {
        let due = tale.now + Duration::from_secs(2);
        tale.turn(30_000, 0).fact(Fact::Armed { token: WHO, due });
    });
    assert_eq!(overslept, []);
}

#[test]
fn a_client_that_sends_when_it_was_answered_and_not_when_it_is_due_omits() {
    let client = Token::new(2, 0);
    let sends = |millis| {
        found(|tale| {
            tale.fact(Fact::Dialled { token: client });
            for _ in 0..10 {
                let due = tale.now + Duration::from_millis(10);
                tale.fact(Fact::Armed { token: client, due }).passes(millis);
                tale.fact(Fact::Read { token: client, asked: 64, bytes: 5 });
                tale.fact(Fact::Wrote { token: client, asked: 5, bytes: 5 });
            }
        })
    };
    assert_eq!(sends(200), [FindingKind::CoordinatedOmission]);
    assert_eq!(sends(15), []);
}

#[test]
fn a_reader_is_slow_after_seconds_only() {
    let reader = |millis| {
        found(|tale| {
            tale.fact(Fact::Interest { token: WHO, bits: READABLE | WRITABLE });
            tale.fact(Fact::Buffer { token: WHO, unsent: 1 << 20 }).turn(millis, 0);
        })
    };
    assert_eq!(reader(4000), [FindingKind::SlowReader]);
    assert_eq!(reader(1000), []);
}

#[test]
fn a_slow_reader_is_found_although_most_facts_are_missing() {
    let mut recorder = Recorder::default();
    let second = |number| Moment::START + Duration::from_secs(number);
    recorder.start(second(0), 64, Duration::from_millis(20));
    recorder.record(Fact::Accepted { token: WHO, from: DOOR });
    recorder.record(Fact::HighWater { token: WHO, unsent: 300_000 });
    let mut detector = Detector::new(&Limits::default());
    for number in 1..=5 {
        recorder.tick(second(number));
        recorder.settle();
        detector.gap(recorder.tallies(), recorder.now());
        let (began, until) = (second(number), Moment::NEVER);
        let polled = Record { at: began, fact: Fact::Polled { began, until, events: 0 } };
        detector.take(&polled, recorder.labels());
    }
    let kinds: Vec<_> = detector.findings().iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::SlowReader], "once");
}

#[test]
fn what_is_kept_is_bounded_and_a_gap_accuses_nobody() {
    let mut tale = Tale::new();
    tale.turn(1, 1).fact(readable()).fact(read(4096, 4096));
    tale.detector.gap(&Tallies::default(), Moment::START);
    tale.turn(1000, 0);
    assert_eq!(tale.kinds(), []);
    let far = Token::new(u32::MAX, 7);
    tale.fact(Fact::Accepted { token: far, from: far }).fact(Fact::Read {
        token: far,
        asked: 1,
        bytes: 1,
    });
    assert!(tale.detector.sockets.len() <= SOCKETS);
    for index in 0..200_000 {
        let token = Token::new(index, 0);
        tale.fact(Fact::Accepted { token, from: DOOR });
        tale.fact(Fact::Blocked { token, writing: true });
    }
    assert!(tale.detector.sockets.len() <= SOCKETS && tale.detector.suspects.len() <= SOCKETS);
}

#[test]
fn a_recorder_is_followed_and_what_it_lost_is_forgiven() {
    let mut recorder = Recorder::default();
    recorder.start(Moment::START, 64, Duration::from_millis(20));
    let mut detector = Detector::new(&Limits::default());
    for millis in 0..200u64 {
        let now = Moment::START + Duration::from_millis(millis * 100);
        recorder.tick(now);
        recorder.record(Fact::Accepted { token: WHO, from: DOOR });
        recorder.record(readable());
        recorder.record(read(64, 64));
        if millis % 50 == 0 {
            detector.follow(&recorder);
        }
    }
    detector.follow(&recorder);
    assert_eq!(detector.cursor, recorder.total());
    assert_eq!(detector.findings(), []);
}
