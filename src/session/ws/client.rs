//! The client's side: asks for a WebSocket on a connection of its own, checks the answer, and is an
//! ordinary session from then on (RFC 6455 §4.1).

use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use super::link::Link;
use super::{Handler, Options, WebSocket, code};
use crate::error::{CloseReason, Fault, Phase};
use crate::proto::ws::handshake::{Ask, Asking, Rejected};
use crate::proto::ws::{Keys, Reader, Role, Sender};
use crate::session::{CloseMode, Cx, Env, Flow, Session};
use crate::time::Moment;

/// Where a client wants to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The value of `Host`.
    pub host: String,
    /// Path and query.
    pub path: String,
}

/// A session that opens a WebSocket on the connection it is run on and then is `handler`'s. Of the
/// options, `protocols` are asked for in their order, and `origins` mean nothing.
pub struct Client<H> {
    handler: Option<H>,
    options: Rc<Options>,
    target: Target,
    asking: Option<Asking>,
    random: Random,
    deadline: Moment,
}

static REJECTED: Fault = Fault { code: 0, what: "an answer that opens no WebSocket" };

impl<H: Handler> Client<H> {
    /// A client of `target`.
    pub fn new(target: Target, options: &Rc<Options>, handler: H) -> Self {
        Client {
            handler: Some(handler),
            options: Rc::clone(options),
            target,
            asking: None,
            random: Random::default(),
            deadline: Moment::NEVER,
        }
    }

    #[cold]
    fn reject(&mut self, rejected: Rejected, env: &mut Env) -> Flow {
        let what = match rejected {
            Rejected::Status(status) => format!("the server answered {status}"),
            Rejected::Malformed(what) => what.to_owned(),
        };
        if let Some(mut handler) = self.handler.take() {
            handler.on_close(code::ABNORMAL, &what, env);
        }
        Flow::Close(CloseMode::Flush, CloseReason::Protocol(&REJECTED))
    }
}

impl<H: Handler> Session for Client<H> {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.deadline = cx.now() + cx.limits().head;
        let ask = Ask {
            host: &self.target.host,
            target: &self.target.path,
            protocols: self.options.protocols,
            deflate: self.options.deflate,
        };
        match Asking::request(&ask, self.random.nonce(), cx.out()) {
            Ok(asking) => self.asking = Some(asking),
            Err(rejected) => return self.reject(rejected, cx.env()),
        }
        Flow::Continue
    }

    fn on_data(&mut self, input: &mut &[u8], cx: &mut Cx<'_>) -> Flow {
        let Some(asking) = &self.asking else { return Flow::Continue };
        let answer = match asking.answer(input) {
            Ok(Some(answer)) => answer,
            Ok(None) => return Flow::Continue,
            Err(rejected) => return self.reject(rejected, cx.env()),
        };
        let Some(handler) = self.handler.take() else { return Flow::Continue };
        let mut random = std::mem::take(&mut self.random);
        let keys: Keys = Box::new(move || random.key());
        let sender = Sender::client(keys, answer.agreed);
        let link = Link::new(sender, Role::Client, &self.options, answer.protocol);
        let reader = Reader::new(Role::Client, answer.agreed);
        Flow::Upgrade(Box::new(WebSocket::new(handler, reader, link)))
    }

    fn on_timeout(&mut self, _: &mut Cx<'_>) -> Flow {
        Flow::Close(CloseMode::Abort, CloseReason::TimedOut(Phase::Head))
    }

    fn on_close(&mut self, _: CloseReason, env: &mut Env) {
        if let Some(mut handler) = self.handler.take() {
            handler.on_close(code::ABNORMAL, "no answer", env);
        }
    }

    fn deadline(&self) -> Moment {
        self.deadline
    }
}

/// Numbers that nobody can guess: a counter through the keyed hash of the standard library, whose
/// key comes from the system.
#[derive(Default)]
struct Random {
    state: RandomState,
    counter: u64,
}

impl Random {
    fn next(&mut self) -> u64 {
        self.counter += 1;
        self.state.hash_one(self.counter)
    }

    fn key(&mut self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.next().to_ne_bytes();
        [a, b, c, d]
    }

    fn nonce(&mut self) -> [u8; 16] {
        (u128::from(self.next()) << 64 | u128::from(self.next())).to_ne_bytes()
    }
}
