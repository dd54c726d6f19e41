//! `cargo bench --bench fanout`: what it costs to tell many the same.
//!
//! One of many WebSockets says something and all get it in a frame. The raw epoll loop writes the
//! same frame to each socket, and does nothing else; ours are sessions that are sent a message with
//! the shared frame; the chat room adds names, JSON and history. Linux only, like `plaintext`, and
//! measured as it is: short slices that alternate, processor time of the server, medians of ratios.

#[cfg(target_os = "linux")]
#[path = "support"]
mod support {
    pub(crate) mod process;
    #[allow(dead_code, reason = "of a server's side, this bench needs a listener and its port")]
    pub(crate) mod server;
    pub(crate) mod stat;
    #[allow(dead_code, reason = "of the system calls, this bench needs few")]
    pub(crate) mod sys;
}

#[cfg(target_os = "linux")]
#[path = "fanout"]
mod fanout {
    pub(crate) mod crowd;
    pub(crate) mod ear;
    pub(crate) mod ours;
    pub(crate) mod raw;
    pub(crate) mod trial;
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    bench::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("fanout: skipped, it measures by /proc and epoll, which are Linux's");
}

#[cfg(target_os = "linux")]
mod bench {
    use std::io;
    use std::path::PathBuf;
    use std::process::ExitCode;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::fanout::crowd::{self, Plan};
    use super::fanout::trial::{self, Effort, Figures, Scenario, Server};
    use super::fanout::{ours, raw};
    use super::support::stat::Median;
    use super::support::sys;

    const USAGE: &str = "\
usage: cargo bench --bench fanout -- [options]

  --quick           a few seconds in all: does it work? (figures mean little)
  --full            real figures; what `cargo bench` does by itself
  --only NAME       run this scenario; may be repeated
  --time MS         all slices of one server together (6400; quick 200)
  --out FILE        the JSON file (bench/fanout.json in the target directory)
  --help            this

READYLOOP_BENCH_QUICK=1 is --quick.
";

    struct Options {
        effort: Effort,
        only: Vec<String>,
        out: PathBuf,
    }

    pub(crate) fn main() -> ExitCode {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let done = match &words[..] {
            [first, words @ ..] if first == "--role" => role(words).map(|()| 0),
            words if words.iter().any(|word| word == "--help") => {
                print!("{USAGE}\nscenarios:\n");
                for s in trial::scenarios(false) {
                    println!("  {:<12} {}", s.name, s.about);
                }
                return ExitCode::SUCCESS;
            }
            words => match options(words) {
                Ok(options) => run(&options),
                Err(why) => {
                    eprintln!("fanout: {why}\n\n{USAGE}");
                    return ExitCode::from(2);
                }
            },
        };
        match done {
            Ok(0) => ExitCode::SUCCESS,
            Ok(wrong) => {
                eprintln!("fanout: {wrong} times something went wrong");
                ExitCode::FAILURE
            }
            Err(error) => {
                eprintln!("fanout: {error}");
                ExitCode::FAILURE
            }
        }
    }

    /// Runs this process as a child.
    fn role(words: &[String]) -> io::Result<()> {
        sys::follow_parent();
        sys::raise_files()?;
        let unclear = || io::Error::other("a child was started with unclear words");
        let [core, words @ ..] = words else { return Err(unclear()) };
        if let Ok(core) = core.parse() {
            sys::pin(core)?;
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let number = |word: &str| word.parse::<usize>().map_err(io::Error::other);
        match words[..] {
            ["raw", bytes] => raw::serve(number(bytes)?),
            ["ours", _] => ours::sockets(),
            ["chat", _] => ours::chat(),
            ["crowd", port, members, bytes, chat] => crowd::serve(&Plan {
                port: port.parse().map_err(io::Error::other)?,
                members: number(members)?,
                bytes: number(bytes)?,
                chat: chat == "chat",
            }),
            _ => Err(unclear()),
        }
    }

    fn options(words: &[String]) -> Result<Options, String> {
        let has = |name: &str| words.iter().any(|word| word == name);
        // Cargo says `--bench` when it benches and nothing when it tests all targets.
        let asked = std::env::var_os("READYLOOP_BENCH_QUICK").is_some() || has("--quick");
        let quick = asked || !(has("--bench") || has("--full"));
        let cores = sys::cores().map_err(|error| error.to_string())?;
        let exe = std::env::current_exe().unwrap_or_default();
        let mut options = Options {
            effort: Effort {
                time: Duration::from_millis(if quick { 200 } else { 6400 }),
                cores: if let [a, b, ..] = cores[..] { Some((a, b)) } else { None },
                quick,
            },
            only: Vec::new(),
            out: exe.ancestors().nth(3).unwrap_or(&exe).join("bench").join("fanout.json"),
        };
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word {
                "--bench" | "--quick" | "--full" => {}
                "--only" => options.only.push(value()?.into()),
                "--time" => {
                    let time = value()?.parse().ok().filter(|&ms| ms > 0);
                    options.effort.time = Duration::from_millis(time.ok_or("not a time")?);
                }
                "--out" => options.out = value()?.into(),
                _ => return Err(format!("unknown option {word}")),
            }
        }
        let known: Vec<_> = trial::scenarios(quick).iter().map(|s| s.name).collect();
        match options.only.iter().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(format!("no scenario {name}; there are {}", known.join(", "))),
            None => Ok(options),
        }
    }

    fn run(options: &Options) -> io::Result<u64> {
        sys::raise_files()?;
        println!(
            "CPU: the server's own processor time for each frame delivered, median of its slices.\n\
             ×: that over the raw loop's in the neighbouring slice, median, and the interval that\n\
             holds the true median 19 times of 20."
        );
        if options.effort.cores.is_none() {
            println!("Only one processor: servers and loads share it and disturb each other.");
        }
        let (mut trials, mut errors) = (Vec::new(), 0);
        for scenario in trial::scenarios(options.effort.quick) {
            if options.only.is_empty() || options.only.iter().any(|only| only == scenario.name) {
                let figures = trial::run(&scenario, &options.effort)?;
                print(&scenario, &figures);
                errors += figures.iter().map(|f| f.errors).sum::<u64>();
                trials.push(told(&scenario, &figures));
            }
        }
        let file = json!({
            "bench": "fanout",
            "version": env!("CARGO_PKG_VERSION"),
            "time_ms": options.effort.time.as_millis() as u64,
            "cores": options.effort.cores,
            "trials": trials,
        });
        if let Some(folder) = options.out.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&options.out, serde_json::to_string_pretty(&file)? + "\n")?;
        println!("\nwritten to {}", options.out.display());
        Ok(errors)
    }

    fn print(scenario: &Scenario, figures: &[Figures]) {
        println!("\n{}: {}", scenario.name, scenario.about);
        println!(
            "  {:<6} {:>7} {:>25} {:>14} {:>9} {:>12} {:>27} {:>11}  errors",
            "server",
            "CPU µs",
            "× raw [95 %]",
            "goal",
            "said/s",
            "delivered/s",
            "delay ms: half, 99 %, all",
            "B a member"
        );
        for f in figures {
            let goal = scenario.goal.filter(|_| f.server == Server::Ours);
            let goal = goal.map_or_else(String::new, |goal| {
                format!("≤ {goal:.2} {}", if f.ratio.value <= goal { "met" } else { "NOT MET" })
            });
            let [half, most, all] = f.delays.map(|delay| delay.as_secs_f64() * 1e3);
            println!(
                "  {:<6} {:>7.3} {:>25} {goal:>14} {:>9.0} {:>12.0} {:>27} {:>11.0}  {}",
                f.server.name(),
                f.cost.value,
                format!("{:.3} [{:.3} – {:.3}]", f.ratio.value, f.ratio.low, f.ratio.high),
                f.rate / scenario.members as f64,
                f.rate,
                format!("{half:.2}, {most:.2}, {all:.2}"),
                f.memory,
                f.errors,
            );
        }
    }

    fn told(scenario: &Scenario, figures: &[Figures]) -> Value {
        let median = |m: Median| json!({ "low": m.low, "median": m.value, "high": m.high });
        let servers = figures.iter().map(|f| {
            json!({
                "name": f.server.name(),
                "cpu_us": median(f.cost),
                "ratio": median(f.ratio),
                "delivered_per_second": f.rate,
                "delay_ns_50_99_100": f.delays.map(|delay| delay.as_nanos() as u64),
                "bytes_a_member": f.memory,
                "errors": f.errors,
            })
        });
        json!({
            "name": scenario.name,
            "about": scenario.about,
            "members": scenario.members,
            "message_bytes": scenario.bytes,
            "goal": scenario.goal,
            "servers": servers.collect::<Vec<_>>(),
        })
    }
}
