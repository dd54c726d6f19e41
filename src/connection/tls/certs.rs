//! Certificates: where they come from, what is wrong with them, and which one a client gets.
//!
//! Everything is read and checked when a configuration is built or reloaded, so that an error names
//! the file and says what is wrong with it, and the old certificates stay in use.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::crypto::hash::HashAlgorithm;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use super::ConfigError;

/// PEM text: in a file that a reload reads again, or in memory.
#[derive(Clone)]
pub enum Pem {
    /// The file's path.
    File(PathBuf),
    /// The text itself.
    Text(Arc<str>),
}

impl From<PathBuf> for Pem {
    fn from(path: PathBuf) -> Self {
        Pem::File(path)
    }
}

impl From<&str> for Pem {
    fn from(text: &str) -> Self {
        Pem::Text(text.into())
    }
}

/// Names the file, and never shows what is in it.
impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pem::File(path) => write!(f, "{}", path.display()),
            Pem::Text(_) => f.write_str("PEM text in memory"),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Pem {
    fn read(&self) -> Result<Vec<u8>, ConfigError> {
        match self {
            Pem::Text(text) => Ok(text.as_bytes().to_vec()),
            Pem::File(path) => fs::read(path)
                .map_err(|error| ConfigError::new(format!("{self} cannot be read: {error}"))),
        }
    }

    /// The SHA-256 fingerprint of its first certificate, as `openssl x509 -fingerprint -sha256`
    /// prints it.
    ///
    /// # Errors
    ///
    /// It cannot be read, or has no certificate in it.
    pub fn fingerprint(&self) -> Result<String, ConfigError> {
        let chain = self.certificates()?;
        let der = chain.first().map_or(&[][..], |first| first.as_ref());
        let provider = super::provider();
        let sha256 = provider.cipher_suites.iter().find_map(|suite| {
            let hash = suite.tls13()?.common.hash_provider;
            (hash.algorithm() == HashAlgorithm::SHA256).then_some(hash)
        });
        let digest = sha256.map(|sha256| sha256.hash(der));
        let bytes = digest.as_ref().map_or(&[][..], |digest| digest.as_ref());
        Ok(bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"))
    }

    /// True if its first certificate is not valid any more `span` from now.
    ///
    /// # Errors
    ///
    /// It cannot be read, or has no certificate in it.
    pub fn ends_within(&self, span: Duration) -> Result<bool, ConfigError> {
        let chain = self.certificates()?;
        Ok(chain.first().is_some_and(|first| ends_within(first, UnixTime::now(), span)))
    }

    /// All certificates in it, in order; at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
        let text = self.read()?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let found =
            found.map_err(|error| ConfigError::new(format!("{self} is not good PEM: {error}")))?;
        if found.is_empty() {
            let hint = if holds(&text, b"PRIVATE KEY") { "; it holds a private key" } else { "" };
            return Err(ConfigError::new(format!("{self} has no certificate in it{hint}")));
        }
        Ok(found)
    }

    /// The first private key in it.
    fn key(&self) -> Result<PrivateKeyDer<'static>, ConfigError> {
        let text = self.read()?;
        if holds(&text, b"ENCRYPTED") {
            return Err(ConfigError::new(format!(
                "the private key in {self} is encrypted; decrypt it first: openssl pkey -in KEY -out PLAIN"
            )));
        }
        PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
            let hint = if holds(&text, b"CERTIFICATE") { "; it holds a certificate" } else { "" };
            ConfigError::new(match error {
                rustls::pki_types::pem::Error::NoItemsFound => {
                    format!("{self} has no private key in it{hint}")
                }
                error => format!("{self} is not good PEM: {error}"),
            })
        })
    }
}

fn holds(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text, word).is_some()
}

/// A certificate with the chain that leads to its issuer, and its private key (PKCS#8, PKCS#1 or
/// SEC1). Both may be in one file.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The certificates: the server's own first, then its issuers'.
    pub chain: Pem,
    /// The private key.
    pub key: Pem,
}

/// The certificates of a server, by name.
#[derive(Debug)]
pub(super) struct Certs {
    all: Vec<Arc<CertifiedKey>>,
    /// The positions of those valid for a name. Wildcard names stand without their star: `.b.c`.
    by_name: HashMap<Box<str>, Vec<usize>>,
}

impl Certs {
    /// Reads and checks all pairs. What is odd but usable goes to `warnings`.
    pub(super) fn load(
        pairs: &[KeyPair],
        provider: &CryptoProvider,
        now: UnixTime,
        warnings: &mut Vec<String>,
    ) -> Result<Self, ConfigError> {
        let mut certs = Certs { all: Vec::new(), by_name: HashMap::new() };
        for pair in pairs {
            let chain = pair.chain.certificates()?;
            let own = chain.first().cloned();
            let certified =
                CertifiedKey::from_der(chain, pair.key.key()?, provider).map_err(|error| {
                    match error {
                        rustls::Error::InconsistentKeys(_) => ConfigError::new(format!(
                            "the key in {} does not belong to the first certificate in {}",
                            pair.key, pair.chain
                        )),
                        error => ConfigError::new(format!(
                            "{} with the key in {}: not usable: {error}",
                            pair.chain, pair.key
                        )),
                    }
                })?;
            let names = own.as_ref().map(dns_names).transpose().map_err(|error| {
                ConfigError::new(format!("{}: the certificate cannot be read: {error}", pair.chain))
            })?;
            if let Some(warning) = own.as_ref().and_then(|own| untimely(own, now)) {
                warnings.push(format!("{}: {warning}", pair.chain));
            }
            for name in names.unwrap_or_default() {
                certs.by_name.entry(name).or_default().push(certs.all.len());
            }
            certs.all.push(Arc::new(certified));
        }
        if certs.all.is_empty() {
            return Err(ConfigError::new("TLS needs a certificate and its key".into()));
        }
        Ok(certs)
    }

    /// The certificate for a client: of those for its name the first whose key it can check; the
    /// first of all if it names nobody we are.
    fn pick(&self, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let suits = |certified: &&Arc<CertifiedKey>| certified.key.choose_scheme(schemes).is_some();
        let named = hello.server_name().and_then(|name| self.named(name));
        let of_name =
            named.unwrap_or_default().iter().filter_map(|&position| self.all.get(position));
        of_name
            .clone()
            .find(suits)
            .or_else(|| of_name.clone().next())
            .or_else(|| self.all.first())
            .cloned()
    }

    /// An exact name goes before a wildcard, which stands for one label (RFC 9525 §6.3).
    fn named(&self, name: &str) -> Option<&[usize]> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let parent = name.find('.').and_then(|dot| name.get(dot..));
        let exact = self.by_name.get(name.as_str());
        exact.or_else(|| parent.and_then(|parent| self.by_name.get(parent))).map(Vec::as_slice)
    }
}

/// Chooses the certificate of one connection and remembers the name that its client asked for,
/// which rustls' unbuffered interface does not tell.
#[derive(Debug)]
pub(super) struct Asked {
    certs: Arc<Certs>,
    name: OnceLock<Box<str>>,
}

impl Asked {
    pub(super) fn new(certs: Arc<Certs>) -> Self {
        Asked { certs, name: OnceLock::new() }
    }

    /// The name asked for.
    pub(super) fn name(&self) -> Option<Box<str>> {
        self.name.get().cloned()
    }
}

impl ResolvesServerCert for Asked {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(name) = hello.server_name() {
            let _ = self.name.set(name.into());
        }
        self.certs.pick(&hello)
    }
}

/// The DNS names that a certificate is for.
fn dns_names(certificate: &CertificateDer<'static>) -> Result<Vec<Box<str>>, webpki::Error> {
    let parsed = EndEntityCert::try_from(certificate)?;
    let names = parsed.valid_dns_names();
    Ok(names
        .map(|name| name.strip_prefix('*').unwrap_or(name).to_ascii_lowercase().into())
        .collect())
}

/// What to say of a certificate whose time has not come, is over or nearly so.
fn untimely(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<String> {
    const SOON: Duration = Duration::from_secs(14 * 86_400);
    match lifetime_fault(certificate, now) {
        Some(fault @ webpki::Error::CertExpired { not_after, .. }) => {
            let days = now.as_secs().saturating_sub(not_after.as_secs()) / 86_400;
            Some(format!("the certificate has expired {days} days ago ({fault:?})"))
        }
        Some(_) => Some("the certificate is not valid yet".into()),
        None => ends_within(certificate, now, SOON)
            .then(|| "the certificate ends within 14 days".into()),
    }
}

/// True if the certificate is not valid any more `span` from `now`.
fn ends_within(certificate: &CertificateDer<'_>, now: UnixTime, span: Duration) -> bool {
    let then = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + span);
    matches!(lifetime_fault(certificate, then), Some(webpki::Error::CertExpired { .. }))
}

/// What is wrong with a certificate's lifetime at `now`.
///
/// The verifier looks at the lifetime first, and needs no issuer for that.
fn lifetime_fault(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<webpki::Error> {
    let parsed = EndEntityCert::try_from(certificate).ok()?;
    let usage = webpki::KeyUsage::server_auth();
    let fault = parsed.verify_for_usage(&[], &[], &[], now, usage, None, None).err()?;
    let timely =
        !matches!(fault, webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. });
    (!timely).then_some(fault)
}
