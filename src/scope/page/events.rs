//! The stream of samples that the page lives on: Server-Sent Events, one each few hundred
//! milliseconds.
//!
//! A reader that has not taken the last sample gets no next one, so a slow or stuck one costs the
//! loop one sample and no more.

use std::rc::Rc;
use std::time::Duration;

use super::{Ask, Observer, Shared};
use crate::session::http::{Exchange, Writer};
use crate::time::Moment;
use crate::web::sse;

/// Milliseconds after which a browser that was cut off comes again.
const RETRY: u64 = 1000;

/// One reader's stream.
pub(super) struct Stream {
    shared: Rc<Shared>,
    ask: Ask,
    observer: Observer,
    /// The time between two samples.
    every: Duration,
    /// When the next one is due.
    beat: Moment,
    /// Facts that had been recorded when the last one was made.
    read: u64,
}

impl Stream {
    pub(super) fn new(shared: Rc<Shared>, ask: Ask, observer: Observer, every: Duration) -> Self {
        shared.readers.update(|count| count + 1);
        Stream { shared, ask, observer, every, beat: Moment::NEVER, read: 0 }
    }

    fn tell(&mut self, writer: &mut Writer<'_, '_>) {
        let (json, read) = self.shared.sample(writer.env(), &self.ask, &self.observer, self.read);
        self.read = read;
        writer.body(sse::event(None, None, &json).as_bytes());
        self.rest(writer);
    }

    /// The next one comes well within the time that a reply may be silent.
    fn rest(&mut self, writer: &mut Writer<'_, '_>) {
        let most = writer.env().limits.idle / 2;
        self.beat = writer.now() + self.every.min(most);
    }
}

impl Exchange for Stream {
    fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
        writer.start(200, sse::HEADERS, None);
        writer.body(sse::retry(RETRY).as_bytes());
        self.tell(writer);
        // Nobody will say so once more.
        if writer.env().draining {
            writer.finish();
        }
    }

    fn on_timeout(&mut self, writer: &mut Writer<'_, '_>) {
        if writer.unsent() == 0 { self.tell(writer) } else { self.rest(writer) }
    }

    fn on_shutdown(&mut self, writer: &mut Writer<'_, '_>) {
        writer.finish();
    }

    fn deadline(&self) -> Moment {
        self.beat
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.readers.update(|count| count.saturating_sub(1));
    }
}
