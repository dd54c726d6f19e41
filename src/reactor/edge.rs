//! The default way to wait: epoll or kqueue, edge-triggered, through mio.
//!
//! Each readiness is told once, when it begins, and costs nothing while it lasts. The price is that
//! the loop must remember it (`stream.rs`): whoever forgets a bit never hears of it again.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Waker};

use crate::probe::Probe;
use crate::reactor::Reactor;
use crate::reactor::system::{Poller, System};
use crate::reactor::world::{Readiness, Ready, Wake};
use crate::token::Token;

/// Events taken from the kernel at a time.
const EVENTS: usize = 1024;

/// The waker's token: no entry ever has it.
const WAKE: mio::Token = mio::Token(usize::MAX);

/// The default world. `P` hears the facts of the loop.
pub type Edge<P = ()> = System<EdgePoller, P>;

/// epoll or kqueue, edge-triggered.
pub struct EdgePoller {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
}

impl Poller for EdgePoller {
    const LEVEL: bool = false;

    fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        Ok(EdgePoller { poll, events: Events::with_capacity(EVENTS), waker })
    }

    fn poll(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            if event.token() != WAKE {
                ready.push(Readiness {
                    token: Token::from_u64(event.token().0 as u64),
                    ready: bits(event),
                });
            }
        }
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(EdgeWaker(Arc::clone(&self.waker)))
    }

    fn add(&mut self, fd: BorrowedFd<'_>, token: Token, wanted: Ready) -> io::Result<()> {
        let token = mio::Token(token.as_u64() as usize);
        self.poll.registry().register(&mut SourceFd(&fd.as_raw_fd()), token, interest(wanted))
    }

    fn change(&mut self, fd: BorrowedFd<'_>, token: Token, wanted: Ready) -> io::Result<()> {
        let token = mio::Token(token.as_u64() as usize);
        self.poll.registry().reregister(&mut SourceFd(&fd.as_raw_fd()), token, interest(wanted))
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) {
        // It fails if the host has closed it already, which is as good.
        let _ = self.poll.registry().deregister(&mut SourceFd(&fd.as_raw_fd()));
    }
}

fn interest(wanted: Ready) -> Interest {
    if wanted.has(Ready::WRITABLE) {
        Interest::READABLE | Interest::WRITABLE
    } else {
        Interest::READABLE
    }
}

/// The loop's own descriptor, for a host with a poll of its own: readable, level-triggered,
/// whenever a turn would find events.
impl<P: Probe> AsFd for Reactor<Edge<P>> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.core.world.as_fd()
    }
}

/// The poll's own descriptor: readable, level-triggered, whenever a turn would find events.
impl<P: Probe> AsFd for Edge<P> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poller.poll.registry().as_fd()
    }
}

impl<P: Probe> AsRawFd for Edge<P> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

#[inline]
fn bits(event: &mio::event::Event) -> Ready {
    let mut ready = Ready::default();
    if event.is_readable() {
        ready.insert(Ready::READABLE);
    }
    if event.is_writable() {
        ready.insert(Ready::WRITABLE);
    }
    if event.is_read_closed() {
        ready.insert(Ready::READABLE);
        ready.insert(Ready::READ_CLOSED);
    }
    if event.is_error() || event.is_read_closed() && event.is_write_closed() {
        ready.insert(Ready::READABLE);
        ready.insert(Ready::CLOSED);
    }
    ready
}

struct EdgeWaker(Arc<Waker>);

impl Wake for EdgeWaker {
    fn wake(&self) {
        // The only failure is a loop that is gone.
        let _ = self.0.wake();
    }
}
