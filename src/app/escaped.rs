//! Bytes of a stranger, fit for a log line.

use std::fmt::{self, Write};

/// Displays bytes that came from outside: readable text as it is, everything that could move the
/// cursor, colour the terminal or fake a line break escaped, and at most so many bytes of it.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a> {
    bytes: &'a [u8],
    limit: usize,
}

impl<'a> Escaped<'a> {
    /// The first 1024 of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Escaped { bytes, limit: 1024 }
    }

    /// The first `limit` of `bytes`.
    pub fn up_to(limit: usize, bytes: &'a [u8]) -> Self {
        Escaped { bytes, limit }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, rest) = self.bytes.split_at(self.bytes.len().min(self.limit));
        f.write_char('"')?;
        for chunk in shown.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' => f.write_str("\\\"")?,
                    // `escape_debug` knows the invisible and the right-to-left ones, but would
                    // escape an apostrophe too.
                    '\'' => f.write_char(c)?,
                    _ => write!(f, "{}", c.escape_debug())?,
                }
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        f.write_char('"')?;
        match rest.len() {
            0 => Ok(()),
            more => write!(f, " … and {more} bytes more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_readable_and_nothing_reaches_the_terminal_raw() {
        for (bytes, shown) in [
            (&b"hello"[..], r#""hello""#),
            ("it's 你好, José".as_bytes(), r#""it's 你好, José""#),
            (b"a\r\nb\tc\\d\"e", r#""a\r\nb\tc\\d\"e""#),
            (b"\x1b[31mred\x07\0", r#""\u{1b}[31mred\u{7}\0""#),
            (b"\xff\xfe ok \xc3", r#""\xff\xfe ok \xc3""#),
            ("\u{202e}txt".as_bytes(), r#""\u{202e}txt""#),
            ("\u{9b}31m".as_bytes(), r#""\u{9b}31m""#),
            (b"", r#""""#),
        ] {
            assert_eq!(Escaped::new(bytes).to_string(), shown);
        }
    }

    #[test]
    fn what_is_too_long_is_counted() {
        assert_eq!(Escaped::up_to(3, b"abcdef").to_string(), r#""abc" … and 3 bytes more"#);
        let cut_in_a_character = Escaped::up_to(2, "aé".as_bytes()).to_string();
        assert_eq!(cut_in_a_character, r#""a\xc3" … and 1 bytes more"#);
    }
}
