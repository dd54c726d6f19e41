//! Connections that begin here, against real sockets: answered, refused, never answered, cut off.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use readyloop::connection::tls::{
    ClientPolicy, ClientTls, KeyPair, Pem, TlsConfig, TlsPolicy, Trust,
};
use readyloop::error::Phase;
use readyloop::reactor::Dial;
use readyloop::reactor::world::{Address, Listen, World};
use readyloop::session::raw::{Handler, Raw};
use readyloop::session::{CloseMode, ConnInfo, Cx, Destination, Env, Flow, Session, TlsInfo};
use readyloop::{CloseReason, Limits, Reactor};

/// What sessions told.
type Told = Rc<RefCell<Vec<String>>>;

/// Says something when it is open, notes what comes back, and closes.
struct Caller {
    told: Told,
    says: &'static [u8],
    /// How often somebody dials again when it ends, and where to.
    again: Option<(u32, Destination)>,
}

impl Session for Caller {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.told.borrow_mut().push("open".into());
        cx.write(self.says);
        Flow::Continue
    }

    fn on_secure(&mut self, tls: &TlsInfo<'_>) {
        self.told.borrow_mut().push(format!("secure, resumed: {}", tls.resumed));
    }

    fn on_fault(&mut self, what: &str) {
        self.told.borrow_mut().push(format!("fault: {what}"));
    }

    fn on_data(&mut self, input: &mut &[u8], _: &mut Cx<'_>) -> Flow {
        if input.len() < self.says.len() {
            return Flow::Continue;
        }
        self.told.borrow_mut().push(String::from_utf8_lossy(input).into_owned());
        *input = &[];
        Flow::Close(CloseMode::Flush, CloseReason::Finished)
    }

    fn on_close(&mut self, why: CloseReason, env: &mut Env) {
        self.told.borrow_mut().push(why.to_string());
        if let Some((left, to)) = self.again
            && left > 0
        {
            let (told, says) = (Rc::clone(&self.told), self.says);
            env.dial(to, Box::new(Caller { told, says, again: Some((left - 1, to)) }));
        }
    }
}

fn caller(told: &Told) -> Box<dyn Session> {
    Box::new(Caller { told: Rc::clone(told), says: b"hello", again: None })
}

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

fn reactor() -> Reactor {
    Reactor::new(Limits::default()).expect("a poll can be had")
}

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A configuration for a server, and one for a client that trusts it.
fn tls() -> (TlsConfig, ClientPolicy) {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (chain, secret) = (key.cert.pem(), key.signing_key.serialize_pem());
    let pair = KeyPair { chain: Pem::from(chain.as_str()), key: Pem::from(secret.as_str()) };
    let server = TlsConfig::server(TlsPolicy::default(), vec![pair]).expect("a configuration");
    (server, ClientPolicy::new(Trust::Roots(vec![Pem::from(chain.as_str())])))
}

/// Turns until no connection is left.
fn until_alone<W: World>(reactor: &mut Reactor<W>) {
    while reactor.env().live > 0 || !reactor.env().ops.is_empty() {
        reactor.turn(Some(Duration::from_secs(20))).expect("the poll works");
    }
}

#[test]
fn a_loop_can_talk_to_itself_however_it_waits() {
    talks_to_itself(reactor());
    #[cfg(target_os = "linux")]
    {
        use readyloop::reactor::{level::LevelPoller, spin::SpinPoller, system::System};
        let limits = Limits::default;
        let level = System::<LevelPoller>::new(&limits()).expect("a poll can be had");
        talks_to_itself(Reactor::with_world(level, limits()));
        let spin = System::<SpinPoller>::new(&limits()).expect("a poll can be had");
        talks_to_itself(Reactor::with_world(spin, limits()));
    }
}

fn talks_to_itself<W: World>(mut reactor: Reactor<W>) {
    let listener = reactor.listen(any(), echo).expect("a port is free");
    let address = reactor.local_address(listener).and_then(|at| at.as_inet()).expect("bound");
    let told = Told::default();
    reactor.dial(&Dial::from(address), caller(&told));
    until_alone(&mut reactor);
    assert_eq!(told.take(), ["open", "hello", "finished"]);
    assert_eq!(reactor.counters().dialled, 1);
    // A refusal, too, is told.
    reactor.close(listener, CloseMode::Abort);
    reactor.dial(&Dial::from(address), caller(&told));
    until_alone(&mut reactor);
    assert_eq!(told.take(), [CloseReason::Io(ErrorKind::ConnectionRefused).to_string()]);
}

#[test]
fn over_tls_a_session_opens_after_the_handshake_or_hears_what_is_wrong() {
    let (server, policy) = tls();
    let mut reactor = reactor();
    let listener = reactor.listen_tls(any(), server, echo).expect("a port is free");
    let plain = reactor.listen(any(), echo).expect("a port is free");
    let mut port = |token| reactor.local_address(token).and_then(|at| at.as_inet());
    let (address, plain) = (port(listener).expect("bound"), port(plain).expect("bound"));
    let told = Told::default();
    let client = ClientTls::new(&policy).expect("a policy");
    let peer = client.peer("localhost").expect("a name");
    let dial = Dial { tls: Some(peer), ..Dial::from(address) };
    for resumed in ["false", "true"] {
        reactor.dial(&dial, caller(&told));
        until_alone(&mut reactor);
        let told: Vec<String> = told.take();
        assert_eq!(told, [&format!("secure, resumed: {resumed}"), "open", "hello", "finished"]);
    }
    let dial = Dial { tls: Some(client.peer("else.where").expect("a name")), ..dial };
    reactor.dial(&dial, caller(&told));
    until_alone(&mut reactor);
    assert!(told.borrow()[0].starts_with("fault: the server's certificate is not trusted"));
    assert_eq!(told.take()[1..], ["tls"]);
    // A peer that sends our own first flight back.
    reactor.dial(&Dial { socket: Dial::from(plain).socket, ..dial }, caller(&told));
    until_alone(&mut reactor);
    assert_eq!(told.borrow().last().map(String::as_str), Some("tls"), "{told:?}");
}

#[test]
fn a_peer_that_never_shakes_hands_is_given_up() {
    let limits = Limits { handshake: Duration::from_millis(100), ..Limits::default() };
    let mut reactor = Reactor::new(limits).expect("a poll can be had");
    let silent = TcpListener::bind(any()).expect("a port is free");
    let (_, policy) = tls();
    let peer = ClientTls::new(&policy).and_then(|tls| tls.peer("localhost")).expect("a policy");
    let told = Told::default();
    let dial = Dial { tls: Some(peer), ..Dial::from(silent.local_addr().expect("bound")) };
    reactor.dial(&dial, caller(&told));
    until_alone(&mut reactor);
    assert_eq!(*told.borrow(), ["timeout-handshake"]);
}

#[test]
fn a_unix_socket_can_be_dialled() {
    let path = std::env::temp_dir().join(format!("readyloop-dial-{}.sock", std::process::id()));
    let address = Address::Unix(path);
    let mut reactor = reactor();
    reactor.listen(Listen::new(address.clone()), echo).expect("bound");
    let told = Told::default();
    reactor.dial(&Dial::new(address), caller(&told));
    until_alone(&mut reactor);
    assert_eq!(*told.borrow(), ["open", "hello", "finished"]);
}

#[test]
fn sessions_dial_again_from_within_the_loop() {
    let mut reactor = reactor();
    let listener = reactor.listen(any(), echo).expect("a port is free");
    let address = reactor.local_address(listener).and_then(|at| at.as_inet()).expect("bound");
    let told = Told::default();
    let to = reactor.destination(Dial::from(address));
    let first = Caller { told: Rc::clone(&told), says: b"again", again: Some((9, to)) };
    reactor.env().dial(to, Box::new(first));
    until_alone(&mut reactor);
    assert_eq!(told.borrow().iter().filter(|told| *told == "again").count(), 10);
    assert_eq!(told.borrow().iter().filter(|told| *told == "finished").count(), 10);
    assert_eq!(reactor.counters().dialled, 10);
}

#[test]
fn a_refusal_has_its_reason() {
    let nobody = TcpListener::bind(any()).expect("a port is free");
    let address = nobody.local_addr().expect("bound");
    drop(nobody);
    let mut reactor = reactor();
    let told = Told::default();
    reactor.dial(&Dial::from(address), caller(&told));
    until_alone(&mut reactor);
    assert_eq!(*told.borrow(), [CloseReason::Io(ErrorKind::ConnectionRefused).to_string()]);
    let path = std::env::temp_dir().join("readyloop-nobody-ever-listened.sock");
    reactor.dial(&Dial::new(Address::Unix(path)), caller(&told));
    assert_eq!(told.borrow()[1], CloseReason::Io(ErrorKind::NotFound).to_string());
}

/// A listener whose queue is full drops the first packets of others: they get no answer.
#[cfg(target_os = "linux")]
#[test]
fn no_answer_is_a_time_out() {
    let silent =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    silent.bind(&any().into()).expect("a port is free");
    silent.listen(0).expect("listening");
    let address = silent.local_addr().ok().and_then(|at| at.as_socket()).expect("bound");
    let _first = std::net::TcpStream::connect(address).expect("the queue holds one");
    let mut reactor = reactor();
    let told = Told::default();
    let dial = Dial { timeout: Duration::from_millis(100), ..Dial::from(address) };
    reactor.dial(&dial, caller(&told));
    until_alone(&mut reactor);
    assert_eq!(*told.borrow(), [CloseReason::TimedOut(Phase::Connect).to_string()]);
}

#[test]
fn a_drain_and_an_abort_end_what_is_not_there_yet() {
    let listener = TcpListener::bind(any()).expect("a port is free");
    let dial = Dial::from(listener.local_addr().expect("bound"));
    let told = Told::default();
    let mut reactor = reactor();
    // Whether it is there already by then is the system's to decide: its session is not open yet.
    let token = reactor.dial(&dial, caller(&told));
    reactor.close(token, CloseMode::Linger);
    until_alone(&mut reactor);
    reactor.dial(&dial, caller(&told));
    reactor.drain(Duration::from_secs(5));
    reactor.dial(&dial, caller(&told));
    reactor.run().expect("it ends");
    assert_eq!(*told.borrow(), ["aborted", "drained", "drained"]);
}

#[test]
fn who_speaks_first_is_heard_and_who_leaves_at_once_too() {
    let listener = TcpListener::bind(any()).expect("a port is free");
    let dial = Dial::from(listener.local_addr().expect("bound"));
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody dials");
        stream.write_all(b"welcome").expect("sent");
        let mut got = Vec::new();
        stream.read_to_end(&mut got).expect("an end");
        got
    });
    let told = Told::default();
    let mut reactor = reactor();
    reactor.dial(&dial, caller(&told));
    until_alone(&mut reactor);
    assert_eq!(*told.borrow(), ["open", "welcome", "finished"]);
    assert_eq!(peer.join().expect("the peer is well"), b"hello");
}

#[test]
fn a_session_that_is_never_called_hears_of_the_loops_end() {
    let listener = TcpListener::bind(any()).expect("a port is free");
    let told = Told::default();
    let mut reactor = reactor();
    reactor.dial(&Dial::from(listener.local_addr().expect("bound")), caller(&told));
    drop(reactor);
    assert_eq!(*told.borrow(), ["aborted"]);
}
