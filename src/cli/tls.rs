//! The flags of HTTPS: certificates, policy, client certificates; and their reload.

use std::io;
use std::path::PathBuf;
use std::thread;

use clap::{Args, ValueEnum};

use super::banner::Note;
use super::devcert;
use super::failure::{Failure, Kind};
use crate::connection::tls::{
    ClientAuth, ConfigError, KeyPair, Pem, TlsConfig, TlsPolicy, TlsVersion,
};

/// The settings of the HTTPS row.
#[derive(Debug, Args)]
#[command(next_help_heading = "HTTPS")]
pub(super) struct Tls {
    /// Certificate with its chain, PEM; repeat for several names. Without one a certificate for
    /// development is made at the first start and kept
    #[arg(long, value_name = "FILE")]
    cert: Vec<PathBuf>,
    /// Private key of the --cert at the same position; none at all if the keys are in the
    /// certificates' files
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Vec<PathBuf>,
    /// Oldest version: 1.2 or 1.3
    #[arg(long, value_name = "VERSION", default_value = "1.2")]
    tls_min: TlsVersion,
    /// Cipher suites in order of preference, by their IANA, OpenSSL or Go names [default: all
    /// secure ones]
    #[arg(long, value_name = "SUITE,…", value_delimiter = ',')]
    tls_suites: Vec<String>,
    /// Key-exchange groups in order of preference: X25519,P-256,… [default: all secure ones]
    #[arg(long, value_name = "GROUP,…", value_delimiter = ',')]
    tls_groups: Vec<String>,
    /// Ask clients for a certificate that one of these vouches for, PEM
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// Whether a client may come without a certificate
    #[arg(long, value_name = "WHETHER", requires = "client_ca", default_value = "required")]
    client_auth: Whether,
    /// Write the secrets of every connection to the file that $SSLKEYLOGFILE names, for a
    /// debugging proxy
    #[arg(long)]
    key_log: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Whether {
    Required,
    Optional,
}

/// HTTPS, ready to be served.
pub(super) struct Secure {
    pub(super) config: TlsConfig,
    /// The files of the first certificate and its key, for a server that is not ours.
    pub(super) files: Option<(PathBuf, PathBuf)>,
    /// What a client must be told to trust, if that is one file.
    pub(super) trust: Option<PathBuf>,
    /// Clients must bring a certificate.
    pub(super) is_mutual: bool,
    /// The banner's lines about it.
    pub(super) note: Note,
}

impl Tls {
    /// True if a flag was given that has no effect without HTTPS.
    pub(super) fn is_given(&self) -> bool {
        !self.cert.is_empty()
            || !self.tls_suites.is_empty()
            || !self.tls_groups.is_empty()
            || self.client_ca.is_some()
            || self.key_log
    }

    /// Loads and checks everything.
    pub(super) fn load(&self) -> Result<Secure, Failure> {
        let policy = self.policy()?;
        let Certificates { pairs, trust, lines } = self.certificates()?;
        let files = pairs.first().and_then(|pair| match (&pair.chain, &pair.key) {
            (Pem::File(chain), Pem::File(key)) => Some((chain.clone(), key.clone())),
            _ => None,
        });
        let config = TlsConfig::server(policy, pairs).map_err(refused)?;
        say_warnings(&config);
        Ok(Secure {
            config,
            files,
            trust,
            is_mutual: self.client_ca.is_some() && self.client_auth == Whether::Required,
            note: Note { name: "certificate", lines },
        })
    }

    fn policy(&self) -> Result<TlsPolicy, Failure> {
        if self.key_log {
            let Some(file) = std::env::var_os("SSLKEYLOGFILE").filter(|file| !file.is_empty())
            else {
                let what =
                    "--key-log needs the environment variable SSLKEYLOGFILE, the file's path";
                return Err(Failure::new(Kind::Usage, what));
            };
            let file = file.to_string_lossy();
            log::warn!(target: "readyloop", "TLS secrets go to {file}: whoever reads it reads the traffic");
        }
        let client_auth = match (&self.client_ca, self.client_auth) {
            (None, _) => ClientAuth::None,
            (Some(file), Whether::Required) => ClientAuth::Required(file.clone().into()),
            (Some(file), Whether::Optional) => ClientAuth::Optional(file.clone().into()),
        };
        Ok(TlsPolicy {
            min_version: self.tls_min,
            suites: self.tls_suites.clone(),
            groups: self.tls_groups.clone(),
            alpn: vec![b"http/1.1".to_vec()],
            client_auth,
            key_log: self.key_log,
            ..TlsPolicy::default()
        })
    }

    fn certificates(&self) -> Result<Certificates, Failure> {
        if self.cert.is_empty() {
            return development();
        }
        if !self.key.is_empty() && self.key.len() != self.cert.len() {
            let (certs, keys) = (self.cert.len(), self.key.len());
            let what = format!("{certs} --cert and {keys} --key: each certificate needs its key");
            return Err(Failure::new(Kind::Usage, what));
        }
        let keys = if self.key.is_empty() { &self.cert } else { &self.key };
        let mut lines = Vec::new();
        for file in &self.cert {
            let pem = Pem::from(file.clone());
            lines.push(format!("{pem}  SHA-256 {}", pem.fingerprint().map_err(refused)?));
        }
        let pair = |(chain, key): (&PathBuf, &PathBuf)| KeyPair {
            chain: chain.clone().into(),
            key: key.clone().into(),
        };
        let pairs = self.cert.iter().zip(keys).map(pair).collect();
        Ok(Certificates { pairs, trust: None, lines })
    }
}

/// The certificates, what clients must be told to trust, and what the banner says.
struct Certificates {
    pairs: Vec<KeyPair>,
    trust: Option<PathBuf>,
    lines: Vec<String>,
}

fn development() -> Result<Certificates, Failure> {
    let made = devcert::development(devcert::data_folder().as_deref());
    let made = made.map_err(|error| Failure::new(Kind::Tls, error.to_string()))?;
    if let Some(warning) = &made.warning {
        log::warn!(target: "readyloop", "{warning}");
    }
    let first = match &made.public {
        Some(path) => format!("for development: {}", path.display()),
        None => "for development, until this process ends".into(),
    };
    let lines = vec![first, format!("SHA-256 {}", made.fingerprint)];
    Ok(Certificates { pairs: vec![made.pair], trust: made.public, lines })
}

fn refused(error: ConfigError) -> Failure {
    Failure::new(Kind::Tls, error.to_string())
}

fn say_warnings(config: &TlsConfig) {
    for warning in config.warnings() {
        log::warn!(target: "readyloop", "{warning}");
    }
}

/// Reads all certificates again and says what came of it. On a thread of its own, for that long:
/// a disk may take its time, and the loop has none.
pub(super) fn reload(config: &TlsConfig) {
    let config = config.clone();
    let read = move || match config.reload() {
        Ok(()) => {
            log::info!(target: "readyloop", "SIGHUP: the certificates were read again and are in use");
            say_warnings(&config);
        }
        Err(error) => {
            log::error!(target: "readyloop", "SIGHUP: the certificates in use stay: {error}");
        }
    };
    let started: io::Result<_> = thread::Builder::new().name("readyloop-reload".into()).spawn(read);
    if let Err(error) = started {
        log::error!(target: "readyloop", "SIGHUP: the certificates in use stay: {error}");
    }
}
