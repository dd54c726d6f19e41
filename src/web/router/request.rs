//! A request that was routed: its head, the route it took, and the parameters of its path.

use std::borrow::Cow;
use std::ops::Deref;

use matchit::Params;
use percent_encoding::percent_decode_str;

use crate::proto::h1::Head;

/// A request on its way to a handler. Everything a [`Head`] says it says too.
pub struct Request<'r> {
    head: &'r Head<'r>,
    pattern: Option<&'r str>,
    params: Params<'r, 'r>,
    /// Those parameters that were encoded, as they read without.
    decoded: Vec<(&'r str, String)>,
}

impl<'r> Request<'r> {
    /// A request that no route has taken.
    pub fn new(head: &'r Head<'r>) -> Self {
        Request { head, pattern: None, params: Params::new(), decoded: Vec::new() }
    }

    /// A request on a route. `None` if what its parameters encode is not UTF-8.
    #[inline]
    pub(super) fn routed(
        head: &'r Head<'r>,
        pattern: &'r str,
        params: Params<'r, 'r>,
    ) -> Option<Self> {
        let mut decoded = Vec::new();
        for (name, value) in params.iter() {
            if value.contains('%') {
                decoded.push((name, percent_decode_str(value).decode_utf8().ok()?.into_owned()));
            }
        }
        Some(Request { head, pattern: Some(pattern), params, decoded })
    }

    /// The head, to be passed on.
    pub fn head(&self) -> &'r Head<'r> {
        self.head
    }

    /// The route's pattern, such as `/api/notes/{id}`, if there is a route: of few values, whatever
    /// strangers ask for.
    pub fn pattern(&self) -> Option<&'r str> {
        self.pattern
    }

    /// A parameter of the path, decoded once.
    pub fn param(&self, name: &str) -> Option<&str> {
        let decoded = self.decoded.iter().find(|(of, _)| *of == name);
        decoded.map(|(_, value)| &**value).or_else(|| self.params.get(name))
    }

    /// The pairs of the query, as forms write them: decoded, `+` for a space, and what is not UTF-8
    /// replaced.
    pub fn query_pairs(&self) -> form_urlencoded::Parse<'r> {
        form_urlencoded::parse(self.head.query().unwrap_or("").as_bytes())
    }

    /// The first value of the query that is called `name`.
    pub fn query_value(&self, name: &str) -> Option<Cow<'r, str>> {
        self.query_pairs().find(|(of, _)| of == name).map(|(_, value)| value)
    }
}

impl<'r> Deref for Request<'r> {
    type Target = Head<'r>;

    fn deref(&self) -> &Head<'r> {
        self.head
    }
}

/// The path with the encodings undone that mean nothing (RFC 3986 §6.2.2.2): of letters, digits and
/// `-._~`. What else is encoded stays so, above all a slash. `None` if an encoding is broken.
pub(super) fn normal(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut parts = path.split('%');
    let mut normal = String::with_capacity(path.len());
    normal.push_str(parts.next()?);
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            normal.push(char::from(byte));
        } else {
            normal.push('%');
            normal.push_str(digits);
        }
        normal.push_str(rest);
    }
    Some(Cow::Owned(normal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_encodings_without_meaning_are_undone() {
        for (path, expected) in [
            ("/plain", Some("/plain")),
            ("/%61%7E%2d", Some("/a~-")),
            ("/a%2Fb", Some("/a%2Fb")),
            ("/%2561", Some("/%2561")),
            ("/%25%36%31", Some("/%2561")),
            ("/%2e%2E/", Some("/../")),
            ("/%C3%a9", Some("/%C3%a9")),
            ("/%", None),
            ("/%4", None),
            ("/%zz", None),
            ("/%+1", None),
            ("/%4é", None),
        ] {
            assert_eq!(normal(path).as_deref(), expected, "{path}");
        }
    }
}
