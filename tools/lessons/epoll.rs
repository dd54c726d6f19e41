//! The stage's system calls for lessons that use epoll itself, which mio hides. Linux only.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout};

use crate::Token;
use crate::probe::Fact;
use crate::probe::LEVEL;

use super::{Stage, TICK};

impl Stage {
    /// Waits for events, for at most `most` and never longer than [`TICK`]; answers how many came.
    pub fn epoll_wait(
        &self,
        epoll: &Epoll,
        events: &mut [EpollEvent],
        most: Duration,
    ) -> io::Result<usize> {
        let (began, most) = (self.now(), most.min(TICK));
        let timeout = EpollTimeout::try_from(most).unwrap_or(EpollTimeout::ZERO);
        let count = match epoll.wait(events, timeout) {
            Err(Errno::EINTR) => 0,
            result => result?,
        };
        self.note(Fact::Polled { began, until: began + most, events: count });
        Ok(count)
    }

    /// Has a socket watched: level-triggered, unless `flags` have `EPOLLET`.
    pub fn epoll_add(
        &self,
        token: Token,
        epoll: &Epoll,
        socket: impl AsFd,
        flags: EpollFlags,
    ) -> io::Result<()> {
        epoll.add(socket, EpollEvent::new(flags, token.as_u64()))?;
        self.note(Fact::Interest { token, bits: wanted(flags) });
        Ok(())
    }

    /// Has it watched for something else.
    pub fn epoll_modify(
        &self,
        token: Token,
        epoll: &Epoll,
        socket: impl AsFd,
        flags: EpollFlags,
    ) -> io::Result<()> {
        epoll.modify(socket, &mut EpollEvent::new(flags, token.as_u64()))?;
        self.note(Fact::Interest { token, bits: wanted(flags) });
        Ok(())
    }

    /// A socket has an event: notes the readiness bits.
    pub fn epoll_event(&self, token: Token, event: &EpollEvent) {
        let has = |flag| u8::from(event.events().intersects(flag));
        let bits = has(EpollFlags::EPOLLIN)
            | has(EpollFlags::EPOLLOUT) << 1
            | has(EpollFlags::EPOLLRDHUP) << 2
            | has(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) << 3;
        self.note(Fact::Event { token, bits });
    }

    /// From here on this thread has a table of descriptors of its own, in which `left` are free;
    /// the others are taken for as long as what is returned lives. Clients whose threads began before
    /// do not notice, nor does the page.
    pub fn few_descriptors(&self, left: usize) -> io::Result<Vec<std::fs::File>> {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        /// Enough for everybody else, and soon taken.
        const LIMIT: u64 = 4096;
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES)?;
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        if soft > LIMIT {
            setrlimit(Resource::RLIMIT_NOFILE, LIMIT, hard)?;
        }
        let mut ballast = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            ballast.push(file);
        }
        ballast.truncate(ballast.len().saturating_sub(left));
        self.note(Fact::Descriptors { used: 0, limit: left });
        Ok(ballast)
    }
}

/// The bits of an interest, with the one that says how it is triggered.
fn wanted(flags: EpollFlags) -> u8 {
    let mut bits = u8::from(flags.contains(EpollFlags::EPOLLIN))
        | u8::from(flags.contains(EpollFlags::EPOLLOUT)) << 1;
    if !flags.contains(EpollFlags::EPOLLET) {
        bits |= LEVEL;
    }
    bits
}
