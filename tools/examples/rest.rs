//! A small REST service: routes, JSON, a cookie, the files of a folder, an access log.
//!
//! `cargo run --example rest -- FOLDER`, then for instance
//! `curl -i localhost:8080/items --json '{"name": "milk", "count": 2}'`, `curl localhost:8080/items`,
//! and in a browser whatever the folder has.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

use readyloop::session::Service;
use readyloop::session::http::{Answered, Http, Reply};
use readyloop::web::cookie::{self, Cookie};
use readyloop::web::files::{self, Files};
use readyloop::web::log::{Format, Log};
use readyloop::web::router::{Next, Request, Router};
use readyloop::{Limits, Reactor, web::json};

#[derive(serde::Serialize, serde::Deserialize)]
struct Item {
    name: String,
    count: u32,
}

/// Reads an item of at most 4 KiB; what is no item never gets here.
fn add(items: &Rc<RefCell<Vec<Item>>>, request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
    let items = Rc::clone(items);
    json::read(request, reply, 4096, move |item: Item, writer| {
        json::send(writer, 201, &item);
        items.borrow_mut().push(item);
    })
}

/// Goes around all routes: counts a browser's visits in a cookie.
fn count(request: &Request<'_>, reply: Reply<'_, '_>, next: Next<'_>) -> Answered {
    let visits = cookie::get(request, "visits").and_then(|text| text.parse().ok()).unwrap_or(0_u32);
    let cookie =
        Cookie::build(("visits", visits.saturating_add(1).to_string())).path("/").http_only(true);
    let value = cookie::set(&cookie.build()).unwrap_or_default();
    next.run(request, reply.with("Set-Cookie", value))
}

/// All of it. One thread runs it, so what handlers share needs no lock.
pub fn service(folder: &Path) -> std::io::Result<impl Service + use<>> {
    let (listed, files) = (Rc::default(), Files::new(folder, files::Options::default())?);
    let added = Rc::clone(&listed);
    let router = Router::new()
        .get("/items", move |_, reply| json::answer(reply, 200, &*listed))
        .post("/items", move |request, reply| add(&added, request, reply))
        .fallback(move |request, reply| files.answer(request, reply))
        .wrap(count);
    // Under load lines would go to a thread that writes them: whatever waits here, all wait for.
    let log = Log::new(Format::Common, |line: &[u8]| eprint!("{}", String::from_utf8_lossy(line)));
    Ok(Http::new(log.over(router)))
}

/// Serves until it is interrupted.
pub fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let mut reactor = Reactor::new(Limits::default())?;
    reactor.listen(SocketAddr::from(([127, 0, 0, 1], 8080)), service(folder.as_ref())?)?;
    reactor.run()
}
