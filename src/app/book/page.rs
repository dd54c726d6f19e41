//! The frame around a page: [`Frame`].
//!
//! It fills `frame.html`; what goes into it is either markup that was made here or escaped text.

use super::words::{Words, words};
use super::{Language, Part};
use crate::web::html::Text;

/// The page before or after.
pub(super) struct Neighbour {
    pub(super) address: String,
    pub(super) title: &'static str,
}

/// What is around a page.
pub(super) struct Frame {
    pub(super) language: Language,
    pub(super) part: Part,
    pub(super) title: &'static str,
    /// The same page in the other language.
    pub(super) elsewhere: String,
    pub(super) previous: Option<Neighbour>,
    pub(super) next: Option<Neighbour>,
    /// The list of pages, as markup.
    pub(super) contents: String,
}

impl Frame {
    /// The whole document.
    pub(super) fn around(&self, body: &str) -> String {
        let words = words(self.language);
        let other = self.language.other();
        let (chapters, lessons) = match self.part {
            Part::Chapters => (" aria-current=\"true\"", ""),
            Part::Lessons => ("", " aria-current=\"true\""),
        };
        let list = if self.part == Part::Lessons { words.lessons } else { words.chapters };
        let fill = [
            ("lang", self.language.tag().to_owned()),
            ("title", Text(self.title).to_string()),
            ("book", words.title.to_owned()),
            ("root", self.language.root().to_owned()),
            ("skip", words.skip.to_owned()),
            ("chapters", words.chapters.to_owned()),
            ("lessons", words.lessons.to_owned()),
            ("in chapters", chapters.to_owned()),
            ("in lessons", lessons.to_owned()),
            ("list", list.to_owned()),
            ("other lang", other.tag().to_owned()),
            ("other name", super::words::words(other).own_name.to_owned()),
            ("elsewhere", self.elsewhere.clone()),
            ("themes", words.themes.join("|")),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("turns", self.turns(words)),
            ("contents", self.contents.clone()),
        ];
        let mut html = include_str!("frame.html").to_owned();
        for (name, value) in fill {
            html = html.replace(&format!("{{{{{name}}}}}"), &value);
        }
        // The body last: what it says is no template.
        html.replace("{{main}}", body)
    }

    /// To the page before and the page after.
    fn turns(&self, words: &Words) -> String {
        let turn = |rel: &str, word: &str, to: &Option<Neighbour>| {
            to.as_ref().map_or_else(String::new, |Neighbour { address, title }| {
                let title = Text(title);
                format!("<a rel=\"{rel}\" href=\"{address}\"><small>{word}</small>{title}</a>\n")
            })
        };
        turn("prev", words.previous, &self.previous) + &turn("next", words.next, &self.next)
    }
}
