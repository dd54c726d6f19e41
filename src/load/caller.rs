//! HTTP/1.1 as a load speaks it: requests made ready beforehand, answers checked by comparison.
//!
//! The driver makes one for each connection, plain or over TLS. A request costs no allocation: its
//! bytes are copied into the loop's output, its answer is compared where it was read.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::error::{CloseReason, Phase};
use crate::limits::Limits;
use crate::load::answer::{Check, Checked, Reference};
use crate::load::recorder::Failed;
use crate::load::seat::Seat;
use crate::session::{CloseMode, Cx, Env, Flow, Message, Session, TlsInfo};
use crate::time::Moment;

/// What is asked of a server, and what it has answered. All connections share it.
pub(super) struct Site {
    requests: Vec<Vec<u8>>,
    references: RefCell<Vec<Reference>>,
    fresh: bool,
}

impl Site {
    /// A site of these requests, by their kind. `fresh` if each of them has its own connection.
    pub(super) fn new(requests: Vec<Vec<u8>>, fresh: bool) -> Rc<Self> {
        let references = requests.iter().map(|_| Reference::default()).collect();
        Rc::new(Site { requests, references: RefCell::new(references), fresh })
    }
}

/// The bytes that ask `host` for `path`; the last request of a connection says so.
pub(super) fn request(host: &str, path: &str, last: bool) -> Vec<u8> {
    let end = if last { "Connection: close\r\n" } else { "" };
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{end}\r\n").into_bytes()
}

/// How long a server that was asked to end a connection may take for it.
const FAREWELL: Duration = Duration::from_secs(2);

/// See the module's documentation.
pub(super) struct Caller {
    seat: Seat,
    site: Rc<Site>,
    check: Check,
    /// The kind whose answer is coming.
    kind: u8,
    /// Nothing more is asked on this connection.
    over: bool,
}

impl Caller {
    /// A session of `site`.
    pub(super) fn new(seat: Seat, site: &Rc<Site>) -> Self {
        Caller { seat, site: Rc::clone(site), check: Check::default(), kind: 0, over: false }
    }

    /// Takes all answers that have come. Answers false if no more can be understood.
    #[inline]
    fn hear(&mut self, input: &mut &[u8], now: Moment, limits: &Limits) -> bool {
        let mut references = self.site.references.borrow_mut();
        while !input.is_empty() {
            let Some(kind) = self.seat.expected().filter(|_| !self.over) else {
                self.seat.surplus(now);
                return false;
            };
            let Some(reference) = references.get_mut(usize::from(kind)) else { return false };
            self.kind = kind;
            match self.check.take(input, reference, limits) {
                Checked::More => return true,
                Checked::Done(result, last) => {
                    self.seat.answered(result, now);
                    self.over = last || self.site.fresh;
                }
                Checked::Lost => {
                    self.seat.answered(Err(Failed::Wrong), now);
                    return false;
                }
            }
        }
        true
    }
}

/// Writes the request of a kind and answers its length.
#[inline]
fn writer<'a>(site: &'a Site, cx: &'a mut Cx<'_>) -> impl FnMut(u8) -> usize + 'a {
    |kind| {
        let request = site.requests.get(usize::from(kind)).map_or(&[][..], |bytes| bytes);
        cx.write(request);
        request.len()
    }
}

impl Session for Caller {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.seat.open(cx.token(), writer(&self.site, cx));
        Flow::Continue
    }

    fn on_connect(&mut self) {
        self.seat.connect();
    }

    fn on_secure(&mut self, _: &TlsInfo<'_>) {
        self.seat.shake();
    }

    #[inline]
    fn on_data(&mut self, input: &mut &[u8], cx: &mut Cx<'_>) -> Flow {
        let now = self.seat.now();
        self.seat.received(input.len(), now);
        if !self.hear(input, now, cx.limits()) {
            return Flow::Close(CloseMode::Abort, CloseReason::Aborted);
        }
        if self.over {
            // The server ends the connection: whoever ends it first keeps its port for a while.
            self.seat.wait_until(cx.now() + FAREWELL);
        } else {
            self.seat.fill(now, writer(&self.site, cx));
        }
        Flow::Continue
    }

    fn on_eof(&mut self, _: bool, _: &mut Cx<'_>) -> Flow {
        let now = self.seat.now();
        let mut references = self.site.references.borrow_mut();
        if let Some(kind) = self.seat.expected()
            && let Some(reference) = references.get_mut(usize::from(kind))
            && let Checked::Done(result, _) = self.check.end(reference)
        {
            self.seat.answered(result, now);
        }
        Flow::Close(CloseMode::Flush, CloseReason::PeerClosed)
    }

    fn on_message(&mut self, _: Message, cx: &mut Cx<'_>) -> Flow {
        if !self.over {
            self.seat.wake(writer(&self.site, cx));
        }
        Flow::Stay
    }

    fn on_timeout(&mut self, _: &mut Cx<'_>) -> Flow {
        Flow::Close(CloseMode::Abort, CloseReason::TimedOut(Phase::Reply))
    }

    fn on_fault(&mut self, what: &str) {
        self.seat.fault(what);
    }

    fn on_close(&mut self, why: CloseReason, _: &mut Env) {
        if let Some(reference) = self.site.references.borrow_mut().get_mut(usize::from(self.kind)) {
            self.check.leave(reference);
        }
        self.seat.close(why);
    }

    fn deadline(&self) -> Moment {
        self.seat.deadline()
    }
}
