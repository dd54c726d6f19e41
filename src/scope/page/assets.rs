//! The files of the page, from memory.
//!
//! Nothing in them is inline or from elsewhere, so the policy that they are served with can be strict.
//! They go out as they are: who may look is on this machine.

use bytes::Bytes;

use crate::session::http::Reply;
use crate::web::html::Text;
use crate::web::router::Router;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Nothing inline, nothing from elsewhere, in nobody's frame, and no text that becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// What the page loads: path, media type, content.
const FILES: &[(&str, &str, &str)] = &[
    ("/icon.svg", SVG, include_str!("web/icon.svg")),
    ("/loop.css", CSS, include_str!("web/loop.css")),
    ("/theme.js", JS, include_str!("web/theme.js")),
    ("/loop.js", JS, include_str!("web/loop.js")),
    ("/bars.js", JS, include_str!("web/bars.js")),
    ("/findings.js", JS, include_str!("web/findings.js")),
    ("/rows.js", JS, include_str!("web/rows.js")),
    ("/story.js", JS, include_str!("web/story.js")),
    ("/strip.js", JS, include_str!("web/strip.js")),
    ("/tell.js", JS, include_str!("web/tell.js")),
];

/// Adds the page, with a link to what is said about what it shows, and its files.
pub(super) fn routes(router: Router, about: Option<&(String, String)>) -> Router {
    let page = Bytes::from(page(about));
    let router = router.get("/", move |_, reply| send(reply, HTML, page.clone()));
    FILES.iter().fold(router, |router, (path, kind, text)| {
        router.get(path, |_, reply| send(reply, kind, Bytes::from_static(text.as_bytes())))
    })
}

fn send(reply: Reply<'_, '_>, kind: &str, body: Bytes) -> crate::session::http::Answered {
    let fields: [(&str, &[u8]); 5] = [
        ("Content-Type", kind.as_bytes()),
        ("Content-Security-Policy", POLICY.as_bytes()),
        ("X-Content-Type-Options", b"nosniff"),
        ("Referrer-Policy", b"no-referrer"),
        ("Cache-Control", b"no-cache"),
    ];
    reply.send_shared(200, &fields, body)
}

fn page(about: Option<&(String, String)>) -> String {
    let link = match about {
        None => String::new(),
        Some((title, path)) => format!("<a href=\"{}\">{}</a>", Text(path), Text(title)),
    };
    include_str!("web/loop.html")
        .replace("{{version}}", env!("CARGO_PKG_VERSION"))
        .replace("{{about}}", &link)
}
