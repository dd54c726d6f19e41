//! What only a kernel can show: real sockets on loopback, against clients from the standard library.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use readyloop::reactor::world::{Address, Listen};
use readyloop::session::datagram::{Datagram, Outbox};
use readyloop::session::raw::{Handler, Raw};
use readyloop::session::{ConnInfo, Cx, Env, Flow, Session};
use readyloop::{Handle, Limits, Reactor};

struct Echo;

impl Handler for Echo {
    fn on_bytes(&mut self, bytes: &[u8], cx: &mut Cx<'_>) -> Flow {
        cx.write(bytes);
        Flow::Continue
    }
}

fn echo(_: &ConnInfo<'_>) -> Box<dyn Session> {
    Box::new(Raw::new(Echo))
}

/// The same without a copy.
struct Mirror;

impl Handler for Mirror {
    fn on_bytes(&mut self, _: &[u8], _: &mut Cx<'_>) -> Flow {
        Flow::Reflect
    }
}

fn mirror(_: &ConnInfo<'_>) -> Box<dyn Session> {
    Box::new(Raw::new(Mirror))
}

/// A loop on a thread of its own.
struct Server {
    address: SocketAddr,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(
        limits: Limits,
        setup: impl FnOnce(&mut Reactor) -> readyloop::Token + Send + 'static,
    ) -> Self {
        let (sender, receiver) = channel();
        let thread = thread::spawn(move || {
            let mut reactor = Reactor::new(limits).expect("a poll can be had");
            let token = setup(&mut reactor);
            let address = match reactor.local_address(token) {
                Some(Address::Inet(address)) => address,
                _ => ([0, 0, 0, 0], 0).into(),
            };
            sender.send((address, reactor.handle())).expect("the test waits");
            reactor.run().expect("the poll works");
        });
        let (address, handle) = receiver.recv().expect("the loop starts");
        Server { address, handle, thread: Some(thread) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the loop listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out can be set");
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.handle.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("the loop panicked");
        }
    }
}

fn any() -> Listen {
    SocketAddr::from(([127, 0, 0, 1], 0)).into()
}

#[test]
fn bulk_through_a_reader_that_stalls_comes_back_whole() {
    bulk_comes_back_whole(echo);
    bulk_comes_back_whole(mirror);
}

fn bulk_comes_back_whole(service: fn(&ConnInfo<'_>) -> Box<dyn Session>) {
    let server = Server::start(Limits::default(), move |reactor| {
        reactor.listen(any(), service).expect("a port is free")
    });
    let mut writer = server.connect();
    let mut reader = writer.try_clone().expect("a socket can be shared");
    let total = 32 * 1024 * 1024;
    let sender = thread::spawn(move || {
        let block: Vec<u8> = (0..1 << 16).map(|i| (i * 7 % 251) as u8).collect();
        for _ in 0..total >> 16 {
            writer.write_all(&block).expect("the loop reads");
        }
        writer.shutdown(std::net::Shutdown::Write).expect("the socket is open");
    });
    thread::sleep(Duration::from_millis(200));
    let mut got = Vec::new();
    reader.read_to_end(&mut got).expect("the loop answers");
    sender.join().expect("the sender is well");
    assert_eq!(got.len(), total);
    assert!(got.iter().enumerate().all(|(i, &byte)| byte == ((i % (1 << 16)) * 7 % 251) as u8));
}

#[test]
fn a_reset_harms_nobody_else() {
    let server = Server::start(Limits::default(), |reactor| {
        reactor.listen(any(), echo).expect("a port is free")
    });
    let mut kept = server.connect();
    for _ in 0..50 {
        let mut doomed = server.connect();
        doomed.write_all(b"never read").expect("the loop listens");
        let socket = socket2::Socket::from(doomed);
        socket.set_linger(Some(Duration::ZERO)).expect("an option");
    }
    kept.write_all(b"still here").expect("open");
    let mut got = [0; 10];
    kept.read_exact(&mut got).expect("served");
    assert_eq!(&got, b"still here");
}

/// Says megabytes at once, and when it is gone.
struct Flood(Sender<()>);

impl Handler for Flood {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.write(&vec![0; FLOOD]);
        Flow::Continue
    }

    fn on_bytes(&mut self, _: &[u8], _: &mut Cx<'_>) -> Flow {
        Flow::Continue
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// More than the kernel takes for a peer that does not read.
const FLOOD: usize = 32 << 20;

#[test]
fn what_is_cut_short_does_not_end_as_if_it_were_whole() {
    let limits = Limits {
        progress: Duration::from_millis(100),
        backlog_cap: 2 * FLOOD,
        ..Limits::default()
    };
    let (sender, gone) = channel();
    let server = Server::start(limits, move |reactor| {
        let flood = move |_: &ConnInfo<'_>| -> Box<dyn Session> {
            Box::new(Raw::new(Flood(sender.clone())))
        };
        reactor.listen(any(), flood).expect("a port is free")
    });
    let mut peer = server.connect();
    gone.recv_timeout(Duration::from_secs(20)).expect("the loop gives up");
    let end = peer.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
}

#[test]
fn udp_echoes_up_to_the_largest_datagram() {
    let server = Server::start(Limits::default(), |reactor| {
        let echo = |datagram: Datagram<'_>, out: &mut Outbox, _: &mut Env| {
            out.send(datagram.from, datagram.data);
        };
        reactor.bind_udp(any(), echo).expect("a port is free")
    });
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    client.set_read_timeout(Some(Duration::from_secs(20))).expect("an option");
    client.connect(server.address).expect("an address");
    let mut got = vec![0; 70_000];
    for size in [0, 1, 1400, 9000, 65_507] {
        let sent: Vec<u8> = (0..size).map(|i| i as u8).collect();
        client.send(&sent).expect("sent");
        let count = client.recv(&mut got).expect("answered");
        assert_eq!(got[..count], sent);
    }
}

#[test]
fn unix_streams_are_served_and_their_path_goes_with_them() {
    let path = std::env::temp_dir().join(format!("readyloop-{}.sock", std::process::id()));
    let listen = Listen::new(Address::Unix(path.clone()));
    let server = Server::start(Limits::default(), move |reactor| {
        reactor.listen(listen, echo).expect("bound")
    });
    let mut client = std::os::unix::net::UnixStream::connect(&path).expect("listening");
    client.write_all(b"hello").expect("open");
    let mut got = [0; 5];
    client.read_exact(&mut got).expect("answered");
    drop(client);
    server.handle.drain(Duration::from_secs(5)).expect("the loop runs");
    drop(server);
    assert!(!path.exists());
}

#[test]
fn unix_datagrams_are_answered_where_the_sender_has_a_name() {
    let folder = std::env::temp_dir();
    let name = |role: &str| folder.join(format!("readyloop-{role}-{}.sock", std::process::id()));
    let (ours, theirs) = (name("ours"), name("theirs"));
    let listen = Listen::new(Address::Unix(ours.clone()));
    let server = Server::start(Limits::default(), move |reactor| {
        let echo = |datagram: Datagram<'_>, out: &mut Outbox, _: &mut Env| {
            out.send(datagram.from, datagram.data);
        };
        reactor.bind_udp(listen, echo).expect("bound")
    });
    let _ = std::fs::remove_file(&theirs);
    let client = std::os::unix::net::UnixDatagram::bind(&theirs).expect("bound");
    client.set_read_timeout(Some(Duration::from_secs(20))).expect("an option");
    let nameless = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    nameless.send_to(b"who am I?", &ours).expect("sent");
    client.send_to(b"hello", &ours).expect("sent");
    let mut got = [0; 16];
    let count = client.recv(&mut got).expect("answered");
    assert_eq!(&got[..count], b"hello");
    let _ = std::fs::remove_file(&theirs);
    drop(server);
    assert!(!ours.exists());
}

#[test]
fn an_ipv6_wildcard_takes_ipv4_too() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("no IPv6 on this machine: nothing to show");
        return;
    }
    let server = Server::start(Limits::default(), |reactor| {
        let anywhere = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0));
        reactor.listen(anywhere, echo).expect("a port is free")
    });
    for host in ["127.0.0.1", "::1"] {
        let address = SocketAddr::new(host.parse().expect("an address"), server.address.port());
        let mut client = TcpStream::connect(address).expect("listening");
        client.write_all(b"hi").expect("open");
        let mut got = [0; 2];
        client.read_exact(&mut got).expect("answered");
    }
}
