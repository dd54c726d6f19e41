//! HTTP as applications use it: routes, files, forms, JSON, cookies, CORS, negotiation, compression,
//! streams of events, the access log and measures.
//!
//! Called by the services of `app` and by whoever embeds the library; on top of
//! [`session::http`](crate::session::http), which it never reaches around.
//!
//! ```no_run
//! use readyloop::session::http::Http;
//! use readyloop::web::files::{self, Files};
//! use readyloop::web::log::{Format, Log};
//! use readyloop::web::{json, router::Router};
//! use readyloop::{Limits, Reactor};
//! use std::net::SocketAddr;
//! use std::path::Path;
//!
//! fn main() -> std::io::Result<()> {
//!     let files = Files::new(Path::new("public"), files::Options::default())?;
//!     let router = Router::new()
//!         .get("/hello/{name}", |request, reply| {
//!             json::answer(reply, 200, &request.param("name"))
//!         })
//!         .post("/sum", |request, reply| {
//!             json::read(request, reply, 4096, |numbers: Vec<f64>, writer| {
//!                 json::send(writer, 200, &numbers.iter().sum::<f64>());
//!             })
//!         })
//!         .fallback(move |request, reply| files.answer(request, reply));
//!     router.check().map_err(std::io::Error::other)?;
//!     let log = Log::new(Format::Common, |_line: &[u8]| { /* to a thread that writes it */ });
//!     let mut reactor = Reactor::new(Limits::default())?;
//!     let address = SocketAddr::from(([127, 0, 0, 1], 8080));
//!     reactor.listen(address, Http::new(log.over(router)))?;
//!     reactor.run()
//! }
//! ```
//!
//! **Limits.** Head, time and framing are bounded by [`Limits`](crate::Limits) before anything here is
//! called. What is read whole has its limit in the call that reads it ([`json::read`], [`form::read`],
//! [`body::read`]: bytes, 413 beyond), what is read in parts in [`multipart::Options`]; what
//! [`files`] keeps, in [`files::Options`].
//!
//! **Back-pressure.** Answers that are made whole go out at the peer's pace, and while more than
//! `Limits::high_water` of them waits no further request of that connection is read. What is made piece by piece is an
//! [`Exchange`](crate::session::http::Exchange), which says how.

pub mod body;
pub mod coding;
pub mod condition;
pub mod cookie;
pub mod cors;
pub mod date;
pub mod etag;
pub mod files;
pub mod form;
pub mod html;
pub mod json;
pub mod log;
pub mod metrics;
pub mod multipart;
pub mod negotiate;
pub mod problem;
pub mod range;
pub mod router;
pub mod sse;
#[cfg(test)]
pub(crate) mod testing;
