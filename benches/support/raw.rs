//! The yardstick: raw epoll loops that parse nothing.
//!
//! Level-triggered, state in an array indexed by descriptor, one `recv` and one `send` for each
//! readiness, no `epoll_ctl` but the first. Requests are counted by dividing the bytes received by
//! the known length of a request, so a pipelined batch is answered by one `send`. There is no
//! loop around sockets that does less and still answers.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use super::server::{Http, READ, listen};
use super::sys::{self, Epoll, IN, OUT};

/// What the loop knows of one descriptor.
#[derive(Clone, Default)]
struct Peer {
    /// Bytes received of a request that is not complete.
    partial: usize,
    /// Bytes of answers that the socket did not take yet.
    owed: usize,
}

/// Serves HTTP until killed.
pub(crate) fn http(how: &Http) -> io::Result<()> {
    let listener = listen(how.defer)?;
    let answers = how.batch();
    serve(listener.as_raw_fd(), how, |epoll, peer, fd, buf, events| {
        if events & OUT != 0 {
            flush(epoll, peer, fd, &answers)?;
            if peer.owed == 0 {
                epoll.modify(fd, IN, fd as u64)?;
            }
            return Ok(true);
        }
        let n = match sys::recv(fd, buf) {
            Ok(0) => return Ok(false),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(_) => return Ok(false),
        };
        let bytes = peer.partial + n;
        peer.partial = bytes % how.request;
        let requests = bytes / how.request;
        if requests == 0 {
            return Ok(true);
        }
        peer.owed = requests * how.answer.len();
        flush(epoll, peer, fd, &answers)?;
        Ok(!how.close)
    })
}

/// Sends what is owed; the answers end where the batch ends, so the rest is always its tail.
#[inline]
fn flush(epoll: &Epoll, peer: &mut Peer, fd: RawFd, answers: &[u8]) -> io::Result<()> {
    match sys::send(fd, &answers[answers.len() - peer.owed..]) {
        Ok(n) => peer.owed -= n,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        // The next `recv` finds the socket closed.
        Err(_) => peer.owed = 0,
    }
    if peer.owed > 0 {
        epoll.modify(fd, OUT, fd as u64)?;
    }
    Ok(())
}

/// Sends back what it gets until killed.
pub(crate) fn echo() -> io::Result<()> {
    let listener = listen(false)?;
    // What a socket did not take, by descriptor.
    let mut rests: Vec<Vec<u8>> = Vec::new();
    serve(listener.as_raw_fd(), &Http::default(), |epoll, _, fd, buf, events| {
        let index = fd as usize;
        if index >= rests.len() {
            rests.resize_with(index + 1, Vec::new);
        }
        let rest = &mut rests[index];
        if events & OUT != 0 {
            let Ok(n) = sys::send(fd, rest) else { return Ok(false) };
            rest.drain(..n);
            if rest.is_empty() {
                epoll.modify(fd, IN, fd as u64)?;
            }
            return Ok(true);
        }
        let n = match sys::recv(fd, buf) {
            Ok(0) | Err(_) => {
                rest.clear();
                return Ok(false);
            }
            Ok(n) => n,
        };
        let sent = match sys::send(fd, &buf[..n]) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return Ok(false),
        };
        if sent < n {
            rest.extend_from_slice(&buf[sent..n]);
            epoll.modify(fd, OUT, fd as u64)?;
        }
        Ok(true)
    })
}

/// The loop. `ready` is called for each readable or writable connection and answers whether it
/// stays open.
#[inline(always)]
fn serve(
    listener: RawFd,
    how: &Http,
    mut ready: impl FnMut(&Epoll, &mut Peer, RawFd, &mut [u8], u32) -> io::Result<bool>,
) -> io::Result<()> {
    let epoll = Epoll::new()?;
    epoll.add(listener, IN, listener as u64)?;
    let mut peers = vec![Peer::default(); 1024];
    let mut buf = vec![0; READ];
    let mut events = sys::events(1024);
    loop {
        let n = epoll.wait(&mut events, -1)?;
        for event in &events[..n] {
            let (fd, bits) = (event.u64 as RawFd, event.events);
            if fd != listener {
                if !ready(&epoll, &mut peers[fd as usize], fd, &mut buf, bits)? {
                    sys::close(fd);
                }
                continue;
            }
            while let Ok(fd) = sys::accept(listener) {
                let index = fd as usize;
                if index >= peers.len() {
                    peers.resize(index + 1024, Peer::default());
                }
                peers[index] = Peer::default();
                // With deferred accept the request is there already: answering it now saves the
                // registration and a wait.
                if how.defer && !ready(&epoll, &mut peers[index], fd, &mut buf, IN)? {
                    sys::close(fd);
                    continue;
                }
                epoll.add(fd, IN, fd as u64)?;
            }
        }
    }
}
