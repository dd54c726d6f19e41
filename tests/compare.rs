//! The comparison as a user runs it: real servers, real loads, a file that can be read again.
#![cfg(feature = "cli")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use readyloop::compare::result::{Results, VERSION};

/// A folder of one test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("readyloop-compare-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn results(&self) -> Results {
        let text = fs::read(self.0.join("out/results.json")).expect("results are kept");
        serde_json::from_slice(&text).expect("they can be read again")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The command, run in `folder`.
fn compare(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_readyloop"));
    command.arg("compare").args(arguments).current_dir(folder);
    command.stdin(Stdio::null()).env("XDG_DATA_HOME", folder).env_remove("RUST_LOG");
    command
}

fn output(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        compare(folder, arguments).output().expect("the command starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

const TINY: &[&str] = &[
    "--models=threads,loop",
    "--workload=keep-alive",
    "--connections=4",
    "--runs=2",
    "--duration=100ms",
    "--out=out",
];

#[test]
fn a_tiny_comparison_is_kept_and_can_be_drawn_again() {
    let folder = Folder::new("tiny");
    let (code, table, says) = output(&folder.0, TINY);
    assert_eq!(code, Some(0), "{says}");
    assert!(table.contains("threads") && table.contains("loop"), "{table}");

    let results = folder.results();
    assert_eq!((results.version, results.complete), (VERSION, true));
    assert!(results.command.starts_with("readyloop compare --models=threads,loop"));
    assert_eq!(results.left_out, [""; 0]);
    let models: Vec<_> = results.models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(models, ["threads", "loop"]);
    assert_eq!(results.points.len(), 2);
    for point in &results.points {
        assert_eq!((point.workload.as_str(), point.x, point.runs.len()), ("keep-alive", 4.0, 2));
        for run in &point.runs {
            let load = &run.load;
            assert!(load.answered > 0 && load.errors.total() == 0, "{load:?}");
            assert_eq!(load.latency.count, load.answered, "each answer has a latency");
            assert!(run.before.user_us >= run.idle.user_us, "{run:?}");
            assert!(run.after.user_us >= run.before.user_us, "{run:?}");
            assert!(run.after.connections >= 4, "{run:?}");
        }
        let kept = point.runs.iter().filter(|run| !run.load.latency.buckets.is_empty());
        assert_eq!(kept.count(), 1, "the middle run's histogram alone");
    }

    let report = folder.0.join("out/report.html");
    assert!(report.is_file());
    let (code, again, says) = output(&folder.0, &["--from=out/results.json", "--out=again"]);
    assert_eq!((code, again), (Some(0), table), "{says}");
    assert!(folder.0.join("again/report.html").is_file());
    let (code, both, says) =
        output(&folder.0, &["--from", "out/results.json", "out/results.json", "--out=again"]);
    assert_eq!(code, Some(0), "{says}");
    assert!(both.contains("0 figures changed"), "{both}");
    assert!(folder.0.join("again/difference.html").is_file());
}

#[test]
fn an_interrupted_comparison_keeps_what_is_done() {
    let folder = Folder::new("interrupted");
    let many = ["--runs=200", "--models=threads,loop", "--workload=keep-alive", "--connections=1"];
    let rest = ["--duration=100ms", "--out=out"];
    let mut command = compare(&folder.0, &[&many[..], &rest[..]].concat());
    let mut child =
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut seen = String::new();
    for line in lines.map_while(Result::ok) {
        seen.push_str(&line);
        seen.push('\n');
        if line.contains("round 3") {
            let id = i32::try_from(child.id()).expect("a process number");
            kill(Pid::from_raw(id), Signal::SIGINT).expect("it runs");
        }
    }
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{seen}");
    assert!(seen.contains("interrupted"), "{seen}");
    let results = folder.results();
    assert!(!results.complete);
    let runs: Vec<_> = results.points.iter().map(|point| point.runs.len()).collect();
    assert!(runs.iter().all(|runs| (2..200).contains(runs)), "{runs:?}");
}

#[test]
fn what_cannot_be_done_is_refused_with_advice() {
    let folder = Folder::new("refused");
    fs::write(folder.0.join("other.json"), "{}").expect("a file");
    for (arguments, code, says) in [
        (&["--models=fork"][..], 2, "models are blocking, threads"),
        (&["--workload=nothing"], 2, "workloads are keep-alive"),
        (&["--connections=0"], 2, "--connections"),
        (&["--runs=0"], 2, "--runs"),
        (&["--rate=fast"], 2, "a rate is"),
        (&["--quick", "--full"], 2, "cannot be used with"),
        (&["--server-cpus=9999"], 2, "CPU"),
        (&["--from=none.json"], 7, "cannot be read"),
        (&["--from=other.json"], 7, "is not understood"),
        (
            &["--models=blocking", "--workload=keep-alive", "--connections=2"],
            2,
            "it serves one connection until it ends",
        ),
    ] {
        let (ended, _, text) = output(&folder.0, arguments);
        assert_eq!(ended, Some(code), "{arguments:?}: {text}");
        assert!(text.contains(says), "{arguments:?}: {text}");
    }
}
