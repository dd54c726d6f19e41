//! Names for what connections are at, each kept once: [`Labels`].

use std::collections::HashMap;

/// A text in a recorder's [`Labels`], as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(pub u32);

/// Texts by number. Bounded: a peer that invents a new path for each request fills it, and what
/// comes after has the label 0, [`Labels::OTHER`].
#[derive(Clone, Debug)]
pub struct Labels {
    texts: Vec<Box<str>>,
    numbers: HashMap<Box<str>, Label>,
    last: Label,
    scratch: String,
}

impl Labels {
    /// What stands for a text that found no room.
    pub const OTHER: &'static str = "…";
    /// How many are kept.
    const MOST: usize = 4096;
    /// How much of one is kept, in bytes.
    const LONGEST: usize = 120;

    /// The number of `first second`.
    #[inline]
    pub fn pair(&mut self, first: &str, second: &str) -> Label {
        // Most often it is what it was the last time, and then nothing is hashed.
        if let Some(last) = self.texts.get(self.last.0 as usize)
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
        text.push_str(first);
        text.push(' ');
        let mut end = second.len().min(Labels::LONGEST);
        while !second.is_char_boundary(end) {
            end -= 1;
        }
        text.push_str(second.get(..end).unwrap_or_default());
        self.last = self.number(&text);
        self.scratch = text;
        self.last
    }

    /// The number of a text.
    pub fn number(&mut self, text: &str) -> Label {
        if let Some(label) = self.numbers.get(text) {
            return *label;
        }
        if self.texts.len() >= Labels::MOST {
            return Label(0);
        }
        let label = Label(self.texts.len() as u32);
        self.texts.push(text.into());
        self.numbers.insert(text.into(), label);
        label
    }

    /// The text of a number; [`Labels::OTHER`] if there is none.
    pub fn text(&self, label: Label) -> &str {
        self.texts.get(label.0 as usize).map_or(Labels::OTHER, |text| text)
    }
}

impl Default for Labels {
    fn default() -> Self {
        Labels {
            texts: vec![Labels::OTHER.into()],
            numbers: HashMap::new(),
            last: Label(0),
            scratch: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_number_and_there_is_an_end_to_them() {
        let mut labels = Labels::default();
        let first = labels.pair("GET", "/");
        assert_eq!(labels.pair("GET", "/"), first);
        assert_eq!(labels.number("GET /"), first);
        assert_eq!(labels.text(first), "GET /");
        let long = labels.pair("GET", &"ü".repeat(500));
        assert!(labels.text(long).len() <= 4 + Labels::LONGEST);
        for number in 0..10_000 {
            labels.pair("GET", &format!("/{number}"));
        }
        assert_eq!(labels.texts.len(), Labels::MOST);
        assert_eq!(labels.pair("GET", "/late"), Label(0));
        assert_eq!(labels.text(Label(0)), Labels::OTHER);
        assert_eq!(labels.pair("GET", "/"), first);
    }
}
