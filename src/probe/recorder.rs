//! A [`Recorder`]: the last facts of a loop in a ring, and a [`Tally`](super::Tally) of each socket.
//!
//! It lives in the environment that all connections share. Off, it is one predictable branch a
//! fact. On, each call of a session is timed by two looks at the clock, which is no system call; the
//! ring is allocated once and its oldest facts are overwritten.

use std::time::Duration;

use super::place::Places;
use super::{Call, Fact, Label, Labels, Stage, Tallies};
use crate::time::Moment;
use crate::token::Token;

/// A fact and when it happened: when the loop last looked at its clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record {
    /// When.
    pub at: Moment,
    /// What.
    pub fact: Fact,
}

/// A call that held the loop for too long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stall {
    /// Whose.
    pub token: Token,
    /// For what it was called.
    pub call: Call,
    /// What the connection had last been asked for.
    pub label: Label,
    /// When it was called.
    pub began: Moment,
    /// How long it took.
    pub took: Duration,
    /// How much of that the thread was computing; the rest it was parked.
    pub computing: Duration,
}

impl Stall {
    /// True if it computed for most of its time.
    pub fn is_computing(&self) -> bool {
        self.computing * 2 >= self.took
    }
}

/// Stalls that are kept.
const STALLS: usize = 64;

/// The last facts of a loop.
#[derive(Clone, Debug)]
pub struct Recorder {
    is_on: bool,
    /// What time it was when the loop last looked.
    now: Moment,
    /// A power of two long, or empty.
    ring: Vec<Record>,
    /// Facts ever recorded; the next one's place in the ring follows from it.
    total: u64,
    /// How many there were when recording began, the last time.
    first: u64,
    /// Requests in the call under way.
    asked: u32,
    /// Facts that the tallies have taken in.
    settled: u64,
    places: Places,
    /// From how long on a call is a stall.
    stall: Duration,
    /// What the thread's CPU clock showed, and when it was asked.
    cpu: (Moment, Duration),
    /// How long the loop has slept since.
    slept: Duration,
    /// How much of its work was computing when that was last measured: from 0 to 1.
    share: f64,
    tallies: Tallies,
    labels: Labels,
    stalls: Vec<Stall>,
    stalled: u64,
    /// Descriptors that the process may have; 0 if nobody said.
    descriptors: usize,
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder {
            is_on: false,
            now: Moment::START,
            ring: Vec::new(),
            total: 0,
            first: 0,
            asked: 0,
            settled: 0,
            places: Places::default(),
            stall: Duration::MAX,
            cpu: (Moment::START, Duration::ZERO),
            slept: Duration::ZERO,
            share: 1.0,
            tallies: Tallies::default(),
            labels: Labels::default(),
            stalls: Vec::new(),
            stalled: 0,
            descriptors: 0,
        }
    }
}

impl Recorder {
    /// The thread's CPU clock is asked after so much work, while the recorder is on. Asking is a system
    /// call, the only one that watching makes: two of them in a second of work, and one at each stall.
    pub const CPU_CLOCK: Duration = Duration::from_millis(500);
    /// A wait shorter than this costs about as much CPU time as it takes.
    const NAP: Duration = Duration::from_micros(100);

    /// Starts recording, at `now`: keeps the last `facts` (rounded up to a power of two), and takes a
    /// call for a stall from `stall` on. What was recorded before is forgotten.
    pub fn start(&mut self, now: Moment, facts: usize, stall: Duration) {
        let size = facts.clamp(64, 1 << 26).next_power_of_two();
        let nothing = Record { at: Moment::START, fact: Fact::Woken { commands: 0 } };
        *self = Recorder {
            is_on: true,
            now,
            ring: vec![nothing; size],
            // Readers that remember where they were go on.
            total: self.total,
            first: self.total,
            settled: self.total,
            stall,
            descriptors: self.descriptors,
            ..Recorder::default()
        };
    }

    /// Stops recording; what was recorded can still be read.
    pub fn stop(&mut self) {
        self.is_on = false;
    }

    /// True while it records.
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Says how many descriptors the process may have.
    pub fn set_descriptor_limit(&mut self, limit: usize) {
        self.descriptors = limit;
    }

    /// How many descriptors the process may have; 0 if nobody said.
    pub fn descriptor_limit(&self) -> usize {
        self.descriptors
    }

    /// The loop has looked at its clock.
    #[inline]
    pub fn tick(&mut self, now: Moment) {
        self.now = now;
    }

    /// The loop has waited since `began` and has looked at its clock.
    #[inline]
    pub fn waited(&mut self, began: Moment, now: Moment) {
        let waited = now.since(began);
        if waited >= Recorder::NAP {
            self.slept += waited;
        }
        self.now = now;
    }

    /// When the loop last looked at its clock.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// True if the thread's CPU clock should be asked.
    #[inline]
    pub fn wants_cpu(&self) -> bool {
        self.worked(self.now) >= Recorder::CPU_CLOCK
    }

    /// How long the loop did not sleep since the thread's CPU clock was asked.
    fn worked(&self, until: Moment) -> Duration {
        until.since(self.cpu.0).saturating_sub(self.slept)
    }

    /// The thread's CPU clock was asked.
    pub fn tick_cpu(&mut self, cpu: Duration) {
        let worked = self.worked(self.now);
        if worked >= Recorder::CPU_CLOCK {
            let used = cpu.saturating_sub(self.cpu.1);
            self.share = (used.as_secs_f64() / worked.as_secs_f64()).clamp(0.0, 1.0);
        }
        self.set_cpu(cpu);
    }

    fn set_cpu(&mut self, cpu: Duration) {
        self.cpu = (self.now, cpu);
        self.slept = Duration::ZERO;
    }

    /// Records a fact.
    // Every caller names its fact, so that a few stores are left of this where it is called.
    #[inline(always)]
    pub fn record(&mut self, fact: Fact) {
        // That an event was acted upon is seen from what follows.
        if !self.is_on || matches!(fact, Fact::Driven { .. }) {
            return;
        }
        let at = self.now;
        let place = self.total as usize & self.ring.len().wrapping_sub(1);
        if let Some(slot) = self.ring.get_mut(place) {
            *slot = Record { at, fact };
            self.total += 1;
            if self.total - self.settled == self.ring.len() as u64 {
                self.settle();
            }
        }
    }

    /// Has the tallies take in what was recorded since the last time. The loop does so at the end of
    /// each turn: many facts one after the other cost less than each at its place.
    pub fn settle(&mut self) {
        let mask = self.ring.len().wrapping_sub(1);
        for number in self.settled..self.total {
            if let Some(Record { at, fact }) = self.ring.get(number as usize & mask) {
                self.tallies.take(fact, *at);
            }
        }
        self.settled = self.total;
    }

    /// A session was called at `began` and has returned now. Answers whether that was a stall, which
    /// [`stalled`](Self::stalled) is then told of.
    #[inline]
    pub fn called(&mut self, token: Token, call: Call, began: Moment) -> bool {
        self.record(Fact::Called { token, call, began });
        let is_stall = self.now.since(began) >= self.stall;
        if !is_stall {
            self.asked = 0;
        }
        is_stall
    }

    /// The last call was a stall; the thread's CPU clock shows `cpu` now.
    pub fn stalled(&mut self, token: Token, call: Call, began: Moment, cpu: Duration) -> Stall {
        let took = self.now.since(began);
        // Of the CPU time since the clock was last asked some belongs to the work before this call. A
        // loop that works computes, but for what the machine gives to others: as much as it did lately.
        let before = self.worked(began).mul_f64(self.share);
        let computing = cpu.saturating_sub(self.cpu.1).saturating_sub(before).min(took);
        self.set_cpu(cpu);
        self.record(Fact::Stall { token, began, computing: computing.as_nanos() as u64 });
        self.settle();
        let mut label = self.tallies.get(token).map_or(Label::default(), |tally| tally.label);
        let asked = std::mem::take(&mut self.asked);
        if asked > 1 {
            // Which of them it was nobody has timed.
            let text = format!("one of {asked} pipelined, the last {}", self.labels.text(label));
            label = self.labels.number(&text);
        }
        let stall = Stall { token, call, label, began, took, computing };
        if self.stalls.len() == STALLS {
            self.stalls.remove(0);
        }
        self.stalls.push(stall);
        self.stalled += 1;
        stall
    }

    /// A request is about to be handled.
    #[inline]
    pub fn request(&mut self, token: Token, method: &str, path: &str) {
        let label = self.labels.pair(method, path);
        self.asked += 1;
        self.record(Fact::Request { token, label });
    }

    /// Where a connection and its session are now, after a call; records it if it has changed.
    #[inline]
    pub fn stages(&mut self, token: Token, life: Stage, stage: Stage, why: Call) {
        // One that is over has no session left to ask.
        let is_over = stage == Stage::Unknown && life != Stage::Open;
        let Some(place) = self.places.at(token) else { return };
        let (was_life, was_stage) = (place.life, place.stage);
        if life == was_life && (stage == was_stage || is_over) {
            return;
        }
        place.life = life;
        if !is_over {
            place.stage = stage;
        }
        if life != was_life {
            self.record(Fact::State { token, from: was_life, to: life, why });
        }
        if stage != was_stage && !is_over {
            self.record(Fact::State { token, from: was_stage, to: stage, why });
        }
    }

    /// What the world was asked to watch a socket for; records it if it is something else than before.
    pub fn interest(&mut self, token: Token, bits: u8) {
        let Some(place) = self.places.at(token) else { return };
        if std::mem::replace(&mut place.interest, bits) != bits {
            self.record(Fact::Interest { token, bits });
        }
    }

    /// Facts ever recorded. A reader remembers it and asks for what came after.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many facts are kept at most.
    pub fn capacity(&self) -> usize {
        self.ring.len()
    }

    /// What was recorded from the `from`-th fact on, as far as it is still kept, oldest first. The
    /// number of the first of them says how many are lost.
    pub fn since(&self, from: u64) -> (u64, impl DoubleEndedIterator<Item = &Record>) {
        let kept = (self.total - self.first).min(self.ring.len() as u64);
        let first = from.clamp(self.total - kept, self.total);
        let mask = self.ring.len().wrapping_sub(1);
        let records = (first..self.total).filter_map(move |n| self.ring.get(n as usize & mask));
        (first, records)
    }

    /// A tally of each socket that is open and has been heard of since recording began, as things were
    /// when they were [settled](Self::settle).
    pub fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// The texts of the labels.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The same, for who records facts of his own.
    pub fn labels_mut(&mut self) -> &mut Labels {
        &mut self.labels
    }

    /// The last stalls, oldest first, and how many there were altogether.
    pub fn stalls(&self) -> (&[Stall], u64) {
        (&self.stalls, self.stalled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CloseReason;

    const WHO: Token = Token::new(3, 7);

    fn at(millis: u64) -> Moment {
        Moment::START + Duration::from_millis(millis)
    }

    fn started() -> Recorder {
        let mut recorder = Recorder::default();
        recorder.start(at(0), 64, Duration::from_millis(20));
        recorder
    }

    #[test]
    fn off_it_keeps_nothing() {
        let mut recorder = Recorder::default();
        recorder.record(Fact::Read { token: WHO, asked: 9, bytes: 1 });
        assert_eq!((recorder.total(), recorder.since(0).1.count()), (0, 0));
        assert!(recorder.tallies().is_empty());
    }

    #[test]
    fn the_oldest_are_overwritten_and_a_reader_learns_how_many() {
        let mut recorder = started();
        for millis in 0..100 {
            recorder.tick(at(millis));
            recorder.record(Fact::Read { token: WHO, asked: 9, bytes: millis as usize });
        }
        let (first, records) = recorder.since(10);
        let times: Vec<_> = records.map(|record| record.at).collect();
        assert_eq!((first, times.len(), times[0], times[63]), (36, 64, at(36), at(99)));
        assert_eq!(recorder.since(98).1.count(), 2);
        assert_eq!(recorder.since(1000).1.count(), 0);
        recorder.settle();
        assert_eq!(recorder.tallies().get(WHO).map(|tally| tally.reads), Some(100));
    }

    #[test]
    fn who_begins_anew_keeps_the_place_of_its_readers() {
        let mut recorder = started();
        recorder.record(Fact::Resumed { token: WHO });
        let read = recorder.total();
        recorder.start(at(5), 64, Duration::from_millis(20));
        assert_eq!((recorder.total(), recorder.since(0).0, recorder.since(0).1.count()), (1, 1, 0));
        recorder.record(Fact::Resumed { token: WHO });
        assert_eq!(recorder.since(read).1.count(), 1);
    }

    #[test]
    fn a_stall_is_named_with_its_request_and_its_cause() {
        let mut recorder = started();
        recorder.request(WHO, "GET", "/sleep");
        recorder.tick_cpu(Duration::from_secs(1));
        recorder.waited(at(0), at(2));
        recorder.tick(at(203));
        assert!(recorder.called(WHO, Call::Data, at(3)));
        let cpu = Duration::from_millis(1002);
        let stall = recorder.stalled(WHO, Call::Data, at(3), cpu);
        assert_eq!(recorder.labels().text(stall.label), "GET /sleep");
        assert!(!stall.is_computing() && stall.took == Duration::from_millis(200));
        recorder.waited(at(203), at(220));
        recorder.tick(at(250));
        assert!(recorder.called(WHO, Call::Timeout, at(220)));
        let cpu = Duration::from_millis(1031);
        assert!(recorder.stalled(WHO, Call::Timeout, at(220), cpu).is_computing());
        assert_eq!(recorder.stalls().1, 2);
        assert!(!recorder.called(WHO, Call::Data, at(240)));
        recorder.request(WHO, "GET", "/sleep");
        recorder.request(WHO, "GET", "/quick");
        recorder.tick(at(300));
        assert!(recorder.called(WHO, Call::Data, at(250)));
        let stall = recorder.stalled(WHO, Call::Data, at(250), cpu);
        assert_eq!(recorder.labels().text(stall.label), "one of 2 pipelined, the last GET /quick");
    }

    #[test]
    fn stages_are_recorded_when_they_change() {
        let mut recorder = started();
        for (life, stage) in [
            (Stage::Open, Stage::FirstByte),
            (Stage::Open, Stage::FirstByte),
            (Stage::Open, Stage::Idle),
            (Stage::Lingering, Stage::Unknown),
        ] {
            recorder.stages(WHO, life, stage, Call::Data);
        }
        let changes = |record: &Record| match record.fact {
            Fact::State { from, to, .. } => Some((from, to)),
            _ => None,
        };
        let found: Vec<_> = recorder.since(0).1.filter_map(changes).collect();
        let expected = [
            (Stage::Unknown, Stage::Open),
            (Stage::Unknown, Stage::FirstByte),
            (Stage::FirstByte, Stage::Idle),
            (Stage::Open, Stage::Lingering),
        ];
        assert_eq!(found, expected);
        recorder.settle();
        assert_eq!(recorder.tallies().len(), 1);
        recorder.record(Fact::Closed { token: WHO, reason: CloseReason::Finished });
        recorder.settle();
        assert!(recorder.tallies().is_empty());
    }

    #[test]
    fn a_record_is_small() {
        assert!(size_of::<Record>() <= 40, "{}", size_of::<Record>());
    }
}
