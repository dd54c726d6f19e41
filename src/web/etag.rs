//! Entity tags and their two comparisons (RFC 9110 §8.8.3, §13.1.1).
//!
//! Called by [`condition`](super::condition) and by whoever makes answers with an `ETag` field.
//! Nothing here invents tags; it reads them and compares them.

/// An entity tag: `"x"`, or `W/"x"` if it is weak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ETag<'t> {
    weak: bool,
    opaque: &'t [u8],
}

impl<'t> ETag<'t> {
    /// Reads a field's value that is one tag and nothing else.
    pub fn parse(value: &'t [u8]) -> Option<Self> {
        match split(value) {
            Some((tag, [])) => Some(tag),
            _ => None,
        }
    }

    /// True for a tag that promises equal meaning only, not equal bytes.
    pub fn is_weak(self) -> bool {
        self.weak
    }

    /// What is between the quotes.
    pub fn opaque(self) -> &'t [u8] {
        self.opaque
    }

    /// The comparison for `If-Match` and `If-Range`: the bytes are the same (RFC 9110 §8.8.3.2).
    pub fn strong_eq(self, other: ETag<'_>) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// The comparison for `If-None-Match`: the meaning is the same.
    pub fn weak_eq(self, other: ETag<'_>) -> bool {
        self.opaque == other.opaque
    }
}

/// What a field names that is `*` or a list of tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<'t> {
    /// `*`: any tag at all.
    Any,
    /// These.
    Tags(Tags<'t>),
}

impl<'t> Named<'t> {
    /// Reads the value of an `If-Match` or `If-None-Match` field.
    pub fn parse(value: &'t [u8]) -> Self {
        match value.trim_ascii() {
            b"*" => Named::Any,
            list => Named::Tags(Tags { rest: list }),
        }
    }
}

/// The tags of a list. Ends at the first member that is none: what follows it cannot be trusted to
/// be separated where it seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tags<'t> {
    rest: &'t [u8],
}

impl<'t> Iterator for Tags<'t> {
    type Item = ETag<'t>;

    fn next(&mut self) -> Option<ETag<'t>> {
        // Empty members are allowed (RFC 9110 §5.6.1.2).
        while let [b',' | b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
        let found = split(self.rest);
        self.rest = match found {
            Some((_, rest)) => match rest.trim_ascii_start() {
                [b',', rest @ ..] => rest,
                _ => &[],
            },
            None => &[],
        };
        found.map(|(tag, _)| tag)
    }
}

/// One tag and what follows it.
fn split(text: &[u8]) -> Option<(ETag<'_>, &[u8])> {
    let (weak, rest) = match text {
        [b'W', b'/', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let [b'"', rest @ ..] = rest else { return None };
    let end = rest.iter().position(|&byte| byte == b'"')?;
    let (opaque, rest) = rest.split_at_checked(end)?;
    // `etagc`: anything visible but the quote. A backslash is an ordinary character here.
    let is_well_made = opaque.iter().all(|&byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..));
    is_well_made.then_some((ETag { weak, opaque }, rest.get(1..).unwrap_or(&[])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_by_the_grammar() {
        for (text, weak, opaque) in [
            (r#""""#, false, ""),
            (r#""xyzzy""#, false, "xyzzy"),
            (r#"W/"xyzzy""#, true, "xyzzy"),
            (r#""a\b,c""#, false, r"a\b,c"),
        ] {
            let tag = ETag::parse(text.as_bytes()).expect(text);
            assert_eq!((tag.is_weak(), tag.opaque()), (weak, opaque.as_bytes()), "{text}");
        }
        for text in ["", "xyzzy", "\"", "\"a", "w/\"a\"", "W\"a\"", "\"a b\"", "\"a\" ", "\"a\"b"] {
            assert_eq!(ETag::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    /// The table of RFC 9110 §8.8.3.2.
    #[test]
    fn comparisons_are_those_of_the_table() {
        for (one, other, strong, weak) in [
            (r#"W/"1""#, r#"W/"1""#, false, true),
            (r#"W/"1""#, r#"W/"2""#, false, false),
            (r#"W/"1""#, r#""1""#, false, true),
            (r#""1""#, r#""1""#, true, true),
        ] {
            let read = |text: &'static str| ETag::parse(text.as_bytes()).expect(text);
            let (one, other) = (read(one), read(other));
            assert_eq!((one.strong_eq(other), one.weak_eq(other)), (strong, weak));
        }
    }

    #[test]
    fn lists_are_read_to_their_first_fault() {
        let list = |text: &'static str| match Named::parse(text.as_bytes()) {
            Named::Any => vec!["*"],
            Named::Tags(tags) => {
                tags.map(|tag| str::from_utf8(tag.opaque()).expect("text")).collect()
            }
        };
        for (text, tags) in [
            ("*", &["*"][..]),
            (" * ", &["*"]),
            (r#""a""#, &["a"]),
            (r#""a", W/"b" ,"c""#, &["a", "b", "c"]),
            (r#", ,"a",,"b","#, &["a", "b"]),
            (r#""a,b", "c""#, &["a,b", "c"]),
            (r#""a" "b""#, &["a"]),
            (r#""a", b, "c""#, &["a"]),
            (r#""a", *"#, &["a"]),
            ("", &[]),
            ("a", &[]),
        ] {
            assert_eq!(list(text), tags, "{text}");
        }
    }
}
