//! One request to a loop and its answer, by calls that wait: HTTP/1.1, over TLS where asked.
//!
//! [`feed`](super::feed) makes them. The protocol is the library's own pure machines; here are the
//! socket, the clock and nothing else.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use super::target::{Socket, Target};
use super::trouble::Trouble;
use crate::connection::tls::{Tls, TlsEvent, TlsPeer};
use crate::limits::Limits;
use crate::proto::h1::client::{Asked, Client, Event, Memo};

/// How long a server may say nothing. A stream that has nothing to tell still has heart-beats.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module's documentation.
pub(super) struct Link {
    socket: Box<dyn Socket>,
    tls: Option<Tls>,
    machine: Client,
    memo: Memo,
    limits: Limits,
    /// Plain bytes that the machine has not taken.
    input: Vec<u8>,
    heard: Instant,
    /// The request, until it can be sent.
    request: Vec<u8>,
}

/// What [`Link::next`] came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// The body, or some of it, was appended.
    Some,
    /// Nothing yet.
    Nothing,
    /// The body is complete.
    End,
}

impl Link {
    /// Asks for `path`, which [`next`](Self::next) then brings.
    pub(super) fn open(
        target: &Target,
        peer: Option<&TlsPeer>,
        path: &str,
    ) -> Result<Link, Trouble> {
        let socket = target.connect()?;
        let tls = peer.map(TlsPeer::connect).transpose();
        let host = target.authority();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: readyloop-top\r\n\r\n");
        let mut link = Link {
            socket,
            tls: tls.map_err(|error| Trouble::Tls(error.to_string()))?,
            machine: Client::new(),
            memo: Memo::new(),
            limits: Limits { body_bytes: u64::MAX, ..Limits::default() },
            input: Vec::new(),
            heard: Instant::now(),
            request: request.into_bytes(),
        };
        link.begin()?;
        Ok(link)
    }

    fn begin(&mut self) -> Result<(), Trouble> {
        let Some(tls) = &mut self.tls else {
            let request = std::mem::take(&mut self.request);
            return Ok(self.socket.write_all(&request)?);
        };
        let mut wire = Vec::new();
        tls.start(&mut wire).map_err(|error| Trouble::Tls(error.to_string()))?;
        Ok(self.socket.write_all(&wire)?)
    }

    /// Reads what has come and appends the body's part of it; waits for a moment only.
    pub(super) fn next(&mut self, body: &mut Vec<u8>) -> Result<Got, Trouble> {
        let mut chunk = [0; 16 * 1024];
        let count = match self.socket.read(&mut chunk) {
            Ok(count) => count,
            Err(error) if waits(&error) && self.heard.elapsed() < PATIENCE => {
                return Ok(Got::Nothing);
            }
            Err(error) if waits(&error) => return Err(Trouble::Silent),
            Err(error) => return Err(error.into()),
        };
        self.heard = Instant::now();
        if count == 0 {
            return match self.machine.eof() {
                Ok(true) => Ok(Got::End),
                _ => Err(Trouble::Ended),
            };
        }
        self.decipher(chunk.get_mut(..count).unwrap_or_default())?;
        self.understand(body)
    }

    fn decipher(&mut self, wire: &mut [u8]) -> Result<(), Trouble> {
        let Some(tls) = &mut self.tls else {
            self.input.extend_from_slice(wire);
            return Ok(());
        };
        let (input, mut answer) = (&mut self.input, Vec::new());
        let read = tls.read(wire, &mut answer, |event| {
            if let TlsEvent::Data(data) = event {
                input.extend_from_slice(data);
            }
        });
        let fault = |error: crate::connection::tls::TlsError| Trouble::Tls(error.to_string());
        if read.is_ok() && !tls.is_handshaking() {
            let request = std::mem::take(&mut self.request);
            tls.write(&request, &mut answer).map_err(fault)?;
        }
        // An alert says more to the peer than a connection that just ends.
        let sent = self.socket.write_all(&answer);
        read.map_err(fault)?;
        Ok(sent?)
    }

    fn understand(&mut self, body: &mut Vec<u8>) -> Result<Got, Trouble> {
        let mut input = self.input.as_slice();
        let mut got = Got::Nothing;
        loop {
            let event =
                self.machine.next_event(&mut input, Asked::Other, &mut self.memo, &self.limits);
            match event.map_err(|refusal| Trouble::Unclear(refusal.to_string()))? {
                Some(Event::Head(head)) if head.status != 200 => {
                    return Err(Trouble::Status(head.status));
                }
                Some(Event::Head(_) | Event::Trailers(_)) => {}
                Some(Event::Data(data)) => {
                    body.extend_from_slice(data);
                    got = Got::Some;
                }
                Some(Event::End) => return Ok(Got::End),
                None => break,
            }
        }
        let used = self.input.len() - input.len();
        self.input.drain(..used);
        Ok(got)
    }
}

/// A read that found nothing in its time.
fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
