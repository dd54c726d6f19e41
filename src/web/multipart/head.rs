//! The fields of a part: what a form's field is called, and whether it is a file (RFC 7578 §4).

use super::Fault;
use crate::proto::h1::is_token;

/// One part of a form, before its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The field's name.
    pub name: String,
    /// The file's name if the part is a file: what its sender calls it, without folders. Nothing
    /// that should choose where it is kept (RFC 7578 §4.2). Empty if a browser's visitor chose none.
    pub file_name: Option<String>,
    /// The media type that its sender believes in.
    pub content_type: Option<String>,
}

impl Part {
    /// A part from its field lines, each with its CRLF.
    pub(super) fn of(lines: &[u8]) -> Result<Self, Fault> {
        let mut part = None;
        let mut content_type = None;
        let text = str::from_utf8(lines).map_err(|_| Fault::Malformed("a field is not UTF-8"))?;
        for line in text.split_terminator("\r\n") {
            let (name, value) =
                line.split_once(':').ok_or(Fault::Malformed("a line is no field"))?;
            if line.contains(['\r', '\n', '\0']) || !name.bytes().all(is_token) || name.is_empty() {
                return Err(Fault::Malformed("a line is no field"));
            }
            let value = value.trim_ascii();
            if name.eq_ignore_ascii_case("content-disposition") {
                if part.replace(disposition(value)?).is_some() {
                    return Err(Fault::Malformed("a part has two Content-Dispositions"));
                }
            } else if name.eq_ignore_ascii_case("content-type") {
                content_type = Some(value.to_owned());
            } else if name.eq_ignore_ascii_case("content-transfer-encoding")
                && !["binary", "8bit", "7bit"].iter().any(|known| value.eq_ignore_ascii_case(known))
            {
                return Err(Fault::Malformed("a part has a transfer encoding (RFC 7578 §4.7)"));
            }
        }
        let part = part.ok_or(Fault::Malformed("a part has no Content-Disposition"))?;
        Ok(Part { content_type, ..part })
    }
}

/// `form-data; name="…"; filename="…"`, in any order.
fn disposition(value: &str) -> Result<Part, Fault> {
    const WRONG: Fault = Fault::Malformed("a Content-Disposition is not form-data with a name");
    let (kind, mut rest) = value.split_at(value.find(';').unwrap_or(value.len()));
    if !kind.trim_ascii().eq_ignore_ascii_case("form-data") {
        return Err(WRONG);
    }
    let (mut name, mut file_name) = (None, None);
    while let Some(parameter) = rest.strip_prefix(';') {
        let parameter = parameter.trim_ascii_start();
        if parameter.is_empty() {
            break;
        }
        let (key, value) = parameter.split_once('=').ok_or(WRONG)?;
        let (value, after) = parameter_value(value).ok_or(WRONG)?;
        let slot = if key.eq_ignore_ascii_case("name") {
            &mut name
        } else if key.eq_ignore_ascii_case("filename") {
            &mut file_name
        } else {
            rest = after;
            continue;
        };
        if slot.replace(value).is_some() {
            return Err(Fault::Malformed("a parameter of Content-Disposition comes twice"));
        }
        rest = after;
    }
    if !rest.is_empty() && !rest.starts_with(';') {
        return Err(WRONG);
    }
    let name = name.ok_or(WRONG)?;
    Ok(Part { name, file_name: file_name.map(without_folders), content_type: None })
}

/// A token or a quoted string, and what follows it.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        let value = value.trim_ascii();
        return (!value.is_empty() && value.bytes().all(is_token)).then(|| (value.into(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((as_meant(&value), quoted.get(at + 1..)?.trim_ascii_start())),
            // Old browsers send paths with single backslashes: only these two can be meant as
            // escapes.
            '\\' => match chars.clone().next() {
                Some((_, escaped @ ('"' | '\\'))) => {
                    value.push(escaped);
                    chars.next();
                }
                _ => value.push(c),
            },
            _ => value.push(c),
        }
    }
    None
}

/// Browsers encode three characters in names, and those alone (HTML Standard, multipart/form-data).
fn as_meant(value: &str) -> String {
    value.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n")
}

fn without_folders(name: String) -> String {
    name.rsplit(['/', '\\']).next().unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, file_name: Option<&str>, content_type: Option<&str>) -> Part {
        Part {
            name: name.into(),
            file_name: file_name.map(String::from),
            content_type: content_type.map(String::from),
        }
    }

    #[test]
    fn names_are_understood_as_they_are_meant() {
        for (lines, expected) in [
            ("Content-Disposition: form-data; name=\"a\"\r\n", part("a", None, None)),
            ("content-disposition:FORM-DATA;name=a\r\n", part("a", None, None)),
            (
                "Content-Type: text/plain\r\nContent-Disposition: form-data; filename=\"b\"; name=\"a\"\r\n",
                part("a", Some("b"), Some("text/plain")),
            ),
            (
                "Content-Disposition: form-data; name=\"a;b\\\"c\"; filename=\"\"\r\n",
                part("a;b\"c", Some(""), None),
            ),
            (
                "Content-Disposition: form-data; name=\"%22%0D%0A%41\"\r\n",
                part("\"\r\n%41", None, None),
            ),
            (
                "Content-Disposition: form-data; name=\"é\"; filename=\"C:\\x\\ü.txt\"\r\n",
                part("é", Some("ü.txt"), None),
            ),
            (
                "Content-Disposition: form-data; name=a; filename=\"../../etc/passwd\"; x=y;\r\n",
                part("a", Some("passwd"), None),
            ),
            (
                "X: y\r\nContent-Transfer-Encoding: 8BIT\r\nContent-Disposition: form-data; name=\"\"\r\n",
                part("", None, None),
            ),
            (
                "Content-Disposition: form-data; name=a; filename*=UTF-8''b\r\n",
                part("a", None, None),
            ),
        ] {
            assert_eq!(Part::of(lines.as_bytes()), Ok(expected), "{lines}");
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for lines in [
            "",
            "X: y\r\n",
            "Content-Disposition\r\n",
            "Content-Disposition: form-data\r\n",
            "Content-Disposition: attachment; name=\"a\"\r\n",
            "Content-Disposition: form-data; name\r\n",
            "Content-Disposition: form-data; name=\"a\r\n",
            "Content-Disposition: form-data; name=\"a\"x\r\n",
            "Content-Disposition: form-data; name=\"a\"; name=\"b\"\r\n",
            "Content-Disposition: form-data; name=a b\r\n",
            "Content-Disposition: form-data; name=\r\n",
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"b\"\r\n",
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64\r\n",
            "Content-Disposition : form-data; name=\"a\"\r\n",
            "Content-Disposition: form-data; name=\"a\"\r\n folded\r\n",
            "Content-Disposition: form-data;\r\n name=\"a\"\r\n",
            "Content-Disposition: form-data; name=\"a\nb\"\r\n",
        ] {
            assert!(Part::of(lines.as_bytes()).is_err(), "{lines}");
        }
        assert!(Part::of(b"Content-Disposition: form-data; name=\"\xff\"\r\n").is_err());
    }
}
