//! The whole loop in the simulated world, seed by seed.
//!
//! `SEED=7 cargo test --test sim -- --nocapture` runs one seed and prints every step of it;
//! `SEEDS=0..50000` runs others than the usual ones. In debug builds each rule of the reactor is
//! switched off in turn, and the simulator must notice; `SIM_TABLE=1` prints how often it does.

use std::ops::Range;

use readyloop::sim::{Report, Scenario};

/// The seeds that every test run goes through.
const SEEDS: Range<u64> = 0..2000;

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or_else(|_| panic!("{text}: not a number"))
}

fn seeds() -> Range<u64> {
    if let Ok(seed) = std::env::var("SEED") {
        let seed = number(&seed);
        return seed..seed + 1;
    }
    match std::env::var("SEEDS") {
        Ok(range) => {
            let (from, to) = range.split_once("..").expect("SEEDS=from..to");
            number(from)..number(to)
        }
        Err(_) => SEEDS,
    }
}

fn complain(report: &Report) {
    let seed = report.seed;
    for violation in &report.violations {
        println!("seed {seed}: {violation}");
    }
    println!(
        "to see it step by step: SEED={seed} cargo test --test sim every_seed -- --nocapture\n"
    );
}

#[test]
fn every_seed_keeps_every_promise() {
    let traced = std::env::var_os("SEED").is_some();
    let mut broken = 0;
    for seed in seeds() {
        let scenario = Scenario::new(seed);
        let report = if traced { scenario.traced().run() } else { scenario.run() };
        for line in &report.trace {
            println!("{line}");
        }
        if !report.violations.is_empty() {
            broken += 1;
            complain(&report);
        }
    }
    assert_eq!(broken, 0, "seeds with violations; they are listed above");
}

#[test]
fn a_seed_decides_everything() {
    for seed in 0..20 {
        let (one, other) = (Scenario::new(seed).traced().run(), Scenario::new(seed).traced().run());
        assert!(one.trace == other.trace, "seed {seed}: two runs, two stories");
        assert!(!one.trace.is_empty());
    }
}

#[cfg(debug_assertions)]
mod mutations {
    use super::*;
    use readyloop::reactor::Rule;

    /// Seeds that look for one mutation.
    const TRIES: u64 = 200;

    #[test]
    fn every_rule_switched_off_is_noticed() {
        let table = std::env::var_os("SIM_TABLE").is_some();
        let mut unnoticed = Vec::new();
        for rule in Rule::ALL {
            let mut caught = 0;
            let mut first = None;
            for seed in 0..TRIES {
                let report = Scenario::new(seed).without(rule).run();
                if let Some(violation) = report.violations.into_iter().next() {
                    caught += 1;
                    first.get_or_insert((seed, violation));
                    if !table {
                        break;
                    }
                }
            }
            if table {
                println!("{rule:?}: caught by {caught} of {TRIES} seeds");
                if let Some((seed, violation)) = &first {
                    println!("    first by seed {seed}: {violation}");
                }
            }
            if caught == 0 {
                unnoticed.push(rule);
            }
        }
        assert!(unnoticed.is_empty(), "nobody noticed without {unnoticed:?}");
    }
}
