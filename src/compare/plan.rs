//! What a comparison runs, in which order, and how long that will take.
//!
//! The command makes a plan from the flags and carries it out step by step.

use std::time::Duration;

use super::load::{Load, Pace, Shape, Workload, round_rate};
use super::model::Contestant;

/// How much is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Twenty seconds.
    Quick,
    /// Two minutes.
    Usual,
    /// Everything.
    Full,
}

/// What the flags say.
#[derive(Clone, Debug, PartialEq)]
pub struct Wishes {
    /// How much, where nothing else is said.
    pub profile: Profile,
    /// Only these workloads.
    pub workloads: Vec<Workload>,
    /// These numbers of connections.
    pub connections: Vec<u64>,
    /// These rates of planned requests, a second.
    pub rates: Vec<f64>,
    /// This window for each run.
    pub window: Option<Duration>,
    /// So many runs of each model at each point.
    pub runs: u32,
}

/// What is known of the place before the plan is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ground {
    /// Connections that the system lets one process have.
    pub most_connections: u64,
    /// What the reference model answered of plain requests, a second.
    pub capacity: f64,
    /// True if there is a tracer that counts system calls.
    pub has_tracer: bool,
}

/// A load and what is to become of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The load.
    pub load: Load,
    /// Runs of each model.
    pub runs: u32,
    /// For each model why it is not run, if it is not.
    pub refused: Vec<Option<String>>,
}

/// A run: indices into [`Plan::planned`] and the list of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which round, from 0.
    pub round: u32,
    /// Which load.
    pub load: usize,
    /// Which model.
    pub model: usize,
}

/// A whole comparison, before it is run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The loads, in the order in which they are shown.
    pub planned: Vec<Planned>,
    /// The same for all of them.
    pub pace: Pace,
    /// What is left out, and why.
    pub left_out: Vec<String>,
    /// The most connections that a load was to have, also of those that are left out.
    pub wanted: u64,
    /// For each model the load under which a tracer counts its system calls afterwards.
    pub traced: Vec<Option<Load>>,
}

/// The window may be so short and so long when the profile chooses it.
const WINDOWS: (u64, u64) = (80, 2000);

/// Two processes start and end.
const PROCESSES: Duration = Duration::from_millis(100);

/// A connection is made, on both sides, and ended.
const CONNECTION: Duration = Duration::from_micros(60);

/// A tracer looks at a model.
pub const TRACE: Duration = Duration::from_millis(900);

/// More connections than this are not traced.
const TRACED_CONNECTIONS: f64 = 64.0;

/// The same with a TLS handshake.
const TLS_CONNECTION: Duration = Duration::from_millis(1);

impl Profile {
    /// The time that it may take, all in all.
    pub fn budget(self) -> Duration {
        Duration::from_secs(match self {
            Profile::Quick => 20,
            Profile::Usual => 120,
            Profile::Full => 15 * 60,
        })
    }

    /// The workloads and their places; those of `open` are parts of the capacity.
    fn matrix(self) -> Vec<(Workload, &'static [f64])> {
        match self {
            Profile::Quick => vec![(Workload::KeepAlive, &[1.0, 64.0])],
            Profile::Usual => vec![
                (Workload::KeepAlive, &[1.0, 16.0, 64.0, 1000.0]),
                (Workload::Open, &[0.3, 0.6, 0.9]),
                (Workload::Churn, &[16.0]),
                (Workload::Idle, &[1000.0]),
                (Workload::Mix, &[10_000.0]),
                (Workload::Stall, &[300.0]),
            ],
            Profile::Full => {
                Workload::ALL.into_iter().map(|workload| (workload, places(workload))).collect()
            }
        }
    }

    /// Runs of a workload where `runs` are asked for. Outside of the whole matrix a stall is run
    /// once: it takes long, and says plainly what it says.
    fn runs(self, workload: Workload, runs: u32) -> u32 {
        if workload == Workload::Stall && self != Profile::Full { 1 } else { runs }
    }
}

/// The whole axis of a workload.
fn places(workload: Workload) -> &'static [f64] {
    match workload {
        Workload::KeepAlive => &[1.0, 4.0, 16.0, 64.0, 256.0, 1000.0, 4000.0, 15_000.0],
        Workload::Open => &[0.2, 0.4, 0.6, 0.8, 0.9, 1.0],
        Workload::Churn => &[1.0, 16.0, 64.0],
        Workload::Idle => &[100.0, 1000.0, 15_000.0],
        Workload::Slow => &[16.0, 128.0],
        Workload::Tls => &[1.0, 64.0, 1000.0],
        Workload::Handshakes => &[16.0],
        Workload::Pipeline => &[1.0, 4.0, 16.0],
        Workload::Payload => &[100.0, 10_000.0, 100_000.0, 1_000_000.0],
        Workload::Compute => &[0.0, 10.0, 100.0, 1000.0, 10_000.0],
        Workload::Mix => &[1000.0, 10_000.0],
        Workload::Echo | Workload::WebSocket => &[1.0, 64.0, 1000.0],
        Workload::Stall => &[1000.0],
        Workload::Overload => &[2.0],
    }
}

impl Wishes {
    /// The workloads that will be run.
    pub fn workloads(&self) -> Vec<Workload> {
        if self.workloads.is_empty() {
            return self.profile.matrix().into_iter().map(|(workload, _)| workload).collect();
        }
        let wanted = |workload: &Workload| self.workloads.contains(workload);
        Workload::ALL.into_iter().filter(wanted).collect()
    }

    /// The places on a workload's axis.
    fn places(&self, workload: Workload, ground: &Ground) -> Vec<f64> {
        if workload.counts_connections() && !self.connections.is_empty() {
            return self.connections.iter().map(|&count| count as f64).collect();
        }
        if workload == Workload::Open && !self.rates.is_empty() {
            return self.rates.clone();
        }
        let of_profile = self.profile.matrix().into_iter().find(|(other, _)| *other == workload);
        let list = of_profile.map_or_else(|| places(workload), |(_, list)| list);
        match workload {
            Workload::Open => list.iter().map(|part| round_rate(part * ground.capacity)).collect(),
            _ => list.to_vec(),
        }
    }
}

impl Plan {
    /// The plan that carries out `wishes` with these models.
    pub fn new(wishes: &Wishes, models: &[Contestant], ground: &Ground) -> Plan {
        let connections = match wishes.connections[..] {
            [one] => Some(one),
            _ => None,
        };
        let (mut planned, mut left_out, mut wanted) = (Vec::new(), Vec::new(), 0);
        for workload in wishes.workloads() {
            for x in wishes.places(workload, ground) {
                let load = Load { workload, x };
                let shape = load.shape(connections);
                wanted = wanted.max(shape.connections + shape.beside);
                if let Some(why) = too_many(&load, shape, ground) {
                    left_out.push(why);
                    continue;
                }
                let refused = models.iter().map(|model| model.refuses(&load, &shape)).collect();
                let runs = wishes.profile.runs(workload, wishes.runs);
                planned.push(Planned { load, runs, refused });
            }
        }
        let pace = |window: Duration| Pace {
            warmup: (window / 4).min(Duration::from_millis(300)),
            window,
            connections,
            capacity: ground.capacity,
        };
        let traces = ground.has_tracer && wishes.profile != Profile::Quick;
        let traced = |model| traces.then(|| to_trace(&planned, model)).flatten();
        let traced = (0..models.len()).map(traced).collect();
        let (least, most) = WINDOWS;
        let shortest = pace(Duration::from_millis(least));
        let mut plan = Plan { planned, pace: shortest, left_out, wanted, traced };
        let windows = match wishes.window {
            Some(window) => vec![window],
            None => (least..=most).rev().step_by(10).map(Duration::from_millis).collect(),
        };
        // The longest windows that the time allows; the shortest if it allows none.
        for window in windows {
            plan.pace = pace(window);
            if plan.estimate() <= wishes.profile.budget() {
                break;
            }
        }
        plan
    }

    /// All runs. The models take turns, and another one begins each time, so that what changes on
    /// the machine meanwhile meets all of them.
    pub fn steps(&self) -> Vec<Step> {
        let rounds = self.planned.iter().map(|planned| planned.runs).max().unwrap_or(0);
        let mut steps = Vec::new();
        for round in 0..rounds {
            for (load, planned) in self.planned.iter().enumerate() {
                let models = planned.refused.len();
                let first = (round as usize + load) % models.max(1);
                let turns = (first..models).chain(0..first);
                let runs = turns.filter(|&model| planned.refused[model].is_none());
                if round < planned.runs {
                    steps.extend(runs.map(|model| Step { round, load, model }));
                }
            }
        }
        steps
    }

    /// How long a run of a load takes, processes and all.
    pub fn takes(&self, load: &Load) -> Duration {
        let Shape { connections, beside } = load.shape(self.pace.connections);
        let each = if load.workload.row() == "https" { TLS_CONNECTION } else { CONNECTION };
        let opening = each * u32::try_from(connections + beside).unwrap_or(u32::MAX);
        PROCESSES + opening + load.warmup(&self.pace) + load.window(&self.pace)
    }

    /// How long all of it takes.
    pub fn estimate(&self) -> Duration {
        let runs = |planned: &Planned| {
            let models = planned.refused.iter().filter(|refused| refused.is_none()).count();
            u32::try_from(models).unwrap_or(u32::MAX) * planned.runs
        };
        let all = self.planned.iter().map(|planned| self.takes(&planned.load) * runs(planned));
        all.sum::<Duration>() + TRACE * self.traced.iter().flatten().map(|_| 1).sum::<u32>()
    }
}

/// The load under which system calls are traced: keep-alive with the most connections that are few
/// enough for a traced process.
fn to_trace(planned: &[Planned], model: usize) -> Option<Load> {
    let loads = planned.iter().filter(|planned| {
        planned.load.workload == Workload::KeepAlive
            && planned.load.x <= TRACED_CONNECTIONS
            && matches!(planned.refused.get(model), Some(None))
    });
    loads.map(|planned| planned.load).next_back()
}

/// Why this machine cannot open so many connections, if it cannot.
fn too_many(load: &Load, shape: Shape, ground: &Ground) -> Option<String> {
    let open = shape.connections + shape.beside;
    (open > ground.most_connections).then(|| {
        format!(
            "{} at {}: {open} connections are more than the {} that the limits of this system allow",
            load.workload.name(),
            load.x,
            ground.most_connections
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn wishes(profile: Profile) -> Wishes {
        Wishes {
            profile,
            workloads: Vec::new(),
            connections: Vec::new(),
            rates: Vec::new(),
            window: None,
            runs: 5,
        }
    }

    fn models(names: &[&str]) -> Vec<Contestant> {
        let workers = |name: &str| (name == "pool").then_some(64);
        names
            .iter()
            .map(|name| Contestant { name: (*name).into(), workers: workers(name) })
            .collect()
    }

    const ALL: &[&str] = &["blocking", "threads", "pool", "spin", "level", "loop", "loops=2", "go"];
    const GROUND: Ground =
        Ground { most_connections: 19_900, capacity: 45_678.0, has_tracer: true };

    #[test]
    fn every_profile_keeps_to_its_time_and_uses_it() {
        for profile in [Profile::Quick, Profile::Usual, Profile::Full] {
            let plan = Plan::new(&wishes(profile), &models(ALL), &GROUND);
            let (time, budget) = (plan.estimate(), profile.budget());
            assert!(time <= budget, "{profile:?}: {time:?}");
            assert!(time > budget * 8 / 10, "{profile:?}: {time:?}");
            assert!(plan.pace.window >= Duration::from_millis(WINDOWS.0), "{:?}", plan.pace);
            assert_eq!(plan.left_out, [""; 0]);
        }
    }

    #[test]
    fn the_sum_of_the_steps_is_the_estimate() {
        let plan = Plan::new(&wishes(Profile::Usual), &models(ALL), &GROUND);
        let steps = plan.steps();
        let sum: Duration =
            steps.iter().map(|step| plan.takes(&plan.planned[step.load].load)).sum();
        let traced = plan.traced.iter().flatten().count() as u32;
        assert_eq!((sum + TRACE * traced, traced), (plan.estimate(), 8));
        assert_eq!(plan.traced[0].map(|load| load.x), Some(1.0), "one connection for blocking");
        assert_eq!(plan.traced[1].map(|load| load.x), Some(64.0));
        let distinct: HashSet<_> =
            steps.iter().map(|step| (step.round, step.load, step.model)).collect();
        assert_eq!(distinct.len(), steps.len());
    }

    #[test]
    fn models_take_turns_and_rounds_follow_each_other() {
        let wishes = Wishes { workloads: vec![Workload::Churn], ..wishes(Profile::Quick) };
        let plan = Plan::new(&wishes, &models(&["threads", "loop", "go"]), &GROUND);
        let order: Vec<_> = plan
            .steps()
            .iter()
            .filter(|step| step.load == 0)
            .map(|step| (step.round, step.model))
            .collect();
        let start = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (1, 0), (2, 2), (2, 0), (2, 1)];
        assert_eq!(order[..9], start);
        assert_eq!(order.len(), 15);
    }

    #[test]
    fn flags_say_where_on_the_axis_and_how_long() {
        let wishes = Wishes {
            workloads: vec![Workload::Open, Workload::KeepAlive, Workload::Compute],
            connections: vec![3],
            rates: vec![100.0, 200.0],
            window: Some(Duration::from_secs(9)),
            runs: 2,
            ..wishes(Profile::Quick)
        };
        let plan = Plan::new(&wishes, &models(&["loop"]), &GROUND);
        let loads: Vec<_> = plan
            .planned
            .iter()
            .map(|planned| (planned.load.workload.name(), planned.load.x))
            .collect();
        let computes = [0.0, 10.0, 100.0, 1000.0, 10_000.0].map(|x| ("compute", x));
        assert_eq!(loads[..3], [("keep-alive", 3.0), ("open", 100.0), ("open", 200.0)]);
        assert_eq!(loads[3..], computes);
        assert_eq!(plan.pace.window, Duration::from_secs(9));
        assert_eq!(plan.planned[7].load.shape(plan.pace.connections).connections, 3);
        assert_eq!(plan.steps().len(), 16);
    }

    #[test]
    fn rates_follow_the_capacity_and_are_the_same_for_all() {
        let plan = Plan::new(&wishes(Profile::Usual), &models(ALL), &GROUND);
        let rates: Vec<_> = plan
            .planned
            .iter()
            .filter(|planned| planned.load.workload == Workload::Open)
            .map(|planned| planned.load.x)
            .collect();
        assert_eq!(rates, [14_000.0, 27_000.0, 41_000.0]);
    }

    #[test]
    fn what_the_limits_do_not_allow_is_left_out_and_said() {
        let ground = Ground { most_connections: 900, ..GROUND };
        let plan = Plan::new(&wishes(Profile::Usual), &models(ALL), &ground);
        let says = "keep-alive at 1000: 1000 connections are more than the 900";
        assert!(plan.left_out[0].starts_with(says), "{:?}", plan.left_out);
        assert!(plan.planned.iter().all(|planned| planned.load.x != 1000.0));
        assert_eq!(plan.wanted, 1016);
    }

    #[test]
    fn nothing_to_run_takes_no_time() {
        let plan = Plan::new(&wishes(Profile::Quick), &[], &GROUND);
        assert_eq!((plan.estimate(), plan.steps().len()), (Duration::ZERO, 0));
    }
}
