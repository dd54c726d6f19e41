//! The access log: a line for every request, in one of three formats, to a [`Sink`].
//!
//! Called by whoever owns a handler, around it. It formats and never waits: a sink takes a line or
//! drops it. Whatever a stranger sent is escaped to printable ASCII, so that no line can be forged,
//! broken or made to colour a terminal.
//!
//! The line of an answer that takes longer than its request is written when it ends. Its time is
//! that of the request, its status 499 if the peer left before there was one.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

use crate::error::Fault;
use crate::proto::h1::{Head, Version};
use crate::session::Env;
use crate::session::datagram::Peer;
use crate::session::http::{Answered, Handler, Origin, Outcome, Reply};

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `host - - [time] "request" status bytes`, the Common Log Format.
    Common,
    /// The same, then `"referer" "user agent"`.
    #[default]
    Combined,
    /// An object in JSON, with all that is known.
    Json,
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "common" => Ok(Format::Common),
            "combined" => Ok(Format::Combined),
            "json" => Ok(Format::Json),
            _ => Err("common, combined or json"),
        }
    }
}

/// Where lines go.
pub trait Sink {
    /// Takes a line with its end, or drops it and counts that; never waits.
    fn take(&self, line: &[u8]);
}

impl<F: Fn(&[u8])> Sink for F {
    fn take(&self, line: &[u8]) {
        self(line);
    }
}

/// An access log.
pub struct Log {
    format: Format,
    sink: Box<dyn Sink>,
    line: RefCell<Vec<u8>>,
}

impl Log {
    /// A log of this format.
    pub fn new(format: Format, sink: impl Sink + 'static) -> Rc<Self> {
        Rc::new(Log { format, sink: Box::new(sink), line: RefCell::default() })
    }

    /// Has `answer` answer a request, and writes its line: now, or when the answer has ended.
    pub fn around(
        self: &Rc<Self>,
        head: &Head<'_>,
        mut reply: Reply<'_, '_>,
        answer: impl FnOnce(&Head<'_>, Reply<'_, '_>) -> Answered,
    ) -> Answered {
        let entry = Entry::of(head, &mut reply);
        let answered = answer(head, reply);
        if let Some(outcome) = answered.outcome() {
            self.write(&entry, outcome);
            return answered;
        }
        let (log, entry) = (Rc::clone(self), entry.into_owned());
        answered.on_end(move |outcome| log.write(&entry, outcome))
    }

    /// A handler whose requests are all logged, the refused ones too.
    pub fn over<H: Handler>(self: &Rc<Self>, handler: H) -> impl Handler + use<H> {
        Logged { log: Rc::clone(self), handler }
    }

    /// Writes the line of a request that no handler saw.
    pub fn refused(&self, fault: &Fault, origin: &Origin, env: &Env) {
        let entry = Entry {
            peer: origin.peer(),
            tls: origin.tls().map(|tls| tls.version),
            time: env.wall(),
            request: None,
            host: None,
            referer: None,
            agent: None,
        };
        self.write(&entry, &Outcome { status: fault.code, complete: true, ..Outcome::default() });
    }

    fn write(&self, entry: &Entry<'_>, outcome: &Outcome) {
        let mut line = self.line.borrow_mut();
        line.clear();
        entry.write(self.format, outcome, &mut line);
        self.sink.take(&line);
    }
}

struct Logged<H> {
    log: Rc<Log>,
    handler: H,
}

impl<H: Handler> Handler for Logged<H> {
    fn on_request(&self, request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        self.log.around(request, reply, |head, reply| self.handler.on_request(head, reply))
    }

    fn on_refused(&self, fault: &'static Fault, origin: &Origin, env: &mut Env) {
        self.log.refused(fault, origin, env);
        self.handler.on_refused(fault, origin, env);
    }
}

/// What a line tells of a request.
#[derive(Clone, Debug)]
struct Entry<'a> {
    peer: Peer,
    tls: Option<&'static str>,
    time: SystemTime,
    /// Method, target and version, if they could be read.
    request: Option<(Cow<'a, str>, Cow<'a, str>, Version)>,
    host: Option<Cow<'a, [u8]>>,
    referer: Option<Cow<'a, [u8]>>,
    agent: Option<Cow<'a, [u8]>>,
}

fn keep(value: Option<Cow<'_, [u8]>>) -> Option<Cow<'static, [u8]>> {
    value.map(|value| Cow::Owned(value.into_owned()))
}

impl<'a> Entry<'a> {
    fn of(head: &Head<'a>, reply: &mut Reply<'_, '_>) -> Self {
        let field = |name| head.header(name).map(Cow::Borrowed);
        Entry {
            peer: reply.peer(),
            tls: reply.tls().map(|tls| tls.version),
            time: reply.env().wall(),
            request: Some((head.method.into(), head.target.into(), head.version)),
            host: head.host().map(Cow::Borrowed),
            referer: field("referer"),
            agent: field("user-agent"),
        }
    }

    fn into_owned(self) -> Entry<'static> {
        let request = self.request.map(|(method, target, version)| {
            (method.into_owned().into(), target.into_owned().into(), version)
        });
        let (host, referer, agent) = (keep(self.host), keep(self.referer), keep(self.agent));
        let Entry { peer, tls, time, .. } = self;
        Entry { peer, tls, time, request, host, referer, agent }
    }

    fn write(&self, format: Format, outcome: &Outcome, line: &mut Vec<u8>) {
        match format {
            Format::Common => self.common(outcome, line),
            Format::Combined => {
                self.common(outcome, line);
                for value in [&self.referer, &self.agent] {
                    line.extend_from_slice(b" \"");
                    escape(value.as_deref().unwrap_or(b"-"), line);
                    line.push(b'"');
                }
            }
            Format::Json => self.json(outcome, line),
        }
        line.push(b'\n');
    }

    // Writing to a vector cannot fail.
    fn common(&self, outcome: &Outcome, line: &mut Vec<u8>) {
        match &self.peer {
            Peer::Inet(address) => drop(write!(line, "{}", address.ip())),
            _ => line.extend_from_slice(b"unix:"),
        }
        let time = moment(self.time);
        let (day, month, year) = (time.day(), time.month().to_string(), time.year());
        let month = month.get(..3).unwrap_or("");
        let (hour, minute, second) = time.to_hms();
        let _ = write!(line, " - - [{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02}");
        line.extend_from_slice(b" +0000] \"");
        match &self.request {
            Some((method, target, version)) => {
                escape(method.as_bytes(), line);
                line.push(b' ');
                escape(target.as_bytes(), line);
                let _ = write!(line, " {}", version_name(*version));
            }
            None => line.push(b'-'),
        }
        let _ = write!(line, "\" {} ", status(outcome));
        match outcome.bytes {
            0 => line.push(b'-'),
            bytes => drop(write!(line, "{bytes}")),
        }
    }

    fn json(&self, outcome: &Outcome, line: &mut Vec<u8>) {
        let time = moment(self.time);
        let (year, month, day) = time.to_calendar_date();
        let (hour, minute, second, milli) = time.to_hms_milli();
        let _ = write!(
            line,
            "{{\"time\":\"{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z\"",
            u8::from(month)
        );
        member("peer", self.peer.to_string().as_bytes(), line);
        if let Some(tls) = self.tls {
            member("tls", tls.as_bytes(), line);
        }
        if let Some((method, target, version)) = &self.request {
            member("method", method.as_bytes(), line);
            member("target", target.as_bytes(), line);
            member("version", version_name(*version).as_bytes(), line);
        }
        let fields = [("host", &self.host), ("referer", &self.referer), ("agent", &self.agent)];
        for (name, value) in fields {
            if let Some(value) = value {
                member(name, value, line);
            }
        }
        let Outcome { bytes, complete, took, .. } = *outcome;
        let _ = write!(
            line,
            ",\"status\":{},\"bytes\":{bytes},\"seconds\":{:.6},\"complete\":{complete}}}",
            status(outcome),
            took.as_secs_f64()
        );
    }
}

fn status(outcome: &Outcome) -> u16 {
    if outcome.status == 0 { 499 } else { outcome.status }
}

fn version_name(version: Version) -> &'static str {
    match version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
    }
}

fn moment(time: SystemTime) -> OffsetDateTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanos = i128::try_from(since.as_nanos()).unwrap_or(0);
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Appends what is printable in ASCII as it is, the rest as `\xHH`, as servers have long done.
fn escape(value: &[u8], line: &mut Vec<u8>) {
    for &byte in value {
        match byte {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => line.push(byte),
            _ => drop(write!(line, "\\x{byte:02x}")),
        }
    }
}

/// Appends a member with a text in ASCII. What is not UTF-8 is replaced.
fn member(name: &str, value: &[u8], line: &mut Vec<u8>) {
    let _ = write!(line, ",\"{name}\":\"");
    for c in String::from_utf8_lossy(value).chars() {
        match c {
            '"' | '\\' => drop(write!(line, "\\{c}")),
            ' '..='~' => drop(write!(line, "{c}")),
            _ => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::testing::Visit;
    use std::time::Duration;

    fn entry(target: &'static str, agent: Option<&'static [u8]>) -> Entry<'static> {
        Entry {
            peer: Peer::Inet(([192, 0, 2, 1], 4711).into()),
            tls: Some("TLSv1.3"),
            time: UNIX_EPOCH + Duration::from_millis(971_211_336_042),
            request: Some(("GET".into(), target.into(), Version::Http11)),
            host: Some(b"a.example"[..].into()),
            referer: None,
            agent: agent.map(Cow::Borrowed),
        }
    }

    fn line(entry: &Entry<'_>, format: Format) -> String {
        let outcome =
            Outcome { status: 200, bytes: 2326, complete: true, took: Duration::from_micros(1500) };
        let mut line = Vec::new();
        entry.write(format, &outcome, &mut line);
        String::from_utf8(line).expect("text")
    }

    #[test]
    fn whatever_is_asked_of_a_handler_is_logged_refused_or_not() {
        let lines = Rc::new(RefCell::new(String::new()));
        let kept = Rc::clone(&lines);
        let sink = move |line: &[u8]| kept.borrow_mut().push_str(&String::from_utf8_lossy(line));
        let answer = |_: &Head<'_>, reply: Reply<'_, '_>| reply.text(200, "yes\n");
        let handler = Rc::new(Log::new(Format::Common, sink).over(answer));
        let mut visit = Visit::new(&handler);
        visit.say(b"GET /a HTTP/1.1\r\nHost: b\r\n\r\nno request\r\n\r\n");
        let lines = lines.borrow();
        let ends: Vec<_> = lines.lines().filter_map(|line| line.split(']').nth(1)).collect();
        assert_eq!(ends, [" \"GET /a HTTP/1.1\" 200 4", " \"-\" 400 -"], "{lines}");
    }

    #[test]
    fn each_format_has_its_fields() {
        let entry = entry("/a?b", Some(b"curl/8"));
        let common = r#"192.0.2.1 - - [10/Oct/2000:20:55:36 +0000] "GET /a?b HTTP/1.1" 200 2326"#;
        assert_eq!(line(&entry, Format::Common), format!("{common}\n"));
        assert_eq!(line(&entry, Format::Combined), format!("{common} \"-\" \"curl/8\"\n"));
        let json = line(&entry.clone().into_owned(), Format::Json);
        assert_eq!(
            json,
            concat!(
                r#"{"time":"2000-10-10T20:55:36.042Z","peer":"192.0.2.1:4711","tls":"TLSv1.3","#,
                r#""method":"GET","target":"/a?b","version":"HTTP/1.1","host":"a.example","#,
                r#""agent":"curl/8","status":200,"bytes":2326,"seconds":0.001500,"#,
                r#""complete":true}"#,
                "\n"
            )
        );
    }

    #[test]
    fn nothing_that_was_sent_ends_a_line_or_a_field() {
        let agent = b"\" 200 1\n1.2.3.4 \\ \x1b[31m \xff \xc2\x9b \xf0\x9d\x84\x9e\x7f";
        let entry = entry("/\"\u{202e}", Some(agent));
        for format in [Format::Common, Format::Combined, Format::Json] {
            let line = line(&entry, format);
            assert!(
                line.trim_end_matches('\n').bytes().all(|b| (b' '..=b'~').contains(&b)),
                "{line}"
            );
        }
        let combined = line(&entry, Format::Combined);
        let escaped =
            r#" "-" "\" 200 1\x0a1.2.3.4 \\ \x1b[31m \xff \xc2\x9b \xf0\x9d\x84\x9e\x7f""#;
        assert!(combined.trim_end().ends_with(escaped), "{combined}");
        let json: serde_json::Value =
            serde_json::from_str(&line(&entry, Format::Json)).expect("it is JSON");
        assert_eq!(json["target"], "/\"\u{202e}");
        assert_eq!(json["agent"], String::from_utf8_lossy(agent).as_ref());
    }

    #[test]
    fn what_is_not_known_is_a_dash_and_who_left_is_499() {
        let entry =
            Entry { peer: Peer::Unnamed, tls: None, request: None, host: None, ..entry("/", None) };
        let mut line = Vec::new();
        entry.write(Format::Combined, &Outcome::default(), &mut line);
        let line = String::from_utf8(line).expect("text");
        assert_eq!(line, "unix: - - [10/Oct/2000:20:55:36 +0000] \"-\" 499 - \"-\" \"-\"\n");
    }
}
