//! The book in English.
#![doc = include_str!("en/contents.md")]

chapters! { "en" }

/// The text of this page itself.
#[cfg(feature = "cli")]
pub(crate) const CONTENTS: &str = include_str!("en/contents.md");

pub mod lessons {
    #![doc = include_str!("en/lessons/contents.md")]

    lessons! { "en" }

    /// The text of this page itself.
    #[cfg(feature = "cli")]
    pub(crate) const CONTENTS: &str = include_str!("en/lessons/contents.md");
}
