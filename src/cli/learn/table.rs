//! The table of the lessons, in the order in which they are read.

use super::programs::{blocked_handler, drain_forever, forgotten_writable, lost_edge};
#[cfg(target_os = "linux")]
use super::programs::{descriptor_exhaustion, kept_writable};
use super::{Act, Lesson, Promise};
use crate::scope::detect::FindingKind;

/// All of them.
pub const LESSONS: &[Lesson] = &[
    Lesson {
        number: 1,
        name: "lost_edge",
        title: "one read for each event, and the rest is never heard of again",
        acts: &[
            broken(lost_edge::broken::run, FindingKind::LostEdge),
            repaired(lost_edge::repaired::run),
        ],
    },
    Lesson {
        number: 2,
        name: "drain_forever",
        title: "read until it is empty: one client keeps the loop for itself",
        acts: &[
            broken(drain_forever::broken::run, FindingKind::Starvation),
            repaired(drain_forever::repaired::run),
        ],
    },
    Lesson {
        number: 3,
        name: "blocked_handler",
        title: "a handler that waits, and everybody waits with it",
        acts: &[
            broken(blocked_handler::broken::run, FindingKind::BlockedHandler),
            repaired(blocked_handler::repaired::run),
        ],
    },
    Lesson {
        number: 4,
        name: "forgotten_writable",
        title: "the socket is full, and nobody asked to be told of room",
        acts: &[
            broken(forgotten_writable::broken::run, FindingKind::ForgottenWritable),
            repaired(forgotten_writable::repaired::run),
        ],
    },
    #[cfg(target_os = "linux")]
    Lesson {
        number: 5,
        name: "kept_writable",
        title: "always told of room, and the loop never sleeps",
        acts: &[
            broken(kept_writable::broken::run, FindingKind::KeptWritable),
            repaired(kept_writable::repaired::run),
        ],
    },
    #[cfg(target_os = "linux")]
    Lesson {
        number: 6,
        name: "descriptor_exhaustion",
        title: "no descriptor is left: a loop that spins, and one that falls silent",
        acts: &[
            named("spinning", descriptor_exhaustion::spinning::run, FindingKind::DescriptorSpin),
            named("silent", descriptor_exhaustion::silent::run, FindingKind::DescriptorSilence),
            repaired(descriptor_exhaustion::repaired::run),
        ],
    },
];

const fn named(word: &'static str, run: Run, kind: FindingKind) -> Act {
    Act { word, run, promise: Promise::Finding(kind) }
}

const fn broken(run: Run, kind: FindingKind) -> Act {
    named("broken", run, kind)
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
