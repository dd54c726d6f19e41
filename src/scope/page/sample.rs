//! The [`Sample`]: what a loop looks like at one moment, bounded however busy it is.
//!
//! Made for `/_loop/sample`, for each beat of `/_loop/events`, and so for `readyloop top`. It is made
//! on the loop that it shows: it looks at a bounded number of facts and connections, and allocates
//! little. It changes nothing.

use serde::Serialize;

use super::pick::{self, Wish};
use super::story::Story;
use super::told::{From, Named, Spreads, Totals, moment, nanos};
use super::turns::{self, Turn};
use crate::limits::Limits;
use crate::probe::{Counters, Kind, Labels, Recorder, Stall, Tally};
use crate::scope::detect::Finding;
use crate::time::Moment;
use crate::token::Token;

/// Turns of a sample, at most.
pub const TURNS: usize = 120;
/// Connections of a sample, at most.
pub const CONNECTIONS: usize = 200;

/// What a sample is wanted of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Turns, at most; not more than [`TURNS`].
    pub turns: usize,
    /// Connections, at most; not more than [`CONNECTIONS`].
    pub connections: usize,
    /// What is in the token, peer, request, kind or stage of the connections that are wanted; all if
    /// empty.
    pub filter: String,
    /// A connection that is wanted in any case.
    pub follow: Option<Token>,
}

impl Default for Ask {
    fn default() -> Self {
        Ask { turns: TURNS, connections: CONNECTIONS, filter: String::new(), follow: None }
    }
}

/// Who asks, if it is a connection of the loop that is looked at.
#[derive(Clone, Debug)]
pub struct Observer {
    /// Its token.
    pub token: Token,
    /// What its path begins with; whoever asks for something there observes as well.
    pub prefix: String,
}

/// Everything that a sample is made of.
pub struct View<'r> {
    /// The last facts.
    pub recorder: &'r Recorder,
    /// The totals.
    pub counters: &'r Counters,
    /// The time of the loop that is looked at.
    pub now: Moment,
    /// Its open connections.
    pub live: usize,
    /// Its limits, where they are known.
    pub limits: Option<&'r Limits>,
    /// Who asks.
    pub observer: Option<&'r Observer>,
    /// What the detectors have found.
    pub findings: &'r [Finding],
    /// What is wanted.
    pub ask: &'r Ask,
    /// Of the story of who is followed, what is told already: so many facts had been recorded.
    pub read: u64,
}

/// A loop at one moment. All times are nanoseconds since its start.
#[derive(Serialize)]
pub struct Sample<'r> {
    now: u64,
    uptime: u64,
    version: &'static str,
    on: bool,
    total: u64,
    lost: u64,
    live: usize,
    limits: Option<Marks>,
    counters: Totals<'r>,
    descriptors: Descriptors,
    spreads: Spreads<'r>,
    turns: Vec<Turn>,
    connections: Vec<Row<'r>>,
    shown: usize,
    open: usize,
    stalls: Vec<Held<'r>>,
    stalled: u64,
    findings: Vec<Found<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    story: Option<Story>,
}

/// The limits that what is shown is measured against.
#[derive(Debug, Serialize)]
struct Marks {
    low_water: usize,
    high_water: usize,
    backlog_cap: usize,
    connections: usize,
    stall: u64,
}

/// Descriptors: one for each socket that is known of.
#[derive(Debug, Serialize)]
struct Descriptors {
    used: usize,
    limit: usize,
    paused: bool,
}

/// A socket of the loop.
#[derive(Debug, Serialize)]
struct Row<'r> {
    token: Named,
    kind: &'static str,
    peer: From,
    life: &'static str,
    stage: &'static str,
    label: &'r str,
    unsent: usize,
    interest: u8,
    bits: u8,
    full: bool,
    paused: bool,
    queued: bool,
    #[serde(rename = "in")]
    bytes_in: u64,
    #[serde(rename = "out")]
    bytes_out: u64,
    reads: u64,
    writes: u64,
    requests: u64,
    calls: u64,
    busy: u64,
    longest: u64,
    blocked: u64,
    budgets: u64,
    stalls: u64,
    age: u64,
    idle: u64,
    due: Option<u64>,
    me: bool,
}

/// A call that held the loop.
#[derive(Debug, Serialize)]
struct Held<'r> {
    token: Named,
    call: &'static str,
    label: &'r str,
    began: u64,
    took: u64,
    computing: u64,
}

/// What a detector has found.
#[derive(Debug, Serialize)]
struct Found<'r> {
    kind: &'static str,
    token: Option<Named>,
    at: u64,
    text: &'r str,
    times: u64,
}

impl<'r> View<'r> {
    /// Looks.
    pub fn sample(&self) -> Sample<'r> {
        let View { recorder, counters, ask, now, .. } = self;
        let tallies = recorder.tallies();
        let kept = recorder.total().min(recorder.capacity() as u64);
        let connections = self.connections();
        let is_paused = |tally: &Tally| tally.kind == Kind::Listener && tally.is_paused;
        let (stalls, stalled) = recorder.stalls();
        Sample {
            now: now.as_nanos(),
            uptime: nanos(now.since(Moment::START)),
            version: env!("CARGO_PKG_VERSION"),
            on: recorder.is_on(),
            total: recorder.total(),
            lost: recorder.total() - kept,
            live: self.live,
            limits: self.limits.map(Marks::of),
            counters: Totals(counters),
            descriptors: Descriptors {
                used: tallies.len().max(self.live),
                limit: recorder.descriptor_limit(),
                // Listeners are the first in the table as a rule.
                paused: tallies.iter().take(pick::FIRST).any(is_paused),
            },
            spreads: Spreads::of(counters),
            turns: turns::last(recorder, ask.turns.min(TURNS)),
            shown: connections.len(),
            connections: connections.into_iter().map(|tally| self.row(tally)).collect(),
            open: tallies.len(),
            stalls: stalls.iter().map(|stall| Held::of(stall, recorder.labels())).collect(),
            stalled,
            findings: self.findings.iter().map(Found::of).collect(),
            story: ask.follow.map(|token| Story::of(recorder, token, self.read)),
        }
    }

    fn connections(&self) -> Vec<&'r Tally> {
        let asker = self.observer.map(|observer| observer.token);
        let always: Vec<Token> = self.ask.follow.into_iter().chain(asker).collect();
        let filter = self.ask.filter.to_ascii_lowercase();
        let most = self.ask.connections.min(CONNECTIONS);
        pick::pick(self.recorder, &Wish { most, filter: &filter, always: &always }, self.now)
    }

    /// True at the high watermark, also where the session had stopped reading by itself before.
    fn is_full(&self, tally: &Tally) -> bool {
        tally.is_full || self.limits.is_some_and(|limits| tally.unsent >= limits.high_water)
    }

    fn row(&self, tally: &Tally) -> Row<'r> {
        let label = match tally.requests {
            0 => "",
            _ => self.recorder.labels().text(tally.label),
        };
        Row {
            token: Named(tally.token),
            kind: tally.kind.as_str(),
            peer: From(tally.peer),
            life: tally.life.as_str(),
            stage: tally.stage.as_str(),
            label,
            unsent: tally.unsent,
            interest: tally.interest,
            bits: tally.bits,
            full: self.is_full(tally),
            paused: tally.is_paused,
            queued: tally.is_queued,
            bytes_in: tally.bytes_in,
            bytes_out: tally.bytes_out,
            reads: tally.reads,
            writes: tally.writes,
            requests: tally.requests,
            calls: tally.calls,
            busy: tally.busy,
            longest: tally.longest,
            blocked: tally.blocked,
            budgets: tally.budgets,
            stalls: tally.stalls,
            age: nanos(self.now.since(tally.opened)),
            idle: nanos(self.now.since(tally.last)),
            due: moment(tally.due),
            me: self.observer.is_some_and(|observer| observer.is(tally.token, label)),
        }
    }
}

impl Sample<'_> {
    /// As JSON, on one line.
    pub fn json(&self) -> String {
        // Numbers and texts under names: there is nothing in it that cannot be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Observer {
    /// True if a connection observes: it is the asker's, or asks for the same.
    fn is(&self, token: Token, label: &str) -> bool {
        let path = label.split_once(' ').map_or("", |(_, path)| path);
        token == self.token || path.starts_with(&self.prefix)
    }
}

impl Marks {
    fn of(limits: &Limits) -> Self {
        Marks {
            low_water: limits.low_water,
            high_water: limits.high_water,
            backlog_cap: limits.backlog_cap,
            connections: limits.connections,
            stall: nanos(limits.stall),
        }
    }
}

impl<'r> Found<'r> {
    fn of(finding: &'r Finding) -> Self {
        Found {
            kind: finding.kind.as_str(),
            token: finding.token.map(Named),
            at: finding.at.as_nanos(),
            text: &finding.text,
            times: finding.times,
        }
    }
}

impl<'r> Held<'r> {
    fn of(stall: &Stall, labels: &'r Labels) -> Self {
        Held {
            token: Named(stall.token),
            call: stall.call.as_str(),
            label: labels.text(stall.label),
            began: stall.began.as_nanos(),
            took: nanos(stall.took),
            computing: nanos(stall.computing),
        }
    }
}
