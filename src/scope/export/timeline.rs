//! Facts as tracks, slices, flows and counters: what the forms of export have in common.
//!
//! Each recording is a process with a track for the loop (`waiting` and `working`), one for each
//! connection (its life, its stage in that, its calls in that; input and output as instants) and
//! three counters. A flow leads from an event to the call that it led to, and on to what that wrote.

use std::borrow::Cow;
use std::collections::HashMap;

use super::names::{self, Who};
use crate::probe::{Fact, Kind, Label, Labels, Layer, Record, Stage};
use crate::scope::recording::{Recording, name};
use crate::token::Token;

/// Facts of a recording that are exported: the last ones.
pub const MOST: usize = 1 << 20;

/// Connections with a track of their own: the busiest. The rest is on one track, `others`.
pub const TRACKS: usize = 2000;

/// What is drawn, in the order of time.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    pub(super) processes: Vec<String>,
    pub(super) tracks: Vec<Track>,
    pub(super) items: Vec<Item>,
}

/// How much of what there is in a [`Timeline`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tracks, without those of counters.
    pub tracks: usize,
    /// Tracks of counters.
    pub counters: usize,
    /// Slices: turns, lives, stages, calls.
    pub slices: usize,
    /// Instants.
    pub instants: usize,
    /// Values of counters.
    pub values: usize,
    /// Flows, by their beginnings.
    pub flows: usize,
}

/// A line of the picture.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) process: usize,
    pub(super) sort: Sort,
    pub(super) name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Loop,
    Connection,
    Others,
    Counter { bytes: bool },
}

/// Something on a track.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// In ns.
    pub(super) at: u64,
    /// By its place among the tracks.
    pub(super) track: usize,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Begin { group: Group, name: Cow<'static, str>, flow: Option<u64>, note: Note },
    End,
    Instant { name: Cow<'static, str>, flow: Option<Step>, note: Note },
    Value(u64),
}

/// A number that belongs to something.
pub(super) type Note = Option<(&'static str, u64)>;

/// A flow at an instant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Begins(u64),
    Ends(u64),
}

/// What kind of slice it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Turn,
    Life,
    Stage,
    Call,
}

impl Group {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Group::Turn => "turn",
            Group::Life => "life",
            Group::Stage => "stage",
            Group::Call => "call",
        }
    }
}

impl Timeline {
    /// That of recordings, by the names that they are shown by.
    pub fn of(recordings: &[(String, Recording)]) -> Self {
        let mut timeline = Timeline::default();
        for (name, recording) in recordings {
            let from = recording.records.len().saturating_sub(MOST);
            let records = recording.records.get(from..).unwrap_or_default();
            // Runs of different times are compared: each begins where it begins.
            let first = records.first().map_or(0, |record| record.at.as_nanos());
            let shift = if recordings.len() > 1 { first } else { 0 };
            let process = timeline.processes.len();
            timeline.processes.push(format!("{} {name}", recording.header.model));
            Builder::new(&mut timeline, process, shift, records).run(records, &recording.labels);
        }
        // Stable: what happened at one moment stays in its order.
        timeline.items.sort_by_key(|item| item.at);
        timeline
    }

    /// How much of what is in it.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for track in &self.tracks {
            match track.sort {
                Sort::Counter { .. } => counts.counters += 1,
                Sort::Loop | Sort::Connection | Sort::Others => counts.tracks += 1,
            }
        }
        for item in &self.items {
            match &item.what {
                What::Begin { .. } => counts.slices += 1,
                What::End => {}
                What::Instant { flow, .. } => {
                    counts.instants += 1;
                    counts.flows += usize::from(matches!(flow, Some(Step::Begins(_))));
                }
                What::Value(_) => counts.values += 1,
            }
        }
        counts
    }
}

/// A connection on the way through the facts.
#[derive(Default)]
struct Course {
    life: Option<Stage>,
    stage: Option<Stage>,
    /// The flow that its last event has begun, and whether a call has taken it up.
    flow: Option<(u64, bool)>,
    /// What it is asked for in the call under way.
    label: Option<Label>,
    unsent: u64,
}

/// Makes the part of one recording.
struct Builder<'t> {
    timeline: &'t mut Timeline,
    process: usize,
    shift: u64,
    /// Where the others are, and whether there are any.
    others: usize,
    /// The first of the process's tracks: the loop's, then the counters'.
    base: usize,
    tracks: HashMap<Token, usize>,
    who: HashMap<Token, Who>,
    courses: HashMap<Token, Course>,
    flows: u64,
    works: bool,
    open: u64,
    unsent: u64,
}

/// Places of the counters after the loop's track.
const OPEN: usize = 1;
const UNSENT: usize = 2;
const READY: usize = 3;

impl<'t> Builder<'t> {
    fn new(timeline: &'t mut Timeline, process: usize, shift: u64, records: &[Record]) -> Self {
        let base = timeline.tracks.len();
        let mut track = |sort, name: String| {
            timeline.tracks.push(Track { process, sort, name });
            timeline.tracks.len() - 1
        };
        track(Sort::Loop, "loop".into());
        track(Sort::Counter { bytes: false }, "open connections".into());
        track(Sort::Counter { bytes: true }, "unsent bytes".into());
        track(Sort::Counter { bytes: false }, "ready events of a turn".into());
        let who = names::find(records);
        let shown = names::busiest(&who, TRACKS);
        let tracks = shown.into_iter().map(|(token, who)| {
            let id = track(Sort::Connection, who.name(token));
            (token, id)
        });
        let tracks: HashMap<_, _> = tracks.collect();
        let others = if who.len() > tracks.len() {
            track(Sort::Others, format!("{} others", who.len() - tracks.len()))
        } else {
            base
        };
        let open = who.values().filter(|who| who.is_older).count() as u64;
        Builder {
            timeline,
            process,
            shift,
            others,
            base,
            tracks,
            who,
            courses: HashMap::new(),
            flows: 0,
            works: false,
            open,
            unsent: 0,
        }
    }

    fn run(mut self, records: &[Record], labels: &Labels) {
        if let Some(first) = records.first() {
            self.begin_older(first.at.as_nanos());
        }
        for record in records {
            self.take(record, labels);
        }
        // What is still going on ends with the recording.
        let end = records.iter().map(|record| record.at.as_nanos()).max().unwrap_or(0);
        if self.works {
            self.put(end, self.base, What::End);
        }
        let mut tokens: Vec<_> = self.courses.keys().copied().collect();
        tokens.sort();
        tokens.into_iter().for_each(|token| self.end_slices(end, token));
    }

    /// Connections that were there before the recording begins.
    fn begin_older(&mut self, at: u64) {
        self.value(at, OPEN, self.open);
        let is_own = |token: &Token| self.tracks.contains_key(token);
        let older = self.who.iter().filter(|(token, who)| who.is_older && is_own(token));
        let mut older: Vec<_> = older.map(|(token, who)| (*token, who.before)).collect();
        older.sort_by_key(|(token, _)| *token);
        for (token, before) in older {
            self.courses.entry(token).or_default().life = Some(before);
            let (track, _) = self.track(token);
            let name = if before == Stage::Unknown { "earlier" } else { before.as_str() };
            self.begin(at, track, Group::Life, name);
        }
    }

    fn put(&mut self, at: u64, track: usize, what: What) {
        self.timeline.items.push(Item { at: at.saturating_sub(self.shift), track, what });
    }

    fn value(&mut self, at: u64, counter: usize, value: u64) {
        self.put(at, self.base + counter, What::Value(value));
    }

    fn begin(&mut self, at: u64, track: usize, group: Group, name: &'static str) {
        let name = name.into();
        self.put(at, track, What::Begin { group, name, flow: None, note: None });
    }

    fn take(&mut self, record: &Record, labels: &Labels) {
        let at = record.at.as_nanos();
        let Some(token) = record.fact.token() else {
            return self.take_turn(at, &record.fact);
        };
        let note = note(&record.fact);
        match record.fact {
            Fact::Event { .. } => {
                let flow = self.new_flow();
                self.courses.entry(token).or_default().flow = Some((flow, false));
                let (name, flow) = (format!("ready {token}").into(), Some(Step::Begins(flow)));
                self.put(at, self.base, What::Instant { name, flow, note });
            }
            Fact::Read { .. } | Fact::Received { .. } => {
                // Who waits in a read has no event before it.
                let course = self.courses.entry(token).or_default();
                let begins = course.flow.is_none_or(|(_, called)| called);
                let flow = begins.then(|| self.new_flow());
                if let Some(flow) = flow {
                    self.courses.entry(token).or_default().flow = Some((flow, false));
                }
                self.instant(at, token, &record.fact, flow.map(Step::Begins), note);
            }
            Fact::Wrote { .. } => {
                let course = self.courses.entry(token).or_default();
                let flow = course.flow.take_if(|(_, called)| *called);
                self.instant(at, token, &record.fact, flow.map(|(id, _)| Step::Ends(id)), note);
            }
            Fact::Request { label, .. } => {
                self.courses.entry(token).or_default().label = Some(label);
            }
            Fact::Called { call, began, .. } => {
                self.call((began.as_nanos(), at), token, call.as_str(), labels);
            }
            Fact::State { to, .. } => self.change(at, token, to),
            Fact::Peer { .. } => {}
            _ => self.take_rarer(at, token, &record.fact, note),
        }
    }

    fn take_turn(&mut self, at: u64, fact: &Fact) {
        let (began, events) = match *fact {
            Fact::Polled { began, events, .. } => (began, events),
            Fact::Woken { commands } => {
                let note = Some(("commands", commands as u64));
                let what = What::Instant { name: "woken".into(), flow: None, note };
                return self.put(at, self.base, what);
            }
            _ => return,
        };
        let began = began.as_nanos().min(at);
        if std::mem::replace(&mut self.works, true) {
            self.put(began, self.base, What::End);
        }
        self.begin(began, self.base, Group::Turn, "waiting");
        self.put(at, self.base, What::End);
        let note = Some(("ready", events as u64));
        let name = "working".into();
        let what = What::Begin { group: Group::Turn, name, flow: None, note };
        self.put(at, self.base, what);
        self.value(at, READY, events as u64);
    }

    fn take_rarer(&mut self, at: u64, token: Token, fact: &Fact, note: Note) {
        match *fact {
            Fact::Accepted { .. } | Fact::Dialled { .. } | Fact::Adopted { .. } => {
                self.open += 1;
                self.value(at, OPEN, self.open);
            }
            Fact::Buffer { unsent, .. }
            | Fact::HighWater { unsent, .. }
            | Fact::LowWater { unsent, .. } => self.keep(at, token, unsent as u64),
            Fact::Closed { .. } => {
                self.keep(at, token, 0);
                self.end_slices(at, token);
                self.courses.remove(&token);
                if self.who.get(&token).is_some_and(|who| who.kind != Kind::Listener) {
                    self.open = self.open.saturating_sub(1);
                    self.value(at, OPEN, self.open);
                }
            }
            _ => {}
        }
        self.instant(at, token, fact, None, note);
    }

    fn new_flow(&mut self) -> u64 {
        self.flows += 1;
        (self.process as u64 + 1) << 40 | self.flows
    }

    fn track(&self, token: Token) -> (usize, bool) {
        self.tracks.get(&token).map_or((self.others, false), |track| (*track, true))
    }

    fn instant(&mut self, at: u64, token: Token, fact: &Fact, flow: Option<Step>, note: Note) {
        let (track, is_own) = self.track(token);
        let name = match fact {
            Fact::Closed { reason, .. } => format!("closed: {reason}").into(),
            fact => Cow::Borrowed(name(fact)),
        };
        let name = if is_own { name } else { format!("{name} {token}").into() };
        self.put(at, track, What::Instant { name, flow, note });
    }

    fn call(
        &mut self,
        (began, ended): (u64, u64),
        token: Token,
        call: &'static str,
        labels: &Labels,
    ) {
        let course = self.courses.entry(token).or_default();
        let name = match course.label.take() {
            Some(label) if label != Label(0) => Cow::Owned(labels.text(label).to_owned()),
            _ => Cow::Borrowed(call),
        };
        let flow = match &mut course.flow {
            Some((id, called)) if !*called => {
                *called = true;
                Some(*id)
            }
            _ => None,
        };
        let (track, is_own) = self.track(token);
        let (began, note) = (began.min(ended), Some(("ns", ended.saturating_sub(began))));
        if !is_own {
            // Slices of different connections do not lie within each other.
            let name = format!("{name} {token}").into();
            return self.put(ended, track, What::Instant { name, flow: None, note });
        }
        self.put(began, track, What::Begin { group: Group::Call, name, flow, note });
        self.put(ended, track, What::End);
    }

    /// A stage lies within a life: a life that changes takes it along.
    fn change(&mut self, at: u64, token: Token, to: Stage) {
        let (track, is_own) = self.track(token);
        if !is_own {
            return;
        }
        let course = self.courses.entry(token).or_default();
        let (life, mut stage) = (course.life, course.stage);
        if to.layer() == Layer::Connection {
            course.life = (to != Stage::Closed).then_some(to);
            let begins = course.life;
            let ends = usize::from(life.is_some()) + usize::from(stage.is_some());
            (0..ends).for_each(|_| self.put(at, track, What::End));
            if let Some(life) = begins {
                self.begin(at, track, Group::Life, life.as_str());
            }
        } else {
            course.stage = Some(to);
            if stage.is_some() {
                self.put(at, track, What::End);
            }
            stage = Some(to);
        }
        if let Some(stage) = stage {
            self.begin(at, track, Group::Stage, stage.as_str());
        }
    }

    fn end_slices(&mut self, at: u64, token: Token) {
        let (track, _) = self.track(token);
        if let Some(course) = self.courses.get_mut(&token) {
            let open = [course.life.take(), course.stage.take()];
            open.iter().flatten().for_each(|_| self.put(at, track, What::End));
        }
    }

    fn keep(&mut self, at: u64, token: Token, unsent: u64) {
        let course = self.courses.entry(token).or_default();
        let was = std::mem::replace(&mut course.unsent, unsent);
        if was != unsent {
            self.unsent = self.unsent.saturating_sub(was).saturating_add(unsent);
            self.value(at, UNSENT, self.unsent);
        }
    }
}

/// The one number of a fact that is worth showing.
fn note(fact: &Fact) -> Note {
    Some(match *fact {
        Fact::Event { bits, .. } | Fact::Interest { bits, .. } => ("bits", u64::from(bits)),
        Fact::Read { bytes, .. }
        | Fact::Wrote { bytes, .. }
        | Fact::Received { bytes, .. }
        | Fact::Sent { bytes, .. } => ("bytes", bytes as u64),
        Fact::Buffer { unsent, .. }
        | Fact::HighWater { unsent, .. }
        | Fact::LowWater { unsent, .. } => ("unsent", unsent as u64),
        Fact::Stall { computing, .. } => ("computing", computing),
        Fact::Failed { errno, .. } => ("errno", u64::from(errno.unsigned_abs())),
        _ => return None,
    })
}
