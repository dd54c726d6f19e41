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
    let mut slow = Vec::new();
    for seed in seeds {
        let start = std::time::Instant::now();
        let report = Scenario::new(seed).run();
        if start.elapsed().as_millis() > 200 { println!("{seed} {:?} turns {} {:?} {}", start.elapsed(), report.counters.turns, report.time, report.got); }
        slow.push((start.elapsed(), seed, report.counters.turns, report.time, report.got));
        if let Some(first) = report.violations.first() {
            println!("seed {seed}: {first} ({} more)", report.violations.len() - 1);
        }
    }
    slow.sort();
    slow.reverse();
    slow.truncate(20);
    println!("{slow:#?}");
}
