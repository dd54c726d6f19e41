//! What a stream of Server-Sent Events says (WHATWG HTML, "Server-sent events"), a piece at a time.
//!
//! Pure: [`feed`](super::feed) gives it what it reads.

/// The most that one event may be: a sample is a fiftieth of it.
const MOST: usize = 8 << 20;

/// The data of events whose end has not come.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The beginning of a line.
    line: Vec<u8>,
    /// The lines of data of the event at hand.
    data: Vec<u8>,
}

impl Events {
    /// Takes a piece and tells `event` the data of each event that it completes.
    ///
    /// # Errors
    ///
    /// An event is larger than any that is expected.
    pub(super) fn take(
        &mut self,
        piece: &[u8],
        mut event: impl FnMut(&str),
    ) -> Result<(), &'static str> {
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.len() + self.data.len() > MOST {
                return Err("an event without an end");
            }
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.end_of(line.trim_ascii_end(), &mut event);
            }
        }
        Ok(())
    }

    fn end_of(&mut self, line: &[u8], event: &mut impl FnMut(&str)) {
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            if !data.is_empty() {
                event(String::from_utf8_lossy(&data).trim_end_matches('\n'));
            }
        } else if let Some(data) = line.strip_prefix(b"data:") {
            self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
            self.data.push(b'\n');
        }
        // Numbers, names and heart-beats are of no use here.
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::sse;

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        let stream = [
            sse::retry(500),
            sse::event(Some(1), Some("sample"), "{\"a\":1}"),
            sse::HEART_BEAT.to_owned(),
            sse::event(None, None, "two\nlines"),
            "data: crlf\r\n\r\ndata: never ends".to_owned(),
        ]
        .concat();
        for size in 1..=stream.len() {
            let (mut events, mut found) = (Events::default(), Vec::new());
            for piece in stream.as_bytes().chunks(size) {
                events.take(piece, |data| found.push(data.to_owned())).expect("no long event");
            }
            assert_eq!(found, ["{\"a\":1}", "two\nlines", "crlf"], "{size}");
        }
    }

    #[test]
    fn an_event_without_an_end_has_one() {
        let mut events = Events::default();
        let piece = [b'x'; 64 * 1024];
        let refused = (0..1000).find(|_| events.take(&piece, |_| {}).is_err());
        assert_eq!(refused, Some(MOST / piece.len()));
    }
}
