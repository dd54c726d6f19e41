//! The results as they grow, and their file.
//!
//! The file is written again after each round, beside the old one and then in its place, so that
//! there is a whole one whatever happens.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::failure::{Failure, Kind};
use crate::compare::load::Load;
use crate::compare::plan::{Plan, Step};
use crate::compare::result::{Point, Results, Run, VERSION};
use crate::measure::Outcome;

/// The name of the file in the folder of a comparison.
const FILE: &str = "results.json";

/// The results and where they are kept.
pub(super) struct Ledger {
    pub(super) results: Results,
    folder: PathBuf,
    /// How many models: the points of a load follow each other, one a model.
    models: usize,
}

impl Ledger {
    /// Begins with a point for each load and model of the plan.
    pub(super) fn new(mut results: Results, plan: &Plan, folder: &Path) -> Self {
        let models = results.models.len();
        for planned in &plan.planned {
            let models = results.models.iter().zip(&planned.refused);
            results.points.extend(models.map(|(model, refused)| Point {
                workload: planned.load.workload.name().into(),
                x: planned.load.x,
                model: model.name.clone(),
                runs: Vec::new(),
                refused: refused.clone(),
            }));
        }
        results.left_out.extend(plan.left_out.iter().cloned());
        Ledger { results, folder: folder.to_owned(), models }
    }

    fn point(&mut self, step: &Step) -> Option<&mut Point> {
        self.results.points.get_mut(step.load * self.models + step.model)
    }

    /// Keeps a run, or what became of it.
    pub(super) fn enter(&mut self, step: &Step, done: Result<Run, String>) {
        let Some(point) = self.point(step) else { return };
        match done {
            Ok(run) => point.runs.push(Run { round: step.round, ..run }),
            Err(what) if point.runs.is_empty() => point.refused = Some(what),
            Err(what) => {
                let (place, round) = (format!("{} at {}", point.workload, point.x), step.round + 1);
                let what = format!("{place}, {}, run {round}: {what}", point.model);
                self.results.left_out.push(what);
            }
        }
    }

    /// True if the first run of this point has failed: another one would too, after as long a wait.
    pub(super) fn has_failed(&mut self, step: &Step) -> bool {
        self.point(step).is_some_and(|point| point.refused.is_some())
    }

    /// Keeps a tracer's count at the first run of the model under this load.
    pub(super) fn trace(&mut self, model: &str, load: &Load, calls: f64) {
        let is_it = |point: &&mut Point| {
            point.model == model && point.workload == load.workload.name() && point.x == load.x
        };
        let point = self.results.points.iter_mut().find(is_it);
        if let Some(run) = point.and_then(|point| point.runs.first_mut()) {
            run.traced_calls = Some(calls);
        }
    }

    /// Writes the file.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let mut results = self.results.clone();
        results.points.iter_mut().for_each(prune);
        let json = serde_json::to_vec(&results).map_err(io::Error::from)?;
        put(&self.folder.join(FILE), &json)
    }
}

/// Writes a file as a whole, or leaves the old one.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let beside = path.with_extension("new");
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        Failure::new(Kind::Runtime, format!("{} cannot be written: {error}", path.display()))
            .advise("another folder:  --out DIR")
    })
}

/// Reads results that were kept.
pub(super) fn read(path: &Path) -> Result<Results, Failure> {
    let refused = |what: String| {
        Failure::new(Kind::Data, format!("{} {what}", path.display()))
            .advise("it must be a results.json as `readyloop compare` writes it")
    };
    let text = fs::read(path).map_err(|error| refused(format!("cannot be read: {error}")))?;
    let results: Results = serde_json::from_slice(&text)
        .map_err(|error| refused(format!("is not understood: {error}")))?;
    if results.version != VERSION {
        let version = results.version;
        return Err(refused(format!("is of version {version}; this program reads {VERSION}")));
    }
    Ok(results)
}

/// Leaves the histograms of the middle run alone, by its 99th percentile.
fn prune(point: &mut Point) {
    let mut order: Vec<usize> = (0..point.runs.len()).collect();
    order.sort_by_key(|&place| point.runs.get(place).map(|run| run.load.latency.p99));
    let middle = order.get(order.len() / 2).copied();
    for (place, run) in point.runs.iter_mut().enumerate() {
        if Some(place) != middle {
            drop_buckets(&mut run.load);
        }
    }
}

fn drop_buckets(load: &mut Outcome) {
    let Outcome { latency, service, connect, handshake, late, .. } = load;
    for spectrum in [latency, service, connect, handshake, late] {
        spectrum.buckets = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Spectrum;

    #[test]
    fn histograms_of_the_middle_run_are_kept() {
        let run = |p99| {
            let latency = Spectrum { p99, buckets: vec![(p99, 1)], ..Spectrum::default() };
            Run { load: Outcome { latency, ..Outcome::default() }, ..Run::default() }
        };
        let mut point = Point { runs: vec![run(30), run(10), run(20)], ..Point::default() };
        prune(&mut point);
        let kept: Vec<_> =
            point.runs.iter().map(|run| run.load.latency.buckets.is_empty()).collect();
        assert_eq!(kept, [true, true, false]);
        prune(&mut Point::default());
    }

    #[test]
    fn a_run_keeps_its_round() {
        let mut ledger = Ledger { results: Results::default(), folder: PathBuf::new(), models: 1 };
        ledger.results.points.push(Point::default());
        for (round, done) in [Ok(()), Err("lost".to_owned()), Ok(())].into_iter().enumerate() {
            let step = Step { round: round as u32, load: 0, model: 0 };
            ledger.enter(&step, done.map(|()| Run::default()));
        }
        let rounds: Vec<u32> = ledger.results.points[0].runs.iter().map(|run| run.round).collect();
        assert_eq!((rounds, ledger.results.left_out.len()), (vec![0, 2], 1));
    }

    #[test]
    fn a_file_that_is_none_of_ours_is_refused_with_advice() {
        let folder = std::env::temp_dir().join(format!("readyloop-ledger-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(FILE);
        for (text, says) in [
            (None, "cannot be read"),
            (Some("{}"), "is not understood"),
            (Some("what"), "is not understood"),
        ] {
            if let Some(text) = text {
                put(&path, text.as_bytes()).expect("a folder that can be written");
            }
            let failure = format!("{:?}", read(&path).expect_err(says));
            assert!(failure.contains(says), "{failure}");
        }
        let other = Results { version: 99, ..Results::default() };
        put(&path, &serde_json::to_vec(&other).expect("plain data")).expect("a folder");
        assert!(format!("{:?}", read(&path)).contains("version 99"));
        fs::remove_dir_all(&folder).expect("it was there");
    }
}
