//! Topics over HTTP, without a socket: several connections of one loop, their messages carried from
//! one to the other by the test, and peers as slow as the test wants them.
#![cfg(feature = "web")]

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use readyloop::app::topics::{self, Hub, Missed, Options};
use readyloop::buf::Out;
use readyloop::connection::{Connection, Io, Life};
use readyloop::session::datagram::Peer;
use readyloop::session::http::Http;
use readyloop::session::{Env, Op};
use readyloop::{CloseReason, Limits, Moment, Token};
use serde_json::Value;

struct Line {
    connection: Connection,
    /// Written and not taken by the peer.
    unsent: Vec<u8>,
    /// The peer takes nothing.
    stuck: bool,
    heard: Vec<u8>,
}

struct Hall {
    hub: Rc<Hub>,
    env: Env,
    out: Out,
    lines: BTreeMap<Token, Line>,
    opened: u32,
}

impl Hall {
    fn new(options: Options) -> Self {
        let mut env = Env::new(Limits { low_water: 1000, ..Limits::default() });
        env.date.refresh(Moment::START, UNIX_EPOCH + Duration::from_secs(1000));
        let (hub, lines) = (Hub::new(options), BTreeMap::new());
        Hall { hub, env, out: Out::default(), lines, opened: 0 }
    }

    fn open(&mut self) -> Token {
        let token = Token::new(self.opened, 1);
        self.opened += 1;
        let service = Http::new(topics::routes(&self.hub));
        let mut io = Io { out: &mut self.out, env: &mut self.env, token, unsent: 0 };
        let connection = Connection::plain(&service, &Peer::Unnamed, &mut io);
        let line = Line { connection, unsent: Vec::new(), stuck: false, heard: Vec::new() };
        self.lines.insert(token, line);
        token
    }

    /// Calls a connection, and then all those that it sent something.
    fn call(&mut self, token: Token, f: impl FnOnce(&mut Connection, &mut Io<'_>)) {
        self.one(token, f);
        while !self.env.ops.is_empty() {
            for op in std::mem::take(&mut self.env.ops) {
                if let Op::Send(to, message) = op {
                    self.one(to, |connection, io| connection.message(message, io));
                }
            }
        }
    }

    fn one(&mut self, token: Token, f: impl FnOnce(&mut Connection, &mut Io<'_>)) {
        let Some(line) = self.lines.get_mut(&token) else { return };
        let (out, env, unsent) = (&mut self.out, &mut self.env, line.unsent.len());
        f(&mut line.connection, &mut Io { out, env, token, unsent });
        line.unsent.append(&mut self.out.take());
        self.take(token);
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

    fn ask(&mut self, token: Token, request: &str) {
        self.call(token, |connection, io| connection.feed(&mut request.as_bytes().to_vec(), io));
    }

    fn get(&mut self, token: Token, target: &str) {
        self.ask(token, &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }

    fn publish(&mut self, token: Token, topic: &str, text: &str) -> Value {
        let length = text.len();
        self.env.now += Duration::from_micros(1);
        self.ask(
            token,
            &format!(
                "POST /topics/{topic} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{text}"
            ),
        );
        self.answer(token, 202)
    }

    /// The peer takes everything now, and goes on taking.
    fn read(&mut self, token: Token) -> String {
        self.lines.get_mut(&token).expect("it is open").stuck = false;
        self.take(token);
        let line = self.lines.get_mut(&token).expect("it is open");
        String::from_utf8(std::mem::take(&mut line.heard)).expect("text")
    }

    /// The JSON body of the answer that was heard.
    fn answer(&mut self, token: Token, status: u16) -> Value {
        let text = self.read(token);
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        let (_, body) = text.split_once("\r\n\r\n").expect("a head");
        serde_json::from_str(body).expect("JSON")
    }

    fn wait(&mut self, token: Token) {
        let Some(line) = self.lines.get(&token) else { return };
        self.env.now = line.connection.deadline();
        self.call(token, |connection, io| connection.timeout(io));
    }
}

/// The data of the events in a chunked stream.
fn data(stream: &str) -> Vec<String> {
    let lines = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    lines
        .map(|line| match serde_json::from_str::<Value>(line) {
            Ok(Value::Object(said)) if said.contains_key("data") => said["data"].to_string(),
            _ => line.to_owned(),
        })
        .collect()
}

#[test]
fn what_is_published_is_pushed_and_can_be_pulled() {
    let mut hall = Hall::new(Options::default());
    let (speaker, listener, other) = (hall.open(), hall.open(), hall.open());
    hall.get(listener, "/events?topic=news&topic=weather");
    let said = hall.read(listener);
    assert!(said.contains("text/event-stream") && said.contains("retry: "), "{said}");
    let first = hall.publish(speaker, "news", "one\nline");
    assert_eq!(first["receivers"], 1);
    hall.publish(speaker, "sports", "not for it");
    let second = hall.publish(speaker, "weather", "rain");
    let said = hall.read(listener);
    assert_eq!(data(&said), ["\"one\\nline\"", "\"rain\""]);
    assert!(said.contains(&format!("id: {}\n", first["id"])), "{said}");

    hall.get(other, "/topics/news");
    let page = hall.answer(other, 200);
    assert_eq!(page["messages"][0]["data"], "one\nline");
    assert_eq!(page["messages"][0]["time"], "1970-01-01T00:16:40Z");
    assert_eq!((&page["next"], &page["lost"]), (&first["id"], &Value::from(0)));
    hall.get(other, &format!("/topics/weather?after={}", second["id"]));
    assert_eq!(hall.answer(other, 200)["messages"], Value::Array(Vec::new()));
    hall.get(other, "/topics");
    assert_eq!(hall.answer(other, 200)["topics"].as_array().map(Vec::len), Some(3));
}

#[test]
fn json_stays_json_and_nonsense_is_refused() {
    let mut hall = Hall::new(Options { message_bytes: 100, ..Options::default() });
    let line = hall.open();
    let post = |kind: &str, more: &str, body: &str| {
        let length = body.len();
        format!(
            "POST /topics/t HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n{more}Content-Length: {length}\r\n\r\n{body}"
        )
    };
    hall.ask(line, &post("application/json", "", "{\"a\":[1]}"));
    hall.answer(line, 202);
    hall.get(line, "/topics/t");
    assert_eq!(hall.answer(line, 200)["messages"][0]["data"]["a"][0], 1);
    for (request, status) in [
        (post("application/json", "", "{\"a\":"), 400),
        (post("text/plain", "Origin: http://evil.example\r\n", "x"), 403),
        (post("text/plain", "Origin: null\r\n", "x"), 403),
        (post("text/plain", "Origin: http://a\r\nOrigin: http://evil.example\r\n", "x"), 403),
        (post("text/plain", "Origin: http://a\r\n", "x"), 202),
        (post("text/plain", "", &"x".repeat(101)), 413),
        ("GET /topics/a%20b HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /topics/a?limit=x HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /events HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /events?topic=a%00 HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
    ] {
        let line = hall.open();
        hall.ask(line, &request);
        hall.answer(line, status);
    }
}

#[test]
fn who_comes_again_gets_what_it_missed() {
    let mut hall = Hall::new(Options { messages: 3, ..Options::default() });
    let (speaker, listener) = (hall.open(), hall.open());
    let ids: Vec<Value> =
        (0..6).map(|n| hall.publish(speaker, "t", &format!("{n}"))["id"].clone()).collect();
    let again = |id: &Value| {
        format!("GET /events?topic=t HTTP/1.1\r\nHost: a\r\nLast-Event-ID: {id}\r\n\r\n")
    };
    hall.ask(listener, &again(&ids[3]));
    let said = hall.read(listener);
    assert_eq!(data(&said), ["\"4\"", "\"5\""]);
    let late = hall.open();
    hall.ask(late, &again(&ids[0]));
    let said = hall.read(late);
    assert!(said.contains("event: lost"), "{said}");
    assert_eq!(data(&said), ["{\"lost\":2}", "\"3\"", "\"4\"", "\"5\""]);
    let from_elsewhere = hall.open();
    hall.ask(from_elsewhere, &again(&Value::from(9_000_000_000_000_000_u64)));
    hall.publish(speaker, "t", "6");
    assert!(hall.read(from_elsewhere).contains("\"data\":\"6\""), "numbers begin anew");
    hall.get(speaker, "/topics/t?after=9000000000000000");
    assert_eq!(hall.answer(speaker, 200)["messages"][2]["data"], "6");
}

#[test]
fn a_slow_subscriber_loses_whole_messages_and_hears_how_many() {
    for missed in [Missed::Tell, Missed::Close] {
        let options = Options { messages: 10, unsent: 2000, missed, ..Options::default() };
        let mut hall = Hall::new(options);
        let (speaker, slow, fast) = (hall.open(), hall.open(), hall.open());
        for line in [slow, fast] {
            hall.get(line, "/events?topic=t");
        }
        hall.read(slow);
        hall.lines.get_mut(&slow).expect("it is open").stuck = true;
        let long = "x".repeat(700);
        for n in 0..50 {
            hall.publish(speaker, "t", &format!("{n:02}{long}"));
            assert!(hall.lines[&slow].unsent.len() < 3000, "bounded whatever is published");
        }
        assert_eq!(data(&hall.read(fast)).len(), 50, "nobody waits for the slow one");
        let said = hall.read(slow);
        let heard = data(&said);
        let lost = heard.iter().find_map(|line| line.strip_prefix("{\"lost\":")).expect("told");
        let lost: usize = lost.trim_end_matches('}').parse().expect("a number");
        if missed == Missed::Tell {
            assert_eq!(heard.len() - 1 + lost, 50, "each is either heard or counted");
            assert!(heard.last().expect("the newest").starts_with("\"49"));
        } else {
            assert!(said.ends_with("0\r\n\r\n"), "the stream ends");
        }
        assert_eq!(hall.hub.lost(), lost as u64);
    }
}

#[test]
fn a_poll_waits_for_a_message_or_for_its_time() {
    let mut hall = Hall::new(Options::default());
    let (speaker, waiter) = (hall.open(), hall.open());
    hall.get(waiter, "/topics/t?wait=30");
    assert_eq!(hall.read(waiter), "");
    hall.publish(speaker, "t", "now");
    let page = hall.answer(waiter, 200);
    assert_eq!(page["messages"][0]["data"], "now");
    hall.get(waiter, &format!("/topics/t?wait=30&after={}", page["next"]));
    assert_eq!(hall.hub.subscriptions(), 1);
    let before = hall.env.now;
    hall.wait(waiter);
    assert_eq!(hall.env.now, before + Duration::from_secs(30));
    let empty = hall.answer(waiter, 200);
    assert_eq!((&empty["next"], &empty["messages"]), (&page["next"], &Value::Array(Vec::new())));
    assert_eq!(hall.hub.subscriptions(), 0);
}

#[test]
fn a_silent_stream_has_a_heart_beat_and_ends_with_the_loop() {
    let mut hall = Hall::new(Options::default());
    let line = hall.open();
    hall.get(line, "/events?topic=t");
    hall.read(line);
    for _ in 0..3 {
        let before = hall.env.now;
        hall.wait(line);
        assert_eq!(hall.env.now, before + Duration::from_secs(15));
        assert_eq!(hall.read(line), "3\r\n:\n\n\r\n");
    }
    hall.env.draining = true;
    hall.call(line, |connection, io| connection.shutdown(io));
    assert_eq!(hall.read(line), "0\r\n\r\n");
    assert_eq!(hall.hub.subscriptions(), 0);
}

#[test]
fn subscriptions_end_with_their_connections_and_topics_are_bounded() {
    let mut hall = Hall::new(Options { topics: 2, ..Options::default() });
    let lines = [hall.open(), hall.open(), hall.open()];
    hall.get(lines[0], "/events?topic=a&topic=b");
    hall.read(lines[0]);
    hall.get(lines[1], "/events?topic=c");
    hall.answer(lines[1], 503);
    assert_eq!((hall.hub.topics(), hall.hub.subscriptions()), (2, 1));
    hall.call(lines[0], |connection, io| connection.eof(io));
    assert_eq!(hall.lines[&lines[0]].connection.life(), Life::Paused, "it may still listen");
    hall.lines.remove(&lines[0]);
    assert_eq!(hall.hub.subscriptions(), 0);
    hall.get(lines[2], "/events?topic=c");
    assert!(hall.read(lines[2]).starts_with("HTTP/1.1 200 "), "the idle one made room");
    assert_eq!(hall.hub.topics(), 2);
}

#[test]
fn a_place_in_several_topics_is_in_all_of_them_or_in_none() {
    let mut hall = Hall::new(Options { topics: 2, ..Options::default() });
    let (first, second) = (hall.open(), hall.open());
    hall.get(first, "/events?topic=a");
    hall.read(first);
    hall.get(second, "/events?topic=b&topic=c");
    hall.answer(second, 503);
    hall.get(second, "/events?topic=a&topic=b");
    hall.read(second);
    let speaker = hall.open();
    assert_eq!(hall.publish(speaker, "b", "it hears this")["receivers"], 1);
    assert_eq!(data(&hall.read(second)), ["\"it hears this\""]);
}

#[test]
fn all_topics_together_are_bounded_in_bytes() {
    let total = 100_000;
    let mut hall = Hall::new(Options { total, ..Options::default() });
    let (speaker, reader) = (hall.open(), hall.open());
    let long = "x".repeat(3000);
    for n in 0..100 {
        hall.publish(speaker, &format!("t{n}"), &long);
        assert!(hall.hub.bytes() <= total as u64, "{} bytes", hall.hub.bytes());
    }
    assert!(hall.hub.bytes() > total as u64 - 7500, "and no emptier than need be");
    hall.get(reader, "/topics/t0");
    let page = hall.answer(reader, 200);
    assert_eq!(page["messages"], Value::Array(Vec::new()), "the oldest made room");
    assert_eq!(page["lost"], 0, "of none it is told that comes before another");
    hall.publish(speaker, "t0", "again");
    hall.get(reader, "/topics/t0");
    let page = hall.answer(reader, 200);
    assert_eq!((&page["messages"][0]["data"], &page["lost"]), (&"again".into(), &1.into()));
    // Control characters are six bytes each as JSON. What alone is too long is kept all the same.
    hall.publish(speaker, "huge", &"\u{1}".repeat(60_000));
    assert!(hall.hub.bytes() > total as u64);
    hall.publish(speaker, "t1", "small");
    assert!(hall.hub.bytes() < 1000, "until another one is published");
}

#[test]
fn many_messages_in_one_turn_are_one_nudge_and_none_is_lost() {
    let mut hall = Hall::new(Options { messages: 10, ..Options::default() });
    let (speaker, listeners) = (hall.open(), [hall.open(), hall.open()]);
    for listener in listeners {
        hall.get(listener, "/events?topic=t");
        hall.read(listener);
    }
    let post = "POST /topics/t HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
    for _ in 0..2 {
        hall.env.now += Duration::from_micros(1);
        let posts = post.repeat(50).into_bytes();
        hall.one(speaker, |connection, io| connection.feed(&mut posts.clone(), io));
        assert_eq!(hall.env.ops.len(), listeners.len());
        hall.call(speaker, |_, _| ());
        for listener in listeners {
            assert_eq!(data(&hall.read(listener)).len(), 50);
        }
    }
}

#[test]
fn a_subscriber_asks_for_room_only_when_it_has_to_wait_for_it() {
    let mut hall = Hall::new(Options { unsent: 10, ..Options::default() });
    let (speaker, slow) = (hall.open(), hall.open());
    hall.get(slow, "/events?topic=t");
    hall.read(slow);
    hall.lines.get_mut(&slow).expect("it is open").stuck = true;
    for n in 0..20 {
        hall.publish(speaker, "t", &format!("{n}"));
        let line = &hall.lines[&slow];
        let waits = line.connection.wants_drain();
        assert!(
            !waits || line.unsent.len() > hall.env.limits.low_water,
            "it would be told at once"
        );
    }
    assert!(hall.lines[&slow].connection.wants_drain());
}

#[test]
fn a_long_message_reaches_a_websocket_too() {
    let mut hall = Hall::new(Options::default());
    let (speaker, listener) = (hall.open(), hall.open());
    hall.ask(
        listener,
        "GET /ws/events?topic=t HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert!(hall.read(listener).starts_with("HTTP/1.1 101 "));
    // As JSON it is six times as long.
    hall.publish(speaker, "t", &"\u{1}".repeat(60_000));
    let heard = &hall.lines[&listener].heard;
    assert_eq!(
        heard.len(),
        10 + 6 * 60_000
            + r#"{"id":1000000001,"topic":"t","time":"1970-01-01T00:16:40Z","data":""}"#.len()
    );
}

#[test]
fn nobody_waits_on_a_loop_that_drains() {
    let mut hall = Hall::new(Options::default());
    let (stream, poll) = (hall.open(), hall.open());
    hall.env.draining = true;
    hall.get(stream, "/events?topic=t");
    assert!(hall.read(stream).ends_with("\r\n0\r\n\r\n"));
    hall.get(poll, "/topics/t?wait=30");
    hall.answer(poll, 200);
    assert_eq!(hall.hub.subscriptions(), 0);
}

#[test]
fn asking_for_topics_makes_no_message_forgotten() {
    let mut hall = Hall::new(Options { topics: 3, ..Options::default() });
    let speaker = hall.open();
    hall.publish(speaker, "a", "kept");
    for n in 0..10 {
        let line = hall.open();
        hall.get(line, &format!("/events?topic=x{n}&topic=y{n}"));
        assert!(hall.read(line).starts_with("HTTP/1.1 200 "));
        let mut gone = hall.lines.remove(&line).expect("it is open");
        gone.connection.closed(CloseReason::Reset, &mut hall.env);
        hall.env.now += Duration::from_micros(1);
    }
    hall.get(speaker, "/topics/a");
    assert_eq!(hall.answer(speaker, 200)["messages"][0]["data"], "kept");
}
