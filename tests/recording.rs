//! Recordings as a user makes and reads them: by the command, of every model that can.
#![cfg(feature = "cli")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything in these tests may take before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder of one test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("readyloop-recording-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_readyloop"));
        command.args(arguments).current_dir(&self.0).stdin(Stdio::null());
        command.env("XDG_DATA_HOME", &self.0).env_remove("RUST_LOG");
        command
    }

    /// Runs `readyloop scope`.
    fn scope(&self, arguments: &[&str]) -> Output {
        let command = &mut self.command(&[&["scope"], arguments].concat());
        command.output().expect("the command runs")
    }

    /// The same, where it must go well: what it prints.
    fn read(&self, arguments: &[&str]) -> String {
        let output = self.scope(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running `serve` with the row http.
struct Server<'f> {
    folder: &'f Folder,
    child: Child,
    at: String,
}

impl<'f> Server<'f> {
    fn start(folder: &'f Folder, arguments: &[&str]) -> Self {
        let rows = ["serve", "--only", "http", "--http", "127.0.0.1:0"];
        let mut command = folder.command(&[&rows, arguments].concat());
        let log = fs::File::create(folder.file("log")).expect("a file");
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let row = stdout.lines().map_while(Result::ok).find(|line| line.starts_with("  http "));
        let row = row.unwrap_or_else(|| panic!("{}", log_of(folder)));
        let at = row.split_whitespace().nth(1).expect("an address").to_owned();
        Server { folder, child, at }
    }

    /// Asks on a connection of its own.
    fn ask(&self, path: &str) {
        let mut stream = TcpStream::connect(&self.at).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it takes a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    fn signal(&self, signal: Signal) {
        let process = i32::try_from(self.child.id()).expect("a process number");
        kill(Pid::from_raw(process), signal).expect("it runs");
    }

    fn end(mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "{}", log_of(self.folder));
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_of(folder: &Folder) -> String {
    fs::read_to_string(folder.file("log")).expect("a log")
}

/// Waits until `test` holds.
fn soon(what: &str, test: impl Fn() -> bool) {
    for _ in 0..PATIENCE.as_millis() / 10 {
        if test() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("never: {what}");
}

fn is_written(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.len() > 0)
}

#[test]
fn a_loop_is_recorded_on_a_stall_on_a_signal_and_at_the_end() {
    let folder = Folder::new("loop");
    // Every call is a stall.
    let server = Server::start(&folder, &["--record", "r.jsonl", "--stall", "1us"]);
    server.ask("/plaintext");
    soon("a stall is logged", || log_of(&folder).contains(" held the loop for "));
    soon("a stall is recorded", || is_written(&folder.file("r.jsonl")));
    soon("it is whole", || log_of(&folder).contains("to r.jsonl\n"));
    server.signal(Signal::SIGUSR1);
    soon("a signal is heard", || log_of(&folder).contains("to r.jsonl.1\n"));
    server.ask("/json");
    server.end();

    let all = folder.read(&["r.jsonl.2"]);
    for what in ["polled", "accepted by", "event readable", "request GET /plaintext", "closed:"] {
        assert!(all.contains(what), "{what} is not in\n{all}");
    }
    assert!(all.lines().all(|line| line.contains("s ") && line.contains(char::is_alphabetic)));
    // The story of whoever asked last.
    let last = all.lines().rfind(|line| line.contains("request GET /json")).expect("a request");
    let token = last.split_whitespace().nth(1).expect("a token");
    let story = folder.read(&["r.jsonl.2", "--token", token]);
    assert!(story.lines().count() >= 6 && story.lines().all(|line| line.contains(token)));
    let reads = folder.read(&["r.jsonl.2", "--token", token, "--fact", "read,wrote"]);
    assert!(reads.lines().all(|line| line.contains(" read ") || line.contains(" wrote ")));
    assert!(folder.read(&["r.jsonl.2", "--from", "1h"]).is_empty());
    assert!(folder.read(&["r.jsonl.2", "--fact", "stall"]).contains(" of CPU"));
    let summary = folder.read(&["r.jsonl.2", "--summary"]);
    for what in ["turns", "busiest", "stalls", "GET /json"] {
        assert!(summary.contains(what), "{what} is not in\n{summary}");
    }
    assert!(folder.read(&["r.jsonl.2", "--findings"]).contains("blocked-handler"));
    for (form, begins) in [("perfetto", ""), ("chrome", "{\"displayTimeUnit\""), ("svg", "<svg ")] {
        folder.read(&["r.jsonl.2", "r.jsonl", "--export", form, "-o", form]);
        let written = fs::read(folder.file(form)).expect("an export");
        assert!(written.len() > 1000 && written.starts_with(begins.as_bytes()), "{form}");
    }
    let chrome = fs::read(folder.file("chrome")).expect("an export");
    let chrome: serde_json::Value = serde_json::from_slice(&chrome).expect("JSON");
    assert!(chrome["traceEvents"].as_array().is_some_and(|events| events.len() > 20));
}

#[test]
fn without_a_file_a_signal_does_no_harm() {
    let folder = Folder::new("none");
    let server = Server::start(&folder, &["--scope", "off"]);
    server.signal(Signal::SIGUSR1);
    soon("it is said", || log_of(&folder).contains("--record FILE"));
    server.ask("/plaintext");
    server.end();
}

#[test]
fn every_model_is_recorded() {
    let folder = Folder::new("models");
    let mut models = vec!["blocking", "threads", "pool=2", "spin", "loop", "loops=2"];
    if cfg!(target_os = "linux") {
        models.push("level");
    }
    for model in &models {
        let arguments = ["--model", model, "--record", model, "--no-defer-accept"];
        let server = Server::start(&folder, &arguments);
        server.ask("/plaintext");
        server.ask("/plaintext");
        server.end();
        let mut text = folder.read(&[model]);
        if *model == "loops=2" {
            text += &folder.read(&["loops=2.1"]);
        }
        let count = |what: &str| text.lines().filter(|line| line.contains(what)).count();
        if *model == "spin" {
            // It tries every socket in every turn: its last facts are that nobody was there.
            assert!(count("nobody-waits") > 10, "{text}");
            continue;
        }
        for what in ["accepted by", "request GET /plaintext", " wrote ", "closed: "] {
            assert_eq!(count(what), 2, "{model}: {what} in\n{text}");
        }
        assert!(count(" called data for ") >= 2 && count(" peer 127.0.0.1:") == 2, "{model}");
    }
    let arguments = [&models[..2], &["--export", "svg", "-o", "side"]].concat();
    folder.read(&arguments);
    let picture = fs::read_to_string(folder.file("side")).expect("a picture");
    assert!(picture.contains(">blocking blocking<") && picture.contains(">threads threads<"));
    assert_eq!(refusal(&folder, &["serve", "--model", "go", "--record", "x"]).0, 2);
}

/// How the command ends, and what it says.
fn refusal(folder: &Folder, arguments: &[&str]) -> (i32, String) {
    let output = folder.command(arguments).output().expect("the command runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), said)
}

#[test]
fn what_cannot_be_read_is_said_with_its_line() {
    let folder = Folder::new("wrong");
    let header = "{\"recording\":1,\"version\":\"1\",\"model\":\"loop\",\"started\":\"2026-01-01T00:00:00Z\",\"lost\":3}\n";
    let stale = "{\"at\":1500,\"fact\":\"stale\",\"token\":\"1.1\"}\n";
    fs::write(folder.file("broken"), format!("{header}{stale}nonsense\n")).expect("a file");
    fs::write(folder.file("text"), "Hello\n").expect("a file");
    for (arguments, code, words) in [
        (&["scope", "nowhere"][..], 1, "cannot read nowhere"),
        (&["scope", "text"], 7, "text: line 1: not the header of a recording"),
        (&["scope", "broken", "--summary"], 7, "broken: line 3: not a JSON object"),
        (&["scope", "broken", "--fact", "slept"], 2, "slept"),
        (&["scope", "broken", "--export", "svg"], 2, "--output"),
        (&["serve", "--scope", "off", "--record", "x"], 2, "--scope off"),
        (&["serve", "--record", "no/such/folder/x"], 1, "no/such/folder/x"),
    ] {
        let (ended, said) = refusal(&folder, arguments);
        assert!(ended == code && said.contains(words), "{arguments:?}: {ended}\n{said}");
    }
    // What a crash leaves behind can be read.
    fs::write(folder.file("cut"), format!("{header}{stale}{}", &stale[..20])).expect("a file");
    let output = folder.scope(&["cut"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0.000001s #1.1 stale\n");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("line 3 was cut off"), "{said}");
    assert!(said.contains("3 older facts"), "{said}");
}

#[test]
fn whoever_has_seen_enough_may_close_the_pipe() {
    let folder = Folder::new("pipe");
    let header = "{\"recording\":1,\"version\":\"1\",\"model\":\"loop\",\"started\":\"2026-01-01T00:00:00Z\",\"lost\":0}\n";
    let stale = "{\"at\":1500,\"fact\":\"stale\",\"token\":\"1.1\"}\n";
    let mut command = folder.command(&["scope", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let writer = thread::spawn(move || {
        let _ = stdin.write_all(header.as_bytes());
        // More than any pipe holds; it ends when the command has ended.
        for _ in 0..1_000_000 {
            if stdin.write_all(stale.as_bytes()).is_err() {
                return;
            }
        }
    });
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut first).expect("a line");
    drop(stdout);
    assert_eq!(first, "0.000001s #1.1 stale\n");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]));
    writer.join().expect("the writer ends");
}
