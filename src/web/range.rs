//! Ranges of bytes: what a `Range` field selects, and the body of several (RFC 9110 §14).
//!
//! Called by what serves bodies that it can cut. Pure numbers and text; nothing is read or sent.
//! Many ranges cost the server far more than the client that asks for them, so their number is
//! bounded, and those that overlap or nearly touch are sent as one.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// Ranges of one request that are looked at; with more, the whole is sent as if none were asked.
pub const MAX_RANGES: usize = 16;

/// Ranges closer to each other than this are sent as one: a part's own head is about as long.
const NEAR: u64 = 80;

/// What a `Range` field selects of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected {
    /// All of it: the field is not understood, or asks for too much (RFC 9110 §14.2).
    Whole,
    /// One range: 206 with `Content-Range`.
    One(Range<u64>),
    /// Several, apart from each other: 206 with a multipart body.
    Many(Vec<Range<u64>>),
    /// Nothing: 416 with the length in `Content-Range`.
    Unsatisfiable,
}

/// Reads the value of a `Range` field for a body of `length` bytes.
pub fn select(value: &[u8], length: u64) -> Selected {
    let Some(list) = specifiers(value) else { return Selected::Whole };
    let mut ranges = Vec::new();
    let mut count = 0;
    for specifier in list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
        if specifier.is_empty() {
            continue;
        }
        count += 1;
        match resolve(specifier, length) {
            None => return Selected::Whole,
            Some(_) if count > MAX_RANGES => return Selected::Whole,
            Some(range) => ranges.extend(range),
        }
    }
    let mut ranges = apart(ranges);
    match ranges.len() {
        0 if count == 0 => Selected::Whole,
        0 => Selected::Unsatisfiable,
        1 => ranges.pop().map_or(Selected::Whole, Selected::One),
        _ => Selected::Many(ranges),
    }
}

/// What follows `bytes=`; `None` for other units, which are ignored.
fn specifiers(value: &[u8]) -> Option<&[u8]> {
    let at = value.iter().position(|&byte| byte == b'=')?;
    let (unit, rest) = value.split_at_checked(at)?;
    unit.eq_ignore_ascii_case(b"bytes").then(|| rest.get(1..).unwrap_or(&[]))
}

/// `None` if it is no range, `Some(None)` if it selects nothing.
fn resolve(specifier: &[u8], length: u64) -> Option<Option<Range<u64>>> {
    let at = specifier.iter().position(|&byte| byte == b'-')?;
    let (first, last) = (specifier.get(..at)?, specifier.get(at + 1..)?);
    if first.is_empty() {
        // A suffix: so many bytes from the end.
        let count = number(last)?.min(length);
        return Some((count > 0).then_some(length - count..length));
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    Some((first < length).then(|| first..last.saturating_add(1).min(length)))
}

/// Digits as a number; more of them than fit are as good as the largest.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add =
        |sum: u64, &digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().fold(0, add))
}

/// The ranges as they were asked for if they are apart, or else in order and joined.
fn apart(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut sorted = ranges.clone();
    sorted.sort_unstable_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match joined.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(NEAR) => {
                last.end = last.end.max(range.end);
            }
            _ => joined.push(range),
        }
    }
    if joined.len() == ranges.len() { ranges } else { joined }
}

/// The value of `Content-Range` for a part (RFC 9110 §14.4).
pub fn content_range(range: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1))
}

/// The value of `Content-Range` of a 416.
pub fn unsatisfied(length: u64) -> String {
    format!("bytes */{length}")
}

/// The frame of a `multipart/byteranges` body (RFC 9110 §14.6): a head before each part, and an end.
#[derive(Clone, Debug)]
pub struct Multipart {
    boundary: String,
    heads: Vec<(String, Range<u64>)>,
    end: String,
}

impl Multipart {
    /// Frames `ranges` of a body of `length` bytes whose type is `content_type`.
    pub fn new(ranges: &[Range<u64>], length: u64, content_type: &str) -> Self {
        // A key of this process and of this answer: whoever wrote the body could not foresee it.
        let key = RandomState::new();
        let boundary = format!("{:016x}{:016x}", key.hash_one(0), key.hash_one(1));
        let heads = ranges.iter().map(|range| {
            let place = content_range(range, length);
            let head = format!(
                "\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {place}\r\n\r\n"
            );
            (head, range.clone())
        });
        let heads = heads.collect();
        let end = format!("\r\n--{boundary}--\r\n");
        Multipart { boundary, heads, end }
    }

    /// The value of `Content-Type` for the whole.
    pub fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// The head and the range of each part, in order.
    pub fn parts(&self) -> &[(String, Range<u64>)] {
        &self.heads
    }

    /// What follows the last part.
    pub fn end(&self) -> &str {
        &self.end
    }

    /// How long the whole is.
    pub fn length(&self) -> u64 {
        let part = |(head, range): &(String, Range<u64>)| {
            (head.len() as u64).saturating_add(range.end.saturating_sub(range.start))
        };
        self.heads.iter().map(part).fold(self.end.len() as u64, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_found_by_either_end() {
        for (text, range) in [
            ("bytes=0-499", 0..500),
            ("bytes=500-999", 500..1000),
            ("Bytes=9500-", 9500..10_000),
            ("bytes=-500", 9500..10_000),
            ("bytes=-20000", 0..10_000),
            ("bytes=0-0", 0..1),
            ("bytes=-1", 9999..10_000),
            ("bytes=0-18446744073709551615", 0..10_000),
            ("bytes=0-99999999999999999999999", 0..10_000),
            ("bytes= 1-2 ,, ", 1..3),
            ("bytes=1-2,20000-", 1..3),
            // Overlapping, touching, nearly touching.
            ("bytes=0-5,3-9", 0..10),
            ("bytes=5-9,0-4", 0..10),
            ("bytes=0-9,20-29", 0..30),
            ("bytes=0-,0-,0-,0-", 0..10_000),
        ] {
            assert_eq!(select(text.as_bytes(), 10_000), Selected::One(range), "{text}");
        }
    }

    #[test]
    fn several_ranges_stay_in_their_order_if_they_are_apart() {
        let many = |text: &str| select(text.as_bytes(), 10_000);
        assert_eq!(many("bytes=500-600,0-9"), Selected::Many(vec![500..601, 0..10]));
        assert_eq!(many("bytes=0-9,-1"), Selected::Many(vec![0..10, 9999..10_000]));
        assert_eq!(
            many("bytes=5000-5009,0-9,5-20,-1"),
            Selected::Many(vec![0..21, 5000..5010, 9999..10_000])
        );
    }

    #[test]
    fn what_selects_nothing_is_unsatisfiable() {
        for text in ["bytes=10000-", "bytes=10000-10001", "bytes=-0", "bytes=20000-,30000-"] {
            assert_eq!(select(text.as_bytes(), 10_000), Selected::Unsatisfiable, "{text}");
        }
        for text in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(select(text.as_bytes(), 0), Selected::Unsatisfiable, "{text} of nothing");
        }
    }

    #[test]
    fn what_is_no_range_is_ignored() {
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "0-1",
            "lines=0-1",
            "bytes=a-b",
            "bytes=1",
            "bytes=-",
            "bytes=5-4",
            "bytes=+1-2",
            "bytes=1-2;3-4",
            "bytes=0-1,x",
            "bytes =0-1",
            "bytes=--1",
            "bytes=1-2-3",
            "bytes=0x1-2",
        ] {
            assert_eq!(select(text.as_bytes(), 10_000), Selected::Whole, "{text:?}");
        }
    }

    #[test]
    fn a_flood_of_ranges_gets_the_whole() {
        let list = |count: u64| {
            let ranges: Vec<_> = (0..count).map(|n| format!("{}-{}", n * 200, n * 200)).collect();
            format!("bytes={}", ranges.join(","))
        };
        let most = MAX_RANGES as u64;
        assert!(matches!(select(list(most).as_bytes(), 10_000), Selected::Many(_)));
        assert_eq!(select(list(most + 1).as_bytes(), 10_000), Selected::Whole);
    }

    #[test]
    fn a_multipart_body_is_as_long_as_it_says() {
        let multipart = Multipart::new(&[0..3, 7..9], 10, "text/plain");
        let mut body = String::new();
        for (head, range) in multipart.parts() {
            body.push_str(head);
            body.push_str(&"0123456789"[range.start as usize..range.end as usize]);
        }
        body.push_str(multipart.end());
        assert_eq!(body.len() as u64, multipart.length());
        let boundary = multipart.content_type();
        let boundary = boundary.strip_prefix("multipart/byteranges; boundary=").expect("one");
        let expected = "\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-2/10\r\n\r\n012\
            \r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 7-8/10\r\n\r\n78\r\n--B--\r\n";
        assert_eq!(body, expected.replace("--B", &format!("--{boundary}")));
        assert_ne!(boundary, Multipart::new(&[], 10, "text/plain").boundary);
        assert_eq!(unsatisfied(10), "bytes */10");
    }
}
