//! The manual in the browser: the pages of [`manual`](crate::manual) as HTML, in both languages.
//!
//! The command mounts [`routes`] beside its other services; whoever shows one lesson alone asks
//! [`lesson`]. A page is made from its Markdown when it is first asked for, and kept. Everything that
//! the pages load is below `/manual` too, so they can be shown by any server.
//!
//! | route | shows |
//! |---|---|
//! | `/manual`, `/manual/{page}` | the chapters, in English |
//! | `/manual/lessons`, `/manual/lessons/{page}` | the lessons |
//! | `/manual/zh…` | the same in Simplified Chinese |
//! | `/manual/assets/{file}` | what the pages load |

mod markup;
mod page;
mod shelf;
mod words;

use std::rc::Rc;

use bytes::Bytes;

use crate::session::http::{Answered, Reply, Response};
use crate::web::coding;
use crate::web::problem::Problem;
use crate::web::router::{Request, Router};
use shelf::Shelf;

/// A language of the manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Language {
    /// Both.
    pub const ALL: [Language; 2] = [Language::English, Language::Chinese];

    /// Its tag (RFC 5646), as `lang` and `hreflang` say it.
    pub const fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Chinese => "zh-Hans",
        }
    }

    /// The other one.
    const fn other(self) -> Language {
        match self {
            Language::English => Language::Chinese,
            Language::Chinese => Language::English,
        }
    }

    /// Where its pages begin.
    const fn root(self) -> &'static str {
        match self {
            Language::English => "/manual",
            Language::Chinese => "/manual/zh",
        }
    }
}

/// A part of the manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Chapters,
    Lessons,
}

/// The page of a lesson, such as `lost_edge`, as a whole HTML document; `None` if there is none.
///
/// What it loads and links is answered by [`routes`].
pub fn lesson(name: &str, language: Language) -> Option<String> {
    Shelf::of(language, Part::Lessons).page(name).filter(|_| !name.is_empty())
}

/// The Content-Security-Policy that the pages live under: nothing inline, nothing from elsewhere.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// The routes of the manual and of what its pages load.
pub fn routes() -> Router {
    let mut router = Router::new().get("/manual/assets/{file}", asset);
    for language in Language::ALL {
        for part in [Part::Chapters, Part::Lessons] {
            let shelf = Rc::new(Shelf::of(language, part));
            let root = shelf.root();
            let contents = Rc::clone(&shelf);
            router = router
                .get(&root, move |request, reply| show(contents.kept(""), request, reply))
                .get(&format!("{root}/{{page}}"), move |request, reply| {
                    // An empty name is the contents' own, and has an address of its own.
                    let name = request.param("page").filter(|name| !name.is_empty());
                    show(name.and_then(|name| shelf.kept(name)), request, reply)
                });
        }
    }
    router
}

fn show(page: Option<Bytes>, request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
    let Some(page) = page else {
        return Problem::new(404, "Not Found").detail("the manual has no such page").answer(reply);
    };
    let response = Response::new(200, page)
        .with("Content-Type", "text/html; charset=utf-8")
        .with("Content-Security-Policy", POLICY)
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "no-referrer")
        .with("Cache-Control", "no-cache");
    coding::send(request, reply, response, &coding::Options::default())
}

/// What the pages load. The site's own style, theme and icon, so that the two look alike.
fn asset(request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
    let (content_type, text) = match request.param("file").unwrap_or("") {
        "site.css" => ("text/css; charset=utf-8", include_str!("../site/pages/site.css")),
        "book.css" => ("text/css; charset=utf-8", include_str!("book.css")),
        "theme.js" => ("text/javascript; charset=utf-8", include_str!("../site/pages/theme.js")),
        "book.js" => ("text/javascript; charset=utf-8", include_str!("book.js")),
        "icon.svg" => ("image/svg+xml", include_str!("../site/pages/icon.svg")),
        _ => return Problem::new(404, "Not Found").answer(reply),
    };
    let response = Response::new(200, text)
        .with("Content-Type", content_type)
        .with("X-Content-Type-Options", "nosniff")
        .with("Cache-Control", "no-cache");
    coding::send(request, reply, response, &coding::Options::default())
}
