//! The system calls of the benches that no safe crate wraps, behind safe functions: the only
//! unsafe code of the benches. Linux.
//!
//! Descriptors are plain numbers here because the raw loop, the yardstick, keeps its state in an
//! array indexed by them.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// One readiness event of [`Epoll::wait`].
pub(crate) type Event = libc::epoll_event;

pub(crate) const IN: u32 = libc::EPOLLIN as u32;
pub(crate) const OUT: u32 = libc::EPOLLOUT as u32;

/// An event buffer for [`Epoll::wait`].
pub(crate) fn events(count: usize) -> Vec<Event> {
    vec![Event { events: 0, u64: 0 }; count]
}

/// An epoll instance.
pub(crate) struct Epoll(RawFd);

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer.
        check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).map(Epoll)
    }

    pub(crate) fn add(&self, fd: RawFd, interest: u32, data: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, interest, data)
    }

    pub(crate) fn modify(&self, fd: RawFd, interest: u32, data: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, interest, data)
    }

    fn control(&self, op: i32, fd: RawFd, interest: u32, data: u64) -> io::Result<()> {
        let mut event = Event { events: interest, u64: data };
        // SAFETY: `event` outlives the call, which only reads it.
        check(unsafe { libc::epoll_ctl(self.0, op, fd, &raw mut event) }).map(drop)
    }

    /// Waits for events; a negative `timeout_ms` waits without limit. An interrupted wait is an
    /// empty success.
    pub(crate) fn wait(&self, into: &mut [Event], timeout_ms: i32) -> io::Result<usize> {
        // SAFETY: the kernel writes at most `into.len()` events, each of which is plain data.
        let n =
            unsafe { libc::epoll_wait(self.0, into.as_mut_ptr(), into.len() as i32, timeout_ms) };
        match check(n) {
            Ok(n) => Ok(n as usize),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// Accepts one connection, non-blocking.
#[inline]
pub(crate) fn accept(listener: RawFd) -> io::Result<RawFd> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: null address pointers ask for no address.
    check(unsafe { libc::accept4(listener, std::ptr::null_mut(), std::ptr::null_mut(), flags) })
}

#[inline]
pub(crate) fn recv(fd: RawFd, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most `into.len()` bytes.
    count(unsafe { libc::recv(fd, into.as_mut_ptr().cast(), into.len(), 0) })
}

#[inline]
pub(crate) fn send(fd: RawFd, from: &[u8]) -> io::Result<usize> {
    // SAFETY: the kernel reads at most `from.len()` bytes.
    count(unsafe { libc::send(fd, from.as_ptr().cast(), from.len(), libc::MSG_NOSIGNAL) })
}

#[inline]
pub(crate) fn close(fd: RawFd) {
    // SAFETY: takes no pointer. The loops here close each descriptor once.
    unsafe { libc::close(fd) };
}

/// Makes a listener report a connection only when its first bytes are there.
pub(crate) fn defer_accept(listener: &impl AsRawFd) -> io::Result<()> {
    let seconds: i32 = 1;
    // SAFETY: the option's value is an `int` that outlives the call.
    check(unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_DEFER_ACCEPT,
            (&raw const seconds).cast(),
            size_of::<i32>() as u32,
        )
    })
    .map(drop)
}

/// Raises the soft limit of open files to the hard one and answers with it.
pub(crate) fn raise_files() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls use a live `rlimit`.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    Ok(limit.rlim_cur)
}

/// The processors that this process may run on.
pub(crate) fn cores() -> io::Result<Vec<usize>> {
    // SAFETY: an all-zero `cpu_set_t` is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is live and its size is given.
    check(unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) })?;
    // SAFETY: the index stays below the size of the set.
    Ok((0..libc::CPU_SETSIZE as usize)
        .filter(|&core| unsafe { libc::CPU_ISSET(core, &set) })
        .collect())
}

/// Keeps this process on one processor.
pub(crate) fn pin(core: usize) -> io::Result<()> {
    // SAFETY: an all-zero `cpu_set_t` is the empty set; `CPU_SET` checks its index.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: `set` is live and its size is given.
    check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) })
        .map(drop)
}

/// Makes this process end with its parent, and lets a sibling (strace) trace it.
pub(crate) fn follow_parent() {
    // SAFETY: these options take no pointers. A failure only costs comfort.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY);
    }
}

/// Sends SIGINT to a child of this process.
pub(crate) fn interrupt(child: &std::process::Child) {
    // SAFETY: takes no pointer; a child that was not waited for still owns its id.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
}

/// The processor time that this thread has used.
#[allow(dead_code, reason = "only the bench `tls` times itself")]
pub(crate) fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is live.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[inline]
fn count(result: isize) -> io::Result<usize> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as usize) }
}
