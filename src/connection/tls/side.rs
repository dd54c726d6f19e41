//! The two sides of TLS as rustls has them, and the steps of its state machine that are the same on
//! both.
//!
//! The engine drives it and keeps what is between two steps. No state of ours is here.

use rustls::CommonState;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::CertificateDer;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};

use super::engine::{HEADER, Progress, TlsError, TlsEvent, What};

/// The most plaintext in one record (RFC 8446 §5.1).
const RECORD: usize = 16 * 1024;
/// The most that a record adds to its plaintext with any suite of ours: header, the explicit nonce
/// of TLS 1.2 AES-GCM, and the tag.
const OVERHEAD: usize = HEADER + 8 + 16;

/// A server's connection, or a client's.
pub(super) enum Side {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// What follows a step.
pub(super) enum Next {
    /// Another one.
    More,
    /// Nothing, without more input.
    Done,
    /// Nothing ever: the peer has sent its closing alert.
    Ended,
}

/// What is to be sent.
#[derive(Clone, Copy)]
pub(super) enum Say<'a> {
    Data(&'a [u8]),
    /// The closing alert.
    Close,
}

impl Side {
    /// What both know of their handshake.
    pub(super) fn common(&self) -> &CommonState {
        match self {
            Side::Server(connection) => connection,
            Side::Client(connection) => connection,
        }
    }

    /// What a server's client has shown of itself.
    pub(super) fn clients_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        match self {
            Side::Server(connection) => connection.peer_certificates(),
            Side::Client(_) => None,
        }
    }

    /// Lets rustls do one thing with `bytes`; answers how many of them it is done with.
    #[inline]
    pub(super) fn step(
        &mut self,
        bytes: &mut [u8],
        opened: bool,
        out: &mut Vec<u8>,
        progress: &mut Progress,
        on_event: &mut dyn FnMut(TlsEvent<'_>),
    ) -> Result<(usize, Next), TlsError> {
        let length = bytes.len();
        let next = match self {
            Side::Server(connection) => {
                take(connection.process_tls_records(bytes), length, opened, out, on_event)
            }
            Side::Client(connection) => {
                take(connection.process_tls_records(bytes), length, opened, out, on_event)
            }
        };
        next.map(|(discard, next, encoded)| {
            progress.computed |= encoded && !opened;
            (discard, next)
        })
    }

    /// Sends `what`, or something that rustls has waiting; answers whether it was `what`.
    pub(super) fn say(
        &mut self,
        kept: &mut [u8],
        what: Say<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, TlsError> {
        match self {
            Side::Server(connection) => say(connection.process_tls_records(kept).state?, what, out),
            Side::Client(connection) => say(connection.process_tls_records(kept).state?, what, out),
        }
    }

    /// Appends one record of an alert that waits; answers whether it could.
    pub(super) fn send_alert(&mut self, out: &mut Vec<u8>) -> bool {
        // An alert waits in front of all input, so no bytes are looked at here.
        match self {
            Side::Server(connection) => alert(connection.process_tls_records(&mut []), out),
            Side::Client(connection) => alert(connection.process_tls_records(&mut []), out),
        }
    }
}

/// One state's worth of work: the bytes done with, what follows, and whether a flight was encoded.
#[inline]
fn take<D>(
    status: UnbufferedStatus<'_, '_, D>,
    length: usize,
    opened: bool,
    out: &mut Vec<u8>,
    on_event: &mut dyn FnMut(TlsEvent<'_>),
) -> Result<(usize, Next, bool), TlsError> {
    let (mut next, mut encoded) = (Next::More, false);
    match status.state? {
        // Left alone until the opening is announced; rustls offers it again.
        ConnectionState::ReadTraffic(mut traffic) if opened => {
            while let Some(record) = traffic.next_record() {
                on_event(TlsEvent::Data(record?.payload));
            }
            // The usual case, one record and nothing else, needs no further look.
            if status.discard == length {
                next = Next::Done;
            }
        }
        ConnectionState::EncodeTlsData(data) => {
            encode(data, out)?;
            encoded = true;
        }
        ConnectionState::TransmitTlsData(sent) => sent.done(),
        ConnectionState::PeerClosed => next = Next::Ended,
        ConnectionState::ReadTraffic(_) => {}
        _ => next = Next::Done,
    }
    Ok((status.discard, next, encoded))
}

fn say<D>(
    state: ConnectionState<'_, '_, D>,
    what: Say<'_>,
    out: &mut Vec<u8>,
) -> Result<bool, TlsError> {
    match state {
        ConnectionState::WriteTraffic(mut traffic) => {
            match what {
                Say::Data(plain) => seal(&mut traffic, plain, out)?,
                Say::Close => {
                    let mut alert = [0; 2 + OVERHEAD + 1];
                    let length = traffic.queue_close_notify(&mut alert)?;
                    out.extend_from_slice(alert.get(..length).unwrap_or_default());
                }
            }
            return Ok(true);
        }
        ConnectionState::EncodeTlsData(data) => encode(data, out)?,
        ConnectionState::TransmitTlsData(sent) => sent.done(),
        ConnectionState::PeerClosed => {}
        _ => return Err(TlsError(What::NotOpen)),
    }
    Ok(false)
}

fn alert<D>(status: UnbufferedStatus<'_, '_, D>, out: &mut Vec<u8>) -> bool {
    match status.state {
        Ok(ConnectionState::EncodeTlsData(data)) => encode(data, out).is_ok(),
        _ => false,
    }
}

fn encode<D>(mut data: EncodeTlsData<'_, D>, out: &mut Vec<u8>) -> Result<(), TlsError> {
    let start = out.len();
    if let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) {
        out.resize(start + needed.required_size, 0);
        let room = out.get_mut(start..).unwrap_or_default();
        data.encode(room).map_err(|_| TlsError(What::NotOpen))?;
    }
    Ok(())
}

/// Enciphers record by record, so that each is worked on while it is in the processor's cache.
fn seal<D>(
    traffic: &mut WriteTraffic<'_, D>,
    plain: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), TlsError> {
    out.reserve(plain.len() + plain.len().div_ceil(RECORD) * OVERHEAD);
    for record in plain.chunks(RECORD) {
        let start = out.len();
        let mut room = record.len() + OVERHEAD;
        let length = loop {
            out.resize(start + room, 0);
            match traffic.encrypt(record, out.get_mut(start..).unwrap_or_default()) {
                Ok(length) => break length,
                // A key update goes out in front of the record.
                Err(EncryptError::InsufficientSize(needed)) if needed.required_size > room => {
                    room = needed.required_size;
                }
                Err(_) => {
                    out.truncate(start);
                    return Err(TlsError(What::Exhausted));
                }
            }
        };
        out.truncate(start + length);
    }
    Ok(())
}
