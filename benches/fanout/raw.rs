//! The yardstick: an epoll loop that writes the same frame to every socket.
//!
//! It accepts, answers the first bytes of each connection by the handshake's end, and whatever comes
//! later by the frame, to all. It knows neither HTTP nor WebSocket, keeps nothing but descriptors,
//! and gives up where a socket does not take a whole frame.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use super::crowd;
use crate::support::server::{READ, listen};
use crate::support::sys::{self, Epoll, IN};

/// Serves frames with `bytes` of payload until killed.
pub(crate) fn serve(bytes: usize) -> io::Result<()> {
    let listener = listen(false)?;
    let listener = listener.as_raw_fd();
    let epoll = Epoll::new()?;
    epoll.add(listener, IN, listener as u64)?;
    let frame = crowd::frame(bytes);
    // What is said comes masked, and may come in pieces or together with the next.
    let (said, mut came) = (frame.len() + 4, 0);
    let (mut all, mut is_in): (Vec<RawFd>, Vec<bool>) = (Vec::new(), Vec::new());
    let mut buf = vec![0; READ];
    let mut events = sys::events(1024);
    loop {
        let n = epoll.wait(&mut events, -1)?;
        for event in &events[..n] {
            let fd = event.u64 as RawFd;
            if fd == listener {
                while let Ok(fd) = sys::accept(listener) {
                    all.push(fd);
                    is_in.resize(is_in.len().max(fd as usize + 1), false);
                    epoll.add(fd, IN, fd as u64)?;
                }
                continue;
            }
            let n = sys::recv(fd, &mut buf)?;
            if n == 0 {
                return Ok(());
            }
            if !is_in[fd as usize] {
                is_in[fd as usize] = true;
                sys::send(fd, crowd::ANSWER)?;
                continue;
            }
            came += n;
            while came >= said {
                came -= said;
                tell(&all, &frame)?;
            }
        }
    }
}

fn tell(all: &[RawFd], frame: &[u8]) -> io::Result<()> {
    for &fd in all {
        if sys::send(fd, frame)? < frame.len() {
            return Err(io::Error::other("a socket is full"));
        }
    }
    Ok(())
}
