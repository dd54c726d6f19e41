//! One HTTP/1.1 connection: pulls events out of the machine, keeps the time limits of its phases,
//! and hands requests to the [`Handler`], one at a time.

use std::rc::Rc;

use super::exchange::{Active, Done, Exchange, Writer};
use super::extra::Extra;
use super::reply::{Next, Observer, Terms};
use super::{Answered, Deferred, Handler, Origin, Reply, Response};
use crate::error::{CloseReason, Fault, Phase};
use crate::probe::Stage;
use crate::proto::h1::{Event, Framing, Head, Memo, Refusal, Server, Trailers, encode};
use crate::session::{CloseMode, Cx, Env, Flow, Message, OffloadFailed, Session};
use crate::time::Moment;

/// One HTTP/1.1 connection. Idle ones are many, so it is small: what only an exchange needs is in
/// `active`.
pub(super) struct HttpSession<H> {
    handler: Rc<H>,
    origin: Origin,
    machine: Server,
    active: Option<Box<Active>>,
    deadline: Moment,
    seq: u32,
    phase: Phase,
}

impl<H> HttpSession<H> {
    /// A session that asks `handler` for the answers.
    pub(super) fn new(handler: Rc<H>, origin: Origin) -> Self {
        HttpSession {
            handler,
            origin,
            machine: Server::new(),
            active: None,
            deadline: Moment::NEVER,
            seq: 0,
            phase: Phase::FirstByte,
        }
    }
}

impl<H: Handler> Session for HttpSession<H> {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.deadline = cx.now() + cx.limits().first_byte;
        Flow::Continue
    }

    fn on_data(&mut self, input: &mut &[u8], cx: &mut Cx<'_>) -> Flow {
        // Heads borrow from the memo while the handler uses the rest of the environment.
        let mut memo = std::mem::take(&mut cx.env().memo);
        let flow = self.take(input, &mut memo, cx);
        cx.env().memo = memo;
        flow
    }

    fn on_eof(&mut self, clean: bool, _: &mut Cx<'_>) -> Flow {
        if let Some(active) = &mut self.active {
            active.peer_ended = true;
            if active.request_ended {
                // The peer has said all it will and still listens: it gets its reply.
                return Flow::Pause;
            }
        }
        let whole = clean && self.machine.eof().is_ok();
        let reason = if whole { CloseReason::PeerClosed } else { CloseReason::Truncated };
        Flow::Close(CloseMode::Flush, reason)
    }

    fn on_drain(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.call(cx, |exchange, writer| exchange.on_drain(writer))
    }

    fn on_message(&mut self, message: Message, cx: &mut Cx<'_>) -> Flow {
        let message = match message {
            Message::Any(any) => match any.downcast::<Deferred>() {
                Ok(deferred) => return self.deferred(*deferred, cx),
                Err(any) => match any.downcast::<Done>() {
                    Ok(done) if done.seq == self.seq => done.message,
                    // The result of a job whose exchange is over: another request's by now.
                    Ok(_) => return self.resting(),
                    Err(any) => Message::Any(any),
                },
            },
            other => other,
        };
        if let Message::Any(any) = &message
            && any.downcast_ref::<OffloadFailed>().is_some_and(|failed| failed.tag != self.seq)
        {
            return self.resting();
        }
        if self.active.as_ref().is_some_and(|active| active.exchange.is_none()) {
            return self.unanswered(message, cx);
        }
        self.call(cx, |exchange, writer| exchange.on_message(message, writer))
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_>) -> Flow {
        let now = cx.now();
        if let Some(active) = &mut self.active {
            if active.deadline() <= now {
                let flow = self.call(cx, |exchange, writer| exchange.on_timeout(writer));
                if self.active.as_ref().is_some_and(|active| active.deadline() <= now) {
                    log::error!("an exchange whose deadline stays in the past was ended");
                    return Flow::Close(CloseMode::Abort, CloseReason::Aborted);
                }
                return flow;
            }
            // While the peer does not take what it is sent we do not read, so its body cannot
            // grow; the driver's limit on writing looks after it.
            let slow = active.gained < cx.limits().progress_bytes && cx.unsent() == 0;
            if self.phase == Phase::Body
                && let Some(since) = active.held
            {
                // Not the peer's fault: the application holds its body.
                self.deadline = since + cx.limits().reply;
                return if self.deadline > now { self.resting() } else { self.time_out(cx) };
            }
            if self.phase == Phase::Body && !slow {
                active.gained = 0;
                self.deadline = now + cx.limits().progress;
                return self.resting();
            }
            // A reply that has begun is held to the peer's pace by the driver. One that says
            // nothing for as long as a connection may be idle is over.
            if self.phase == Phase::Reply && active.has_started() {
                if !std::mem::take(&mut active.wrote) && cx.unsent() == 0 {
                    return Flow::Close(CloseMode::Linger, CloseReason::TimedOut(Phase::Idle));
                }
                self.deadline = now + cx.limits().idle;
                return self.resting();
            }
        } else if cx.unsent() > 0 {
            // It still takes its last answers. Until it has, we may not have read what it sent.
            self.deadline = now
                + match self.phase {
                    Phase::Head => cx.limits().head,
                    Phase::Body => cx.limits().progress,
                    _ => cx.limits().idle,
                };
            return Flow::Continue;
        }
        self.time_out(cx)
    }

    fn on_shutdown(&mut self, cx: &mut Cx<'_>) -> Flow {
        if let Some(active) = &mut self.active {
            // An answer whose head has gone out has not said that it is the last, so it is not.
            active.terms.keep_alive &= active.has_started();
            return self.call(cx, |exchange, writer| exchange.on_shutdown(writer));
        }
        if matches!(self.phase, Phase::Idle | Phase::FirstByte) {
            // The next request may be on its way; whoever sends it within this time is answered.
            self.deadline = self.deadline.min(cx.now() + cx.limits().drain_idle);
        }
        self.resting()
    }

    fn on_close(&mut self, why: CloseReason, env: &mut Env) {
        if let Some(exchange) = self.active.take().and_then(|mut active| active.exchange.take()) {
            exchange.on_abort(why, env);
        }
    }

    fn deadline(&self) -> Moment {
        match &self.active {
            Some(active) => active.deadline().min(self.deadline),
            None => self.deadline,
        }
    }

    fn stage(&self) -> Stage {
        match self.phase {
            Phase::FirstByte => Stage::FirstByte,
            Phase::Head => Stage::Head,
            Phase::Body => Stage::Body,
            Phase::Reply => Stage::Reply,
            _ => Stage::Idle,
        }
    }
}

impl<H: Handler> HttpSession<H> {
    #[inline]
    fn take(&mut self, input: &mut &[u8], memo: &mut Memo, cx: &mut Cx<'_>) -> Flow {
        loop {
            // Without input only the end of a request can follow, which must not wait for room: no
            // byte would come to have it looked for again.
            if cx.room() == 0 && !input.is_empty() {
                cx.want_drain();
                if self.active.is_none() && self.machine.in_head() {
                    self.idle(cx);
                }
                return Flow::Continue;
            }
            if self.active.as_ref().is_some_and(|active| active.held.is_some()) {
                return Flow::Pause;
            }
            let event = match self.machine.next_event(input, memo, cx.limits()) {
                Ok(Some(event)) => event,
                Ok(None) => return self.wait(cx),
                Err(refusal) => return self.refuse(refusal, cx),
            };
            let flow = match event {
                Event::Request(head) => self.request(&head, !input.is_empty(), cx),
                Event::Data(data) => self.body(data, cx),
                Event::Trailers(trailers) => self.trailers(&trailers, cx),
                Event::End => self.end(cx),
            };
            if let Some(flow) = flow {
                return flow;
            }
        }
    }

    #[inline]
    fn request(&mut self, head: &Head<'_>, more: bool, cx: &mut Cx<'_>) -> Option<Flow> {
        self.seq = self.seq.wrapping_add(1);
        self.phase = Phase::Idle;
        let token = cx.token();
        let recorder = &mut cx.env().recorder;
        if recorder.is_on() {
            recorder.request(token, head.method, head.path());
        }
        let terms = Terms::of(head, cx);
        let reply = Reply::new(cx, terms, self.seq, &self.origin);
        let Answered { next, terms, observer, extra, .. } = self.handler.on_request(head, reply);
        match next {
            Next::Sent if terms.keep_alive => {
                self.machine.next();
                None
            }
            Next::Sent => Some(self.finished(!terms.was_asked_to_close || more)),
            Next::Upgrade(session) => Some(Flow::Upgrade(session)),
            Next::Later => self.promise(terms, observer, extra, cx),
            Next::Exchange(exchange) => {
                let mut active = Active::new(terms, Some(exchange), observer, extra, cx.now());
                active.request_ended = head.framing == Framing::None;
                self.begin(active, head.expect_continue, cx)
            }
        }
    }

    /// The answer comes later, and whoever gives it does not want the body: a short one is skipped,
    /// a long one is left unread and ends the connection.
    fn promise(
        &mut self,
        mut terms: Terms,
        observer: Option<Observer>,
        extra: Extra,
        cx: &mut Cx<'_>,
    ) -> Option<Flow> {
        terms.keep_alive &= terms.skippable;
        let mut active = Active::new(terms, None, observer, extra, cx.now());
        active.request_ended = !terms.skippable;
        let flow = active.request_ended.then_some(Flow::Pause);
        self.begin(active, false, cx).or(flow)
    }

    fn begin(&mut self, active: Active, expects: bool, cx: &mut Cx<'_>) -> Option<Flow> {
        let limits = cx.limits();
        (self.phase, self.deadline) = match active.request_ended {
            true => (Phase::Reply, cx.now() + limits.reply),
            false => (Phase::Body, cx.now() + limits.progress),
        };
        self.active = Some(Box::new(active));
        let flow = self.exchange(cx, |exchange, writer| exchange.on_start(writer));
        if expects && self.active.as_ref().is_some_and(|active| !active.has_started()) {
            cx.write(encode::CONTINUE);
        }
        match flow {
            Flow::Close(..) => Some(flow),
            _ => None,
        }
    }

    fn body(&mut self, data: &[u8], cx: &mut Cx<'_>) -> Option<Flow> {
        // Without an exchange the answer has been given already and nobody wants the body; `Terms`
        // saw to it that it is short.
        let active = self.active.as_mut()?;
        active.gained = active.gained.saturating_add(u32::try_from(data.len()).unwrap_or(u32::MAX));
        match self.exchange(cx, |exchange, writer| exchange.on_body(data, writer)) {
            flow @ Flow::Close(..) => Some(flow),
            _ => None,
        }
    }

    #[cold]
    fn trailers(&mut self, trailers: &Trailers<'_>, cx: &mut Cx<'_>) -> Option<Flow> {
        match self.exchange(cx, |exchange, writer| exchange.on_trailers(trailers, writer)) {
            flow @ Flow::Close(..) => Some(flow),
            _ => None,
        }
    }

    #[inline]
    fn end(&mut self, cx: &mut Cx<'_>) -> Option<Flow> {
        let Some(active) = &mut self.active else {
            self.machine.next();
            return None;
        };
        active.request_ended = true;
        self.phase = Phase::Reply;
        self.deadline = cx.now() + cx.limits().reply;
        match self.exchange(cx, |exchange, writer| exchange.on_end(writer)) {
            Flow::Continue => None,
            flow => Some(flow),
        }
    }

    /// Calls the exchange for another reason than its input. If it takes its body again, the end of
    /// the request may be all that is left of it: no byte would come to have that looked for.
    fn call(
        &mut self,
        cx: &mut Cx<'_>,
        f: impl FnOnce(&mut dyn Exchange, &mut Writer<'_, '_>),
    ) -> Flow {
        let since = self.active.as_ref().and_then(|active| active.held);
        let flow = self.exchange(cx, f);
        let (Some(since), Some(active), Flow::Continue) = (since, &self.active, &flow) else {
            return flow;
        };
        if active.takes_nothing() {
            return flow;
        }
        // The peer could not send meanwhile.
        self.deadline += cx.now().since(since);
        let mut memo = std::mem::take(&mut cx.env().memo);
        let flow = self.take(&mut &[][..], &mut memo, cx);
        cx.env().memo = memo;
        flow
    }

    /// Calls the exchange, if there is one, and moves on if that completed it.
    fn exchange(
        &mut self,
        cx: &mut Cx<'_>,
        f: impl FnOnce(&mut dyn Exchange, &mut Writer<'_, '_>),
    ) -> Flow {
        let token_seq = self.seq;
        if let Some(active) = &mut self.active
            && let Some(mut exchange) = active.exchange.take()
        {
            f(&mut *exchange, &mut Writer::new(cx, active, token_seq));
            active.exchange = Some(exchange);
            active.pour_the_rest();
        }
        self.settle(cx)
    }

    fn deferred(&mut self, deferred: Deferred, cx: &mut Cx<'_>) -> Flow {
        if let Some(active) = &mut self.active
            && deferred.seq == self.seq
        {
            Writer::new(cx, active, deferred.seq).respond(deferred.response);
            active.pour_the_rest();
        }
        self.settle(cx)
    }

    /// A request without an exchange awaits its answer. If the job that was to give it failed, the
    /// peer need not wait for the time-out.
    fn unanswered(&mut self, message: Message, cx: &mut Cx<'_>) -> Flow {
        if let Message::Any(any) = message
            && any.is::<OffloadFailed>()
        {
            let response = Response::text(503, "the server is too busy for this request\n");
            let response = response.with("Retry-After", "1");
            return self.deferred(Deferred { seq: self.seq, response }, cx);
        }
        self.resting()
    }

    /// What an exchange's state means for the connection.
    fn settle(&mut self, cx: &mut Cx<'_>) -> Flow {
        let Some(active) = &self.active else { return Flow::Continue };
        if active.is_broken() {
            return Flow::Close(CloseMode::Abort, CloseReason::Aborted);
        }
        if !active.is_finished() {
            return self.resting();
        }
        let (ended, terms, peer_ended) = (active.request_ended, active.terms, active.peer_ended);
        self.active = None;
        if !ended && !terms.keep_alive {
            return self.finished(true);
        }
        if peer_ended {
            return Flow::Close(CloseMode::Flush, CloseReason::PeerClosed);
        }
        if !terms.keep_alive {
            return self.finished(!terms.was_asked_to_close);
        }
        if ended {
            self.machine.next();
            self.idle(cx);
        }
        Flow::Continue
    }

    /// Paused while only the reply is outstanding.
    fn resting(&self) -> Flow {
        match &self.active {
            Some(active) if active.takes_nothing() => Flow::Pause,
            _ => Flow::Continue,
        }
    }

    fn finished(&mut self, peer_may_send: bool) -> Flow {
        let mode = if peer_may_send { CloseMode::Linger } else { CloseMode::Flush };
        Flow::Close(mode, CloseReason::Finished)
    }

    /// The machine needs more bytes: says how long they may take.
    #[inline]
    fn wait(&mut self, cx: &mut Cx<'_>) -> Flow {
        if self.active.is_some() {
            return self.resting();
        }
        if !self.machine.in_head() {
            // The rest of a body that nobody wants.
            if self.phase != Phase::Body {
                self.phase = Phase::Body;
                self.deadline = cx.now() + cx.limits().progress;
            }
        } else if self.machine.has_started() {
            if self.phase != Phase::Head {
                self.phase = Phase::Head;
                self.deadline = cx.now() + cx.limits().head;
            }
        } else {
            self.idle(cx);
        }
        Flow::Continue
    }

    #[inline]
    fn idle(&mut self, cx: &mut Cx<'_>) {
        self.phase = Phase::Idle;
        let limits = cx.limits();
        let patience = if cx.is_draining() { limits.drain_idle } else { limits.idle };
        self.deadline = cx.now() + patience;
    }

    #[cold]
    fn refuse(&mut self, refusal: Refusal, cx: &mut Cx<'_>) -> Flow {
        let begun = self.active.as_ref().is_some_and(|active| active.has_started());
        if !begun {
            self.error(refusal.fault(), cx);
        }
        Flow::Close(CloseMode::Linger, CloseReason::Protocol(refusal.fault()))
    }

    #[cold]
    fn time_out(&mut self, cx: &mut Cx<'_>) -> Flow {
        static SLOW: Fault = Fault { code: 408, what: "a request that did not arrive in time" };
        static LATE: Fault = Fault { code: 503, what: "no reply in time" };
        // What is left of a request whose answer was given at once must not be answered again.
        let unanswered = match &self.active {
            Some(active) => !active.has_started(),
            None => self.phase == Phase::Head,
        };
        let is_held = self.active.as_ref().is_some_and(|active| active.held.is_some());
        match self.phase {
            Phase::Body if unanswered && is_held => self.error(&LATE, cx),
            Phase::Head | Phase::Body if unanswered => self.error(&SLOW, cx),
            Phase::Reply => self.error(&LATE, cx),
            Phase::Idle | Phase::FirstByte if cx.is_draining() => {
                return Flow::Close(CloseMode::Linger, CloseReason::Drained);
            }
            _ => {}
        }
        Flow::Close(CloseMode::Linger, CloseReason::TimedOut(self.phase))
    }

    fn error(&mut self, fault: &'static Fault, cx: &mut Cx<'_>) {
        let head_only = self.active.as_ref().is_some_and(|active| active.terms.head_only);
        super::reply::plain_error(fault.code, fault.what, head_only, cx);
        match &mut self.active {
            Some(active) => active.was_refused(fault.code, cx.now()),
            None => self.handler.on_refused(fault, &self.origin, cx.env()),
        }
    }
}
