//! The desk in virtual time: a load and a made-up server, without sockets.

use super::*;
use crate::load::schedule::Phase as Rate;
use crate::measure::Outcome;

/// Virtual time passes in such steps.
const STEP: Duration = Duration::from_micros(100);

fn terms(active: usize, schedule: Option<Schedule>) -> Terms {
    Terms {
        active,
        beside: 0,
        idle: 0,
        tries: false,
        depth: 1,
        fresh: Fresh::Kept,
        patience: Duration::from_secs(5),
        schedule,
        mix: Mix::new(&[]),
    }
}

fn desk(terms: Terms) -> Desk {
    let closed = terms.schedule.is_none();
    let recorder = Recorder::new(terms.active, closed).unwrap();
    let active = terms.active;
    let mut desk = Desk::new(terms, recorder);
    for place in 0..active {
        assert_eq!(desk.next_vacant(Moment::START), Some(place));
        assert!(desk.dials(place, Moment::START));
        desk.opened(place, Token::new(place as u32, 0), Moment::START);
        desk.rest(place, Moment::START);
    }
    desk
}

fn constant(rate: f64, seconds: u64) -> Schedule {
    Schedule::new(&[Rate { rate, lasts: Duration::from_secs(seconds) }])
}

/// Runs ten seconds against a server that answers after `service` and stands still from second 4
/// to second 5.
fn stalled(mut desk: Desk, places: usize, service: Duration) -> Outcome {
    let at = |ms: u64| Moment::START + Duration::from_millis(ms);
    let answers_at = |asked: Moment| {
        let done = asked + service;
        if (at(4000)..at(5000)).contains(&done) { done + Duration::from_secs(1) } else { done }
    };
    let mut due: Vec<Option<Moment>> = vec![None; places];
    desk.start(Moment::START);
    desk.recorder().measure(Moment::START, Duration::from_secs(10));
    let closed = !desk.is_open_loop();
    let mut now = Moment::START;
    while now < at(10_000) {
        for (place, due) in due.iter_mut().enumerate() {
            let is_done = due.is_some_and(|done| done <= now);
            if is_done {
                desk.answered(place, now);
                *due = None;
            }
            if is_done || closed && due.is_none() {
                *due = desk.draw(place, now).map(|_| answers_at(now));
                desk.rest(place, now);
            }
        }
        for _ in 0..desk.waiting(now) {
            let Some((place, Some(_))) = desk.next_free() else { break };
            due[place] = desk.draw(place, now).map(|_| answers_at(now));
            desk.rest(place, now);
        }
        now += STEP;
    }
    desk.end(now, Duration::ZERO);
    desk.close(now);
    let offered = desk.offered(Moment::START, at(10_000));
    desk.recorder().outcome(offered)
}

#[test]
fn a_server_that_stands_still_shows_in_the_latency_and_not_in_the_service() {
    let service = Duration::from_micros(500);
    let outcome = stalled(desk(terms(4, Some(constant(1000.0, 10)))), 4, service);
    assert_eq!(outcome.offered, 10_000);
    assert_eq!(outcome.answered + outcome.errors.timed_out, 10_000);
    let ms = |nanos: u64| nanos / 1_000_000;
    // A tenth of all requests was due in that second, and waited for half of it on average.
    assert!(ms(outcome.latency.p999) >= 950, "{}", ms(outcome.latency.p999));
    assert!(ms(outcome.latency.p99) >= 800, "{}", ms(outcome.latency.p99));
    assert!(ms(outcome.latency.p50) == 0);
    // Only four were under way, which is less than one in a thousand.
    assert!(ms(outcome.service.p999) == 0, "{}", ms(outcome.service.p999));
    assert!(ms(outcome.service.max) >= 950);
    // It is not the load that was late.
    assert!(outcome.late.max <= 2 * STEP.as_nanos() as u64);
    let worst = outcome.ticks.iter().max_by_key(|tick| tick.latency_max).unwrap();
    assert_eq!(worst.at_ms, 4000.0);
}

#[test]
fn a_closed_loop_forgets_what_it_did_not_ask() {
    let outcome = stalled(desk(terms(4, None)), 4, Duration::from_micros(500));
    let ms = |nanos: u64| nanos / 1_000_000;
    assert!(ms(outcome.latency.p999) == 0 && ms(outcome.latency.max) >= 950);
    assert_eq!(outcome.service, outcome.latency);
}

#[test]
fn free_places_take_turns() {
    let mut desk = desk(terms(3, Some(constant(10.0, 10))));
    desk.start(Moment::START);
    let mut order = Vec::new();
    for second in 0..6 {
        let now = Moment::START + Duration::from_millis(100 * second);
        assert_eq!(desk.waiting(now), 1);
        let (place, _) = desk.next_free().unwrap();
        assert_eq!(desk.draw(place, now), Some(0));
        assert_eq!(desk.draw(place, now), None);
        desk.answered(place, now);
        desk.rest(place, now);
        desk.rest(place, now);
        order.push(place);
    }
    assert_eq!(order, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_request_is_not_lost_with_a_connection_that_was_woken_for_it() {
    let mut desk = desk(terms(2, Some(constant(10.0, 1))));
    desk.start(Moment::START);
    desk.recorder().measure(Moment::START, Duration::from_secs(1));
    let (place, _) = desk.next_free().unwrap();
    desk.closed(place, CloseReason::Reset, Moment::START);
    assert_eq!(desk.waiting(Moment::START), 1);
    let (other, _) = desk.next_free().unwrap();
    assert_ne!(place, other);
    assert_eq!(desk.draw(other, Moment::START), Some(0));
    assert_eq!(desk.next_vacant(Moment::START), Some(place));
    // What was under way when a connection ends is lost, and says so.
    desk.closed(other, CloseReason::Reset, Moment::START);
    assert_eq!(desk.recorder().outcome(None).errors.closed, 1);
    assert_eq!(desk.owed(), 0);
}

#[test]
fn a_connection_that_cannot_be_made_is_tried_again_after_a_pause() {
    let mut desk = Desk::new(terms(1, None), Recorder::new(1, true).unwrap());
    assert_eq!(desk.next_vacant(Moment::START), Some(0));
    assert!(desk.dials(0, Moment::START));
    desk.closed(0, CloseReason::Reset, Moment::START);
    assert_eq!(desk.next_vacant(Moment::START), None);
    let later = desk.next_dial();
    assert_eq!(later, Moment::START + PAUSE);
    assert_eq!(desk.next_vacant(later), Some(0));
    assert_eq!(desk.recorder().outcome(None).errors.connect, 1);
    assert_eq!(desk.failure(), Some(CloseReason::Reset));
}

#[test]
fn fresh_connections_are_dialled_for_a_request() {
    let fresh = Terms { fresh: Fresh::Request, ..terms(2, Some(constant(10.0, 1))) };
    let mut desk = Desk::new(fresh, Recorder::new(2, false).unwrap());
    assert_eq!(desk.next_vacant(Moment::START), None);
    desk.start(Moment::START);
    desk.recorder().measure(Moment::START, Duration::from_secs(1));
    assert_eq!(desk.next_free(), Some((0, None)));
    assert!(desk.dials(0, Moment::START));
    // Nothing is due for the other.
    assert_eq!(desk.next_free(), Some((1, None)));
    assert!(!desk.dials(1, Moment::START));
    let connected = Moment::START + Duration::from_millis(30);
    desk.opened(0, Token::new(0, 0), connected);
    desk.answered(0, connected + Duration::from_millis(20));
    desk.closed(0, CloseReason::PeerClosed, connected + Duration::from_millis(21));
    let outcome = desk.recorder().outcome(None);
    assert_eq!((outcome.answered, outcome.errors.total()), (1, 0));
    assert!(outcome.latency.max.abs_diff(50_000_000) < 100_000);
    assert!(outcome.service.max.abs_diff(20_000_000) < 100_000);
}

#[test]
fn what_an_overloaded_server_did_not_get_in_the_window_is_not_sent_after_it() {
    // It answers one of a thousand requests a second at a time, each after four milliseconds.
    let service = Duration::from_millis(4);
    let mut desk = desk(terms(1, Some(constant(1000.0, 1))));
    let end = Moment::START + Duration::from_secs(1);
    desk.start(Moment::START);
    desk.recorder().measure(Moment::START, Duration::from_secs(1));
    let (mut now, mut sent) = (Moment::START, 0);
    let mut serve = |desk: &mut Desk, now: Moment| {
        desk.answered(0, now);
        sent += u64::from(desk.draw(0, now).is_some());
    };
    while now < end {
        serve(&mut desk, now);
        now += service;
    }
    let grace = Duration::from_millis(50);
    desk.end(end, grace);
    assert_eq!(desk.last(), end + grace);
    while now < end + Duration::from_secs(5) {
        serve(&mut desk, now);
        if now >= desk.last() {
            desk.over(now);
        }
        now += service;
    }
    assert_eq!((desk.owed(), desk.next_due()), (0, Moment::NEVER));
    desk.close(now);
    let outcome = desk.recorder().outcome(Some(1000));
    // 250 in the window and 13 in the grace.
    assert!((262..=264).contains(&outcome.answered), "{}", outcome.answered);
    assert_eq!((outcome.answered, outcome.errors.timed_out), (sent, 1000 - sent));
    assert_eq!((outcome.latency.count, outcome.service.count), (1000, sent));
    // The worst has waited for all but its place in the line, and not until the end.
    assert!((700_000_000..900_000_000).contains(&outcome.latency.max), "{}", outcome.latency.max);
}

#[test]
fn a_kept_connection_is_tried_before_the_run() {
    let schedules = [None, Some(constant(10.0, 1))];
    for schedule in schedules {
        let terms = Terms { tries: true, beside: 2, idle: 1, depth: 4, ..terms(2, schedule) };
        let mut desk = Desk::new(terms, Recorder::new(2, true).unwrap());
        assert_eq!((desk.unready(), desk.reached()), (3, false));
        for place in [2, 3, 0, 1] {
            assert_eq!(desk.next_vacant(Moment::START), Some(place));
            assert!(desk.dials(place, Moment::START));
            desk.opened(place, Token::new(place as u32, 0), Moment::START);
        }
        assert_eq!((desk.unready(), desk.reached()), (3, true));
        let at = |ms: u64| Moment::START + Duration::from_millis(ms);
        for place in 0..2 {
            assert_eq!(desk.draw(place, at(0)), Some(0));
            assert_eq!(desk.draw(place, at(0)), None, "once, however deep");
        }
        desk.answered(0, at(1));
        assert_eq!((desk.unready(), desk.draw(0, at(1))), (2, None));
        // The other one ends unanswered; the next one in its place tries again.
        desk.closed(1, CloseReason::Reset, at(2));
        assert_eq!((desk.unready(), desk.next_vacant(at(2))), (2, None));
        assert_eq!(desk.next_vacant(at(2) + PAUSE), Some(1));
        assert!(desk.dials(1, at(60)));
        desk.opened(1, Token::new(1, 1), at(61));
        assert_eq!(desk.draw(1, at(61)), Some(0));
        desk.failed(1, Failed::Status, at(62));
        assert_eq!((desk.unready(), desk.draw(1, at(62))), (1, None), "it was served");
        // Of those beside only the idle one is awaited.
        desk.ready(3);
        assert_eq!(desk.unready(), 1);
        desk.ready(2);
        desk.ready(2);
        assert_eq!((desk.unready(), desk.owed()), (0, 0));
        desk.start(at(70));
        desk.recorder().measure(at(70), Duration::from_secs(1));
        assert!(desk.draw(0, at(70)).is_some());
        assert_eq!(desk.recorder().outcome(None).offered, 1, "trials are not measured");
    }
}

#[test]
fn a_fresh_connection_that_fails_after_the_window_is_an_error_of_its_request() {
    let at = |ms: u64| Moment::START + Duration::from_millis(ms);
    let fresh = Terms { fresh: Fresh::Request, ..terms(3, None) };
    let mut desk = Desk::new(fresh, Recorder::new(3, false).unwrap());
    desk.start(at(0));
    desk.recorder().measure(at(0), Duration::from_secs(1));
    for place in 0..3 {
        assert_eq!(desk.next_vacant(at(900)), Some(place));
        assert!(desk.dials(place, at(900)));
    }
    desk.end(at(1000), Duration::ZERO);
    desk.closed(0, CloseReason::Reset, at(1100));
    desk.closed(1, CloseReason::TimedOut(Phase::Handshake), at(1900));
    desk.closed(2, CloseReason::Tls, at(1900));
    assert_eq!(desk.owed(), 0);
    desk.close(at(2000));
    let outcome = desk.recorder().outcome(None);
    assert_eq!((outcome.errors.connect, outcome.errors.tls, outcome.errors.total()), (1, 2, 3));
    // Who waited in vain is in the latency, and was never sent.
    assert_eq!((outcome.latency.count, outcome.service.count), (1, 0));
    assert!(outcome.latency.max.abs_diff(1_000_000_000) < 1_000_000);
}

#[test]
fn what_is_left_of_the_warm_up_does_not_take_the_window() {
    let mut desk = desk(terms(1, Some(constant(1000.0, 2))));
    let begin = Moment::START + Duration::from_secs(1);
    desk.start(Moment::START);
    desk.recorder().measure(begin, Duration::from_secs(1));
    assert_eq!(desk.waiting(begin), 1001);
    desk.begin();
    assert_eq!((desk.waiting(begin), desk.next_due()), (1, begin));
    assert_eq!(desk.draw(0, begin), Some(0));
    desk.answered(0, begin);
    assert_eq!(desk.recorder().outcome(None).answered, 1);
}
