//! The names of cipher suites and key-exchange groups, as people write them.
//!
//! A suite can be given by its IANA name, by OpenSSL's, or by Go's constant; a group likewise. The
//! policy looks names up here; a name that stands for something insecure or missing is answered
//! with the reason.

use rustls::{CipherSuite, NamedGroup};

/// One suite: its IANA name, its other names, its number.
pub(super) struct Suite {
    pub(super) iana: &'static str,
    others: &'static [&'static str],
    pub(super) id: CipherSuite,
}

/// The suites that can be had, best first. AES-128 leads: as strong as anybody needs, and the
/// cheapest where the processor helps, which is nearly everywhere.
pub(super) const SUITES: [Suite; 9] = [
    Suite {
        iana: "TLS_AES_128_GCM_SHA256",
        others: &[],
        id: CipherSuite::TLS13_AES_128_GCM_SHA256,
    },
    Suite {
        iana: "TLS_AES_256_GCM_SHA384",
        others: &[],
        id: CipherSuite::TLS13_AES_256_GCM_SHA384,
    },
    Suite {
        iana: "TLS_CHACHA20_POLY1305_SHA256",
        others: &[],
        id: CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    },
    Suite {
        iana: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        others: &["ECDHE-ECDSA-AES128-GCM-SHA256"],
        id: CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    },
    Suite {
        iana: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        others: &["ECDHE-RSA-AES128-GCM-SHA256"],
        id: CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    },
    Suite {
        iana: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        others: &["ECDHE-ECDSA-AES256-GCM-SHA384"],
        id: CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    },
    Suite {
        iana: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        others: &["ECDHE-RSA-AES256-GCM-SHA384"],
        id: CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    },
    Suite {
        iana: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        others: &["ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305"],
        id: CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    },
    Suite {
        iana: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        others: &["ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"],
        id: CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    },
];

/// One key-exchange group: its name, its other names, its number.
pub(super) struct Group {
    pub(super) name: &'static str,
    others: &'static [&'static str],
    pub(super) id: NamedGroup,
}

/// The groups that can be had, in the order of the default. The hybrid comes first where the
/// provider has it: recorded traffic stays secret from a quantum computer.
pub(super) const GROUPS: [Group; 4] = [
    Group { name: "X25519MLKEM768", others: &[], id: NamedGroup::X25519MLKEM768 },
    Group { name: "X25519", others: &[], id: NamedGroup::X25519 },
    Group {
        name: "P-256",
        others: &["P256", "secp256r1", "prime256v1", "CurveP256"],
        id: NamedGroup::secp256r1,
    },
    Group { name: "P-384", others: &["P384", "secp384r1", "CurveP384"], id: NamedGroup::secp384r1 },
];

/// Why a known suite is refused. The first mark that the name contains decides.
const WEAK_SUITES: [(&str, &str); 13] = [
    ("NULL", "it does not encrypt"),
    ("EXP", "export ciphers are broken by design"),
    ("ANON", "it does not authenticate the server"),
    ("ADH", "it does not authenticate the server"),
    ("RC4", "RC4 is broken (RFC 7465)"),
    ("3DES", "3DES has too small a block (Sweet32)"),
    ("DES_CBC3", "3DES has too small a block (Sweet32)"),
    ("PSK", "pre-shared keys are not implemented"),
    ("SRP", "passwords in the handshake are not implemented"),
    ("CCM", "CCM is not implemented"),
    ("CAMELLIA", "Camellia is not implemented"),
    ("ARIA", "ARIA is not implemented"),
    ("CBC", CBC),
];

const CBC: &str = "CBC suites leak by padding oracles (Lucky 13)";
const RSA_EXCHANGE: &str = "RSA key exchange has no forward secrecy";
const DHE: &str = "finite-field DHE is not implemented";

/// Why a known group is refused.
const WEAK_GROUPS: [(&str, &str); 6] = [
    ("P521", "P-521 is not implemented; nothing needs it over P-384"),
    ("P224", "P-224 is below 128 bits of strength"),
    ("X448", "X448 is not implemented"),
    ("FFDHE", DHE),
    ("BRAINPOOL", "brainpool curves are not implemented"),
    ("SECP256K1", "secp256k1 is not meant for TLS"),
];

/// The IANA name of a negotiated suite.
pub(super) fn suite_name(id: CipherSuite) -> &'static str {
    SUITES.iter().find(|suite| suite.id == id).map_or("", |suite| suite.iana)
}

/// The suite of this name.
pub(super) fn suite(name: &str) -> Option<&'static Suite> {
    let name = bare(name);
    SUITES
        .iter()
        .find(|suite| same(suite.iana, name) || suite.others.iter().any(|other| same(other, name)))
}

/// The group of this name.
pub(super) fn group(name: &str) -> Option<&'static Group> {
    let name = bare(name);
    GROUPS
        .iter()
        .find(|group| same(group.name, name) || group.others.iter().any(|other| same(other, name)))
}

/// Why this suite's name is refused; `None` if it is no suite's name at all.
pub(super) fn suite_weakness(name: &str) -> Option<&'static str> {
    let name = bare(name).to_ascii_uppercase().replace('-', "_");
    if let Some((_, why)) = WEAK_SUITES.iter().find(|(mark, _)| name.contains(mark)) {
        return Some(why);
    }
    let cipher = name.contains("AES") || name.contains("CHACHA20");
    let sealed = name.contains("GCM") || name.contains("CHACHA20");
    match name.strip_prefix("TLS_").unwrap_or(&name) {
        _ if !cipher => None,
        // OpenSSL leaves out the mode of CBC suites, and the key exchange where it is RSA.
        _ if !sealed => Some(CBC),
        rest if rest.starts_with("RSA") || rest.starts_with("AES") => Some(RSA_EXCHANGE),
        rest if rest.starts_with("DH") || rest.starts_with("EDH") => Some(DHE),
        _ => None,
    }
}

/// Why this group's name is refused; `None` if it is no group's name at all.
pub(super) fn group_weakness(name: &str) -> Option<&'static str> {
    let name = bare(name).to_ascii_uppercase().replace(['-', '_'], "");
    WEAK_GROUPS.iter().find(|(mark, _)| name.contains(mark)).map(|(_, why)| *why)
}

/// Without the package that Go writes in front.
fn bare(name: &str) -> &str {
    let name = name.trim();
    name.strip_prefix("tls.").unwrap_or(name)
}

/// Equal but for case, and for `-` where the other has `_`.
fn same(known: &str, given: &str) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_uppercase() };
    known.len() == given.len() && known.bytes().map(fold).eq(given.bytes().map(fold))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_known_by_their_iana_openssl_and_go_names() {
        for (name, id) in [
            ("TLS_AES_128_GCM_SHA256", CipherSuite::TLS13_AES_128_GCM_SHA256),
            ("tls.TLS_CHACHA20_POLY1305_SHA256", CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
            ("ECDHE-RSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
            (
                "ecdhe-ecdsa-chacha20-poly1305",
                CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            ),
            (
                "tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            ),
            (
                " TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
                CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            ),
        ] {
            assert_eq!(suite(name).map(|suite| suite.id), Some(id), "{name}");
        }
    }

    #[test]
    fn groups_are_known_by_all_their_names() {
        for name in ["P-256", "p256", "secp256r1", "prime256v1", "CurveP256", "tls.CurveP256"] {
            assert_eq!(group(name).map(|group| group.id), Some(NamedGroup::secp256r1), "{name}");
        }
        for name in ["X25519", "tls.X25519"] {
            assert_eq!(group(name).map(|group| group.id), Some(NamedGroup::X25519), "{name}");
        }
    }

    #[test]
    fn weak_suites_are_refused_for_what_they_are() {
        for (name, why) in [
            ("tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "CBC"),
            ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "CBC"),
            ("ECDHE-RSA-AES128-SHA", "CBC"),
            ("AES256-SHA256", "CBC"),
            ("tls.TLS_RSA_WITH_AES_256_GCM_SHA384", "forward secrecy"),
            ("AES128-GCM-SHA256", "forward secrecy"),
            ("tls.TLS_RSA_WITH_AES_256_CBC_SHA", "CBC"),
            ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", "3DES"),
            ("DES-CBC3-SHA", "3DES"),
            ("tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA", "RC4"),
            ("DHE-RSA-AES128-GCM-SHA256", "DHE"),
            ("TLS_AES_128_CCM_SHA256", "CCM"),
            ("TLS_RSA_WITH_NULL_SHA256", "not encrypt"),
            ("TLS_DH_anon_WITH_AES_128_GCM_SHA256", "authenticate"),
            ("ECDHE-PSK-CHACHA20-POLY1305", "pre-shared"),
        ] {
            assert!(suite(name).is_none(), "{name}");
            let found = suite_weakness(name).unwrap_or("nothing");
            assert!(found.contains(why), "{name}: {found}");
        }
        for name in ["", "HTTP", "ECDHE-RSA-AES129-GCM-SHA256", "TLS_SM4_GCM_SM3"] {
            assert_eq!(suite_weakness(name), None, "{name}");
        }
    }

    #[test]
    fn weak_groups_are_refused_for_what_they_are() {
        for (name, why) in [
            ("tls.CurveP521", "P-521"),
            ("P-521", "P-521"),
            ("secp521r1", "P-521"),
            ("ffdhe2048", "DHE"),
            ("X448", "X448"),
            ("brainpoolP256r1", "brainpool"),
            ("secp224r1", "P-224"),
        ] {
            assert!(group(name).is_none(), "{name}");
            assert!(group_weakness(name).is_some_and(|found| found.contains(why)), "{name}");
        }
        assert_eq!(group_weakness("P-255"), None);
    }
}
