//! HTTP/1.1 as a session: the machine of `proto/h1`, the time limits of RFC 9112's phases, and the
//! application's [`Handler`].
//!
//! A handler gets a request head and a [`Reply`], which it uses up in one of four ways: send the
//! whole answer, promise one for later, take part in a streamed [`Exchange`], or hand the
//! connection to another session. The first costs no allocation.
//!
//! ```
//! use readyloop::Head;
//! use readyloop::session::http::{Answered, Exchange, Http, Reply, Response, Writer};
//!
//! /// Counts, as far as the peer listens.
//! struct Count(u64);
//!
//! impl Exchange for Count {
//!     fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
//!         writer.start(200, &[("Content-Type", b"text/plain")], None);
//!         self.on_drain(writer);
//!     }
//!
//!     fn on_drain(&mut self, writer: &mut Writer<'_, '_>) {
//!         while writer.room() > 0 {
//!             if self.0 == 1_000_000 {
//!                 return writer.finish();
//!             }
//!             self.0 += 1;
//!             writer.body(format!("{}\n", self.0).as_bytes());
//!         }
//!         writer.want_drain();
//!     }
//! }
//!
//! fn answer(request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
//!     match request.path() {
//!         "/" => reply.text(200, "at once\n"),
//!         "/work" => reply.offload(|| Response::text(200, "from another thread\n")),
//!         "/count" => reply.exchange(Count(0)),
//!         _ => reply.text(404, "not here\n"),
//!     }
//! }
//!
//! let service = Http::new(answer); // for `Reactor::listen`
//! # let _ = service;
//! ```
//!
//! **Back-pressure.** One exchange is in flight at a time. While a reply is awaited or streamed the
//! session pauses, so pipelined requests wait in the kernel and push back on the peer. An exchange
//! writes while there is [`Writer::room`], then asks for [`Writer::want_drain`]; one that has more
//! body than it can use says [`Writer::hold`].
//!
//! **Limits**, all of them fields of [`Limits`](crate::Limits): `head_bytes`, `headers` and
//! `body_bytes` bound a request; `first_byte`, `head`, `progress` and `idle` how slowly it may come;
//! `reply` how long the application may take, or hold a body; `high_water` what is written ahead of
//! the peer.

mod exchange;
mod extra;
mod origin;
mod prepared;
mod reply;
mod session;
mod whole;

use std::rc::Rc;

use crate::error::Fault;
use crate::proto::h1::Head;
use crate::session::{ConnInfo, Env, Service, Session};

pub use exchange::{Exchange, Writer};
pub use origin::{Origin, TlsSummary};
pub use prepared::Prepared;
pub(crate) use reply::Deferred;
pub use reply::{Answered, Outcome, Reply, ReplyTo, Response};
use session::HttpSession;
pub use whole::Collect;

/// The application's side of HTTP: one for all connections of a listener.
pub trait Handler: 'static {
    /// A request head arrived. Its body, if any, follows only if the reply becomes an exchange.
    fn on_request(&self, request: &Head<'_>, reply: Reply<'_, '_>) -> Answered;

    /// A request was refused before any handler saw it: `fault` has the status that the peer got. For
    /// logs. What becomes of others is told to [`Answered::on_end`].
    fn on_refused(&self, fault: &'static Fault, origin: &Origin, env: &mut Env) {
        let _ = (fault, origin, env);
    }
}

impl<F: Fn(&Head<'_>, Reply<'_, '_>) -> Answered + 'static> Handler for F {
    fn on_request(&self, request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        self(request, reply)
    }
}

/// A [`Service`] that speaks HTTP/1.1 and asks `H` for the answers.
pub struct Http<H>(Rc<H>);

impl<H: Handler> Http<H> {
    /// A service for `handler`.
    pub fn new(handler: H) -> Self {
        Http(Rc::new(handler))
    }

    /// A service that shares its handler with others.
    pub fn shared(handler: &Rc<H>) -> Self {
        Http(Rc::clone(handler))
    }
}

impl<H: Handler> Service for Http<H> {
    fn open(&self, info: &ConnInfo<'_>) -> Box<dyn Session> {
        Box::new(HttpSession::new(Rc::clone(&self.0), Origin::of(info)))
    }
}
