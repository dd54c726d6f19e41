//! Topics: what one publishes, all who subscribed get at once (push), or fetch when they like
//! (pull).
//!
//! | route | does |
//! |---|---|
//! | `POST /topics/{name}` | publishes the body: JSON as it is, anything else as a string |
//! | `GET /topics` | lists the topics |
//! | `GET /topics/{name}?after=&limit=&wait=` | messages after a number; waits for one if asked to |
//! | `GET /events?topic=a&topic=b` | the same as Server-Sent Events, resumed by `Last-Event-ID` |
//! | `/ws/events?topic=a&topic=b` | the same over a WebSocket, resumed by `after=` |
//!
//! A topic keeps its last messages in a ring, each serialised once for each kind of receiver. To
//! publish is to add to the ring and to nudge the subscribers; a subscriber then writes what is new
//! to it, as long as its peer takes it, straight from the ring and without a copy. So a slow one
//! costs nothing but its place in the ring, delays nobody, and when the ring has moved on without
//! it, it is told how many messages it lost.

//!
//! ```no_run
//! use readyloop::app::topics::{self, Hub};
//! use readyloop::session::http::Http;
//! use readyloop::{Limits, Reactor};
//! use std::net::SocketAddr;
//! use std::time::{Duration, Instant};
//!
//! fn main() -> std::io::Result<()> {
//!     let hub = Hub::new(topics::Options { messages: 100, ..topics::Options::default() });
//!     let mut reactor = Reactor::new(Limits::default())?;
//!     let address = SocketAddr::from(([127, 0, 0, 1], 8080));
//!     reactor.listen(address, Http::new(topics::routes(&hub)))?;
//!     let mut next = Instant::now();
//!     while !reactor.turn(Some(next.saturating_duration_since(Instant::now())))?.done {
//!         if Instant::now() >= next {
//!             next += Duration::from_secs(1);
//!             // Nobody hears it if every topic there may be is taken.
//!             let _ = hub.publish("ticks", &"tick".into(), reactor.env());
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! **Limits** are [`Options`]; names have 1 to 64 letters, digits, dots, underscores and hyphens,
//! and a subscription has 16 topics at most.

mod events;
mod hub;
mod poll;
mod publish;
mod ring;
mod socket;
mod topic;

use std::rc::Rc;
use std::time::Duration;

use crate::web::metrics::Registry;
use crate::web::problem::Problem;
use crate::web::router::{Request, Router};
pub use hub::{Hub, Subscription};
pub use ring::Stored;

/// The bounds of topics.
#[derive(Clone, Debug)]
pub struct Options {
    /// Topics at once. A further one takes the place of one without subscribers: of those that keep
    /// no message if there are any, the one that has had neither for longest. 1,024.
    pub topics: usize,
    /// Messages kept of one topic. 256.
    pub messages: usize,
    /// Bytes kept of one topic, in all forms of its messages. 1 MiB. What is published in one turn
    /// of the loop is kept until its subscribers were told, however much that is.
    pub bytes: usize,
    /// Bytes kept of all topics. When there would be more, those used least recently give up their
    /// oldest messages. 64 MiB.
    pub total: usize,
    /// Bytes of one message. 64 KiB.
    pub message_bytes: usize,
    /// Unsent bytes of a subscriber at which it gets no more until it has taken some; at least the
    /// loop's low watermark. 64 KiB.
    pub unsent: usize,
    /// What becomes of a subscriber that missed messages. It is told how many.
    pub missed: Missed,
    /// After so long without an event a subscriber gets a heart-beat. 15 s.
    pub heart_beat: Duration,
}

/// What becomes of a subscriber so slow that messages left the ring before it had them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// It is told how many it lost, and goes on.
    #[default]
    Tell,
    /// It is told, and its stream ends.
    Close,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            topics: 1024,
            messages: 256,
            bytes: 1024 * 1024,
            total: 64 * 1024 * 1024,
            message_bytes: 64 * 1024,
            unsent: 64 * 1024,
            missed: Missed::default(),
            heart_beat: Duration::from_secs(15),
        }
    }
}

/// Topics in one subscription, at most.
const TOPICS: usize = 16;

/// The routes of topics.
pub fn routes(hub: &Rc<Hub>) -> Router {
    let (publishing, polling, listening) = (Rc::clone(hub), Rc::clone(hub), Rc::clone(hub));
    let (listing, attending) = (Rc::clone(hub), socket::routes(hub));
    Router::new()
        .get("/topics", move |_, reply| poll::list(&listing, reply))
        .get("/topics/{name}", move |request, reply| poll::answer(&polling, request, reply))
        .post("/topics/{name}", move |request, reply| publish::answer(&publishing, request, reply))
        .get("/events", move |request, reply| events::answer(&listening, request, reply))
        .nest("", attending)
}

/// Registers what is counted of topics.
pub fn measure(hub: &Rc<Hub>, registry: &Registry) {
    let gauge = |read: fn(&Hub) -> u64| {
        let hub = Rc::clone(hub);
        move || read(&hub)
    };
    registry.gauge("topics", "Topics that are kept.", gauge(Hub::topics));
    registry.gauge("topics_bytes", "Bytes of messages that are kept.", gauge(Hub::bytes));
    registry.gauge("subscriptions", "Subscriptions to topics.", gauge(Hub::subscriptions));
    registry.counter("published_total", "Messages published.", gauge(Hub::published));
    registry.counter("pushed_total", "Messages written to subscribers.", gauge(Hub::pushed));
    registry.counter("lost_total", "Messages that slow subscribers lost.", gauge(Hub::lost));
}

/// The topics that a query names.
fn names(request: &Request<'_>) -> Result<Vec<String>, Problem> {
    let mut names: Vec<String> = Vec::new();
    for (_, name) in request.query_pairs().filter(|(key, _)| key == "topic") {
        check(&name)?;
        if !names.iter().any(|known| *known == name) {
            names.push(name.into_owned());
        }
    }
    match names.len() {
        1..=TOPICS => Ok(names),
        count => Err(Problem::new(400, "Bad Request")
            .detail(format!("topic= must come 1 to {TOPICS} times, not {count}"))),
    }
}

/// Whether a topic may be called this.
fn check(name: &str) -> Result<(), Problem> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    let detail = "a topic's name is 1 to 64 letters, digits, dots, underscores and hyphens";
    Err(Problem::new(400, "Bad Request").detail(detail))
}

/// A number of the query: `usual` if it is not there.
fn number(request: &Request<'_>, name: &str, usual: u64, most: u64) -> Result<u64, Problem> {
    let Some(text) = request.query_value(name) else { return Ok(usual) };
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok());
    number.flatten().filter(|number| *number <= most).ok_or_else(|| {
        Problem::new(400, "Bad Request").detail(format!("{name} is a number of at most {most}"))
    })
}

/// Numbers that every JSON reader can keep.
const MOST: u64 = (1 << 53) - 1;
