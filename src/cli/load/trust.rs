//! Whom a client of the command believes over TLS: `--insecure`, `--ca`, or the authorities that the system trusts.

use std::path::{Path, PathBuf};

use crate::cli::failure::{Failure, Kind};
use crate::connection::tls::{ClientPolicy, ClientTls, ConfigError, TlsPeer, Trust};
use crate::load::Url;

/// Where systems keep the authorities that they trust.
const KNOWN: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The peer that `url` names, if it is to be secure.
pub(in crate::cli) fn peer(
    url: &Url,
    insecure: bool,
    ca: Option<&Path>,
) -> Result<Option<TlsPeer>, Failure> {
    if !url.scheme.is_secure() {
        return Ok(None);
    }
    let trust = match (insecure, ca) {
        (true, _) => Trust::Anybody,
        (false, Some(file)) => Trust::Roots(vec![file.to_owned().into()]),
        (false, None) => Trust::Roots(vec![system()?.into()]),
    };
    let mut policy = ClientPolicy::new(trust);
    policy.alpn = vec![b"http/1.1".to_vec()];
    // Each handshake is a whole one, so that servers are compared and not their memories.
    policy.resumption = false;
    let tls = ClientTls::new(&policy).map_err(refused)?;
    tls.peer(&url.host).map(Some).map_err(refused)
}

fn system() -> Result<PathBuf, Failure> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let known = KNOWN.iter().map(PathBuf::from);
    named.into_iter().chain(known).find(|file| file.exists()).ok_or_else(|| {
        Failure::new(Kind::Tls, "no file with this system's trusted authorities is known")
            .advise("name one:  --ca FILE")
            .advise("or trust any certificate:  --insecure")
    })
}

fn refused(error: ConfigError) -> Failure {
    Failure::new(Kind::Tls, error.to_string())
}
