//! Forms as `application/x-www-form-urlencoded`: pairs of names and values, in order.
//!
//! Called by handlers. Forms with files come as [`multipart`](crate::web::multipart).

use crate::proto::h1::Head;
use crate::session::http::{Answered, Reply, Writer};
use crate::web::body;
use crate::web::problem::Problem;

/// The media type.
pub const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// The most pairs that a form may have.
pub const PAIRS: usize = 1000;

/// What a form says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Names and values. Names can come more than once.
    pub pairs: Vec<(String, String)>,
}

impl Form {
    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(of, _)| of == name).map(|(_, value)| &**value)
    }
}

/// True if the request's body is a form of this kind.
pub fn is_form(head: &Head<'_>) -> bool {
    body::is(MEDIA_TYPE, head)
}

/// Reads a form of at most `limit` bytes and calls `then` with it. The peer hears of another media
/// type by 415, of too many bytes or pairs by 413.
pub fn read(
    head: &Head<'_>,
    reply: Reply<'_, '_>,
    limit: usize,
    then: impl FnOnce(Form, &mut Writer<'_, '_>) + 'static,
) -> Answered {
    if !is_form(head) {
        return Problem::new(415, "Unsupported Media Type")
            .detail(format!("the body must be {MEDIA_TYPE}"))
            .field("Accept", MEDIA_TYPE)
            .answer(reply);
    }
    body::read(head, reply, limit, |bytes, writer| match parse(&bytes) {
        Ok(form) => then(form, writer),
        Err(problem) => problem.send(writer),
    })
}

/// The pairs of a form, decoded: `+` is a space, and what is not UTF-8 is replaced (URL Standard).
///
/// # Errors
///
/// The answer, 413, if there are more than [`PAIRS`].
pub fn parse(bytes: &[u8]) -> Result<Form, Problem> {
    let mut pairs = form_urlencoded::parse(bytes).into_owned();
    let form = Form { pairs: pairs.by_ref().take(PAIRS).collect() };
    if pairs.next().is_some() {
        let detail = format!("a form may have at most {PAIRS} fields");
        return Err(Problem::new(413, "Content Too Large").detail(detail));
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::router::Router;
    use crate::web::testing::{ask, body, field, status};
    use std::rc::Rc;

    #[test]
    fn pairs_come_decoded_and_in_order() {
        for (text, expected) in [
            ("", &[][..]),
            ("a=1", &[("a", "1")]),
            ("a=1&a=2&b", &[("a", "1"), ("a", "2"), ("b", "")]),
            ("&&=&", &[("", "")]),
            ("a+b=c%2Bd%26%3d", &[("a b", "c+d&=")]),
            ("%C3%A9=%e9%zz%", &[("é", "\u{fffd}%zz%")]),
            ("a=b=c", &[("a", "b=c")]),
        ] {
            let form = parse(text.as_bytes()).expect("few pairs");
            let pairs: Vec<_> = form.pairs.iter().map(|(n, v)| (&**n, &**v)).collect();
            assert_eq!(pairs, expected, "{text}");
        }
        let form = parse(b"a=1&a=2").expect("few pairs");
        assert_eq!((form.get("a"), form.get("b")), (Some("1"), None));
    }

    #[test]
    fn what_is_too_much_or_no_form_is_refused() {
        assert!(parse("a&".repeat(PAIRS).as_bytes()).is_ok());
        assert_eq!(parse("a&".repeat(PAIRS + 1).as_bytes()).map_err(|p| p.status()), Err(413));
        let router = Rc::new(Router::new().post("/", |request, reply| {
            read(request, reply, 9, |form, writer| {
                writer.send(200, &[], form.get("a").unwrap_or("-").as_bytes());
            })
        }));
        for (content_type, text, expected) in [
            ("application/x-www-form-urlencoded", "b=1&a=%41", "200"),
            ("Application/X-WWW-Form-URLEncoded ; charset=utf-8", "a=A", "200"),
            ("application/x-www-form-urlencoded", "b=1&a=%412", "413"),
            ("text/plain", "a=1", "415"),
            ("application/x-www-form-urlencodedx", "a=1", "415"),
            ("", "a=1", "415"),
        ] {
            let fields = format!("Content-Type: {content_type}\r\n");
            let answer = ask(&router, "POST", "/", &fields, text);
            assert_eq!(status(&answer), expected, "{content_type} {text}");
            match expected {
                "200" => assert_eq!(body(&answer), "A"),
                _ => {
                    let problem = Some("application/problem+json");
                    assert_eq!(field(&answer, "Content-Type"), problem);
                }
            }
        }
        let gzip = format!("Content-Type: {MEDIA_TYPE}\r\nContent-Encoding: gzip\r\n");
        assert_eq!(status(&ask(&router, "POST", "/", &gzip, "a=1")), "415");
        let chunked = format!("Content-Type: {MEDIA_TYPE}\r\nTransfer-Encoding: chunked\r\n");
        for (chunks, expected) in
            [("3\r\na=A\r\n0\r\n\r\n", "200"), ("5\r\nb=1&a\r\n5\r\n=%412\r\n0\r\n\r\n", "413")]
        {
            let head = format!("POST / HTTP/1.1\r\nHost: test\r\n{chunked}\r\n{chunks}");
            let answer = crate::web::testing::Visit::new(&router).say(head.as_bytes());
            assert_eq!(status(&answer), expected, "{chunks}");
        }
    }
}
