//! The lessons that are broken on purpose: the fault really happens, and the scope's own detector
//! names it; and their repaired twins, in which nothing is found.
#![cfg(feature = "cli")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use readyloop::cli::learn::{LESSONS, Lesson, Script, Stage, play};

/// Plays all programs of a lesson, once each, and holds each to its promise.
fn keeps_its_promises(name: &str) {
    let find = |lesson: &&Lesson| lesson.name == name;
    let lesson = LESSONS.iter().find(find).expect("it is in the table");
    for act in lesson.acts {
        let stage = Stage::new(Script { once: true, ..Script::default() });
        let outcome = play(act, &stage).expect("it can be played");
        let kept = outcome.keeps(act.promise);
        assert_eq!(kept, Ok(()), "{name}, {}: {:#?}", act.word, outcome.lines);
    }
}

#[test]
fn lost_edge() {
    keeps_its_promises("lost_edge");
}

#[test]
fn drain_forever() {
    keeps_its_promises("drain_forever");
}

#[test]
fn blocked_handler() {
    keeps_its_promises("blocked_handler");
}

#[test]
fn forgotten_writable() {
    keeps_its_promises("forgotten_writable");
}

#[cfg(target_os = "linux")]
#[test]
fn kept_writable() {
    keeps_its_promises("kept_writable");
}

/// In a process of its own: it takes nearly all descriptors, and copies of all that are open.
#[cfg(target_os = "linux")]
#[test]
fn descriptor_exhaustion() {
    for act in ["spinning", "silent", "repaired"] {
        let command = Command::new(env!("CARGO_BIN_EXE_readyloop"))
            .args(["learn", "descriptor_exhaustion", "--once", "--act", act])
            .output()
            .expect("the command can be run");
        let said = String::from_utf8_lossy(&command.stdout);
        assert!(command.status.success(), "{act}: {said}");
        assert!(said.contains("as promised"), "{act}: {said}");
    }
}

/// One request of its own connection, and the whole answer.
fn get(authority: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(authority).expect("the page listens");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out can be set");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("the page reads");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("the page answers");
    String::from_utf8_lossy(&answer).into_owned()
}

/// A command that does not outlive the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Round after round, with the page open on it, until a signal ends it.
#[test]
fn the_page_is_open_on_a_lesson_until_it_is_stopped() {
    let command = Command::new(env!("CARGO_BIN_EXE_readyloop"))
        .args(["learn", "lost_edge"])
        .stdout(Stdio::piped())
        .spawn();
    let mut command = Running(command.expect("the command can be run"));
    let mut said = BufReader::new(command.0.stdout.take().expect("it is piped")).lines();
    let mut line = || said.next().and_then(Result::ok).expect("it goes on");
    let authority = loop {
        if let Some((_, rest)) = line().split_once("http://")
            && let Some((authority, _)) = rest.split_once('/')
        {
            break authority.to_owned();
        }
    };
    while !line().contains("found lost-edge") {}
    assert!(get(&authority, "/").contains("/_loop/"));
    let lesson = get(&authority, "/lesson");
    assert!(lesson.starts_with("HTTP/1.1 302") && lesson.contains("/manual/lessons/lost_edge"));
    assert!(get(&authority, "/manual/lessons/lost_edge").contains("A lost edge"));
    let deadline = Instant::now() + Duration::from_secs(20);
    while !get(&authority, "/_loop/sample").contains("\"lost-edge\"") {
        assert!(Instant::now() < deadline, "the page has not found it");
    }
    let process = nix::unistd::Pid::from_raw(command.0.id() as i32);
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGINT).expect("it lives");
    let rest: Vec<String> = std::iter::from_fn(|| said.next().and_then(Result::ok)).collect();
    assert!(command.0.wait().expect("it ends").success(), "{rest:#?}");
    assert!(rest.iter().any(|line| line.contains("as promised")), "{rest:#?}");
}
