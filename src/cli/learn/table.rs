//! The table of the lessons, in the order in which they are read.

use super::programs::lost_edge;
use super::{Act, Lesson, Promise};
use crate::scope::detect::FindingKind;

/// All of them.
pub const LESSONS: &[Lesson] = &[Lesson {
    number: 1,
    name: "lost_edge",
    title: "one read for each event, and the rest is never heard of again",
    acts: &[
        broken(lost_edge::broken::run, FindingKind::LostEdge),
        repaired(lost_edge::repaired::run),
    ],
}];

const fn broken(run: Run, kind: FindingKind) -> Act {
    Act { word: "broken", run, promise: Promise::Finding(kind) }
}

const fn repaired(run: Run) -> Act {
    Act { word: "repaired", run, promise: Promise::Health }
}

type Run = fn(&super::Stage) -> std::io::Result<()>;

/// A lesson by its name or number.
pub(super) fn find(name: &str) -> Option<&'static Lesson> {
    let number = name.parse().ok();
    let name = name.replace('-', "_");
    LESSONS.iter().find(|lesson| lesson.name == name || Some(lesson.number) == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_find_their_lesson() {
        for lesson in LESSONS {
            for name in [lesson.name.to_owned(), lesson.number.to_string()] {
                let found = find(&name).map(|found| found.name);
                assert_eq!(found, Some(lesson.name), "{name}");
            }
            assert!(!lesson.acts.is_empty(), "{}", lesson.name);
        }
        assert_eq!(find("lost-edge").map(|lesson| lesson.number), Some(1));
        assert!(find("0").is_none() && find("").is_none());
    }
}
