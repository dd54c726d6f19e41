//! `readyloop compare`: the same server with several I/O models under the same loads.
//!
//! Each run is two fresh processes of this very program, a server and a load, each on CPUs of its
//! own. What to run is decided in [`compare::plan`](crate::compare::plan); here processes are
//! started, and the results kept.

mod child;
mod ledger;
mod preparation;
mod progress;
mod rounds;
mod system;
mod tracer;
mod trial;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::cpus::Cpus;
use super::failure::Failure;
use super::units;
use crate::compare::load::Workload;
use crate::compare::model::{MODELS, plain};
use crate::compare::plan::{Profile, Wishes};
use crate::compare::result::Results;
use crate::compare::{diff, report, table, verdict};

const EXAMPLES: &str = "\
Examples:
  readyloop compare                                  two minutes, the usual questions
  readyloop compare --quick --models threads,loop    twenty seconds
  readyloop compare --full --out results             everything, about fifteen minutes
  readyloop compare --workload keep-alive --connections 1,100,10000
  readyloop compare --workload open --rate 1000,5000,10000 --duration 2s
  readyloop compare --from readyloop-compare/results.json
  readyloop compare --from before.json after.json    what has changed

Models:
  blocking, threads, pool[=N], spin, level, loop, loops[=N], go";

/// The names of the pages in the folder of a comparison.
const REPORT: &str = "report.html";
const DIFFERENCE: &str = "difference.html";

/// Characters of a line where nobody says how many there are.
const WIDTH: usize = 110;

/// Compare I/O models: the same server, the same loads, several ways to wait
#[derive(Debug, Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{}", super::failure::EXIT_CODES))]
pub(super) struct Compare {
    /// Twenty seconds: an impression
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// The whole matrix, with up to 15,000 connections: about fifteen minutes
    #[arg(long)]
    full: bool,
    /// Compare these [default: all; loops with --full alone, go where Go is installed]
    #[arg(long, value_name = "MODEL,…", value_delimiter = ',', value_parser = parse_model)]
    models: Vec<String>,
    /// Run these: keep-alive, open, churn, idle, slow, tls, handshakes, pipeline, payload, compute,
    /// mix, echo, websocket, stall, overload
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    workload: Vec<Workload>,
    /// So many connections, one after the other, where they are the axis; a single number goes for
    /// the other workloads too
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    connections: Vec<u64>,
    /// So many planned requests a second, of the workload open [default: parts of what the loop can
    /// do here]
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = parse_rate)]
    rate: Vec<f64>,
    /// How long each run is measured [default: what the time allows]
    #[arg(long, value_name = "TIME", value_parser = units::parse_time)]
    duration: Option<Duration>,
    /// Runs of each model at each point; the table shows the middle one and the spread
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Where results.json and report.html go
    #[arg(long, value_name = "DIR", default_value = "readyloop-compare")]
    out: PathBuf,
    /// Run nothing: draw these results again; of two, show what has changed
    #[arg(long, value_name = "FILE", num_args = 1..=2, conflicts_with_all = ["quick", "full", "models", "workload", "connections", "rate", "duration", "runs"])]
    from: Vec<PathBuf>,
    /// Keep the servers to these CPUs [default: the first one]
    #[arg(long, value_name = "LIST")]
    server_cpus: Option<Cpus>,
    /// Keep the loads to these CPUs [default: all others]
    #[arg(long, value_name = "LIST")]
    client_cpus: Option<Cpus>,
}

/// A model's name, with a number where it takes one.
fn parse_model(text: &str) -> Result<String, String> {
    let name = plain(text);
    if !MODELS.iter().any(|(known, _)| *known == name) {
        let names: Vec<_> = MODELS.iter().map(|(name, _)| *name).collect();
        return Err(format!("models are {}", names.join(", ")));
    }
    let number = text.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
    let takes_one = ["pool", "loops"].contains(&name);
    match number.map(str::parse::<u32>) {
        None => Ok(text.into()),
        Some(Ok(1..)) if takes_one => Ok(text.into()),
        Some(_) if takes_one => Err(format!("{name}=N with a number from 1")),
        Some(_) => Err(format!("{name} takes no number")),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "a rate is a number of requests a second, such as 5000".into())
}

impl Compare {
    pub(super) fn run(&self) -> Result<(), Failure> {
        if !self.from.is_empty() {
            return self.redraw();
        }
        rounds::run(self, preparation::prepare(self)?)
    }

    fn profile(&self) -> Profile {
        match (self.quick, self.full) {
            (true, _) => Profile::Quick,
            (false, true) => Profile::Full,
            (false, false) => Profile::Usual,
        }
    }

    fn wishes(&self) -> Wishes {
        Wishes {
            profile: self.profile(),
            workloads: self.workload.clone(),
            connections: self.connections.clone(),
            rates: self.rate.clone(),
            window: self.duration,
            runs: self.runs,
        }
    }

    /// Reads results and draws them again.
    fn redraw(&self) -> Result<(), Failure> {
        let results: Result<Vec<_>, _> = self.from.iter().map(|path| ledger::read(path)).collect();
        self.show(&results?)
    }

    /// Tables and words to the terminal, the same with pictures to a page; of two results what has
    /// changed.
    fn show(&self, results: &[Results]) -> Result<(), Failure> {
        let (text, name, page) = match results {
            [before, after] => {
                (diff::table(before, after, width()), DIFFERENCE, diff::render(before, after))
            }
            [one, ..] => {
                let words = verdict::text(&verdict::judge(one), width());
                let text = format!("{}{}\n\n{words}", table::render(one, width()), table::LEGEND);
                self.draw(one)?;
                (text, REPORT, report::render(one))
            }
            [] => return Ok(()),
        };
        super::banner::print(text.as_bytes());
        fs::create_dir_all(&self.out)?;
        let path = self.out.join(name);
        ledger::put(&path, page.as_bytes())?;
        eprintln!("with pictures: {}", path.display());
        Ok(())
    }

    /// The pictures that stand alone, for those who write about it.
    fn draw(&self, results: &Results) -> Result<(), Failure> {
        fs::create_dir_all(&self.out)?;
        for (name, picture) in report::pictures(results) {
            ledger::put(&self.out.join(format!("{name}.svg")), picture.as_bytes())?;
        }
        Ok(())
    }
}

/// Room of a line: as told (`COLUMNS`), or the terminal's.
fn width() -> usize {
    let told = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = terminal_size::terminal_size().map(|(columns, _)| columns.0.into());
    told.or(terminal).unwrap_or(WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_names_with_numbers_where_they_take_them() {
        for text in ["blocking", "pool", "pool=8", "loops=2", "go"] {
            assert_eq!(parse_model(text), Ok(text.into()));
        }
        for (text, says) in [
            ("fork", "models are blocking, threads"),
            ("", "models are"),
            ("pool=", "a number from 1"),
            ("pool=0", "a number from 1"),
            ("pool=x", "a number from 1"),
            ("loop=2", "takes no number"),
        ] {
            let error = parse_model(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn rates_are_numbers_above_nothing() {
        assert_eq!(parse_rate("2.5"), Ok(2.5));
        for text in ["0", "-1", "inf", "NaN", "fast"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
