//! Playing one program: on a thread of its own, with its clients, to its end.

use std::io;
use std::thread;

use super::{Act, Promise, Stage};
use crate::scope::detect::Finding;

/// What became of a play.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Faults that clients met.
    pub faults: usize,
    /// Times that they were served well.
    pub wells: usize,
    /// What the detectors found.
    pub findings: Vec<Finding>,
    /// Everything that was said.
    pub lines: Vec<String>,
}

/// Plays a program on a stage until it is over.
///
/// # Errors
///
/// The program itself could not go on, or the system has no thread for it.
pub fn play(act: &'static Act, stage: &Stage) -> io::Result<Outcome> {
    let on_stage = stage.clone();
    // A lesson may ask things of its thread that must not outlive it.
    let server =
        thread::Builder::new().name("lesson".into()).spawn(move || (act.run)(&on_stage))?;
    let played = server.join();
    stage.clear();
    match played {
        Ok(result) => result?,
        Err(_) => return Err(io::Error::other("the lesson's program panicked")),
    }
    let diary = stage.diary();
    Ok(Outcome {
        faults: diary.faults.len(),
        wells: diary.wells.len(),
        findings: stage.findings(),
        lines: diary.lines.into(),
    })
}

impl Outcome {
    /// Holds it to what was promised.
    ///
    /// # Errors
    ///
    /// What is missing, as a sentence.
    pub fn keeps(&self, promise: Promise) -> Result<(), String> {
        match promise {
            Promise::Finding(_) if self.faults == 0 => Err("no client met the fault".into()),
            Promise::Finding(kind) => match self.findings.iter().any(|found| found.kind == kind) {
                true => Ok(()),
                false => Err(format!("nobody found {kind}")),
            },
            Promise::Health => self.is_well(),
            Promise::Says(text) => match self.lines.iter().any(|line| line.contains(text)) {
                true => self.is_well(),
                false => Err(format!("\"{text}\" was not said")),
            },
        }
    }

    fn is_well(&self) -> Result<(), String> {
        match (self.wells, self.faults, self.findings.first()) {
            (0, ..) => Err("no client was served".into()),
            (_, 1.., _) => Err("a client met a fault".into()),
            (_, _, Some(found)) => Err(format!("found {}: {}", found.kind, found.text)),
            _ => Ok(()),
        }
    }
}
