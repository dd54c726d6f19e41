//! UDP in batches: `recvmmsg` and `sendmmsg` where the system has them.

use std::io;
use std::net::SocketAddr;

use socket2::SockRef;

use crate::session::datagram::{Datagram, Outbox, Peer};

#[cfg(target_os = "linux")]
pub(crate) use batched::Batch;
#[cfg(not(target_os = "linux"))]
pub(crate) use single::Batch;

/// Room for the longest UDP datagram.
const BYTES: usize = 64 * 1024;

#[cfg(target_os = "linux")]
mod batched {
    use super::*;
    use std::io::{IoSlice, IoSliceMut};
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};

    /// Datagrams per system call.
    const BATCH: usize = 32;

    /// The buffers of one socket. Their pages are touched only as far as datagrams reach.
    pub(crate) struct Batch {
        buffers: Vec<u8>,
        senders: Vec<(Peer, usize, bool)>,
    }

    impl Batch {
        pub(crate) fn new() -> Self {
            Batch { buffers: vec![0; BATCH * BYTES], senders: Vec::with_capacity(BATCH) }
        }

        pub(crate) fn receive(
            &mut self,
            socket: SockRef<'_>,
            max: usize,
            each: &mut dyn FnMut(Datagram<'_>),
        ) -> io::Result<usize> {
            let count = max.min(BATCH);
            self.senders.clear();
            let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(count, None);
            {
                let mut slices: Vec<[IoSliceMut<'_>; 1]> = self
                    .buffers
                    .chunks_mut(BYTES)
                    .take(count)
                    .map(|buffer| [IoSliceMut::new(buffer)])
                    .collect();
                let flags = MsgFlags::MSG_DONTWAIT;
                let results =
                    recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None)?;
                for result in results {
                    let peer =
                        result.address.as_ref().and_then(inet).map_or(Peer::Unnamed, Peer::Inet);
                    self.senders.push((
                        peer,
                        result.bytes,
                        result.flags.contains(MsgFlags::MSG_TRUNC),
                    ));
                }
            }
            for ((from, length, truncated), buffer) in
                self.senders.iter().zip(self.buffers.chunks(BYTES))
            {
                each(Datagram { from, data: &buffer[..*length], truncated: *truncated });
            }
            Ok(self.senders.len())
        }

        pub(crate) fn send(&mut self, socket: SockRef<'_>, outbox: &Outbox) -> io::Result<usize> {
            let count = outbox.len().min(BATCH);
            let slices: Vec<[IoSlice<'_>; 1]> =
                outbox.iter().take(count).map(|(_, data)| [IoSlice::new(data)]).collect();
            let addresses: Vec<Option<SockaddrStorage>> =
                outbox.iter().take(count).map(|(to, _)| storage(to)).collect();
            if addresses.first().is_some_and(Option::is_none) {
                return Err(io::ErrorKind::AddrNotAvailable.into());
            }
            let mut headers = MultiHeaders::preallocate(count, None);
            let flags = MsgFlags::MSG_DONTWAIT;
            let sent = sendmmsg(socket.as_raw_fd(), &mut headers, &slices, &addresses, [], flags)?;
            Ok(sent.count())
        }
    }

    fn inet(storage: &SockaddrStorage) -> Option<SocketAddr> {
        if let Some(v4) = storage.as_sockaddr_in() {
            return Some(SocketAddr::V4((*v4).into()));
        }
        storage.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into()))
    }

    fn storage(peer: &Peer) -> Option<SockaddrStorage> {
        match peer {
            Peer::Inet(address) => Some(SockaddrStorage::from(*address)),
            Peer::Unix(_) | Peer::Unnamed => None,
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod single {
    use super::*;
    use std::io::Read;

    /// One buffer: datagrams are received and sent one at a time.
    pub(crate) struct Batch {
        buffer: Vec<u8>,
    }

    impl Batch {
        pub(crate) fn new() -> Self {
            Batch { buffer: vec![0; BYTES] }
        }

        pub(crate) fn receive(
            &mut self,
            socket: SockRef<'_>,
            max: usize,
            each: &mut dyn FnMut(Datagram<'_>),
        ) -> io::Result<usize> {
            let socket: std::net::UdpSocket = socket.try_clone()?.into();
            let mut count = 0;
            while count < max {
                match socket.recv_from(&mut self.buffer) {
                    Ok((length, from)) => {
                        each(Datagram {
                            from: &Peer::Inet(from),
                            data: &self.buffer[..length],
                            truncated: false,
                        });
                        count += 1;
                    }
                    Err(error) if count > 0 && error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            Ok(count)
        }

        pub(crate) fn send(&mut self, socket: SockRef<'_>, outbox: &Outbox) -> io::Result<usize> {
            match outbox.iter().next() {
                Some((Peer::Inet(to), data)) => socket.send_to(data, &(*to).into()).map(|_| 1),
                Some(_) => Err(io::ErrorKind::AddrNotAvailable.into()),
                None => Ok(0),
            }
        }
    }
}
