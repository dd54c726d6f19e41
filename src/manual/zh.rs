//! 简体中文版。
#![doc = include_str!("zh/contents.md")]

chapters! { "zh" }

/// The text of this page itself.
#[cfg(feature = "cli")]
pub(crate) const CONTENTS: &str = include_str!("zh/contents.md");

pub mod lessons {
    #![doc = include_str!("zh/lessons/contents.md")]

    lessons! { "zh" }

    /// The text of this page itself.
    #[cfg(feature = "cli")]
    pub(crate) const CONTENTS: &str = include_str!("zh/lessons/contents.md");
}
