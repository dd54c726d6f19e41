//! From the path of a request to the name of a file below a folder, purely.
//!
//! Called for each path that is not known yet. It decodes once, and refuses rather than repairs:
//! what a browser or curl sends for an honest link has none of what is refused here. Whether the
//! name leads anywhere, and whether by a link out of the folder, is `root`'s question.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The name of a file or folder, relative, with `/` between its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Empty for the folder itself.
    pub(super) text: String,
    /// The path ended with a slash.
    pub(super) is_folder: bool,
}

/// Why a path is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// A `%` without two hexadecimal digits: 400.
    Malformed,
    /// Something that is not served, whether it exists or not: 404.
    Missing,
}

impl Name {
    /// Reads the path of a request.
    pub(super) fn of(path: &str) -> Result<Name, Refused> {
        if !escapes_are_whole(path.as_bytes()) {
            return Err(Refused::Malformed);
        }
        let rest = path.strip_prefix('/').ok_or(Refused::Missing)?;
        let (rest, is_folder) = match rest.strip_suffix('/') {
            Some(folder) => (folder, true),
            None => (rest, rest.is_empty()),
        };
        let mut text = String::with_capacity(rest.len());
        // Split first and decoded then: an encoded slash is no separator.
        for (at, segment) in rest.split('/').enumerate() {
            if rest.is_empty() && !path.starts_with("//") {
                break;
            }
            let part = percent_decode_str(segment).decode_utf8().map_err(|_| Refused::Missing)?;
            if !is_served(&part, at == 0) {
                return Err(Refused::Missing);
            }
            if at > 0 {
                text.push('/');
            }
            text.push_str(&part);
        }
        Ok(Name { text, is_folder })
    }

    /// The path as it is written in a target: one spelling of the many that name the same.
    pub(super) fn path(&self) -> String {
        let slash = if self.is_folder && !self.text.is_empty() { "/" } else { "" };
        format!("/{}{slash}", encoded(&self.text))
    }

    /// The last part with a slash: from the path of a folder that lacks it, this leads to it,
    /// wherever the tree is mounted, and never to another host.
    pub(super) fn with_slash(&self) -> String {
        let last = self.text.rsplit('/').next().unwrap_or_default();
        format!("{}/", encoded(last))
    }
}

/// `text` as it is written in a target or a link: slashes stay.
pub(super) fn encoded(text: &str) -> String {
    const KEPT: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}

/// True for the name of an entry that is shown to strangers.
pub(super) fn is_served(part: &str, is_first: bool) -> bool {
    let is_hidden = part.starts_with('.') && !(is_first && part == ".well-known");
    let is_odd = |c: char| c == '/' || c == '\\' || c.is_control();
    !part.is_empty() && !is_hidden && !part.contains(is_odd)
}

fn escapes_are_whole(path: &[u8]) -> bool {
    let mut rest = path;
    while let Some(at) = memchr::memchr(b'%', rest) {
        match rest.get(at + 1..) {
            Some([high, low, after @ ..]) if is_hex(*high) && is_hex(*low) => rest = after,
            _ => return false,
        }
    }
    true
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_paths_are_names() {
        for (path, text, is_folder) in [
            ("/", "", true),
            ("/a", "a", false),
            ("/a/", "a", true),
            ("/a/b.txt", "a/b.txt", false),
            ("/a%20b/%C3%A4.txt", "a b/ä.txt", false),
            ("/ä", "ä", false),
            ("/a+b&c=d;e,f", "a+b&c=d;e,f", false),
            ("/%61", "a", false),
            ("/a..b/c.", "a..b/c.", false),
            ("/100%25", "100%", false),
            ("/%252e%252e", "%2e%2e", false),
            ("/.well-known/security.txt", ".well-known/security.txt", false),
        ] {
            assert_eq!(Name::of(path), Ok(Name { text: text.into(), is_folder }), "{path}");
        }
    }

    #[test]
    fn no_spelling_leads_out_or_to_what_is_hidden() {
        for path in [
            "",
            "a",
            "*",
            "//",
            "//a",
            "/a//b",
            "/a//",
            "///",
            "/.",
            "/..",
            "/../",
            "/../etc/passwd",
            "/a/../b",
            "/a/..",
            "/a/./b",
            "/%2e",
            "/%2e%2e/etc/passwd",
            "/%2E%2E/etc/passwd",
            "/.%2e/etc/passwd",
            "/%2e./etc/passwd",
            "/..%2fetc/passwd",
            "/a%2fb",
            "/a%2Fb",
            "/%2fetc/passwd",
            "/..%5cetc",
            "/..\\etc",
            "/a\\b",
            "/a%5Cb",
            "/a%00",
            "/a%00.html",
            "/%00",
            "/a%0ab",
            "/a%7f",
            "/a%C2%85b",
            // Overlong and otherwise broken UTF-8.
            "/%c0%ae%c0%ae/etc/passwd",
            "/%c0%af",
            "/%e0%80%ae",
            "/%f0%80%80%ae",
            "/%ff",
            "/%ed%a0%80",
            // Hidden.
            "/.git/config",
            "/.htpasswd",
            "/a/.env",
            "/%2egit/config",
            "/a/.well-known/b",
            "/.well-known/.b",
            "/...",
        ] {
            assert_eq!(Name::of(path), Err(Refused::Missing), "{path}");
        }
        for path in ["/%", "/%2", "/a%zz", "/%u002e", "/%%32e", "/%2/"] {
            assert_eq!(Name::of(path), Err(Refused::Malformed), "{path}");
        }
    }

    #[test]
    fn names_are_written_back_so_that_they_are_read_again() {
        for text in ["a b", "ä/ö", "a%20b", "a?b#c", "<\"'>&", "c:d"] {
            let path = format!("/{}", encoded(text));
            assert!(path.bytes().all(|byte| byte.is_ascii_graphic()), "{path}");
            assert_eq!(Name::of(&path).map(|name| name.text), Ok(text.into()));
        }
        for (path, spelled, place) in
            [("/a b/", "/a%20b/", "a%20b/"), ("/%61/b:c", "/a/b%3Ac", "b%3Ac/"), ("/", "/", "/")]
        {
            let name = Name::of(path).expect("a name");
            assert_eq!((&*name.path(), &*name.with_slash()), (spelled, place));
        }
    }
}
