//! A client's TLS: whom it trusts, and what it asks for.
//!
//! A [`ClientTls`] is built once from a [`ClientPolicy`] and shared by everything that dials;
//! [`ClientTls::peer`] adds the name that the server must prove to be its own. The command reads the
//! policy, `reactor::Dial` carries the peer, and each connection takes a [`Tls`] from it.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::{ConfigError, Pem, Tls, TlsError, TlsPolicy, TlsVersion, provider};

/// Whom a client believes.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Servers whose certificate one of these CAs vouches for.
    Roots(Vec<Pem>),
    /// Anybody who has the key of whatever certificate it shows: for load tests, where it is known
    /// who answers. Nothing protects against somebody in the middle.
    Anybody,
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct ClientPolicy {
    /// Whom it believes.
    pub trust: Trust,
    /// The oldest version accepted.
    pub min_version: TlsVersion,
    /// The newest one; `None` for the newest there is.
    pub max_version: Option<TlsVersion>,
    /// Application protocols in order of preference (RFC 7301); empty to not negotiate.
    pub alpn: Vec<Vec<u8>>,
    /// Whether sessions are resumed with the tickets that servers give.
    pub resumption: bool,
}

impl ClientPolicy {
    /// The usual policy of those who trust `trust`.
    pub fn new(trust: Trust) -> Self {
        ClientPolicy {
            trust,
            min_version: TlsVersion::V1_2,
            max_version: None,
            alpn: Vec::new(),
            resumption: true,
        }
    }
}

/// Sessions that a client remembers for resuming, over all servers.
const SESSIONS: usize = 1024;

/// A client's TLS: a clone is the same configuration, with the same remembered sessions.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
}

impl ClientTls {
    /// A configuration for clients.
    ///
    /// # Errors
    ///
    /// Something in the policy cannot be had, or a CA file cannot be used.
    pub fn new(policy: &ClientPolicy) -> Result<Self, ConfigError> {
        let fault = |error: rustls::Error| ConfigError::new(format!("TLS: {error}"));
        let accepted = TlsPolicy {
            min_version: policy.min_version,
            max_version: policy.max_version,
            ..TlsPolicy::default()
        };
        let provider = Arc::new(accepted.provider(&provider())?);
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&accepted.versions()?)
            .map_err(fault)?
            .dangerous()
            .with_custom_certificate_verifier(verifier(&policy.trust, provider)?)
            .with_no_client_auth();
        config.alpn_protocols.clone_from(&policy.alpn);
        config.resumption = match policy.resumption {
            true => Resumption::in_memory_sessions(SESSIONS),
            false => Resumption::disabled(),
        };
        Ok(ClientTls { config: Arc::new(config) })
    }

    /// A server by its host name or IP address.
    ///
    /// # Errors
    ///
    /// `name` is neither.
    pub fn peer(&self, name: &str) -> Result<TlsPeer, ConfigError> {
        let config = Arc::clone(&self.config);
        match ServerName::try_from(name.to_owned()) {
            Ok(name) => Ok(TlsPeer { config, name }),
            Err(_) => {
                Err(ConfigError::new(format!("{name}: neither a host name nor an IP address")))
            }
        }
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}

/// The server that a client means to reach, and how it makes sure.
#[derive(Clone)]
pub struct TlsPeer {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl TlsPeer {
    /// The TLS of a connection to it.
    ///
    /// # Errors
    ///
    /// The system has no random numbers, or there is no key exchange to begin with.
    pub fn connect(&self) -> Result<Tls, TlsError> {
        Tls::client(Arc::clone(&self.config), self.name.clone())
    }
}

impl fmt::Debug for TlsPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsPeer").field(&self.name.to_str()).finish()
    }
}

fn verifier(
    trust: &Trust,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, ConfigError> {
    let Trust::Roots(files) = trust else { return Ok(Arc::new(Anybody(provider))) };
    let mut store = RootCertStore::empty();
    for file in files {
        for certificate in file.certificates()? {
            store.add(certificate).map_err(|error| {
                ConfigError::new(format!("{file}: not usable as a CA: {error}"))
            })?;
        }
    }
    match WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build() {
        Ok(verifier) => Ok(verifier),
        Err(error) => Err(ConfigError::new(format!("the CAs to trust: {error}"))),
    }
}

/// Believes every certificate, but still asks for proof of its key: an honest handshake's work.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
