//! Cookies (RFC 6265, and the prefixes and `SameSite` of its revision): read from a request, written
//! into an answer.
//!
//! Called by handlers. Values are opaque: nothing is decoded, and what a cookie may not contain is
//! refused rather than encoded.

use std::fmt;

pub use ::cookie::{Cookie, SameSite};

use crate::proto::h1::{Head, is_token};

/// The longest name and value together that browsers keep.
pub const MAX_BYTES: usize = 4096;

/// The value of the first cookie called `name`. Others of the name may follow: whoever can set
/// cookies for a domain above can add some, and only the prefix `__Host-` keeps them out.
pub fn get<'h>(head: &Head<'h>, name: &str) -> Option<&'h str> {
    all(head).find(|(of, _)| *of == name).map(|(_, value)| value)
}

/// All cookies of a request, as they came. What is no cookie is left out.
pub fn all<'h>(head: &Head<'h>) -> impl Iterator<Item = (&'h str, &'h str)> + use<'h> {
    head.headers()
        .values("cookie")
        .filter_map(|value| str::from_utf8(value).ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.trim(), unquoted(value.trim())))
        .filter(|(name, _)| is_name(name))
}

/// Quotes around a value are not part of it.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// The value of a `Set-Cookie` field.
///
/// ```
/// use readyloop::web::cookie::{self, Cookie, SameSite};
///
/// let cookie = Cookie::build(("__Host-id", "17"))
///     .path("/")
///     .secure(true)
///     .http_only(true)
///     .same_site(SameSite::Lax)
///     .build();
/// let value = cookie::set(&cookie).expect("a good cookie");
/// assert_eq!(value, "__Host-id=17; HttpOnly; SameSite=Lax; Secure; Path=/");
/// ```
///
/// # Errors
///
/// Browsers would not keep the cookie, or would read another one than was meant.
pub fn set(cookie: &Cookie<'_>) -> Result<String, Unfit> {
    let (name, value) = cookie.name_value();
    let is_secure = cookie.secure() == Some(true);
    let begins = |prefix: &str| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let attributes = [cookie.path(), cookie.domain()];
    let is_host_wide = cookie.path() == Some("/") && cookie.domain().is_none();
    let wrong = [
        (!is_name(name), "its name is no token"),
        (!value.bytes().all(is_octet), "its value has spaces, quotes, commas, semicolons or such"),
        (name.len() + value.len() > MAX_BYTES, "it is longer than 4096 bytes"),
        (
            attributes.iter().flatten().any(|text| !text.bytes().all(is_in_attribute)),
            "an attribute has semicolons or control characters",
        ),
        (begins("__Secure-") && !is_secure, "__Secure- asks for Secure"),
        (
            begins("__Host-") && !(is_secure && is_host_wide),
            "__Host- asks for Secure, Path=/ and no Domain",
        ),
        (cookie.same_site() == Some(SameSite::None) && !is_secure, "SameSite=None asks for Secure"),
        (cookie.partitioned() == Some(true) && !is_secure, "Partitioned asks for Secure"),
    ];
    match wrong.iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, what)) => Err(Unfit { name: name.to_owned(), what }),
        None => Ok(cookie.to_string()),
    }
}

/// The value of the `Set-Cookie` field that has browsers forget a cookie, which was set with this
/// path.
///
/// # Errors
///
/// As for [`set`].
pub fn forget(name: &str, path: &str) -> Result<String, Unfit> {
    let is_prefixed = name.get(..2) == Some("__");
    let mut cookie = Cookie::build((name, "")).path(path).secure(is_prefixed).build();
    cookie.make_removal();
    set(&cookie)
}

/// A cookie that browsers would not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    name: String,
    what: &'static str,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the cookie {:?}: {}", self.name, self.what)
    }
}

impl std::error::Error for Unfit {}

/// A token (RFC 9110 §5.6.2).
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_token)
}

/// `cookie-octet` (RFC 6265 §4.1.1).
fn is_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

fn is_in_attribute(byte: u8) -> bool {
    byte != b';' && (b' '..=b'~').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::router::Router;
    use crate::web::testing::{ask, body};
    use std::rc::Rc;

    #[test]
    fn cookies_are_read_as_they_came() {
        let router = Rc::new(Router::new().get("/", |request, reply| {
            let all: Vec<_> = all(request).map(|(name, value)| format!("{name}:{value}")).collect();
            let text = format!("{} {}", get(request, "a").unwrap_or("-"), all.join(" "));
            reply.text(200, &text)
        }));
        for (fields, expected) in [
            ("", "- "),
            ("Cookie: a=1\r\n", "1 a:1"),
            ("Cookie: a=1; b=2;c=3 ;; =x; d\r\n", "1 a:1 b:2 c:3"),
            ("Cookie: b=1\r\nCookie: a=2; a=3\r\n", "2 b:1 a:2 a:3"),
            ("cookie: a=\"x y\"; b=%20=; c=\r\n", "x y a:x y b:%20= c:"),
            ("Cookie: a b=1; \u{e9}=2; A=3\r\n", "- A:3"),
        ] {
            assert_eq!(body(&ask(&router, "GET", "/", fields, "")), expected, "{fields}");
        }
    }

    #[test]
    fn only_cookies_that_browsers_keep_are_set() {
        let host = || Cookie::build(("__Host-a", "b")).secure(true).path("/");
        for (cookie, expected) in [
            (Cookie::build(("a", "b")), Ok("a=b")),
            (Cookie::build(("a", "")), Ok("a=")),
            (host(), Ok("__Host-a=b; Secure; Path=/")),
            (host().path("/x"), Err("__Host-")),
            (host().domain("a.example"), Err("__Host-")),
            (host().secure(false), Err("__Host-")),
            (Cookie::build(("__host-a", "b")), Err("__Host-")),
            (Cookie::build(("__Secure-a", "b")), Err("__Secure-")),
            (Cookie::build(("a", "b")).same_site(SameSite::None), Err("SameSite")),
            (Cookie::build(("a", "b")).partitioned(true).secure(false), Err("Partitioned")),
            (Cookie::build(("", "b")), Err("name")),
            (Cookie::build(("a=", "b")), Err("name")),
            (Cookie::build(("a\r\nb", "b")), Err("name")),
            (Cookie::build(("a", "b; Domain=x")), Err("value")),
            (Cookie::build(("a", "b\r\n")), Err("value")),
            (Cookie::build(("a", "é")), Err("value")),
            (Cookie::build(("a", "b")).path("/;x"), Err("attribute")),
            (Cookie::build(("a", "b")).domain("a\n"), Err("attribute")),
            (Cookie::build(("a", "b".repeat(4096))), Err("4096")),
        ] {
            let cookie = cookie.build();
            match (set(&cookie), expected) {
                (Ok(value), Ok(expected)) => assert_eq!(value, expected),
                (Err(unfit), Err(says)) => assert!(unfit.to_string().contains(says), "{unfit}"),
                (got, _) => panic!("{cookie:?}: {got:?}"),
            }
        }
    }

    #[test]
    fn a_cookie_is_forgotten_by_its_name_and_path() {
        let value = forget("__Host-a", "/").expect("a good cookie");
        assert!(value.starts_with("__Host-a=; ") && value.contains("Max-Age=0"), "{value}");
        assert!(value.contains("Path=/") && value.contains("Secure"), "{value}");
    }
}
