//! One TLS connection as a pure state machine, server or client (RFC 8446, RFC 5246).
//!
//! [`Connection`](crate::connection::Connection) feeds it wire bytes and gets plaintext by call-back
//! and records to send appended to a vector. It stands on rustls' unbuffered interface: records are
//! deciphered where the driver read them, and an idle connection owns no buffer. It never touches a
//! socket, never waits, and accepts no early data and no renegotiation.

use std::fmt;
use std::sync::Arc;

use rustls::client::{ClientConfig, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConfig, UnbufferedServerConnection};
use rustls::unbuffered::EncryptError;
use rustls::{CertificateError, HandshakeKind, ProtocolVersion};

use super::certs::Asked;
use super::names;
use super::side::{Next, Say, Side};
use crate::session::TlsInfo;

/// Bytes of one record's header: type, version, length.
pub(super) const HEADER: usize = 5;
/// The most that a peer may send before the handshake is done: a long certificate chain fits, a
/// flood does not. It bounds what an incomplete handshake message can make us keep, too.
const HANDSHAKE_BYTES: usize = 64 * 1024;

/// One connection's TLS.
pub struct Tls {
    inner: Side,
    /// The start of a record, or of a handshake message, whose end has not come yet.
    pub(super) kept: Vec<u8>,
    phase: Phase,
    server_name: Option<Box<str>>,
    error: Option<TlsError>,
}

enum Phase {
    /// `taken` wire bytes of the handshake so far; at a server, where the certificate's choice notes
    /// the name.
    Handshake {
        taken: usize,
        asked: Option<Arc<Asked>>,
    },
    Open,
    /// The peer sent its closing alert; we may go on writing.
    PeerClosed,
    /// We have sent ours: whatever still comes is dropped.
    Closed {
        by_peer: bool,
    },
}

/// What [`Tls::read`] found in the wire bytes, in order.
pub enum TlsEvent<'a> {
    /// The handshake is done. Comes once, before any data.
    Open(TlsInfo<'a>),
    /// Plaintext of one record.
    Data(&'a [u8]),
}

/// What one [`Tls::read`] cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// True if it advanced a handshake: a key exchange, a signature or a verification, which take
    /// hundreds of times longer than a record. Drivers limit these per turn.
    pub computed: bool,
}

/// Why TLS failed. `Display` gives the half sentence for the log.
#[derive(Clone, Debug)]
pub struct TlsError(pub(super) What);

#[derive(Clone, Debug)]
pub(super) enum What {
    Rustls(rustls::Error),
    /// The server's certificate is not accepted.
    Untrusted(CertificateError),
    PlainHttp,
    TooLong,
    NotOpen,
    Exhausted,
}

impl Tls {
    pub(super) fn server(config: ServerConfig, asked: Arc<Asked>) -> Result<Self, TlsError> {
        let inner = UnbufferedServerConnection::new(Arc::new(config))?;
        let phase = Phase::Handshake { taken: 0, asked: Some(asked) };
        let inner = Side::Server(inner);
        Ok(Tls { inner, kept: Vec::new(), phase, server_name: None, error: None })
    }

    pub(super) fn client(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, TlsError> {
        let server_name = Some(name.to_str().into());
        let inner = Side::Client(UnbufferedClientConnection::new(config, name)?);
        let phase = Phase::Handshake { taken: 0, asked: None };
        Ok(Tls { inner, kept: Vec::new(), phase, server_name, error: None })
    }

    /// Appends a client's first flight to `out`. A server has nothing to say first.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub fn start(&mut self, out: &mut Vec<u8>) -> Result<(), TlsError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        self.process(&mut [], out, &mut Progress::default(), &mut |_| {})
            .map(|_| ())
            .map_err(|error| self.fail(error, &[], out))
    }

    /// Takes all of `wire`, deciphering it in place; reports what it held and appends records to
    /// send (handshake flights, tickets, alerts) to `out`. An incomplete record is kept.
    ///
    /// # Errors
    ///
    /// The connection has failed and stays so. The alert that tells the peer is in `out`; there is
    /// none where the peer ended it by an alert of its own, or floods us.
    pub fn read(
        &mut self,
        wire: &mut [u8],
        out: &mut Vec<u8>,
        mut on_event: impl FnMut(TlsEvent<'_>),
    ) -> Result<Progress, TlsError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let mut progress = Progress::default();
        let result = self.take(wire, out, &mut progress, &mut on_event);
        result.map(|()| progress).map_err(|error| self.fail(error, wire, out))
    }

    /// Enciphers `plain` as records appended to `out`.
    ///
    /// # Errors
    ///
    /// Before the handshake is done, after [`close`](Self::close), or once the connection failed.
    pub fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        if plain.is_empty() {
            return Ok(());
        }
        let sealed = match self.phase {
            Phase::Open | Phase::PeerClosed => self.when_writable(out, Say::Data(plain)),
            Phase::Handshake { .. } | Phase::Closed { .. } => return Err(TlsError(What::NotOpen)),
        };
        sealed.map_err(|error| self.fail(error, &[], out))
    }

    /// Appends the closing alert to `out`, once. Nothing is read or written afterwards. During a
    /// handshake there is nothing to close yet, and nothing is sent.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        let by_peer = match self.phase {
            Phase::Closed { .. } | Phase::Handshake { .. } => return,
            Phase::Open => false,
            Phase::PeerClosed => true,
        };
        self.phase = Phase::Closed { by_peer };
        if self.error.is_some() {
            return;
        }
        // A failure to say good-bye harms nobody: the peer sees an end without one.
        let _ = self.when_writable(out, Say::Close);
        self.kept = Vec::new();
    }

    /// True until the handshake is done.
    pub fn is_handshaking(&self) -> bool {
        matches!(self.phase, Phase::Handshake { .. })
    }

    /// True once the peer has sent its closing alert: what came before is complete.
    pub fn peer_closed(&self) -> bool {
        matches!(self.phase, Phase::PeerClosed | Phase::Closed { by_peer: true })
    }

    /// What was agreed on so far; complete once the handshake is done.
    pub fn info(&self) -> TlsInfo<'_> {
        TlsInfo {
            alpn: self.inner.common().alpn_protocol(),
            server_name: self.server_name.as_deref(),
            version: match self.inner.common().protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "",
            },
            suite: self
                .inner
                .common()
                .negotiated_cipher_suite()
                .map_or("", |suite| names::suite_name(suite.suite())),
            resumed: self.inner.common().handshake_kind() == Some(HandshakeKind::Resumed),
            client_certificate: self
                .inner
                .clients_certificates()
                .and_then(|chain| chain.first())
                .map(|certificate| certificate.as_ref()),
        }
    }

    /// What failed, for the log.
    pub fn fault(&self) -> Option<String> {
        self.error.as_ref().map(TlsError::to_string)
    }

    /// Splits `wire` between what completes the kept bytes and what can be deciphered in place.
    fn take(
        &mut self,
        wire: &mut [u8],
        out: &mut Vec<u8>,
        progress: &mut Progress,
        on_event: &mut dyn FnMut(TlsEvent<'_>),
    ) -> Result<(), TlsError> {
        let mut wire = wire;
        while !self.kept.is_empty() && !wire.is_empty() {
            let (head, rest) = wire.split_at_mut(missing(&self.kept).min(wire.len()));
            self.kept.extend_from_slice(head);
            wire = rest;
            let mut kept = std::mem::take(&mut self.kept);
            let used = self.process(&mut kept, out, progress, on_event)?;
            if used < kept.len() {
                kept.drain(..used);
                self.kept = kept;
            }
            self.bound()?;
        }
        if !wire.is_empty() {
            let used = self.process(wire, out, progress, on_event)?;
            self.kept = wire.get(used..).unwrap_or_default().to_vec();
            self.bound()?;
        }
        Ok(())
    }

    /// Lets rustls work on `bytes` until it needs more; returns how many it is done with.
    fn process(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        progress: &mut Progress,
        on_event: &mut dyn FnMut(TlsEvent<'_>),
    ) -> Result<usize, TlsError> {
        let (mut used, length) = (0, bytes.len());
        loop {
            if matches!(self.phase, Phase::PeerClosed | Phase::Closed { .. }) {
                return Ok(length);
            }
            let opened = matches!(self.phase, Phase::Open);
            let rest = bytes.get_mut(used..).unwrap_or_default();
            let (discard, next) = self.inner.step(rest, opened, out, progress, on_event)?;
            used += discard;
            if let Phase::Handshake { taken, asked } = &mut self.phase {
                *taken += discard;
                if !self.inner.common().is_handshaking() {
                    if let Some(asked) = asked {
                        self.server_name = asked.name();
                    }
                    self.phase = Phase::Open;
                    progress.computed = true;
                    on_event(TlsEvent::Open(self.info()));
                }
            }
            match next {
                Next::More => {}
                Next::Done => return Ok(used),
                Next::Ended => {
                    // What follows the closing alert is to be ignored (RFC 8446 §6.1).
                    self.phase = Phase::PeerClosed;
                    return Ok(length);
                }
            }
        }
    }

    /// Sends what rustls has waiting, then `what`.
    fn when_writable(&mut self, out: &mut Vec<u8>, what: Say<'_>) -> Result<(), TlsError> {
        // It must see the kept bytes, as it remembers positions in them, but it has nothing new to
        // find there.
        while !self.inner.say(&mut self.kept, what, out)? {}
        Ok(())
    }

    /// Refuses what is longer than any honest peer's handshake, or incomplete message.
    fn bound(&self) -> Result<(), TlsError> {
        let taken = match self.phase {
            Phase::Handshake { taken, .. } => taken,
            _ => 0,
        };
        if taken + self.kept.len() > HANDSHAKE_BYTES {
            Err(TlsError(What::TooLong))
        } else {
            Ok(())
        }
    }

    /// Notes the failure and appends the alert that rustls has prepared for it, if any.
    fn fail(&mut self, error: TlsError, wire: &[u8], out: &mut Vec<u8>) -> TlsError {
        // An alert waits in front of all input, so no bytes are looked at here.
        while self.inner.common().wants_write() && self.inner.send_alert(out) {}
        self.kept = Vec::new();
        let first = matches!(self.phase, Phase::Handshake { taken: 0, .. });
        let error = match error.0 {
            _ if first && is_http(wire) => TlsError(What::PlainHttp),
            What::Rustls(rustls::Error::InvalidCertificate(why)) => match self.inner {
                Side::Client(_) => TlsError(What::Untrusted(why)),
                Side::Server(_) => TlsError(What::Rustls(rustls::Error::InvalidCertificate(why))),
            },
            what => TlsError(what),
        };
        self.error.insert(error).clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("info", &self.info())
            .field("kept", &self.kept.len())
            .finish_non_exhaustive()
    }
}

/// How many bytes complete the record that `kept` begins with.
///
/// If a handshake message is spread over several records, `kept` begins with one that was already
/// deciphered, and the answer is "any". A wrong guess costs a copy and nothing else: all bytes go
/// through `kept`, in order, while it is not empty.
fn missing(kept: &[u8]) -> usize {
    let [_, _, _, high, low, ..] = kept else { return HEADER.saturating_sub(kept.len()).max(1) };
    let whole = HEADER + usize::from(u16::from_be_bytes([*high, *low]));
    whole.checked_sub(kept.len()).filter(|&missing| missing > 0).unwrap_or(usize::MAX)
}

/// True if a connection's first bytes are those of an HTTP request, or of an answer.
fn is_http(wire: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 9] =
        [b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"OPTI", b"PATC", b"CONN", b"HTTP/1."];
    BEGINNINGS.iter().any(|method| wire.starts_with(method))
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        TlsError(What::Rustls(error))
    }
}

impl From<EncryptError> for TlsError {
    fn from(_: EncryptError) -> Self {
        TlsError(What::Exhausted)
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            What::Rustls(error) => fmt::Display::fmt(error, f),
            What::Untrusted(why) => write!(
                f,
                "the server's certificate is not trusted: {}; name the CA that vouches for it, or \
                 accept any certificate",
                rustls::Error::InvalidCertificate(why.clone())
            ),
            What::PlainHttp => f.write_str("the peer spoke plain HTTP where TLS was to be spoken"),
            What::TooLong => write!(f, "more than {HANDSHAKE_BYTES} bytes of handshake"),
            What::NotOpen => f.write_str("not open for data"),
            What::Exhausted => f.write_str("the keys of this connection are used up"),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            What::Rustls(error) => Some(error),
            _ => None,
        }
    }
}
