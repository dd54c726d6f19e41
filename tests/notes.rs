//! Notes: the store by itself, the service by transcripts without a socket, and the built command
//! when it is killed.
#![cfg(feature = "cli")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use readyloop::app::notes::{
    Change, Draft, Ledger, Notes, Options, Outcome, Patch, Store, Terms, Unusable, What,
};
use readyloop::buf::Out;
use readyloop::connection::{Connection, Io};
use readyloop::session::datagram::Peer;
use readyloop::session::http::Http;
use readyloop::session::{Env, Op};
use readyloop::{Limits, Moment, Token};
use serde_json::{Value, json};

/// A folder of one test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("readyloop-notes-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("notes.redb")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn draft(title: &str, body: &str) -> Draft {
    Draft { title: title.into(), body: body.into() }
}

fn change(what: What) -> Change {
    Change { what, terms: Terms::default(), now: 1_000_000 }
}

fn create(title: &str) -> Change {
    change(What::Create(draft(title, "")))
}

fn one(store: &Store, change: Change) -> Outcome {
    store.write(vec![change]).expect("written").remove(0)
}

#[test]
fn what_was_written_is_there_when_the_store_is_opened_again() {
    let folder = Folder::new("again");
    {
        let store = Store::open(&folder.file(), Options::default()).expect("a store");
        let outcomes = store.write(vec![create("a"), create("b")]).expect("written");
        assert!(matches!(&outcomes[..], [Outcome::Created(a, _), Outcome::Created(b, _)] if a < b));
    }
    let store = Store::open(&folder.file(), Options::default()).expect("a store");
    let page = store.list(None, 10).expect("a page");
    let titles: Vec<_> = page.notes.iter().map(|(_, note)| note.title.as_str()).collect();
    assert_eq!((titles, page.more), (vec!["a", "b"], false));
    let Outcome::Created(id, note) = one(&store, create("c")) else { panic!("not made") };
    assert_eq!((id.as_str(), note.change), ("0000000003", 3), "numbers go on");
}

#[test]
fn files_that_are_no_store_are_refused_and_left_alone() {
    let folder = Folder::new("foreign");
    let store = Store::open(&folder.file(), Options::default()).expect("a store");
    one(&store, create("a"));
    let second = Store::open(&folder.file(), Options::default());
    assert!(matches!(second, Err(Unusable::InUse)));
    drop(store);
    let good = fs::read(folder.file()).expect("a file");

    let other = folder.0.join("other");
    for (number, bytes) in [b"hello\n".to_vec(), vec![7; 100_000], good[..good.len() / 2].to_vec()]
        .into_iter()
        .enumerate()
    {
        fs::write(&other, &bytes).expect("written");
        assert!(Store::open(&other, Options::default()).is_err(), "{number}");
    }
    fs::remove_file(&other).expect("removed");
    {
        let table: redb::TableDefinition<'_, u32, u32> = redb::TableDefinition::new("theirs");
        let database = redb::Database::create(&other).expect("a database");
        let writing = database.begin_write().expect("begun");
        writing.open_table(table).expect("a table").insert(1, 2).expect("inserted");
        writing.commit().expect("written");
    }
    assert!(matches!(Store::open(&other, Options::default()), Err(Unusable::Foreign)));
}

#[test]
fn a_store_has_bounds() {
    let store = Store::in_memory(Options { notes: 2, bytes: 1500 }).expect("a store");
    assert!(matches!(one(&store, create("a")), Outcome::Created(..)));
    let put = |id: &str, body: usize| change(What::Put(id.into(), draft("t", &"x".repeat(body))));
    assert_eq!(one(&store, put("b", 1000)), Outcome::Full, "too many bytes");
    assert!(matches!(one(&store, put("b", 900)), Outcome::Created(..)));
    assert_eq!(one(&store, create("c")), Outcome::Full, "too many notes");
    assert_eq!(one(&store, put("b", 1000)), Outcome::Full, "no room to grow");
    assert!(matches!(one(&store, put("b", 10)), Outcome::Written(..)), "but to shrink");
    assert_eq!(one(&store, change(What::Delete("b".into()))), Outcome::Deleted);
    assert!(matches!(one(&store, create("c")), Outcome::Created(..)));
}

#[test]
fn of_many_writers_that_name_what_they_saw_no_update_is_lost() {
    const WRITERS: usize = 8;
    const UPDATES: usize = 25;
    let ledger = Ledger::new(Store::in_memory(Options::default()).expect("a store"));
    let put = change(What::Put("n".into(), draft("n", "")));
    assert!(matches!(ledger.enter(put).settle(), Outcome::Created(..)));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let ledger = Arc::clone(&ledger);
            thread::spawn(move || {
                let mut done = 0;
                while done < UPDATES {
                    let seen = ledger.store().read("n").expect("read").expect("it is there");
                    let tag = format!("\"{}-{:x}\"", seen.version, seen.change);
                    let patch = Patch { title: None, body: Some(format!("{}x", seen.body)) };
                    let what = What::Patch("n".into(), patch);
                    let terms = Terms { if_match: vec![tag.into()], ..Terms::default() };
                    match ledger.enter(Change { what, terms, now: 0 }).settle() {
                        Outcome::Written(..) => done += 1,
                        outcome => assert_eq!(outcome, Outcome::Refused),
                    }
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().expect("it ends"));
    let note = ledger.store().read("n").expect("read").expect("it is there");
    assert_eq!(note.body.len(), WRITERS * UPDATES);
    assert_eq!(note.version, 1 + (WRITERS * UPDATES) as u64);
}

#[test]
fn changes_that_wait_are_committed_together_and_dropped_ones_not_at_all() {
    let ledger = Ledger::new(Store::in_memory(Options::default()).expect("a store"));
    let tickets: Vec<_> = (0..10).map(|_| ledger.enter(create("a"))).collect();
    let dropped = ledger.enter(create("nobody waits for this"));
    drop(dropped);
    for ticket in tickets {
        assert!(matches!(ticket.settle(), Outcome::Created(..)));
    }
    assert_eq!((ledger.commits(), ledger.changes()), (1, 10));
    assert_eq!(ledger.store().count().expect("counted"), 10);
    // More than one commit takes: each is settled all the same, the last one first.
    let tickets: Vec<_> = (0..600).map(|_| ledger.enter(create("a"))).collect();
    for ticket in tickets.into_iter().rev() {
        assert!(matches!(ticket.settle(), Outcome::Created(..)));
    }
    assert_eq!(ledger.store().count().expect("counted"), 610);
}

/// One connection, whose jobs are done at once.
struct Line {
    connection: Connection,
    env: Env,
    out: Out,
}

impl Line {
    const TOKEN: Token = Token::new(1, 1);

    fn new(options: Options) -> Self {
        let mut env = Env::new(Limits::default());
        env.date.refresh(Moment::START, UNIX_EPOCH + Duration::from_secs(1000));
        let mut out = Out::default();
        let notes = Notes::new(Store::in_memory(options).expect("a store"));
        let router = notes.routes();
        assert!(router.check().is_ok(), "{:?}", router.check());
        let service = Http::new(router);
        let mut io = Io { out: &mut out, env: &mut env, token: Self::TOKEN, unsent: 0 };
        let connection = Connection::plain(&service, &Peer::Unnamed, &mut io);
        Line { connection, env, out }
    }

    fn call(&mut self, f: impl FnOnce(&mut Connection, &mut Io<'_>)) {
        let (out, env) = (&mut self.out, &mut self.env);
        f(&mut self.connection, &mut Io { out, env, token: Self::TOKEN, unsent: 0 });
    }

    fn ask(&mut self, head: &str, body: &str) -> Answer {
        let length = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let request = format!("{}\r\nHost: a\r\n{length}\r\n{body}", head.replace('|', "\r\n"));
        let mut heard = Vec::new();
        self.call(|connection, io| connection.feed(&mut request.into_bytes(), io));
        loop {
            heard.append(&mut self.out.take());
            let ops = std::mem::take(&mut self.env.ops);
            for op in ops {
                if let Op::Offload(_, _, job) = op {
                    let message = job();
                    self.call(|connection, io| connection.message(message, io));
                }
            }
            heard.append(&mut self.out.take());
            if self.env.ops.is_empty() && !self.connection.wants_drain() {
                break;
            }
            self.call(|connection, io| connection.drained(io));
        }
        Answer::read(&String::from_utf8(heard).expect("text"))
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Answer {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text}"));
        let status = head.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
        Answer {
            status,
            head: head.into(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }

    fn field(&self, name: &str) -> &str {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(found, _)| *found == name).map_or("", |(_, value)| value)
    }
}

const JSON: &str = "Content-Type: application/json";
const PATCH: &str = "Content-Type: application/merge-patch+json";

#[test]
fn a_note_is_made_read_replaced_patched_and_deleted() {
    let mut line = Line::new(Options::default());
    let made = line.ask(&format!("POST /api/notes HTTP/1.1|{JSON}"), r#"{"title":"a"}"#);
    assert_eq!((made.status, made.field("Location")), (201, "/api/notes/0000000001"));
    assert_eq!(
        made.body,
        json!({"id": "0000000001", "title": "a", "body": "", "version": 1,
            "created": "1970-01-01T00:16:40Z", "updated": "1970-01-01T00:16:40Z"})
    );
    let at = made.field("Location").to_owned();
    let read = line.ask(&format!("GET {at} HTTP/1.1"), "");
    assert_eq!((read.status, &read.body), (200, &made.body));
    assert_eq!(read.field("ETag"), made.field("ETag"));
    assert_eq!(line.ask(&format!("HEAD {at} HTTP/1.1"), "").field("ETag"), read.field("ETag"));
    let tag = read.field("ETag");
    let again = line.ask(&format!("GET {at} HTTP/1.1|If-None-Match: {tag}"), "");
    assert_eq!((again.status, again.field("ETag")), (304, tag));

    let put = format!("PUT {at} HTTP/1.1|{JSON}|If-Match: {tag}");
    let second = line.ask(&put, r#"{"title":"b","body":"c"}"#);
    assert_eq!((second.status, &second.body["version"]), (200, &json!(2)));
    assert_eq!(line.ask(&put, r#"{"title":"d"}"#).status, 412);
    let same = line.ask(&format!("PUT {at} HTTP/1.1|{JSON}"), r#"{"title":"b","body":"c"}"#);
    assert_eq!(same.body, second.body, "what changes nothing makes no version");
    let third = line.ask(&format!("PATCH {at} HTTP/1.1|{PATCH}"), r#"{"body":null}"#);
    assert_eq!(
        (third.status, &third.body["title"], &third.body["body"]),
        (200, &json!("b"), &json!(""))
    );

    assert_eq!(line.ask(&format!("DELETE {at} HTTP/1.1|If-Match: {tag}"), "").status, 412);
    assert_eq!(line.ask(&format!("DELETE {at} HTTP/1.1"), "").status, 204);
    assert_eq!(line.ask(&format!("GET {at} HTTP/1.1"), "").status, 404);
    let back = format!("PUT {at} HTTP/1.1|{JSON}|If-None-Match: *");
    let back_again = line.ask(&back, r#"{"title":"b"}"#);
    assert_eq!(back_again.status, 201);
    assert_ne!(back_again.field("ETag"), tag, "a tag never comes back");
    assert_eq!(line.ask(&back, r#"{"title":"b"}"#).status, 412);
}

#[test]
fn what_cannot_be_answered_says_why() {
    let mut line = Line::new(Options { notes: 1, ..Options::default() });
    assert_eq!(
        line.ask(&format!("PUT /api/notes/a HTTP/1.1|{JSON}"), r#"{"title":"a"}"#).status,
        201
    );
    let long = format!(r#"{{"title":"{}"}}"#, "x".repeat(500_000));
    for (head, body, status) in [
        ("GET /api/notes/none HTTP/1.1", "", 404),
        ("GET /api/notes/%2e%2e%2fa HTTP/1.1", "", 404),
        ("GET /api/notes/a HTTP/1.1|Accept: text/html", "", 406),
        ("GET /api/notes/a HTTP/1.1|If-Match: \"x\"", "", 412),
        ("GET /api/notes?limit=0 HTTP/1.1", "", 400),
        ("GET /api/notes?after=/ HTTP/1.1", "", 400),
        ("GET /api/nothing HTTP/1.1", "", 404),
        ("POST /api/notes/a HTTP/1.1", "", 405),
        ("POST /api/notes HTTP/1.1|JSON", "{", 400),
        ("POST /api/notes HTTP/1.1|JSON", "", 400),
        ("POST /api/notes HTTP/1.1|JSON", r#"{"title":1}"#, 422),
        ("POST /api/notes HTTP/1.1|JSON", r#"{"title":"a","x":1}"#, 422),
        ("POST /api/notes HTTP/1.1|Content-Type: text/plain", "a", 415),
        ("POST /api/notes HTTP/1.1|JSON", r#"{"title":"b"}"#, 507),
        ("PUT /api/notes/a%20b HTTP/1.1|JSON", r#"{"title":"a"}"#, 400),
        ("PATCH /api/notes/a HTTP/1.1|JSON", "{}", 415),
        ("PATCH /api/notes/none HTTP/1.1|PATCH", "{}", 404),
        ("PATCH /api/notes/none HTTP/1.1|PATCH|If-Match: \"x\"", "{}", 404),
        ("PUT /api/notes/none HTTP/1.1|JSON|If-Match: *", r#"{"title":"a"}"#, 412),
        ("DELETE /api/notes/none HTTP/1.1|If-Match: *", "", 404),
    ] {
        let answer =
            line.ask(&head.replace("JSON", JSON).replace("|PATCH", &format!("|{PATCH}")), body);
        assert_eq!(answer.status, status, "{head} {body}: {answer:?}");
        assert_eq!(answer.field("Content-Type"), "application/problem+json", "{head}");
        assert_eq!(answer.body["status"], json!(status), "{head}");
    }
    let options = line.ask("OPTIONS /api/notes/a HTTP/1.1", "");
    assert_eq!(options.field("Allow"), "GET, HEAD, PUT, PATCH, DELETE, OPTIONS");
    assert_eq!(options.field("Accept-Patch"), "application/merge-patch+json");
    let index = line.ask("GET /api HTTP/1.1", "");
    assert_eq!(index.body["notes"], "/api/notes");
    assert_eq!(line.ask("GET /openapi.json HTTP/1.1", "").body["openapi"], "3.1.0");
    let request = format!("POST /api/notes HTTP/1.1|{JSON}");
    assert_eq!(line.ask(&request, &long).status, 413);
}

#[test]
fn pages_follow_one_another_and_miss_nothing() {
    let mut line = Line::new(Options::default());
    for number in 0..25 {
        let head = format!("POST /api/notes HTTP/1.1|{JSON}");
        // So long that a page of them ends before its limit.
        let body = format!(r#"{{"title":"{number}","body":"{}"}}"#, "x".repeat(65_536));
        assert_eq!(line.ask(&head, &body).status, 201);
    }
    let (mut next, mut found, mut pages) = ("/api/notes?limit=10".to_owned(), Vec::new(), 0);
    loop {
        let page = line.ask(&format!("GET {next} HTTP/1.1"), "");
        assert_eq!(page.status, 200);
        let notes = page.body["notes"].as_array().expect("a list");
        found.extend(notes.iter().map(|note| note["title"].as_str().expect("text").to_owned()));
        pages += 1;
        let link = page.field("Link");
        assert_eq!(link.is_empty(), page.body["next"].is_null());
        match link.strip_prefix('<').and_then(|link| link.split_once('>')) {
            Some((target, rel)) => {
                assert_eq!(rel, "; rel=\"next\"");
                next = target.to_owned();
            }
            None => break,
        }
    }
    let expected: Vec<_> = (0..25).map(|number| number.to_string()).collect();
    assert_eq!((found, pages), (expected, 3));
}

/// The built command, on a port of its own.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(folder: &Folder) -> Self {
        Server::start_as(&mut Command::new(env!("CARGO_BIN_EXE_readyloop")), folder)
    }

    /// With files of at most 2 MiB: for who writes them that is a full disk.
    fn start_confined(folder: &Folder) -> Self {
        let mut shell = Command::new("sh");
        // In blocks of 512 bytes.
        shell.args(["-c", "trap '' XFSZ; ulimit -f 4096; exec \"$0\" \"$@\""]);
        Server::start_as(shell.arg(env!("CARGO_BIN_EXE_readyloop")), folder)
    }

    fn start_as(command: &mut Command, folder: &Folder) -> Self {
        let data = folder.0.to_str().expect("a path");
        let mut child = command
            .args(["serve", "--only", "http", "--http", "0", "--data", data, "--log", "error"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stdout = child.stdout.take().expect("a pipe");
        let address = BufReader::new(stdout).lines().map_while(Result::ok).find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("http")).then(|| words.next().expect("an address").to_owned())
        });
        Server { child, address: address.expect("a banner") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask(address: &str, request: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.contains("\r\n\r\n").then(|| Answer::read(&answer))
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    const CLIENTS: usize = 4;
    let folder = Folder::new("kill");
    let mut server = Server::start(&folder);
    let (told, hear) = std::sync::mpsc::channel();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (address, told) = (server.address.clone(), told.clone());
            thread::spawn(move || {
                for number in 0.. {
                    let title = format!("{client}-{number}");
                    let body = json!({ "title": title }).to_string();
                    let length = body.len();
                    let request = format!(
                        "POST /api/notes HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{JSON}\r\n\
                         Content-Length: {length}\r\n\r\n{body}"
                    );
                    let Some(answer) = ask(&address, &request) else { return };
                    assert_eq!(answer.status, 201);
                    if told.send((answer.field("Location").to_owned(), title)).is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    drop(told);
    let mut acknowledged: Vec<_> = hear.iter().take(100).collect();
    // SIGKILL, in the middle of it.
    server.child.kill().expect("it runs");
    acknowledged.extend(hear.iter());
    clients.into_iter().for_each(|client| client.join().expect("it ends"));
    drop(server);

    let server = Server::start(&folder);
    for (at, title) in acknowledged {
        let request = format!("GET {at} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = ask(&server.address, &request).expect("an answer");
        assert_eq!((answer.status, &answer.body["title"]), (200, &json!(title)), "{at}");
    }
}

#[test]
fn notes_go_on_when_there_is_room_again_after_the_disk_was_full() {
    let folder = Folder::new("full");
    let server = Server::start_confined(&folder);
    let request = |method: &str, at: &str, body: &str| {
        let length = body.len();
        let request = format!(
            "{method} {at} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{JSON}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        ask(&server.address, &request).expect("an answer")
    };
    let body = json!({ "title": "large", "body": "x".repeat(50_000) }).to_string();
    let made: Vec<_> = std::iter::from_fn(|| {
        let answer = request("POST", "/api/notes", &body);
        match answer.status {
            201 => Some(answer.field("Location").to_owned()),
            status => {
                assert_eq!(status, 507, "{}", answer.body);
                None
            }
        }
    })
    .take(100)
    .collect();
    assert!((1..100).contains(&made.len()));
    for at in &made {
        assert_eq!(request("GET", at, "").status, 200, "what was acknowledged is there");
    }
    for at in &made {
        assert_eq!(request("DELETE", at, "").status, 204, "{at}");
    }
    assert_eq!(request("POST", "/api/notes", &body).status, 201);
}
