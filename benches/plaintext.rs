//! `cargo bench --bench plaintext`: what a request costs, next to a raw epoll loop that parses
//! nothing, and what an idle connection weighs.
//!
//! Linux only: it reads `/proc` and pins processes. Ratios are the result; the absolute figures
//! belong to the machine. `-- --help` lists the scenarios.

#[cfg(target_os = "linux")]
mod support;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    bench::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("plaintext: skipped, it measures by /proc and epoll, which are Linux's");
}

#[cfg(target_os = "linux")]
mod bench {
    use std::io;
    use std::path::PathBuf;
    use std::process::ExitCode;
    use std::time::Duration;

    use indicatif::{ProgressBar, ProgressStyle};

    use super::support::report::Report;
    use super::support::role::{self, Server};
    use super::support::scenario::{self, Idle, Scenario};
    use super::support::trial::{self, Answers, Effort, Figures};
    use super::support::{memory, secure, sys};

    const USAGE: &str = "\
usage: cargo bench --bench plaintext -- [options]

  --quick           a few seconds in all: does it work? (figures mean little)
  --full            real figures; what `cargo bench` does by itself
  --only NAME       run this scenario; may be repeated
  --servers A,B     only these servers, the first one is the yardstick
  --time MS         all slices of one server together (6400; quick 100)
  --slice MS        length of a slice (50 to 400, by connections)
  --no-calls        count no system calls
  --before FILE     an earlier build of this bench: its server takes part as `before`
  --out FILE        the JSON file (bench/plaintext.json in the target directory)
  --help            this

READYLOOP_BENCH_QUICK=1 is --quick.
";

    struct Options {
        effort: Effort,
        only: Vec<String>,
        servers: Vec<Server>,
        out: PathBuf,
    }

    pub(crate) fn main() -> ExitCode {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let done = match &words[..] {
            [first, words @ ..] if first == "--role" => role::run(words).map(|()| 0),
            words if words.iter().any(|word| word == "--help") => {
                help();
                return ExitCode::SUCCESS;
            }
            words => match options(words) {
                Ok(options) => run(&options),
                Err(why) => {
                    eprintln!("plaintext: {why}\n\n{USAGE}");
                    return ExitCode::from(2);
                }
            },
        };
        match done {
            Ok(0) => ExitCode::SUCCESS,
            Ok(wrong) => {
                eprintln!("plaintext: {wrong} times something went wrong");
                ExitCode::FAILURE
            }
            Err(error) => {
                eprintln!("plaintext: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn help() {
        print!("{USAGE}\nscenarios:\n");
        for s in scenario::all() {
            println!("  {:<12} {}", s.name, s.about);
        }
        for idle in scenario::idle() {
            println!("  {:<12} {}", idle.name, idle.about);
        }
    }

    fn options(words: &[String]) -> Result<Options, String> {
        let has = |name: &str| words.iter().any(|word| word == name);
        // Cargo says `--bench` when it benches and nothing when it tests all targets.
        let asked = std::env::var_os("READYLOOP_BENCH_QUICK").is_some() || has("--quick");
        let quick = asked || !(has("--bench") || has("--full"));
        let cores = sys::cores().map_err(|error| error.to_string())?;
        let mut options = Options {
            effort: Effort {
                time: Duration::from_millis(if quick { 100 } else { 6400 }),
                rounds: if quick { 1 } else { 32 },
                slice: None,
                cores: if let [a, b, ..] = cores[..] { Some((a, b)) } else { None },
                answers: Answers { keep: String::new(), fresh: String::new() },
                calls: !has("--no-calls"),
                before: None,
            },
            only: Vec::new(),
            servers: Vec::new(),
            out: default_out(),
        };
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word {
                "--bench" | "--quick" | "--full" | "--no-calls" => {}
                "--only" => options.only.push(value()?.into()),
                "--servers" => {
                    let names = value()?.split(',').map(str::parse);
                    options.servers = names.collect::<Result<_, _>>()?;
                }
                "--time" => options.effort.time = millis(value()?)?,
                "--slice" => options.effort.slice = Some(millis(value()?)?),
                "--before" => options.effort.before = Some(value()?.into()),
                "--out" => options.out = value()?.into(),
                _ => return Err(format!("unknown option {word}")),
            }
        }
        known(&options.only)?;
        Ok(options)
    }

    fn millis(word: &str) -> Result<Duration, String> {
        let number = word.parse().ok().filter(|&ms| ms > 0);
        number.map(Duration::from_millis).ok_or_else(|| format!("not a number: {word}"))
    }

    fn known(only: &[String]) -> Result<(), String> {
        let mut names: Vec<&str> = scenario::all().iter().map(|s| s.name).collect();
        names.extend(scenario::idle().iter().map(|idle| idle.name));
        match only.iter().find(|name| !names.contains(&name.as_str())) {
            Some(name) => Err(format!("no scenario {name}; there are {}", names.join(", "))),
            None => Ok(()),
        }
    }

    /// The target directory is where cargo put this program: `TARGET/release/deps/plaintext-…`.
    fn default_out() -> PathBuf {
        let exe = std::env::current_exe().unwrap_or_default();
        let target = exe.ancestors().nth(3).unwrap_or(exe.as_path());
        target.join("bench").join("plaintext.json")
    }

    impl Options {
        fn wants(&self, name: &str) -> bool {
            self.only.is_empty() || self.only.iter().any(|only| only == name)
        }

        /// Those of `servers` that were asked for.
        fn choose(&self, servers: &[Server]) -> Vec<Server> {
            let asked = |server: &Server| servers.contains(server);
            let mut chosen: Vec<Server> = if self.servers.is_empty() {
                servers.to_vec()
            } else {
                self.servers.iter().copied().filter(asked).collect()
            };
            if self.effort.before.is_some() && chosen.contains(&Server::Ours) {
                chosen.push(Server::Before);
            }
            chosen
        }
    }

    fn run(options: &Options) -> io::Result<u64> {
        sys::raise_files()?;
        let provider = secure::providers().first().map_or("none", |provider| provider.name);
        let trials: Vec<(Scenario, Vec<Server>)> = (scenario::all().into_iter())
            .filter(|s| options.wants(s.name) && (provider != "none" || !s.plan.tls))
            .map(|s| (options.choose(s.servers), s))
            .filter_map(|(servers, s)| (!servers.is_empty()).then_some((s, servers)))
            .collect();
        let idles: Vec<(Idle, Vec<Server>)> = (scenario::idle().into_iter())
            .filter(|i| options.wants(i.name) && (provider != "none" || i.job != role::Job::Tls))
            .map(|idle| (options.choose(idle.servers), idle))
            .map(|(servers, idle)| (idle, servers))
            .collect();
        let slices = trials.iter().map(|(s, servers)| servers.len() * options.effort.rounds(s));
        let slices: usize = slices.sum();
        let weights: usize = idles.iter().map(|(i, s)| s.len() * i.connections.len()).sum();
        let bar = progress(slices + weights);
        let mut effort = options.effort.clone();
        effort.answers = Answers::fetch(&effort)?;
        let mut report = Report::new(provider);
        let mut wrong = 0;
        explain(&effort, provider);
        for (scenario, servers) in &trials {
            bar.set_message(scenario.name);
            let figures = trial::run(scenario, servers, &effort, || bar.inc(1))?;
            bar.suspend(|| report.trial(scenario, &figures));
            if effort.calls && scenario.counts() {
                wrong += bar.suspend(|| miscounted(&figures));
            }
        }
        for (idle, servers) in &idles {
            bar.set_message(idle.name);
            let mut weights = Vec::new();
            for &connections in idle.connections {
                for &server in servers {
                    weights.push(memory::weigh(server, idle, connections, &effort)?);
                    bar.inc(1);
                }
            }
            bar.suspend(|| report.idle(idle, &weights));
        }
        bar.finish_and_clear();
        report.write(&options.out, &effort)?;
        println!("\nwritten to {}", options.out.display());
        Ok(report.errors + wrong)
    }

    /// One read and one write for each request are what everything else stands on, and they do not
    /// depend on the machine: anything else fails the bench. Answers how often it did.
    fn miscounted(figures: &[Figures]) -> u64 {
        let ours = figures
            .iter()
            .filter(|figures| matches!(figures.server, Server::Ours | Server::Watched));
        let mut wrong = 0;
        for Figures { calls, .. } in ours {
            match calls {
                Ok(calls) if calls.is_one_read_and_one_write() => {}
                Ok(_) => {
                    println!("  FAILED: more, or less, than 1.00 reads and 1.00 writes a request");
                    wrong += 1;
                }
                // On one's own machine strace may be missing; where changes are checked it must not.
                Err(why) => {
                    println!("  system calls were not checked: {why}");
                    wrong += u64::from(std::env::var_os("CI").is_some());
                }
            }
        }
        wrong
    }

    fn explain(effort: &Effort, provider: &str) {
        println!(
            "CPU: the server's own processor time for each unit, median of its slices.\n\
             ×: that over the yardstick's (the first row) in the neighbouring slice, median, and\n\
             the interval that holds the true median 19 times of 20. TLS provider: {provider}."
        );
        if effort.cores.is_none() {
            println!("Only one processor: servers and loads share it and disturb each other.");
        }
    }

    /// Quiet where nobody watches: indicatif draws on a terminal only.
    fn progress(steps: usize) -> ProgressBar {
        let bar = ProgressBar::new(steps as u64);
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}, {eta} left");
        bar.with_style(style.expect("a valid template"))
    }
}
