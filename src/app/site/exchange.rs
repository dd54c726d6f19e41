//! The exchanges of the streaming, the waiting and the working routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::app::site::{Burn, TEXT};
use crate::session::http::{Exchange, Response, Writer};
use crate::session::{Message, OffloadFailed};
use crate::time::Moment;

/// Sends the request's body back while it arrives.
///
/// The reply begins with the first piece of body rather than with the head, so that a client which
/// asked for `100 Continue` gets it.
pub(super) struct Mirror {
    content_type: Vec<u8>,
    length: Option<u64>,
}

impl Mirror {
    pub(super) fn new(content_type: &[u8], length: Option<u64>) -> Self {
        Mirror { content_type: content_type.to_vec(), length }
    }

    fn start(&self, writer: &mut Writer<'_, '_>) {
        if writer.has_started() {
            return;
        }
        // Whatever a stranger posts must not become a page of this origin.
        let headers: [(&str, &[u8]); 3] = [
            ("Content-Type", &self.content_type),
            ("X-Content-Type-Options", b"nosniff"),
            ("Content-Security-Policy", b"default-src 'none'; sandbox"),
        ];
        writer.start(200, &headers, self.length);
    }
}

impl Exchange for Mirror {
    fn on_body(&mut self, data: &[u8], writer: &mut Writer<'_, '_>) {
        self.start(writer);
        writer.body(data);
    }

    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        self.start(writer);
        writer.finish();
    }
}

/// Sends so many bytes, as fast as the peer takes them and no faster.
pub(super) struct Bytes {
    count: u64,
    left: u64,
}

/// What is sent, again and again: printable, so that a terminal survives it.
static BLOCK: [u8; 64 * 1024] = block();

const fn block() -> [u8; 64 * 1024] {
    const LINE: &[u8; 64] = b"0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXY\n";
    let mut block = [0; 64 * 1024];
    let mut at = 0;
    while at < block.len() {
        block[at] = LINE[at % LINE.len()];
        at += 1;
    }
    block
}

impl Bytes {
    /// `count` bytes; for HEAD only their number is told.
    pub(super) fn new(count: u64, is_head: bool) -> Self {
        Bytes { count, left: if is_head { 0 } else { count } }
    }

    /// One block a call: each call's output is one write.
    fn pour(&mut self, writer: &mut Writer<'_, '_>) {
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(BLOCK.len());
        writer.body(&BLOCK[..count]);
        self.left -= count as u64;
        if self.left == 0 { writer.finish() } else { writer.want_drain() }
    }
}

impl Exchange for Bytes {
    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        writer.start(200, TEXT, Some(self.count));
        self.pour(writer);
    }

    fn on_drain(&mut self, writer: &mut Writer<'_, '_>) {
        self.pour(writer);
    }
}

/// Answers when a time has passed; meanwhile it costs a timer and nothing else.
pub(super) struct Delay {
    wait: Duration,
    until: Moment,
}

impl Delay {
    pub(super) fn new(wait: Duration) -> Self {
        Delay { wait, until: Moment::NEVER }
    }
}

impl Exchange for Delay {
    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        self.until = writer.now() + self.wait;
    }

    fn on_timeout(&mut self, writer: &mut Writer<'_, '_>) {
        let text = format!("answered after {} ms\n", self.wait.as_millis());
        writer.send(200, TEXT, text.as_bytes());
    }

    fn deadline(&self) -> Moment {
        self.until
    }
}

/// Has a thread of the off-load pool compute for a while, and answers when it is done.
pub(super) struct Work {
    time: Duration,
    burn: Burn,
    /// Nobody waits for the result any more.
    given_up: Arc<AtomicBool>,
}

/// The job is done.
struct Worked;

/// How long the thread computes before it looks whether anybody still waits.
const SLICE: Duration = Duration::from_millis(10);

impl Work {
    pub(super) fn new(time: Duration, burn: Burn) -> Self {
        Work { time, burn, given_up: Arc::default() }
    }
}

impl Exchange for Work {
    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        let (mut left, burn, given_up) = (self.time, self.burn, Arc::clone(&self.given_up));
        writer.offload(move || {
            while !left.is_zero() && !given_up.load(Ordering::Relaxed) {
                burn(left.min(SLICE));
                left = left.saturating_sub(SLICE);
            }
            Message::any(Worked)
        });
    }

    fn on_message(&mut self, message: Message, writer: &mut Writer<'_, '_>) {
        let Message::Any(any) = message else { return };
        if any.is::<Worked>() {
            let text = format!("computed for {} ms\n", self.time.as_millis());
            writer.send(200, TEXT, text.as_bytes());
        } else if any.is::<OffloadFailed>() {
            let busy = Response::text(503, "every worker is busy\n").with("Retry-After", "1");
            writer.respond(busy);
        }
    }
}

impl Drop for Work {
    /// It is answered, or the peer has left, or somebody's patience is over.
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}
