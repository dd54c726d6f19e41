//! The write side of a blocking connection: what `reactor/write.rs` is to the reactor.
//!
//! A blocking write takes all it is given, so nothing is kept for later. Only when its time-out came
//! first, or when a file or many shared parts are to be sent, the rest goes through a backlog, which
//! also measures whether the peer takes enough in its window.

use std::io::{self, ErrorKind, IoSlice};

use super::driver::{Desk, Line};
use crate::buf::Backlog;
use crate::connection::Life;
use crate::error::CloseReason;
use crate::probe::Fact;
use crate::socket::Stream;

/// Runs of bytes that one write takes.
const SLICES: usize = 16;

impl Line {
    /// Sends what the session said. Answers why the connection is over, if it is.
    #[inline]
    pub(super) fn write(&mut self, desk: &mut Desk) -> Option<CloseReason> {
        if desk.out.is_empty() {
            return None;
        }
        let result = if desk.out.has_insets() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = desk.out.gather(&mut slices);
            let slices = slices.get(..count).unwrap_or_default();
            // What is too much for one write, and files, go by the backlog altogether.
            if length(slices) == desk.out.len() { write(&mut self.wire, slices) } else { Ok(0) }
        } else if matches!(self.connection.life(), Life::Flushing | Life::Lingering) {
            self.wire.write_last(&desk.out.bytes)
        } else {
            self.wire.write(&desk.out.bytes)
        };
        let offered = desk.out.len();
        match self.wrote(result, offered, desk) {
            Err(reason) => {
                desk.out.clear();
                Some(reason)
            }
            Ok(taken) if taken == offered => {
                desk.out.clear();
                None
            }
            Ok(taken) => {
                let Desk { out, env, .. } = desk;
                self.backlog.take(out, env.now, &env.limits);
                self.backlog.consume(taken);
                self.flush(desk)
            }
        }
    }

    /// Sends the first `count` bytes read back from where they lie.
    pub(super) fn write_back(&mut self, count: usize, desk: &mut Desk) -> Option<CloseReason> {
        let result = self.wire.write(desk.scratch.get(..count).unwrap_or_default());
        match self.wrote(result, count, desk) {
            Err(reason) => Some(reason),
            Ok(taken) if taken == count => None,
            Ok(taken) => {
                let Desk { scratch, env, .. } = desk;
                let rest = scratch.get(taken..count).unwrap_or_default();
                self.backlog.push(rest, env.now, &env.limits);
                self.flush(desk)
            }
        }
    }

    /// What a write came to: how much was taken.
    #[inline]
    fn wrote(
        &mut self,
        result: io::Result<usize>,
        asked: usize,
        desk: &mut Desk,
    ) -> Result<usize, CloseReason> {
        match result {
            Ok(0) => Ok(0),
            Ok(count) => {
                desk.fact(Fact::Wrote { token: self.token, asked, bytes: count });
                Ok(count)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                desk.fact(Fact::Blocked { token: self.token, writing: true });
                Ok(0)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(CloseReason::from_io(&error)),
        }
    }

    /// Writes what waits, until it is gone or the peer takes too little.
    #[cold]
    fn flush(&mut self, desk: &mut Desk) -> Option<CloseReason> {
        while !self.backlog.is_empty() {
            desk.tick();
            if let over @ Some(_) = self.stuck(desk) {
                return over;
            }
            if desk.gate.is_cut() {
                return Some(CloseReason::Drained);
            }
            if !self.files && self.backlog.next_file().is_some() {
                self.files = true;
                self.wire.expect_files();
            }
            let sends_file = self.backlog.next_file().is_some();
            let offered = self.backlog.len();
            let result = send(&mut self.wire, &self.backlog);
            if sends_file && matches!(result, Ok(0)) {
                log::error!("a file became shorter while it was sent");
                return Some(CloseReason::Aborted);
            }
            match self.wrote(result, offered, desk) {
                Ok(taken) => self.backlog.consume(taken),
                Err(reason) => return Some(reason),
            }
        }
        None
    }
}

/// Writes the first of what waits.
fn send(wire: &mut impl Stream, backlog: &Backlog) -> io::Result<usize> {
    if let Some(span) = backlog.next_file() {
        return wire.send_file(span);
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    let count = backlog.gather(&mut slices);
    write(wire, slices.get(..count).unwrap_or_default())
}

fn write(wire: &mut impl Stream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match slices {
        [bytes] => wire.write(bytes),
        slices => wire.write_vectored(slices),
    }
}

fn length(slices: &[IoSlice<'_>]) -> usize {
    slices.iter().map(|slice| slice.len()).sum()
}
