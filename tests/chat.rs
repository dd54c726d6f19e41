//! The chat room, without a socket and without a clock: members of both kinds on one loop, what they
//! say carried from one to the other by the test, peers as slow as the test wants them.
#![cfg(feature = "web")]

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use readyloop::app::chat::{self, Options, Room, Tcp};
use readyloop::buf::Out;
use readyloop::connection::{Connection, Io, Life};
use readyloop::error::Phase;
use readyloop::session::datagram::Peer;
use readyloop::session::http::Http;
use readyloop::session::{Env, Op, Service};
use readyloop::{CloseReason, Limits, Moment, Token};
use serde_json::{Value, json};

struct Line {
    connection: Connection,
    /// Written and not taken by the peer.
    unsent: Vec<u8>,
    /// The peer takes nothing.
    stuck: bool,
    heard: Vec<u8>,
}

/// A room, and the connections of its members.
struct Hall {
    room: Rc<Room>,
    env: Env,
    out: Out,
    lines: BTreeMap<Token, Line>,
    opened: u32,
}

const HANDSHAKE: &str = "GET /ws/chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

impl Hall {
    fn new(options: Options) -> Self {
        let mut env = Env::new(Limits::default());
        env.date.refresh(Moment::START, UNIX_EPOCH + Duration::from_secs(1000));
        let (room, lines) = (Room::new(options), BTreeMap::new());
        Hall { room, env, out: Out::default(), lines, opened: 0 }
    }

    fn open(&mut self, service: &dyn Service) -> Token {
        let token = Token::new(self.opened, 1);
        self.opened += 1;
        let mut io = Io { out: &mut self.out, env: &mut self.env, token, unsent: 0 };
        let connection = Connection::plain(service, &Peer::Unnamed, &mut io);
        let line = Line { connection, unsent: Vec::new(), stuck: false, heard: Vec::new() };
        self.lines.insert(token, line);
        self.call(token, |_, _| ());
        token
    }

    fn tcp(&mut self) -> Token {
        let service = Tcp(Rc::clone(&self.room));
        self.open(&service)
    }

    /// A member over TCP who has said its name.
    fn named(&mut self, name: &str) -> Token {
        let token = self.tcp();
        self.send(token, &format!("10:00:00\n\t{name}: here I am"));
        token
    }

    /// A member of the page, and what it is welcomed with.
    fn web(&mut self, name: &str) -> (Token, Value) {
        let service = Http::new(chat::web::routes(&self.room));
        let token = self.open(&service);
        self.send(token, &format!("{HANDSHAKE}\r\n"));
        assert!(self.read(token).starts_with("HTTP/1.1 101 "));
        self.tell(token, &json!({"type": "join", "name": name}));
        let welcome = self.events(token).remove(0);
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        (token, welcome)
    }

    /// Calls a connection, and then all those that were sent something: each of them is written to
    /// once, as the loop does it.
    fn call(&mut self, token: Token, f: impl FnOnce(&mut Connection, &mut Io<'_>)) {
        self.one(token, f);
        self.write(token);
        while !self.env.ops.is_empty() {
            let mut receivers = BTreeSet::new();
            for op in std::mem::take(&mut self.env.ops) {
                if let Op::Send(to, message) = op {
                    self.one(to, |connection, io| connection.message(message, io));
                    receivers.insert(to);
                }
            }
            receivers.into_iter().for_each(|token| self.write(token));
        }
    }

    fn one(&mut self, token: Token, f: impl FnOnce(&mut Connection, &mut Io<'_>)) {
        let Some(line) = self.lines.get_mut(&token) else { return };
        let (out, env, unsent) = (&mut self.out, &mut self.env, line.unsent.len());
        f(&mut line.connection, &mut Io { out, env, token, unsent });
        line.unsent.append(&mut self.out.take());
    }

    /// The peer takes what it takes, and the driver sees whether that was the end.
    fn write(&mut self, token: Token) {
        self.take(token);
        let Some(line) = self.lines.get_mut(&token) else { return };
        let is_over = match line.connection.life() {
            Life::Closed => true,
            Life::Flushing => line.unsent.is_empty(),
            _ => false,
        };
        if is_over {
            let reason = line.connection.reason();
            line.connection.closed(reason, &mut self.env);
        }
    }

    /// The peer takes what there is, unless it is stuck.
    fn take(&mut self, token: Token) {
        let Some(line) = self.lines.get_mut(&token) else { return };
        while !line.stuck {
            line.heard.append(&mut line.unsent);
            if !line.connection.wants_drain() {
                return;
            }
            let (out, env) = (&mut self.out, &mut self.env);
            line.connection.drained(&mut Io { out, env, token, unsent: 0 });
            line.unsent.append(&mut self.out.take());
        }
    }

    /// In a turn of its own.
    fn send(&mut self, token: Token, text: &str) {
        self.env.now += Duration::from_micros(1);
        self.call(token, |connection, io| connection.feed(&mut text.as_bytes().to_vec(), io));
    }

    /// A member of the page says something, in a frame with a mask of zeros.
    fn tell(&mut self, token: Token, words: &Value) {
        let text = words.to_string().into_bytes();
        let length = (text.len() as u16).to_be_bytes();
        let head: &[u8] = match text.len() {
            0..126 => &[0x81, 0x80 | length[1], 0, 0, 0, 0],
            _ => &[0x81, 0xfe, length[0], length[1], 0, 0, 0, 0],
        };
        let mut frame = [head, &text].concat();
        self.env.now += Duration::from_micros(1);
        self.call(token, |connection, io| connection.feed(&mut frame, io));
    }

    fn say(&mut self, token: Token, text: &str) {
        self.tell(token, &json!({"type": "say", "text": text}));
    }

    fn line(&mut self, token: Token) -> &mut Line {
        self.lines.get_mut(&token).expect("it was opened")
    }

    /// Everything that the peer was sent since the last time; from now on it takes what it is sent.
    fn hear(&mut self, token: Token) -> Vec<u8> {
        self.line(token).stuck = false;
        self.take(token);
        std::mem::take(&mut self.line(token).heard)
    }

    fn read(&mut self, token: Token) -> String {
        String::from_utf8(self.hear(token)).expect("text")
    }

    /// What a member of the page was told.
    fn events(&mut self, token: Token) -> Vec<Value> {
        let heard = self.hear(token);
        let (mut rest, mut events) = (&heard[..], Vec::new());
        while let [0x81, length, after @ ..] = rest {
            let (length, after) = match (length, after) {
                (126, [a, b, after @ ..]) => (usize::from(u16::from_be_bytes([*a, *b])), after),
                (127, after) => {
                    let (length, after) = after.split_first_chunk().expect("a length");
                    (u64::from_be_bytes(*length) as usize, after)
                }
                (short, after) => (usize::from(*short), after),
            };
            events.push(serde_json::from_slice(&after[..length]).expect("JSON"));
            rest = &after[length..];
        }
        assert!(rest.is_empty() || rest[0] == 0x88, "whole frames: {rest:x?}");
        events
    }

    /// The messages among it, as `name: text`.
    fn messages(&mut self, token: Token) -> Vec<String> {
        let events = self.events(token).into_iter();
        events.filter(|event| event["type"] == "message").map(|event| said(&event)).collect()
    }

    fn deadline(&self, token: Token) -> Moment {
        self.lines[&token].connection.deadline()
    }

    fn life(&self, token: Token) -> Life {
        self.lines[&token].connection.life()
    }

    /// Its deadline comes.
    fn time_out(&mut self, token: Token) {
        self.env.now = self.deadline(token);
        self.call(token, |connection, io| connection.timeout(io));
    }

    /// The peer is gone.
    fn hang_up(&mut self, token: Token) {
        let line = self.lines.get_mut(&token).expect("it was opened");
        line.connection.closed(CloseReason::Reset, &mut self.env);
        self.call(token, |_, _| ());
    }
}

fn said(message: &Value) -> String {
    let text = |field: &str| message[field].as_str().unwrap_or("?").to_owned();
    format!("{}: {}", text("name"), text("text"))
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn members_of_both_kinds_hear_each_other() {
    let mut hall = Hall::new(Options::default());
    let (ann, bob) = (hall.named("Ann"), hall.named("Bob"));
    let (eve, welcome) = hall.web("Eve");
    let members = welcome["members"].as_array().expect("a list").iter();
    let names: Vec<&Value> = members.map(|member| &member["name"]).collect();
    assert_eq!(names, ["Ann", "Bob", "Eve"]);
    hall.hear(ann);

    hall.send(ann, "10:00:01\n\tAnn: hi");
    assert_eq!(hall.read(ann), "", "nobody hears itself over TCP");
    assert_eq!(hall.read(bob), "10:00:01\n\tAnn: hi", "byte for byte");
    let event = hall.events(eve).remove(0);
    assert_eq!((said(&event).as_str(), &event["via"]), ("Ann: hi", &"tcp".into()));

    hall.say(eve, "hello");
    assert_eq!(hall.messages(eve), ["Eve: hello"]);
    for member in [ann, bob] {
        assert_eq!(hall.read(member), "1970-01-01 00:16:40\n\tEve: hello\n");
    }
    assert_eq!((hall.room.members(), hall.room.said()), (3, 4));
}

#[test]
fn whoever_is_silent_for_five_seconds_is_dropped_then_and_no_sooner() {
    let mut hall = Hall::new(Options::default());
    let (eve, _) = hall.web("Eve");
    let start = hall.env.now;
    let (silent, alive, deaf) = (hall.tcp(), hall.tcp(), hall.tcp());
    hall.events(eve);
    for token in [silent, alive, deaf] {
        assert_eq!(hall.deadline(token), start + 5 * SECOND);
    }
    hall.env.now = start + Duration::from_millis(4999);
    hall.call(alive, |connection, io| connection.feed(&mut b"1".to_vec(), io));
    assert_eq!(hall.deadline(alive), start + Duration::from_millis(9999));
    hall.say(eve, "others' words are no sign of life");
    assert_eq!(hall.deadline(silent), start + 5 * SECOND);

    hall.time_out(silent);
    assert_eq!((hall.env.now, hall.life(silent)), (start + 5 * SECOND, Life::Closed));
    assert_eq!(hall.lines[&silent].connection.reason(), CloseReason::TimedOut(Phase::Idle));
    assert_eq!(hall.events(eve).last().expect("told")["type"], "left");
    hall.line(deaf).stuck = true;
    hall.say(eve, "somebody does not listen either");
    hall.time_out(deaf);
    assert_eq!(hall.life(deaf), Life::Closed, "nobody waits for what it does not take");
    assert_eq!((hall.room.members(), hall.life(alive)), (2, Life::Open));
}

#[test]
fn heart_beats_are_answered_however_they_are_glued() {
    let mut hall = Hall::new(Options::default());
    let (ann, bob) = (hall.tcp(), hall.tcp());
    for (chunk, answer, told) in [
        ("1", "1", ""),
        ("111", "111", ""),
        ("1\n1\r\n", "11", ""),
        ("1110:00:00\n\tAnn: 1", "11", "10:00:00\n\tAnn: 1"),
        ("12:00:00\n\tAnn: noon", "", "12:00:00\n\tAnn: noon"),
        ("1 apple", "", "1 apple"),
    ] {
        hall.send(ann, chunk);
        assert_eq!((hall.read(ann).as_str(), hall.read(bob).as_str()), (answer, told), "{chunk:?}");
    }
    assert_eq!(hall.room.said(), 3);
}

#[test]
fn nobody_speaks_for_another() {
    let mut hall = Hall::new(Options::default());
    let (bob, (eve, _)) = (hall.named("Bob"), hall.web("Eve"));
    for wish in ["bob", "B\u{ad}ob", " Bob:\n"] {
        let (_, welcome) = hall.web(wish);
        assert_ne!(welcome["you"], "Bob", "{wish:?}");
        assert!(welcome["you"].as_str().expect("a name").to_lowercase().starts_with("bob-"));
    }
    let (_, welcome) = hall.web("Bob: hi\n10:00:00\n\tBob");
    assert_eq!(welcome["you"], "Bob:hi10:00:00Bob");
    hall.hear(bob);
    hall.say(eve, "hi\r\n10:00:00\n\tBob: I owe Eve a coin\u{1b}[2J");
    let heard = hall.read(bob);
    assert_eq!(heard.lines().count(), 2, "one line of time, one of words: {heard:?}");
    assert!(!heard.contains('\u{1b}'));

    // Over TCP a member says whose its words are; the page believes that once, if nobody has it.
    hall.events(eve);
    let mallory = hall.tcp();
    hall.send(mallory, "10:00:00\n\tBob: one10:00:01\n\tEve: two");
    hall.say(eve, "three");
    let messages = hall.messages(eve);
    assert!(messages[0].starts_with("Bob-") && messages[1].starts_with("Bob-"), "{messages:?}");
    assert_eq!(messages[2], "Eve: three");
}

#[test]
fn names_are_never_double() {
    let mut hall = Hall::new(Options::default());
    let (ann, first) = hall.web("Ann");
    let (_, second) = hall.web("Ann");
    hall.hang_up(ann);
    let (_, third) = hall.web("Ann");
    let (_, fourth) = hall.web("ANN");
    let (_, fifth) = hall.web("Ann-2");
    let names = [first, second, third, fourth, fifth].map(|welcome| welcome["you"].clone());
    assert_eq!(names, ["Ann", "Ann-2", "Ann", "ANN-3", "Ann-2-2"]);

    let (mut here, mut state) = (Vec::new(), 7_u32);
    for _ in 0..400 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let wish = ["Bob", "bob", "Bob-2", "Bob-3", "BOB-2-2", ""][(state >> 8) as usize % 6];
        match state >> 28 {
            0..8 => here.push(hall.web(wish).0),
            8..11 => {
                let token = hall.tcp();
                hall.send(token, &format!("10:00:00\n\t{wish}: hi"));
                here.push(token);
            }
            _ if here.is_empty() => {}
            _ => {
                let gone = here.remove((state >> 4) as usize % here.len());
                hall.hang_up(gone);
            }
        }
    }
    let (_, welcome) = hall.web("Eve");
    let members = welcome["members"].as_array().expect("a list");
    let name = |member: &Value| member["name"].as_str().expect("a name").to_lowercase();
    let different: BTreeSet<String> = members.iter().map(name).collect();
    assert_eq!((different.len(), members.len()), (here.len() + 5, here.len() + 5));
}

#[test]
fn a_flood_over_tcp_is_stopped_and_ends() {
    let mut hall = Hall::new(Options::default());
    let (flooder, (eve, _)) = (hall.named("Ann"), hall.web("Eve"));
    for n in 0..400 {
        hall.send(flooder, &format!("10:00:00\n\tAnn: {n}"));
    }
    assert_eq!(hall.messages(eve).len(), 99, "as many as may be said at once");
    assert_eq!(hall.read(flooder).matches("too many messages").count(), 1, "told once");
    assert_eq!((hall.life(flooder), hall.room.members()), (Life::Lingering, 1));

    // It makes no difference whether they come one by one.
    let other = hall.named("Bob");
    hall.hear(eve);
    hall.send(other, &"10:00:00\n\tBob: x".repeat(120));
    assert!(hall.messages(eve).is_empty());
    hall.env.now += 2 * SECOND;
    hall.send(other, &"10:00:00\n\tBob: x".repeat(40));
    assert_eq!(hall.messages(eve).len(), 40);
    hall.send(other, &"x".repeat(5000));
    assert!(hall.read(other).contains("at most 4096 bytes"), "and long ones are not passed on");
    assert!(hall.messages(eve).is_empty());
}

#[test]
fn a_flood_from_the_page_is_stopped_and_ends() {
    let mut hall = Hall::new(Options::default());
    let ((eve, _), ann) = (hall.web("Eve"), hall.tcp());
    for _ in 0..101 {
        hall.say(eve, "x");
    }
    let events = hall.events(eve);
    let messages = events.iter().filter(|event| event["type"] == "message").count();
    assert_eq!((messages, events.last().expect("told")["type"].as_str()), (100, Some("error")));
    assert_eq!(hall.read(ann).lines().count(), 200);
    for _ in 0..200 {
        hall.tell(eve, &json!("nonsense"));
    }
    assert!(hall.hear(eve).ends_with(b"\x88\x13\x03\xf0too many messages"));
    assert_eq!(hall.room.members(), 1, "it is gone at once");
}

#[test]
fn whoever_keeps_up_loses_nothing_however_much_is_said_at_once() {
    let mut hall = Hall::new(Options::default());
    let (ann, (eve, _), (speaker, _)) = (hall.tcp(), hall.web("Eve"), hall.web("Bob"));
    hall.hear(eve);
    let text = format!("{{\"type\":\"say\",\"text\":\"{}\"}}", "x".repeat(4096));
    let [high, low] = (text.len() as u16).to_be_bytes();
    let frame = [&[0x81, 0xfe, high, low, 0, 0, 0, 0], text.as_bytes()].concat();
    let mut frames = frame.repeat(100);
    hall.call(speaker, |connection, io| connection.feed(&mut frames, io));
    assert_eq!((hall.messages(eve).len(), hall.messages(speaker).len()), (100, 100));
    assert_eq!((hall.read(ann).lines().count(), hall.room.lost()), (200, 0));
}

#[test]
fn a_slow_member_loses_whole_messages_and_is_told() {
    let mut hall = Hall::new(Options { burst: 1000, unsent: 64 * 1024, ..Options::default() });
    let (slow_tcp, (slow_web, _)) = (hall.named("Ann"), hall.web("Bob"));
    let (fast, (speaker, _)) = (hall.tcp(), hall.web("Eve"));
    for token in [slow_tcp, slow_web, fast] {
        hall.hear(token);
    }
    for token in [slow_tcp, slow_web] {
        hall.line(token).stuck = true;
    }
    let long = "x".repeat(1000);
    for n in 0..200 {
        hall.say(speaker, &format!("{n:03}{long}"));
    }
    for token in [slow_tcp, slow_web] {
        assert!(hall.line(token).unsent.len() < 70_000, "bounded, whatever is said");
    }
    assert_eq!(hall.read(fast).lines().count(), 400, "nobody waits for them");
    let heard = hall.read(slow_tcp);
    let (told, words): (Vec<&str>, Vec<&str>) = heard
        .lines()
        .filter_map(|line| line.strip_prefix('\t'))
        .partition(|l| l.starts_with("room"));
    assert!(words.iter().all(|line| line.len() == "Eve: ".len() + 1003), "whole ones");
    let lost = 200 - words.len();
    assert_eq!(told, [format!("room: {lost} messages were lost, because they were not taken")]);

    let events = hall.events(slow_web);
    let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    assert_eq!(count("message") + count("error"), events.len());
    let lost_too: usize = events
        .iter()
        .filter_map(|event| event["what"].as_str()?.split(' ').next()?.parse::<usize>().ok())
        .sum();
    assert_eq!(count("message") + lost_too, 200, "each is either heard or counted");
    assert_eq!(hall.room.lost(), (lost + lost_too) as u64);
}

#[test]
fn newcomers_hear_the_last_messages() {
    let mut hall = Hall::new(Options { history: 3, ..Options::default() });
    let (ann, (eve, _)) = (hall.named("Ann"), hall.web("Eve"));
    for n in 0..3 {
        hall.say(eve, &format!("{n}"));
    }
    hall.send(ann, "10:00:00\n\tAnn: last");
    let (_, welcome) = hall.web("Bob");
    let history: Vec<String> =
        welcome["history"].as_array().expect("a list").iter().map(said).collect();
    assert_eq!(history, ["Eve: 1", "Eve: 2", "Ann: last"]);
    let ids: Vec<&Value> =
        welcome["history"].as_array().expect("a list").iter().map(|m| &m["id"]).collect();
    assert_eq!(ids, [3, 4, 5], "by which a page knows what it has shown");
}

#[test]
fn pages_of_others_stay_outside() {
    let mut hall = Hall::new(Options::default());
    for (origin, status) in [("http://evil.example", 403), ("null", 403), ("http://a", 101)] {
        let service = Http::new(chat::web::routes(&hall.room));
        let token = hall.open(&service);
        hall.send(token, &format!("{HANDSHAKE}Origin: {origin}\r\n\r\n"));
        assert!(hall.read(token).starts_with(&format!("HTTP/1.1 {status} ")), "{origin}");
    }
    assert_eq!(hall.room.members(), 0);
}
