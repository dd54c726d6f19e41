//! Who is in the room, what was said, and who is told: [`Room`].
//!
//! Members call it; it records wishes and calls nobody.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use serde::Serialize;

use super::text::Told;
use super::{Options, text};
use crate::Bytes;
use crate::session::ws::encode_text;
use crate::session::{Env, Message, Op};
use crate::time::Moment;
use crate::token::Token;
use crate::web::date;

/// How a member came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// In the browser.
    Web,
    /// Over plain TCP.
    Tcp,
}

/// Who is in the room.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Present {
    name: String,
    via: Via,
}

struct Member {
    who: Present,
    /// Messages that it may say at once, in thousandths.
    may_say: u64,
    since: Moment,
}

/// What members of the page are told.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Event<'a> {
    Welcome { you: &'a str, members: &'a [Present], history: Vec<&'a serde_json::value::RawValue> },
    Message { id: u64, time: &'a str, name: &'a str, text: &'a str, via: Via },
    Joined(&'a Present),
    Left(&'a Present),
    Pong,
    Error { what: &'a str },
}

impl Event<'_> {
    pub(super) fn json(&self) -> String {
        // Nothing in an event can fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// It speaks faster than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooFast;

/// A room.
pub struct Room {
    pub(super) options: Options,
    inside: RefCell<Inside>,
}

#[derive(Default)]
struct Inside {
    members: BTreeMap<Token, Member>,
    /// The names in use, in small letters, each with the number that a namesake may try next.
    names: HashMap<String, u64>,
    history: VecDeque<Box<serde_json::value::RawValue>>,
    said: u64,
    lost: u64,
}

impl Room {
    /// An empty room.
    pub fn new(options: Options) -> Rc<Self> {
        Rc::new(Room { options, inside: RefCell::default() })
    }

    /// Lets a connection in, called what it wishes to be called or nearly so. Answers its name.
    pub(super) fn enter(&self, token: Token, wish: &str, via: Via, env: &mut Env) -> String {
        let mut inside = self.inside.borrow_mut();
        let name = inside.take_name(wish, self.options.name_chars);
        let who = Present { name: name.clone(), via };
        let may_say = u64::from(self.options.burst) * 1000;
        inside.members.insert(token, Member { who: who.clone(), may_say, since: env.now });
        self.announce(&inside, &Event::Joined(&who), token, env);
        name
    }

    /// Calls a member by another name, if it claims one.
    pub(super) fn rename(&self, token: Token, wish: &str, env: &mut Env) {
        let mut inside = self.inside.borrow_mut();
        let Some(wish) = text::name(wish, self.options.name_chars) else { return };
        let Some(before) = inside.members.get(&token).map(|member| member.who.clone()) else {
            return;
        };
        // A name with a number is what it got for this wish before.
        let rest = before.name.strip_prefix(&wish);
        let is_same =
            rest.is_some_and(|rest| rest.strip_prefix('-').map_or(rest.is_empty(), is_number));
        if is_same {
            return;
        }
        inside.give_name_back(&before.name);
        let now =
            Present { name: inside.take_name(&wish, self.options.name_chars), via: before.via };
        if let Some(member) = inside.members.get_mut(&token) {
            member.who = now.clone();
        }
        self.announce(&inside, &Event::Left(&before), token, env);
        self.announce(&inside, &Event::Joined(&now), token, env);
    }

    /// A member is gone.
    pub(super) fn leave(&self, token: Token, env: &mut Env) {
        let mut inside = self.inside.borrow_mut();
        if let Some(member) = inside.members.remove(&token) {
            inside.give_name_back(&member.who.name);
            self.announce(&inside, &Event::Left(&member.who), token, env);
        }
    }

    /// Has members of the page told of somebody, while they are few enough to care.
    fn announce(&self, inside: &Inside, event: &Event<'_>, except: Token, env: &mut Env) {
        if inside.members.len() <= self.options.announced {
            let frame = encode_text(&event.json());
            inside.tell(Via::Web, &frame, Some(except), &mut env.ops);
        }
    }

    /// Allows a member so many more messages, or none of them.
    pub(super) fn allow(&self, token: Token, count: usize, now: Moment) -> Result<(), TooFast> {
        let mut inside = self.inside.borrow_mut();
        let Some(member) = inside.members.get_mut(&token) else { return Err(TooFast) };
        let gained = now.since(member.since).as_millis() * u128::from(self.options.rate);
        let most = u64::from(self.options.burst) * 1000;
        let gained = u64::try_from(gained).unwrap_or(most);
        member.may_say = member.may_say.saturating_add(gained).min(most);
        member.since = now;
        let cost = (count as u64).saturating_mul(1000);
        member.may_say = member.may_say.checked_sub(cost).ok_or(TooFast)?;
        Ok(())
    }

    /// A member of the page says something: all hear it, itself included.
    pub(super) fn say(&self, token: Token, words: &str, env: &mut Env) {
        let time = date::rfc3339(env.wall());
        let mut inside = self.inside.borrow_mut();
        let Some(name) = inside.members.get(&token).map(|member| member.who.name.clone()) else {
            return;
        };
        let frame = self.keep(&mut inside, &time, &name, words, Via::Web);
        inside.tell(Via::Web, &frame, None, &mut env.ops);
        let line = text::line(&clock(&time), &name, words);
        inside.tell(Via::Tcp, &Bytes::from(line), Some(token), &mut env.ops);
    }

    /// A TCP member says something: the others of its kind hear it byte for byte, the page hears who
    /// says what: `told`, which is what the bytes mean.
    pub(super) fn say_raw(&self, token: Token, bytes: Bytes, told: &[Told], env: &mut Env) {
        if let Some(wish) = told.iter().find_map(|told| told.name.as_deref()) {
            self.rename(token, wish, env);
        }
        let time = date::rfc3339(env.wall());
        let mut inside = self.inside.borrow_mut();
        let Some(name) = inside.members.get(&token).map(|member| member.who.name.clone()) else {
            return;
        };
        inside.tell(Via::Tcp, &bytes, Some(token), &mut env.ops);
        for told in told {
            let frame = self.keep(&mut inside, &time, &name, &told.text, Via::Tcp);
            inside.tell(Via::Web, &frame, Some(token), &mut env.ops);
        }
    }

    /// Makes a message of the page and keeps it for newcomers.
    fn keep(&self, inside: &mut Inside, time: &str, name: &str, words: &str, via: Via) -> Bytes {
        inside.said += 1;
        let json = Event::Message { id: inside.said, time, name, text: words, via }.json();
        let frame = encode_text(&json);
        if let Ok(json) = serde_json::value::RawValue::from_string(json) {
            inside.history.push_back(json);
        }
        while inside.history.len() > self.options.history {
            inside.history.pop_front();
        }
        frame
    }

    /// What a newcomer to the page is told.
    pub(super) fn welcome(&self, token: Token) -> String {
        let inside = self.inside.borrow();
        let members: Vec<Present> = inside
            .members
            .values()
            .map(|member| member.who.clone())
            .take(self.options.announced)
            .collect();
        let you = inside.members.get(&token).map_or("", |member| &member.who.name);
        let history = inside.history.iter().map(|message| &**message).collect();
        Event::Welcome { you, members: &members, history }.json()
    }

    /// Counts messages that slow members lost.
    pub(super) fn count_lost(&self, count: u64) {
        self.inside.borrow_mut().lost += count;
    }

    /// Members now.
    pub fn members(&self) -> u64 {
        self.inside.borrow().members.len() as u64
    }

    /// Messages said.
    pub fn said(&self) -> u64 {
        self.inside.borrow().said
    }

    /// Messages that slow members lost.
    pub fn lost(&self) -> u64 {
        self.inside.borrow().lost
    }
}

impl Inside {
    /// Sends something to all members of one kind but one.
    fn tell(&self, via: Via, what: &Bytes, except: Option<Token>, ops: &mut Vec<Op>) {
        let others = self.members.iter().filter(|(token, _)| Some(**token) != except);
        let receivers = others.filter(|(_, member)| member.who.via == via);
        ops.extend(receivers.map(|(token, _)| Op::Send(*token, Message::Bytes(what.clone()))));
    }

    /// Takes the wish, or the wish with a number if somebody is called that, however it is written.
    fn take_name(&mut self, wish: &str, most: usize) -> String {
        let wish = text::name(wish, most).unwrap_or_else(|| "guest".into());
        let Some(&tried) = self.names.get(&wish.to_lowercase()) else {
            self.names.insert(wish.to_lowercase(), 1);
            return wish;
        };
        let mut number = tried + 1;
        while self.names.contains_key(&format!("{wish}-{number}").to_lowercase()) {
            number += 1;
        }
        self.names.insert(wish.to_lowercase(), number);
        let name = format!("{wish}-{number}");
        self.names.insert(name.to_lowercase(), 1);
        name
    }

    fn give_name_back(&mut self, name: &str) {
        self.names.remove(&name.to_lowercase());
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The tutorials' clients write a date and a time without zone or fraction.
fn clock(rfc3339: &str) -> String {
    rfc3339.get(..19).unwrap_or(rfc3339).replace('T', " ")
}
