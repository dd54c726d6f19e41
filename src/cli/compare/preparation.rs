//! What is done before the first run: CPUs are shared out, each model is started once to see
//! whether it can be, and the reference model's rate is measured.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::super::cpus::{self, Cpus};
use super::super::failure::{Failure, Kind};
use super::child::Halt;
use super::trial::Ground;
use super::{Compare, system, tracer};
use crate::compare::load::{Load, Pace, Workload};
use crate::compare::model::{Contestant, MODELS, what};
use crate::compare::plan::{self, Plan, Profile};
use crate::compare::result::Model;

/// The rates of planned requests follow what this one can do.
const REFERENCE: &str = "loop";

/// How it is found out what it can do.
const CALIBRATION: Load = Load { workload: Workload::KeepAlive, x: 64.0 };
const CALIBRATION_PACE: Pace = Pace {
    warmup: Duration::from_millis(150),
    window: Duration::from_millis(300),
    connections: None,
    capacity: 0.0,
};

/// Descriptors that a process needs besides those of its connections.
const OTHER_DESCRIPTORS: u64 = 128;

/// Ports that other programs may use meanwhile.
const OTHER_PORTS: u64 = 1000;

/// Where, who and what.
pub(super) struct Prepared {
    pub(super) ground: Ground,
    pub(super) models: Vec<Model>,
    pub(super) plan: Plan,
    /// CPUs of the machine, as far as this process may use them.
    pub(super) cpus: usize,
}

/// Prepares everything, or says why there is nothing to compare.
pub(super) fn prepare(flags: &Compare) -> Result<Prepared, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&stop))?;
    }
    // None where the system keeps no process to a CPU: then all run anywhere, and that is said.
    let all = cpus::allowed().unwrap_or_else(|| Cpus::from(Vec::new()));
    let (server, client) = share_out(flags, all.numbers());
    // Whether the server's can be had is seen here, before its first run; the comparison itself then
    // stays out of the server's way.
    for cpus in [&server, &client] {
        if !cpus.numbers().is_empty() {
            cpus.pin()?;
        }
    }
    let ground = Ground::new(server, client, stop);
    let mut left_out = Vec::new();
    let (models, contestants) = meet(flags, &ground, &mut left_out)?;
    let mut place = plan::Ground {
        most_connections: most_connections(),
        capacity: 0.0,
        has_tracer: tracer::is_there(),
    };
    let wishes = flags.wishes();
    if wishes.workloads().into_iter().any(Workload::needs_capacity) {
        place.capacity = calibrate(&ground)?;
    }
    let mut plan = Plan::new(&wishes, &contestants, &place);
    left_out.append(&mut plan.left_out);
    plan.left_out = left_out;
    if plan.steps().is_empty() {
        return Err(nothing(&plan));
    }
    let cpus = thread::available_parallelism().map_or(1, usize::from).max(all.numbers().len());
    Ok(Prepared { ground, models, plan, cpus })
}

/// The first CPU is the server's and the others are the client's, if nothing else is said.
fn share_out(flags: &Compare, all: &[usize]) -> (Cpus, Cpus) {
    let except = |taken: &Cpus| -> Vec<usize> {
        all.iter().copied().filter(|cpu| !taken.numbers().contains(cpu)).collect()
    };
    let or_all = |list: Vec<usize>| Cpus::from(if list.is_empty() { all.to_vec() } else { list });
    let first = |list: Cpus| Cpus::from(list.numbers().iter().copied().take(1).collect::<Vec<_>>());
    match (&flags.server_cpus, &flags.client_cpus) {
        (Some(server), Some(client)) => (server.clone(), client.clone()),
        (Some(server), None) => (server.clone(), or_all(except(server))),
        (None, Some(client)) => (first(or_all(except(client))), client.clone()),
        (None, None) => {
            let server = first(or_all(all.to_vec()));
            let client = or_all(except(&server));
            (server, client)
        }
    }
}

/// Which models are asked for.
fn names(flags: &Compare, ground: &Ground) -> Vec<String> {
    if !flags.models.is_empty() {
        let mut names = flags.models.clone();
        names.sort_by_key(|name| flags.models.iter().position(|other| other == name));
        names.dedup();
        return names;
    }
    let several = ground.server_cpus.numbers().len().max(2);
    MODELS
        .iter()
        .filter(|(name, _)| *name != "loops" || flags.profile() == Profile::Full)
        .map(|(name, _)| if *name == "loops" { format!("loops={several}") } else { (*name).into() })
        .collect()
}

/// Starts each model once: what cannot start is left out, and what takes long at its first start,
/// such as compiling, is done.
fn meet(
    flags: &Compare,
    ground: &Ground,
    left_out: &mut Vec<String>,
) -> Result<(Vec<Model>, Vec<Contestant>), Failure> {
    let (mut models, mut contestants) = (Vec::new(), Vec::new());
    for name in names(flags, ground) {
        match ground.serve(&name, "http") {
            Ok(server) => {
                let options = server.ready.options.clone();
                let workers = options.get("workers").and_then(|count| count.parse().ok());
                contestants.push(Contestant { name: name.clone(), workers });
                let what = what(&name).unwrap_or_default().into();
                models.push(Model { name, what, options });
            }
            Err(Halt::Interrupted) => return Err(interrupted("nothing was measured yet")),
            Err(Halt::Failed(what)) => left_out.push(format!("{name}: {what}")),
        }
    }
    if models.is_empty() {
        let failure = Failure::new(Kind::Runtime, "no model could be started");
        return Err(left_out.iter().fold(failure, Failure::advise));
    }
    Ok((models, contestants))
}

/// What the reference model can do, requests a second.
fn calibrate(ground: &Ground) -> Result<f64, Failure> {
    match ground.run(REFERENCE, &CALIBRATION, &CALIBRATION_PACE) {
        Ok(run) if run.arrived() > 0 && run.load.seconds > 0.0 => {
            Ok(run.arrived() as f64 / run.load.seconds)
        }
        Ok(_) => Err(Failure::new(Kind::Runtime, "the model loop has answered nothing")),
        Err(Halt::Interrupted) => Err(interrupted("nothing was measured yet")),
        Err(Halt::Failed(what)) => Err(Failure::new(Kind::Runtime, what)),
    }
}

/// The end after Ctrl-C.
pub(super) fn interrupted(what: &str) -> Failure {
    Failure::new(Kind::Interrupted, format!("interrupted: {what}"))
}

fn nothing(plan: &Plan) -> Failure {
    let failure = Failure::new(Kind::Usage, "there is nothing to run");
    let refused = plan.planned.iter().flat_map(|planned| planned.refused.iter().flatten());
    plan.left_out.iter().chain(refused).fold(failure, Failure::advise)
}

fn most_connections() -> u64 {
    let of_files = system::descriptors().unwrap_or(u64::MAX).saturating_sub(OTHER_DESCRIPTORS);
    let of_ports = system::ports().unwrap_or(u64::MAX).saturating_sub(OTHER_PORTS);
    of_files.min(of_ports)
}
