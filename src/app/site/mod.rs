//! The web server of the command: its pages, and small answers to try each way of answering with.
//!
//! Called by the HTTP sessions of the rows `http` and `https`. It owns the routes below and mounts
//! those of the other services, which [`Parts`] brings.
//!
//! | route | shows |
//! |---|---|
//! | `/`, `/notes`, `/chat`, `/push` and what they load | [`pages`], from memory |
//! | `/plaintext`, `/json`, `/healthz` | an answer from static memory |
//! | `/echo` | a body streamed back while it arrives |
//! | `/delay/{ms}` | an answer from a timer |
//! | `/work/{ms}` | an answer from another thread |
//! | `/bytes/{n}` | an answer pulled by the peer's pace |
//! | `/metrics` | the loop's counters |

mod exchange;
mod metrics;
pub mod pages;

use std::cell::OnceCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::proto::h1::encode::InvalidHeader;
use crate::proto::h1::{Framing, Head};
use crate::session::http::{Answered, Handler, Prepared, Reply};
use crate::web::problem::Problem;
use crate::web::router::{Request, Router};
use exchange::{Bytes, Delay, Mirror, Work};
use pages::{ASSETS, Row};

/// Computes for this long on the calling thread. Passed in, because nothing below the drivers
/// reads a clock.
pub type Burn = fn(Duration);

/// Header fields, as replies take them.
type Headers = &'static [(&'static str, &'static [u8])];

const TEXT: Headers = &[("Content-Type", b"text/plain; charset=utf-8")];
const PLAINTEXT: Headers = &[("Content-Type", b"text/plain")];
const JSON: Headers = &[("Content-Type", b"application/json")];
const METRICS: Headers = &[("Content-Type", metrics::CONTENT_TYPE), ("Cache-Control", b"no-store")];

const PAGE: Headers = &[
    ("Content-Type", pages::HTML.as_bytes()),
    ("Content-Security-Policy", pages::POLICY.as_bytes()),
    ("X-Content-Type-Options", b"nosniff"),
    ("Referrer-Policy", b"no-referrer"),
    ("Cache-Control", b"no-cache"),
];

/// The longest `/delay`, in milliseconds.
const MAX_DELAY: u64 = 30_000;
/// The longest `/work`, in milliseconds.
const MAX_WORK: u64 = 10_000;
/// The longest `/bytes`.
const MAX_BYTES: u64 = 100 << 30;

/// What a [`Site`] is made of.
pub struct Parts {
    /// What `/work` computes with.
    pub burn: Burn,
    /// The routes of other services, and perhaps a fallback.
    pub routes: Router,
}

/// The handler of all routes. One serves HTTP and HTTPS alike.
pub struct Site {
    plaintext: Prepared,
    router: Router,
    pages: Rc<OnceCell<Vec<Prepared>>>,
}

impl Handler for Site {
    #[inline]
    fn on_request(&self, request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        // First and cheaply: this is the route that benchmarks ask for.
        if request.target == "/plaintext" && request.method == "GET" {
            return reply.prepared(&self.plaintext);
        }
        self.router.answer(request, reply)
    }
}

impl Site {
    /// A site without pages: those are written by [`describe`](Self::describe).
    ///
    /// # Errors
    ///
    /// Two routes exclude each other, or one of the answers cannot be framed.
    pub fn new(parts: Parts) -> io::Result<Self> {
        let plaintext =
            Prepared::new(200, PLAINTEXT, b"Hello, World!").map_err(io::Error::other)?;
        let pages = Rc::new(OnceCell::new());
        let router = trials(Router::new(), parts.burn)
            .get("/plaintext", prepared(plaintext.clone()))
            .get("/healthz", health)
            .get("/metrics", measures);
        let router = with_pages(router, &pages).map_err(io::Error::other)?.nest("", parts.routes);
        router.check().map_err(io::Error::other)?;
        Ok(Site { plaintext, router, pages })
    }

    /// Writes the pages, once it is known what listens where.
    ///
    /// # Errors
    ///
    /// A page cannot be framed; that would be a mistake in this file.
    pub fn describe(&self, rows: &[Row]) -> Result<(), InvalidHeader> {
        let pages = pages::render(rows).into_iter();
        let pages: Result<_, _> =
            pages.map(|(_, html)| Prepared::new(200, PAGE, html.as_bytes())).collect();
        // The first description stays.
        let _ = self.pages.set(pages?);
        Ok(())
    }
}

/// An answer that is always the same.
fn prepared(answer: Prepared) -> impl Fn(&Request<'_>, Reply<'_, '_>) -> Answered + 'static {
    move |_, reply| reply.prepared(&answer)
}

/// The pages, once they are described, and what they load.
fn with_pages(
    mut router: Router,
    pages: &Rc<OnceCell<Vec<Prepared>>>,
) -> Result<Router, InvalidHeader> {
    for (at, path) in pages::paths().enumerate() {
        let pages = Rc::clone(pages);
        router = router.get(path, move |_, reply| match pages.get().and_then(|all| all.get(at)) {
            Some(page) => reply.prepared(page),
            None => reply.text(503, "not yet\n"),
        });
    }
    for asset in ASSETS {
        let headers: [(&str, &[u8]); 3] = [
            ("Content-Type", asset.content_type.as_bytes()),
            ("X-Content-Type-Options", b"nosniff"),
            ("Cache-Control", b"no-cache"),
        ];
        router = router.get(asset.path, prepared(Prepared::new(200, &headers, asset.bytes)?));
    }
    Ok(router)
}

/// A route for each way of answering.
fn trials(router: Router, burn: Burn) -> Router {
    let millis = Duration::from_millis;
    router
        .get("/json", |_, reply| reply.send(200, JSON, br#"{"message":"Hello, World!"}"#))
        .post("/echo", mirror)
        .put("/echo", mirror)
        .get("/delay/{ms}", move |request, reply| {
            number(request, "ms", MAX_DELAY, reply, |number, reply| {
                reply.exchange(Delay::new(millis(number)))
            })
        })
        .get("/work/{ms}", move |request, reply| {
            number(request, "ms", MAX_WORK, reply, |number, reply| {
                reply.exchange(Work::new(millis(number), burn))
            })
        })
        .get("/bytes/{n}", |request, reply| {
            let is_head = request.method == "HEAD";
            number(request, "n", MAX_BYTES, reply, |number, reply| {
                reply.exchange(Bytes::new(number, is_head))
            })
        })
}

/// Calls `then` with the number that ends a path; tells the peer if it is none, or too large.
fn number<'a, 'c>(
    request: &Request<'_>,
    name: &str,
    max: u64,
    reply: Reply<'a, 'c>,
    then: impl FnOnce(u64, Reply<'a, 'c>) -> Answered,
) -> Answered {
    let text = request.param(name).unwrap_or("");
    // `parse` would take a sign.
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if is_digits && number <= max => then(number, reply),
        _ => Problem::new(400, "Bad Request")
            .detail(format!("the path ends in a number, at most {max}"))
            .answer(reply),
    }
}

/// A load balancer that asks learns of the end before it comes.
fn health(_: &Request<'_>, mut reply: Reply<'_, '_>) -> Answered {
    if reply.env().draining { reply.text(503, "draining\n") } else { reply.text(200, "ok\n") }
}

fn measures(_: &Request<'_>, mut reply: Reply<'_, '_>) -> Answered {
    let text = metrics::render(reply.env());
    reply.send(200, METRICS, text.as_bytes())
}

fn mirror(request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
    let content_type = request.header("Content-Type").unwrap_or(b"application/octet-stream");
    let length = match request.framing {
        Framing::None => Some(0),
        Framing::Length(length) => Some(length),
        Framing::Chunked => None,
    };
    reply.exchange(Mirror::new(content_type, length))
}
