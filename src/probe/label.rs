//! Names for what connections are at, each kept once: [`Labels`].

use std::collections::{HashMap, VecDeque};

/// A text in a recorder's [`Labels`], as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(pub u32);

/// Texts by number. Bounded: a peer that invents a new path for each request has the oldest texts
/// forgotten, whose labels then say [`Labels::OTHER`]; what is asked for now has its name.
#[derive(Clone, Debug)]
pub struct Labels {
    texts: VecDeque<Box<str>>,
    /// The number of the first of them.
    first: u32,
    most: usize,
    numbers: HashMap<Box<str>, Label>,
    last: Label,
    scratch: String,
}

impl Labels {
    /// What stands for a text that is forgotten.
    pub const OTHER: &'static str = "…";
    /// How many are kept.
    const MOST: usize = 4096;
    /// How much is kept of the first and of the second part of one, in bytes.
    const LONGEST: (usize, usize) = (16, 120);

    /// No text of a [`pair`](Self::pair) is longer, in bytes.
    pub const LONGEST_TEXT: usize = Labels::LONGEST.0 + 1 + Labels::LONGEST.1;

    /// Labels of which the last `most` are kept.
    pub fn with_room(most: usize) -> Self {
        Labels {
            texts: VecDeque::new(),
            first: 1,
            most: most.max(1),
            numbers: HashMap::new(),
            last: Label(0),
            scratch: String::new(),
        }
    }

    /// The number of `first second`.
    #[inline]
    pub fn pair(&mut self, first: &str, second: &str) -> Label {
        // Most often it is what it was the last time, and then nothing is hashed.
        if let Some(last) = self.get(self.last)
            && let Some((a, b)) = last.split_at_checked(first.len())
            && a == first
            && b.strip_prefix(' ') == Some(second)
        {
            return self.last;
        }
        self.find(first, second)
    }

    #[inline(never)]
    fn find(&mut self, first: &str, second: &str) -> Label {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        text.push_str(cut(first, Labels::LONGEST.0));
        text.push(' ');
        text.push_str(cut(second, Labels::LONGEST.1));
        self.last = self.number(&text);
        self.scratch = text;
        self.last
    }

    /// The number of a text.
    pub fn number(&mut self, text: &str) -> Label {
        if let Some(label) = self.numbers.get(text) {
            return *label;
        }
        if self.texts.len() >= self.most
            && let Some(oldest) = self.texts.pop_front()
        {
            self.numbers.remove(&oldest);
            self.first = self.first.saturating_add(1);
        }
        let label = Label(self.first.saturating_add(self.texts.len() as u32));
        self.texts.push_back(text.into());
        self.numbers.insert(text.into(), label);
        label
    }

    /// The text of a number; [`Labels::OTHER`] if there is none.
    pub fn text(&self, label: Label) -> &str {
        self.get(label).unwrap_or(Labels::OTHER)
    }

    #[inline]
    fn get(&self, label: Label) -> Option<&str> {
        let at = label.0.checked_sub(self.first)?;
        self.texts.get(at as usize).map(|text| &**text)
    }
}

/// The beginning of a text, at most so many bytes.
fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

impl Default for Labels {
    fn default() -> Self {
        Labels::with_room(Labels::MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_number_and_the_oldest_are_forgotten() {
        let mut labels = Labels::default();
        let first = labels.pair("GET", "/");
        assert_eq!(labels.pair("GET", "/"), first);
        assert_eq!(labels.number("GET /"), first);
        assert_eq!(labels.text(first), "GET /");
        let long = labels.pair(&"A".repeat(8000), &"ü".repeat(500));
        assert!(labels.text(long).len() <= 16 + 1 + 120);
        for number in 0..10_000 {
            labels.pair("GET", &format!("/{number}"));
        }
        assert_eq!(labels.texts.len(), Labels::MOST);
        assert_eq!(labels.numbers.len(), Labels::MOST);
        assert_eq!((labels.text(Label(0)), labels.text(first)), (Labels::OTHER, Labels::OTHER));
        let late = labels.pair("GET", "/late");
        assert_eq!(labels.pair("GET", "/late"), late);
        assert_eq!(labels.text(late), "GET /late");
    }
}
