//! `readyloop learn`: lists the lessons, and plays one with the scope open on it.
//!
//! Each lesson is a small program in `tools/lessons/`, a loop written by hand on bare mio, epoll or
//! blocking sockets, compiled into the command from there. Its system calls go through a [`Stage`],
//! so that the page shows it and the detectors judge it. This module never helps a lesson along: what
//! is printed is what happened.

mod lesson;
mod page;
mod play;
mod table;

/// The programs of the lessons; each has a function `run`.
#[path = "../../../tools/lessons"]
pub mod programs {
    /// Lesson 1: one read for each event.
    pub mod lost_edge {
        pub mod broken;
        pub mod client;
        pub mod repaired;
    }

    /// Lesson 2: a socket that is read until it is empty, which it never is.
    pub mod drain_forever {
        pub mod broken;
        pub mod client;
        pub mod repaired;
    }

    /// Lesson 3: a handler that waits.
    pub mod blocked_handler {
        pub mod broken;
        pub mod client;
        pub mod repaired;
    }

    /// Lesson 4: nobody asked to be told of room.
    pub mod forgotten_writable {
        pub mod broken;
        pub mod client;
        pub mod repaired;
    }

    /// Lesson 5: somebody is always told of room.
    #[cfg(target_os = "linux")]
    pub mod kept_writable {
        pub mod broken;
        pub mod client;
        pub mod repaired;
    }

    /// Lesson 6: no descriptor is left.
    #[cfg(target_os = "linux")]
    pub mod descriptor_exhaustion {
        pub mod client;
        pub mod repaired;
        pub mod silent;
        pub mod spinning;
    }

    /// Lesson 7: two small writes.
    pub mod nagle_delayed_ack {
        pub mod broken;
        pub mod client;
        pub mod repaired;
    }

    /// Lesson 8: a backlog without a bound.
    pub mod unbounded_output {
        pub mod broken;
        pub mod client;
        pub mod repaired;
    }

    /// Lesson 9: an index for a name.
    pub mod stale_token {
        pub mod broken;
        pub mod repaired;
    }

    /// Lesson 10: time that has passed.
    pub mod stale_now {
        pub mod broken;
        pub mod client;
        pub mod repaired;
    }

    /// Lesson 11: what a client does not ask.
    pub mod coordinated_omission {
        pub mod broken;
        pub mod repaired;
        pub mod server;
    }

    /// Lesson 12: one client after the other.
    pub mod blocking_pair {
        pub mod right;
    }

    /// Lesson 13: time-outs and deadlines.
    pub mod time_outs {
        pub mod right;
    }

    /// Lesson 14: `WouldBlock`, and the poll.
    pub mod non_blocking {
        pub mod right;
    }

    /// Lesson 15: by level and by edge.
    #[cfg(target_os = "linux")]
    pub mod readiness {
        pub mod right;
    }

    /// Lesson 16: messages instead of a stream.
    pub mod datagrams {
        pub mod right;
    }

    /// Lesson 17: heart-beats.
    pub mod chat {
        pub mod guest;
        pub mod right;
    }

    /// Lesson 18: bytes in, bytes out.
    pub mod tls_handshake {
        pub mod client;
        pub mod right;
    }

    /// Lesson 19: a parser that can stop.
    pub mod http_in_pieces {
        pub mod right;
    }
}

#[path = "../../../tools/lessons/diary.rs"]
mod diary;
#[cfg(target_os = "linux")]
#[path = "../../../tools/lessons/epoll.rs"]
mod epoll;
#[path = "../../../tools/lessons/stage.rs"]
mod stage;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use signal_hook::consts::signal::{SIGINT, SIGTERM};

use super::banner;
use super::failure::{Failure, Kind};
use page::Page;

pub use diary::Diary;
pub use lesson::{Act, Lesson, Promise};
pub use play::{Outcome, play};
pub use stage::{Door, Script, Stage, TICK, anywhere, limits, named, whose};
pub use table::LESSONS;

/// Play a lesson: a small server, broken on purpose or right, with the scope open on it
///
/// Without a name: lists them. For example: readyloop learn lost_edge, and then the same with
/// --repaired.
#[derive(Debug, Args)]
pub(super) struct Learn {
    /// The lesson, by its name or number
    lesson: Option<String>,
    /// Play the repaired program instead of the broken one
    #[arg(long, conflicts_with = "act")]
    repaired: bool,
    /// Play this program of the lesson, where it has more than one: the list names them
    #[arg(long)]
    act: Option<String>,
    /// Play one round and end; the exit code says whether what the lesson promises has happened
    #[arg(long)]
    once: bool,
    /// The port of the page, on 127.0.0.1; without it, one that is free
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
}

impl Learn {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let Some(name) = &self.lesson else {
            banner::print(list().as_bytes());
            return Ok(());
        };
        let lesson = table::find(name).ok_or_else(|| {
            Failure::new(Kind::Usage, format!("there is no lesson {name}"))
                .advise("readyloop learn lists them")
        })?;
        let act = self.choose(lesson)?;
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The second one ends the command at once.
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        let stage = Stage::new(Script { once: self.once, aloud: true, stop });
        let page = Page::open(&stage, lesson, self.port)?;
        banner::print(heading(lesson, act, page.address, self.once).as_bytes());
        let outcome = play(act, &stage)?;
        page.close();
        let kept = outcome.keeps(act.promise);
        banner::print(summary(act, &outcome, &kept).as_bytes());
        match kept {
            Err(why) if self.once => Err(Failure::new(Kind::Runtime, why)),
            _ => Ok(()),
        }
    }

    fn choose(&self, lesson: &'static Lesson) -> Result<&'static Act, Failure> {
        let word = match &self.act {
            Some(act) => act.as_str(),
            None if self.repaired => "repaired",
            None => return lesson.acts.first().ok_or_else(|| nothing(lesson, "")),
        };
        lesson.acts.iter().find(|act| act.word == word).ok_or_else(|| nothing(lesson, word))
    }
}

fn nothing(lesson: &Lesson, word: &str) -> Failure {
    let words: Vec<&str> = lesson.acts.iter().map(|act| act.word).collect();
    Failure::new(Kind::Usage, format!("{} has no {word} program", lesson.name))
        .advise(format!("it has: {}", words.join(", ")))
}

/// All lessons, a line each.
fn list() -> String {
    let mut text = String::from("The lessons; play one with: readyloop learn NAME\n\n");
    let width = LESSONS.iter().map(|lesson| lesson.name.len()).max().unwrap_or(0);
    for Lesson { number, name, title, acts } in LESSONS {
        let words: Vec<&str> = acts.iter().map(|act| act.word).collect();
        text += &format!("  {number:2}  {name:width$}  {title} ({})\n", words.join(", "));
    }
    text
}

fn heading(lesson: &Lesson, act: &Act, at: SocketAddr, once: bool) -> String {
    let end = if once { "one round" } else { "round after round; Ctrl-C ends it" };
    let (number, title, word) = (lesson.number, lesson.title, act.word);
    format!(
        "Lesson {number}, {word}: {title} ({end})\n\n  \
         the loop, live  http://{at}/_loop/\n  the lesson      http://{at}/lesson\n  \
         the programs    tools/lessons/{}/\n\n",
        lesson.name
    )
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn summary(act: &Act, outcome: &Outcome, kept: &Result<(), String>) -> String {
    let mut text = format!("\nserved well: {}; faults: {}\n", outcome.wells, outcome.faults);
    // In a lesson without end the same is found of one socket after the other.
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in &outcome.findings {
        *kinds.entry(finding.kind.as_str()).or_default() += 1;
    }
    for (kind, sockets) in kinds {
        text += &format!("found: {kind}, of {sockets} socket{}\n", plural(sockets));
    }
    if outcome.findings.is_empty() {
        text += "found: nothing\n";
    }
    text += &match kept {
        Ok(()) => format!("as promised: {}\n", act.promise),
        Err(why) => format!("{why}\n"),
    };
    text
}
