//! The routes of the web server, without a socket.
#![cfg(feature = "web")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use readyloop::app::site::{Parts, Row, Site};
use readyloop::buf::Out;
use readyloop::connection::{Connection, Io};
use readyloop::session::datagram::Peer;
use readyloop::session::http::Http;
use readyloop::session::{Env, Op};
use readyloop::web::cors::Cors;
use readyloop::web::log::{Format, Log, Sink};
use readyloop::web::metrics::Registry;
use readyloop::web::router::Router;
use readyloop::{Limits, Moment, Token};

const TOKEN: Token = Token::new(0, 1);

/// One connection to the web server, whose peer takes everything at once.
struct Visit {
    connection: Connection,
    env: Env,
    out: Out,
}

impl Visit {
    fn new() -> Self {
        Visit::of(|_| ())
    }

    fn of(change: impl FnOnce(&mut Parts)) -> Self {
        let (routes, registry) = (Router::new(), Registry::new());
        let mut parts = Parts { burn: |_| (), routes, cors: None, registry, log: None };
        change(&mut parts);
        let site = Site::new(parts).expect("good routes");
        let row = Row {
            name: "tcp-echo",
            what: "sends back what it gets",
            address: "127.0.0.1:7007".into(),
            try_it: "nc 127.0.0.1 7007".into(),
        };
        site.describe(&[row]).expect("a good page");
        let (mut env, mut out) = (Env::new(Limits::default()), Out::default());
        let mut io = Io { out: &mut out, env: &mut env, token: TOKEN, unsent: 0 };
        let connection = Connection::plain(&Http::new(site), &Peer::Unnamed, &mut io);
        Visit { connection, env, out }
    }

    fn call(&mut self, f: impl FnOnce(&mut Connection, &mut Io<'_>)) {
        let mut all = self.out.take();
        let mut io = Io { out: &mut self.out, env: &mut self.env, token: TOKEN, unsent: 0 };
        f(&mut self.connection, &mut io);
        all.append(&mut self.out.take());
        while self.connection.wants_drain() {
            let mut io = Io { out: &mut self.out, env: &mut self.env, token: TOKEN, unsent: 0 };
            self.connection.drained(&mut io);
            all.append(&mut self.out.take());
        }
        self.out.bytes = all;
    }

    /// Sends bytes and takes what has been answered.
    fn say(&mut self, bytes: &str) -> String {
        self.call(|connection, io| connection.feed(&mut bytes.to_owned().into_bytes(), io));
        self.take()
    }

    fn take(&mut self) -> String {
        String::from_utf8_lossy(&self.out.take()).into_owned()
    }

    fn post(&mut self, path: &str, content_type: &str, body: &str) -> String {
        let length = body.len();
        self.say(&format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: {content_type}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ))
    }

    fn ask(&mut self, method: &str, path: &str) -> String {
        self.say(&format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
    }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn pages_come_in_the_coding_that_suits_best() {
    let mut visit = Visit::new();
    for path in ["/", "/chat", "/assets/site.js", "/metrics"] {
        for (wish, coding) in [
            ("gzip", Some("gzip")),
            ("gzip;q=0.5, br", Some("br")),
            ("zstd", None),
            ("gzip;q=0, br;q=0", None),
        ] {
            let answer = visit.say(&format!(
                "GET {path} HTTP/1.1\r\nHost: test\r\nAccept-Encoding: {wish}\r\n\r\n"
            ));
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{path} {wish}");
            assert_eq!(field(&answer, "Content-Encoding"), coding, "{path} {wish}");
            assert_eq!(field(&answer, "Vary"), Some("Accept-Encoding"), "{path} {wish}");
        }
    }
}

#[test]
fn every_path_answers_its_methods_and_names_them_to_others() {
    let reading = "GET, HEAD, OPTIONS";
    let echo = "POST, PUT, OPTIONS";
    let mut visit = Visit::new();
    for (path, allow) in [
        ("/", reading),
        ("/?x=1", reading),
        ("/notes", reading),
        ("/chat", reading),
        ("/push", reading),
        ("/assets/site.css", reading),
        ("/assets/site.js", reading),
        ("/icon.svg", reading),
        ("/favicon.ico", reading),
        ("/plaintext", reading),
        ("/json", reading),
        ("/healthz", reading),
        ("/metrics", reading),
        ("/bytes/0", reading),
        ("/bytes/1000", reading),
        ("/echo", echo),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "MADEUP"] {
            let answer = visit.ask(method, path);
            let status = match method {
                "OPTIONS" => "204",
                _ if allow.contains(method) => "200",
                _ => "405",
            };
            assert_eq!(answer.get(9..12), Some(status), "{method} {path}: {answer}");
            let allow = (status != "200").then_some(allow);
            assert_eq!(field(&answer, "Allow"), allow, "{method} {path}: {answer}");
        }
    }
}

#[test]
fn head_is_get_without_the_body() {
    let mut visit = Visit::new();
    for path in ["/", "/plaintext", "/json", "/healthz", "/bytes/5", "/bytes/100000000000", "/nope"]
    {
        let head = visit.ask("HEAD", path);
        assert_eq!(body(&head), "", "{path}");
        if !path.ends_with("00000") {
            let get = visit.ask("GET", path);
            assert_eq!(get.strip_suffix(body(&get)), Some(&*head), "{path}");
        }
        assert!(field(&head, "Content-Length").is_some(), "{path}");
    }
}

#[test]
fn what_is_not_there_and_what_is_no_number_is_said() {
    let mut visit = Visit::new();
    for (path, status) in [
        ("/nope", "404"),
        ("/bytes", "404"),
        ("/plaintext/", "308"),
        ("/bytes/", "404"),
        ("/bytes/+5", "400"),
        ("/bytes/-5", "400"),
        ("/bytes/5x", "400"),
        ("/bytes/107374182401", "400"),
        ("/bytes/99999999999999999999999", "400"),
        ("/delay/30001", "400"),
        ("/work/10001", "400"),
    ] {
        let answer = visit.ask("GET", path);
        assert_eq!(answer.get(9..12), Some(status), "{path}: {answer}");
        assert_eq!(body(&answer).is_empty(), status == "308", "{path}");
    }
    let answer = visit.say("OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(field(&answer, "Allow"), Some("GET, HEAD, OPTIONS, POST, PUT, DELETE"));
}

#[test]
fn the_page_is_strict_and_names_the_rows() {
    let answer = Visit::new().ask("GET", "/");
    assert!(body(&answer).contains("nc 127.0.0.1 7007"));
    let policy = field(&answer, "Content-Security-Policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
}

#[test]
fn echo_streams_a_body_back_with_its_type_and_its_length_if_it_is_known() {
    let mut visit = Visit::new();
    let answer = visit.say(
        "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Type: text/x-a\r\nContent-Length: 5\r\n\r\nab",
    );
    assert!(answer.ends_with("\r\n\r\nab"), "begun before the body has ended: {answer}");
    assert_eq!(field(&answer, "Content-Type"), Some("text/x-a"));
    assert_eq!(field(&answer, "Content-Length"), Some("5"));
    assert_eq!(visit.say("cde"), "cde");

    let answer = visit.say(
        "PUT /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\
         Expect: 100-continue\r\n\r\n",
    );
    assert_eq!(answer, "HTTP/1.1 100 Continue\r\n\r\n");
    let answer = visit.say("3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(field(&answer, "Transfer-Encoding"), Some("chunked"));
    assert!(answer.ends_with("\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "{answer}");
    assert_eq!(body(&visit.ask("POST", "/echo")), "");
    assert_eq!(body(&visit.ask("GET", "/plaintext")), "Hello, World!", "the connection goes on");
}

#[test]
fn bytes_are_as_many_as_were_asked_for() {
    let mut visit = Visit::new();
    for count in [1, 65_535, 65_536, 65_537, 1_000_000] {
        let answer = visit.ask("GET", &format!("/bytes/{count}"));
        assert_eq!(body(&answer).len(), count);
        assert!(body(&answer).bytes().all(|byte| byte == b'\n' || (b' '..127).contains(&byte)));
    }
}

#[test]
fn delay_answers_at_its_time_and_not_before() {
    let mut visit = Visit::new();
    assert_eq!(visit.ask("GET", "/delay/1500"), "");
    let due = Moment::START + Duration::from_millis(1500);
    assert_eq!(visit.connection.deadline(), due);
    visit.env.now = due;
    visit.call(|connection, io| connection.timeout(io));
    assert_eq!(body(&visit.take()), "answered after 1500 ms\n");
    assert_eq!(body(&visit.ask("GET", "/plaintext")), "Hello, World!");
}

#[test]
fn work_is_done_elsewhere_and_answered_when_it_is_done() {
    let mut visit = Visit::new();
    assert_eq!(visit.ask("GET", "/work/100"), "");
    let Some(Op::Offload(token, _, job)) = visit.env.ops.pop() else {
        panic!("nothing off-loaded")
    };
    assert_eq!(token, TOKEN);
    let done = job();
    visit.call(|connection, io| connection.message(done, io));
    assert_eq!(body(&visit.take()), "computed for 100 ms\n");
}

#[test]
fn a_full_pool_is_said_to_be_full() {
    use readyloop::session::{Message, OffloadFailed};
    let mut visit = Visit::new();
    visit.ask("GET", "/work/100");
    visit.call(|connection, io| connection.message(Message::any(OffloadFailed { tag: 1 }), io));
    let answer = visit.take();
    assert!(answer.starts_with("HTTP/1.1 503 ") && field(&answer, "Retry-After") == Some("1"));
}

#[test]
fn a_drain_is_told_to_whoever_asks_how_it_is() {
    let mut visit = Visit::new();
    assert_eq!(body(&visit.ask("GET", "/healthz")), "ok\n");
    visit.env.draining = true;
    assert!(visit.ask("GET", "/healthz").starts_with("HTTP/1.1 503 "));
}

#[test]
fn a_form_of_either_kind_is_shown() {
    let mut visit = Visit::new();
    let answer = visit.post("/form", "application/x-www-form-urlencoded", "a=1&b=x+%26&a=");
    let expected = r#"{"fields":[{"name":"a","value":"1"},{"name":"b","value":"x &"},{"name":"a","value":""}]}"#;
    assert_eq!(body(&answer), expected);
    let form = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\né\r\n--x\r\n\
        Content-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\
        Content-Type: text/plain\r\n\r\nabc\r\n--x--\r\n";
    let answer = visit.post("/form", "multipart/form-data; boundary=x", form);
    let expected = concat!(
        r#"{"fields":[{"name":"a","value":"é"},{"name":"f","file":"a.txt","type":"text/plain","#,
        r#""bytes":3,"sha1":"a9993e364706816aba3e25717850c26c9cd0d89d"}]}"#
    );
    assert_eq!(body(&answer), expected);
    for (content_type, status) in [("text/plain", "415"), ("multipart/form-data", "400")] {
        let answer = visit.post("/form", content_type, form);
        assert_eq!(answer.get(9..12), Some(status), "{answer}");
    }
}

#[test]
fn cookies_are_set_shown_and_forgotten() {
    let mut visit = Visit::new();
    let kind = "application/x-www-form-urlencoded";
    let answer = visit.post("/cookies", kind, "a=1&__Host-b=2");
    assert_eq!(answer.get(9..12), Some("422"), "not over plain HTTP: {answer}");
    let answer = visit.post("/cookies", kind, "a=1&b=2");
    let set: Vec<_> = answer.lines().filter_map(|line| line.strip_prefix("Set-Cookie: ")).collect();
    assert_eq!(set.len(), 2, "{answer}");
    assert!(set[0].starts_with("a=1; HttpOnly; SameSite=Lax; ") && set[0].contains("Path=/"));
    let answer = visit.say("GET /cookies HTTP/1.1\r\nHost: test\r\nCookie: a=1; b=\"2\"\r\n\r\n");
    assert_eq!(body(&answer), r#"[{"name":"a","value":"1"},{"name":"b","value":"2"}]"#);
    let answer = visit.ask("DELETE", "/cookies/a");
    assert!(field(&answer, "Set-Cookie").is_some_and(|value| value.contains("Max-Age=0")));
    let answer = visit.say(
        "POST /cookies HTTP/1.1\r\nHost: test\r\nSec-Fetch-Site: cross-site\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=1",
    );
    assert_eq!(answer.get(9..12), Some("403"), "{answer}");
}

#[test]
fn a_greeting_is_what_suits_best() {
    let mut visit = Visit::new();
    for (fields, status, kind, language) in [
        ("", "200", "text/plain; charset=utf-8", "en"),
        ("Accept: application/json\r\n", "200", "application/json", "en"),
        (
            "Accept: text/html, */*;q=0.1\r\nAccept-Language: fr-CH, de;q=0.9\r\n",
            "200",
            "text/html; charset=utf-8",
            "fr",
        ),
        ("Accept-Language: xx\r\n", "200", "text/plain; charset=utf-8", "en"),
        ("Accept: image/png\r\n", "406", "application/problem+json", ""),
    ] {
        let answer = visit.say(&format!("GET /negotiate HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
        assert_eq!(answer.get(9..12), Some(status), "{answer}");
        assert_eq!(field(&answer, "Content-Type"), Some(kind), "{answer}");
        let said = field(&answer, "Content-Language").unwrap_or("");
        assert_eq!(said, language, "{answer}");
        assert_eq!(field(&answer, "Vary"), Some("Accept, Accept-Language"), "{answer}");
    }
}

/// What an access log has been given.
#[derive(Clone, Default)]
struct Lines(Rc<RefCell<String>>);

impl Sink for Lines {
    fn take(&self, line: &[u8]) {
        self.0.borrow_mut().push_str(&String::from_utf8_lossy(line));
    }
}

#[test]
fn every_request_has_its_line_when_it_has_ended() {
    let lines = Lines::default();
    let sink = lines.clone();
    let mut visit = Visit::of(|parts| parts.log = Some(Log::new(Format::Common, sink)));
    let told =
        || lines.0.take().lines().map(|line| line.replace(" - - [", "|")).collect::<Vec<_>>();
    visit.ask("GET", "/plaintext");
    visit.ask("HEAD", "/nope?x=\"");
    visit.ask("GET", "/delay/1500");
    let at_once = told();
    assert_eq!(at_once.len(), 2, "{at_once:?}");
    assert!(
        at_once[0].starts_with("unix:|")
            && at_once[0].ends_with("\"GET /plaintext HTTP/1.1\" 200 13")
    );
    assert!(at_once[1].ends_with("\"HEAD /nope?x=\\\" HTTP/1.1\" 404 -"), "{at_once:?}");
    visit.env.now = Moment::START + Duration::from_millis(1500);
    visit.call(|connection, io| connection.timeout(io));
    assert!(told()[0].ends_with("\"GET /delay/1500 HTTP/1.1\" 200 23"));
    visit.say("nonsense\r\n\r\n");
    assert!(told()[0].ends_with("\"-\" 400 -"));
}

#[test]
fn requests_are_measured_by_their_routes() {
    let mut visit = Visit::new();
    visit.ask("GET", "/plaintext");
    visit.ask("GET", "/bytes/5");
    visit.ask("GET", "/bytes/x");
    visit.ask("GET", "/random/1");
    visit.ask("GET", "/delay/1500");
    visit.env.now = Moment::START + Duration::from_millis(1500);
    visit.call(|connection, io| connection.timeout(io));
    visit.take();
    let page = visit.ask("GET", "/metrics");
    for line in [
        r#"http_requests_total{route="/plaintext",method="GET",class="2xx"} 1"#,
        r#"http_requests_total{route="/bytes/{n}",method="GET",class="2xx"} 1"#,
        r#"http_requests_total{route="/bytes/{n}",method="GET",class="4xx"} 1"#,
        r#"http_requests_total{route="none",method="GET",class="4xx"} 1"#,
        r#"http_request_duration_seconds_bucket{route="/delay/{ms}",le="0.5"} 0"#,
        r#"http_request_duration_seconds_bucket{route="/delay/{ms}",le="2.5"} 1"#,
        r#"http_request_duration_seconds_sum{route="/delay/{ms}"} 1.5"#,
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
    assert!(!page.contains("random"), "labels are not what strangers ask for");
}

#[test]
fn pages_of_other_origins_may_read_if_that_is_wanted() {
    let ask = "GET /plaintext HTTP/1.1\r\nHost: test\r\nOrigin: https://a.example\r\n\r\n";
    let name = "Access-Control-Allow-Origin";
    assert_eq!(field(&Visit::new().say(ask), name), None);
    let cors = Cors::origins(["https://a.example".to_owned()]).expect("an origin");
    let mut visit = Visit::of(|parts| parts.cors = Some(cors));
    assert_eq!(field(&visit.say(ask), name), Some("https://a.example"));
    assert_eq!(field(&visit.ask("GET", "/plaintext"), "Vary"), Some("Origin"));
}
