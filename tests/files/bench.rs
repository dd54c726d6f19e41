//! A connection to files without a socket: the clock and the off-load pool are in the test's hands.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use readyloop::buf::Out;
use readyloop::connection::{Connection, Io};
use readyloop::session::datagram::Peer;
use readyloop::session::http::{Http, Reply};
use readyloop::session::{Env, Job, Op};
use readyloop::web::files::{Files, Options};
use readyloop::{Head, Limits, Moment, Token};

/// A folder of one test's own. What is written there is a while old, as files mostly are.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("readyloop-files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("root")).expect("a folder");
        Folder(path)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
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

pub(crate) fn date(path: &Path, time: SystemTime) {
    let file = fs::File::options().write(true).open(path).expect("it is there");
    file.set_modified(time).expect("a time");
}

pub(crate) const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

pub(crate) fn then() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first answer in `bytes`, which are advanced past it.
    pub(crate) fn read(bytes: &mut &[u8], is_head: bool) -> Answer {
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

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("text")
    }
}

/// A connection to files, without a socket.
pub(crate) struct Bench {
    pub(crate) connection: Connection,
    pub(crate) env: Env,
    pub(crate) out: Out,
    pub(crate) jobs: VecDeque<(u32, Job)>,
    /// Jobs are done as soon as they are wished for.
    pub(crate) works: bool,
}

pub(crate) const TOKEN: Token = Token::new(0, 1);

impl Bench {
    pub(crate) fn new(folder: &Folder, options: Options) -> Self {
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

    pub(crate) fn call(&mut self, f: impl FnOnce(&mut Connection, &mut Io<'_>)) {
        let mut io = Io { out: &mut self.out, env: &mut self.env, token: TOKEN, unsent: 0 };
        f(&mut self.connection, &mut io);
        for op in std::mem::take(&mut self.env.ops) {
            if let Op::Offload(_, tag, job) = op {
                self.jobs.push_back((tag, job));
            }
        }
    }

    /// Does what was wished for, and drains what was said, until nothing is left to do.
    pub(crate) fn settle(&mut self) -> Vec<u8> {
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

    pub(crate) fn ask(&mut self, method: &str, path: &str, fields: &str) -> Answer {
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

    pub(crate) fn get(&mut self, path: &str, fields: &str) -> Answer {
        self.ask("GET", path, fields)
    }

    /// Asks twice: what is kept must be answered as what was just read. Answers the second.
    pub(crate) fn twice(&mut self, method: &str, path: &str, fields: &str) -> Answer {
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

    pub(crate) fn wait(&mut self, time: Duration) {
        self.env.now += time;
    }
}

/// Both ways in which a file is held: in memory, and by its descriptor.
pub(crate) fn both() -> [Options; 2] {
    [Options::default(), Options { file_bytes: 0, ..Options::default() }]
}
