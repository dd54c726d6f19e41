//! The log: env_logger's filters and format, written to stderr by a thread.

use std::io::{self, IsTerminal, Write};

use env_logger::{Builder, Target, WriteStyle};

use super::lines::{Batch, Lines};

/// The program's log; its end waits until everything is written.
pub(super) struct Logger(Lines);

impl Logger {
    /// Starts the log. `levels` is in the form of `RUST_LOG`: `info`, `warn,tcp-sink=debug`, …
    pub(super) fn start(levels: &str) -> Self {
        let lines = Lines::new(write_out);
        let style = if is_coloured() { WriteStyle::Always } else { WriteStyle::Never };
        let started = Builder::new()
            .parse_filters(levels)
            .format_timestamp_millis()
            .write_style(style)
            .target(Target::Pipe(Box::new(Input(lines.clone()))))
            .try_init();
        // A second log in one process: the first one stays.
        debug_assert!(started.is_ok());
        Logger(lines)
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        self.0.finish();
    }
}

fn is_coloured() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    io::stderr().is_terminal() && !set("NO_COLOR") && !dumb
}

/// What env_logger writes to.
struct Input(Lines);

impl Write for Input {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.take(line).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_out(batch: Batch<'_>) -> io::Result<()> {
    if batch.lost > 0 {
        let lost = batch.lost;
        let _ = writeln!(batch.bytes, "[{lost} lines lost here: the log is read too slowly]");
    }
    io::stderr().write_all(batch.bytes)
}
