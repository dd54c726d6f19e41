//! `readyloop` is a single-threaded, readiness-based event loop on mio, and the protocols that run
//! on it: TCP, UDP, TLS, HTTP/1.1 and WebSocket, each connection a state machine in a slab.
//!
//! This page is the tour. Ten minutes with it and you know where everything lives.
//!
//! # The idea in five sentences
//!
//! A **machine** ([`proto`]) is pure: bytes in, events out; answers in, bytes out; time is a
//! parameter. A **session** ([`session`]) is a machine and the application's handler in one. A
//! **connection** ([`connection`]) is optional TLS around a session, still pure: wire bytes in, wire
//! bytes out, one deadline. A **driver** owns a socket and decides only *when to wait*: the reactor
//! ([`reactor`]) waits in `epoll_wait` or `kevent`, the simulator ([`sim`]) waits in virtual time.
//! So what is below the driver is tested without a socket, and the driver without a kernel.
//!
//! # The picture
//!
//! ```text
//!            one thread, one loop
//!  kernel ─────────────────────────────────────────────────────────── application
//!
//!            World::poll         Reactor::turn       Connection      Session
//!          ┌─────────────┐     ┌──────────────┐    ┌────────────┐  ┌───────────────┐
//!  events ─▶ edge.rs     ├────▶│ table: token ├───▶│ TLS?       ├─▶│ h1::Server    │
//!          │ (mio)       │     │ → entry      │    │ carry      │  │ → Handler     │
//!  socket ◀┤ read, write │◀────┤ drive()      │◀───┤ out        │◀─┤ encode → out  │
//!          └─────────────┘     │ budget,      │    └────────────┘  └──────┬────────┘
//!                              │ backlog,     │                           │ wishes (Op):
//!  other threads ── Handle ───▶│ deadlines    │◀──────────────────────────┘ send, close,
//!                              └──────────────┘                             offload
//! ```
//!
//! # A server in twenty lines
//!
//! ```no_run
//! use readyloop::session::http::{Answered, Http, Reply};
//! use readyloop::{Head, Limits, Reactor};
//! use std::net::SocketAddr;
//!
//! fn answer(request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
//!     match (request.method, request.path()) {
//!         ("GET" | "HEAD", "/") => reply.text(200, "Hello, World!\n"),
//!         ("GET" | "HEAD", _) => reply.text(404, "Not here.\n"),
//!         _ => reply.send(405, &[("Allow", b"GET, HEAD")], b""),
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     let mut reactor = Reactor::new(Limits::default())?;
//!     reactor.listen(SocketAddr::from(([127, 0, 0, 1], 8080)), Http::new(answer))?;
//!     reactor.run()
//! }
//! ```
//!
//! A host that has a loop of its own calls [`Reactor::turn`] instead of [`Reactor::run`]; see the
//! examples `tick`, `nested` and `worker`; `rest` and `broadcast` show the web on it.
//!
//! # The journey of one request
//!
//! 1. [`Reactor::turn`] waits in the only place that blocks, `reactor/edge.rs`, and gets
//!    (token, ready bits) pairs.
//! 2. `reactor/table.rs` compares the token's index *and generation* with the entry: an event of a
//!    socket that was closed a moment ago finds nobody.
//! 3. `reactor/stream.rs` reads once into the loop's one buffer. A short read means that the socket
//!    is empty, so there is no second read that would only say "would block".
//! 4. [`Connection::feed`](connection::Connection::feed) passes plain bytes straight to the session;
//!    TLS deciphers them in place first.
//! 5. [`session::http`] pulls events out of [`proto::h1::Server`]. The head borrows the read buffer;
//!    nothing is copied or allocated, and a head whose bytes equal the last one's is not even parsed.
//! 6. The application's [`Handler`](session::http::Handler) answers; [`proto::h1::encode`] appends
//!    head and body to the loop's one output buffer.
//! 7. Then, in `reactor/write.rs`, one write. If the socket takes it all, the connection owns no
//!    buffer; if not, the rest becomes its backlog, and write readiness is asked for, once.
//! 8. The deadline for the next request is noted in the connection; the timer heap is touched only
//!    when it would fire earlier than it is armed for.
//!
//! Two system calls per request, besides the wait that all ready connections share.
//!
//! # The rooms
//!
//! Each may use those above it and nothing else; `tests/layers.rs` sees to that.
//!
//! | room | what is in it |
//! |---|---|
//! | [`limits`], [`token`], [`time`], [`error`], [`probe`], [`buf`] | what everybody needs |
//! | [`proto`] | machines: [`proto::h1`] of both sides, [`proto::ws`] |
//! | [`session`] | machines with handlers: [`session::raw`], [`session::datagram`], [`session::http`], [`session::ws`] |
//! | [`connection`] | optional TLS around a session |
//! | [`socket`] | sockets as the system has them: addresses, options, binding, connecting |
//! | [`reactor`], [`sim`] | the drivers: of sockets that are ready, and of virtual time |
//! | [`blocking`] | other drivers: one connection at a time, a thread each, a pool |
//! | [`web`] | HTTP as applications use it: router, files, conditions, forms, JSON, events |
//! | `scope` | the loop made visible: the live page, recordings, exports, detectors of faults |
//! | [`app`] | services of the command: site, notes, topics, chat, echo; and the one that is compared |
//! | `load`, `measure`, `compare` | a load generator, what is measured, and what follows from it |
//! | [`cli`] | the command; threads, signals and clocks |
//! | [`manual`] | the book, in English and in Chinese, with a page for each lesson; in the browser at `/manual` |
//!
//! # Other ways to wait
//!
//! Of a [`reactor::world::World`] on real sockets only the [`reactor::system::Poller`] differs:
//! `edge.rs` is told once when a socket becomes ready, `level.rs` for as long as it is, `spin.rs` is
//! never told and looks. `blocking` drives the same [`connection::Connection`]s by calls that wait.
//! `tests/parity.rs` asks all of them, and the simulator, for the same bytes; `readyloop compare`
//! measures what the difference is worth.
//!
//! # Connections that begin here
//!
//! [`Reactor::dial`] (or a session's wish, `Op::Dial`) makes an entry whose socket connects and whose
//! connection is `Connecting`: it is registered for both directions, does nothing until the world
//! reports it, and has one deadline. Then it is a connection like any other, over TLS as its client
//! side; if it does not come about, its session hears why in `on_close`.
//!
//! # Watching
//!
//! Each thing that the loop does is a [`Fact`](probe::Fact), emitted at one place of the code. The
//! counters add them up, always; a [`Recorder`](probe::Recorder), once [`Reactor::record`] has started
//! it, keeps the last of them in a ring, a tally of each socket, and the calls that held the loop,
//! told computing from parked. Nobody reports anything besides: the page `/_loop`, `readyloop top`,
//! recordings and the detectors of `scope` all read that one stream, and the simulator compares it
//! with what really happened. It costs two looks at the clock a call, and one system call in half a
//! second of work.
//!
//! # One message for many
//!
//! Who tells many the same makes the frame once ([`session::ws::encode_text`]) and sends each of
//! them a [`Message::Bytes`](session::Message::Bytes): one copy, counted references, also in the
//! backlogs of the slow. Each receiver is written to once a turn, right after the last message for
//! it. A receiver that is too slow loses whole messages, is told how many, and delays nobody.
//!
//! # Rules that hold it together
//!
//! * A session writes only its own output. What it wants of others is an [`Op`](session::Op),
//!   carried out after it has returned: nothing re-enters.
//! * Ready bits are set by the poll; `stream.rs` alone clears what it has read, `write.rs` what it
//!   has filled.
//! * Whatever stops while work is left must leave a reason to come back: the run queue, a write
//!   event, a deadline or a message. [`sim`] hunts for violations, over thousands of seeds.
//! * An error of one connection ends that connection. [`Reactor::turn`] fails only if the poll does.
//! * Every wait has a deadline, every buffer a bound, every loop a budget: all of them in
//!   [`Limits`].
//!
//! # Reading order
//!
//! [`limits`], [`token`] and [`time`] (five minutes), `reactor/stream.rs` (the heart), then
//! [`session`] and [`connection`], then [`proto::h1`]; `tests/sim.rs` when you wonder why a line is
//! there; `tests/layers.rs` for who may import whom.

/// The lessons' programs are compiled into the command and name the library as anybody would.
#[cfg(feature = "cli")]
extern crate self as readyloop;

pub mod app;
pub mod blocking;
pub mod buf;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod compare;
pub mod connection;
pub mod error;
pub mod limits;
#[cfg(feature = "cli")]
pub mod load;
pub mod manual;
#[cfg(feature = "cli")]
pub mod measure;
pub mod probe;
pub mod proto;
pub mod reactor;
#[cfg(feature = "web")]
pub mod scope;
pub mod session;
pub mod sim;
pub mod socket;
pub mod time;
pub mod token;
#[cfg(feature = "web")]
pub mod web;

/// Shared bytes, as messages carry them; from the crate `bytes`.
pub use bytes::Bytes;
pub use error::CloseReason;
pub use limits::Limits;
pub use proto::h1::Head;
pub use reactor::{Handle, Reactor};
pub use time::Moment;
pub use token::Token;

/// The examples of README.md compile too.
#[cfg(all(doctest, feature = "web"))]
#[doc = include_str!("../README.md")]
struct Readme;
