//! The phases of a turn, in their order: wait, look at the clock, take commands, handle events, the
//! run queue, the deadlines; then flush who was sent something, and let listeners go on.

use std::io;
use std::time::Duration;

use crate::probe::{Call, Fact};
use crate::reactor::core::Core;
use crate::reactor::handle::Command;
use crate::reactor::rule::Rule;
use crate::reactor::table::{Entry, Table};
use crate::reactor::world::{Readiness, World};
use crate::reactor::{Reactor, accept, lifecycle, stream, udp};
use crate::session::Op;
use crate::time::Moment;
use crate::token::Token;

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Events that the poll returned.
    pub events: usize,
    /// True if work is left that no event will announce: the next turn must not wait, and a host
    /// that nests the loop must call again before it sleeps.
    pub more: bool,
    /// Connections that are open.
    pub live: usize,
    /// True if the loop has stopped, or has drained to its end: further turns do nothing new.
    pub done: bool,
}

impl<W: World> Reactor<W> {
    /// How long a host may sleep before it must call [`turn`](Self::turn), if no event comes
    /// earlier; `None` if only an event can bring work.
    pub fn next_timeout(&mut self) -> Option<Duration> {
        let now = self.core.world.now();
        self.timeout_at(now)
    }

    fn timeout_at(&mut self, now: Moment) -> Option<Duration> {
        if self.has_work() {
            return Some(Duration::ZERO);
        }
        let next = self.next_deadline();
        (!next.is_never()).then(|| next.since(now))
    }

    fn next_deadline(&mut self) -> Moment {
        self.core.timers.next().min(self.drain.next())
    }

    fn has_work(&self) -> bool {
        !self.core.run.is_empty()
            || !self.core.handshaking.is_empty()
            || !self.core.env.ops.is_empty()
            || !self.core.dirty.is_empty()
            // Somebody was closed between two turns, and a listener waits for that.
            || self.core.freed && self.core.env.paused > 0
            || self.shared.is_pending()
    }

    /// Turns until the loop is stopped or has drained.
    ///
    /// # Errors
    ///
    /// The poll itself failed.
    pub fn run(&mut self) -> io::Result<()> {
        self.read_clock();
        loop {
            let now = self.core.world.now();
            self.core.env.counters.busy.record(now.since(self.core.env.now));
            let timeout = self.timeout_at(now);
            if self.wait_and_work(now, timeout)?.done {
                return Ok(());
            }
        }
    }

    /// Waits for events for at most `timeout` (`None`: until the next deadline) and handles them.
    ///
    /// # Errors
    ///
    /// The poll itself failed; an error of one socket ends that socket alone.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<Turn> {
        let now = self.core.world.now();
        let timeout = match (self.timeout_at(now), timeout) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.wait_and_work(now, timeout)
    }

    /// The phases of a turn. It is `began` now.
    fn wait_and_work(&mut self, began: Moment, timeout: Option<Duration>) -> io::Result<Turn> {
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        let polled = self.core.world.poll(&mut events, timeout);
        self.tick(began, timeout, events.len());
        let queued = self.core.run.len();
        self.take_commands();
        self.run_handshakes();
        for &event in &events {
            self.on_event(event);
        }
        let count = events.len();
        self.events = events;
        self.run_queue(queued);
        self.run_timers();
        self.apply_ops();
        self.drive_dirty();
        self.resume_listeners();
        self.keep_draining();
        self.tell_stall();
        if self.core.env.recorder.is_on() {
            self.core.env.recorder.settle();
        }
        polled?;
        let done = self.stopped || self.drain.is_over();
        Ok(Turn { events: count, more: self.has_work(), live: self.core.env.live, done })
    }

    /// One clock read a turn.
    fn tick(&mut self, began: Moment, timeout: Option<Duration>, events: usize) {
        self.read_clock();
        let core = &mut self.core;
        if core.env.date.is_stale(core.env.now) {
            let wall = core.world.wall();
            core.env.date.refresh(core.env.now, wall);
        }
        core.handshakes = core.env.limits.handshakes_per_turn;
        core.env.counters.lag.waited(began, core.env.now);
        if core.env.recorder.is_on() {
            core.env.recorder.waited(began, core.env.now);
            if core.env.recorder.wants_cpu() {
                let cpu = core.world.cpu();
                core.env.recorder.tick_cpu(cpu);
            }
        }
        let until = timeout.map_or(Moment::NEVER, |timeout| began + timeout);
        core.fact(Fact::Polled { began, until, events });
    }

    /// For a turn, and for what a host does between two of them.
    pub(super) fn read_clock(&mut self) {
        self.core.env.now = self.core.world.now().max(self.core.env.now);
    }

    fn take_commands(&mut self) {
        if !self.shared.is_pending() {
            return;
        }
        let commands = self.shared.take(self.core.env.limits.commands_per_turn as usize);
        self.core.fact(Fact::Woken { commands: commands.len() });
        for command in commands {
            match command {
                // Carried out here and not later with the sessions' wishes, so that a job sees what
                // the commands before it have done.
                Command::Send(token, message) => self.apply(Op::Send(token, message)),
                Command::Close(token, mode) => self.close(token, mode),
                Command::Drain(deadline) => self.drain(deadline),
                Command::Stop => self.stopped = true,
                Command::Exec(job) => job(&mut self.core.env),
            }
        }
    }

    #[inline]
    fn on_event(&mut self, event: Readiness) {
        let (token, core) = (event.token, &mut self.core);
        let Some((token, entry)) = look_up(&mut self.table, token, core) else {
            return core.fact(Fact::Stale { token });
        };
        core.fact(Fact::Event { token, bits: event.ready.0 });
        match entry {
            // Whoever is in the run queue has its turn there: an event as well would give it two
            // budgets where others have one.
            Entry::Stream(entry) => {
                entry.ready.insert(event.ready);
                if !entry.is_queued()
                    && let Some(reason) = stream::drive(entry, token, core)
                {
                    lifecycle::close(token, reason, &mut self.table, core);
                }
            }
            Entry::Listener(entry) => {
                entry.readable = true;
                if !entry.queued {
                    accept::accept(token, &mut self.table, core);
                }
            }
            Entry::Datagram(entry) => {
                entry.ready.insert(event.ready);
                if !entry.queued {
                    udp::drive(entry, token, core);
                }
            }
            Entry::External(entry) => {
                let began = core.clock();
                (entry.on_ready)(event.ready, &mut core.env);
                if core.env.recorder.is_on() {
                    core.timed(token, Call::Message, began);
                }
            }
        }
    }

    /// A call held the loop: says so, once for all that did in this turn.
    fn tell_stall(&mut self) {
        let Some(stall) = self.core.stall.take() else { return };
        if let Some(on_stall) = &mut self.on_stall {
            on_stall(&stall, &mut self.core.env);
        }
    }

    /// The handshakes that have waited longest, before new ones come with the events.
    fn run_handshakes(&mut self) {
        while self.core.handshakes > 0 {
            let Some(token) = self.core.handshaking.pop_front() else { return };
            if let Some(Entry::Stream(entry)) = self.table.get(token) {
                entry.unqueued();
                self.drive(token);
            }
        }
    }

    /// The run queue as it stood at the start of the turn: what is queued meanwhile waits for the
    /// next one.
    fn run_queue(&mut self, queued: usize) {
        for _ in 0..queued {
            let Some(token) = self.core.run.pop_front() else { return };
            match self.table.get(token) {
                Some(Entry::Stream(entry)) => {
                    entry.unqueued();
                    self.drive(token);
                }
                Some(Entry::Listener(entry)) => {
                    entry.queued = false;
                    accept::accept(token, &mut self.table, &mut self.core);
                }
                Some(Entry::Datagram(entry)) => {
                    entry.queued = false;
                    udp::drive(entry, token, &mut self.core);
                }
                Some(Entry::External(_)) | None => {}
            }
        }
    }

    pub(super) fn drive(&mut self, token: Token) {
        if let Some(Entry::Stream(entry)) = self.table.get(token)
            && let Some(reason) = stream::drive(entry, token, &mut self.core)
        {
            lifecycle::close(token, reason, &mut self.table, &mut self.core);
        }
    }

    /// Expired deadlines, each of them once: one that is put off into the past waits for the next
    /// turn, or it would keep the others from their own.
    fn run_timers(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        while let Some(item) = self.core.timers.pop(self.core.env.now) {
            due.push(item);
        }
        let now = self.core.env.now;
        for (moment, token) in due.drain(..) {
            match self.table.get(token) {
                Some(Entry::Stream(entry)) if entry.armed == moment => {
                    self.core.env.counters.late.record(now.since(moment));
                    if let Some(reason) = stream::fire(entry, token, &mut self.core) {
                        lifecycle::close(token, reason, &mut self.table, &mut self.core);
                    }
                }
                Some(Entry::Listener(entry)) if entry.armed == moment => {
                    accept::retry(token, &mut self.table, &mut self.core);
                }
                _ => {}
            }
        }
        self.due = due;
        let table = &mut self.table;
        self.core.timers.prune(table.len(), |moment, token| match table.get(token) {
            Some(Entry::Stream(entry)) => entry.armed == moment,
            Some(Entry::Listener(entry)) => entry.armed == moment,
            _ => false,
        });
    }

    /// A slot or a descriptor became free: listeners that paused for want of one try again.
    fn resume_listeners(&mut self) {
        if !std::mem::take(&mut self.core.freed) || !self.core.rules.keep(Rule::AcceptRetry) {
            return;
        }
        if self.core.env.paused == 0 {
            return;
        }
        for token in self.table.tokens() {
            if let Some(Entry::Listener(entry)) = self.table.get(token)
                && entry.paused
            {
                accept::queue(entry, token, &mut self.core);
            }
        }
    }
}

/// The entry that an event names.
#[inline]
fn look_up<'t, W: World>(
    table: &'t mut Table<W>,
    token: Token,
    core: &Core<W>,
) -> Option<(Token, &'t mut Entry<W>)> {
    #[cfg(debug_assertions)]
    if !core.rules.keep(Rule::Generation) {
        return table.get_any(token);
    }
    let _ = core;
    table.get(token).map(|entry| (token, entry))
}
