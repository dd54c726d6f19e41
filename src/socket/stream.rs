//! A stream socket as the drivers use it, whether it blocks or not.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};

#[cfg(target_os = "linux")]
use nix::sys::sendfile::sendfile;
use socket2::SockRef;

use crate::buf::FileSpan;
#[cfg(target_os = "linux")]
use crate::socket::sockopt;

/// A stream socket.
pub trait Stream {
    /// Reads what is there; zero is the end of the stream.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize>;
    /// Writes what is taken of `bytes`.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Writes the slices in order, as far as they are taken.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Called once, before the first `send_file`.
    fn expect_files(&mut self) {}
    /// Has the system send the beginning of a span of a file; only where `World::SENDS_FILES`.
    /// Zero means that the file ended before the span did.
    fn send_file(&mut self, span: &FileSpan) -> io::Result<usize>;
    /// Writes our last bytes: as soon as they are taken our direction ends, so the system may wait
    /// for that and send both in one packet.
    #[inline]
    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }
    /// Ends our direction.
    fn shutdown_write(&mut self) -> io::Result<()>;
    /// What became of a connect: true once there is a connection, false while it is under way.
    fn connected(&mut self) -> io::Result<bool>;
    /// Takes the pending error of the socket, if there is one.
    fn take_error(&mut self) -> Option<io::Error>;
}

/// A TCP or Unix connection.
#[derive(Debug)]
pub enum Socketed<T, U> {
    /// TCP, or UDP.
    Inet(T),
    /// A Unix socket.
    Unix(U),
}

impl<T: Read + Write + AsFd, U: Read + Write + AsFd> Socketed<T, U> {
    fn as_socket(&self) -> SockRef<'_> {
        match self {
            Socketed::Inet(stream) => SockRef::from(stream),
            Socketed::Unix(stream) => SockRef::from(stream),
        }
    }
}

impl<T: Read + Write + AsFd, U: Read + Write + AsFd> AsFd for Socketed<T, U> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socketed::Inet(stream) => stream.as_fd(),
            Socketed::Unix(stream) => stream.as_fd(),
        }
    }
}

impl<T: Read + Write + AsFd, U: Read + Write + AsFd> Stream for Socketed<T, U> {
    #[inline]
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Socketed::Inet(stream) => stream.read(into),
            Socketed::Unix(stream) => stream.read(into),
        }
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socketed::Inet(stream) => stream.write(bytes),
            Socketed::Unix(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socketed::Inet(stream) => stream.write_vectored(slices),
            Socketed::Unix(stream) => stream.write_vectored(slices),
        }
    }

    #[cfg(target_os = "linux")]
    fn expect_files(&mut self) {
        // What waits of a file is not copied: it stays in the memory that the system keeps the file
        // in. So the system may take as much as it likes, and send it when acknowledgements come
        // in rather than when we are woken: that takes a quarter of the time.
        if let Socketed::Inet(stream) = self
            && let Err(error) = SockRef::from(&*stream).set_tcp_notsent_lowat(u32::MAX)
        {
            log::debug!("TCP_NOTSENT_LOWAT: {error}");
        }
    }

    #[cfg(target_os = "linux")]
    fn send_file(&mut self, span: &FileSpan) -> io::Result<usize> {
        let mut offset = i64::try_from(span.offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        Ok(sendfile(self.as_fd(), &*span.file, Some(&mut offset), span.length)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn send_file(&mut self, _: &FileSpan) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[cfg(target_os = "linux")]
    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socketed::Inet(stream) => sockopt::send_and_hold(stream, bytes),
            Socketed::Unix(stream) => stream.write(bytes),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.as_socket().shutdown(Shutdown::Write)
    }

    fn connected(&mut self) -> io::Result<bool> {
        // A socket has a peer as soon as it is connected. Asking for that first costs one system
        // call where all is well, and tells an event that means nothing from one that means success.
        let socket = self.as_socket();
        if socket.peer_addr().is_ok() {
            return Ok(true);
        }
        socket.take_error()?.map_or(Ok(false), Err)
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.as_socket().take_error().unwrap_or_else(Some)
    }
}
