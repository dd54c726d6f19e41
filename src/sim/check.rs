//! The invariants, fed by the loop's facts, by the sessions ([`Watched`](super::witness::Watched))
//! and by the simulated kernel.
//!
//! What goes wrong is collected as values, so that a test can assert that there is none and a tool
//! can show where it happened.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::seen::{Seen, Sender};
use crate::error::{CloseReason, Phase};
use crate::limits::Limits;
use crate::probe::{Counters, Fact, Probe};
use crate::session::CloseMode;
use crate::time::Moment;
use crate::token::Token;

/// Runs of bytes that the loop offers in one write.
const SLICES: usize = 16;

/// Something that must not happen and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// In which turn.
    pub turn: u64,
    /// When, in virtual time.
    pub at: Moment,
    /// Whose connection or listener it concerns, if it is one's.
    pub token: Option<Token>,
    /// What happened, as a sentence.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "turn {} at {:?}: ", self.turn, self.at)?;
        if let Some(token) = self.token {
            write!(f, "{token}: ")?;
        }
        f.write_str(&self.what)
    }
}

/// Facts about a run that excuse what would be a violation otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Excuses {
    pub(crate) draining_since: Option<Moment>,
    pub(crate) drains_within: Duration,
    pub(crate) dropping: bool,
    /// When the clock jumped last: time limits may have passed without anybody's fault.
    pub(crate) jumped: Option<Moment>,
}

pub(crate) struct Check {
    pub(crate) limits: Limits,
    pub(crate) turn: u64,
    pub(crate) now: Moment,
    pub(crate) seen: BTreeMap<Token, Seen>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) excuses: Excuses,
    pub(crate) counters: Counters,
    /// Tokens of this turn's events.
    pub(crate) batch: Vec<Token>,
    /// Listeners: whether they are paused, and for want of descriptors.
    pub(crate) paused: BTreeMap<Token, bool>,
    /// When a drain that the host began by itself must have cut off everybody.
    pub(crate) cut_off: Moment,
    /// How long a dialled peer may take to answer.
    pub(crate) connects_within: Duration,
    /// What a session heard that was never called before.
    nameless: Option<CloseReason>,
    /// HTTP requests whose outcome nobody has been told yet.
    pub(crate) untold: u32,
    accepts: BTreeMap<Token, u32>,
    received: BTreeMap<Token, u32>,
    /// Facts of this turn that mean that something got done.
    pub(crate) progress: u32,
    idle_turns: u32,
    /// The last fact was an event of this one.
    event: Option<Token>,
    trace: Option<Vec<String>>,
}

impl Check {
    pub(crate) fn new(limits: Limits, traced: bool) -> Self {
        Check {
            limits,
            turn: 0,
            now: Moment::START,
            seen: BTreeMap::new(),
            violations: Vec::new(),
            excuses: Excuses::default(),
            counters: Counters::default(),
            batch: Vec::new(),
            paused: BTreeMap::new(),
            cut_off: Moment::NEVER,
            connects_within: Duration::ZERO,
            nameless: None,
            untold: 0,
            accepts: BTreeMap::new(),
            received: BTreeMap::new(),
            progress: 0,
            idle_turns: 0,
            event: None,
            trace: traced.then(Vec::new),
        }
    }

    /// Notes a line of the trace, if there is one.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let (turn, now) = (self.turn, self.now);
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{turn:>5} {now:?}  {}", line()));
        }
    }

    pub(crate) fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    pub(crate) fn violate(&mut self, token: impl Into<Option<Token>>, what: impl Into<String>) {
        let (token, what) = (token.into(), what.into());
        self.note(|| format!("VIOLATION {token:?}: {what}"));
        // One broken rule repeats itself in every turn; the first cases tell the story.
        if self.violations.len() < 20 {
            let (turn, at) = (self.turn, self.now);
            self.violations.push(Violation { turn, at, token, what });
        }
    }

    pub(crate) fn seen(&mut self, token: Token) -> &mut Seen {
        self.seen.entry(token).or_default()
    }

    /// A host drains the loop, for the first time or again.
    pub(crate) fn drains(&mut self, now: Moment, within: Duration) {
        self.note(|| format!("host: drains within {within:?}"));
        let since = *self.excuses.draining_since.get_or_insert(now);
        let within = now.since(since) + within;
        self.excuses.drains_within = match since == now {
            true => within,
            false => self.excuses.drains_within.min(within),
        };
    }

    /// A session's call returned: what it produced, and when it wants to be called.
    pub(crate) fn called(&mut self, token: Token, produced: usize, deadline: Moment) {
        let (turn, now, cap) = (self.turn, self.now, self.limits.backlog_cap);
        let entry = self.seen(token);
        let too_much = produced > 0 && entry.unsent() > cap;
        entry.opened = true;
        entry.produced += produced;
        entry.took_all = None;
        if entry.unsent() > 0 && entry.unsent_since.is_none() {
            entry.unsent_since = Some(now);
        }
        if entry.deadline != Some(deadline) {
            entry.deadline = Some(deadline);
            entry.deadline_turn = turn;
        }
        if entry.heard.is_some() {
            self.violate(token, "its session was called after on_close");
        }
        if too_much {
            self.violate(token, "its backlog had passed its cap and still grew");
        }
    }

    /// A message is on its way, from a member of the loop or from a host.
    pub(crate) fn post(&mut self, to: Token, message: Bytes, from: Sender) {
        self.seen(to).posted[from as usize].push_back(message);
        self.asked(to);
    }

    /// A session heard a message, and produced so many bytes: all of it, or nothing.
    pub(crate) fn heard(&mut self, token: Token, message: &[u8], produced: usize) {
        let entry = self.seen(token);
        let (loses, queues) = (entry.loses, entry.queues);
        let next = entry
            .posted
            .iter_mut()
            .find(|posted| posted.front().is_some_and(|next| next == message));
        let expected = next.is_some_and(|posted| posted.pop_front().is_some());
        if produced == message.len() {
            entry.passed.extend_from_slice(message);
        } else if !queues && (produced > 0 || !loses) {
            self.violate(token, format!("{produced} bytes of a message of {}", message.len()));
        }
        if !expected {
            self.violate(token, "messages were lost, or came in another order");
        }
    }

    /// A session heard its end.
    pub(crate) fn ended(&mut self, token: Token, why: CloseReason) {
        if token == Token::new(0, 0) {
            // One that was never opened does not know its name; the loop tells it next.
            self.nameless = Some(why);
            return;
        }
        let entry = self.seen(token);
        if why == CloseReason::Upgraded {
            return;
        }
        if let Some(first) = entry.heard.replace(why) {
            self.violate(token, format!("on_close came twice: {first}, then {why}"));
        }
    }

    /// A deadline was announced as reached.
    pub(crate) fn timed_out(&mut self, token: Token) {
        let (now, turn) = (self.now, self.turn);
        let entry = self.seen(token);
        (entry.idle_drives, entry.asked_turn) = (0, turn);
        if let Some(deadline) = entry.deadline
            && deadline > now
        {
            self.violate(token, format!("a timer was early: {now:?} before {deadline:?}"));
        }
    }

    /// Something asked for a drive, so that one that does nothing is no waste.
    pub(crate) fn asked(&mut self, token: Token) {
        if let Some(entry) = self.seen.get_mut(&token) {
            entry.idle_drives = 0;
        }
    }

    /// Something other than I/O asked for a drive.
    pub(crate) fn excuse_drive(&mut self, token: Token) {
        let turn = self.turn;
        let entry = self.seen(token);
        (entry.idle_drives, entry.asked_turn) = (0, turn);
        self.progress += 1;
    }

    fn alive(&mut self, token: Token, what: &str) {
        if let Some(reason) = self.seen(token).closed {
            self.violate(token, format!("{what} after it was closed ({reason})"));
        }
    }

    fn closed(&mut self, token: Token, reason: CloseReason) {
        self.alive(token, "closed");
        let (now, limits, excuses) = (self.now, self.limits.clone(), self.excuses);
        let nameless = self.nameless.take();
        let entry = self.seen(token);
        entry.heard = entry.heard.or(nameless);
        entry.closed = Some(reason);
        entry.lingered = entry.lingers_since.is_some_and(|since| since + limits.linger <= now);
        if entry.heard != Some(reason) {
            let heard = entry.heard;
            self.violate(token, format!("closed for {reason}, its session heard {heard:?}"));
        }
        let entry = self.seen(token);
        let wrong = match reason {
            CloseReason::Drained => excuses.draining_since.is_none(),
            CloseReason::Aborted => !excuses.dropping && !entry.close_asked,
            CloseReason::TimedOut(Phase::Idle) => {
                entry.closing.is_none()
                    || entry.last_read.is_some_and(|read| read + limits.idle > now)
            }
            CloseReason::TimedOut(Phase::Write) => {
                let from = Moment::from_nanos(
                    now.as_nanos().saturating_sub(limits.progress.as_nanos() as u64),
                );
                let taken: usize = entry
                    .progress
                    .iter()
                    .filter(|(at, _)| *at > from)
                    .map(|(_, bytes)| bytes)
                    .sum();
                taken >= limits.progress_bytes as usize
                    || entry.unsent_since.is_none_or(|since| since > from)
            }
            CloseReason::Overflow => entry.unsent() <= limits.backlog_cap || entry.loses,
            CloseReason::TimedOut(Phase::Connect) => {
                !entry.dialled || entry.opened || entry.deadline.is_none_or(|due| due > now)
            }
            CloseReason::Io(_) => !entry.dialled || entry.opened,
            _ => false,
        };
        if wrong {
            self.violate(token, format!("closed for no good reason: {reason}"));
        }
    }

    /// A connect has one time limit, and nothing else that it waits for.
    fn dialled(&mut self, token: Token) {
        let (turn, deadline) = (self.turn, self.now + self.connects_within);
        let entry = self.seen(token);
        entry.dialled = true;
        (entry.deadline, entry.deadline_turn) = (Some(deadline), turn);
    }

    fn drove(&mut self, token: Token, by_event: bool) {
        self.alive(token, "driven");
        let (turn, now, progress) = (self.turn, self.now, self.limits.progress);
        let drains = self.excuses.draining_since.is_some();
        let events = self.batch.iter().filter(|other| **other == token).count() as u32;
        let entry = self.seen(token);
        entry.reads_in_drive = 0;
        entry.took_all = None;
        entry.idle_drives += 1;
        entry.drives_in_turn = if entry.drove_turn == turn { entry.drives_in_turn + 1 } else { 1 };
        entry.drove_turn = turn;
        // One for messages, one for a timer, one in the run queue; and each event's.
        let too_often = entry.drives_in_turn == events + 4;
        // What looks like an event's drive may be a message's or a timer's.
        let ripe = entry.unsent_since.is_some_and(|since| since + progress <= now);
        let ends = entry.close_asked || entry.closing.is_some();
        let excused = ripe || drains || ends || entry.asked_turn == turn;
        let again = by_event && entry.spent_turn == turn && !excused;
        if entry.idle_drives == 30 {
            self.violate(token, "driven again and again though nothing happens");
        }
        if too_often {
            self.violate(token, "driven too often in one turn");
        }
        if again {
            self.violate(token, "an event drove it in the turn in which its budget ran out");
        }
    }

    fn read(&mut self, token: Token, bytes: usize) {
        self.alive(token, "read");
        let (now, turn, most) = (self.now, self.turn, self.limits.reads_per_drive);
        let (high, low) = (self.limits.high_water, self.limits.low_water);
        let entry = self.seen(token);
        entry.read += bytes;
        if entry.closing.is_none() {
            entry.last_read = Some(now);
        }
        entry.reads_in_drive += 1;
        entry.idle_drives = 0;
        let before = if entry.reads_in_turn.0 == turn { entry.reads_in_turn.1 } else { 0 };
        entry.reads_in_turn = (turn, before + 1);
        let (reads, unsent, ended) = (entry.reads_in_drive, entry.unsent(), entry.ended);
        entry.ended |= bytes == 0;
        if reads > most {
            self.violate(token, format!("{reads} reads in one drive"));
        }
        // One budget for readiness, by events or the run queue; one for a timer, one for messages.
        if before == most * 3 {
            self.violate(token, "read more than its share in one turn");
        }
        if unsent >= high.max(low + 1) {
            self.violate(token, format!("read above the high watermark: {unsent} unsent"));
        }
        if ended {
            self.violate(token, "read after the end of the stream");
        }
    }

    fn wrote(&mut self, token: Token, bytes: usize) {
        self.alive(token, "written to");
        let now = self.now;
        let entry = self.seen(token);
        let again = entry.took_all.take().is_some_and(|slices| slices > 0 && slices < SLICES);
        entry.wrote += bytes;
        entry.idle_drives = 0;
        entry.progress.push((now, bytes));
        if entry.unsent() == 0 {
            entry.unsent_since = None;
        }
        if entry.wrote > entry.produced {
            self.violate(token, "more was written than its session produced");
        }
        if again {
            self.violate(token, "two writes where one would do");
        }
    }

    fn share(&mut self, token: Token, accepted: bool) {
        let (table, most) = if accepted {
            (&mut self.accepts, self.limits.accepts_per_turn)
        } else {
            (&mut self.received, self.limits.datagrams_per_turn)
        };
        let count = table.entry(token).or_default();
        *count += 1;
        // One share by an event or the run queue, and one by the retry timer. A listener that
        // closes for a drain takes in whoever waits.
        let closes = self.excuses.draining_since.is_some_and(|since| {
            self.now >= since + self.limits.drain_idle.min(self.excuses.drains_within)
        });
        if *count == most * 2 + 1 && !closes {
            self.violate(token, "took more than its share in one turn");
        }
    }

    /// The end of a turn: what must be true between any two turns.
    pub(crate) fn end_of_turn(&mut self) {
        let (turn, now, cap) = (self.turn, self.now, self.limits.backlog_cap);
        let mut wrong = Vec::new();
        for (token, entry) in self.seen.iter_mut().filter(|(_, entry)| entry.closed.is_none()) {
            if let Some(deadline) = entry.deadline
                && deadline <= now
                // What a host does between two turns is still counted to the first.
                && entry.deadline_turn + 1 < turn
                // It was called in this turn; what it wants of an earlier moment waits for the next.
                && entry.asked_turn != turn
                && entry.closing.is_none()
                && !entry.close_asked
            {
                wrong.push((*token, format!("a timer was forgotten: {deadline:?}")));
            }
            let unsent = entry.unsent();
            if unsent > cap {
                wrong.push((*token, format!("the backlog passed its cap: {unsent}")));
            }
            if entry.heard.is_some() {
                wrong.push((*token, "its session heard its end, the loop keeps it".into()));
            }
            if entry.closing == Some(CloseMode::Linger) && unsent == 0 {
                entry.lingers_since.get_or_insert(now);
            }
        }
        for (token, what) in wrong {
            self.violate(token, what);
        }
        self.idle_turns = if self.progress > 0 { 0 } else { self.idle_turns + 1 };
        if self.idle_turns == 200 {
            self.violate(None, "200 turns in a row in which nothing happened");
        }
    }

    /// The latest moment until which the loop may sleep as far as time limits go, and whose it is.
    pub(crate) fn must_wake(&self) -> Option<(Moment, Token, &'static str)> {
        let limits = &self.limits;
        let mut first: Option<(Moment, Token, &'static str)> = None;
        let mut consider = |moment: Moment, token: Token, what| {
            if !moment.is_never() && first.is_none_or(|(other, _, _)| moment < other) {
                first = Some((moment, token, what));
            }
        };
        for (token, entry) in self.seen.iter().filter(|(_, entry)| entry.closed.is_none()) {
            if let Some(deadline) = entry.deadline
                && entry.closing.is_none()
                && !entry.close_asked
            {
                consider(deadline, *token, "its session's deadline");
            }
            if let Some(since) = entry.unsent_since {
                // A peer that took its first bytes early in one window is measured in the next.
                let last = entry.progress.last().map_or(since, |(at, _)| (*at).max(since));
                // A window begins when the last one was looked at, which a kernel's tick, or a
                // leaping clock, may delay.
                let last = last.max(self.excuses.jumped.unwrap_or(last));
                let slack = limits.progress * 2 + Duration::from_millis(4);
                consider(last + slack, *token, "the write limit");
            }
            consider(self.cut_off, *token, "the end of the drain");
            if let Some(since) = entry.lingers_since {
                consider(since + limits.linger, *token, "the end of lingering");
            }
        }
        first
    }

    /// Starts a turn at the time that its poll returned.
    pub(crate) fn start_turn(&mut self, now: Moment) {
        self.turn += 1;
        self.now = now;
        self.progress = 0;
        self.accepts.clear();
        self.received.clear();
    }
}

impl Probe for Check {
    fn fact(&mut self, fact: Fact) {
        self.counters.fact(fact);
        self.note(|| format!("{fact:?}"));
        let event = self.event.take();
        match fact {
            Fact::Polled { .. }
            | Fact::Armed { .. }
            | Fact::Stale { .. }
            | Fact::NobodyWaits { .. }
            | Fact::Woken { .. }
            | Fact::Peer { .. }
            | Fact::Removed { .. }
            | Fact::Failed { .. }
            | Fact::Interest { .. }
            | Fact::Called { .. }
            | Fact::Request { .. }
            | Fact::State { .. }
            | Fact::Stall { .. }
            | Fact::Buffer { .. }
            | Fact::Descriptors { .. } => return,
            Fact::Budget { token } => {
                let turn = self.turn;
                if let Some(entry) = self.seen.get_mut(&token) {
                    entry.spent_turn = turn;
                }
                return;
            }
            Fact::Blocked { token, .. } => return self.alive(token, "blocked"),
            Fact::Driven { token } => return self.drove(token, event == Some(token)),
            Fact::Event { token, .. } => {
                if !self.batch.contains(&token) {
                    self.violate(token, "it got an event that was somebody else's");
                }
                self.event = Some(token);
                return self.asked(token);
            }
            Fact::Accepted { token, from } => {
                self.seen(token);
                self.share(from, true);
            }
            Fact::Adopted { token } => {
                self.seen(token);
            }
            Fact::Dialled { token } => self.dialled(token),
            Fact::Read { token, bytes, .. } => self.read(token, bytes),
            Fact::Wrote { token, bytes, .. } => self.wrote(token, bytes),
            Fact::Fired { token, .. } => self.asked(token),
            Fact::HighWater { token, .. } | Fact::LowWater { token, .. } => {
                self.alive(token, "stalled")
            }
            Fact::Paused { token, descriptors } => {
                self.paused.insert(token, descriptors);
            }
            Fact::Resumed { token } => {
                self.paused.remove(&token);
            }
            Fact::Shed { token } => {
                if !self.paused.contains_key(&token) {
                    self.violate(token, "it turned somebody away without need");
                }
            }
            Fact::Received { token, .. } => self.share(token, false),
            Fact::Sent { .. } | Fact::Dropped { .. } => {}
            Fact::Closed { token, reason } => self.closed(token, reason),
        }
        self.progress += 1;
    }
}
