//! The lessons that are broken on purpose: the fault really happens, and the scope's own detector
//! names it; and their repaired twins, in which nothing is found.
#![cfg(feature = "cli")]

use readyloop::cli::learn::{LESSONS, Lesson, Script, Stage, play};

/// Plays all programs of a lesson, once each, and holds each to its promise.
fn keeps_its_promises(name: &str) {
    let find = |lesson: &&Lesson| lesson.name == name;
    let lesson = LESSONS.iter().find(find).expect("it is in the table");
    for act in lesson.acts {
        let stage = Stage::new(Script { once: true, ..Script::default() });
        let outcome = play(act, &stage).expect("it can be played");
        let kept = outcome.keeps(act.promise);
        assert_eq!(kept, Ok(()), "{name}, {}: {:#?}", act.word, outcome.lines);
    }
}

#[test]
fn lost_edge() {
    keeps_its_promises("lost_edge");
}

#[test]
fn drain_forever() {
    keeps_its_promises("drain_forever");
}

#[test]
fn blocked_handler() {
    keeps_its_promises("blocked_handler");
}

#[test]
fn forgotten_writable() {
    keeps_its_promises("forgotten_writable");
}

#[cfg(target_os = "linux")]
#[test]
fn kept_writable() {
    keeps_its_promises("kept_writable");
}

/// In a process of its own: it takes nearly all descriptors, and copies of all that are open.
#[cfg(target_os = "linux")]
#[test]
fn descriptor_exhaustion() {
    for act in ["spinning", "silent", "repaired"] {
        let command = std::process::Command::new(env!("CARGO_BIN_EXE_readyloop"))
            .args(["learn", "descriptor_exhaustion", "--once", "--act", act])
            .output()
            .expect("the command can be run");
        let said = String::from_utf8_lossy(&command.stdout);
        assert!(command.status.success(), "{act}: {said}");
        assert!(said.contains("as promised"), "{act}: {said}");
    }
}
