//! Server-Sent Events: the text that `EventSource` reads (WHATWG HTML, "Server-sent events").
//!
//! Called by services that push. Pure: it writes text, and never decides when.
//!
//! ```
//! use readyloop::Moment;
//! use readyloop::session::http::{Exchange, Writer};
//! use readyloop::web::{router::Router, sse};
//! use std::time::Duration;
//!
//! /// Says each second how many have passed; of a peer that does not listen it says nothing.
//! struct Ticker {
//!     next: Moment,
//!     seconds: u64,
//! }
//!
//! impl Exchange for Ticker {
//!     fn on_end(&mut self, writer: &mut Writer<'_, '_>) {
//!         writer.start(200, sse::HEADERS, None);
//!         self.next = writer.now() + Duration::from_secs(1);
//!     }
//!
//!     fn on_timeout(&mut self, writer: &mut Writer<'_, '_>) {
//!         self.next = writer.now() + Duration::from_secs(1);
//!         self.seconds += 1;
//!         if writer.unsent() == 0 {
//!             let text = sse::event(Some(self.seconds), None, &format!("{} s", self.seconds));
//!             writer.body(text.as_bytes());
//!         }
//!     }
//!
//!     fn on_shutdown(&mut self, writer: &mut Writer<'_, '_>) {
//!         writer.finish();
//!     }
//!
//!     fn deadline(&self) -> Moment {
//!         self.next
//!     }
//! }
//!
//! let router = Router::new().get("/ticks", |_, reply| {
//!     reply.exchange(Ticker { next: Moment::NEVER, seconds: 0 })
//! });
//! # let _ = router;
//! ```

/// The media type.
pub const MEDIA_TYPE: &str = "text/event-stream";

/// The fields of a stream's answer: its type, kept by no cache, collected by no proxy on the way.
pub const HEADERS: &[(&str, &[u8])] = &[
    ("Content-Type", MEDIA_TYPE.as_bytes()),
    ("Cache-Control", b"no-store"),
    ("X-Content-Type-Options", b"nosniff"),
    // What nginx and its kin go by.
    ("X-Accel-Buffering", b"no"),
];

/// A comment: keeps the connection known to be alive, and is heard by nobody.
pub const HEART_BEAT: &str = ":\n\n";

/// Writes one event. A line break in `data` (of any of the three kinds) begins a new `data` line, so
/// nothing in it can end the event or begin another. In `event` line breaks are left out.
pub fn event(id: Option<u64>, event: Option<&str>, data: &str) -> String {
    let mut text = String::with_capacity(data.len() + 48);
    if let Some(id) = id {
        text.push_str(&format!("id: {id}\n"));
    }
    if let Some(event) = event {
        text.push_str("event: ");
        text.extend(event.chars().filter(|c| !matches!(c, '\r' | '\n')));
        text.push('\n');
    }
    let mut rest = data;
    loop {
        let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
        match after.strip_prefix("\r\n").or_else(|| after.strip_prefix(['\r', '\n'])) {
            Some(next) => rest = next,
            None => break,
        }
    }
    text.push('\n');
    text
}

/// Tells clients how many milliseconds to wait before they connect again.
pub fn retry(millis: u64) -> String {
    format!("retry: {millis}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a browser makes of a stream: events as (id, name, data).
    fn heard(stream: &str) -> Vec<(String, String, String)> {
        let (mut found, mut now) = (Vec::new(), (String::new(), String::new(), Vec::new()));
        for line in stream.replace("\r\n", "\n").split(['\r', '\n']) {
            match line.split_once(": ").unwrap_or((line, "")) {
                ("", _) if !now.2.is_empty() => {
                    let (id, name, data) = std::mem::take(&mut now);
                    found.push((id, name, data.join("\n")));
                }
                ("id", id) => now.0 = id.to_owned(),
                ("event", name) => now.1 = name.to_owned(),
                ("data", data) => now.2.push(data),
                _ => {}
            }
        }
        found
    }

    #[test]
    fn nothing_in_an_event_forges_another() {
        for data in
            ["", "a", "a\nb", "a\n\nid: 9\n\ndata: b", "a\r\rdata: b\r\n", "\n", "ü\u{2028}"]
        {
            let text = event(Some(7), Some("na\nid: 8\rme"), data);
            let plain = data.replace("\r\n", "\n").replace('\r', "\n");
            assert_eq!(heard(&text), [("7".into(), "naid: 8me".into(), plain)], "{text:?}");
        }
        assert_eq!(event(None, None, "x"), "data: x\n\n");
        assert_eq!(heard(&format!("{}{HEART_BEAT}", retry(5))), []);
    }
}
