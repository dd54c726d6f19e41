//! What the frame around a page says, in each language.

use super::Language;

/// The words of one language.
pub(super) struct Words {
    /// What the whole is called.
    pub(super) title: &'static str,
    /// To the content, for the keyboard.
    pub(super) skip: &'static str,
    /// The list of chapters.
    pub(super) chapters: &'static str,
    /// The list of lessons.
    pub(super) lessons: &'static str,
    /// The page before.
    pub(super) previous: &'static str,
    /// The page after.
    pub(super) next: &'static str,
    /// The language itself, in itself.
    pub(super) own_name: &'static str,
    /// The themes and what they are: the system's, light, dark.
    pub(super) themes: [&'static str; 4],
}

/// Those of a language.
pub(super) const fn words(language: Language) -> &'static Words {
    match language {
        Language::English => &ENGLISH,
        Language::Chinese => &CHINESE,
    }
}

const ENGLISH: Words = Words {
    title: "The readyloop manual",
    skip: "Skip to the content",
    chapters: "Chapters",
    lessons: "Lessons",
    previous: "Previous",
    next: "Next",
    own_name: "English",
    themes: ["Colour theme", "system", "light", "dark"],
};

const CHINESE: Words = Words {
    title: "readyloop 手册",
    skip: "跳到正文",
    chapters: "章节",
    lessons: "课程",
    previous: "上一页",
    next: "下一页",
    own_name: "中文",
    themes: ["配色", "跟随系统", "浅色", "深色"],
};
