//! Checking HTTP answers cheaply: the first one is parsed and kept, later ones are compared with it.
//!
//! `caller.rs` feeds it. An answer whose bytes equal the reference's (but for the date) is right:
//! status, framing and body in one comparison. Any other is parsed from its start and judged by
//! its status, its framing, and the length and hash of its body. It writes nothing and keeps no
//! more of an answer than the reference does.

use std::ops::Range;

use crate::limits::Limits;
use crate::load::careful::{Careful, Verdict, Whole};
use crate::load::recorder::Failed;

/// Bytes of an answer beyond which none is kept to compare with.
const MOST: usize = 20 << 20;
/// The length of a date's value (RFC 9110 §5.6.7).
const DATE: usize = 29;

/// What the answers to one request must be.
#[derive(Debug, Default)]
pub(super) struct Reference {
    /// The first right answer as it came.
    wire: Option<Wire>,
    /// The length and hash of its body.
    body: Option<(u64, u64)>,
    /// An answer is being kept, to become `wire`.
    learning: bool,
}

#[derive(Debug)]
struct Wire {
    bytes: Box<[u8]>,
    /// The value of its date, which may differ.
    date: Range<usize>,
    /// The connection ends after it.
    last: bool,
}

/// What has become of the answer at the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// More must come.
    More,
    /// It is complete; then whether it is right, and whether the connection ends after it.
    Done(Result<(), Failed>, bool),
    /// It has no end that could be found: the connection is of no use any more.
    Lost,
}

/// Where a connection is in the answer that is coming.
#[derive(Debug, Default)]
pub(super) struct Check {
    /// Bytes that were like the reference's.
    at: usize,
    careful: Option<Box<Judged>>,
}

/// An answer that is parsed.
#[derive(Debug)]
struct Judged {
    careful: Careful,
    /// Its bytes, if it is the one that is kept.
    kept: Option<Vec<u8>>,
}

impl Check {
    /// Takes what belongs to the answer that is coming.
    #[inline]
    pub(super) fn take(
        &mut self,
        input: &mut &[u8],
        reference: &mut Reference,
        limits: &Limits,
    ) -> Checked {
        if self.careful.is_none()
            && let Some(wire) = &reference.wire
        {
            let count = input.len().min(wire.bytes.len() - self.at);
            if wire.is_like(self.at, &input[..count]) {
                *input = &input[count..];
                self.at += count;
                if self.at < wire.bytes.len() {
                    return Checked::More;
                }
                self.at = 0;
                return Checked::Done(Ok(()), wire.last);
            }
        }
        self.judge(input, reference, limits)
    }

    /// The peer has ended: the answer that is coming may end with that.
    pub(super) fn end(&mut self, reference: &mut Reference) -> Checked {
        if self.careful.is_none() && self.at > 0 {
            // What was like the reference so far is no whole answer.
            self.at = 0;
            return Checked::Lost;
        }
        match self.careful.take() {
            Some(mut judged) => {
                let verdict = judged.careful.end();
                reference.conclude(*judged, verdict)
            }
            None => Checked::Lost,
        }
    }

    #[cold]
    fn judge(&mut self, input: &mut &[u8], reference: &mut Reference, limits: &Limits) -> Checked {
        let judged = self.careful.get_or_insert_with(|| {
            let mut judged = Judged { careful: Careful::new(), kept: None };
            if reference.body.is_none() && !reference.learning {
                reference.learning = true;
                judged.kept = Some(Vec::new());
            }
            // What was like the reference is gone, but the reference is there.
            if let Some(wire) = &reference.wire {
                judged.careful.feed(&mut &wire.bytes[..self.at], limits);
            }
            self.at = 0;
            Box::new(judged)
        });
        let all = *input;
        let verdict = judged.careful.feed(input, limits);
        let taken = all.len() - input.len();
        if let Some(kept) = &mut judged.kept {
            kept.extend_from_slice(&all[..taken]);
            if kept.len() > MOST {
                judged.kept = None;
            }
        }
        match (verdict, self.careful.take()) {
            (Verdict::More, judged) => {
                self.careful = judged;
                Checked::More
            }
            (verdict, Some(judged)) => reference.conclude(*judged, verdict),
            (_, None) => Checked::Lost,
        }
    }

    /// The connection is gone: what it was keeping is nobody's reference.
    pub(super) fn leave(&mut self, reference: &mut Reference) {
        if self.careful.take().is_some_and(|judged| judged.kept.is_some()) {
            reference.learning = false;
        }
    }
}

impl Reference {
    fn conclude(&mut self, judged: Judged, verdict: Verdict) -> Checked {
        if judged.kept.is_some() {
            self.learning = false;
        }
        let Verdict::Whole(whole) = verdict else { return Checked::Lost };
        let Whole { status, body, last, delimited } = whole;
        if !(200..300).contains(&status) {
            return Checked::Done(Err(Failed::Status), last);
        }
        if *self.body.get_or_insert(body) != body {
            return Checked::Done(Err(Failed::Wrong), last);
        }
        if let Some(kept) = judged.kept
            && delimited
        {
            self.wire = Some(Wire::new(kept, last));
        }
        Checked::Done(Ok(()), last)
    }
}

impl Wire {
    fn new(bytes: Vec<u8>, last: bool) -> Self {
        let head = memchr::memmem::find(&bytes, b"\r\n\r\n").unwrap_or(0);
        let mut lines = bytes[..head].split(|&byte| byte == b'\n');
        let mut at = 0;
        let date = lines.find_map(|line| {
            let from = at + b"date: ".len();
            at += line.len() + 1;
            let is_date = line.len() > 6 && line[..6].eq_ignore_ascii_case(b"date: ");
            (is_date && from + DATE <= head).then_some(from..from + DATE)
        });
        Wire { bytes: bytes.into(), date: date.unwrap_or(0..0), last }
    }

    /// True if `input` could be this answer from `at` on.
    #[inline]
    fn is_like(&self, at: usize, input: &[u8]) -> bool {
        let reference = &self.bytes[at..at + input.len()];
        let to = self.date.start.clamp(at, at + input.len()) - at;
        let from = self.date.end.clamp(at, at + input.len()) - at;
        input[..to] == reference[..to] && input[from..] == reference[from..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str =
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 5\r\n\r\nHello";

    /// All that comes of `answers`, which arrive in pieces of `size` bytes.
    fn checked(reference: &mut Reference, answers: &str, size: usize) -> Vec<Checked> {
        let (mut check, mut all) = (Check::default(), Vec::new());
        for piece in answers.as_bytes().chunks(size) {
            let mut input = piece;
            while !input.is_empty() {
                match check.take(&mut input, reference, &Limits::default()) {
                    Checked::More => assert!(input.is_empty()),
                    Checked::Lost => return [all, vec![Checked::Lost]].concat(),
                    done => all.push(done),
                }
            }
        }
        all
    }

    const RIGHT: Checked = Checked::Done(Ok(()), false);

    #[test]
    fn like_answers_are_right_however_they_arrive() {
        let later = FIRST.replace("37 GMT", "38 GMT");
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nHe\r\n3\r\nllo\r\n0\r\n\r\n";
        let all = [FIRST, &later, chunked, FIRST, &later].concat();
        for size in 1..all.len() {
            let mut reference = Reference::default();
            assert_eq!(checked(&mut reference, &all, size), [RIGHT; 5], "{size}");
            assert!(reference.wire.is_some());
        }
    }

    #[test]
    fn other_bytes_are_wrong_wherever_they_are() {
        for (other, expected) in [
            (FIRST.replace("Hello", "Hellu"), Checked::Done(Err(Failed::Wrong), false)),
            (
                FIRST.replace("5\r\n\r\nHello", "4\r\n\r\nHell"),
                Checked::Done(Err(Failed::Wrong), false),
            ),
            (FIRST.replace("200 OK", "404 No"), Checked::Done(Err(Failed::Status), false)),
            (FIRST.replace("Date:", "Connection: close\r\nDate:"), Checked::Done(Ok(()), true)),
            (FIRST.replace("HTTP/1.1", "ICY"), Checked::Lost),
            (FIRST.replace("Length: 5", "Length: x"), Checked::Lost),
        ] {
            for size in 1..FIRST.len() * 2 {
                let mut reference = Reference::default();
                let all = [FIRST, &other].concat();
                assert_eq!(
                    checked(&mut reference, &all, size),
                    [RIGHT, expected],
                    "{other} {size}"
                );
            }
        }
    }

    #[test]
    fn an_answer_may_end_with_its_connection() {
        let endless = "HTTP/1.1 200 OK\r\n\r\nHello";
        let mut reference = Reference::default();
        for expected in [Ok(()), Ok(())] {
            let mut check = Check::default();
            let mut input = endless.as_bytes();
            assert_eq!(check.take(&mut input, &mut reference, &Limits::default()), Checked::More);
            assert_eq!(check.end(&mut reference), Checked::Done(expected, true));
        }
        let mut check = Check::default();
        let cut = &mut &FIRST.as_bytes()[..FIRST.len() - 1];
        assert_eq!(check.take(cut, &mut reference, &Limits::default()), Checked::More);
        assert_eq!(check.end(&mut reference), Checked::Lost);
    }

    #[test]
    fn whoever_leaves_while_it_learns_lets_another_learn() {
        let mut reference = Reference::default();
        let mut check = Check::default();
        check.take(&mut &FIRST.as_bytes()[..20], &mut reference, &Limits::default());
        assert!(reference.learning);
        check.leave(&mut reference);
        assert_eq!(checked(&mut reference, FIRST, 100), [RIGHT]);
        assert!(reference.wire.is_some());
    }
}
