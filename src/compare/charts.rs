//! What the pictures of a comparison show: which figure of which workload against what.
//!
//! Called by `report`. Takes lines and axes out of results; `plot` draws them.

use super::axis::{Axis, Scale};
use super::figure::Figure;
use super::look;
use super::plot::{Dot, Line, Plot};
use super::quantity::Unit;
use super::rank::failing;
use super::result::{Point, Results, Run};
use super::workload::Workload;
use crate::measure::Tick;

/// The pictures of a comparison.
pub(super) struct Charts<'r> {
    results: &'r Results,
    looks: Vec<(String, usize)>,
}

/// Values that differ by more than this many times are shown on a logarithm.
const WIDE: f64 = 12.0;

impl<'r> Charts<'r> {
    /// Of results whose models it gives their looks.
    pub(super) fn of(results: &'r Results) -> Self {
        let looks = look::slots(results.models.iter().map(|model| model.name.as_str()));
        Self { results, looks }
    }

    /// Each model and its look.
    pub(super) fn looks(&self) -> &[(String, usize)] {
        &self.looks
    }

    /// The points of a model in a workload, along its axis.
    fn points(&self, workload: &str, model: &str) -> Vec<&'r Point> {
        let ours = |point: &&Point| point.workload == workload && point.model == model;
        let mut points: Vec<&Point> = self.results.points.iter().filter(ours).collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        points
    }

    /// Where a workload was measured.
    pub(super) fn places(&self, workload: &str) -> Vec<f64> {
        places(self.results, workload)
    }

    /// A figure of every model against the axis of a workload; none if no run has it.
    pub(super) fn against(&self, workload: &str, figure: Figure) -> Option<Plot> {
        let known = Workload::named(workload);
        let lines = |(name, slot): &(String, usize)| {
            let dots = self.points(workload, name).into_iter().filter_map(|point| {
                let spread = figure.spread(point)?;
                let shown = |value| figure.unit().show(value);
                let said = format!(
                    "{name}, {}: {} {} [{} – {}]",
                    known.at(point.x),
                    figure.name(),
                    shown(spread.median),
                    shown(spread.low),
                    shown(spread.high)
                );
                let seen = Some((spread.low, spread.high));
                let dot = Dot { x: point.x, y: spread.median, spread: seen, said };
                Some((dot, failing(point).is_some()))
            });
            apart(name, *slot, dots.collect())
        };
        let lines: Vec<Line> = self.looks.iter().flat_map(lines).collect();
        let values: Vec<f64> = lines
            .iter()
            .flat_map(|line| &line.dots)
            .flat_map(|dot| [Some(dot.y), dot.spread.map(|s| s.0), dot.spread.map(|s| s.1)])
            .flatten()
            .collect();
        // Nothing was queued anywhere, and fewer pages than before are no picture.
        if [Figure::Kernel, Figure::Slabs].contains(&figure)
            && values.iter().all(|value| *value <= 0.0)
        {
            return None;
        }
        let scale = scale_of(figure, &values);
        let dashed = lines.iter().any(|line| line.dashed);
        let plot = Plot {
            title: format!("{workload}: {}", figure.name()),
            about: format!(
                "{} of each model against {}; {}. The figures are in the tables.",
                figure.name(),
                known.axis,
                known.what
            ),
            x: self.axis_of(workload),
            y: Axis::fit(figure.name(), scale, figure.unit(), values),
            lines,
            remark: if dashed { "dashed: did not serve everyone" } else { "" },
        };
        Some(plot).filter(|plot| !plot.is_empty())
    }

    fn axis_of(&self, workload: &str) -> Axis {
        let known = Workload::named(workload);
        let places = self.places(workload);
        let least = places.iter().copied().find(|x| *x > 0.0).unwrap_or(1.0);
        let most = places.last().copied().unwrap_or(1.0);
        let scale = if most / least > WIDE { Scale::Log } else { Scale::Linear };
        Axis::places(known.axis, scale, &places, |x| known.unit.tick(x * known.step))
    }

    /// How many requests were at least how fast: the whole distribution of every model at a place.
    pub(super) fn curve(&self, workload: &str, x: f64) -> Option<Plot> {
        let line = |(name, slot): &(String, usize)| {
            let point = self.points(workload, name).into_iter().find(|point| point.x == x)?;
            let run = whole(point)?;
            let dots = distribution(&run.load.latency.buckets);
            Some(Line { name: name.clone(), slot: *slot, dots, dense: true, dashed: false })
        };
        let lines: Vec<Line> = self.looks.iter().filter_map(line).collect();
        let dots = || lines.iter().flat_map(|line| &line.dots);
        let largest = dots().map(|dot| dot.x).fold(10.0, f64::max);
        let plot = Plot {
            title: format!("{workload}, {}", Workload::named(workload).at(x)),
            about:
                "Latency against the share of requests that were at least so fast; each further \
                    nine has the same room."
                    .into(),
            x: Axis::nines(largest),
            y: Axis::fit("latency", Scale::Log, Unit::Nanoseconds, dots().map(|dot| dot.y)),
            lines,
            remark: "",
        };
        Some(plot).filter(|plot| !plot.is_empty())
    }

    /// Where a tracer looked: the model, the place, system calls of a request as counted, as traced.
    pub(super) fn traced(&self) -> Vec<(&'r str, String, Option<f64>, f64)> {
        let of = |point: &'r Point| {
            let traced = Figure::Traced.spread(point)?.median;
            let counted = Figure::Calls.spread(point).map(|spread| spread.median);
            let place = Workload::named(&point.workload).at(point.x);
            Some((point.model.as_str(), format!("{}, {place}", point.workload), counted, traced))
        };
        self.results.points.iter().filter_map(of).collect()
    }

    /// The models that were stopped, each with the place of its longest stop.
    pub(super) fn stalled(&self) -> Vec<(&str, f64)> {
        let longest = |name: &str| {
            let points = self.points("stall", name).into_iter().rev();
            points.filter(|point| ticked(point).is_some()).map(|point| point.x).next()
        };
        let all = self.looks.iter();
        all.filter_map(|(name, _)| Some((name.as_str(), longest(name)?))).collect()
    }

    /// Latency over time while a model was stopped: from the intended start, and from sending.
    pub(super) fn stall(&self, model: &str, x: f64) -> Option<Plot> {
        let slot = self.looks.iter().find(|(name, _)| name == model).map(|(_, slot)| *slot)?;
        let point = self.points("stall", model).into_iter().find(|point| point.x == x)?;
        let ticks = ticked(point)?;
        let line = |name: &str, dashed: bool, of: fn(&Tick) -> u64| {
            let ticks = ticks.iter().filter(|tick| of(tick) > 0);
            let dots = ticks.map(|tick| dot(tick.at_ms * 1e6, of(tick) as f64)).collect();
            // Where both are the same both are to be seen: the other in grey.
            let slot = if dashed { 0 } else { slot };
            Line { name: name.into(), slot, dots, dashed, dense: true }
        };
        let lines = vec![
            line("from the intended start", false, |tick| tick.latency_max),
            line("from sending", true, |tick| tick.service_max),
        ];
        self.over_time(
            format!("{model}: stopped for {}", Workload::named("stall").mark(x)),
            "longest latency",
            Unit::Nanoseconds,
            Scale::Log,
            lines,
        )
    }

    /// Answers over time while more was offered than could be done.
    pub(super) fn overload(&self, x: f64) -> Option<Plot> {
        let line = |(name, slot): &(String, usize)| {
            let point = self.points("overload", name).into_iter().find(|point| point.x == x)?;
            let ticks = ticked(point)?;
            let part = match ticks {
                [first, second, ..] => (second.at_ms - first.at_ms) / 1e3,
                _ => return None,
            };
            let of = |tick: &Tick| dot(tick.at_ms * 1e6, tick.answered as f64 / part);
            let dots = ticks.iter().map(of).collect();
            Some(Line { name: name.clone(), slot: *slot, dots, dense: true, dashed: false })
        };
        let lines = self.looks.iter().filter_map(line).collect();
        let title = format!("overload, {}", Workload::named("overload").at(x));
        self.over_time(title, "answers/s", Unit::PerSecond, Scale::Linear, lines)
    }

    fn over_time(
        &self,
        title: String,
        what: &str,
        unit: Unit,
        scale: Scale,
        lines: Vec<Line>,
    ) -> Option<Plot> {
        let dots = || lines.iter().flat_map(|line| &line.dots);
        let plot = Plot {
            about: format!("{what} over the time of one run."),
            title,
            x: Axis::fit("time", Scale::Linear, Unit::Nanoseconds, dots().map(|dot| dot.x)),
            y: Axis::fit(what, scale, unit, dots().map(|dot| dot.y)),
            lines,
            remark: "",
        };
        Some(plot).filter(|plot| !plot.is_empty())
    }
}

/// Where a workload was measured, in order.
pub(super) fn places(results: &Results, workload: &str) -> Vec<f64> {
    let ours = results.points.iter().filter(|point| point.workload == workload);
    let mut places: Vec<f64> = ours.map(|point| point.x).filter(|x| x.is_finite()).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    places
}

/// The workloads that were run, known ones first and in their order.
pub(super) fn workloads(results: &Results) -> Vec<&str> {
    let rank = |name: &str| {
        let known = super::workload::KNOWN.iter().position(|known| known.name == name);
        known.unwrap_or(usize::MAX)
    };
    let mut names: Vec<&str> = Vec::new();
    for point in &results.points {
        if !names.contains(&point.workload.as_str()) {
            names.push(&point.workload);
        }
    }
    names.sort_by_key(|name| rank(name));
    names
}

/// A model's line: full where it serves everyone, dashed where it does not.
fn apart(name: &str, slot: usize, dots: Vec<(Dot, bool)>) -> Vec<Line> {
    let line = |dashed| Line { name: name.into(), slot, dashed, ..Line::default() };
    let (mut full, mut dashed) = (line(false), line(true));
    for (dot, failing) in dots {
        match failing {
            false => full.dots.push(dot),
            true => {
                // It goes on from where everyone was served last.
                if let (true, Some(last)) = (dashed.dots.is_empty(), full.dots.last()) {
                    dashed.dots.push(Dot { spread: None, said: String::new(), ..last.clone() });
                }
                dashed.dots.push(dot);
            }
        }
    }
    [full, dashed].into_iter().filter(|line| !line.dots.is_empty()).collect()
}

fn dot(x: f64, y: f64) -> Dot {
    Dot { x, y, spread: None, said: String::new() }
}

/// Latency spans decades; anything else is shown from zero where it can be.
fn scale_of(figure: Figure, values: &[f64]) -> Scale {
    use Figure::{ConnectP99, HandshakeP99, Max, P50, P90, P99, P999};
    let most = values.iter().copied().fold(0.0, f64::max);
    let least = values.iter().copied().filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min);
    let spans = matches!(figure, P50 | P90 | P99 | P999 | Max | ConnectP99 | HandshakeP99);
    // A negative figure (memory given back) or a zero has no logarithm.
    let all_positive = values.iter().all(|value| *value > 0.0);
    match all_positive && (spans || most / least > WIDE) {
        true => Scale::Log,
        false => Scale::Linear,
    }
}

/// The run of a point whose histograms were kept.
fn whole(point: &Point) -> Option<&Run> {
    point.runs.iter().find(|run| !run.load.latency.buckets.is_empty())
}

fn ticked(point: &Point) -> Option<&[Tick]> {
    let run = whole(point).filter(|run| run.load.ticks.len() > 1);
    let run = run.or_else(|| point.runs.iter().find(|run| run.load.ticks.len() > 1));
    run.map(|run| run.load.ticks.as_slice())
}

/// A percentile curve needs no more points than there are pixels.
const FINEST: usize = 240;

/// Buckets as (1/(1 − p), value).
fn distribution(buckets: &[(u64, u64)]) -> Vec<Dot> {
    let all: u64 = buckets.iter().map(|(_, count)| count).sum();
    let mut seen = 0;
    let mut dots: Vec<Dot> = Vec::new();
    for (value, count) in buckets {
        seen += count;
        // The last one is at 100 %, which is infinitely far: it stands where one more would be.
        let beyond = all.saturating_sub(seen).max(1) as f64;
        let place = all as f64 / beyond;
        let far = |last: &Dot| (place / last.x).ln() > 14.0 / FINEST as f64 || seen == all;
        if *count > 0 && dots.last().is_none_or(far) {
            dots.push(dot(place, *value as f64));
        }
    }
    dots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::make_up;

    #[test]
    fn every_picture_has_what_it_shows() {
        let results = make_up();
        let charts = Charts::of(&results);
        let rate = charts.against("keep-alive", Figure::Rate).expect("a picture");
        assert_eq!((rate.lines.len(), rate.named().len()), (9, 8));
        let dashed: Vec<&Line> = rate.lines.iter().filter(|line| line.dashed).collect();
        assert_eq!(
            (dashed.len(), dashed[0].name.as_str(), dashed[0].dots.len()),
            (1, "blocking", 8)
        );
        let threads = rate.lines.iter().find(|line| line.name == "threads").expect("a line");
        assert_eq!(threads.dots.len(), 7, "a refused point is no dot");
        assert!(threads.dots[0].said.starts_with("threads, 1 connection: requests/s "));
        assert!(charts.curve("keep-alive", 64.0).is_some());
        assert!(charts.overload(2.0).is_some());
        let (model, x) = charts.stalled()[0];
        assert_eq!(charts.stall(model, x).expect("a picture").lines.len(), 2);
    }

    #[test]
    fn queues_that_are_empty_everywhere_are_no_picture() {
        let mut results = make_up();
        let kernel = |results: &Results| Charts::of(results).against("idle", Figure::Kernel);
        assert!(kernel(&results).is_some());
        let runs = results.points.iter_mut().flat_map(|point| &mut point.runs);
        runs.for_each(|run| run.kernel_bytes = run.kernel_bytes.map(|bytes| -bytes));
        assert!(kernel(&results).is_none());
    }

    #[test]
    fn nothing_measured_is_no_picture() {
        let results = Results::default();
        let charts = Charts::of(&results);
        assert!(charts.against("keep-alive", Figure::Rate).is_none());
        assert!(charts.curve("keep-alive", 64.0).is_none());
        assert!(charts.overload(2.0).is_none());
        assert!(charts.stalled().is_empty() && charts.stall("loop", 1.0).is_none());
        assert!(workloads(&results).is_empty());
    }

    #[test]
    fn a_distribution_gives_each_nine_its_place() {
        let dots = distribution(&[(10, 90), (20, 9), (30, 1)]);
        let places: Vec<(f64, f64)> = dots.iter().map(|dot| (dot.x, dot.y)).collect();
        assert_eq!(places, [(10.0, 10.0), (100.0, 20.0), (100.0, 30.0)]);
    }
}
