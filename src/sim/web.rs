//! The simulated HTTP application: every way to answer, each recognisable by its peer.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::agenda::Action;
use super::http::body;
use super::net::Shared;
use crate::Head;
use crate::session::http::{
    Answered, Collect, Exchange, Handler, Reply, ReplyTo, Response, Writer,
};

/// Answers that were promised and are not given yet.
pub(crate) type Promises = Rc<RefCell<Vec<Option<(ReplyTo, Response)>>>>;

/// The application of one listener.
pub(crate) struct Web {
    pub(crate) net: Shared,
    pub(crate) promises: Promises,
}

impl Handler for Web {
    fn on_request(&self, request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        let mut parts = request.path().split('/').skip(1);
        let way = parts.next().unwrap_or("");
        let mut number = || parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let (id, size): (usize, usize) = (number(), number());
        match way {
            "now" => reply.send(200, &[], &body(id, size)),
            "later" => {
                let (to, answered) = reply.later();
                self.promise(to, response(id, size));
                answered
            }
            "work" => reply.offload(move || response(id, size)),
            "pour" => reply.exchange(Pour { body: body(id, size), done: 0, chunked: false }),
            "chunks" => reply.exchange(Pour { body: body(id, size), done: 0, chunked: true }),
            "echo" => reply.exchange(Echo),
            "collect" => {
                Collect::reply(reply, usize::MAX, |body, writer| writer.send(200, &[], &body))
            }
            _ => reply.text(404, "what?\n"),
        }
    }
}

fn response(id: usize, size: usize) -> Response {
    Response::new(200, body(id, size))
}

impl Web {
    /// Has somebody answer from another thread, some time later.
    fn promise(&self, to: ReplyTo, response: Response) {
        let mut promises = self.promises.borrow_mut();
        promises.push(Some((to, response)));
        let mut net = self.net.borrow_mut();
        let delay = net.faults.rng().time(Duration::from_millis(15));
        net.after(delay, Action::Promise(promises.len() - 1));
    }
}

/// Produces its body as the peer takes it.
struct Pour {
    body: Vec<u8>,
    done: usize,
    chunked: bool,
}

impl Pour {
    fn go_on(&mut self, writer: &mut Writer<'_, '_>) {
        let count = writer.room().min(self.body.len() - self.done);
        writer.body(&self.body[self.done..self.done + count]);
        self.done += count;
        if self.done == self.body.len() { writer.finish() } else { writer.want_drain() }
    }
}

impl Exchange for Pour {
    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        let length = (!self.chunked).then_some(self.body.len() as u64);
        writer.start(200, &[], length);
        self.go_on(writer);
    }

    fn on_drain(&mut self, writer: &mut Writer<'_, '_>) {
        self.go_on(writer);
    }
}

/// Sends the request's body back while it arrives.
struct Echo;

impl Exchange for Echo {
    fn on_start(&mut self, writer: &mut Writer<'_, '_>) {
        writer.start(200, &[], None);
    }

    fn on_body(&mut self, data: &[u8], writer: &mut Writer<'_, '_>) {
        writer.body(data);
    }

    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        writer.finish();
    }
}
