//! JSON bodies, read strictly (RFC 8259) and written.
//!
//! Called by handlers. What is ambiguous is refused rather than guessed: names that come twice in an
//! object (§4), texts with a byte order mark (§8.1), what is not UTF-8, numbers that do not fit, and
//! nesting deeper than [`DEPTH`]. Every refusal is a [`Problem`] that says where.

use std::collections::HashSet;
use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess};
use serde_json::error::Category;

use crate::proto::h1::Head;
use crate::session::http::{Answered, Reply, Response, Writer};
use crate::web::body;
use crate::web::problem::Problem;

/// The media type.
pub const MEDIA_TYPE: &str = "application/json";

/// How deep arrays and objects may nest.
pub const DEPTH: usize = 64;

/// Reads a JSON body of at most `limit` bytes and calls `then` with its value. The peer hears of
/// another media type by 415, of too many bytes by 413, of what is not JSON by 400, and of JSON that
/// is no `T` by 422.
///
/// ```
/// use readyloop::web::{json, router::Router};
///
/// let router = Router::new().post("/add", |request, reply| {
///     json::read(request, reply, 1024, |numbers: Vec<f64>, writer| {
///         json::send(writer, 200, &numbers.iter().sum::<f64>());
///     })
/// });
/// # let _ = router;
/// ```
pub fn read<T: DeserializeOwned + 'static>(
    head: &Head<'_>,
    reply: Reply<'_, '_>,
    limit: usize,
    then: impl FnOnce(T, &mut Writer<'_, '_>) + 'static,
) -> Answered {
    read_as(MEDIA_TYPE, head, reply, limit, then)
}

/// The same for another media type that is JSON, such as `application/merge-patch+json`.
pub fn read_as<T: DeserializeOwned + 'static>(
    media_type: &'static str,
    head: &Head<'_>,
    reply: Reply<'_, '_>,
    limit: usize,
    then: impl FnOnce(T, &mut Writer<'_, '_>) + 'static,
) -> Answered {
    if !is(media_type, head) {
        return Problem::new(415, "Unsupported Media Type")
            .detail(format!("the body must be {media_type}, in UTF-8"))
            .field("Accept", media_type)
            .answer(reply);
    }
    body::read(head, reply, limit, |bytes, writer| match parse(&bytes) {
        Ok(value) => then(value, writer),
        Err(problem) => problem.send(writer),
    })
}

/// True if the request's body is of this media type, and in UTF-8.
pub fn is(media_type: &str, head: &Head<'_>) -> bool {
    let Some(value) = head.header("content-type").and_then(|value| str::from_utf8(value).ok())
    else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let is_type = parts.next().is_some_and(|found| found.eq_ignore_ascii_case(media_type));
    is_type
        && parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
            let value = value.trim_matches('"');
            !name.eq_ignore_ascii_case("charset") || value.eq_ignore_ascii_case("utf-8")
        })
}

/// The value that a text says.
///
/// # Errors
///
/// The answer: 400 if it is not JSON, 422 if it is, but no `T`.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Problem> {
    let malformed = |error: &serde_json::Error| {
        place(Problem::new(400, "Bad Request"), "the body is not acceptable JSON", error)
    };
    check(text).map_err(|error| malformed(&error))?;
    serde_json::from_slice(text).map_err(|error| match error.classify() {
        Category::Data => {
            let what = "the body is JSON, but not what is expected";
            place(Problem::new(422, "Unprocessable Content"), what, &error)
        }
        _ => malformed(&error),
    })
}

fn place(problem: Problem, what: &str, error: &serde_json::Error) -> Problem {
    problem
        .detail(format!("{what}: {error}"))
        .with("line", error.line())
        .with("column", error.column())
}

/// Checks a text without keeping it.
fn check(text: &[u8]) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    Strict { depth: 0 }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Any value in which no name comes twice, and that does not nest too deeply.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth {
            DEPTH.. => Err(E::custom(format_args!("nested deeper than {DEPTH}"))),
            depth => Ok(Strict { depth: depth + 1 }),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while values.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut names: HashSet<String> = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if names.contains(&name) {
                return Err(A::Error::custom(format_args!("the name {name:?} comes twice")));
            }
            names.insert(name);
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// An answer with a JSON body.
pub fn response(status: u16, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => Response::new(status, body).with("Content-Type", MEDIA_TYPE),
        Err(error) => {
            log::error!("an answer cannot be written as JSON: {error}");
            Problem::new(500, "Internal Server Error").response()
        }
    }
}

/// Answers with a JSON body.
pub fn answer(reply: Reply<'_, '_>, status: u16, value: &impl Serialize) -> Answered {
    reply.respond(response(status, value))
}

/// Answers with a JSON body, from an exchange.
pub fn send(writer: &mut Writer<'_, '_>, status: u16, value: &impl Serialize) {
    writer.respond(response(status, value));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::Value;

    fn says(text: impl AsRef<[u8]>) -> Result<Value, (u16, String)> {
        parse(text.as_ref()).map_err(|problem: Problem| {
            let body = problem.clone().response().body;
            (problem.status(), String::from_utf8_lossy(&body).into_owned())
        })
    }

    #[test]
    fn what_the_grammar_allows_is_read() {
        for text in [
            "[]",
            "{}",
            " [ ] ",
            "\r\n\t0",
            "-0",
            "-1",
            "1.5",
            "1e2",
            "1E+2",
            "1.0e-2",
            "123456789012345678901234567890",
            "0.1e1",
            "true",
            "false",
            "null",
            "\"\"",
            r#""\"\\\/\b\f\n\r\t""#,
            r#""\u00e9\uD834\uDD1E\u0000""#,
            "\"é𝄞\u{7f}\u{2028}\"",
            "\"\u{feff}\"",
            "\"\u{10ffff}\"",
            r#"{"":0}"#,
            r#"{"a":{"a":1},"b":[{"a":1},{"a":1}]}"#,
            "[null,1,\"\",{}]",
        ] {
            assert!(says(text).is_ok(), "{text}: {:?}", says(text));
        }
    }

    #[test]
    fn what_it_does_not_allow_is_refused() {
        for text in [
            "",
            " ",
            "[",
            "]",
            "{",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1,,2]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\" 1}",
            "{\"a\":1,}",
            "{,}",
            "{a:1}",
            "{'a':1}",
            "{1:1}",
            "[1}",
            "01",
            "-01",
            "+1",
            ".5",
            "-.5",
            "1.",
            "1.e2",
            "1e",
            "1e+",
            "0x1",
            "1_000",
            "-",
            "--1",
            "NaN",
            "Infinity",
            "-Infinity",
            "1e999",
            "True",
            "nul",
            "nulll",
            "'a'",
            "\"",
            "\"a",
            "\"\\",
            "\"\\a\"",
            "\"\\u12\"",
            "\"\\u123g\"",
            "\"\\U0041\"",
            "\"\\x41\"",
            "\"\n\"",
            "\"\t\"",
            "\"\0\"",
            "\"\u{1f}\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\u{feff}1",
            "\u{a0}1",
            "1\u{c}",
            "1 2",
            "[] x",
            "[]\0",
            "// a\n1",
            "/* a */1",
            "[1]#",
            "\u{ff11}",
        ] {
            assert!(says(text).is_err_and(|(status, _)| status == 400), "{text:?}");
        }
        for text in [
            &b"\"\xff\""[..],
            b"\"\xc0\x80\"",
            b"\"\xed\xa0\x80\"",
            b"\"\xf4\x90\x80\x80\"",
            b"\"\xc3",
            b"\xff\xfe1\0",
            b"{\"\xe9\":1}",
            b"1\xff",
        ] {
            assert!(says(text).is_err_and(|(status, _)| status == 400), "{text:?}");
        }
    }

    #[test]
    fn names_come_once_at_every_depth_however_they_are_written() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"a":3}"#,
            r#"[0,{"x":{"a":1,"a":1}}]"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"":1,"":1}"#,
        ] {
            let (status, body) = says(text).expect_err(text);
            assert!(status == 400 && body.contains("comes twice"), "{body}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(says(nested(DEPTH)).is_ok());
        let objects = format!("{}1{}", "{\"a\":".repeat(DEPTH + 1), "}".repeat(DEPTH + 1));
        for text in [nested(DEPTH + 1), "[".repeat(1_000_000), objects] {
            let (status, body) = says(text).expect_err("too deep");
            assert!(status == 400 && body.contains("deeper than 64"), "{body}");
        }
    }

    #[test]
    fn refusals_say_where() {
        let (_, body) = says("{\n \"a\": tru }").expect_err("no such word");
        assert!(body.contains(r#""line":2"#) && body.contains(r#""column":"#), "{body}");
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Colour {
            _red: u8,
        }
        for text in [r#"{"_red":256}"#, r#"{"_red":"1"}"#, "{}", r#"{"_red":1,"x":1}"#, "[]x"] {
            let problem = parse::<Colour>(text.as_bytes()).expect_err(text);
            assert_eq!(problem.status(), if text.ends_with('x') { 400 } else { 422 }, "{text}");
        }
    }
}
