//! Files over HTTP: by transcripts without a socket, the clock and the off-load pool in the test's
//! hands; and on loopback what only a kernel adds.
#![cfg(feature = "web")]

use std::collections::VecDeque;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use readyloop::buf::Out;
use readyloop::connection::{Connection, Io, Life};
use readyloop::reactor::world::{Address, Listen};
use readyloop::session::datagram::Peer;
use readyloop::session::http::{Http, Reply};
use readyloop::session::{Env, Job, Message, OffloadFailed, Op};
use readyloop::web::files::{Files, Options};
use readyloop::{CloseReason, Head, Limits, Moment, Reactor, Token};

/// A folder of one test's own. What is written there is a while old, as files mostly are.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("readyloop-files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("root")).expect("a folder");
        Folder(path)
    }

    fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, text).expect("written");
        date(&path, then());
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn date(path: &Path, time: SystemTime) {
    let file = fs::File::options().write(true).open(path).expect("it is there");
    file.set_modified(time).expect("a time");
}

const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn then() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

/// An answer, taken apart.
#[derive(Debug)]
struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// The first answer in `bytes`, which are advanced past it.
    fn read(bytes: &mut &[u8], is_head: bool) -> Answer {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = str::from_utf8(&bytes[..end]).expect("text");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.get(9..12)).expect("a status line");
        let fields = lines
            .map(|line| line.split_once(": ").expect("a field"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer =
            Answer { status: status.parse().expect("a number"), fields, body: Vec::new() };
        let length = match answer.field("content-length") {
            Some(length) if !is_head => length.parse().expect("a number"),
            _ => 0,
        };
        *bytes = &bytes[end + 4..];
        assert!(bytes.len() >= length, "{} of {length} bytes of body", bytes.len());
        let (body, rest) = bytes.split_at(length);
        (answer.body, *bytes) = (body.to_vec(), rest);
        answer
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("text")
    }
}

/// A connection to files, without a socket.
struct Bench {
    connection: Connection,
    env: Env,
    out: Out,
    jobs: VecDeque<(u32, Job)>,
    /// Jobs are done as soon as they are wished for.
    works: bool,
}

const TOKEN: Token = Token::new(0, 1);

impl Bench {
    fn new(folder: &Folder, options: Options) -> Self {
        let files = Files::new(&folder.root(), options).expect("a folder");
        let service =
            Http::new(move |head: &Head<'_>, reply: Reply<'_, '_>| files.answer(head, reply));
        let mut env = Env::new(Limits::default());
        env.date.refresh(Moment::START, then() + Duration::from_secs(1_000_000_000));
        let mut out = Out::default();
        let mut io = Io { out: &mut out, env: &mut env, token: TOKEN, unsent: 0 };
        let connection = Connection::plain(&service, &Peer::Unnamed, &mut io);
        Bench { connection, env, out, jobs: VecDeque::new(), works: true }
    }

    fn call(&mut self, f: impl FnOnce(&mut Connection, &mut Io<'_>)) {
        let mut io = Io { out: &mut self.out, env: &mut self.env, token: TOKEN, unsent: 0 };
        f(&mut self.connection, &mut io);
        for op in std::mem::take(&mut self.env.ops) {
            if let Op::Offload(_, tag, job) = op {
                self.jobs.push_back((tag, job));
            }
        }
    }

    /// Does what was wished for, and drains what was said, until nothing is left to do.
    fn settle(&mut self) -> Vec<u8> {
        let mut said = self.out.take();
        loop {
            if self.connection.wants_drain() {
                self.call(|connection, io| connection.drained(io));
            } else if self.works
                && let Some((_, job)) = self.jobs.pop_front()
            {
                let message = job();
                self.call(|connection, io| connection.message(message, io));
            } else {
                return said;
            }
            said.append(&mut self.out.take());
        }
    }

    fn ask(&mut self, method: &str, path: &str, fields: &str) -> Answer {
        let fields =
            if fields.is_empty() { String::new() } else { fields.replace('|', "\r\n") + "\r\n" };
        let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut wire = request.into_bytes();
        self.call(|connection, io| connection.feed(&mut wire, io));
        let said = self.settle();
        let mut rest = &said[..];
        let answer = Answer::read(&mut rest, method == "HEAD");
        assert_eq!(rest, b"", "{method} {path}: more than one answer");
        answer
    }

    fn get(&mut self, path: &str, fields: &str) -> Answer {
        self.ask("GET", path, fields)
    }

    /// Asks twice: what is kept must be answered as what was just read. Answers the second.
    fn twice(&mut self, method: &str, path: &str, fields: &str) -> Answer {
        let first = self.ask(method, path, fields);
        let second = self.ask(method, path, fields);
        let is_multipart =
            first.field("content-type").is_some_and(|kind| kind.starts_with("multipart/"));
        if !is_multipart {
            assert_eq!(first.status, second.status, "{path} {fields}");
            assert_eq!(first.fields, second.fields, "{path} {fields}");
            assert!(first.body == second.body, "{path} {fields}");
        }
        second
    }

    fn wait(&mut self, time: Duration) {
        self.env.now += time;
    }
}

/// Both ways in which a file is held: in memory, and by its descriptor.
fn both() -> [Options; 2] {
    [Options::default(), Options { file_bytes: 0, ..Options::default() }]
}

#[test]
fn a_file_comes_with_its_type_and_its_validators() {
    let folder = Folder::new("plain");
    folder.write("a/b c.txt", "hello");
    for options in both() {
        let mut bench = Bench::new(&folder, options);
        let answer = bench.twice("GET", "/a/b%20c.txt", "");
        assert_eq!((answer.status, answer.text()), (200, "hello"));
        for (name, value) in [
            ("content-type", "text/plain; charset=utf-8"),
            ("last-modified", THEN),
            ("accept-ranges", "bytes"),
            ("x-content-type-options", "nosniff"),
            ("content-length", "5"),
        ] {
            assert_eq!(answer.field(name), Some(value), "{name}");
        }
        assert!(answer.field("etag").is_some_and(|tag| tag.starts_with('"')));
        assert_eq!((answer.field("content-encoding"), answer.field("cache-control")), (None, None));
        let head = bench.twice("HEAD", "/a/b%20c.txt", "");
        assert_eq!((head.status, head.text()), (200, ""));
        assert_eq!(head.fields, answer.fields);
    }
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let folder = Folder::new("conditions");
    folder.write("a.txt", "hello");
    for options in both() {
        let options = Options { max_age: Some(Duration::from_secs(60)), ..options };
        let mut bench = Bench::new(&folder, options);
        let tag = bench.get("/a.txt", "").field("etag").expect("a tag").to_owned();
        for (fields, status) in [
            (format!("If-None-Match: {tag}"), 304),
            (format!("If-None-Match: \"x\", W/{tag}"), 304),
            ("If-None-Match: *".into(), 304),
            ("If-None-Match: \"x\"".into(), 200),
            (format!("If-Modified-Since: {THEN}"), 304),
            ("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT".into(), 200),
            (format!("If-None-Match: \"x\"|If-Modified-Since: {THEN}"), 200),
            (format!("If-Match: {tag}"), 200),
            ("If-Match: \"x\"".into(), 412),
            (format!("If-Match: W/{tag}"), 412),
            ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT".into(), 412),
            (format!("If-Unmodified-Since: {THEN}"), 200),
        ] {
            let answer = bench.twice("GET", "/a.txt", &fields);
            assert_eq!(answer.status, status, "{fields}");
            if status == 304 {
                assert_eq!(answer.field("etag"), Some(&*tag));
                assert_eq!(answer.field("cache-control"), Some("max-age=60"));
                assert_eq!(answer.field("content-length"), None);
                assert_eq!(answer.body, b"");
            }
        }
    }
}

#[test]
fn parts_are_sent_to_whoever_asks_for_them() {
    let folder = Folder::new("ranges");
    let text: String = (0..1000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    folder.write("a.bin", &text);
    for options in both() {
        let mut bench = Bench::new(&folder, options);
        let tag = bench.get("/a.bin", "").field("etag").expect("a tag").to_owned();
        for (fields, place) in [
            ("Range: bytes=0-9".into(), Some(0..10)),
            ("Range: bytes=990-".into(), Some(990..1000)),
            ("Range: bytes=-10".into(), Some(990..1000)),
            ("Range: bytes=0-9999".into(), Some(0..1000)),
            ("Range: bytes=0-9,5-19".into(), Some(0..20)),
            (format!("Range: bytes=5-9|If-Range: {tag}"), Some(5..10)),
            (format!("Range: bytes=5-9|If-Range: {THEN}"), Some(5..10)),
            ("Range: bytes=5-9|If-Range: \"x\"".into(), None),
            ("Range: lines=5-9".into(), None),
            ("Range: bytes=9-5".into(), None),
        ] {
            let answer = bench.twice("GET", "/a.bin", &fields);
            let (status, range) = place.clone().map_or((200, 0..1000), |range| (206, range));
            assert_eq!((answer.status, answer.text()), (status, &text[range.clone()]), "{fields}");
            let expected = place.map(|_| format!("bytes {}-{}/1000", range.start, range.end - 1));
            assert_eq!(answer.field("content-range"), expected.as_deref());
            assert_eq!(answer.field("etag"), Some(&*tag));
        }
        let none = bench.twice("GET", "/a.bin", "Range: bytes=1000-");
        assert_eq!((none.status, none.field("content-range")), (416, Some("bytes */1000")));
        let head = bench.twice("HEAD", "/a.bin", "Range: bytes=0-9");
        assert_eq!((head.status, head.field("content-length")), (200, Some("1000")));

        let several = bench.twice("GET", "/a.bin", "Range: bytes=0-4,500-509,-3");
        assert_eq!(several.status, 206);
        let kind = several.field("content-type").expect("a type");
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect("several");
        let part = |range: std::ops::Range<usize>| {
            format!(
                "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {}-{}/1000\r\n\r\n{}",
                range.start,
                range.end - 1,
                &text[range.clone()]
            )
        };
        let expected =
            part(0..5) + &part(500..510) + &part(997..1000) + &format!("\r\n--{boundary}--\r\n");
        assert_eq!(several.text(), expected);
    }
}

#[test]
fn compressed_siblings_are_sent_to_whoever_prefers_them() {
    let folder = Folder::new("siblings");
    for (name, text) in
        [("a.css", "plain"), ("a.css.br", "BR"), ("a.css.gz", "GZIP"), ("a.css.zst", "ZSTD")]
    {
        folder.write(name, text);
    }
    folder.write("old.css", "plain");
    folder.write("old.css.gz", "GZIP");
    date(&folder.root().join("old.css.gz"), then() - Duration::from_secs(1));
    for options in both() {
        let mut bench = Bench::new(&folder, options);
        let mut tags = Vec::new();
        for (accept, coding, text) in [
            ("gzip, deflate, br, zstd", Some("br"), "BR"),
            ("gzip, zstd", Some("zstd"), "ZSTD"),
            ("gzip", Some("gzip"), "GZIP"),
            ("br;q=0.5, gzip", Some("gzip"), "GZIP"),
            ("identity", None, "plain"),
            ("deflate", None, "plain"),
            ("gzip;q=0", None, "plain"),
        ] {
            let fields = format!("Accept-Encoding: {accept}");
            let answer = bench.twice("GET", "/a.css", &fields);
            assert_eq!((answer.status, answer.text()), (200, text), "{accept}");
            assert_eq!(answer.field("content-encoding"), coding, "{accept}");
            assert_eq!(answer.field("content-type"), Some("text/css; charset=utf-8"));
            assert_eq!(answer.field("vary"), Some("Accept-Encoding"));
            let tag = answer.field("etag").expect("a tag").to_owned();
            let same = bench.get("/a.css", &format!("{fields}|If-None-Match: {tag}"));
            assert_eq!((same.status, same.field("vary")), (304, Some("Accept-Encoding")));
            tags.push(tag);
        }
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), 4, "each coding has a tag of its own");
        assert_eq!(bench.get("/a.css", "").text(), "plain");
        let none = bench.get("/a.css", "Accept-Encoding: *;q=0");
        assert_eq!((none.status, none.field("vary")), (406, Some("Accept-Encoding")));
        let part = bench.get("/a.css", "Accept-Encoding: br|Range: bytes=0-2");
        assert_eq!((part.status, part.text(), part.field("content-encoding")), (206, "pla", None));
        assert_eq!(bench.get("/old.css", "Accept-Encoding: gzip").text(), "plain", "it is older");
        let itself = bench.get("/a.css.gz", "");
        assert_eq!(
            (itself.field("content-type"), itself.field("vary")),
            (Some("application/gzip"), None)
        );
    }
}

#[test]
fn what_has_no_siblings_is_compressed_once() {
    let folder = Folder::new("compressed");
    let text = "So it goes.\n".repeat(1000);
    folder.write("a.txt", &text);
    folder.write("a.png", &text);
    folder.write("short.txt", &text[..500]);
    let mut bench = Bench::new(&folder, Options::default());
    let plain = bench.twice("GET", "/a.txt", "");
    assert_eq!((plain.text(), plain.field("vary")), (&*text, Some("Accept-Encoding")));
    let gzip = bench.twice("GET", "/a.txt", "Accept-Encoding: gzip");
    assert_eq!(gzip.field("content-encoding"), Some("gzip"));
    assert!(gzip.field("etag").is_some_and(|tag| tag.starts_with("W/") && tag.contains("gzip")));
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_string(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, text);
    let br = bench.twice("GET", "/a.txt", "Accept-Encoding: gzip, br");
    assert_eq!(br.field("content-encoding"), Some("br"));
    let mut unpacked = String::new();
    brotli::Decompressor::new(&br.body[..], 4096).read_to_string(&mut unpacked).expect("brotli");
    assert_eq!(unpacked, text);
    let head = bench.twice("HEAD", "/a.txt", "Accept-Encoding: gzip");
    assert_eq!(head.fields, gzip.fields);
    for path in ["/a.png", "/short.txt"] {
        let answer = bench.twice("GET", path, "Accept-Encoding: gzip, br");
        assert_eq!(
            (answer.field("content-encoding"), answer.field("vary")),
            (None, None),
            "{path}"
        );
    }
    // While it is being compressed for one, another gets it as it is.
    let mut bench = Bench::new(&folder, Options::default());
    bench.get("/a.txt", "");
    bench.works = false;
    let mut wire = b"GET /a.txt HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n".to_vec();
    bench.call(|connection, io| connection.feed(&mut wire, io));
    assert_eq!((bench.settle().len(), bench.jobs.len()), (0, 1));
    bench.works = true;
    let said = bench.settle();
    assert_eq!(Answer::read(&mut &said[..], false).field("content-encoding"), Some("br"));
}

#[test]
fn folders_have_an_index_or_a_listing_or_neither() {
    let folder = Folder::new("folders");
    folder.write("index.html", "top");
    folder.write("a b/index.html", "inner");
    folder.write("bare/x<y>.txt", "x");
    folder.write("bare/.hidden", "x");
    let mut bench = Bench::new(&folder, Options::default());
    for (path, text) in [("/", "top"), ("/?a=b", "top"), ("/a%20b/", "inner")] {
        let answer = bench.twice("GET", path, "");
        assert_eq!((answer.status, answer.text()), (200, text), "{path}");
        assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
    }
    for (path, place) in
        [("/a%20b", "/a%20b/"), ("/%61%20b?c=d&e", "/a%20b/?c=d&e"), ("/bare", "/bare/")]
    {
        let answer = bench.twice("GET", path, "");
        assert_eq!((answer.status, answer.field("location")), (301, Some(place)), "{path}");
    }
    for path in ["/bare/", "/none", "/none/", "/index.html/", "/index.html/x"] {
        assert_eq!(bench.twice("GET", path, "").status, 404, "{path}");
    }
    let mut bench = Bench::new(&folder, Options { listing: true, ..Options::default() });
    let page = bench.twice("GET", "/bare/", "");
    assert_eq!((page.status, page.field("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(
        page.field("content-security-policy")
            .is_some_and(|policy| policy.contains("default-src 'none'"))
    );
    assert!(page.text().contains("x&lt;y&gt;.txt") && !page.text().contains("hidden"));
    assert_eq!(bench.get("/", "").text(), "top");
    assert_eq!(bench.get("/none/", "").status, 404);
}

#[test]
fn files_are_read_and_nothing_else() {
    let folder = Folder::new("methods");
    folder.write("a.txt", "a");
    let mut bench = Bench::new(&folder, Options::default());
    for (method, status) in [("POST", 405), ("PUT", 405), ("DELETE", 405), ("OPTIONS", 204)] {
        let answer = bench.ask(method, "/a.txt", "");
        assert_eq!((answer.status, answer.field("allow")), (status, Some("GET, HEAD, OPTIONS")));
    }
}

#[test]
fn no_path_leads_out() {
    let folder = Folder::new("out");
    folder.write("a.txt", "a");
    folder.write("sub/b.txt", "b");
    folder.write(".secret", "SECRET");
    folder.write(".git/config", "SECRET");
    fs::write(folder.0.join("secret"), "SECRET").expect("written");
    for (target, link) in [("../secret", "link"), ("/etc/passwd", "absolute"), ("..", "up")] {
        std::os::unix::fs::symlink(target, folder.root().join(link)).expect("a link");
    }
    let mut bench = Bench::new(&folder, Options { listing: true, ..Options::default() });
    for path in [
        "/../secret",
        "/sub/../../secret",
        "/./../secret",
        "/%2e%2e/secret",
        "/%2E%2E/secret",
        "/.%2e/secret",
        "/%2e./secret",
        "/..%2fsecret",
        "/sub%2f..%2f..%2fsecret",
        "/%2fetc/passwd",
        "//etc/passwd",
        "/..%5csecret",
        "/..%00/secret",
        "/a.txt%00.png",
        "/%c0%ae%c0%ae/secret",
        "/%e0%80%ae%e0%80%ae/secret",
        "/%c0%ae%c0%ae%c0%afsecret",
        "/..;/secret",
        "/%252e%252e/secret",
        "/link",
        "/absolute",
        "/up/secret",
        "/up/",
        "/.secret",
        "/%2esecret",
        "/.git/config",
        "/sub/..",
        "/...",
        "/..",
        "/..?x",
        "/%2e%2e%2f",
        "http://a/../secret",
    ] {
        let answer = bench.get(path, "");
        assert!(matches!(answer.status, 404 | 400), "{path}: {}", answer.status);
        assert!(!answer.text().contains("SECRET") && !answer.text().contains("root:"), "{path}");
    }
    for path in ["/%zz", "/%", "/%u002e%u002e/secret"] {
        assert_eq!(bench.get(path, "").status, 400, "{path}");
    }
    let page = bench.get("/", "");
    for hidden in ["secret", "git", "link", "absolute"] {
        assert!(!page.text().contains(hidden), "{hidden} is listed");
    }
    assert_eq!(bench.get("/sub/b.txt", "").text(), "b");
}

#[test]
fn a_change_is_noticed_in_time_and_meanwhile_nobody_waits() {
    let folder = Folder::new("changes");
    let second = Duration::from_secs(1);
    for options in both() {
        folder.write("a.txt", "one");
        let mut bench = Bench::new(&folder, options);
        assert_eq!(bench.get("/a.txt", "").text(), "one");
        folder.write("new", "two, longer");
        fs::rename(folder.root().join("new"), folder.root().join("a.txt")).expect("replaced");
        bench.wait(second);
        assert_eq!(bench.get("/a.txt", "").text(), "one", "it is fresh still");
        bench.wait(second / 2);
        assert_eq!(bench.get("/a.txt", "").text(), "one", "it is served while it is checked");
        assert_eq!(bench.get("/a.txt", "").text(), "two, longer");
        // Long after, nothing old is served at all.
        folder.write("a.txt", "three");
        bench.wait(second * 60);
        assert_eq!(bench.get("/a.txt", "").text(), "three");
        bench.wait(second * 60);
        assert_eq!(bench.get("/a.txt", "").text(), "three");
        fs::remove_file(folder.root().join("a.txt")).expect("removed");
        bench.wait(second * 60);
        assert_eq!(bench.get("/a.txt", "").status, 404);
        folder.write("a.txt", "again");
        assert_eq!(bench.get("/a.txt", "").text(), "again", "what is missing is not remembered");
    }
}

#[test]
fn when_the_pool_is_full_what_is_kept_is_served_and_the_rest_is_put_off() {
    let folder = Folder::new("full");
    folder.write("a.bin", "one");
    let mut bench = Bench::new(&folder, Options::default());
    assert_eq!(bench.get("/a.bin", "").text(), "one");
    bench.wait(Duration::from_secs(60));
    for (path, status) in [("/a.bin", 200), ("/b.bin", 503)] {
        bench.works = false;
        let mut wire = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
        bench.call(|connection, io| connection.feed(&mut wire, io));
        let (tag, job) = bench.jobs.pop_front().expect("a job");
        drop(job);
        bench.call(|connection, io| {
            connection.message(Message::any(OffloadFailed { tag }), io);
        });
        let said = bench.settle();
        assert_eq!(Answer::read(&mut &said[..], false).status, status, "{path}");
    }
}

/// However many ask at once, one look-up serves them all, also if there is nothing; and if the one
/// who had it done leaves, the others help themselves.
#[test]
fn a_file_that_many_ask_for_is_looked_up_once() {
    let folder = Folder::new("herd");
    folder.write("a.bin", "one");
    for (path, status) in [("/a.bin", 200), ("/b.bin", 404)] {
        let mut herd = Herd::new(&folder, 5);
        assert_eq!(herd.ask(path), 1);
        herd.work();
        assert_eq!(herd.heard(), [status; 5], "{path}");
        let mut herd = Herd::new(&folder, 5);
        herd.ask(path);
        herd.leave_first();
        herd.work();
        assert_eq!(herd.heard(), [0; 4], "{path}: they still wait for it");
        herd.wait(Duration::from_secs(1));
        herd.work();
        assert_eq!(herd.heard(), [status; 4], "{path}");
    }
}

/// Several connections on one loop.
struct Herd {
    members: Vec<(Connection, Out)>,
    env: Env,
    jobs: VecDeque<(Token, Job)>,
}

impl Herd {
    fn new(folder: &Folder, count: u32) -> Self {
        let files = Files::new(&folder.root(), Options::default()).expect("a folder");
        let service =
            Http::new(move |head: &Head<'_>, reply: Reply<'_, '_>| files.answer(head, reply));
        let mut env = Env::new(Limits::default());
        env.date.refresh(Moment::START, then() + Duration::from_secs(1_000_000_000));
        let open = |index| {
            let mut out = Out::default();
            let token = Token::new(index, 1);
            let mut io = Io { out: &mut out, env: &mut env, token, unsent: 0 };
            (Connection::plain(&service, &Peer::Unnamed, &mut io), out)
        };
        let members = (0..count).map(open).collect();
        Herd { members, env, jobs: VecDeque::new() }
    }

    fn call(&mut self, at: usize, f: impl FnOnce(&mut Connection, &mut Io<'_>)) {
        let token = Token::new(u32::try_from(at).expect("few"), 1);
        let Some((connection, out)) = self.members.get_mut(at) else { return };
        f(connection, &mut Io { out, env: &mut self.env, token, unsent: 0 });
        for op in std::mem::take(&mut self.env.ops) {
            match op {
                Op::Offload(to, _, job) => self.jobs.push_back((to, job)),
                Op::Send(to, message) => self.tell(to, message),
                _ => {}
            }
        }
    }

    fn tell(&mut self, to: Token, message: Message) {
        let call: Box<dyn FnOnce(&mut Connection, &mut Io<'_>)> =
            Box::new(|connection, io| connection.message(message, io));
        self.call(to.index(), call);
    }

    /// All ask; answers how many jobs that makes.
    fn ask(&mut self, path: &str) -> usize {
        for at in 0..self.members.len() {
            let mut wire = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
            self.call(at, |connection, io| connection.feed(&mut wire, io));
        }
        self.jobs.len()
    }

    fn work(&mut self) {
        while let Some((to, job)) = self.jobs.pop_front() {
            self.tell(to, job());
        }
    }

    /// The first member's connection ends; the last one takes its place.
    fn leave_first(&mut self) {
        self.jobs.clear();
        let (mut connection, _) = self.members.swap_remove(0);
        connection.closed(CloseReason::PeerClosed, &mut self.env);
    }

    fn wait(&mut self, time: Duration) {
        self.env.now += time;
        for at in 0..self.members.len() {
            self.call(at, Connection::timeout);
        }
    }

    /// The status that each has got; 0 for none.
    fn heard(&mut self) -> Vec<u16> {
        let status = |said: &[u8]| match said {
            [] => 0,
            said => Answer::read(&mut &*said, false).status,
        };
        self.members.iter_mut().map(|(_, out)| status(&out.take())).collect()
    }
}

#[test]
fn a_long_file_is_sent_in_pieces_and_one_that_shrinks_breaks_the_connection() {
    let folder = Folder::new("long");
    let text: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    folder.write("a.bin", &text);
    let mut bench = Bench::new(&folder, Options::default());
    assert!(bench.twice("GET", "/a.bin", "").body == text);
    assert!(bench.get("/a.bin", "Range: bytes=1000000-").body == text[1_000_000..]);
    let head = bench.twice("HEAD", "/a.bin", "");
    assert_eq!(head.field("content-length"), Some("3000000"));
    let file = fs::File::options().write(true).open(folder.root().join("a.bin")).expect("there");
    file.set_len(1000).expect("shorter");
    let mut wire = b"GET /a.bin HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    bench.call(|connection, io| connection.feed(&mut wire, io));
    bench.settle();
    assert_eq!(bench.connection.life(), Life::Closed);
}

/// Serves the folder on a loop of its own while `test` runs.
fn serving(folder: &Folder, test: impl FnOnce(SocketAddr)) {
    let (sender, receiver) = channel();
    let root = folder.root();
    let thread = thread::spawn(move || {
        let files = Files::new(&root, Options::default()).expect("a folder");
        let service =
            Http::new(move |head: &Head<'_>, reply: Reply<'_, '_>| files.answer(head, reply));
        let mut reactor = Reactor::new(Limits::default()).expect("a poll");
        let at: Listen = SocketAddr::from(([127, 0, 0, 1], 0)).into();
        let token = reactor.listen(at, service).expect("a port");
        let Some(Address::Inet(address)) = reactor.local_address(token) else { panic!("no port") };
        sender.send((address, reactor.handle())).expect("the test waits");
        reactor.run().expect("the poll works");
    });
    let (address, handle) = receiver.recv().expect("the loop starts");
    test(address);
    let _ = handle.stop();
    thread.join().expect("the loop is well");
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
    stream
}

fn send(stream: &mut TcpStream, path: &str, fields: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
}

fn fetch(address: SocketAddr, path: &str, fields: &str) -> Answer {
    let mut stream = connect(address);
    send(&mut stream, path, fields);
    let mut said = Vec::new();
    stream.read_to_end(&mut said).expect("an answer");
    Answer::read(&mut &said[..], false)
}

#[test]
fn the_system_sends_long_files_whole_and_in_parts() {
    let folder = Folder::new("loopback");
    let text: Vec<u8> = (0..5_000_000_u32).flat_map(u32::to_le_bytes).collect();
    folder.write("a.bin", &text);
    folder.write("small.txt", "small");
    folder.write("middle.bin", &text[..200_000]);
    serving(&folder, |address| {
        for _ in 0..3 {
            assert!(fetch(address, "/a.bin", "").body == text);
            assert!(fetch(address, "/middle.bin", "").body == text[..200_000]);
            assert_eq!(fetch(address, "/small.txt", "").text(), "small");
            let part = fetch(address, "/a.bin", "Range: bytes=5000000-14999999\r\n");
            assert_eq!(part.status, 206);
            assert!(part.body == text[5_000_000..15_000_000]);
        }
        let parts = fetch(address, "/a.bin", "Range: bytes=0-2999999,10000000-12999999\r\n");
        assert_eq!(parts.status, 206);
        let found = |part: &[u8]| {
            let start = &part[..1000];
            let at = parts.body.windows(1000).position(|window| window == start);
            at.is_some_and(|at| parts.body.get(at..at + part.len()) == Some(part))
        };
        assert!(found(&text[..3_000_000]) && found(&text[10_000_000..13_000_000]));
    });
}

/// Descriptors of this process that lead to `path`.
#[cfg(target_os = "linux")]
fn descriptors(path: &Path) -> usize {
    let open = fs::read_dir("/proc/self/fd").expect("the system tells").flatten();
    open.filter(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == path)).count()
}

#[cfg(target_os = "linux")]
#[test]
fn who_leaves_early_leaves_no_descriptor_and_who_gets_less_is_told() {
    let folder = Folder::new("early");
    let path = folder.root().join("a.bin");
    let file = fs::File::create(&path).expect("a file");
    file.set_len(200_000_000).expect("a hole");
    drop(file);
    date(&path, then());
    serving(&folder, |address| {
        for _ in 0..20 {
            let mut stream = connect(address);
            send(&mut stream, "/a.bin", "");
            let mut some = [0; 100_000];
            stream.read_exact(&mut some).expect("some of it");
        }
        // One is kept for the next who asks.
        let mut tries = 0..500;
        while descriptors(&path) > 1 && tries.next().is_some() {
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(descriptors(&path), 1);

        let mut stream = connect(address);
        send(&mut stream, "/a.bin", "");
        stream.shutdown(Shutdown::Write).expect("our half");
        let mut some = [0; 100_000];
        stream.read_exact(&mut some).expect("some of it");
        let file = fs::File::options().write(true).open(&path).expect("there");
        file.set_len(1000).expect("shorter");
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        assert!(ended.is_err() || rest.len() < 199_000_000, "less than was promised, and an end");
    });
}
