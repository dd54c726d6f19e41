//! All topics of one loop: [`Hub`], and a place in some of them: [`Subscription`].

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

use super::Options;
use super::ring::{Ring, Stored};
use super::topic::Topic;
use crate::session::Env;
use crate::time::Moment;
use crate::token::Token;
use crate::web::date;

/// Slow subscribers are named in the log at most so often.
const COMPLAINT: Duration = Duration::from_secs(1);

/// All topics.
pub struct Hub {
    pub(super) options: Options,
    topics: RefCell<HashMap<Box<str>, Rc<Topic>>>,
    newest: Cell<u64>,
    bytes: Cell<usize>,
    subscriptions: Cell<u64>,
    published: Cell<u64>,
    pushed: Cell<u64>,
    lost: Cell<u64>,
    complained: Cell<Moment>,
}

/// A message as the peer sees it.
#[derive(Serialize)]
struct Said<'a> {
    id: u64,
    topic: &'a str,
    time: String,
    data: &'a Value,
}

/// Every topic there may be has a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// What a publication came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The message's number.
    pub id: u64,
    /// How many subscribers were told.
    pub receivers: usize,
}

/// What the list of topics says of one.
#[derive(Debug, Serialize)]
pub(super) struct About {
    name: Box<str>,
    messages: usize,
    newest: u64,
    subscribers: usize,
}

impl Hub {
    /// A hub without topics.
    pub fn new(options: Options) -> Rc<Self> {
        Rc::new(Hub {
            options,
            topics: RefCell::default(),
            newest: Cell::default(),
            bytes: Cell::default(),
            subscriptions: Cell::default(),
            published: Cell::default(),
            pushed: Cell::default(),
            lost: Cell::default(),
            complained: Cell::new(Moment::START),
        })
    }

    /// Publishes `data`: keeps it, and has every subscriber told in this turn.
    ///
    /// # Errors
    ///
    /// There are as many topics as there may be, all of them subscribed to.
    pub fn publish(&self, name: &str, data: &Value, env: &mut Env) -> Result<Published, Full> {
        let topic = self.topic(name, env.now)?;
        let id = self.newest.get().max(first(env.wall())) + 1;
        self.newest.set(id);
        let time = date::rfc3339(env.wall());
        let said = Said { id, topic: name, time, data };
        // A value that was read as JSON can be written as JSON.
        let json = serde_json::to_string(&said).unwrap_or_default();
        self.published.set(self.published.get() + 1);
        let before = topic.bytes();
        let receivers = topic.publish(Stored::new(id, &json), env.now, &mut env.ops);
        self.bytes.set(self.bytes.get() + topic.bytes() - before);
        self.make_room(&topic);
        Ok(Published { id, receivers })
    }

    /// Keeps to the bytes of all topics: those that were used least recently give up their oldest
    /// messages. What was published to `newest` just now is kept.
    fn make_room(&self, newest: &Topic) {
        let topics = self.topics.borrow();
        while let Some(excess) = self.bytes.get().checked_sub(self.options.total).filter(|n| *n > 0)
        {
            let kept = |topic: &Topic| usize::from(std::ptr::eq(topic, newest));
            let can_give = topics.values().filter(|topic| topic.len() > kept(topic));
            let Some(oldest) = can_give.min_by_key(|topic| topic.used()) else { return };
            self.bytes.set(self.bytes.get() - oldest.shrink(excess, kept(oldest)));
        }
    }

    /// Subscribes the connection `token` to topics, for messages after number `last`, or for those
    /// that are yet to come.
    ///
    /// # Errors
    ///
    /// As for [`publish`](Self::publish).
    pub fn subscribe(
        self: &Rc<Self>,
        names: &[String],
        last: Option<u64>,
        token: Token,
        env: &Env,
    ) -> Result<Subscription, Full> {
        let last = last.map_or(self.newest.get(), |last| self.resume(last, env));
        self.subscriptions.set(self.subscriptions.get() + 1);
        let topics = Vec::with_capacity(names.len());
        let mut place = Subscription { hub: Rc::clone(self), topics, token, last, lost: 0 };
        for name in names {
            // One after the other: a topic that is subscribed to cannot make room for the next.
            let topic = self.topic(name, env.now)?;
            topic.subscribe(token, env.now);
            place.topics.push(topic);
        }
        Ok(place)
    }

    /// Where to go on after number `last`: numbers that were never given belong to another life of
    /// this server, in which its clock was ahead.
    pub(super) fn resume(&self, last: u64, env: &Env) -> u64 {
        if last > self.newest.get().max(first(env.wall())) { 0 } else { last }
    }

    /// The topic called `name`, made if there is none.
    fn topic(&self, name: &str, now: Moment) -> Result<Rc<Topic>, Full> {
        let mut topics = self.topics.borrow_mut();
        if let Some(topic) = topics.get(name) {
            return Ok(Rc::clone(topic));
        }
        if topics.len() >= self.options.topics {
            let idle = topics.values().filter(|topic| topic.subscribers() == 0);
            // Anybody can ask for topics that nobody has heard of: those go first, or asking would
            // be enough to have messages forgotten.
            let least = idle.min_by_key(|topic| (topic.len() > 0, topic.used()));
            let oldest = least.map(Rc::clone).ok_or(Full)?;
            topics.remove(&oldest.name);
            self.bytes.set(self.bytes.get() - oldest.bytes());
        }
        let ring = Ring::new(self.options.messages, self.options.bytes);
        let topic = Rc::new(Topic::new(name, ring, now));
        topics.insert(name.into(), Rc::clone(&topic));
        Ok(topic)
    }

    /// Up to `limit` messages of a topic after number `last`, and how many before them were missed.
    pub(super) fn messages(&self, name: &str, last: u64, limit: usize) -> (Vec<Stored>, u64) {
        let topics = self.topics.borrow();
        let Some(topic) = topics.get(name) else { return (Vec::new(), 0) };
        let ring = topic.ring();
        let (mut found, mut last_found) = (Vec::new(), last);
        while let Some(message) = ring.after(last_found).filter(|_| found.len() < limit) {
            last_found = message.id;
            found.push(message.clone());
        }
        (found, ring.missed(last, last_found))
    }

    /// All topics by name.
    pub(super) fn list(&self) -> Vec<About> {
        let topics = self.topics.borrow();
        let about = |topic: &Rc<Topic>| {
            let (name, subscribers) = (topic.name.clone(), topic.subscribers());
            let ring = topic.ring();
            About { name, messages: ring.len(), newest: ring.newest(), subscribers }
        };
        let mut list: Vec<About> = topics.values().map(about).collect();
        list.sort_by(|one, other| one.name.cmp(&other.name));
        list
    }

    /// Names a slow subscriber in the log, unless another one was named a moment ago.
    pub(super) fn complain(&self, who: &str, lost: u64, now: Moment) {
        if now >= self.complained.get() {
            self.complained.set(now + COMPLAINT);
            log::warn!("{who} is slow and lost {lost} messages");
        }
    }

    /// Topics that are kept.
    pub fn topics(&self) -> u64 {
        self.topics.borrow().len() as u64
    }

    /// Bytes of messages that are kept.
    pub fn bytes(&self) -> u64 {
        self.bytes.get() as u64
    }

    /// Subscriptions that last.
    pub fn subscriptions(&self) -> u64 {
        self.subscriptions.get()
    }

    /// Messages published.
    pub fn published(&self) -> u64 {
        self.published.get()
    }

    /// Messages written to subscribers.
    pub fn pushed(&self) -> u64 {
        self.pushed.get()
    }

    /// Messages that slow subscribers lost.
    pub fn lost(&self) -> u64 {
        self.lost.get()
    }
}

/// Numbers begin with the time, in steps of a millionth of a second, so that those of a server that
/// was started again come after its earlier ones, and every reader of JSON can keep them.
fn first(wall: SystemTime) -> u64 {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().min(super::MOST / 2_000_000) * 1_000_000
}

/// A place in some topics. It ends when it is dropped.
pub struct Subscription {
    hub: Rc<Hub>,
    topics: Vec<Rc<Topic>>,
    token: Token,
    last: u64,
    lost: u64,
}

impl Subscription {
    /// The message with the smallest number that was not seen yet.
    fn first(&self) -> Option<Stored> {
        if let [topic] = &self.topics[..] {
            return topic.ring().after(self.last).cloned();
        }
        let firsts = self.topics.iter().filter_map(|topic| topic.ring().after(self.last).cloned());
        firsts.min_by_key(|message| message.id)
    }

    /// True if there is a next message.
    pub fn has_next(&self) -> bool {
        self.topics.iter().any(|topic| topic.ring().after(self.last).is_some())
    }

    /// Unsent bytes at which it gets no more until its peer has taken some. Not below the mark at
    /// which a connection is told that it may go on: that would be at once, and over and over.
    pub(super) fn most_unsent(&self, env: &Env) -> usize {
        self.hub.options.unsent.max(env.limits.low_water + 1)
    }

    /// How many messages before the last one were missed, since it was asked last.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// The topics' names, for the log.
    pub fn names(&self) -> String {
        self.topics.iter().map(|topic| &*topic.name).collect::<Vec<_>>().join(", ")
    }
}

/// The messages in the order of publication, however slow their receiver is; as long as they are
/// kept. After `None` there may be more later.
impl Iterator for Subscription {
    type Item = Stored;

    fn next(&mut self) -> Option<Stored> {
        let next = self.first()?;
        for topic in &self.topics {
            let missed = topic.ring().missed(self.last, next.id);
            self.lost += missed;
            self.hub.lost.set(self.hub.lost.get() + missed);
        }
        self.last = next.id;
        self.hub.pushed.set(self.hub.pushed.get() + 1);
        Some(next)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        for topic in &self.topics {
            topic.unsubscribe(self.token);
        }
        self.hub.subscriptions.set(self.hub.subscriptions.get() - 1);
    }
}
