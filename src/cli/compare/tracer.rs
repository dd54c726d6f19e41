//! System calls per request as `strace` counts them, to check what models count themselves.
//!
//! Only after the measured runs: a traced process is many times slower.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::child::{Child, Halt};
use super::system;
use super::trial::{Ground, cue, outcome, release};
use crate::compare::load::{Load, Pace};
use crate::compare::result::Run;

/// How long requests are counted.
const WINDOW: Duration = Duration::from_millis(300);

/// How long the tracer may take to get hold of all threads, and the processes to end.
const ATTACH: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(20);

/// True if there is a tracer.
pub(super) fn is_there() -> bool {
    system::says("strace", &["-V"]).is_some()
}

/// Counts the calls of `model` under `load`, if the system allows that: from the first connection to
/// the end of the window. That connections are made is in it, that they are closed is not. A tracer
/// that came later would be more exact in that, and not know which answers it had missed: until it
/// has all threads, many more come than after.
pub(super) fn calls(ground: &Ground, model: &str, load: &Load, pace: &Pace) -> Result<f64, Halt> {
    let pace = Pace { warmup: Duration::ZERO, window: WINDOW, ..*pace };
    let server = ground.serve(model, load.workload.row())?;
    let mut command = Command::new("strace");
    // Threads too; a table of counts.
    command.args(["-f", "-c", "-o", "/dev/stdout", "-p", &server.id().to_string()]);
    let mut tracer = Child::start("strace", &mut command, &ground.stop)?;
    ground.pause(ATTACH);
    let mut client = ground.load(load, server.address(load)?, &pace)?;
    let deadline = Instant::now() + PATIENCE;
    cue(&mut client, "end", deadline)?;
    // It lets go of the server and writes its table.
    tracer.signal(Signal::SIGINT);
    let calls = loop {
        if let Some(calls) = total(&tracer.line(deadline)?) {
            break calls;
        }
    };
    release(&mut client);
    let load = outcome(&mut client, deadline)?;
    client.finish(deadline)?;
    let answered = Run { load, ..Run::default() }.arrived();
    if answered == 0 || calls == 0 {
        return Err(Halt::Failed("strace has seen nothing".into()));
    }
    Ok(calls as f64 / answered as f64)
}

/// The calls of the table's last line: `100.00 0.012 3 4000 12 total`.
fn total(line: &str) -> Option<u64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.last() != Some(&"total") {
        return None;
    }
    words.get(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_with_and_without_errors() {
        assert_eq!(total("100.00    0.012345           3      4000        12 total"), Some(4000));
        assert_eq!(total("100.00    0.012345           3      4000           total"), Some(4000));
        assert_eq!(total(" 60.00    0.012345           3      4000           read"), None);
        assert_eq!(total("total"), None);
        assert_eq!(total(""), None);
    }
}
