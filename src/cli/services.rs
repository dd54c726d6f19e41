//! The services behind the rows: made once, shared by all rows that offer them.

use std::io;
use std::rc::Rc;

use super::access::Requests;
use crate::app::book;
use crate::app::chat::{self, Room};
use crate::app::notes::Notes;
use crate::app::site::{Burn, Parts, Site};
use crate::app::topics::{self, Hub};
use crate::app::ws_echo;
use crate::scope::Source;
use crate::scope::page::{self, Who};
use crate::web::cors::Cors;
use crate::web::files::Files;
use crate::web::log::{Format, Log};
use crate::web::metrics::Registry;
use crate::web::router::Router;

/// What several rows share.
pub(super) struct Services {
    /// What the web server serves.
    pub(super) site: Rc<Site>,
    /// The chat room.
    pub(super) room: Rc<Room>,
}

impl Services {
    /// Makes them. `notes` are there if a row serves the web; `files` are served where no service
    /// has a route; the loop shows itself to `scope`, if to anybody.
    pub(super) fn new(
        notes: Option<Rc<Notes>>,
        files: Option<Rc<Files>>,
        access: Option<(Format, Requests)>,
        cors: Option<Cors>,
        scope: Option<Who>,
        burn: Burn,
    ) -> io::Result<Self> {
        let registry = Registry::new();
        watch_access(&registry, access.as_ref().map(|(_, requests)| requests));
        let hub = Hub::new(topics::Options::default());
        topics::measure(&hub, &registry);
        let room = Room::new(chat::Options::default());
        chat::measure(&room, &registry);
        let mut routes = Router::new()
            .nest("", topics::routes(&hub))
            .nest("", chat::web::routes(&room))
            .nest("", ws_echo::routes())
            .nest("", book::routes());
        if let Some(who) = scope {
            let options = page::Options { who, ..page::Options::new(Source::Own) };
            routes = routes.nest("/_loop", page::routes(options));
        }
        if let Some(notes) = notes {
            notes.measure(&registry);
            routes = routes.nest("", notes.routes());
        }
        if let Some(files) = files {
            routes = routes.fallback(move |request, reply| files.answer(request.head(), reply));
        }
        let log = access.map(|(format, requests)| Log::new(format, requests));
        // Without these a page of another origin could neither name a note's state nor come again.
        let cors = cors.map(|cors| cors.expose(&["ETag", "Link", "Location", "Retry-After"]));
        let site = Rc::new(Site::new(Parts { burn, routes, cors, registry, log })?);
        Ok(Services { site, room })
    }
}

/// Has `/metrics` tell of lines that were lost.
fn watch_access(registry: &Registry, requests: Option<&Requests>) {
    if let Some(requests) = requests.cloned() {
        let help = "Lines of the access log that were lost.";
        registry.counter("access_log_lost_total", help, move || requests.lost());
    }
}
