//! Another way to wait, for comparison: not at all. Every socket is tried in every turn.
//!
//! This is what non-blocking calls in a busy loop come to. It answers soonest while there are few
//! connections, takes a whole core also when nothing happens, and each turn costs a system call for
//! each connection that has nothing to say.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use crate::reactor::system::{Poller, System};
use crate::reactor::world::{Readiness, Ready, Wake};
use crate::token::Token;

/// A world that never waits.
pub type Spin<P = ()> = System<SpinPoller, P>;

/// Claims in every poll that everything is ready; what is not will say so.
pub struct SpinPoller {
    watched: BTreeMap<RawFd, Readiness>,
}

impl Poller for SpinPoller {
    /// Whatever is not wanted need not be tried.
    const LEVEL: bool = true;

    fn new() -> io::Result<Self> {
        Ok(SpinPoller { watched: BTreeMap::new() })
    }

    fn poll(&mut self, ready: &mut Vec<Readiness>, _: Option<Duration>) -> io::Result<()> {
        let wanted = self.watched.values().filter(|watched| watched.ready != Ready::default());
        ready.extend(wanted);
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(Sleepless)
    }

    fn add(&mut self, fd: BorrowedFd<'_>, token: Token, wanted: Ready) -> io::Result<()> {
        self.watched.insert(fd.as_raw_fd(), Readiness { token, ready: wanted });
        Ok(())
    }

    fn change(&mut self, fd: BorrowedFd<'_>, token: Token, wanted: Ready) -> io::Result<()> {
        self.add(fd, token, wanted)
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) {
        self.watched.remove(&fd.as_raw_fd());
    }

    fn closing(&mut self, fd: BorrowedFd<'_>) {
        self.remove(fd);
    }
}

/// Whoever never sleeps need not be woken.
struct Sleepless;

impl Wake for Sleepless {
    fn wake(&self) {}
}
