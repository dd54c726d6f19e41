//! The detectors on the library's own loop: in the simulator, over many seeds, and on real sockets
//! under a mixed load nothing is found but slow readers; and with one rule of the reactor switched
//! off, the detector names what that does.
#![cfg(feature = "web")]

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use readyloop::probe::Labels;
use readyloop::reactor::world::Address;
use readyloop::scope::detect::{Detector, Finding, FindingKind};
use readyloop::session::raw::{Handler, Raw};
use readyloop::session::{ConnInfo, Cx, Env, Flow, Message, Session};
use readyloop::sim::{Report, Scenario};
use readyloop::{Bytes, CloseReason, Limits, Reactor, Token};

/// Misfortunes that are lived through.
const SEEDS: u64 = 400;

fn findings(report: &Report) -> Vec<Finding> {
    let mut detector = Detector::new(&report.limits);
    let labels = Labels::default();
    report.records.iter().for_each(|record| detector.take(record, &labels));
    detector.findings().to_vec()
}

#[test]
fn on_a_healthy_loop_nothing_is_found_but_slow_readers() {
    let mut facts = 0;
    let mut slow = 0;
    for seed in 0..SEEDS {
        let report = Scenario::new(seed).recorded().run();
        facts += report.records.len();
        for finding in findings(&report) {
            slow += usize::from(finding.kind == FindingKind::SlowReader);
            assert_eq!(finding.kind, FindingKind::SlowReader, "seed {seed}: {finding:#?}");
        }
    }
    println!("{facts} facts, {slow} slow readers");
    assert!(facts > 100_000, "{facts}");
}

/// A rule of the reactor that is switched off, and what is found then, over a few seeds.
#[cfg(debug_assertions)]
#[test]
fn a_rule_that_is_switched_off_is_named_by_what_it_does() {
    use readyloop::reactor::Rule;
    for (rule, kind) in [
        (Rule::Generation, FindingKind::StaleToken),
        (Rule::ShortReadUnlessClosed, FindingKind::LostEdge),
        (Rule::BudgetRequeues, FindingKind::LostEdge),
        (Rule::AcceptRequeues, FindingKind::LostEdge),
        (Rule::WatchWrites, FindingKind::ForgottenWritable),
        (Rule::AcceptRetry, FindingKind::DescriptorSilence),
    ] {
        let found = (0..SEEDS).any(|seed| {
            let report = Scenario::new(seed).without(rule).recorded().run();
            findings(&report).iter().any(|finding| finding.kind == kind)
        });
        assert!(found, "{rule:?} switched off, and nobody found {kind}");
    }
}

/// Bytes of a download: more than the system's buffers and the high watermark.
const DOWNLOAD: usize = 3 << 20;

/// A connection that echoes `e…`, sends a download for `d`, and tells everybody what begins with `b`.
struct Guest {
    token: Token,
    hall: Rc<RefCell<Vec<Token>>>,
}

impl Handler for Guest {
    fn on_bytes(&mut self, bytes: &[u8], cx: &mut Cx<'_>) -> Flow {
        match bytes.first() {
            Some(b'd') => cx.write(&vec![b'd'; DOWNLOAD]),
            Some(b'b') => {
                let text = Bytes::copy_from_slice(bytes);
                for guest in self.hall.borrow().iter() {
                    cx.send(*guest, Message::Bytes(text.clone()));
                }
            }
            _ => cx.write(bytes),
        }
        Flow::Continue
    }

    fn on_close(&mut self, _: CloseReason, _: &mut Env) {
        self.hall.borrow_mut().retain(|guest| *guest != self.token);
    }
}

fn connect(to: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(to).expect("the loop listens");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out can be set");
    socket
}

/// Says it and hears `bytes` of an answer.
fn ask(socket: &mut TcpStream, text: &[u8], bytes: usize) {
    socket.write_all(text).expect("the loop reads");
    socket.read_exact(&mut vec![0; bytes]).expect("the loop answers");
}

/// What the clients do, each on a thread of its own.
const CLIENTS: [fn(SocketAddr); 6] = [
    |to| {
        let mut socket = connect(to);
        (0..3000).for_each(|_| ask(&mut socket, b"echo", 4));
    },
    |to| {
        let mut socket = connect(to);
        (0..20).for_each(|_| ask(&mut socket, b"download", DOWNLOAD));
    },
    |to| (0..300).for_each(|_| ask(&mut connect(to), b"e", 1)),
    |to| {
        let mut all: Vec<_> = (0..100).map(|_| connect(to)).collect();
        all.iter_mut().for_each(|socket| ask(socket, b"echo", 4));
    },
    |to| {
        let mut socket = connect(to);
        for _ in 0..50 {
            ask(&mut socket, b"broadcast", 9);
            thread::sleep(Duration::from_millis(20));
        }
    },
    |to| {
        let mut socket = connect(to);
        socket.write_all(b"download").expect("the loop reads");
        thread::sleep(Duration::from_secs(4));
        socket.read_exact(&mut vec![0; DOWNLOAD]).expect("the loop goes on");
    },
];

#[test]
fn on_real_sockets_under_a_mixed_load_nothing_is_found_but_slow_readers() {
    // Whoever else uses this machine may keep the CPU from a call for a while.
    let limits = Limits { stall: Duration::from_secs(5), ..Limits::default() };
    let mut detector = Detector::new(&limits);
    let mut reactor = Reactor::new(limits).expect("a poll can be had");
    let hall = Rc::new(RefCell::new(Vec::new()));
    let service = move |info: &ConnInfo<'_>| -> Box<dyn Session> {
        hall.borrow_mut().push(info.token);
        Box::new(Raw::new(Guest { token: info.token, hall: Rc::clone(&hall) }))
    };
    let at = SocketAddr::from(([127, 0, 0, 1], 0));
    let door = reactor.listen(at, service).expect("it can be bound");
    let Some(Address::Inet(address)) = reactor.local_address(door) else { panic!("no address") };
    reactor.record(1 << 16);
    let busy = Arc::new(AtomicUsize::new(CLIENTS.len()));
    let clients = CLIENTS.map(|play| {
        let busy = Arc::clone(&busy);
        thread::spawn(move || {
            play(address);
            busy.fetch_sub(1, Ordering::Relaxed);
        })
    });
    while busy.load(Ordering::Relaxed) > 0 && !clients.iter().all(|client| client.is_finished()) {
        reactor.turn(Some(Duration::from_millis(200))).expect("the poll works");
        detector.follow(&reactor.env().recorder);
    }
    clients.into_iter().for_each(|client| client.join().expect("it was served"));
    for finding in detector.findings() {
        assert_eq!(finding.kind, FindingKind::SlowReader, "{finding:#?}");
    }
    assert!(detector.total() > 0, "there was a slow reader");
}
