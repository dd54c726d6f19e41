//! The lessons that are broken on purpose: the fault really happens, and the scope's own detector
//! names it; and their repaired twins, in which nothing is found.

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
