//! One fact as one JSON object.

use std::fmt::{Display, Write as _};

use super::name;
use crate::error::CloseReason;
use crate::probe::{Fact, Labels, Record};
use crate::time::Moment;
use crate::token::Token;

/// Appends a record to `text` as a JSON object, without a line's end.
pub fn line(text: &mut String, record: &Record, labels: &Labels) {
    let mut object = Object(text);
    object.0.push_str("{\"at\":");
    object.value(record.at.as_nanos());
    object.word("fact", name(&record.fact));
    if let Some(token) = record.fact.token() {
        object.token("token", token);
    }
    fields(&mut object, &record.fact, labels);
    object.0.push('}');
}

/// What a fact has besides a token.
fn fields(object: &mut Object<'_>, fact: &Fact, labels: &Labels) {
    match *fact {
        Fact::Polled { began, until, events } => {
            object.moment("began", began);
            object.moment("until", until);
            object.count("events", events);
        }
        Fact::Woken { commands } => object.count("commands", commands),
        Fact::Event { bits, .. } | Fact::Interest { bits, .. } => {
            object.count("bits", usize::from(bits));
        }
        Fact::Accepted { from, .. } => object.token("from", from),
        Fact::Peer { peer, .. } => object.shown("peer", peer),
        Fact::Read { asked, bytes, .. } | Fact::Wrote { asked, bytes, .. } => {
            object.count("asked", asked);
            object.count("bytes", bytes);
        }
        Fact::Failed { during, errno, .. } => {
            object.word("during", during.as_str());
            object.number("errno", errno);
        }
        Fact::Called { call, began, .. } => {
            object.word("call", call.as_str());
            object.moment("began", began);
        }
        Fact::Request { label, .. } => object.text("label", labels.text(label)),
        Fact::State { from, to, why, .. } => {
            object.word("from", from.as_str());
            object.word("to", to.as_str());
            object.word("why", why.as_str());
        }
        Fact::Stall { began, computing, .. } => {
            object.moment("began", began);
            object.number("computing", computing);
        }
        Fact::Blocked { writing, .. } => object.number("writing", writing),
        Fact::Armed { due, .. } | Fact::Fired { due, .. } => object.moment("due", due),
        Fact::Buffer { unsent, .. }
        | Fact::HighWater { unsent, .. }
        | Fact::LowWater { unsent, .. } => object.count("unsent", unsent),
        Fact::Paused { descriptors, .. } => object.number("descriptors", descriptors),
        Fact::Descriptors { used, limit } => {
            object.count("used", used);
            object.count("limit", limit);
        }
        Fact::Received { bytes, .. } | Fact::Sent { bytes, .. } => object.count("bytes", bytes),
        Fact::Closed { reason, .. } => closed(object, reason),
        Fact::Stale { .. }
        | Fact::Dialled { .. }
        | Fact::Adopted { .. }
        | Fact::NobodyWaits { .. }
        | Fact::Budget { .. }
        | Fact::Driven { .. }
        | Fact::Resumed { .. }
        | Fact::Removed { .. }
        | Fact::Shed { .. }
        | Fact::Dropped { .. } => {}
    }
}

fn closed(object: &mut Object<'_>, reason: CloseReason) {
    object.word("reason", reason.as_str());
    match reason {
        CloseReason::Protocol(fault) => {
            object.count("code", usize::from(fault.code));
            object.text("what", fault.what);
        }
        CloseReason::Io(kind) => object.shown("error", kind),
        _ => {}
    }
}

/// An object that is being written.
struct Object<'t>(&'t mut String);

impl Object<'_> {
    fn value(&mut self, value: impl Display) {
        // To a string nothing fails.
        let _ = write!(self.0, "{value}");
    }

    fn key(&mut self, name: &str) {
        let _ = write!(self.0, ",\"{name}\":");
    }

    fn number(&mut self, name: &str, value: impl Display) {
        self.key(name);
        self.value(value);
    }

    fn count(&mut self, name: &str, count: usize) {
        self.number(name, count);
    }

    fn moment(&mut self, name: &str, moment: Moment) {
        if moment.is_never() {
            self.number(name, "null");
        } else {
            self.number(name, moment.as_nanos());
        }
    }

    /// A text that needs no escaping.
    fn shown(&mut self, name: &str, text: impl Display) {
        let _ = write!(self.0, ",\"{name}\":\"{text}\"");
    }

    fn word(&mut self, name: &str, word: &str) {
        self.shown(name, word);
    }

    fn token(&mut self, name: &str, token: Token) {
        let _ = write!(self.0, ",\"{name}\":\"{}.{}\"", token.index(), token.generation());
    }

    fn text(&mut self, name: &str, text: &str) {
        self.key(name);
        self.value(serde_json::Value::from(text));
    }
}
