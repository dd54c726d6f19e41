//! TLS: the connection's state machine, what it agrees to, and its certificates.
//!
//! A [`TlsConfig`] is built once from a [`TlsPolicy`] and [`KeyPair`]s, shared by listeners, and
//! replaced while running. Each accepted connection takes a [`Tls`] from it. Those who dial have a
//! [`ClientTls`]. This folder is the only place that knows rustls.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;
use rustls::server::{NoServerSessionStorage, ServerConfig};

mod certs;
mod client;
mod engine;
mod names;
mod policy;
mod side;

pub use certs::{KeyPair, Pem};
pub use client::{ClientPolicy, ClientTls, TlsPeer, Trust};
pub use engine::{Progress, Tls, TlsError, TlsEvent};
pub use policy::{ClientAuth, TlsPolicy, TlsVersion};

use certs::{Asked, Certs};

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
compile_error!("readyloop needs cryptography for TLS: enable the feature `ring` or `aws-lc-rs`");

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as cryptography;

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use rustls::crypto::ring as cryptography;

/// The cryptography of this build: `aws-lc-rs` if that feature is on, else `ring`.
fn provider() -> CryptoProvider {
    cryptography::default_provider()
}

/// TLS 1.3 tickets sent after each full or resumed handshake.
///
/// Each costs key derivation, encryption and some 250 bytes in every handshake, and resuming brings
/// the next one; a second helps only clients that resume two connections at once.
const TICKETS: usize = 1;

/// A server's TLS, shared by listeners and threads: a clone is the same configuration.
#[derive(Clone)]
pub struct TlsConfig {
    shared: Arc<Shared>,
}

struct Shared {
    live: RwLock<Arc<Live>>,
    source: Mutex<Source>,
}

/// What was built last, and new connections get.
struct Live {
    config: ServerConfig,
    certs: Arc<Certs>,
    warnings: Vec<String>,
}

/// What it was built from.
struct Source {
    policy: TlsPolicy,
    pairs: Vec<KeyPair>,
}

/// Why a configuration is refused: one sentence that names the setting or the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    pub(crate) fn new(text: String) -> Self {
        ConfigError(text)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl TlsConfig {
    /// A configuration for servers. A client that names none of the certificates' hosts gets the
    /// first pair.
    ///
    /// # Errors
    ///
    /// Something in the policy cannot be had, or a certificate or key cannot be used.
    pub fn server(policy: TlsPolicy, pairs: Vec<KeyPair>) -> Result<Self, ConfigError> {
        let source = Source { policy, pairs };
        let live = source.build(UnixTime::now())?;
        let shared = Shared { live: RwLock::new(Arc::new(live)), source: Mutex::new(source) };
        Ok(TlsConfig { shared: Arc::new(shared) })
    }

    /// The TLS of a connection that was just accepted.
    ///
    /// # Errors
    ///
    /// rustls refuses the configuration, which [`server`](Self::server) has already tried out.
    pub fn accept(&self) -> Result<Tls, TlsError> {
        let live = self.live();
        let asked = Arc::new(Asked::new(Arc::clone(&live.certs)));
        let mut config = live.config.clone();
        config.cert_resolver = Arc::clone(&asked) as _;
        Tls::server(config, asked)
    }

    /// Reads all files again. New connections get what is in them; those that exist keep what they
    /// have. Tickets given out before are worth nothing afterwards, so that nobody resumes past
    /// what the new certificates and client CAs would say.
    ///
    /// # Errors
    ///
    /// One of the files cannot be used: nothing changes.
    pub fn reload(&self) -> Result<(), ConfigError> {
        let source = self.source();
        self.install(source.build(UnixTime::now())?);
        Ok(())
    }

    /// Like [`reload`](Self::reload), with another policy and other files from now on.
    ///
    /// # Errors
    ///
    /// They cannot be used: nothing changes.
    pub fn replace(&self, policy: TlsPolicy, pairs: Vec<KeyPair>) -> Result<(), ConfigError> {
        let next = Source { policy, pairs };
        let live = next.build(UnixTime::now())?;
        *self.source() = next;
        self.install(live);
        Ok(())
    }

    /// What is odd about the certificates in use: expired, nearly so, not valid yet.
    pub fn warnings(&self) -> Vec<String> {
        self.live().warnings.clone()
    }

    // A panic while one of the locks is held cannot leave half a value behind: both are replaced
    // whole. So a poisoned lock is used as it is.

    fn live(&self) -> Arc<Live> {
        Arc::clone(&self.shared.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn source(&self) -> MutexGuard<'_, Source> {
        self.shared.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn install(&self, live: Live) {
        *self.shared.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.source();
        f.debug_struct("TlsConfig")
            .field("policy", &source.policy)
            .field("pairs", &source.pairs)
            .finish()
    }
}

impl Source {
    /// Reads and checks everything.
    fn build(&self, now: UnixTime) -> Result<Live, ConfigError> {
        let fault = |error: rustls::Error| ConfigError::new(format!("TLS: {error}"));
        let provider = Arc::new(self.policy.provider(&provider())?);
        let mut warnings = Vec::new();
        let certs = Arc::new(Certs::load(&self.pairs, &provider, now, &mut warnings)?);
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.policy.versions()?)
            .map_err(fault)?
            .with_client_cert_verifier(self.policy.verifier(&provider)?)
            .with_cert_resolver(Arc::new(Asked::new(Arc::clone(&certs))));
        config.ignore_client_order = true;
        config.alpn_protocols.clone_from(&self.policy.alpn);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        if self.policy.tickets {
            config.ticketer = cryptography::Ticketer::new().map_err(fault)?;
            config.send_tls13_tickets = TICKETS;
        }
        if self.policy.key_log {
            config.key_log = Arc::new(rustls::KeyLogFile::new());
        }
        Ok(Live { config, certs, warnings })
    }
}

#[cfg(test)]
mod tests;
