//! `readyloop top` as a user runs it: against a server that says what the test wants, and in a
//! terminal of its own.
#![cfg(feature = "cli")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything here may take before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the server of the test tells.
const SAMPLE: &str = concat!(
    r#"{"now":9000000000,"uptime":9000000000,"version":"9.9.9","on":true,"live":2,"#,
    r#""counters":{"turns":7,"responses":[0,0,18,0,0,0]},"descriptors":{"used":12,"limit":99},"#,
    r#""turns":[{"began":8000000000,"at":8100000000,"until":null,"ready":1,"busy":40000000,"#,
    r#""parts":[{"token":"3.1","call":"data","began":8100000000,"took":40000000}]}],"#,
    r#""connections":[{"token":"3.1","kind":"accepted","peer":"127.0.0.1:7","life":"open","#,
    r#""stage":"reply","label":"GET /slow","requests":1,"busy":40000000}],"shown":1,"open":1,"#,
    r#""stalls":[{"token":"3.1","call":"data","label":"GET /slow","began":8100000000,"#,
    r#""took":40000000,"computing":39000000}],"stalled":1,"findings":[]}"#
);

/// Reads one request's head and answers its path.
fn asked(stream: &mut impl Read) -> Option<String> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    lines.map_while(Result::ok).find(String::is_empty)?;
    Some(path)
}

/// A head and one body with its length.
fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A chunk of a stream.
fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// A server that answers each connection as `answer` does, and reports what was asked.
fn server(
    mut answer: impl FnMut(&mut TcpStream, &str) + Send + 'static,
) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let (tell, told) = channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let Some(path) = asked(&mut stream) else { continue };
            answer(&mut stream, &path);
            if tell.send(path).is_err() {
                return;
            }
        }
    });
    (address, told)
}

fn top(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_readyloop"));
    command.arg("top").args(arguments).stdin(Stdio::null());
    command.output().expect("the command runs")
}

/// Exit code, stdout, stderr.
fn said(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[test]
fn without_a_terminal_it_tells_one_look() {
    let (address, told) = server(|stream, _| {
        let _ = stream.write_all(answer("200 OK", SAMPLE).as_bytes());
    });
    let (code, out, err) = said(top(&[&format!("http://{address}/")]));
    assert_eq!((code, err.as_str()), (0, ""));
    for wanted in [
        "readyloop 9.9.9",
        "requests     18, 2/s since the start",
        "descriptors  12/99",
        "#3.1 GET /slow held the loop for 40 ms",
        "computing for 39 ms of it",
    ] {
        assert!(out.contains(wanted), "{wanted}: {out}");
    }
    assert_eq!(told.recv_timeout(PATIENCE).expect("asked"), "/_loop/sample?connections=200");
    let (code, out, _) = said(top(&["--json", "--connections", "5", &address.to_string()]));
    assert_eq!((code, out.trim_end()), (0, SAMPLE));
    assert_eq!(told.recv_timeout(PATIENCE).expect("asked"), "/_loop/sample?connections=5");
}

#[test]
fn a_unix_socket_is_watched_too() {
    let path = std::env::temp_dir().join(format!("readyloop-top-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("a socket");
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody");
        asked(&mut stream).expect("a request");
        stream.write_all(answer("200 OK", SAMPLE).as_bytes()).expect("it listens");
    });
    let (code, out, _) = said(top(&["--once", &format!("unix:{}", path.display())]));
    assert!(code == 0 && out.contains("readyloop 9.9.9  unix:/"), "{out}");
    serving.join().expect("it was asked");
    let _ = std::fs::remove_file(&path);
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let nobody = closed.local_addr().expect("an address");
    drop(closed);
    let status = |status: &'static str| {
        server(move |stream, _| {
            let _ = stream.write_all(answer(status, "no").as_bytes());
        })
    };
    let (forbidden, _f) = status("403 Forbidden");
    let (absent, _a) = status("404 Not Found");
    let (other, _o) = status("200 OK");
    let (cut, _c) = server(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{");
    });
    for (address, code, what, advice) in [
        (nobody, 5, "nobody listens there", "readyloop serve"),
        (forbidden, 1, "(403)", "own machine"),
        (absent, 1, "it has no scope (404)", "switched off"),
        (other, 1, "it is not understood", "--help"),
        (cut, 1, "closed the connection", "error"),
    ] {
        let (found, out, err) = said(top(&[&address.to_string()]));
        assert_eq!((found, out.as_str()), (code, ""), "{err}");
        assert!(err.contains(what) && err.contains(advice), "{what}: {err}");
    }
    for wrong in [&["tcp://h:7"][..], &["--every", "soon"], &["--ca", "a", "--insecure"]] {
        assert_eq!(said(top(wrong)).0, 2, "{wrong:?}");
    }
}

/// The command in a terminal of its own: `script` makes one.
struct Shown {
    child: Child,
    picture: Receiver<Vec<u8>>,
    seen: Vec<u8>,
}

impl Shown {
    /// Starts it with this environment, or answers `None` where there is no `script`.
    fn start(address: SocketAddr, environment: &[(&str, &str)]) -> Option<Shown> {
        // The shell says what is left of the terminal when the command has ended.
        let line = format!(
            "stty rows 30 cols 120; sh -c 'echo process $$; exec {} top http://{address} --every 50ms'; \
             echo ended $?; stty -a",
            env!("CARGO_BIN_EXE_readyloop")
        );
        let mut command = Command::new("script");
        command.args(["-q", "-c", &line, "/dev/null"]).env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR").envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) if std::env::var_os("CI").is_none() => {
                eprintln!("no terminal was made: script: {error}");
                return None;
            }
            Err(error) => panic!("script: {error}"),
        };
        let mut stdout = child.stdout.take().expect("a pipe");
        let (tell, picture) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut bytes) {
                if tell.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Some(Shown { child, picture, seen: Vec::new() })
    }

    /// Waits until it has shown `wanted` since it was last asked; answers what came before that.
    #[track_caller]
    fn wait_for(&mut self, wanted: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let text = String::from_utf8_lossy(&self.seen);
            if let Some(at) = text.find(wanted) {
                let before = text[..at].to_owned();
                self.seen = text[at + wanted.len()..].as_bytes().to_vec();
                return before;
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.picture.recv_timeout(left) {
                Ok(more) => self.seen.extend(more),
                Err(error) => panic!("{wanted:?}: {error} after {text}"),
            }
        }
    }

    fn type_keys(&mut self, keys: &str) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        stdin.write_all(keys.as_bytes()).and_then(|()| stdin.flush()).expect("it reads");
    }

    /// It has ended and left the terminal as it was.
    #[track_caller]
    fn ends(&mut self) {
        self.wait_for("\x1b[?1049l");
        self.wait_for("ended 0");
        self.wait_for(" icanon");
        self.wait_for(" echo ");
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_ends_with_its_terminal() {
    let (address, told) = streaming();
    let Some(mut shown) = Shown::start(address, &[]) else { return };
    shown.wait_for("process ");
    let number: i32 = shown.wait_for("\r\n").trim().parse().expect("a process number");
    told.recv_timeout(PATIENCE).expect("asked");
    shown.wait_for("computing");
    drop(shown);
    let until = Instant::now() + PATIENCE;
    // It is nobody's child any more; whoever inherits it reaps it.
    let runs = || {
        std::fs::read_to_string(format!("/proc/{number}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
    };
    while cfg!(target_os = "linux") && runs() {
        assert!(Instant::now() < until, "{number} still runs");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A server of streams: each has one sample, and ends when `stop` says so.
fn streaming() -> (SocketAddr, Receiver<String>) {
    let mut kept = Vec::new();
    server(move |stream, path| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
        let event = chunk(&format!("event: sample\ndata: {SAMPLE}\n\n"));
        // Cut where it hurts: within a chunk, within a line.
        let (one, two) = event.split_at(100);
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(one.as_bytes()).and_then(|()| stream.write_all(two.as_bytes()));
        // The first stream breaks off; the others stay.
        if !kept.is_empty() || path.contains("follow") {
            kept.extend(stream.try_clone());
        } else {
            kept.push(stream.try_clone().expect("a descriptor"));
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    })
}

#[test]
fn in_a_terminal_it_shows_asks_again_follows_and_leaves_no_trace() {
    let (address, told) = streaming();
    let Some(mut shown) = Shown::start(address, &[]) else { return };
    assert_eq!(
        told.recv_timeout(PATIENCE).expect("asked"),
        "/_loop/events?every=50&connections=200"
    );
    shown.wait_for("\x1b[?1049h");
    // The stream has ended, and another one is begun.
    shown.wait_for("it closed the connection");
    assert!(told.recv_timeout(PATIENCE).expect("asked again").starts_with("/_loop/events"));
    shown.type_keys("\r");
    let path = told.recv_timeout(PATIENCE).expect("asked for one");
    assert!(path.ends_with("&follow=3.1"), "{path}");
    shown.wait_for("calls of its session");
    shown.type_keys("q");
    shown.ends();
}

#[test]
fn without_colours_there_are_none_and_control_c_ends_it() {
    let (address, told) = streaming();
    let Some(mut shown) = Shown::start(address, &[("NO_COLOR", "1")]) else { return };
    told.recv_timeout(PATIENCE).expect("asked");
    // Where two words have blanks between them already, only the words are written.
    let before = shown.wait_for("computing");
    assert!(!before.contains("\x1b[38;"), "{before}");
    shown.type_keys("\x03");
    shown.ends();
}

#[test]
fn a_signal_ends_it_and_the_terminal_is_as_it_was() {
    let (address, told) = streaming();
    let Some(mut shown) = Shown::start(address, &[]) else { return };
    shown.wait_for("process ");
    let number = shown.wait_for("\r\n").trim().parse().expect("a process number");
    told.recv_timeout(PATIENCE).expect("asked");
    let before = shown.wait_for("computing");
    assert!(before.contains("\x1b[38;"), "{before}");
    kill(Pid::from_raw(number), Signal::SIGTERM).expect("it runs");
    shown.ends();
}

/// At a port that the system chooses.
const ANYWHERE: [&str; 2] = ["--http", "0"];

/// A running `serve`, with its user data in a folder of its own.
struct Serving {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Serving {
    fn start(name: &str, arguments: &[&str]) -> Serving {
        let folder = std::env::temp_dir().join(format!("readyloop-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_readyloop"));
        command.args(["serve", "--only", "http"]).args(arguments);
        command.env("XDG_DATA_HOME", &folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().expect("the command starts");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut lines = stdout.lines().map_while(Result::ok).take(20);
        let row =
            lines.find(|line| line.trim_start().starts_with("http ")).expect("a row of the banner");
        let address = row.split_whitespace().nth(1).expect("an address").parse();
        Serving { child, address: address.expect("an address"), folder }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn the_real_server_is_shown() {
    let serving = Serving::start("top", &ANYWHERE);
    let mut stream = TcpStream::connect(serving.address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    stream.write_all(b"GET /json HTTP/1.1\r\nHost: a\r\n\r\n").expect("it reads");
    stream.read_exact(&mut [0; 20]).expect("it answers");
    let address = serving.address.to_string();
    let (code, out, err) = said(top(&["--once", &address]));
    assert_eq!((code, err.as_str()), (0, ""));
    for wanted in ["connections  2\n", "GET /json", "(this view)", "turn time    p50 ≤"] {
        assert!(out.contains(wanted), "{wanted}: {out}");
    }
    let (_, json, _) = said(top(&["--json", &address]));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    let Some(mut shown) = Shown::start(serving.address, &[]) else { return };
    shown.wait_for("/json");
    // The one that is not the view's own is the second by its name.
    shown.type_keys("/json\r\r");
    shown.wait_for("calls of its session");
    shown.wait_for("data");
    shown.type_keys("q");
    shown.ends();
}

#[test]
fn a_server_that_goes_away_is_said_and_found_again() {
    let serving = Serving::start("top-gone", &ANYWHERE);
    let address = serving.address;
    let Some(mut shown) = Shown::start(address, &[]) else { return };
    shown.wait_for("this");
    drop(serving);
    shown.wait_for("nobody");
    let serving = Serving::start("top-back", &["--http", &address.to_string()]);
    assert_eq!(serving.address, address);
    // On screen the same words are not written twice: the server knows that it is watched again.
    let until = Instant::now() + PATIENCE;
    while !said(top(&["--json", &address.to_string()])).1.contains("GET /_loop/events") {
        assert!(Instant::now() < until, "it has not come back");
    }
    shown.type_keys("q");
    shown.ends();
}

#[test]
fn a_scope_that_is_off_is_said_with_how_to_turn_it_on() {
    let serving = Serving::start("top-off", &[&ANYWHERE[..], &["--scope", "off"]].concat());
    let (code, _, err) = said(top(&[&serving.address.to_string()]));
    assert!(code == 1 && err.contains("--scope on"), "{err}");
}
