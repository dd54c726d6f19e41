//! The load generator against real sockets: its counts are the server's, and every way in which a
//! server can be wrong has its own kind of error.

#![cfg(feature = "cli")]

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use readyloop::load::{Driver, Event, Fresh, Pace, Phase, Plan, Url};
use readyloop::measure::Outcome;
use readyloop::reactor::edge::Edge;
use readyloop::reactor::world::World;
use readyloop::session::http::{Answered, Http, Reply};
use readyloop::{Handle, Head, Limits, Reactor};

/// What is measured of a server that serves.
const SHORT: Duration = Duration::from_millis(200);

fn plan(url: &str) -> Plan {
    let url: Url = url.parse().expect("a target");
    Plan {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, url.port)),
        url,
        also: Vec::new(),
        connections: 4,
        depth: 1,
        fresh: Fresh::Kept,
        pace: Pace::Closed,
        warmup: Duration::ZERO,
        lasts: SHORT,
        patience: Duration::from_secs(10),
        size: 100,
        idle: 0,
        slow_readers: 0,
        slow_writers: 0,
    }
}

/// A run of a plan, and what its clock is ahead by.
fn driver(plan: Plan) -> (Driver<Edge>, Rc<Cell<Duration>>) {
    assert_eq!(plan.check(), Ok(()));
    let mut reactor = Reactor::new(Limits::default()).expect("a poll can be had");
    let (now, instant) = (reactor.world().now(), Instant::now());
    let ahead = Rc::new(Cell::new(Duration::ZERO));
    let more = Rc::clone(&ahead);
    let clock = Rc::new(move || now + instant.elapsed() + more.get());
    (Driver::new(plan, None, reactor, clock).expect("there is memory"), ahead)
}

fn run(plan: Plan) -> Outcome {
    let (mut driver, _) = driver(plan);
    let mut seen = Vec::new();
    loop {
        match driver.step().expect("the poll works") {
            Event::Done => break,
            Event::None => {}
            event => seen.push(event),
        }
    }
    assert_eq!(seen, [Event::Open, Event::Begin, Event::End]);
    driver.outcome()
}

/// Our own server, which counts.
struct Server {
    port: u16,
    asked: Arc<AtomicU64>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Server {
        let asked = Arc::new(AtomicU64::new(0));
        let (sender, receiver) = channel();
        let counter = Arc::clone(&asked);
        let thread = thread::spawn(move || {
            let mut reactor = Reactor::new(Limits::default()).expect("a poll can be had");
            let answer = move |head: &Head<'_>, reply: Reply<'_, '_>| -> Answered {
                counter.fetch_add(1, Ordering::Relaxed);
                let text =
                    if head.path() == "/long" { "long ".repeat(50_000) } else { "Hi".into() };
                reply.text(200, &text)
            };
            let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let token = reactor.listen(at, Http::new(answer)).expect("a port can be had");
            let address = reactor.local_address(token).and_then(|address| address.as_inet());
            sender.send((address, reactor.handle())).expect("the test waits");
            reactor.run().expect("the poll works");
        });
        let (address, handle) = receiver.recv().expect("the loop starts");
        let port = address.expect("it listens").port();
        Server { port, asked, handle, thread: Some(thread) }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.handle.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// All is well: the load's counts are the server's, which was asked once over each connection
/// before the run, if they are kept.
fn counts_agree(server: &Server, plan: Plan) -> Outcome {
    let trials = if plan.fresh == Fresh::Kept { plan.connections as u64 } else { 0 };
    let outcome = run(plan);
    assert_eq!(outcome.errors.total(), 0, "{:?}", outcome.errors);
    assert!(outcome.answered > 0);
    assert_eq!(outcome.answered + trials, server.asked());
    assert_eq!(outcome.unready, 0);
    assert_eq!(outcome.offered, outcome.answered);
    assert_eq!(outcome.latency.count, outcome.answered);
    outcome
}

#[test]
fn a_closed_loop_counts_what_the_server_counts() {
    let server = Server::start();
    let outcome = counts_agree(&server, plan(&server.url("/")));
    assert_eq!(outcome.connect.count, 4);
    assert_eq!(outcome.service, outcome.latency);
    assert!(outcome.fairness.is_some_and(|fairness| fairness.unserved == 0));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    counts_agree(&server, Plan { depth: 8, ..plan(&server.url("/")) });
}

#[test]
fn a_mix_knows_which_answer_is_whose() {
    let server = Server::start();
    let also = vec![(server.url("/long").parse().expect("a target"), 0.25)];
    let outcome = counts_agree(&server, Plan { also, depth: 2, ..plan(&server.url("/")) });
    assert!(outcome.bytes_in > outcome.answered / 5 * 250_000);
}

#[test]
fn every_request_can_have_its_own_connection() {
    let server = Server::start();
    let fresh = Plan { fresh: Fresh::Request, ..plan(&server.url("/")) };
    let outcome = counts_agree(&server, fresh);
    assert!(outcome.connect.count > 4);
}

#[test]
fn an_open_loop_sends_what_was_planned() {
    let server = Server::start();
    let pace = Pace::Open(vec![Phase { rate: 1000.0, lasts: SHORT }]);
    let outcome = counts_agree(&server, Plan { pace, ..plan(&server.url("/")) });
    assert_eq!(outcome.answered, 200);
    assert_eq!((outcome.service.count, outcome.late.count), (200, 200));
    let fresh = Plan {
        pace: Pace::Open(vec![Phase { rate: 500.0, lasts: SHORT }]),
        fresh: Fresh::Request,
        ..plan(&server.url("/"))
    };
    assert_eq!(run(fresh).answered, 100);
}

#[test]
fn connections_beside_are_open_and_are_not_counted() {
    let server = Server::start();
    let beside = Plan { idle: 3, slow_readers: 1, slow_writers: 1, ..plan(&server.url("/")) };
    let outcome = run(beside);
    assert_eq!(outcome.errors.total(), 0, "{:?}", outcome.errors);
    assert_eq!(outcome.connect.count, 9);
    assert!(outcome.answered <= server.asked());
}

#[test]
fn slow_readers_that_are_refused_are_errors_of_status() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port can be had");
    let port = listener.local_addr().expect("it listens").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut bytes = [0; 1024];
                while let Ok(count @ 1..) = stream.read(&mut bytes) {
                    let missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
                    let is_long = bytes[..count].starts_with(b"GET /bytes/");
                    if stream.write_all(if is_long { missing } else { RIGHT }).is_err() {
                        return;
                    }
                }
            });
        }
    });
    // Its answers come after pauses of 50 ms.
    let plan =
        Plan { slow_readers: 2, lasts: SHORT * 2, ..plan(&format!("http://127.0.0.1:{port}/")) };
    let errors = run(plan).errors;
    assert!(errors.status > 0, "{errors:?}");
    assert_eq!(errors.total(), errors.status);
}

/// What a wrong server does with a request: it says this, and ends the connection if so.
type Wrong = fn(number: u64) -> (Vec<u8>, bool);

/// A server that is wrong in a certain way, on a thread for each connection.
fn wrong(how: Wrong) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port can be had");
    let port = listener.local_addr().expect("it listens").port();
    let number = Arc::new(AtomicU64::new(0));
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let number = Arc::clone(&number);
            thread::spawn(move || {
                let mut bytes = [0; 1024];
                while let Ok(count @ 1..) = stream.read(&mut bytes) {
                    assert!(bytes[..count].ends_with(b"\r\n\r\n"));
                    let (says, ends) = how(number.fetch_add(1, Ordering::Relaxed));
                    if stream.write_all(&says).is_err() || ends {
                        return;
                    }
                }
            });
        }
    });
    port
}

fn of_wrong(how: Wrong) -> Outcome {
    let patience = Duration::from_millis(300);
    run(Plan { connections: 2, patience, ..plan(&format!("http://127.0.0.1:{}/", wrong(how))) })
}

const RIGHT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello";

#[test]
fn answers_of_failure_are_errors_of_status() {
    let outcome = of_wrong(|_| {
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_vec(), false)
    });
    assert_eq!((outcome.answered, outcome.errors.total()), (0, outcome.errors.status));
    assert!(outcome.errors.status > 0);
    assert_eq!(outcome.latency.count, 0);
}

#[test]
fn another_body_or_another_length_is_wrong() {
    let outcome = of_wrong(|number| match number % 4 {
        1 => (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHullo".to_vec(), false),
        2 => (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nHello!".to_vec(), false),
        _ => (RIGHT.to_vec(), false),
    });
    assert_eq!(outcome.errors.total(), outcome.errors.wrong);
    assert!(outcome.errors.wrong > 0 && outcome.answered > 0);
}

#[test]
fn the_same_body_in_another_dress_is_right() {
    let outcome = of_wrong(|number| match number % 3 {
        1 => (b"HTTP/1.1 200 Fine\r\nX: y\r\ncontent-length: 5\r\n\r\nHello".to_vec(), false),
        2 => {
            let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nHel\r\n2\r\nlo\r\n0\r\n\r\n";
            (chunks.to_vec(), false)
        }
        _ => (RIGHT.to_vec(), false),
    });
    assert_eq!(outcome.errors.total(), 0, "{:?}", outcome.errors);
    assert!(outcome.answered > 0);
}

#[test]
fn what_is_no_http_is_wrong_and_ends_the_connection() {
    let outcome = of_wrong(|_| (b"220 mail.example ESMTP\r\n\r\n".to_vec(), false));
    assert_eq!((outcome.answered, outcome.errors.total()), (0, outcome.errors.wrong));
    assert!(outcome.errors.wrong > 0);
}

#[test]
fn more_than_was_asked_for_is_wrong() {
    let outcome = of_wrong(|number| match number {
        0..2 => (RIGHT.to_vec(), false),
        _ => ([RIGHT, b"HTTP"].concat(), false),
    });
    assert!(outcome.errors.wrong > 0);
}

#[test]
fn a_connection_that_ends_before_its_answer_is_closed() {
    for how in [(|_| (Vec::new(), true)) as Wrong, |_| {
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nHello".to_vec(), true)
    }] {
        let outcome = of_wrong(how);
        assert_eq!((outcome.answered, outcome.errors.total()), (0, outcome.errors.closed));
        assert!(outcome.errors.closed > 2, "the places are filled again");
    }
}

#[test]
fn a_connection_that_ends_after_its_answer_is_made_again() {
    let outcome = of_wrong(|_| (RIGHT.to_vec(), true));
    assert!(outcome.answered > 2);
    assert_eq!(outcome.errors.status + outcome.errors.wrong + outcome.errors.timed_out, 0);
    let outcome =
        of_wrong(|_| (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end".to_vec(), true));
    assert!(outcome.answered > 2);
    assert_eq!(outcome.errors.total(), 0, "{:?}", outcome.errors);
}

#[test]
fn no_answer_is_a_time_out_that_the_latency_knows() {
    let outcome = of_wrong(|_| (Vec::new(), false));
    assert_eq!((outcome.answered, outcome.errors.total()), (0, outcome.errors.timed_out));
    assert!(outcome.errors.timed_out >= 2);
    assert_eq!(outcome.latency.count, outcome.errors.timed_out);
    assert!(outcome.latency.max >= 290_000_000, "{}", outcome.latency.max);
    assert_eq!(outcome.unready, 2);
}

/// A server that lets connections wait in the system's queue for a while before it accepts them.
#[test]
fn the_window_begins_when_connections_are_accepted() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port can be had");
    let port = listener.local_addr().expect("it listens").port();
    thread::spawn(move || {
        thread::sleep(SHORT * 2);
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut bytes = [0; 1024];
                while matches!(stream.read(&mut bytes), Ok(1..)) {
                    if stream.write_all(RIGHT).is_err() {
                        return;
                    }
                }
            });
        }
    });
    let plan = Plan { idle: 2, lasts: SHORT / 2, ..plan(&format!("http://127.0.0.1:{port}/")) };
    let outcome = run(plan);
    assert_eq!((outcome.errors.total(), outcome.unready), (0, 0));
    assert!(outcome.answered > 0, "the window was not over before the server began");
}

#[test]
fn who_interrupts_a_run_does_not_wait_for_answers_that_hang() {
    let hangs = || wrong(|number| (if number == 0 { RIGHT.to_vec() } else { Vec::new() }, false));
    for (lasts, when) in [(SHORT * 100, Event::Begin), (SHORT / 10, Event::End)] {
        let patience = Duration::from_secs(3600);
        let url = format!("http://127.0.0.1:{}/", hangs());
        let (mut driver, ahead) = driver(Plan { connections: 1, lasts, patience, ..plan(&url) });
        while driver.step().expect("the poll works") != when {}
        driver.interrupt();
        let mut events = Vec::new();
        for _ in 0..4 {
            events.push(driver.step().expect("the poll works"));
            ahead.set(ahead.get() + Duration::from_secs(1));
        }
        assert_eq!(events.last(), Some(&Event::Done), "{events:?}");
        assert_eq!(driver.outcome().errors.total(), driver.outcome().errors.timed_out);
    }
}

#[test]
fn nobody_there_is_an_error_of_connecting() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port can be had");
    let port = listener.local_addr().expect("it listens").port();
    drop(listener);
    let url = format!("http://127.0.0.1:{port}/");
    let patience = Duration::from_millis(100);
    let outcome = run(Plan { connections: 2, patience, ..plan(&url) });
    assert_eq!((outcome.answered, outcome.errors.total()), (0, outcome.errors.connect));
    assert!(outcome.errors.connect >= 2);
}

/// The command with these arguments: its exit code, its lines on stdout and its stderr.
fn command(arguments: &[&str]) -> (Option<i32>, Vec<String>, String) {
    let program = env!("CARGO_BIN_EXE_readyloop");
    let output = Command::new(program).arg("load").args(arguments).output().expect("it runs");
    let out = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    (output.status.code(), out, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_command_gives_its_cues_and_then_the_outcome() {
    let server = Server::start();
    let url = server.url("/");
    let (code, out, err) =
        command(&[&url, "-c", "3", "-d", "100ms", "--warmup", "0", "--json", "--cues"]);
    assert_eq!((code, &*err), (Some(0), ""));
    let [open, begin, end, outcome] = &out[..] else { panic!("{out:?}") };
    assert_eq!([&**open, begin, end], ["open", "begin", "end"].map(cue));
    let outcome: Outcome = serde_json::from_str(outcome).expect("an outcome");
    assert_eq!(outcome.answered + 3, server.asked(), "each connection was tried");
    assert_eq!((outcome.connections, &outcome.url), (3, &url));
    assert_eq!(outcome.options.get("duration").map(String::as_str), Some("100ms"));
}

#[test]
fn with_cues_connections_stay_until_somebody_gives_leave() {
    let server = Server::start();
    let url = server.url("/");
    let program = env!("CARGO_BIN_EXE_readyloop");
    let mut load = Command::new(program)
        .args(["load", &url, "-c", "3", "-d", "50ms", "--warmup", "0", "--json", "--cues"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut leave = load.stdin.take().expect("it is piped");
    let mut lines = BufReader::new(load.stdout.take().expect("it is piped")).lines();
    for name in ["open", "begin", "end"] {
        assert_eq!(lines.next().expect("a cue").expect("text"), cue(name));
    }
    // Longer than a load takes that does not wait; one that does waits for much longer.
    thread::sleep(SHORT * 2);
    assert!(load.try_wait().expect("it is our child").is_none());
    leave.write_all(b"\n").expect("it reads");
    let outcome = lines.next().expect("an outcome").expect("text");
    let outcome: Outcome = serde_json::from_str(&outcome).expect("an outcome");
    assert_eq!((outcome.answered + 3, outcome.errors.total()), (server.asked(), 0));
    assert!(load.wait().expect("it is our child").success());
}

fn cue(name: &str) -> &'static str {
    match name {
        "open" => r#"{"cue":"open"}"#,
        "begin" => r#"{"cue":"begin"}"#,
        _ => r#"{"cue":"end"}"#,
    }
}

#[test]
fn the_command_shows_people_what_it_found() {
    let server = Server::start();
    let url = server.url("/");
    let (code, out, _) = command(&[&url, "-d", "100ms", "--rate", "500", "-c", "2"]);
    let text = out.join("\n");
    assert_eq!(code, Some(0));
    for part in ["open loop", "planned", "p99.9", "service", "every answer was checked"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_command_refuses_what_makes_no_sense() {
    for (arguments, code, says) in [
        (&["http://127.0.0.1:1/", "--fresh", "--pipeline", "2"][..], 2, "--fresh"),
        (&["ftp://127.0.0.1:1/"], 2, "ftp://"),
        (&["http://127.0.0.1:1/", "--rate", "x"], 2, "rate"),
        (&["http://127.0.0.1:1/", "--timeout", "100ms"], 1, "refused"),
        (&["http://no-such-host.invalid/"], 5, "no-such-host.invalid"),
        (&["http://127.0.0.1:1/", "-c", "100000000"], 2, "ulimit -n"),
    ] {
        let (exit, _, err) = command(arguments);
        assert_eq!(exit, Some(code), "{arguments:?}: {err}");
        assert!(err.contains(says), "{arguments:?}: {err}");
    }
}
