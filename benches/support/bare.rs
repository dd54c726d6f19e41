//! Bare mio loops: edge-triggered, a slab of connections, nothing parsed. `http` and `echo` show
//! what mio itself costs next to the raw loop; `tls` is the yardstick for everything encrypted:
//! rustls in its usual buffered form on such a loop.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use rustls::ServerConnection;
use slab::Slab;

use super::secure;
use super::server::{Http, READ, listen};

const LISTENER: Token = Token(usize::MAX);

/// What a loop keeps for a connection besides its socket.
trait Peer {
    /// Whether the connection stays open after its socket became ready.
    fn ready(&mut self, stream: &mut TcpStream, buf: &mut [u8]) -> bool;
    /// Whether output waits for the socket to become writable.
    fn blocked(&self) -> bool;
}

/// Serves HTTP until killed.
pub(crate) fn http(how: &Http) -> io::Result<()> {
    let (answers, how) = (&how.batch()[..], how);
    serve(how.defer, move || Plain { how, answers, partial: 0, owed: 0 })
}

struct Plain<'a> {
    how: &'a Http,
    answers: &'a [u8],
    /// Bytes received of a request that is not complete.
    partial: usize,
    /// Bytes of answers that the socket did not take yet.
    owed: usize,
}

impl Peer for Plain<'_> {
    fn ready(&mut self, stream: &mut TcpStream, buf: &mut [u8]) -> bool {
        let mut more = true;
        loop {
            while self.owed > 0 {
                match stream.write(&self.answers[self.answers.len() - self.owed..]) {
                    Ok(n) => self.owed -= n,
                    Err(error) => return error.kind() == ErrorKind::WouldBlock,
                }
                if self.owed == 0 && self.how.close {
                    return false;
                }
            }
            // A short read has emptied the socket: the next bytes raise a new edge.
            if !more {
                return true;
            }
            let n = match stream.read(buf) {
                Ok(0) => return false,
                Ok(n) => n,
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            };
            more = n == buf.len();
            let bytes = self.partial + n;
            self.partial = bytes % self.how.request;
            self.owed = bytes / self.how.request * self.how.answer.len();
        }
    }

    fn blocked(&self) -> bool {
        self.owed > 0
    }
}

/// Sends back what it gets until killed.
pub(crate) fn echo() -> io::Result<()> {
    serve(false, Echo::default)
}

#[derive(Default)]
struct Echo {
    /// What the socket did not take.
    rest: Vec<u8>,
}

impl Peer for Echo {
    fn ready(&mut self, stream: &mut TcpStream, buf: &mut [u8]) -> bool {
        let mut more = true;
        loop {
            while !self.rest.is_empty() {
                match stream.write(&self.rest) {
                    Ok(n) => drop(self.rest.drain(..n)),
                    Err(error) => return error.kind() == ErrorKind::WouldBlock,
                }
            }
            if !more {
                return true;
            }
            let n = match stream.read(buf) {
                Ok(0) => return false,
                Ok(n) => n,
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            };
            more = n == buf.len();
            match stream.write(&buf[..n]) {
                Ok(sent) => self.rest.extend_from_slice(&buf[sent..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.rest.extend_from_slice(&buf[..n]);
                }
                Err(_) => return false,
            }
        }
    }

    fn blocked(&self) -> bool {
        !self.rest.is_empty()
    }
}

/// Serves HTTP over TLS until killed.
pub(crate) fn tls(how: &Http) -> io::Result<()> {
    let config = secure::server().map_err(io::Error::other)?;
    let (answers, how) = (&how.batch()[..], how);
    serve(false, move || Secure {
        tls: ServerConnection::new(Arc::clone(&config)).expect("the configuration is valid"),
        how,
        answers,
        partial: 0,
    })
}

struct Secure<'a> {
    tls: ServerConnection,
    how: &'a Http,
    answers: &'a [u8],
    partial: usize,
}

impl Secure<'_> {
    /// Deciphers `wire` and answers the requests in it.
    fn take(&mut self, mut wire: &[u8]) -> io::Result<()> {
        let mut plain = [0; 16 * 1024];
        while !wire.is_empty() {
            self.tls.read_tls(&mut wire)?;
            let state = self.tls.process_new_packets().map_err(io::Error::other)?;
            if state.peer_has_closed() {
                self.tls.send_close_notify();
            }
            let mut bytes = self.partial;
            while let Ok(n @ 1..) = self.tls.reader().read(&mut plain) {
                bytes += n;
            }
            self.partial = bytes % self.how.request;
            let owed = bytes / self.how.request * self.how.answer.len();
            self.tls.writer().write_all(&self.answers[self.answers.len() - owed..])?;
            if state.peer_has_closed() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Writes until all is sent or the socket blocks.
    fn flush(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Vectored(stream)) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Peer for Secure<'_> {
    fn ready(&mut self, stream: &mut TcpStream, buf: &mut [u8]) -> bool {
        loop {
            let read = match stream.read(buf) {
                Ok(0) => return false,
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(_) => return false,
            };
            let taken = self.take(&buf[..read]);
            if self.flush(stream).is_err() || taken.is_err() {
                return false;
            }
            if self.tls.process_new_packets().is_ok_and(|state| state.peer_has_closed()) {
                return self.tls.wants_write();
            }
            // A short read has emptied the socket: the next bytes raise a new edge.
            if read < buf.len() {
                return true;
            }
        }
    }

    fn blocked(&self) -> bool {
        self.tls.wants_write()
    }
}

/// A socket that takes all records of a flight in one call.
struct Vectored<'a>(&'a mut TcpStream);

impl Write for Vectored<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match bufs {
            // One slice is cheaper as a plain send.
            [one] => self.0.write(one),
            many => self.0.write_vectored(many),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Entry<P> {
    stream: TcpStream,
    peer: P,
    /// Registered for writing too.
    writable: bool,
}

/// The loop.
fn serve<P: Peer>(defer: bool, mut open: impl FnMut() -> P) -> io::Result<()> {
    let mut listener = TcpListener::from_std(listen(defer)?);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut entries: Slab<Entry<P>> = Slab::new();
    let mut buf = vec![0; READ];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, poll.registry(), &mut entries, &mut open)?;
                continue;
            }
            let key = event.token().0;
            let Some(entry) = entries.get_mut(key) else { continue };
            if !entry.peer.ready(&mut entry.stream, &mut buf) {
                // Closing the socket takes it out of the poll.
                entries.remove(key);
            } else if entry.peer.blocked() && !entry.writable {
                entry.writable = true;
                let both = Interest::READABLE | Interest::WRITABLE;
                poll.registry().reregister(&mut entry.stream, event.token(), both)?;
            }
        }
    }
}

fn accept<P: Peer>(
    listener: &TcpListener,
    registry: &Registry,
    entries: &mut Slab<Entry<P>>,
    open: &mut impl FnMut() -> P,
) -> io::Result<()> {
    while let Ok((mut stream, _)) = listener.accept() {
        let vacant = entries.vacant_entry();
        registry.register(&mut stream, Token(vacant.key()), Interest::READABLE)?;
        vacant.insert(Entry { stream, peer: open(), writable: false });
    }
    Ok(())
}
