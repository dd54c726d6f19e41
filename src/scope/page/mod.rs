//! The live page: the loop shows itself, by itself.
//!
//! Called by whoever serves HTTP on the loop: [`routes`] are mounted at `/_loop`, where the page looks
//! for what it loads. They read what the recorder keeps and change nothing; the page itself is files in
//! the folder `web` beside this one, which need nothing from elsewhere.
//!
//! | route | what it gives |
//! |---|---|
//! | `/` | the page |
//! | `/sample` | the loop at this moment, as JSON: a [`Sample`] |
//! | `/events` | the same each few hundred milliseconds, as Server-Sent Events |
//! | `/story?token=TOKEN` | what happened to one connection, in words |
//! | `/recording` | all facts that are kept: a [recording](crate::scope::recording) |
//!
//! The sample and the events take `connections=N` (how many are shown), `turns=N`, `filter=TEXT` and `follow=TOKEN`; events
//! also `every=MS`.
//!
//! ```no_run
//! use readyloop::scope::{Source, page};
//! use readyloop::session::http::Http;
//! use readyloop::web::router::Router;
//! use readyloop::{Limits, Reactor};
//! use std::net::SocketAddr;
//!
//! fn main() -> std::io::Result<()> {
//!     let router = Router::new()
//!         .get("/", |_, reply| reply.text(200, "look at /_loop\n"))
//!         .nest("/_loop", page::routes(page::Options::new(Source::Own)));
//!     let mut reactor = Reactor::new(Limits::default())?;
//!     reactor.record(65_536);
//!     reactor.listen(SocketAddr::from(([127, 0, 0, 1], 8080)), Http::new(router))?;
//!     reactor.run()
//! }
//! ```

mod asked;
mod assets;
mod events;
mod guard;
mod pick;
mod sample;
mod story;
#[cfg(test)]
mod tests;
mod told;
mod turns;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::limits::Limits;
use crate::probe::{Counters, Recorder};
use crate::scope::Source;
use crate::scope::detect::{Detector, Finding};
use crate::scope::recording::{Header, Recording};
use crate::session::Env;
use crate::session::http::{Answered, Reply, Response};
use crate::web::problem::Problem;
use crate::web::router::{Next, Request, Router};
use crate::web::{json, sse};
use events::Stream;
pub use guard::Who;
pub use sample::{Ask, CONNECTIONS, Observer, Sample, TURNS, View};

/// Streams of samples at a time. Each costs the loop a sample each time.
const READERS: usize = 16;
/// Facts that the detectors take for one sample, at most: they work on the loop that they look at.
const HEEDED: u64 = 8192;

/// What is shown, and to whom.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose facts.
    pub source: Source,
    /// Who may look.
    pub who: Who,
    /// A page about what is shown here: its title and where it is.
    pub about: Option<(String, String)>,
}

impl Options {
    /// Shows `source` to peers on this machine.
    pub fn new(source: Source) -> Self {
        Options { source, who: Who::default(), about: None }
    }
}

/// What all routes share.
struct Shared {
    source: Source,
    /// How many streams there are.
    readers: Cell<usize>,
    watch: RefCell<Watch>,
}

/// What finds faults, while somebody looks.
#[derive(Default)]
struct Watch {
    detector: Option<Detector>,
    /// Facts that it has taken.
    read: u64,
}

/// The routes of the page, for [`Router::nest`].
pub fn routes(options: Options) -> Router {
    let Options { source, who, about } = options;
    let shared = Rc::new(Shared { source, readers: Cell::new(0), watch: RefCell::default() });
    let guard = move |request: &Request<'_>, reply: Reply<'_, '_>, next: Next<'_>| {
        guard::pass(who, request, reply, next)
    };
    assets::routes(Router::new(), about.as_ref())
        .get("/sample", {
            let shared = Rc::clone(&shared);
            move |request, reply| shared.answer(request, reply)
        })
        .get("/events", {
            let shared = Rc::clone(&shared);
            move |request, reply| shared.stream(request, reply)
        })
        .get("/story", {
            let shared = Rc::clone(&shared);
            move |request, reply| shared.story(request, reply)
        })
        .get("/recording", move |_, reply| shared.recording(reply))
        .wrap(guard)
}

impl Shared {
    /// A sample as JSON, with the story from the `read`-th fact on; and how many facts there were.
    fn sample(&self, env: &mut Env, ask: &Ask, observer: &Observer, read: u64) -> (String, u64) {
        // Who looks may have come in this very turn.
        env.recorder.settle();
        let mut watch = self.watch.borrow_mut();
        let is_own = matches!(self.source, Source::Own);
        self.source.look(env, |recorder, counters| {
            let view = View {
                recorder,
                counters,
                now: if recorder.is_on() { recorder.now() } else { env.now },
                live: if is_own { env.live } else { live(counters) },
                limits: is_own.then_some(&env.limits),
                observer: is_own.then_some(observer),
                findings: watch.heed(recorder, &env.limits),
                ask,
                read,
            };
            (view.sample().json(), recorder.total())
        })
    }

    fn answer(&self, request: &Request<'_>, mut reply: Reply<'_, '_>) -> Answered {
        let ask = match asked::ask(request) {
            Ok(ask) => ask,
            Err(problem) => return problem.answer(reply),
        };
        let observer = observer(request, &reply);
        let (body, _) = self.sample(reply.env(), &ask, &observer, 0);
        let fields: [(&str, &[u8]); 3] = [
            ("Content-Type", json::MEDIA_TYPE.as_bytes()),
            ("X-Content-Type-Options", b"nosniff"),
            ("Cache-Control", b"no-store"),
        ];
        reply.send_shared(200, &fields, body.into())
    }

    fn stream(self: &Rc<Self>, request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
        let (ask, every) =
            match asked::ask(request).and_then(|ask| Ok((ask, asked::every(request)?))) {
                Ok(asked) => asked,
                Err(problem) => return problem.answer(reply),
            };
        if request.method == "HEAD" {
            return reply.send(200, sse::HEADERS, b"");
        }
        if self.readers.get() >= READERS {
            return Problem::new(503, "Service Unavailable")
                .detail(format!("{READERS} watch already"))
                .field("Retry-After", "5")
                .answer(reply);
        }
        let observer = observer(request, &reply);
        reply.exchange(Stream::new(Rc::clone(self), ask, observer, every))
    }
}

impl Shared {
    fn story(&self, request: &Request<'_>, mut reply: Reply<'_, '_>) -> Answered {
        let token = match asked::token(request, "token") {
            Ok(Some(token)) => token,
            Ok(None) => return asked::wrong("token says whose story".into()).answer(reply),
            Err(problem) => return problem.answer(reply),
        };
        let text = self.source.look(reply.env(), |recorder, _| story::text(recorder, token));
        if text.is_empty() {
            return Problem::new(404, "Not Found")
                .detail(format!("nothing is kept about {token}"))
                .answer(reply);
        }
        let fields: [(&str, &[u8]); 3] = [
            ("Content-Type", b"text/plain; charset=utf-8"),
            ("X-Content-Type-Options", b"nosniff"),
            ("Cache-Control", b"no-store"),
        ];
        reply.send_shared(200, &fields, text.into())
    }

    /// The facts are copied here, and written out by another thread.
    fn recording(&self, mut reply: Reply<'_, '_>) -> Answered {
        let header = Header::of(reply.env(), "loop");
        let recording = self.source.look(reply.env(), |recorder, _| {
            let (lost, records) = recorder.since(0);
            Recording {
                header: Header { lost, ..header },
                records: records.copied().collect(),
                labels: recorder.labels().clone(),
                cut: None,
            }
        });
        reply.offload(move || {
            let mut text = Vec::new();
            match recording.write(&mut text) {
                Ok(()) => Response::new(200, text)
                    .with("Content-Type", "application/jsonl")
                    .with("Content-Disposition", "attachment; filename=\"loop.jsonl\"")
                    .with("X-Content-Type-Options", "nosniff")
                    .with("Cache-Control", "no-store"),
                Err(error) => {
                    Problem::new(500, "Internal Server Error").detail(error.to_string()).response()
                }
            }
        })
    }
}

impl Watch {
    /// Takes what is new, if it is not too much: then only the end of it. Answers what was found.
    fn heed(&mut self, recorder: &Recorder, limits: &Limits) -> &[Finding] {
        let detector = self.detector.get_or_insert_with(|| Detector::new(limits));
        let oldest = recorder.total().saturating_sub(HEEDED);
        if self.read < oldest || self.read > recorder.total() {
            detector.gap(recorder.tallies(), recorder.now());
            self.read = oldest;
        }
        let (first, records) = recorder.since(self.read);
        if first > self.read {
            detector.gap(recorder.tallies(), recorder.now());
        }
        records.for_each(|record| detector.take(record, recorder.labels()));
        self.read = recorder.total();
        detector.findings()
    }
}

/// Who asks, and where the page is: everything up to the last part of the path.
fn observer(request: &Request<'_>, reply: &Reply<'_, '_>) -> Observer {
    let path = request.path();
    let prefix = path.rfind('/').and_then(|at| path.get(..=at)).unwrap_or("/");
    Observer { token: reply.token(), prefix: prefix.to_owned() }
}

/// Open connections, by those that began and those that ended.
fn live(counters: &Counters) -> usize {
    let began = counters.accepted + counters.adopted + counters.dialled;
    let ended: u64 = counters.closed.iter().sum();
    usize::try_from(began.saturating_sub(ended)).unwrap_or(usize::MAX)
}
