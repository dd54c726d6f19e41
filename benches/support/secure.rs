//! TLS as the benches use it: one provider, TLS 1.3, a certificate made at start, a client that
//! verifies nothing and resumes nothing, so that every handshake is a full one.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::ProducesTickets;
use rustls::version::TLS13;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, NamedGroup, ServerConfig, SignatureScheme,
};

/// A crypto provider and what goes with it.
pub(crate) struct Provider {
    pub(crate) name: &'static str,
    pub(crate) crypto: CryptoProvider,
    pub(crate) tickets: fn() -> Result<Arc<dyn ProducesTickets>, Error>,
}

/// The providers of this build, the one that the benches use first.
pub(crate) fn providers() -> Vec<Provider> {
    vec![
        #[cfg(feature = "aws-lc-rs")]
        Provider {
            name: "aws-lc-rs",
            crypto: rustls::crypto::aws_lc_rs::default_provider(),
            tickets: rustls::crypto::aws_lc_rs::Ticketer::new,
        },
        #[cfg(feature = "ring")]
        Provider {
            name: "ring",
            crypto: rustls::crypto::ring::default_provider(),
            tickets: rustls::crypto::ring::Ticketer::new,
        },
    ]
}

fn first() -> Result<Provider, Error> {
    let none = || Error::General("built without a crypto provider".into());
    let mut provider = providers().into_iter().next().ok_or_else(none)?;
    // What both providers do and browsers prefer, so that all runs compare.
    provider.crypto.kx_groups.retain(|group| group.name() == NamedGroup::X25519);
    Ok(provider)
}

/// The same as PEM text.
pub(crate) fn certificate_pem() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()])
        .expect("the name is valid and the key is made here");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// A self-signed ECDSA P-256 certificate and its key.
pub(crate) fn certificate() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()])
        .expect("the name is valid and the key is made here");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    (made.cert.der().clone(), key.into())
}

/// The server's side: rustls's defaults, with tickets.
pub(crate) fn server() -> Result<Arc<ServerConfig>, Error> {
    let provider = first()?;
    let tickets = (provider.tickets)()?;
    let mut config = server_with(provider.crypto)?;
    config.ticketer = tickets;
    Ok(Arc::new(config))
}

/// The server's side with a given provider, without tickets.
pub(crate) fn server_with(crypto: CryptoProvider) -> Result<ServerConfig, Error> {
    let (certificate, key) = certificate();
    ServerConfig::builder_with_provider(Arc::new(crypto))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
}

/// The load's side.
pub(crate) fn client() -> Result<Arc<ClientConfig>, Error> {
    client_with(first()?.crypto)
}

/// The load's side with a given provider.
pub(crate) fn client_with(crypto: CryptoProvider) -> Result<Arc<ClientConfig>, Error> {
    let crypto = Arc::new(crypto);
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&crypto))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(crypto)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Believes every certificate: the server's time is measured, not the client's.
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
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
