//! Notes: a small REST service with JSON bodies (RFC 8259), in an embedded store.
//!
//! | route | does |
//! |---|---|
//! | `GET /api/notes?limit=&after=` | lists the notes by id, a page at a time |
//! | `POST /api/notes` | makes one |
//! | `GET`, `PUT`, `DELETE /api/notes/{id}` | reads, writes or deletes one |
//! | `PATCH /api/notes/{id}` | changes parts of one (RFC 5789, RFC 7396) |
//! | `GET /api`, `GET /openapi.json` | say what there is |
//!
//! Every state of a note has a strong `ETag`. A writer that names it in `If-Match` is refused with
//! 412 if somebody else was faster; that is decided inside the transaction that writes. What was
//! answered is on the disk, whatever becomes of the process. Nothing here reads or writes a file on
//! the loop: all of it is off-loaded.

mod answers;
mod asked;
mod ledger;
mod note;
mod store;

use std::rc::Rc;
use std::sync::Arc;

use crate::session::http::{Answered, Reply, Response};
use crate::web::coding::{self, Wish};
use crate::web::metrics::Registry;
use crate::web::problem::Problem;
use crate::web::router::{Request, Router};
use crate::web::{body, json};
pub use ledger::{Ledger, Ticket};
pub use note::{Draft, Note, Patch, is_id};
pub use store::{Change, Fault, Outcome, Page, Store, Terms, Unusable, What};

/// The bounds of a store.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Notes. 100,000.
    pub notes: u64,
    /// Bytes of all titles and texts, and 256 for each note. 256 MiB.
    pub bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { notes: 100_000, bytes: 256 << 20 }
    }
}

/// The longest request body: a note of which every byte is written as `\u0000`, and some space.
const REQUEST: usize = 6 * note::BODY + 16 * 1024;

/// What a merge patch is called (RFC 7396 §4).
const MERGE_PATCH: &str = "application/merge-patch+json";

/// What all of this promises, as OpenAPI.
const DESCRIPTION: &[u8] = include_bytes!("openapi.json");

/// The service.
pub struct Notes {
    ledger: Arc<Ledger>,
}

impl Notes {
    /// The service of a store.
    pub fn new(store: Store) -> Rc<Self> {
        Rc::new(Notes { ledger: Ledger::new(store) })
    }

    /// Has the registry tell of the store.
    pub fn measure(self: &Rc<Self>, registry: &Registry) {
        let ledger = Arc::clone(&self.ledger);
        let help = "Transactions of the notes' store.";
        registry.counter("notes_commits_total", help, move || ledger.commits());
        let ledger = Arc::clone(&self.ledger);
        let help = "Changes of notes that were in them.";
        registry.counter("notes_changes_total", help, move || ledger.changes());
    }

    /// Its routes.
    pub fn routes(self: &Rc<Self>) -> Router {
        let with = |answer: fn(&Self, &Request<'_>, Reply<'_, '_>) -> Answered| {
            let notes = Rc::clone(self);
            move |request: &Request<'_>, reply: Reply<'_, '_>| answer(&notes, request, reply)
        };
        let api = Router::new()
            .get("/", index)
            .get("/notes", with(Notes::list))
            .post("/notes", with(Notes::create))
            .get("/notes/{id}", with(Notes::read))
            .put("/notes/{id}", with(Notes::put))
            .patch("/notes/{id}", with(Notes::patch))
            .delete("/notes/{id}", with(Notes::delete))
            .route("OPTIONS", "/notes/{id}", options)
            .fallback(|_, reply| answers::no_resource().answer(reply));
        Router::new().nest("/api", api).get("/openapi.json", describe)
    }

    fn list(&self, request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
        let asked = asked::json(request).and_then(|()| asked::List::of(request));
        let asked = match asked {
            Ok(asked) => asked,
            Err(problem) => return problem.answer(reply),
        };
        let (ledger, wish) = (Arc::clone(&self.ledger), Wish::of(request, &Default::default()));
        reply.offload(move || {
            let found = ledger.store().list(asked.after.as_deref(), asked.limit);
            wish.grant(answers::page(found, asked.limit))
        })
    }

    fn read(&self, request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
        let asked = asked::json(request).and_then(|()| asked::id(request));
        let id = match asked {
            Ok(id) => id,
            Err(problem) => return problem.answer(reply),
        };
        let (ledger, terms) = (Arc::clone(&self.ledger), asked::terms(request));
        reply.offload(move || answers::note(&id, ledger.store().read(&id), &terms))
    }

    fn delete(&self, request: &Request<'_>, mut reply: Reply<'_, '_>) -> Answered {
        let id = match asked::id(request) {
            Ok(id) => id,
            Err(problem) => return problem.answer(reply),
        };
        let now = note::millis(reply.env().wall());
        let change = Change { what: What::Delete(id), terms: asked::terms(request), now };
        let ticket = self.ledger.enter(change);
        reply.offload(move || answers::outcome(ticket.settle()))
    }

    fn create(&self, request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
        self.write(request, reply, json::MEDIA_TYPE, |text| {
            Ok(What::Create(Draft::read(json::parse(text)?)?))
        })
    }

    fn put(&self, request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
        let id = match asked::new_id(request) {
            Ok(id) => id,
            Err(problem) => return problem.answer(reply),
        };
        self.write(request, reply, json::MEDIA_TYPE, |text| {
            Ok(What::Put(id, Draft::read(json::parse(text)?)?))
        })
    }

    fn patch(&self, request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
        let id = match asked::id(request) {
            Ok(id) => id,
            Err(problem) => return problem.answer(reply),
        };
        self.write(request, reply, MERGE_PATCH, |text| {
            Ok(What::Patch(id, Patch::read(json::parse(text)?)?))
        })
    }

    /// Reads a body of this type, and has the change made that `understand` takes from it.
    fn write(
        &self,
        request: &Request<'_>,
        reply: Reply<'_, '_>,
        media_type: &'static str,
        understand: impl FnOnce(&[u8]) -> Result<What, Problem> + 'static,
    ) -> Answered {
        if let Err(problem) = asked::json(request).and_then(|()| asked::body(request, media_type)) {
            return problem.answer(reply);
        }
        let (ledger, terms) = (Arc::clone(&self.ledger), asked::terms(request));
        body::read(request.head(), reply, REQUEST, move |text, writer| match understand(&text) {
            Ok(what) => {
                let now = note::millis(writer.env().wall());
                let ticket = ledger.enter(Change { what, terms, now });
                body::offload(writer, move || answers::outcome(ticket.settle()));
            }
            Err(problem) => problem.send(writer),
        })
    }
}

/// `GET /api`: what there is.
fn index(_: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
    let links = [("notes", "/api/notes"), ("openapi", "/openapi.json"), ("topics", "/topics")];
    let links: std::collections::BTreeMap<_, _> = links.into_iter().collect();
    json::answer(reply, 200, &links)
}

/// `OPTIONS` of a note: besides the methods, what patches are (RFC 5789 §3.1).
fn options(_: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
    let headers: &[(&str, &[u8])] = &[
        ("Allow", b"GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("Accept-Patch", MERGE_PATCH.as_bytes()),
    ];
    reply.send(204, headers, b"")
}

fn describe(request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
    let response = Response::new(200, crate::Bytes::from_static(DESCRIPTION))
        .with("Content-Type", json::MEDIA_TYPE)
        .with("Cache-Control", "no-cache");
    coding::send(request, reply, response, &Default::default())
}
