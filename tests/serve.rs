//! The built command as a user runs it: every row answered, every exit code, every signal.
#![cfg(feature = "cli")]

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as cryptography;
#[cfg(not(feature = "aws-lc-rs"))]
use rustls::crypto::ring as cryptography;

/// How long anything in these tests may take before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder of one test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("readyloop-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The command, with its user data and its log in `folder`.
fn command(folder: &Folder, arguments: &[&str]) -> Command {
    let log = fs::File::create(folder.file("log")).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_readyloop"));
    command.args(arguments).stdin(Stdio::null()).stderr(log);
    command.env("XDG_DATA_HOME", &folder.0).env_remove("RUST_LOG");
    command
}

/// A running `serve`.
struct Server {
    child: Child,
    rows: HashMap<String, Vec<String>>,
    banner: String,
    folder: Folder,
}

impl Server {
    /// Starts it and reads its banner.
    fn start(name: &str, arguments: &[&str]) -> Self {
        let folder = Folder::new(name);
        let mut command = command(&folder, &[&["serve"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the command starts");
        let stdout = child.stdout.take().expect("a pipe");
        let (mut banner, mut rows) = (String::new(), HashMap::<_, Vec<_>>::new());
        let mut is_table = false;
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            banner.push_str(&line);
            banner.push('\n');
            let words: Vec<_> = line.split_whitespace().collect();
            match words.as_slice() {
                ["signals", ..] => break,
                ["row", "address", ..] => is_table = true,
                [] => is_table = false,
                [name, address, ..] if is_table => {
                    rows.entry(name.to_string()).or_default().push(address.to_string());
                }
                _ => {}
            }
        }
        Server { child, rows, banner, folder }
    }

    fn address(&self, row: &str) -> SocketAddr {
        let text = self.rows.get(row).and_then(|rows| rows.first());
        text.unwrap_or_else(|| panic!("no {row} in {}", self.banner)).parse().expect("an address")
    }

    fn connect(&self, row: &str) -> TcpStream {
        let stream = TcpStream::connect(self.address(row)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        stream
    }

    fn signal(&self, signal: Signal) {
        let process = i32::try_from(self.child.id()).expect("a process number");
        kill(Pid::from_raw(process), signal).expect("it runs");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.file("log")).expect("a log")
    }

    /// Waits until the log says `what`.
    fn wait_for_log(&self, what: &str) {
        for _ in 0..PATIENCE.as_millis() / 10 {
            if self.log().contains(what) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the log never said {what:?}:\n{}", self.log());
    }

    /// Its exit code and the whole log.
    fn end(mut self) -> (i32, String) {
        let status = self.child.wait().expect("it ends");
        (status.code().unwrap_or(-1), self.log())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every row, each at a port that the system chooses.
const ANYWHERE: [&str; 14] = [
    "--http",
    "0",
    "--https",
    "0",
    "--tcp-echo",
    "0",
    "--tcp-sink",
    "0",
    "--tcp-greeting",
    "0",
    "--udp-echo",
    "0",
    "--udp-responder",
    "0",
];

/// Sends a request that is to be the last of its connection and reads the whole answer.
fn get(mut stream: impl Read + Write, path: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").expect("sent");
    read_all(stream)
}

fn read_all(mut stream: impl Read) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered");
    String::from_utf8_lossy(&answer).into_owned()
}

fn ask(server: &Server, row: &str, question: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    socket.set_read_timeout(Some(PATIENCE)).expect("an option");
    socket.connect(server.address(row)).expect("an address");
    socket.send(question).expect("sent");
    let mut answer = vec![0; 70_000];
    let count = socket.recv(&mut answer).expect("answered");
    answer.truncate(count);
    answer
}

#[test]
fn every_row_answers_and_the_banner_says_how_to_try_it() {
    let server = Server::start("rows", &ANYWHERE);
    for row in
        ["http", "https", "tcp-echo", "tcp-sink", "tcp-greeting", "udp-echo", "udp-responder"]
    {
        assert!(!server.address(row).to_string().ends_with(":0"), "{}", server.banner);
    }
    assert!(server.banner.contains("curl --cacert") && server.banner.contains("SHA-256 "));

    let mut echo = server.connect("tcp-echo");
    echo.write_all(b"to and fro").expect("sent");
    echo.shutdown(std::net::Shutdown::Write).expect("open");
    assert_eq!(read_all(echo), "to and fro");

    assert_eq!(read_all(server.connect("tcp-greeting")), "Hello World!\r\n");

    let mut sink = server.connect("tcp-sink");
    sink.write_all("caf\u{e9} \x1b[2J\r\n".as_bytes()).expect("sent");
    let from = sink.local_addr().expect("an address");
    server.wait_for_log(&format!(r#"received from {from}: "café \u{{1b}}[2J\r\n""#));

    assert_eq!(ask(&server, "udp-echo", b"ping"), b"ping");
    let large = vec![7; 65_507];
    assert_eq!(ask(&server, "udp-echo", &large), large);
    assert_eq!(ask(&server, "udp-responder", b"who\0?"), b"I am server");
    server.wait_for_log(r#": "who\0?""#);

    let answer = get(server.connect("http"), "/plaintext");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nHello, World!"));
    let page = get(server.connect("http"), "/");
    for row in server.rows.keys() {
        assert!(page.contains(row.as_str()), "{row} is not on the page");
    }
    let metrics = get(server.connect("http"), "/metrics");
    assert!(metrics.contains("\nreadyloop_datagrams_received_total 3\n"), "{metrics}");
}

/// A TLS client's connection that trusts the certificates in `file`.
fn secure(
    server: &Server,
    file: &Path,
) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).expect("a file") {
        roots.add(certificate.expect("a certificate")).expect("a good one");
    }
    let provider = Arc::new(cryptography::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().expect("a name");
    let client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    rustls::StreamOwned::new(client, server.connect("https"))
}

#[test]
fn https_serves_with_the_development_certificate_that_the_banner_names() {
    let server = Server::start("https", &["--only", "https", "--https", "0"]);
    let file = server.folder.file("readyloop/development.crt");
    assert!(server.banner.contains(&file.display().to_string()), "{}", server.banner);
    let answer = get(secure(&server, &file), "/json");
    assert!(answer.ends_with(r#"{"message":"Hello, World!"}"#), "{answer}");
}

/// Writes a new self-signed certificate and its key into `file`.
fn certificate(file: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let text = made.cert.pem() + &made.signing_key.serialize_pem();
    fs::write(file, text).expect("written");
}

#[test]
fn hangup_reads_certificates_again_and_keeps_the_old_ones_if_the_new_are_not_good() {
    let pems = Folder::new("pems");
    let file = pems.file("both.pem");
    let path = file.to_str().expect("a path");
    certificate(&file);
    let server = Server::start("hangup", &["--only", "https", "--https", "0", "--cert", path]);
    assert!(get(secure(&server, &file), "/healthz").ends_with("ok\n"));

    fs::copy(&file, pems.file("old.pem")).expect("copied");
    certificate(&file);
    server.signal(Signal::SIGHUP);
    server.wait_for_log("read again and are in use");
    assert!(get(secure(&server, &file), "/healthz").ends_with("ok\n"));
    fs::copy(&file, pems.file("kept.pem")).expect("copied");

    fs::write(&file, "not a certificate").expect("written");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("the certificates in use stay: ");
    assert!(get(secure(&server, &pems.file("kept.pem")), "/healthz").ends_with("ok\n"));
}

#[test]
fn rows_can_be_chosen_moved_repeated_and_put_on_a_path() {
    let folder = Folder::new("paths");
    let path = folder.file("http.sock");
    let unix = format!("unix:{}", path.display());
    let server = Server::start(
        "only",
        &["--only", "http,tcp-echo", "--http", "0", "--http", &unix, "--tcp-echo", "localhost:0"],
    );
    let mut names: Vec<_> = server.rows.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["http", "tcp-echo"]);
    assert!(get(server.connect("http"), "/healthz").ends_with("ok\n"));
    assert!(get(UnixStream::connect(&path).expect("listening"), "/healthz").ends_with("ok\n"));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.end().0, 0);
    assert!(!path.exists());
}

/// Runs a command that ends by itself.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let folder = Folder::new(&format!("run-{:?}", thread::current().id()));
    let Output { status, stdout, .. } =
        command(&folder, arguments).output().expect("the command starts");
    let said = fs::read_to_string(folder.file("log")).expect("a log");
    (status.code().unwrap_or(-1), String::from_utf8_lossy(&stdout).into_owned(), said)
}

#[test]
fn a_port_in_use_is_named_with_its_row_and_a_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("an address").port().to_string();
    let (code, _, said) = run(&["serve", "--only", "tcp-echo", "--tcp-echo", &port]);
    assert_eq!(code, 3, "{said}");
    for part in ["tcp-echo", &format!("127.0.0.1:{port}"), "--tcp-echo off", "--tcp-echo "] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn what_is_wrong_is_said_and_has_its_own_exit_code() {
    for (arguments, code, says) in [
        (&["serve", "--http", "nowhere"][..], 2, "127.0.0.1:8080"),
        (&["serve", "--only", "ftp"], 2, "possible values"),
        (&["serve", "--only", "http", "--tcp-echo", "0"], 2, "--only leaves tcp-echo out"),
        (&["serve", "--only", "http", "--http", "0", "--root", "/nowhere"], 2, "--root /nowhere: "),
        (&["serve", "--listing"], 2, "--root <DIR>"),
        (&["serve", "--only", "http", "--http", "off"], 2, "nothing to serve"),
        (&["serve", "--only", "http", "--http", "0", "--cert", "x.pem"], 2, "https is off"),
        (&["serve", "--low-water", "1g"], 2, "--low-water is not below --high-water"),
        (&["serve", "--idle", "soon"], 2, "500ms"),
        (
            &["serve", "--only", "https", "--https", "0", "--cert", "/no/such.pem"],
            4,
            "/no/such.pem",
        ),
        (&["serve", "--tls-suites", "TLS_RSA_WITH_AES_128_CBC_SHA"], 4, "TLS_AES_128_GCM_SHA256"),
        (
            &["serve", "--only", "http", "--http", "192.0.2.1:0"],
            5,
            "http cannot listen on 192.0.2.1:0",
        ),
        (
            &["serve", "--only", "http", "--http", "no.such.host.invalid:0"],
            5,
            "no.such.host.invalid",
        ),
    ] {
        let (found, _, said) = run(arguments);
        assert_eq!(found, code, "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}

#[test]
fn help_manual_and_completions_are_there() {
    for (arguments, says) in [
        (&["--help"][..], "Exit codes:"),
        (&["serve", "--help"], "--max-body <BYTES>"),
        (&["serve", "--help"], "--tls-min"),
        (&["completions", "bash"], "complete"),
        (&["man"], ".TH"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        let (code, said, _) = run(arguments);
        assert!(code == 0 && said.contains(says), "{arguments:?}: {said}");
    }
}

#[test]
fn a_reader_who_leaves_before_the_banner_harms_nobody() {
    let folder = Folder::new("pipe");
    let path = folder.file("http.sock");
    let unix = format!("unix:{}", path.display());
    let mut command = command(&folder, &["serve", "--only", "http", "--http", &unix]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the command starts");
    drop(child.stdout.take());
    let stream = (0..PATIENCE.as_millis() / 10).find_map(|_| {
        thread::sleep(Duration::from_millis(10));
        UnixStream::connect(&path).ok()
    });
    assert!(get(stream.expect("it serves"), "/healthz").ends_with("ok\n"));
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// Sends a request that takes a while, and waits until it has arrived.
fn slow(server: &Server, millis: u32) -> TcpStream {
    let mut stream = server.connect("http");
    write!(stream, "GET /delay/{millis} HTTP/1.1\r\nHost: test\r\n\r\n").expect("sent");
    let arrived = || get(server.connect("http"), "/metrics").contains("readyloop_connections 2\n");
    while !arrived() {
        thread::sleep(Duration::from_millis(10));
    }
    stream
}

#[test]
fn a_folder_is_served_behind_the_routes() {
    let folder = Folder::new("served");
    fs::write(folder.file("a.txt"), "from the folder").expect("written");
    fs::write(folder.file("plaintext"), "from the folder").expect("written");
    let root = folder.0.display().to_string();
    let server =
        Server::start("root", &["--only", "http", "--http", "0", "--root", &root, "--listing"]);
    let ask = |path| get(server.connect("http"), path);
    assert!(ask("/a.txt").ends_with("\r\n\r\nfrom the folder"));
    assert!(ask("/plaintext").ends_with("Hello, World!"), "what is built in comes first");
    assert!(ask("/b.txt").starts_with("HTTP/1.1 404 "));
}

#[test]
fn terminate_finishes_what_is_in_flight_and_ends_well() {
    let server = Server::start("drain", &["--only", "http", "--http", "0"]);
    let idle = server.connect("http");
    let slow = {
        drop(idle);
        slow(&server, 1000)
    };
    server.signal(Signal::SIGTERM);
    let answer = read_all(slow);
    assert!(answer.ends_with("answered after 1000 ms\n"), "{answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    let (code, log) = server.end();
    assert!(code == 0 && log.contains("draining"), "{code}: {log}");
}

#[test]
fn a_second_signal_stops_at_once() {
    let server = Server::start("twice", &["--only", "http", "--http", "0"]);
    let slow = slow(&server, 30_000);
    server.signal(Signal::SIGINT);
    server.wait_for_log("draining");
    server.signal(Signal::SIGTERM);
    let (code, log) = server.end();
    assert_eq!(code, 6, "{log}");
    drop(slow);
}

#[test]
fn the_drain_has_an_end() {
    let server = Server::start("deadline", &["--only", "http", "--http", "0", "--drain", "300ms"]);
    let slow = slow(&server, 30_000);
    server.signal(Signal::SIGTERM);
    let (code, log) = server.end();
    assert_eq!(code, 0, "{log}");
    drop(slow);
}

#[test]
fn a_thousand_clients_at_the_sink_lose_nothing_at_the_end() {
    let server = Server::start("sink", &["--only", "tcp-sink", "--tcp-sink", "0"]);
    let mut clients: Vec<_> = (0..1000).map(|_| server.connect("tcp-sink")).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        // One write: formatting into the socket would send, and log, each part by itself.
        client.write_all(format!("message {number}.").as_bytes()).expect("sent");
    }
    server.signal(Signal::SIGTERM);
    let (code, log) = server.end();
    assert_eq!(code, 0);
    for number in 0..1000 {
        let found = log.matches(&format!("\"message {number}.\"")).count();
        assert_eq!(found, 1, "message {number}");
    }
}

/// As in a flood: at the limit each connection that ends lets one in and the shortage begins anew.
#[test]
fn a_shortage_of_descriptors_is_logged_once_and_passes() {
    let server = Server::start("full", &["--only", "http", "--http", "0"]);
    let process = Pid::from_raw(server.child.id() as i32).to_string();
    let limit = |count: &str| {
        let limits = format!("--nofile={count}:");
        Command::new("prlimit").args(["--pid", &process, &limits]).status()
    };
    if !limit("60").is_ok_and(|status| status.success()) {
        eprintln!("no prlimit on this machine: nothing to show");
        return;
    }
    let ask = |server: &Server| {
        let mut client = server.connect("http");
        // Who is turned away may see a reset already here.
        let _ = client.write_all(b"GET /plaintext HTTP/1.1\r\nHost: test\r\n\r\n");
        client
    };
    let mut kept: Vec<_> = (0..20).map(|_| ask(&server)).collect();
    let mut others: std::collections::VecDeque<_> = (0..100).map(|_| ask(&server)).collect();
    server.wait_for_log("accepting pauses");
    for _ in 0..200 {
        others.pop_front();
        others.push_back(ask(&server));
    }
    // Those who came first are served all along.
    for client in &mut kept {
        let mut answer = [0; 1024];
        for _ in 0..2 {
            let count = client.read(&mut answer).expect("an answer");
            assert!(answer[..count].ends_with(b"Hello, World!"));
            client.write_all(b"GET /plaintext HTTP/1.1\r\nHost: test\r\n\r\n").expect("open");
        }
    }
    // Nobody leaves; there are more descriptors all the same, which only a timer can find out.
    assert!(limit("1000").is_ok_and(|status| status.success()));
    let answer = get(server.connect("http"), "/metrics");
    assert!(answer.contains("readyloop_accept_pauses_total"), "{answer}");
    assert_eq!(server.log().matches("accepting pauses").count(), 1, "{}", server.log());
    drop(others);
}

/// Who waits for a turn that may compute his handshake is not looked at in every turn before it.
#[test]
fn handshakes_that_wait_cost_nothing() {
    const CLIENTS: u32 = 300;
    let rows = ["--only", "http,https", "--http", "0", "--https", "0"];
    let server = Server::start("herd", &[&rows[..], &["--handshakes-per-turn", "1"]].concat());
    server.signal(Signal::SIGSTOP);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = server.connect("https");
            client.write_all(b"no handshake at all").expect("queued");
            client
        })
        .collect();
    server.signal(Signal::SIGCONT);
    for mut client in clients {
        // An alert, or a reset.
        let _ = client.read_to_end(&mut Vec::new());
    }
    let metrics = get(server.connect("http"), "/metrics");
    let line = metrics.lines().find_map(|line| line.strip_prefix("readyloop_budget_stops_total "));
    let stops: u32 = line.and_then(|count| count.parse().ok()).expect("a number");
    assert!(stops < 4 * CLIENTS, "{stops}");
}
