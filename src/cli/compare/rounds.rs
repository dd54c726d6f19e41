//! The runs themselves, round after round, and what is made of them.

use std::env;
use std::fs;
use std::sync::atomic::Ordering;
use std::time::Instant;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::failure::{Failure, Kind};
use super::child::Halt;
use super::ledger::Ledger;
use super::preparation::{Prepared, interrupted};
use super::progress::{Progress, show_seconds};
use super::trial::Ground;
use super::{Compare, system, tracer};
use crate::compare::machine::Seen;
use crate::compare::plan::{Plan, Step, TRACE};
use crate::compare::result::{Machine, Results, VERSION};

/// Everything that the plan says, then the table and the report.
pub(super) fn run(flags: &Compare, prepared: Prepared) -> Result<(), Failure> {
    fs::create_dir_all(&flags.out).map_err(|error| {
        let what = format!("--out {}: {error}", flags.out.display());
        Failure::new(Kind::Usage, what).advise("it must be a folder that can be written")
    })?;
    let mut rounds = Rounds::new(flags, prepared);
    let done = rounds.carry_out()?;
    rounds.trace();
    rounds.progress.end();
    let all = rounds.plan.steps().len();
    rounds.ledger.results.complete = done == all;
    rounds.keep()?;
    flags.show(&[rounds.ledger.results])?;
    if done == all {
        return Ok(());
    }
    let folder = flags.out.display();
    Err(interrupted(&format!("{done} of {all} runs were done; they are in {folder}")))
}

/// A comparison while it runs.
struct Rounds {
    ground: Ground,
    plan: Plan,
    /// The models' names.
    names: Vec<String>,
    ledger: Ledger,
    watch: Watch,
    progress: Progress,
    begun: Instant,
}

impl Rounds {
    fn new(flags: &Compare, prepared: Prepared) -> Self {
        let Prepared { ground, models, plan, cpus } = prepared;
        let (server, client) = (ground.server_cpus.numbers(), ground.client_cpus.numbers());
        let mut watch =
            Watch::start(Seen { wanted: plan.wanted, ..system::look(server, client, cpus) });
        let names = models.iter().map(|model| model.name.clone()).collect();
        let results = Results {
            version: VERSION,
            taken: OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
            command: command(env::args().skip(1)),
            machine: watch.machine(),
            models,
            ..Results::default()
        };
        let ledger = Ledger::new(results, &plan, &flags.out);
        let progress = Progress::new(plan.estimate());
        Rounds { ground, names, ledger, watch, progress, plan, begun: Instant::now() }
    }

    /// All steps, or as many as the user waits for; says how many.
    fn carry_out(&mut self) -> Result<usize, Failure> {
        let (steps, time) = (self.plan.steps(), show_seconds(self.plan.estimate()));
        self.progress.say(&format!(
            "{} runs of {}; about {time}; Ctrl-C keeps what is done",
            steps.len(),
            self.names.join(", ")
        ));
        let mut round = 0;
        for (done, step) in steps.iter().enumerate() {
            if step.round != round {
                round = step.round;
                self.keep()?;
            }
            if self.step(step) == Err(Halt::Interrupted) {
                return Ok(done);
            }
        }
        Ok(steps.len())
    }

    /// One run, unless the first of its kind has failed.
    fn step(&mut self, step: &Step) -> Result<(), Halt> {
        let name = self.names.get(step.model).map(String::as_str).unwrap_or_default();
        let Some(planned) = self.plan.planned.get(step.load) else { return Ok(()) };
        let load = planned.load;
        let part = format!("round {}: {} at {}", step.round + 1, load.workload.name(), load.x);
        self.progress.begin(&part, name);
        if !self.ledger.has_failed(step) {
            match self.ground.run(name, &load, &self.plan.pace) {
                Ok(run) => self.ledger.enter(step, Ok(run)),
                Err(Halt::Interrupted) => return Err(Halt::Interrupted),
                Err(Halt::Failed(what)) => {
                    self.progress.say(&format!("{part}, {name}: {what}"));
                    self.ledger.enter(step, Err(what));
                }
            }
        }
        self.progress.did(self.plan.takes(&load));
        Ok(())
    }

    /// Has the system calls counted by a tracer.
    fn trace(&mut self) {
        for (name, load) in self.names.iter().zip(&self.plan.traced) {
            let Some(load) = load.filter(|_| !self.ground.stop.load(Ordering::Relaxed)) else {
                continue;
            };
            self.progress.begin("system calls as strace counts them:", name);
            // Where tracing is not allowed, the models' own counts stand alone.
            if let Ok(calls) = tracer::calls(&self.ground, name, &load, &self.plan.pace) {
                self.ledger.trace(name, &load, calls);
            }
            self.progress.did(TRACE);
        }
    }

    /// Writes what is known by now.
    fn keep(&mut self) -> Result<(), Failure> {
        self.ledger.results.machine = self.watch.machine();
        self.ledger.results.seconds = self.begun.elapsed().as_secs_f64();
        self.ledger.write()
    }
}

/// What the machine does meanwhile.
struct Watch {
    seen: Seen,
    throttled: Option<u64>,
    times: Option<(u64, u64)>,
}

impl Watch {
    fn start(seen: Seen) -> Self {
        Watch { throttled: seen.throttled, times: system::cpu_times(), seen }
    }

    /// The machine card as it is now.
    fn machine(&mut self) -> Machine {
        let heat = system::throttled(&self.seen.server_cpus).zip(self.throttled);
        self.seen.throttled = heat.map(|(now, before)| now.saturating_sub(before));
        self.seen.stolen = system::cpu_times().zip(self.times).and_then(|(now, before)| {
            let all = now.0.checked_sub(before.0).filter(|all| *all > 0)?;
            Some(now.1.saturating_sub(before.1) as f64 / all as f64)
        });
        Machine {
            facts: self.seen.facts(),
            server_cpus: self.seen.server_cpus.clone(),
            client_cpus: self.seen.client_cpus.clone(),
            cautions: self.seen.cautions(),
        }
    }
}

/// The command as it can be pasted into a shell.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=,./:@%+".contains(c);
    let quoted = arguments.map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            return word;
        }
        format!("'{}'", word.replace('\'', "'\\''"))
    });
    ["readyloop".to_owned()].into_iter().chain(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_can_be_pasted() {
        let words = ["compare", "--out", "my results", "it's"].map(String::from);
        assert_eq!(command(words.into_iter()), "readyloop compare --out 'my results' 'it'\\''s'");
    }
}
