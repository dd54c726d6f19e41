//! Bodies in pieces of every size, and bodies that are refused.

use super::*;

/// What a parser says of a body, in pieces cut at `cuts`.
fn parse(body: &[u8], cuts: &[usize], options: Options) -> Result<Vec<String>, Fault> {
    let mut parser = Parser::new("xYz", options);
    let mut told: Vec<String> = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([body.len()]) {
        parser.feed(&body[start..end], &mut |event| {
            match event {
                Event::Part(Part { name, file_name, content_type }) => {
                    let file = file_name.map(|name| format!(" file {name}")).unwrap_or_default();
                    let kind = content_type.map(|kind| format!(" {kind}")).unwrap_or_default();
                    told.push(format!("{name}{file}{kind}="));
                }
                Event::Data(data) => {
                    assert!(!data.is_empty(), "a piece of nothing");
                    let last = told.last_mut().expect("a part");
                    last.push_str(&data.escape_ascii().to_string());
                }
                Event::End => told.last_mut().expect("a part").push(';'),
            }
            Ok(())
        })?;
        start = end;
    }
    parser.finish().map(|()| told)
}

/// The same however it is cut in two or three, and byte by byte.
fn parse_every_way(body: &str) -> Result<Vec<String>, Fault> {
    let body = body.as_bytes();
    let whole = parse(body, &[], Options::default());
    for first in 0..=body.len() {
        assert_eq!(parse(body, &[first], Options::default()), whole, "cut at {first}");
        for second in (first..=body.len()).step_by(7) {
            let cuts = [first, second];
            assert_eq!(parse(body, &cuts, Options::default()), whole, "cut at {cuts:?}");
        }
    }
    let all: Vec<usize> = (1..body.len()).collect();
    assert_eq!(parse(body, &all, Options::default()), whole, "byte by byte");
    whole
}

fn field(name: &str) -> String {
    format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\n")
}

#[test]
fn parts_are_found_wherever_the_pieces_end() {
    let (a, b) = (field("a"), field("b"));
    let file = "Content-Disposition: form-data; name=\"f\"; filename=\"x.txt\"\r\n\
        Content-Type: text/plain\r\n\r\n";
    for (body, expected) in [
        (format!("--xYz\r\n{a}1\r\n--xYz--\r\n"), &["a=1;"][..]),
        (format!("--xYz\r\n{a}1\r\n--xYz--"), &["a=1;"]),
        (format!("--xYz\r\n{a}1\r\n--xYz\r\n{b}2\r\n--xYz--\r\n"), &["a=1;", "b=2;"]),
        (format!("--xYz\r\n{a}\r\n--xYz--\r\n"), &["a=;"]),
        (format!("--xYz\r\n{a}--xYz--\r\n"), &["a=;"]),
        (format!("--xYz\r\n{a}--xY\r\n--xYz--\r\n"), &["a=--xY;"]),
        (format!("--xYz\r\n{a}\r\n\r\n--xYz--\r\n"), &["a=\\r\\n;"]),
        (
            format!("--xYz\r\n{file}1\r\n2\n\r\n--xYz--\r\n"),
            &["f file x.txt text/plain=1\\r\\n2\\n;"],
        ),
        (format!("preamble\r\n--xY\r\n--xYz \t\r\n{a}1\r\n--xYz-- what\r\n--xYz\r\n"), &["a=1;"]),
        (
            format!("--xYz\r\n{a}\r\r\n\r\n--xY\r\n--xyz\r\n-\r\r\n--xYz--"),
            &["a=\\r\\r\\n\\r\\n--xY\\r\\n--xyz\\r\\n-\\r;"],
        ),
        (format!("--xYz\r\n{a} --xYz--\n--xYz\r\n--xYz--"), &["a= --xYz--\\n--xYz;"]),
        ("--xYz--\r\n".into(), &[]),
        ("\r\n--xYz--\r\n".into(), &[]),
    ] {
        let told = parse_every_way(&body);
        assert_eq!(told, Ok(expected.iter().map(|text| (*text).to_owned()).collect()), "{body}");
    }
}

#[test]
fn what_breaks_a_rule_is_refused_wherever_the_pieces_end() {
    let a = field("a");
    for body in [
        String::new(),
        "x".into(),
        "--xYz".into(),
        "--xYz\r\n".into(),
        "x--xYz--".into(),
        "--xyz--".into(),
        format!("--xYz\r\n{a}1"),
        format!("--xYz\r\n{a}1\r\n--xYz\r\n"),
        format!("--xYz\r\n{a}1\r\n--xYz-"),
        format!("--xYz\r\n{a}1\r\n--xYz-x"),
        format!("--xYz\r\n{a}1\r\n--xYzz\r\n{a}2\r\n--xYz--"),
        format!("--xYz\n{a}1\r\n--xYz--"),
        format!("--xYz{}\r\n{a}1\r\n--xYz--", " ".repeat(65)),
        format!("--xYz\r\n{}1\r\n--xYz--", a.replace('\r', "")),
        "--xYz\r\n\r\n1\r\n--xYz--".into(),
        "--xYz\r\nA: b\r\n\r\n1\r\n--xYz--".into(),
        "--xYz\r\nnonsense\r\n\r\n1\r\n--xYz--".into(),
    ] {
        let told = parse_every_way(&body);
        assert!(matches!(told, Err(Fault::Malformed(_))), "{body}: {told:?}");
    }
}

#[test]
fn every_limit_holds_exactly() {
    let body = |content: &str| {
        let file = field("f").replace("\r\n\r\n", "; filename=x\r\n\r\n");
        format!("--xYz\r\n{}{content}\r\n--xYz\r\n{file}{content}\r\n--xYz--", field("a"))
    };
    let fields = field("f").len() + "; filename=x".len();
    let options = Options {
        parts: 2,
        header_bytes: fields,
        field_bytes: 5,
        file_bytes: 6,
        ..Options::default()
    };
    let cuts = |body: &str| (1..body.len()).collect::<Vec<_>>();
    let run = |body: &str, options| {
        let whole = parse(body.as_bytes(), &[], options);
        assert_eq!(parse(body.as_bytes(), &cuts(body), options), whole);
        whole
    };
    assert!(run(&body("12345"), options).is_ok());
    assert_eq!(run(&body("123456"), options), Err(Fault::TooLarge("bytes of a field", 5)));
    let wider = Options { field_bytes: 7, ..options };
    assert_eq!(run(&body("1234567"), wider), Err(Fault::TooLarge("bytes of a file", 6)));
    let one = Options { parts: 1, ..options };
    assert_eq!(run(&body("1"), one), Err(Fault::TooLarge("parts", 1)));
    let short = Options { header_bytes: fields - 1, ..options };
    let what = Fault::TooLarge("bytes of a part's fields", fields as u64 - 1);
    assert_eq!(run(&body("1"), short), Err(what));
    let endless = format!("--xYz\r\nA: {}", "b".repeat(5000));
    assert!(matches!(parse(endless.as_bytes(), &[], options), Err(Fault::TooLarge(..))));
}

#[test]
fn boundaries_are_what_the_rfc_allows() {
    for (value, expected) in [
        ("multipart/form-data; boundary=abc", Some("abc")),
        ("Multipart/Form-Data ;charset=utf-8; BOUNDARY=\"a b:c\"", Some("a b:c")),
        (
            "multipart/form-data; boundary=----WebKitFormBoundary7MA4Y",
            Some("----WebKitFormBoundary7MA4Y"),
        ),
        ("multipart/form-data; boundary='()+_,-./:=?", Some("'()+_,-./:=?")),
    ] {
        assert_eq!(boundary(value.as_bytes()).ok().as_deref(), expected, "{value}");
    }
    let long = format!("multipart/form-data; boundary={}", "a".repeat(71));
    for value in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=a\"b",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=a\tb",
        &long,
    ] {
        assert!(matches!(boundary(value.as_bytes()), Err(Fault::Malformed(_))), "{value}");
    }
    for value in
        ["", "multipart/mixed; boundary=a", "text/plain; boundary=a", "multipart/form-data\u{e9}"]
    {
        assert_eq!(boundary(value.as_bytes()), Err(Fault::MediaType), "{value}");
    }
}

#[test]
fn nothing_that_arrives_is_too_strange() {
    let parts = [
        "--xYz",
        "\r\n",
        "\r",
        "\n",
        "-",
        "a",
        "--",
        ":",
        "\"",
        "; ",
        "filename=",
        "Content-Disposition: form-data; name=b\r\n\r\n",
    ];
    let mut seed = 1_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % below
    };
    for _ in 0..20_000 {
        let body: String = (0..next(30)).map(|_| parts[next(parts.len())]).collect();
        let cut = next(body.len() + 1);
        let (whole, cut) = (
            parse(body.as_bytes(), &[], Options::default()),
            parse(body.as_bytes(), &[cut], Options::default()),
        );
        assert_eq!(whole, cut, "{body:?}");
    }
}

#[test]
fn a_form_is_answered_when_it_is_complete_or_at_its_first_fault() {
    use crate::web::router::Router;
    use crate::web::testing::{Visit, body, status};
    use std::rc::Rc;

    #[derive(Default)]
    struct Count {
        parts: usize,
        bytes: usize,
    }
    impl Receiver for Count {
        fn on_event(&mut self, event: Event<'_>) -> Result<(), Fault> {
            match event {
                Event::Part(part) if part.name == "no" => return Err(Fault::Malformed("no")),
                Event::Part(_) => self.parts += 1,
                Event::Data(data) => self.bytes += data.len(),
                Event::End => {}
            }
            Ok(())
        }

        fn on_end(self, writer: &mut Writer<'_, '_>) {
            writer.send(200, &[], format!("{} {}", self.parts, self.bytes).as_bytes());
        }
    }
    let options = Options { body_bytes: 200, ..Options::default() };
    let router = Rc::new(Router::new().post("/", move |request, reply| {
        assert_eq!(is_form(request), request.header("content-type").is_some());
        read(request, reply, options, Count::default())
    }));
    let form =
        |name: &str, content: &str| format!("--xYz\r\n{}{content}\r\n--xYz--\r\n", field(name));
    let long = form("a", &"1".repeat(200));
    for (kind, form, expected) in [
        ("multipart/form-data; boundary=xYz", form("a", "12"), "200"),
        ("multipart/form-data; boundary=xYz", form("no", "12"), "400"),
        ("multipart/form-data; boundary=xYy", form("a", "12"), "400"),
        ("multipart/form-data", form("a", "12"), "400"),
        ("multipart/form-data; boundary=xYz", long, "413"),
    ] {
        for framing in ["Content-Length", "Transfer-Encoding"] {
            let (framing, body_text) = match framing {
                "Content-Length" => (format!("Content-Length: {}", form.len()), form.clone()),
                _ => {
                    let chunks = format!("{:x}\r\n{form}\r\n0\r\n\r\n", form.len());
                    ("Transfer-Encoding: chunked".into(), chunks)
                }
            };
            let head = format!(
                "POST / HTTP/1.1\r\nHost: test\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n"
            );
            let answer = Visit::new(&router).say(format!("{head}{body_text}").as_bytes());
            assert_eq!(status(&answer), expected, "{kind}: {answer}");
            assert!(expected != "200" || body(&answer) == "1 2", "{answer}");
        }
    }
    let answer = Visit::new(&router).say(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(status(&answer), "415");
}
