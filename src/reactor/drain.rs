//! The graceful end: listeners first, then everybody is told, then the deadline cuts.
//!
//! A request that reached us before the drain began is answered. That is why listeners do not
//! close at once: connections whose handshake is under way in the kernel, or that wait to be
//! accepted, may carry a request already, and closing the listener would reset them. New ones are
//! turned away meanwhile, where the system can do that, and after `Limits::drain_idle` the
//! listener closes.

use std::time::Duration;

use crate::error::CloseReason;
use crate::probe::Call;
use crate::reactor::Reactor;
use crate::reactor::table::Entry;
use crate::reactor::world::World;
use crate::reactor::{accept, lifecycle};
use crate::session::CloseMode;
use crate::time::Moment;
use crate::token::Token;

/// How far the end of a loop is.
#[derive(Debug, Default)]
pub(crate) enum Drain {
    /// It has not begun.
    #[default]
    No,
    /// New connections are turned away, those under way are still accepted.
    Accepting {
        /// When the listeners close.
        until: Moment,
        /// When everything is cut off.
        deadline: Moment,
    },
    /// The listeners are closed; connections finish.
    Finishing {
        /// When everything is cut off.
        deadline: Moment,
    },
    /// Nothing is left.
    Over,
}

impl Drain {
    /// When to look again.
    pub(crate) fn next(&self) -> Moment {
        match *self {
            Drain::No => Moment::NEVER,
            Drain::Accepting { until, deadline } => until.min(deadline),
            Drain::Finishing { deadline } => deadline,
            Drain::Over => Moment::START,
        }
    }

    fn hasten(&mut self, sooner: Moment) {
        if let Drain::Accepting { deadline, .. } | Drain::Finishing { deadline } = self {
            *deadline = sooner.min(*deadline);
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Drain::Over)
    }
}

impl<W: World> Reactor<W> {
    /// Ends the loop gracefully: accepts nobody new, lets what is in flight finish, tells idle
    /// connections, and cuts off what is still open after `deadline`. [`run`](Self::run) returns
    /// when all is over. A second call can only bring the deadline forward.
    pub fn drain(&mut self, deadline: Duration) {
        self.read_clock();
        let now = self.core.env.now;
        if !matches!(self.drain, Drain::No) {
            return self.drain.hasten(now + deadline);
        }
        self.core.env.draining = true;
        let until = now + self.core.env.limits.drain_idle;
        self.drain = Drain::Accepting { until, deadline: now + deadline };
        for token in self.table.tokens() {
            match self.table.get(token) {
                Some(Entry::Listener(entry)) => self.core.world.refuse(&entry.listener),
                Some(Entry::Stream(entry)) => {
                    let core = &mut self.core;
                    entry.deliver(token, Call::Shutdown, core, |connection, io| {
                        connection.shutdown(io);
                    });
                }
                _ => {}
            }
        }
    }

    /// The drain's part of a turn.
    pub(crate) fn keep_draining(&mut self) {
        let now = self.core.env.now;
        if let Drain::Accepting { until, deadline } = self.drain
            && now >= until.min(deadline)
        {
            self.close_listeners();
            self.drain = Drain::Finishing { deadline };
        }
        if let Drain::Finishing { deadline } = self.drain {
            if now >= deadline {
                self.cut_off();
            }
            if self.core.env.live == 0 {
                self.drain = Drain::Over;
            }
        }
    }

    fn close_listeners(&mut self) {
        for token in self.table.tokens() {
            if let Some(Entry::Listener(entry)) = self.table.get(token) {
                // An edge that is still on its way would come too late.
                entry.readable = true;
                self.accept_rest(token);
            }
            if let Some(Entry::Listener(_) | Entry::Datagram(_)) = self.table.get(token) {
                self.close(token, CloseMode::Abort);
            }
        }
    }

    /// Whoever waits to be accepted is accepted, within reason.
    fn accept_rest(&mut self, token: Token) {
        for _ in 0..64 {
            match self.table.get(token) {
                Some(Entry::Listener(entry)) if entry.readable && !entry.paused => {
                    accept::accept(token, &mut self.table, &mut self.core);
                }
                _ => return,
            }
        }
    }

    fn cut_off(&mut self) {
        for token in self.table.tokens() {
            lifecycle::close(token, CloseReason::Drained, &mut self.table, &mut self.core);
        }
    }
}
