//! The detectors on the library's own loop: in the simulator, over many seeds, nothing is found but
//! slow readers; and with one rule of the reactor switched off, the detector names what that does.
#![cfg(feature = "web")]

use readyloop::probe::Labels;
use readyloop::scope::detect::{Detector, Finding, FindingKind};
use readyloop::sim::{Report, Scenario};

/// Misfortunes that are lived through.
const SEEDS: u64 = 400;

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
    for seed in 0..SEEDS {
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

/// A rule of the reactor that is switched off, and what is found then, over a few seeds.
#[cfg(debug_assertions)]
#[test]
fn a_rule_that_is_switched_off_is_named_by_what_it_does() {
    use readyloop::reactor::Rule;
    for (rule, kind) in [
        (Rule::Generation, FindingKind::StaleToken),
        (Rule::ShortReadUnlessClosed, FindingKind::LostEdge),
        (Rule::BudgetRequeues, FindingKind::LostEdge),
        (Rule::AcceptRequeues, FindingKind::LostEdge),
        (Rule::WatchWrites, FindingKind::ForgottenWritable),
        (Rule::AcceptRetry, FindingKind::DescriptorSilence),
    ] {
        let found = (0..SEEDS).any(|seed| {
            let report = Scenario::new(seed).without(rule).recorded().run();
            findings(&report).iter().any(|finding| finding.kind == kind)
        });
        assert!(found, "{rule:?} switched off, and nobody found {kind}");
    }
}
