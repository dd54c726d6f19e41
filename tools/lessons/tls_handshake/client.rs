//! Lesson 18, the client's side: it begins.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use readyloop::connection::tls::{Tls, TlsEvent};

/// Shakes hands, asks, and answers what it has read.
pub fn ask(mut socket: TcpStream, mut tls: Tls) -> io::Result<String> {
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut wire, mut out, mut answer) = ([0; 4096], Vec::new(), Vec::new());
    tls.start(&mut out).map_err(io::Error::other)?;
    while answer.is_empty() {
        socket.write_all(&out)?;
        out.clear();
        let count = socket.read(&mut wire)?;
        let come = wire.get_mut(..count).filter(|come| !come.is_empty());
        let mut is_open = false;
        let come = come.ok_or(ErrorKind::UnexpectedEof)?;
        let read = tls.read(come, &mut out, |event| match event {
            TlsEvent::Open(_) => is_open = true,
            TlsEvent::Data(data) => answer.extend_from_slice(data),
        });
        read.map_err(io::Error::other)?;
        if is_open {
            // Behind its own "finished", in the same flight.
            tls.write(b"hello, server", &mut out).map_err(io::Error::other)?;
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
