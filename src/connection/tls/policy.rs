//! What we agree to: versions, suites, groups, protocols, client certificates.
//!
//! A [`TlsPolicy`] is plain data, as a command line or a configuration file gives it. It is checked
//! when a configuration is built: what cannot be had is refused then, with the reason and the
//! alternatives, and never found out by the first client.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, SupportedCipherSuite, SupportedProtocolVersion, version};

use super::ConfigError;
use super::certs::Pem;
use super::names;

/// What a server agrees to. `TlsPolicy::default()` is right for a public server.
#[derive(Clone, Debug)]
pub struct TlsPolicy {
    /// The oldest version accepted.
    pub min_version: TlsVersion,
    /// The newest one; `None` for the newest there is.
    pub max_version: Option<TlsVersion>,
    /// Cipher suites in order of preference, by their IANA, OpenSSL or Go names; empty for all
    /// secure ones. Our order decides, not the client's. A list without suites of TLS 1.3 leaves
    /// that version and its suites as they are (Go and OpenSSL do the same); one without suites of
    /// TLS 1.2 turns that version off.
    pub suites: Vec<String>,
    /// Key-exchange groups in order of preference; empty for all.
    pub groups: Vec<String>,
    /// Application protocols in order of preference (RFC 7301); empty to not negotiate.
    pub alpn: Vec<Vec<u8>>,
    /// Whether clients are asked for a certificate.
    pub client_auth: ClientAuth,
    /// Whether sessions may be resumed, by tickets that hold their whole state, for half a day. A
    /// client that resumes is the one that was verified before; its certificate is not looked at
    /// again.
    pub tickets: bool,
    /// Write the secrets of every connection to the file that `SSLKEYLOGFILE` names, for a
    /// debugging proxy. Whoever reads that file reads the traffic.
    pub key_log: bool,
}

impl Default for TlsPolicy {
    fn default() -> Self {
        TlsPolicy {
            min_version: TlsVersion::V1_2,
            max_version: None,
            suites: Vec::new(),
            groups: Vec::new(),
            alpn: Vec::new(),
            client_auth: ClientAuth::None,
            tickets: true,
            key_log: false,
        }
    }
}

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

/// Whether clients must say who they are; the roots are PEM certificates of those who vouch.
#[derive(Clone, Debug)]
pub enum ClientAuth {
    /// Clients are not asked.
    None,
    /// Clients are asked; one without a certificate may come in, one with a bad one may not.
    Optional(Pem),
    /// Only clients with a certificate that the roots vouch for come in.
    Required(Pem),
}

impl FromStr for TlsVersion {
    type Err = ConfigError;

    /// Reads `1.2`, `TLSv1.3`, `tls.VersionTLS12` and the like.
    fn from_str(name: &str) -> Result<Self, ConfigError> {
        let digits: String = name.chars().filter(char::is_ascii_digit).collect();
        let word = name.to_ascii_lowercase();
        let rest =
            word.trim_start_matches("tls.").trim_start_matches("version").trim_start_matches("tls");
        let tls = rest.trim_start_matches(['v', ' ', '_', '-']).starts_with('1');
        match digits.as_str() {
            "12" if tls => Ok(TlsVersion::V1_2),
            "13" if tls => Ok(TlsVersion::V1_3),
            "10" | "11" | "1" if tls => Err(ConfigError::new(format!(
                "{name}: TLS 1.0 and 1.1 are broken (RFC 8996); use 1.2 or 1.3"
            ))),
            _ if word.contains("ssl") => {
                Err(ConfigError::new(format!("{name}: SSL is broken (RFC 7568); use 1.2 or 1.3")))
            }
            _ => Err(ConfigError::new(format!("{name}: no TLS version; 1.2 and 1.3 are known"))),
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsVersion::V1_2 => "1.2",
            TlsVersion::V1_3 => "1.3",
        })
    }
}

impl TlsPolicy {
    /// The versions accepted, as rustls wants them.
    pub(super) fn versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>, ConfigError> {
        let max = self.max_version.unwrap_or(TlsVersion::V1_3);
        if max < self.min_version {
            return Err(ConfigError::new(format!(
                "no TLS version is both at least {} and at most {max}",
                self.min_version
            )));
        }
        let all = [(TlsVersion::V1_3, &version::TLS13), (TlsVersion::V1_2, &version::TLS12)];
        let accepted =
            all.into_iter().filter(|(version, _)| (self.min_version..=max).contains(version));
        Ok(accepted.map(|(_, known)| known).collect())
    }

    /// `base` reduced to the policy's suites and groups, in the policy's order.
    pub(super) fn provider(&self, base: &CryptoProvider) -> Result<CryptoProvider, ConfigError> {
        let cipher_suites = self.pick_suites(base)?;
        Ok(CryptoProvider { cipher_suites, kx_groups: self.pick_groups(base)?, ..base.clone() })
    }

    fn pick_suites(&self, base: &CryptoProvider) -> Result<Vec<SupportedCipherSuite>, ConfigError> {
        let versions = self.versions()?;
        let has = |id| base.cipher_suites.iter().find(|suite| suite.suite() == id).copied();
        let allowed = |suite: &SupportedCipherSuite| {
            versions.iter().any(|version| version.version == suite.version().version)
        };
        if self.suites.is_empty() {
            return Ok(names::SUITES
                .iter()
                .filter_map(|suite| has(suite.id))
                .filter(allowed)
                .collect());
        }
        let mut picked: Vec<SupportedCipherSuite> = Vec::new();
        for name in &self.suites {
            let suite = names::suite(name).and_then(|suite| has(suite.id));
            let suite = suite.ok_or_else(|| {
                let known = names::SUITES.iter().filter(|suite| has(suite.id).is_some());
                let known: Vec<_> = known.map(|suite| suite.iana).collect();
                refusal("cipher suite", name, names::suite_weakness(name), &known)
            })?;
            if !picked.iter().any(|other| other.suite() == suite.suite()) {
                picked.push(suite);
            }
        }
        if !picked.iter().any(allowed) {
            let names: Vec<_> =
                picked.iter().map(|suite| names::suite_name(suite.suite())).collect();
            return Err(ConfigError::new(format!(
                "TLS {} and these cipher suites exclude each other: none of {} exists in that version",
                self.range(),
                names.join(", ")
            )));
        }
        picked.retain(allowed);
        let newest = |suite: &SupportedCipherSuite| suite.tls13().is_some();
        if !picked.iter().any(newest) {
            let usual = names::SUITES.iter().filter_map(|suite| has(suite.id));
            picked.splice(0..0, usual.filter(newest).filter(allowed));
        }
        Ok(picked)
    }

    fn pick_groups(
        &self,
        base: &CryptoProvider,
    ) -> Result<Vec<&'static dyn rustls::crypto::SupportedKxGroup>, ConfigError> {
        let has = |id| base.kx_groups.iter().find(|group| group.name() == id).copied();
        if self.groups.is_empty() {
            return Ok(names::GROUPS.iter().filter_map(|group| has(group.id)).collect());
        }
        let mut picked: Vec<&'static dyn rustls::crypto::SupportedKxGroup> = Vec::new();
        for name in &self.groups {
            let known = names::group(name);
            let group = known.and_then(|group| has(group.id)).ok_or_else(|| {
                let why = match known {
                    Some(_) => Some(
                        "this build's cryptography does not have it (the feature aws-lc-rs does)",
                    ),
                    None => names::group_weakness(name),
                };
                let known: Vec<_> = names::GROUPS
                    .iter()
                    .filter(|group| has(group.id).is_some())
                    .map(|g| g.name)
                    .collect();
                refusal("key-exchange group", name, why, &known)
            })?;
            if !picked.iter().any(|other| other.name() == group.name()) {
                picked.push(group);
            }
        }
        Ok(picked)
    }

    fn range(&self) -> String {
        match self.max_version.unwrap_or(TlsVersion::V1_3) {
            max if max == self.min_version => max.to_string(),
            max => format!("{} to {max}", self.min_version),
        }
    }

    /// Who checks the certificates of clients.
    pub(super) fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, ConfigError> {
        let (roots, required) = match &self.client_auth {
            ClientAuth::None => return Ok(WebPkiClientVerifier::no_client_auth()),
            ClientAuth::Optional(roots) => (roots, false),
            ClientAuth::Required(roots) => (roots, true),
        };
        let mut store = RootCertStore::empty();
        for certificate in roots.certificates()? {
            store.add(certificate).map_err(|error| {
                ConfigError::new(format!("{roots}: not usable as a client CA: {error}"))
            })?;
        }
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider));
        let builder = if required { builder } else { builder.allow_unauthenticated() };
        builder.build().map_err(|error| ConfigError::new(format!("{roots}: {error}")))
    }
}

/// Refuses a name: known but not done, or not known.
fn refusal(kind: &str, name: &str, why: Option<&str>, known: &[&str]) -> ConfigError {
    let known = known.join(", ");
    ConfigError::new(match why {
        Some(why) => format!("{kind} {name} is refused: {why}; use one of {known}"),
        None => format!("{kind} {name} is unknown; known are {known}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::tls::provider;

    fn refused(policy: TlsPolicy) -> String {
        policy.provider(&provider()).expect_err("a bad policy").to_string()
    }

    fn suites(names: &[&str]) -> TlsPolicy {
        TlsPolicy {
            suites: names.iter().map(|name| name.to_string()).collect(),
            ..TlsPolicy::default()
        }
    }

    #[test]
    fn names_that_cannot_be_had_are_refused_with_a_reason_and_the_alternatives() {
        for (name, says) in [
            ("tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "refused: CBC"),
            ("tls.TLS_RSA_WITH_AES_256_GCM_SHA384", "no forward secrecy"),
            ("ECDHE-RSA-DES-CBC3-SHA", "3DES"),
            ("RC4-SHA", "RC4"),
            ("TLS_MADE_UP", "unknown; known are"),
        ] {
            let error = refused(suites(&["TLS_AES_128_GCM_SHA256", name]));
            assert!(error.contains(name) && error.contains(says), "{error}");
            assert!(error.contains("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), "{error}");
        }
        for (name, says) in
            [("tls.CurveP521", "P-521"), ("ffdhe2048", "DHE"), ("P-999", "unknown; known are")]
        {
            let error = refused(TlsPolicy { groups: vec![name.into()], ..TlsPolicy::default() });
            assert!(error.contains(says) && error.contains("X25519, P-256, P-384"), "{error}");
        }
    }

    #[test]
    fn versions_and_suites_must_fit_together() {
        let old = ["ECDHE-RSA-AES128-GCM-SHA256"];
        let error = refused(TlsPolicy { min_version: TlsVersion::V1_3, ..suites(&old) });
        assert!(error.contains("TLS 1.3 and these cipher suites exclude each other"), "{error}");
        let error = refused(TlsPolicy {
            min_version: TlsVersion::V1_3,
            max_version: Some(TlsVersion::V1_2),
            ..TlsPolicy::default()
        });
        assert!(error.contains("at least 1.3 and at most 1.2"), "{error}");
        for (max_version, count) in [(Some(TlsVersion::V1_2), 1), (None, 4)] {
            let policy = TlsPolicy { max_version, ..suites(&old) };
            let provider = policy.provider(&provider()).expect("a good policy");
            assert_eq!(
                provider.cipher_suites.len(),
                count,
                "TLS 1.3 stays on unless it is ruled out"
            );
        }
    }

    #[test]
    fn the_order_is_that_of_the_policy() {
        let policy = TlsPolicy {
            groups: vec!["P-384".into(), "tls.CurveP256".into(), "X25519".into(), "p384".into()],
            ..suites(&[
                "TLS_AES_256_GCM_SHA384",
                "ECDHE-RSA-CHACHA20-POLY1305",
                "TLS_AES_128_GCM_SHA256",
            ])
        };
        let provider = policy.provider(&provider()).expect("a good policy");
        let suites: Vec<_> =
            provider.cipher_suites.iter().map(|suite| names::suite_name(suite.suite())).collect();
        assert_eq!(
            suites,
            [
                "TLS_AES_256_GCM_SHA384",
                "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
                "TLS_AES_128_GCM_SHA256"
            ]
        );
        let groups: Vec<_> =
            provider.kx_groups.iter().map(|group| format!("{:?}", group.name())).collect();
        assert_eq!(groups, ["secp384r1", "secp256r1", "X25519"]);
    }

    #[test]
    fn versions_are_read_as_people_write_them() {
        for name in ["1.2", "TLS1.2", "TLSv1.2", "tls 1.2", "tls.VersionTLS12", "tlsv1_2"] {
            assert_eq!(name.parse::<TlsVersion>().ok(), Some(TlsVersion::V1_2), "{name}");
        }
        assert_eq!("VersionTLS13".parse::<TlsVersion>().ok(), Some(TlsVersion::V1_3));
        for (name, says) in [
            ("1.1", "RFC 8996"),
            ("tls.VersionTLS10", "RFC 8996"),
            ("SSLv3", "RFC 7568"),
            ("1.4", "no TLS version"),
            ("", "no TLS version"),
        ] {
            let error = name.parse::<TlsVersion>().expect_err(name).to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
