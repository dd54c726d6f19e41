//! The words of the TCP members: what a chunk of their bytes means, and how others' words are told
//! to them. Pure.
//!
//! TCP may glue messages together and tutorials do not frame them, so:
//!
//! * a chunk of nothing but `1` (and line ends) is as many heart-beats;
//! * `1`s before a text that then begins with a time are heart-beats too, if it would not begin with
//!   a time otherwise;
//! * everything else is a text, and goes to other TCP members byte for byte, glued as it is, so
//!   nothing is lost;
//! * for the page a text is cut where another `TIME\n\t` begins.

use std::ops::Range;

/// A heart-beat, and the answer to it.
pub const HEART_BEAT: &[u8] = b"1";

/// How many heart-beats a chunk begins with, and what follows them.
pub fn heart_beats(chunk: &[u8]) -> (usize, &[u8]) {
    let is_beat = |byte: &u8| *byte == b'1';
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    if chunk.iter().all(|byte| is_beat(byte) || is_end(byte)) {
        return (chunk.iter().filter(|byte| is_beat(byte)).count(), &[]);
    }
    let ones = chunk.iter().take_while(|byte| is_beat(byte)).count();
    // From the left: the hour may begin with a 1 itself.
    for count in 0..=ones {
        if let Some((_, text)) = chunk.split_at_checked(count)
            && begins_with_time(text)
        {
            return (count, text);
        }
    }
    (0, chunk)
}

/// A message as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who says that it is theirs, if the text says so.
    pub name: Option<String>,
    /// What they say.
    pub text: String,
}

/// Cuts a text where a new `TIME\n\t` begins, and takes each apart into name and words.
pub fn told(text: &[u8]) -> Vec<Told> {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_matches(['\r', '\n', '\0']);
    let mut found = Vec::new();
    let mut starts: Vec<Range<usize>> = text
        .match_indices("\n\t")
        .filter_map(|(at, mark)| {
            let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
            let above = text.get(line..at)?;
            let whole = (line == 0 && holds_a_clock(above)).then_some(0);
            Some(line + time_at_end(above).or(whole)?..at + mark.len())
        })
        .collect();
    if starts.first().is_none_or(|first| first.start > 0) {
        starts.insert(0, 0..0);
    }
    let ends = starts.iter().skip(1).map(|next| next.start).chain([text.len()]);
    for (start, end) in starts.iter().zip(ends) {
        let words = text.get(start.end..end).unwrap_or_default().trim_end_matches(['\r', '\n']);
        let (name, words) = match words.split_once(": ") {
            Some((name, words)) if start.end > 0 && !name.contains('\n') => (Some(name), words),
            _ => (None, words),
        };
        if !words.is_empty() {
            found.push(Told { name: name.map(str::to_owned), text: words.to_owned() });
        }
    }
    found
}

/// What a TCP member is told, in the form that the tutorials' clients write themselves. Line ends and
/// other control characters of `words` become spaces, so that nobody begins a line that looks like
/// another's.
pub fn line(time: &str, name: &str, words: &str) -> String {
    let words: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{time}\n\t{name}: {words}\n")
}

/// A name that can stand in a line: no control characters, no invisible ones, which would turn the
/// line round or tell two names apart that look the same, no `: ` that would end it, neither empty
/// nor long.
pub fn name(wish: &str, most: usize) -> Option<String> {
    let plain: String = wish.chars().filter(|c| !c.is_control() && !is_hidden(*c)).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let name: String = words.join(" ").replace(": ", ":").chars().take(most).collect();
    let name = name.trim().trim_end_matches(':').trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Characters that are not seen: those that Unicode calls default ignorable, line separators, the
/// marks of annotations and the empty Braille pattern.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// True if `text` begins with a time: `15:04:05` or `15:04`, perhaps after a date.
fn begins_with_time(text: &[u8]) -> bool {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let date = shaped(line, b"dddd-dd-dd").or_else(|| shaped(line, b"dddd/dd/dd"));
    let is_century = line.starts_with(b"19") || line.starts_with(b"20");
    match date {
        Some(rest) => is_century && rest.first().is_some_and(|byte| b" T".contains(byte)),
        None => {
            let rest = clock(line).or_else(|| shaped(line, b"dd:dd"));
            rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'\r' | b' ' | b'.')))
        }
    }
}

/// What follows a time of day.
fn clock(text: &[u8]) -> Option<&[u8]> {
    shaped(text, b"dd:dd:dd").filter(|_| text < b"24".as_slice())
}

/// True for a line that may well be a time in a form of its own, such as `3:04PM`.
fn holds_a_clock(line: &str) -> bool {
    const LONGEST: usize = 40;
    line.len() <= LONGEST && line.as_bytes().windows(4).any(|part| shaped(part, b"d:dd").is_some())
}

/// Where the time begins that a line ends with, if it ends with one.
fn time_at_end(line: &str) -> Option<usize> {
    let bytes = line.trim_end_matches('\r').as_bytes();
    let from = |length: usize| bytes.len().checked_sub(length);
    let time = from(8).filter(|at| bytes.get(*at..).and_then(clock).is_some())?;
    let date = from(19).filter(|at| {
        bytes.get(*at..).is_some_and(|text| begins_with_time(text) && clock(text).is_none())
    });
    Some(date.unwrap_or(time))
}

/// What follows a run of the given shape, in which `d` is any digit.
fn shaped<'t>(text: &'t [u8], shape: &[u8]) -> Option<&'t [u8]> {
    let (head, rest) = text.split_at_checked(shape.len())?;
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        shape => byte == shape,
    };
    head.iter().zip(shape).all(fits).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heart_beats_are_told_from_texts() {
        for (chunk, count, rest) in [
            ("1", 1, ""),
            ("111", 3, ""),
            ("1\n", 1, ""),
            ("1\r\n1\r\n", 2, ""),
            ("hi", 0, "hi"),
            ("1 apple", 0, "1 apple"),
            ("we are 1", 0, "we are 1"),
            ("12:00:05\n\tBob: hi", 0, "12:00:05\n\tBob: hi"),
            ("112:00:05\n\tBob: hi", 1, "12:00:05\n\tBob: hi"),
            ("1109:00:05\n\tBob: hi", 2, "09:00:05\n\tBob: hi"),
            ("12026-11-21 10:00:00\n\tBob: hi", 1, "2026-11-21 10:00:00\n\tBob: hi"),
            ("1999-11-21 10:00:00\n\tBob: hi", 0, "1999-11-21 10:00:00\n\tBob: hi"),
            ("110:00\n\tBob: hi", 1, "10:00\n\tBob: hi"),
            ("12026/11/21 10:00:00\n\tB: 1", 1, "2026/11/21 10:00:00\n\tB: 1"),
        ] {
            assert_eq!(heart_beats(chunk.as_bytes()), (count, rest.as_bytes()), "{chunk:?}");
        }
    }

    #[test]
    fn texts_are_cut_where_a_time_begins_and_nothing_is_lost() {
        let say = |text: &str| -> Vec<(String, String)> {
            let told = told(text.as_bytes()).into_iter();
            told.map(|told| (told.name.unwrap_or_default(), told.text)).collect()
        };
        let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect()
        };
        for (text, expected) in [
            ("hello", &[("", "hello")][..]),
            ("hello: you", &[("", "hello: you")]),
            ("\r\n", &[]),
            ("10:00:00\n\tBob: hi", &[("Bob", "hi")]),
            ("2026-11-21 10:00:00\r\n\tBob: a: b\n", &[("Bob", "a: b")]),
            ("10:00:00\n\tA: one10:00:01\n\tB: two", &[("A", "one"), ("B", "two")]),
            (
                "x2026-11-21 10:00:00\n\tA: one\nmore2026/11/21 10:00:01\n\tB: two",
                &[("", "x"), ("A", "one\nmore"), ("B", "two")],
            ),
            ("10:00:00\n\tno name", &[("", "no name")]),
            ("10:00\n\tA: b", &[("A", "b")]),
            ("Nov 21, 3:04PM\n\tA: b", &[("A", "b")]),
            ("at noon\n\tA: b", &[("", "at noon\n\tA: b")]),
        ] {
            assert_eq!(say(text), own(expected), "{text:?}");
        }
        assert_eq!(told(b"\xff\xfe")[0].text, "\u{fffd}\u{fffd}");
    }

    #[test]
    fn no_name_and_no_word_forges_a_line() {
        assert_eq!(line("T", "Ann", "hi\n10:00:00\n\tBob: no"), "T\n\tAnn: hi 10:00:00  Bob: no\n");
        for (wish, expected) in [
            ("Ann", Some("Ann")),
            ("  Ann \t Lee ", Some("Ann Lee")),
            ("Bob: hi\nAnn", Some("Bob:hiAnn")),
            ("a\u{202e}b\u{200b}", Some("ab")),
            ("A\u{ad}n\u{fe0f}n\u{e0041}\u{3164}", Some("Ann")),
            ("Ann:", Some("Ann")),
            ("", None),
            (" \n\u{feff}", None),
            ("123456", Some("1234")),
        ] {
            let most = if wish == "123456" { 4 } else { 32 };
            assert_eq!(name(wish, most).as_deref(), expected, "{wish:?}");
        }
    }
}
