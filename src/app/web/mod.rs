//! The web server's own routes: a page that says what is running, and small ones to try each way
//! of answering with.
//!
//! | route | shows |
//! |---|---|
//! | `/plaintext`, `/json`, `/healthz` | an answer from static memory |
//! | `/echo` | a body streamed back while it arrives |
//! | `/delay/{ms}` | an answer from a timer |
//! | `/work/{ms}` | an answer from another thread |
//! | `/bytes/{n}` | an answer pulled by the peer's pace |
//! | `/metrics` | the loop's counters |

mod exchange;
mod metrics;
mod page;

use std::cell::OnceCell;
use std::time::Duration;

use crate::proto::h1::encode::InvalidHeader;
use crate::proto::h1::{Framing, Head};
use crate::session::http::{Answered, Handler, Prepared, Reply};
use exchange::{Bytes, Delay, Mirror, Work};
pub use page::Row;

/// Computes for this long on the calling thread. Passed in, because nothing below the drivers
/// reads a clock.
pub type Burn = fn(Duration);

/// Header fields, as replies take them.
type Headers = &'static [(&'static str, &'static [u8])];

const TEXT: Headers = &[("Content-Type", b"text/plain; charset=utf-8")];
const PLAINTEXT: Headers = &[("Content-Type", b"text/plain")];
const JSON: Headers = &[("Content-Type", b"application/json")];
const METRICS: Headers = &[("Content-Type", metrics::CONTENT_TYPE), ("Cache-Control", b"no-store")];

/// The longest `/delay`, in milliseconds.
const MAX_DELAY: u64 = 30_000;
/// The longest `/work`, in milliseconds.
const MAX_WORK: u64 = 10_000;
/// The longest `/bytes`.
const MAX_BYTES: u64 = 100 << 30;

/// The handler of all routes. One serves HTTP and HTTPS alike.
pub struct Web {
    burn: Burn,
    plaintext: Prepared,
    /// The other answers that are always the same, by path.
    prepared: Vec<(&'static str, Prepared)>,
    page: OnceCell<Prepared>,
    #[cfg(feature = "web")]
    files: OnceCell<std::rc::Rc<crate::web::files::Files>>,
}

impl Handler for Web {
    #[inline]
    fn on_request(&self, request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        // First and cheaply: this is the route that benchmarks ask for.
        if request.target == "/plaintext" && request.method == "GET" {
            return reply.prepared(&self.plaintext);
        }
        self.route(request, reply)
    }
}

impl Web {
    /// A handler whose `/work` computes with `burn`.
    ///
    /// # Errors
    ///
    /// One of the answers cannot be framed; that would be a mistake in this file.
    pub fn new(burn: Burn) -> Result<Self, InvalidHeader> {
        let prepared = |path, headers, body| Ok((path, Prepared::new(200, headers, body)?));
        Ok(Web {
            burn,
            plaintext: Prepared::new(200, PLAINTEXT, b"Hello, World!")?,
            prepared: vec![
                prepared("/plaintext", PLAINTEXT, &b"Hello, World!"[..])?,
                prepared("/json", JSON, br#"{"message":"Hello, World!"}"#)?,
                prepared("/page.css", page::CSS, include_bytes!("page.css"))?,
                prepared("/page.js", page::JS, include_bytes!("page.js"))?,
                prepared("/icon.svg", page::SVG, include_bytes!("icon.svg"))?,
                prepared("/favicon.ico", page::SVG, include_bytes!("icon.svg"))?,
            ],
            page: OnceCell::new(),
            #[cfg(feature = "web")]
            files: OnceCell::new(),
        })
    }

    /// Writes the page, once it is known what listens where.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn describe(&self, rows: &[Row]) -> Result<(), InvalidHeader> {
        let page = Prepared::new(200, page::HTML, page::render(rows).as_bytes())?;
        // The first description stays.
        let _ = self.page.set(page);
        Ok(())
    }

    /// Serves these files where no other route is. The first ones stay.
    #[cfg(feature = "web")]
    pub fn serve_files(&self, files: std::rc::Rc<crate::web::files::Files>) {
        let _ = self.files.set(files);
    }

    /// The answer that is always the same, if the path has one.
    fn prepared(&self, path: &str) -> Option<&Prepared> {
        if path == "/" {
            return self.page.get();
        }
        self.prepared.iter().find(|(of, _)| *of == path).map(|(_, answer)| answer)
    }

    fn route(&self, request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        let (path, method) = (request.path(), request.method);
        let prepared = self.prepared(path);
        let methods = if prepared.is_some() { Some(Methods::Read) } else { Methods::of(path) };
        let Some(methods) = methods else {
            #[cfg(feature = "web")]
            if let Some(files) = self.files.get() {
                return files.answer(request, reply);
            }
            return reply.text(404, "nothing here; / lists what there is\n");
        };
        if method == "OPTIONS" {
            return reply.send(204, &[("Allow", methods.list())], b"");
        }
        if !methods.allow(method) {
            let headers = [("Allow", methods.list()), TEXT[0]];
            return reply.send(405, &headers, b"not with this method\n");
        }
        match (prepared, path) {
            (Some(answer), _) => reply.prepared(answer),
            (None, "/healthz") => health(reply),
            (None, "/metrics") => measures(reply),
            (None, "/echo") => mirror(request, reply),
            (None, _) => self.numbered(path, method == "HEAD", reply),
        }
    }

    fn numbered(&self, path: &str, is_head: bool, reply: Reply<'_, '_>) -> Answered {
        let millis = Duration::from_millis;
        if let Some(part) = path.strip_prefix("/delay/") {
            number(part, MAX_DELAY, "milliseconds", reply, |number, reply| {
                reply.exchange(Delay::new(millis(number)))
            })
        } else if let Some(part) = path.strip_prefix("/work/") {
            number(part, MAX_WORK, "milliseconds", reply, |number, reply| {
                reply.exchange(Work::new(millis(number), self.burn))
            })
        } else {
            let part = path.strip_prefix("/bytes/").unwrap_or("");
            number(part, MAX_BYTES, "bytes", reply, |number, reply| {
                reply.exchange(Bytes::new(number, is_head))
            })
        }
    }
}

/// What may be done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Methods {
    Read,
    Echo,
    /// `OPTIONS *` asks about the server as a whole.
    Ask,
}

impl Methods {
    /// `None` if there is no such path.
    fn of(path: &str) -> Option<Methods> {
        match path {
            "/healthz" | "/metrics" => Some(Methods::Read),
            "/echo" => Some(Methods::Echo),
            "*" => Some(Methods::Ask),
            _ => ["/delay/", "/work/", "/bytes/"]
                .iter()
                .any(|route| path.starts_with(route))
                .then_some(Methods::Read),
        }
    }

    fn list(self) -> &'static [u8] {
        match self {
            Methods::Read => b"GET, HEAD, OPTIONS",
            Methods::Echo => b"POST, PUT, OPTIONS",
            Methods::Ask => b"GET, HEAD, POST, PUT, OPTIONS",
        }
    }

    fn allow(self, method: &str) -> bool {
        match self {
            Methods::Read => matches!(method, "GET" | "HEAD"),
            Methods::Echo => matches!(method, "POST" | "PUT"),
            Methods::Ask => false,
        }
    }
}

/// Calls `then` with the number that ends a path; tells the peer if it is none, or too large.
fn number<'a, 'c>(
    part: &str,
    max: u64,
    unit: &str,
    reply: Reply<'a, 'c>,
    then: impl FnOnce(u64, Reply<'a, 'c>) -> Answered,
) -> Answered {
    // `parse` would take a sign.
    let is_digits = part.bytes().all(|byte| byte.is_ascii_digit());
    match part.parse() {
        Ok(number) if is_digits && number <= max => then(number, reply),
        _ => reply.text(400, &format!("the path ends in a number of {unit}, at most {max}\n")),
    }
}

/// A load balancer that asks learns of the end before it comes.
fn health(mut reply: Reply<'_, '_>) -> Answered {
    if reply.env().draining { reply.text(503, "draining\n") } else { reply.text(200, "ok\n") }
}

fn measures(mut reply: Reply<'_, '_>) -> Answered {
    let text = metrics::render(reply.env());
    reply.send(200, METRICS, text.as_bytes())
}

fn mirror(request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
    let content_type = request.header("Content-Type").unwrap_or(b"application/octet-stream");
    let length = match request.framing {
        Framing::None => Some(0),
        Framing::Length(length) => Some(length),
        Framing::Chunked => None,
    };
    reply.exchange(Mirror::new(content_type, length))
}
