//! Request targets and authorities: the forms of RFC 9112 §3.2, with the grammar of RFC 3986.
//!
//! Called by the parser of heads. Nothing is resolved or normalised here: what no target and no
//! authority can be is refused, the rest is the application's to understand.

use std::net::Ipv6Addr;

use memchr::memchr;

use super::Refusal;

/// Scheme, authority and the rest of a target in absolute form (RFC 9112 §3.2.2).
pub(super) fn absolute(target: &str) -> Option<(&str, &str, &str)> {
    if target.starts_with('/') {
        return None;
    }
    let (scheme, rest) = target.split_once("://")?;
    let (authority, origin) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    Some((scheme, authority, origin))
}

/// What of a target follows the authority, if it names one.
pub(super) fn origin(target: &str) -> &str {
    absolute(target).map_or(target, |(_, _, origin)| origin)
}

/// Checks a target that is not simply a path in ASCII (RFC 9112 §3.2.2–3.2.4).
#[cold]
pub(super) fn check(method: &str, target: &str) -> Result<(), Refusal> {
    let is_right = if !target.is_ascii() {
        // A URI has none (RFC 3986 §2), and readers disagree on what they would mean.
        false
    } else if method == "CONNECT" {
        authority(target.as_bytes()).is_some_and(|(host, port)| {
            !host.is_empty() && port.is_some_and(|port| !port.is_empty())
        })
    } else if target == "*" {
        method == "OPTIONS"
    } else {
        target.starts_with('/')
            || absolute(target).is_some_and(|(scheme, text, _)| {
                (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
                    && authority(text.as_bytes()).is_some_and(|(host, _)| !host.is_empty())
            })
    };
    if is_right { Ok(()) } else { Err(Refusal::Target) }
}

/// True for what a `Host` field may say (RFC 9110 §7.2). Empty is how a client says that its target
/// has no authority.
pub(super) fn is_host(value: &[u8]) -> bool {
    authority(value).is_some()
}

/// Host and port of `uri-host [ ":" port ]`. User names are not part of it (RFC 9110 §4.2.4).
fn authority(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let (host, rest) = match *text {
        [b'[', ref rest @ ..] => {
            let address = &rest[..memchr(b']', rest)?];
            str::from_utf8(address).ok()?.parse::<Ipv6Addr>().ok()?;
            text.split_at(address.len() + 2)
        }
        _ => text.split_at(memchr(b':', text).unwrap_or(text.len())),
    };
    if !host.starts_with(b"[") && !is_reg_name(host) {
        return None;
    }
    match *rest {
        [] => Some((host, None)),
        [b':', ref port @ ..] if port.iter().all(u8::is_ascii_digit) => Some((host, Some(port))),
        _ => None,
    }
}

/// `reg-name` (RFC 3986 §3.2.2).
fn is_reg_name(name: &[u8]) -> bool {
    static PLAIN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let others = b"-._~!$&'()*+,;=";
        let mut at = 0;
        while at < others.len() {
            table[others[at] as usize] = true;
            at += 1;
        }
        table
    };
    let mut rest = name.iter();
    while let Some(&byte) = rest.next() {
        let mut is_digit = || rest.next().is_some_and(u8::is_ascii_hexdigit);
        let fits = PLAIN[usize::from(byte)] || (byte == b'%' && is_digit() && is_digit());
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for host in ["", "a", "a.b:80", "a:", "127.0.0.1", "[::1]", "[::1]:8080", "a%20b", "a_b"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "a b",
            "a/b",
            "a:b",
            "a:1:2",
            "::1",
            "[::1",
            "::1]",
            "[a]",
            "[]",
            "[::1]x",
            "a%zz",
            "a%2",
            "u@a",
            "a\\b",
            "a?b",
            "a#b",
            "\"a\"",
            "ä",
            "[1.2.3.4]",
            "a:-1",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn each_form_of_target_goes_with_its_methods() {
        let right = [
            ("GET", "/"),
            ("GET", "//a"),
            ("GET", "/?u=http://b"),
            ("GET", "http://a"),
            ("GET", "HTTPS://a:1/b?c"),
            ("GET", "http://[::1]:80?x"),
            ("OPTIONS", "*"),
            ("CONNECT", "a:443"),
            ("CONNECT", "[::1]:443"),
        ];
        for (method, target) in right {
            assert_eq!(check(method, target), Ok(()), "{method} {target}");
        }
        let wrong = [
            ("GET", "*"),
            ("GET", "a"),
            ("GET", "a:80"),
            ("GET", "?a"),
            ("GET", "/ä"),
            ("GET", "http://"),
            ("GET", "http:///a"),
            ("GET", "http://:80/"),
            ("GET", "http://u@a/"),
            ("GET", "http:/a"),
            ("GET", "http://a#b"),
            ("GET", "ftp://a/"),
            ("GET", "://a"),
            ("OPTIONS", "**"),
            ("CONNECT", "/"),
            ("CONNECT", "a"),
            ("CONNECT", "a:"),
            ("CONNECT", ":1"),
            ("CONNECT", "[::1]"),
            ("CONNECT", "http://a:1"),
        ];
        for (method, target) in wrong {
            assert_eq!(check(method, target), Err(Refusal::Target), "{method} {target}");
        }
    }

    #[test]
    fn an_absolute_target_comes_apart() {
        assert_eq!(absolute("http://a:1/b?c"), Some(("http", "a:1", "/b?c")));
        assert_eq!(absolute("/b?u=http://c"), None);
        assert_eq!(origin("http://a?x"), "?x");
        assert_eq!(origin("http://a"), "");
        assert_eq!(origin("*"), "*");
    }
}
