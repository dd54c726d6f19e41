//! The crew: which session runs in which place, and how its connection is dialled.
//!
//! The driver asks for one connection at a time. Places that ask come first, then those that stay
//! idle, read slowly and write slowly.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use crate::load::caller::{Caller, Site, request};
use crate::load::desk::SharedDesk;
use crate::load::echo::{Echo, pattern};
use crate::load::plan::{Fresh, Plan};
use crate::load::seat::{Clock, Seat};
use crate::load::url::Scheme;
use crate::reactor::Reactor;
use crate::reactor::dial::Dial;
use crate::reactor::world::World;
use crate::session::Session;
use crate::socket::Address;

/// Connections that one loopback address opens before the next one takes over: it has ports for
/// some 28,000.
const PER_SOURCE: usize = 10_000;

/// See the module's documentation.
pub(super) struct Crew {
    dial: Dial,
    role: Role,
}

enum Role {
    Http(Rc<Site>),
    Echo(Rc<[u8]>),
}

impl Crew {
    /// The crew of a plan.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut dial = Dial::from(plan.address);
        dial.timeout = plan.patience;
        dial.socket.resets = true;
        let role = match plan.url.scheme {
            Scheme::Http | Scheme::Https => Role::Http(site(plan)),
            _ => Role::Echo(pattern(plan.size)),
        };
        Crew { dial, role }
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
            Role::Http(site) => Box::new(Caller::new(seat, site)),
            Role::Echo(message) => Box::new(Echo::new(seat, message)),
        };
        let mut dial = self.dial.clone();
        dial.socket.source = source(&dial.socket.address, place);
        reactor.dial(&dial, session);
    }
}

fn site(plan: &Plan) -> Rc<Site> {
    let fresh = plan.fresh != Fresh::Kept;
    let urls = std::iter::once(&plan.url).chain(plan.also.iter().map(|(url, _)| url));
    let requests = urls.map(|url| request(&url.authority(), &url.path, fresh)).collect();
    Site::new(requests, fresh)
}

/// All of 127.0.0.0/8 is this machine, where the system has it so.
fn source(address: &Address, place: usize) -> Option<IpAddr> {
    let inet = address.as_inet()?;
    let number = u8::try_from(place / PER_SOURCE).ok()?;
    let spreads = cfg!(target_os = "linux") && number > 0 && inet.ip() == Ipv4Addr::LOCALHOST;
    spreads.then(|| Ipv4Addr::new(127, 0, 0, 1 + number).into())
}
