//! The whole loop in the simulated world.

use readyloop::sim::Scenario;

#[test]
fn seeds() {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("SEED is a number");
            let report = Scenario::new(seed).traced().run();
            println!("{}", report.trace.join("\n"));
            println!("{:#?}", report.violations);
            seed..seed + 1
        }
        _ => 0..2000,
    };
    let mut bad = 0;
    for seed in seeds {
        let report = Scenario::new(seed).run();
        if let Some(first) = report.violations.first() {
            bad += 1;
            if bad < 40 {
                println!("seed {seed}: {first} ({} more)", report.violations.len() - 1);
            }
        }
    }
    assert_eq!(bad, 0);
}
