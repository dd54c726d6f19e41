//! Carrying out wishes: what sessions recorded as [`Op`]s, and what other threads commanded.
//!
//! The turn calls it when no session is at work, so nothing here re-enters one.

use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::CloseReason;
use crate::probe::{Call, Fact};
use crate::reactor::handle::Handle;
use crate::reactor::table::Entry;
use crate::reactor::world::World;
use crate::reactor::{Reactor, dial, lifecycle};
use crate::session::{CloseMode, Destination, Message, OffloadFailed, Op, Session};
use crate::token::Token;

impl<W: World> Reactor<W> {
    /// Carries out what sessions and other threads wished for. What these wishes lead to waits for
    /// the next turn, so two sessions that write to each other cannot hold the loop.
    pub(super) fn apply_ops(&mut self) {
        let mut ops = std::mem::take(&mut self.core.env.ops);
        if ops.len() > 1 {
            self.announce(&ops);
        }
        for op in ops.drain(..) {
            match op {
                Op::Send(token, message) => self.send(token, message),
                op => self.apply(op),
            }
        }
        // The list keeps its memory; wishes made meanwhile are few.
        ops.append(&mut self.core.env.ops);
        self.core.env.ops = ops;
    }

    /// Tells each receiver how many messages come, so that it is written to once, right after the
    /// last: its entry and its session are at hand then, and nothing must be kept meanwhile.
    fn announce(&mut self, ops: &[Op]) {
        for op in ops {
            if let Op::Send(token, _) = op
                && let Some(Entry::Stream(entry)) = self.table.get(*token)
            {
                entry.expected = entry.expected.saturating_add(1);
            }
        }
    }

    /// Delivers an announced message.
    fn send(&mut self, token: Token, message: Message) {
        let core = &mut self.core;
        let Some(Entry::Stream(entry)) = self.table.get(token) else {
            return core.fact(Fact::Stale { token });
        };
        entry.expected = entry.expected.saturating_sub(1);
        let over = entry.hear(token, core, |connection, io| connection.message(message, io));
        if let Some(reason) = over {
            lifecycle::close(token, reason, &mut self.table, core);
        }
    }

    /// Carries out one wish; whoever is sent something is written to at the end of the turn.
    pub(super) fn apply(&mut self, op: Op) {
        let core = &mut self.core;
        match op {
            Op::Send(token, message) => match self.table.get(token) {
                Some(Entry::Stream(entry)) => {
                    entry.deliver(token, Call::Message, core, |connection, io| {
                        connection.message(message, io);
                    });
                }
                _ => core.fact(Fact::Stale { token }),
            },
            Op::Close(token, mode) => self.close(token, mode),
            Op::Offload(token, tag, job) => {
                let handle = Handle::new(Arc::clone(&self.shared));
                let done =
                    move |message| handle.deliver(token, OffloadFailed::tagged(message, tag));
                if !core.world.offload(job, Box::new(done)) {
                    core.env.ops.push(Op::Send(token, Message::any(OffloadFailed { tag })));
                }
            }
            Op::Dial(to, session) => self.dial_by_name(to, session),
            Op::Drain(deadline) => self.drain(deadline),
            Op::Stop => self.stopped = true,
        }
    }

    fn dial_by_name(&mut self, to: Destination, mut session: Box<dyn Session>) {
        match self.destinations.get(to.0 as usize) {
            Some(dial) => {
                dial::dial(&Rc::clone(dial), session, &mut self.table, &mut self.core);
            }
            // A name that another loop has given.
            None => session.on_close(CloseReason::Io(ErrorKind::NotFound), &mut self.core.env),
        }
    }

    /// Connections that got messages and were not written to yet: one write each.
    pub(super) fn drive_dirty(&mut self) {
        let mut dirty = std::mem::take(&mut self.core.dirty);
        for token in dirty.drain(..) {
            if let Some(Entry::Stream(entry)) = self.table.get(token) {
                entry.cleaned();
                self.drive(token);
            }
        }
        dirty.append(&mut self.core.dirty);
        self.core.dirty = dirty;
    }

    /// Gives back what is no connection.
    fn remove(&mut self, token: Token) {
        match self.table.remove(token) {
            Some(Entry::Listener(entry)) => {
                self.core.env.paused -= usize::from(entry.paused);
                self.core.world.unlisten(entry.listener);
            }
            Some(Entry::Datagram(entry)) => self.core.world.unbind(entry.socket),
            Some(Entry::External(entry)) => self.core.world.unwatch(entry.source),
            Some(Entry::Stream(_)) | None => return,
        }
        self.core.fact(Fact::Removed { token });
    }

    /// Closes a listener, a datagram socket or a connection.
    pub fn close(&mut self, token: Token, mode: CloseMode) {
        match self.table.get(token) {
            // Not by a drive, which would first send what waits.
            Some(Entry::Stream(_)) if mode == CloseMode::Abort => {
                lifecycle::close(token, CloseReason::Aborted, &mut self.table, &mut self.core);
            }
            Some(Entry::Stream(entry)) => {
                entry.deliver(token, Call::Shutdown, &mut self.core, |connection, io| {
                    connection.close_by(mode, CloseReason::Aborted, io);
                });
            }
            Some(_) => self.remove(token),
            None => self.core.fact(Fact::Stale { token }),
        }
    }
}
