//! Another way to wait, for comparison: epoll, level-triggered. Linux only.
//!
//! Readiness is told in every poll for as long as it lasts. Nothing can be forgotten; in exchange
//! the loop must say each time what it still wants (`World::want`): a write readiness that it keeps
//! asking for, or input that it does not read, would keep it from ever sleeping.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::reactor::system::{Poller, System};
use crate::reactor::world::{Readiness, Ready, Wake};
use crate::token::Token;

/// Events taken from the kernel at a time.
const EVENTS: usize = 1024;

/// The waker's token: no entry ever has it.
const WAKE: u64 = u64::MAX;

/// A world that is told of readiness for as long as it lasts.
pub type Level<P = ()> = System<LevelPoller, P>;

/// epoll, level-triggered.
pub struct LevelPoller {
    epoll: Epoll,
    events: Vec<EpollEvent>,
    waker: Arc<EventFd>,
    /// What each descriptor is watched for, by its number, so that a change is asked of the system
    /// only if it is one.
    wanted: Vec<Ready>,
}

impl Poller for LevelPoller {
    const LEVEL: bool = true;

    fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let waker = EventFd::from_value_and_flags(0, flags)?;
        epoll.add(&waker, EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        Ok(LevelPoller {
            epoll,
            events: vec![EpollEvent::empty(); EVENTS],
            waker: Arc::new(waker),
            wanted: Vec::new(),
        })
    }

    fn poll(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        let count = match self.epoll.wait(&mut self.events, milliseconds(timeout)) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in self.events.iter().take(count) {
            if event.data() == WAKE {
                // Told again and again too, until it is taken.
                let _ = self.waker.read();
                continue;
            }
            ready.push(Readiness {
                token: Token::from_u64(event.data()),
                ready: bits(event.events()),
            });
        }
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(LevelWaker(Arc::clone(&self.waker)))
    }

    fn add(&mut self, fd: BorrowedFd<'_>, token: Token, wanted: Ready) -> io::Result<()> {
        self.epoll.add(fd, EpollEvent::new(flags(wanted), token.as_u64()))?;
        self.note(fd, wanted);
        Ok(())
    }

    fn change(&mut self, fd: BorrowedFd<'_>, token: Token, wanted: Ready) -> io::Result<()> {
        if self.note(fd, wanted) != Some(wanted) {
            self.epoll.modify(fd, &mut EpollEvent::new(flags(wanted), token.as_u64()))?;
        }
        Ok(())
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) {
        // It fails if the host has closed it already, which is as good.
        let _ = self.epoll.delete(fd);
    }
}

impl LevelPoller {
    /// Notes what a descriptor is watched for; answers what it was until now.
    fn note(&mut self, fd: BorrowedFd<'_>, wanted: Ready) -> Option<Ready> {
        let index = usize::try_from(fd.as_raw_fd()).ok()?;
        if index >= self.wanted.len() {
            self.wanted.resize(index + 1, Ready::default());
        }
        self.wanted.get_mut(index).map(|known| std::mem::replace(known, wanted))
    }
}

/// In whole milliseconds, and never too early.
fn milliseconds(timeout: Option<Duration>) -> EpollTimeout {
    timeout.map_or(EpollTimeout::NONE, |timeout| {
        let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
        EpollTimeout::try_from(milliseconds).unwrap_or(EpollTimeout::MAX)
    })
}

fn flags(wanted: Ready) -> EpollFlags {
    let mut flags = EpollFlags::empty();
    flags.set(EpollFlags::EPOLLIN, wanted.has(Ready::READABLE));
    flags.set(EpollFlags::EPOLLOUT, wanted.has(Ready::WRITABLE));
    flags
}

#[inline]
fn bits(flags: EpollFlags) -> Ready {
    let mut ready = Ready::default();
    if flags.contains(EpollFlags::EPOLLIN) {
        ready.insert(Ready::READABLE);
    }
    if flags.contains(EpollFlags::EPOLLOUT) {
        ready.insert(Ready::WRITABLE);
    }
    // These are told whether or not anybody asked.
    if flags.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
        ready.insert(Ready::READABLE);
        ready.insert(Ready::CLOSED);
    }
    ready
}

struct LevelWaker(Arc<EventFd>);

impl Wake for LevelWaker {
    fn wake(&self) {
        // It fails only if nobody has taken a great many wakes: one is enough.
        let _ = self.0.write(1);
    }
}
