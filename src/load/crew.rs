//! The crew: which session runs in which place, how its connection is dialled and how it is woken.
//!
//! The driver asks for one connection at a time. Places that ask come first, then those that stay
//! idle, read slowly and write slowly.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use crate::connection::tls::TlsPeer;
use crate::error::CloseReason;
use crate::load::beside::{Beside, Manner};
use crate::load::caller::{Caller, Site, request};
use crate::load::datagram::{Correspondent, Letter, lose};
use crate::load::desk::SharedDesk;
use crate::load::echo::{Echo, pattern};
use crate::load::plan::{Fresh, Plan};
use crate::load::seat::{Clock, Seat};
use crate::load::shaker::Shaker;
use crate::load::talker::Talker;
use crate::load::url::Scheme;
use crate::reactor::Reactor;
use crate::reactor::dial::Dial;
use crate::reactor::world::World;
use crate::session::datagram::Peer;
use crate::session::ws::{Client, Options, Target};
use crate::session::{Message, Session};
use crate::socket::Address;
use crate::time::Moment;
use crate::token::Token;

/// Connections that one loopback address opens before the next one takes over: it has ports for
/// some 28,000.
const PER_SOURCE: usize = 10_000;
/// The receive buffer of a slow reader, which the system doubles.
const SMALL: usize = 4096;
/// What a slow reader asks for.
const MUCH: &str = "/bytes/1048576";

/// See the module's documentation.
pub(super) struct Crew {
    dial: Dial,
    role: Role,
    active: usize,
    /// Where idle connections end and slow readers begin.
    idle: usize,
    /// Where slow readers end and slow writers begin.
    readers: usize,
    /// What connections beside ask for.
    little: Rc<[u8]>,
    much: Rc<[u8]>,
}

enum Role {
    Http(Rc<Site>),
    Handshake,
    Echo(Rc<[u8]>),
    WebSocket(Target, Rc<Options>, Rc<[u8]>),
    Datagram(Vec<Letter>),
}

impl Crew {
    /// The crew of a plan.
    pub(super) fn new(plan: &Plan, tls: Option<TlsPeer>) -> Self {
        let mut dial = Dial::from(plan.address);
        dial.timeout = plan.patience;
        dial.socket.resets = true;
        dial.tls = tls;
        let host = plan.url.authority();
        let message = pattern(plan.size);
        let role = match plan.url.scheme {
            Scheme::Http | Scheme::Https if plan.fresh == Fresh::Handshake => Role::Handshake,
            Scheme::Http | Scheme::Https => Role::Http(site(plan)),
            Scheme::Tcp => Role::Echo(message),
            Scheme::Ws | Scheme::Wss => {
                let target = Target { host: host.clone(), path: plan.url.path.clone() };
                Role::WebSocket(target, Rc::new(options(plan.size)), message)
            }
            Scheme::Udp => {
                Role::Datagram((0..plan.connections).map(|_| Letter::new(&message)).collect())
            }
        };
        let ask = |path: &str| -> Rc<[u8]> {
            if plan.url.scheme.is_http() {
                request(&host, path, false).into()
            } else {
                Rc::default()
            }
        };
        Crew {
            dial,
            role,
            active: plan.connections,
            idle: plan.connections + plan.idle,
            readers: plan.connections + plan.idle + plan.slow_readers,
            little: ask(&plan.url.path),
            much: ask(MUCH),
        }
    }

    /// Dials the connection of a place.
    pub(super) fn dial<W: World>(
        &self,
        place: usize,
        desk: &SharedDesk,
        clock: &Clock,
        reactor: &mut Reactor<W>,
    ) {
        let seat = Seat::new(desk, clock, place);
        let session: Box<dyn Session> = match &self.role {
            _ if place >= self.active => Box::new(self.beside(place, seat)),
            Role::Http(site) => Box::new(Caller::new(seat, site)),
            Role::Handshake => Box::new(Shaker(seat)),
            Role::Echo(message) => Box::new(Echo::new(seat, message)),
            Role::WebSocket(target, options, message) => {
                Box::new(Client::new(target.clone(), options, Talker::new(seat, message)))
            }
            Role::Datagram(letters) => return self.bind(place, seat, letters, reactor),
        };
        let mut dial = self.dial.clone();
        dial.socket.source = source(&dial.socket.address, place);
        if (self.idle..self.readers).contains(&place) {
            dial.socket.recv_buffer = Some(SMALL);
        }
        reactor.dial(&dial, session);
    }

    fn beside(&self, place: usize, seat: Seat) -> Beside {
        match place {
            place if place < self.idle => Beside::new(seat, Manner::Idle, &self.little),
            place if place < self.readers => Beside::new(seat, Manner::Reads, &self.much),
            _ => Beside::new(seat, Manner::Writes, &self.little),
        }
    }

    /// A datagram socket is there at once.
    fn bind<W: World>(
        &self,
        place: usize,
        mut seat: Seat,
        letters: &[Letter],
        reactor: &mut Reactor<W>,
    ) {
        let Some((letter, to)) = letters.get(place).zip(self.dial.socket.address.as_inet()) else {
            return seat.close(CloseReason::Io(io::ErrorKind::AddrNotAvailable));
        };
        let mut herald = seat.twin();
        let session = Correspondent::new(seat, letter.clone(), Peer::Inet(to));
        match reactor.bind_udp(any(to), session) {
            Ok(token) => herald.stay(token),
            Err(error) => herald.close(CloseReason::from_io(&error)),
        }
        herald.rest();
    }

    /// Has the connection of a place draw what is due.
    pub(super) fn wake<W: World>(
        &self,
        place: usize,
        token: Token,
        desk: &SharedDesk,
        clock: &Clock,
        reactor: &mut Reactor<W>,
    ) {
        let Role::Datagram(letters) = &self.role else {
            // A message of no size needs no memory.
            return reactor.env().send(token, Message::any(()));
        };
        let Some((letter, to)) = letters.get(place).zip(self.dial.socket.address.as_inet()) else {
            return;
        };
        let (peer, mut buffer) = (Peer::Inet(to), Vec::new());
        Seat::new(desk, clock, place).wake(|_| {
            letter.write(&mut buffer);
            reactor.send_datagram(token, &peer, &buffer);
            buffer.len()
        });
    }

    /// Looks for lost datagrams, whose places go on with the next one.
    pub(super) fn sweep<W: World>(
        &self,
        desk: &SharedDesk,
        clock: &Clock,
        now: Moment,
        reactor: &mut Reactor<W>,
    ) {
        if !matches!(self.role, Role::Datagram(_)) {
            return;
        }
        while let Some(place) = lose(desk, now) {
            let token = desk.borrow().token(place);
            if let Some(token) = token {
                self.wake(place, token, desk, clock, reactor);
            }
        }
    }
}

fn site(plan: &Plan) -> Rc<Site> {
    let fresh = plan.fresh != Fresh::Kept;
    let urls = std::iter::once(&plan.url).chain(plan.also.iter().map(|(url, _)| url));
    let requests = urls.map(|url| request(&url.authority(), &url.path, fresh)).collect();
    Site::new(requests, fresh)
}

/// A message must fit, whatever its size.
fn options(size: usize) -> Options {
    let least = Options::default();
    Options {
        message_bytes: least.message_bytes.max(size),
        frame_bytes: least.frame_bytes.max(size as u64 + 64),
        max_queued: least.max_queued.max(2 * size),
        ..least
    }
}

/// All of 127.0.0.0/8 is this machine, where the system has it so.
fn source(address: &Address, place: usize) -> Option<IpAddr> {
    let inet = address.as_inet()?;
    let number = u8::try_from(place / PER_SOURCE).ok()?;
    let spreads = cfg!(target_os = "linux") && number > 0 && inet.ip() == Ipv4Addr::LOCALHOST;
    spreads.then(|| Ipv4Addr::new(127, 0, 0, 1 + number).into())
}

/// Any address of ours that can reach `to`.
fn any(to: SocketAddr) -> SocketAddr {
    match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}
