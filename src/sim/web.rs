//! The simulated HTTP application: every way to answer, each recognisable by its peer.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::agenda::Action;
use super::http::body;
use super::net::Shared;
use super::service::Checks;
use crate::Head;
use crate::session::Message;
use crate::session::http::{
    Answered, Collect, Exchange, Handler, Reply, ReplyTo, Response, Writer,
};
use crate::time::Moment;

/// Answers that were promised and are not given yet.
pub(crate) type Promises = Rc<RefCell<Vec<Option<(ReplyTo, Response)>>>>;

/// The application of one listener.
pub(crate) struct Web {
    pub(crate) net: Shared,
    pub(crate) promises: Promises,
    pub(crate) checks: Checks,
}

impl Handler for Web {
    fn on_request(&self, request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        let checks = Rc::clone(&self.checks);
        checks.borrow_mut().untold += 1;
        self.answer(request, reply).on_end(move |_| checks.borrow_mut().untold -= 1)
    }
}

impl Web {
    fn answer(&self, request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
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
            "shared" => reply.send_shared(200, &[], body(id, size).into()),
            "stream" => reply.exchange(Stream { body: body(id, size).into(), next: Moment::NEVER }),
            "echo" => reply.exchange(Echo),
            "hold" => reply.exchange(Hold { jobs: id % 2 == 0, until: Moment::NEVER }),
            "collect" => {
                Collect::reply(reply, usize::MAX, |body, writer| writer.send(200, &[], &body))
            }
            _ => reply.text(404, "what?\n"),
        }
    }

    /// Has somebody answer from another thread, some time later.
    fn promise(&self, to: ReplyTo, response: Response) {
        let mut promises = self.promises.borrow_mut();
        promises.push(Some((to, response)));
        let mut net = self.net.borrow_mut();
        let delay = net.faults.rng().time(Duration::from_millis(15));
        net.after(delay, Action::Promise(promises.len() - 1));
    }
}

fn response(id: usize, size: usize) -> Response {
    Response::new(200, body(id, size))
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

/// Sends the request's body back piece by piece, and takes no other meanwhile.
struct Hold {
    /// A job ends the wait, or the clock.
    jobs: bool,
    until: Moment,
}

impl Exchange for Hold {
    fn on_start(&mut self, writer: &mut Writer<'_, '_>) {
        writer.start(200, &[], None);
    }

    fn on_body(&mut self, data: &[u8], writer: &mut Writer<'_, '_>) {
        writer.body(data);
        writer.hold();
        if self.jobs {
            writer.offload(|| Message::any(()));
        } else {
            self.until = writer.now() + Duration::from_millis(3);
        }
    }

    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        writer.finish();
    }

    fn on_message(&mut self, _: Message, writer: &mut Writer<'_, '_>) {
        writer.resume();
    }

    fn on_timeout(&mut self, writer: &mut Writer<'_, '_>) {
        self.until = Moment::NEVER;
        writer.resume();
    }

    fn deadline(&self) -> Moment {
        self.until
    }
}

/// Says something now and then; when the loop drains it ends.
struct Stream {
    body: Bytes,
    next: Moment,
}

impl Exchange for Stream {
    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        writer.start(200, &[], None);
        self.next = writer.now();
    }

    fn on_timeout(&mut self, writer: &mut Writer<'_, '_>) {
        let count = self.body.len().div_ceil(3).min(writer.room());
        writer.body_shared(self.body.split_to(count));
        if self.body.is_empty() {
            self.next = Moment::NEVER;
            return writer.finish();
        }
        self.next = writer.now() + Duration::from_millis(2);
    }

    fn on_shutdown(&mut self, writer: &mut Writer<'_, '_>) {
        if writer.has_started() {
            self.next = Moment::NEVER;
            writer.finish();
        }
    }

    fn deadline(&self) -> Moment {
        self.next
    }
}
