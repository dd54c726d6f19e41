//! What only a kernel adds: files on loopback, sent by the system.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use readyloop::reactor::world::{Address, Listen};
use readyloop::session::http::{Http, Reply};
use readyloop::web::files::{Files, Options};
use readyloop::{Head, Limits, Reactor};

use crate::bench::{Answer, Folder, date, then};

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
