//! The manual: a book about readiness-based servers and about this one, in English ([`en`]) and in
//! Simplified Chinese ([`zh`]).
//!
//! It is kept where the code is so that it is read and stays right: its Rust examples are compiled,
//! its links to the code are checked by rustdoc, and a test compares the two languages. Each page is
//! a Markdown file, shown here as a module, and in the browser at `/manual` of `readyloop serve`.
//!
//! Documentation only. Nothing of the loop calls it and it uses nothing; `app::book` serves its text.

/// Declares pages: each a documented module, and a row of the table that is served.
macro_rules! pages {
    ($($name:ident: $file:expr),* $(,)?) => {
        $(#[doc = include_str!($file)] pub mod $name {})*

        /// The pages in the order in which they are read.
        #[cfg(feature = "cli")]
        pub(crate) const PAGES: &[crate::manual::Page] = &[
            $(crate::manual::Page { name: stringify!($name), text: include_str!($file) }),*
        ];
    };
}

/// The chapters of a language.
macro_rules! chapters {
    ($language:literal) => {
        pages! {
            readiness: concat!($language, "/01-readiness.md"),
        }
    };
}

/// The lessons of a language, in their order. A new one is a line here and a file in each of
/// `en/lessons` and `zh/lessons`.
macro_rules! lessons {
    ($language:literal) => {
        pages! {}
    };
}

pub mod en;
pub mod zh;

/// One page, as it is written.
#[cfg(feature = "cli")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    /// Its module's name.
    pub(crate) name: &'static str,
    /// Its Markdown.
    pub(crate) text: &'static str,
}
