//! One topic: its ring and who is nudged when it grows.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::ring::{Ring, Stored};
use crate::session::{Message, Op};
use crate::time::Moment;
use crate::token::Token;

/// Something new is there: what a subscriber is sent. It carries nothing, so it costs no memory.
#[derive(Debug)]
struct News;

/// A topic. Nothing is borrowed while a session runs: publishing records wishes and no more.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: Box<str>,
    ring: RefCell<Ring>,
    /// How often each connection subscribed; nearly always once.
    subscribers: RefCell<BTreeMap<Token, u32>>,
    /// When it last had a message or a subscriber.
    used: Cell<Moment>,
    /// All subscribers have been sent a nudge, and none has looked since: another one would tell
    /// them nothing.
    nudged: Cell<bool>,
}

impl Topic {
    pub(super) fn new(name: &str, ring: Ring, now: Moment) -> Self {
        Topic {
            name: name.into(),
            ring: RefCell::new(ring),
            subscribers: RefCell::default(),
            used: Cell::new(now),
            nudged: Cell::default(),
        }
    }

    /// Keeps a message and has its subscribers told. Answers how many there are.
    pub(super) fn publish(&self, message: Stored, now: Moment, ops: &mut Vec<Op>) -> usize {
        self.ring.borrow_mut().push(message, now);
        self.used.set(now);
        let subscribers = self.subscribers.borrow();
        // Whoever publishes a hundred messages at once must not make a hundred wishes for each
        // subscriber of them.
        if !self.nudged.replace(true) {
            ops.reserve(subscribers.len());
            ops.extend(subscribers.keys().map(|token| Op::Send(*token, Message::any(News))));
        }
        subscribers.len()
    }

    pub(super) fn subscribe(&self, token: Token, now: Moment) {
        self.used.set(now);
        self.nudged.set(false);
        *self.subscribers.borrow_mut().entry(token).or_default() += 1;
    }

    pub(super) fn unsubscribe(&self, token: Token) {
        let mut subscribers = self.subscribers.borrow_mut();
        if let Some(count) = subscribers.get_mut(&token) {
            *count -= 1;
            if *count == 0 {
                subscribers.remove(&token);
            }
        }
    }

    pub(super) fn subscribers(&self) -> usize {
        self.subscribers.borrow().len()
    }

    pub(super) fn used(&self) -> Moment {
        self.used.get()
    }

    /// Messages that are kept.
    pub(super) fn len(&self) -> usize {
        self.ring.borrow().len()
    }

    /// Bytes of them.
    pub(super) fn bytes(&self) -> usize {
        self.ring.borrow().bytes()
    }

    /// Gives up the oldest messages until `excess` bytes are free, or `kept` messages are left.
    /// Answers how many bytes that made free.
    pub(super) fn shrink(&self, excess: usize, kept: usize) -> usize {
        let mut ring = self.ring.borrow_mut();
        let before = ring.bytes();
        while ring.len() > kept && before - ring.bytes() < excess {
            ring.forget();
        }
        before - ring.bytes()
    }

    /// Looks at the ring.
    pub(super) fn ring(&self) -> std::cell::Ref<'_, Ring> {
        self.nudged.set(false);
        self.ring.borrow()
    }
}
