//! The detectors on the library's own loop: in the simulator, over many seeds, nothing is found but
//! slow readers; and with one rule of the reactor switched off, the detector names what that does.

use std::collections::BTreeMap;

use readyloop::probe::Labels;
use readyloop::scope::detect::{Detector, Finding, FindingKind};
use readyloop::sim::{Report, Scenario};

fn findings(report: &Report) -> Vec<Finding> {
    let mut detector = Detector::new(&report.limits);
    let labels = Labels::default();
    report.records.iter().for_each(|record| detector.take(record, &labels));
    detector.findings().to_vec()
}

#[test]
fn on_a_healthy_loop_nothing_is_found_but_slow_readers() {
    let mut facts = 0;
    let mut slow = 0;
    for seed in 0..400 {
        let report = Scenario::new(seed).recorded().run();
        facts += report.records.len();
        for finding in findings(&report) {
            slow += usize::from(finding.kind == FindingKind::SlowReader);
            assert_eq!(finding.kind, FindingKind::SlowReader, "seed {seed}: {finding:#?}");
        }
    }
    println!("{facts} facts, {slow} slow readers");
    assert!(facts > 100_000, "{facts}");
}

/// How often each kind is found with a rule switched off, over so many seeds.
#[cfg(debug_assertions)]
fn found_without(rule: readyloop::reactor::Rule, seeds: u64) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for seed in 0..seeds {
        let report = Scenario::new(seed).without(rule).recorded().run();
        for finding in findings(&report) {
            *kinds.entry(finding.kind.as_str()).or_default() += 1;
        }
    }
    kinds
}

#[cfg(debug_assertions)]
#[test]
fn a_rule_that_is_switched_off_is_named_by_what_it_does() {
    use readyloop::reactor::Rule;
    for rule in Rule::ALL {
        println!("{rule:?}: {:?}", found_without(rule, 300));
    }
}
