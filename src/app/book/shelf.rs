//! The pages of one part of the manual in one language: [`Shelf`].
//!
//! It knows their order, their titles and their addresses; `page.rs` frames what `markup.rs` makes of
//! them.

use std::cell::OnceCell;
use std::fmt::Write;

use bytes::Bytes;

use super::page::{Frame, Neighbour};
use super::{Language, Part, markup};
use crate::manual::{self, Page};
use crate::web::html::Text;

/// The pages of a part.
pub(super) struct Shelf {
    language: Language,
    part: Part,
    pages: Vec<Volume>,
}

struct Volume {
    name: &'static str,
    text: &'static str,
    title: &'static str,
    made: OnceCell<Bytes>,
}

impl Shelf {
    /// Those of a part in a language; the contents are the first of them.
    pub(super) fn of(language: Language, part: Part) -> Self {
        let (contents, pages) = match (language, part) {
            (Language::English, Part::Chapters) => (manual::en::CONTENTS, manual::en::PAGES),
            (Language::English, Part::Lessons) => {
                (manual::en::lessons::CONTENTS, manual::en::lessons::PAGES)
            }
            (Language::Chinese, Part::Chapters) => (manual::zh::CONTENTS, manual::zh::PAGES),
            (Language::Chinese, Part::Lessons) => {
                (manual::zh::lessons::CONTENTS, manual::zh::lessons::PAGES)
            }
        };
        let first = Page { name: "", text: contents };
        let pages = std::iter::once(&first)
            .chain(pages)
            .map(|&Page { name, text }| {
                let title = markup::title(text).unwrap_or(name);
                Volume { name, text, title, made: OnceCell::new() }
            })
            .collect();
        Shelf { language, part, pages }
    }

    /// Where its contents are.
    pub(super) fn root(&self) -> String {
        match self.part {
            Part::Chapters => self.language.root().to_owned(),
            Part::Lessons => format!("{}/lessons", self.language.root()),
        }
    }

    fn address(&self, name: &str) -> String {
        if name.is_empty() { self.root() } else { format!("{}/{name}", self.root()) }
    }

    fn find(&self, name: &str) -> Option<(usize, &Volume)> {
        self.pages.iter().enumerate().find(|(_, volume)| volume.name == name)
    }

    /// The page of this name, made when it is first asked for.
    pub(super) fn kept(&self, name: &str) -> Option<Bytes> {
        let (at, volume) = self.find(name)?;
        Some(volume.made.get_or_init(|| self.make(at, volume).into()).clone())
    }

    /// The same, without keeping it.
    pub(super) fn page(&self, name: &str) -> Option<String> {
        let (at, volume) = self.find(name)?;
        Some(self.make(at, volume))
    }

    fn make(&self, at: usize, volume: &Volume) -> String {
        let mut body = markup::render(volume.text);
        if at == 0 && self.part == Part::Lessons {
            self.list(&mut body.html);
        }
        let neighbour = |at: usize| {
            self.pages
                .get(at)
                .map(|page| Neighbour { address: self.address(page.name), title: page.title })
        };
        let frame = Frame {
            language: self.language,
            part: self.part,
            title: volume.title,
            elsewhere: Shelf::twin(self, volume.name),
            previous: at.checked_sub(1).and_then(neighbour),
            next: neighbour(at + 1),
            contents: self.contents(at, &body.sections),
        };
        frame.around(&body.html)
    }

    /// The address of the same page in the other language.
    fn twin(&self, name: &str) -> String {
        let other = Shelf { language: self.language.other(), part: self.part, pages: Vec::new() };
        other.address(name)
    }

    /// What the list of lessons ends with: all of them, and how each is run.
    fn list(&self, html: &mut String) {
        html.push_str("<ul class=\"pages\">\n");
        for volume in self.pages.iter().skip(1) {
            let (address, title) = (self.address(volume.name), Text(volume.title));
            let lead = markup::lead(volume.text);
            // Writing to a string cannot fail.
            let _ = writeln!(
                html,
                "<li><a class=\"card\" href=\"{address}\"><strong>{title}</strong>\
                 <span>{}</span><code>readyloop learn {}</code></a></li>",
                Text(&lead),
                volume.name
            );
        }
        html.push_str("</ul>\n");
    }

    /// The list beside a page: all pages, and the sections of this one.
    fn contents(&self, at: usize, sections: &[markup::Section]) -> String {
        let mut html = String::from("<ol>\n");
        for (number, volume) in self.pages.iter().enumerate() {
            let here = if number == at { " aria-current=\"page\"" } else { "" };
            let (address, title) = (self.address(volume.name), Text(volume.title));
            let _ = write!(html, "<li><a href=\"{address}\"{here}>");
            if self.part == Part::Chapters && number > 0 {
                let _ = write!(html, "{number} ");
            }
            let _ = write!(html, "{title}</a>");
            if number == at && !sections.is_empty() {
                html.push_str("\n<ul>\n");
                for markup::Section { id, text } in sections {
                    let _ = writeln!(html, "<li><a href=\"#{}\">{}</a></li>", Text(id), Text(text));
                }
                html.push_str("</ul>\n");
            }
            html.push_str("</li>\n");
        }
        html.push_str("</ol>\n");
        html
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelves() -> impl Iterator<Item = Shelf> {
        Language::ALL.into_iter().flat_map(|language| {
            [Part::Chapters, Part::Lessons].map(|part| Shelf::of(language, part))
        })
    }

    #[test]
    fn every_page_is_whole_and_nothing_in_it_is_inline_or_from_elsewhere() {
        for shelf in shelves() {
            for volume in &shelf.pages {
                let html = shelf.page(volume.name).unwrap_or_default();
                let at = shelf.address(volume.name);
                assert!(!html.contains("{{"), "{at}: a placeholder is left");
                assert_eq!(html.matches("aria-current=\"page\"").count(), 1, "{at}");
                assert_eq!(html.matches("<h1").count(), 1, "{at}");
                assert!(html.contains(&format!("<html lang=\"{}\"", shelf.language.tag())), "{at}");
                for forbidden in ["<style", " style=", "<script>", "src=\"http", "crate::manual"] {
                    assert!(!html.contains(forbidden), "{at}: {forbidden}");
                }
                assert_eq!(shelf.kept(volume.name).as_deref(), Some(html.as_bytes()), "{at}");
            }
            assert_eq!(shelf.page("nothing"), None);
        }
    }

    #[test]
    fn every_link_leads_to_a_page_and_every_fragment_to_a_heading() {
        let mut pages = std::collections::HashMap::new();
        for shelf in shelves() {
            for volume in &shelf.pages {
                let html = shelf.page(volume.name).unwrap_or_default();
                pages.insert(shelf.address(volume.name), html);
            }
        }
        for (at, html) in &pages {
            for link in html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                let (page, fragment) = link.split_once('#').unwrap_or((link, ""));
                if !page.starts_with("/manual/assets/") && page.starts_with("/manual") {
                    assert!(pages.contains_key(page), "{at} links {link}");
                }
                let target = if page.is_empty() { Some(html) } else { pages.get(page) };
                if let Some(target) = target.filter(|_| !fragment.is_empty()) {
                    assert!(target.contains(&format!("id=\"{fragment}\"")), "{at} links {link}");
                }
            }
        }
    }
}
