//! What a lesson is: a name, a title and its programs, each with what it promises.
//!
//! The table is made of these; the command and the tests hold each program to its promise.

use std::fmt;
use std::io;

use super::Stage;
use crate::scope::detect::FindingKind;

/// A lesson.
#[derive(Debug)]
pub struct Lesson {
    /// Its place in the order in which they are read.
    pub number: u32,
    /// Its folder in `tools/lessons/`, and its page in the manual.
    pub name: &'static str,
    /// What it is about, as a phrase.
    pub title: &'static str,
    /// Its programs; the first one is played unless another is asked for.
    pub acts: &'static [Act],
}

/// One program of a lesson.
#[derive(Debug)]
pub struct Act {
    /// `broken`, `repaired` or `right`, or a word of its own.
    pub word: &'static str,
    /// Plays it on a stage, to its end.
    pub run: fn(&Stage) -> io::Result<()>,
    /// What happens.
    pub promise: Promise,
}

/// What a program promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// A client meets a fault, and a detector names it.
    Finding(FindingKind),
    /// Clients are served well and nothing is found.
    Health,
    /// The same, and this is said.
    Says(&'static str),
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Promise::Finding(kind) => write!(f, "a client met the fault, and it was named: {kind}"),
            Promise::Health => f.write_str("the clients were served well, and nothing was found"),
            Promise::Says(text) => write!(f, "\"{text}\" was said, and nothing was found"),
        }
    }
}
