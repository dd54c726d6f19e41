//! The web server of the command: its pages, and small answers to try each way of answering with.
//!
//! Called by the HTTP sessions of the rows `http` and `https`. It owns the routes below and mounts
//! those of the other services, which [`Parts`] brings.
//!
//! | route | shows |
//! |---|---|
//! | `/`, `/notes`, `/chat`, `/push` and what they load | `pages`, from memory |
//! | `/plaintext`, `/json`, `/healthz` | an answer from static memory |
//! | `/echo` | a body streamed back while it arrives |
//! | `/delay/{ms}` | an answer from a timer |
//! | `/work/{ms}` | an answer from another thread |
//! | `/bytes/{n}` | an answer pulled by the peer's pace |
//! | `/form`, `/cookies`, `/negotiate` | what a form says, cookies, a choice among representations |
//! | `/metrics` | the counters of the loop, the site and its services |

mod coded;
mod exchange;
mod forms;
mod metrics;
mod pages;

use std::cell::OnceCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::error::Fault;
use crate::proto::h1::{Framing, Head};
use crate::session::Env;
use crate::session::http::{Answered, Handler, Origin, Prepared, Reply, Response};
use crate::web::coding;
use crate::web::cors::Cors;
use crate::web::log::Log;
use crate::web::metrics::{Page, Registry, Route};
use crate::web::problem::Problem;
use crate::web::router::{Request, Router};
use coded::Coded;
use exchange::{Bytes, Delay, Mirror, Work};
use pages::ASSETS;
pub use pages::Row;

/// Computes for this long on the calling thread. Passed in, because nothing below the drivers
/// reads a clock.
pub type Burn = fn(Duration);

/// Header fields, as replies take them.
type Headers = &'static [(&'static str, &'static [u8])];

const TEXT: Headers = &[("Content-Type", b"text/plain; charset=utf-8")];
const PLAINTEXT: Headers = &[("Content-Type", b"text/plain")];
const JSON: Headers = &[("Content-Type", b"application/json")];

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
    /// Whose pages may read the answers, if others than our own.
    pub cors: Option<Cors>,
    /// What `/metrics` tells besides the loop's counters.
    pub registry: Rc<Registry>,
    /// The access log, if there is one.
    pub log: Option<Rc<Log>>,
}

/// The handler of all routes. One serves HTTP and HTTPS alike.
pub struct Site {
    plaintext: Prepared,
    plaintext_count: Rc<Route>,
    /// Every answer has to pass the access log or CORS.
    is_watched: bool,
    router: Router,
    pages: Rc<OnceCell<Vec<Coded>>>,
    log: Option<Rc<Log>>,
}

impl Handler for Site {
    #[inline]
    fn on_request(&self, request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        // First and cheaply: this is the route that benchmarks ask for.
        if request.target == "/plaintext" && request.method == "GET" && !self.is_watched {
            let answered = reply.prepared(&self.plaintext);
            if let Some(outcome) = answered.outcome() {
                self.plaintext_count.count("GET", outcome);
            }
            return answered;
        }
        match &self.log {
            None => self.router.answer(request, reply),
            Some(log) => log.around(request, reply, |head, reply| self.router.answer(head, reply)),
        }
    }

    fn on_refused(&self, fault: &'static Fault, origin: &Origin, env: &mut Env) {
        if let Some(log) = &self.log {
            log.refused(fault, origin, env);
        }
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
            .get("/plaintext", {
                let plaintext = plaintext.clone();
                move |_, reply| reply.prepared(&plaintext)
            })
            .get("/healthz", health)
            .get("/metrics", {
                let registry = Rc::clone(&parts.registry);
                move |request, reply| measures(&registry, request, reply)
            });
        let router = with_pages(forms::routes(router), &pages)?
            .nest("", parts.routes)
            .wrap(parts.registry.watch());
        let is_open = parts.cors.is_some();
        let router = parts.cors.into_iter().fold(router, |all, cors| all.wrap(cors.middleware()));
        router.check().map_err(io::Error::other)?;
        let plaintext_count = parts.registry.route("/plaintext");
        let is_watched = is_open || parts.log.is_some();
        Ok(Site { plaintext, plaintext_count, is_watched, router, pages, log: parts.log })
    }

    /// Writes the pages, once it is known what listens where.
    ///
    /// # Errors
    ///
    /// A page cannot be framed; that would be a mistake in this file.
    pub fn describe(&self, rows: &[Row]) -> io::Result<()> {
        let pages = pages::render(rows).into_iter();
        let pages: io::Result<_> =
            pages.map(|(_, html)| Coded::new(PAGE, html.as_bytes())).collect();
        // The first description stays.
        let _ = self.pages.set(pages?);
        Ok(())
    }
}

/// The pages, once they are described, and what they load.
fn with_pages(mut router: Router, pages: &Rc<OnceCell<Vec<Coded>>>) -> io::Result<Router> {
    for (at, path) in pages::paths().enumerate() {
        let pages = Rc::clone(pages);
        router =
            router.get(path, move |request, reply| match pages.get().and_then(|all| all.get(at)) {
                Some(page) => page.answer(request, reply),
                None => reply.text(503, "not yet\n"),
            });
    }
    for asset in ASSETS {
        let headers: [(&str, &[u8]); 3] = [
            ("Content-Type", asset.content_type.as_bytes()),
            ("X-Content-Type-Options", b"nosniff"),
            ("Cache-Control", b"no-cache"),
        ];
        let coded = Coded::new(&headers, asset.bytes)?;
        router = router.get(asset.path, move |request, reply| coded.answer(request, reply));
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

/// What the loop counts, what the site counts, and what services have registered.
fn measures(registry: &Registry, request: &Request<'_>, mut reply: Reply<'_, '_>) -> Answered {
    let mut page = Page::new();
    metrics::render(reply.env(), &mut page);
    registry.render(&mut page);
    let response = Response::new(200, page.text())
        .with("Content-Type", Page::CONTENT_TYPE)
        .with("Cache-Control", "no-store");
    coding::send(request, reply, response, &Default::default())
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
