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
use super::{Compare, system, tracer};
use crate::compare::machine::Seen;
use crate::compare::plan::TRACE;
use crate::compare::result::{Machine, Results, VERSION};

/// Everything that the plan says, then the table and the report.
pub(super) fn run(flags: &Compare, prepared: Prepared) -> Result<(), Failure> {
    let Prepared { ground, models, plan, cpus } = prepared;
    fs::create_dir_all(&flags.out).map_err(|error| {
        let what = format!("--out {}: {error}", flags.out.display());
        Failure::new(Kind::Usage, what).advise("it must be a folder that can be written")
    })?;
    let begun = Instant::now();
    let mut watch = Watch::start(Seen {
        wanted: plan.wanted,
        ..system::look(ground.server_cpus.numbers(), ground.client_cpus.numbers(), cpus)
    });
    let results = Results {
        version: VERSION,
        taken: OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
        command: command(env::args().skip(1)),
        machine: watch.machine(),
        models,
        ..Results::default()
    };
    let mut ledger = Ledger::new(results, &plan, &flags.out);
    let steps = plan.steps();
    let names: Vec<_> = ledger.results.models.iter().map(|model| model.name.clone()).collect();
    let mut progress = Progress::new(plan.estimate());
    progress.say(&format!(
        "{} runs of {}; about {}; Ctrl-C keeps what is done",
        steps.len(),
        names.join(", "),
        show_seconds(plan.estimate())
    ));
    let (mut round, mut done) = (0, 0);
    for step in &steps {
        let (Some(name), Some(planned)) = (names.get(step.model), plan.planned.get(step.load))
        else {
            continue;
        };
        if step.round != round {
            round = step.round;
            ledger.results.machine = watch.machine();
            ledger.results.seconds = begun.elapsed().as_secs_f64();
            ledger.write()?;
        }
        let load = planned.load;
        let part = format!("round {}: {} at {}", round + 1, load.workload.name(), load.x);
        progress.begin(&part, name);
        if !ledger.has_failed(step) {
            match ground.run(name, &load, &plan.pace) {
                Ok(run) => ledger.enter(step, Ok(run)),
                Err(Halt::Interrupted) => break,
                Err(Halt::Failed(what)) => {
                    progress.say(&format!("{part}, {name}: {what}"));
                    ledger.enter(step, Err(what));
                }
            }
        }
        done += 1;
        progress.did(plan.takes(&load));
    }
    for (name, load) in names.iter().zip(&plan.traced) {
        if let Some(load) = load.filter(|_| !ground.stop.load(Ordering::Relaxed)) {
            progress.begin("system calls as strace counts them:", name);
            // Where tracing is not allowed, the models' own counts stand alone.
            if let Ok(calls) = tracer::calls(&ground, name, &load, &plan.pace) {
                ledger.trace(name, &load, calls);
            }
            progress.did(TRACE);
        }
    }
    progress.end();
    ledger.results.machine = watch.machine();
    ledger.results.seconds = begun.elapsed().as_secs_f64();
    ledger.results.complete = done == steps.len();
    ledger.write()?;
    flags.show(&ledger.results)?;
    if ledger.results.complete {
        return Ok(());
    }
    let left =
        format!("{done} of {} runs were done; they are in {}", steps.len(), flags.out.display());
    Err(interrupted(&left))
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
