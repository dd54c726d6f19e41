//! The table of the lessons, in the order in which they are read.

use super::programs::{
    blocked_handler, blocking_pair, chat, coordinated_omission, datagrams, drain_forever,
    forgotten_writable, http_in_pieces, lost_edge, nagle_delayed_ack, non_blocking, stale_now,
    stale_token, time_outs, tls_handshake, unbounded_output,
};
#[cfg(target_os = "linux")]
use super::programs::{descriptor_exhaustion, kept_writable, readiness};
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
    Lesson {
        number: 7,
        name: "nagle_delayed_ack",
        title: "two small writes for an answer, and 40 ms for each",
        acts: &[
            broken(nagle_delayed_ack::broken::run, FindingKind::NagleDelayedAck),
            repaired(nagle_delayed_ack::repaired::run),
        ],
    },
    Lesson {
        number: 8,
        name: "unbounded_output",
        title: "a backlog for each reader, and one who does not read",
        acts: &[
            broken(unbounded_output::broken::run, FindingKind::UnboundedOutput),
            repaired(unbounded_output::repaired::run),
        ],
    },
    Lesson {
        number: 9,
        name: "stale_token",
        title: "what was meant for one connection reaches the next with its index",
        acts: &[
            broken(stale_token::broken::run, FindingKind::StaleToken),
            repaired(stale_token::repaired::run),
        ],
    },
    Lesson {
        number: 10,
        name: "stale_now",
        title: "a deadline counted from a time that has passed",
        acts: &[
            broken(stale_now::broken::run, FindingKind::StaleNow),
            repaired(stale_now::repaired::run),
        ],
    },
    Lesson {
        number: 11,
        name: "coordinated_omission",
        title: "a client that does not ask while the answers are bad",
        acts: &[
            broken(coordinated_omission::broken::run, FindingKind::CoordinatedOmission),
            repaired(coordinated_omission::repaired::run),
        ],
    },
    Lesson {
        number: 12,
        name: "blocking_pair",
        title: "a blocking client and server: one after the other",
        acts: &[right(blocking_pair::right::run, "only now that the first has left")],
    },
    Lesson {
        number: 13,
        name: "time_outs",
        title: "how long a call may wait, and how long an answer may take",
        acts: &[right(time_outs::right::run, "each ended as it should")],
    },
    Lesson {
        number: 14,
        name: "non_blocking",
        title: "reading without blocking: asked again and again, or when told to",
        acts: &[right(non_blocking::right::run, "asking when told to")],
    },
    #[cfg(target_os = "linux")]
    Lesson {
        number: 15,
        name: "readiness",
        title: "one socket, watched by level and by edge",
        acts: &[right(readiness::right::run, "by edge, read to the end: told 1 time")],
    },
    Lesson {
        number: 16,
        name: "datagrams",
        title: "messages with borders, from anybody, and perhaps never",
        acts: &[right(datagrams::right::run, "the end of nothing")],
    },
    Lesson {
        number: 17,
        name: "chat",
        title: "heart-beats: who is silent is asked, and then put out",
        acts: &[right(chat::right::run, "who did not answer was put out")],
    },
    Lesson {
        number: 18,
        name: "tls_handshake",
        title: "a handshake step by step, and a byte at a time",
        acts: &[right(tls_handshake::right::run, "hello, client")],
    },
    Lesson {
        number: 19,
        name: "http_in_pieces",
        title: "requests that come a few bytes at a time",
        acts: &[right(http_in_pieces::right::run, "[POST /b] hello world[end]")],
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

const fn right(run: Run, says: &'static str) -> Act {
    Act { word: "right", run, promise: Promise::Says(says) }
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
