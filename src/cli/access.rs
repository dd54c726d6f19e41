//! `--access-log`: where its lines go. A file, opened again on SIGHUP, or stderr.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::{Failure, Kind as Fault};
use super::lines::{Batch, Lines};
use crate::web::log::{Format, Sink};

/// The access log's flags.
#[derive(Debug, Args)]
pub(super) struct Access {
    /// Write a line for each request to a file (`-`: to stderr); SIGHUP opens it again
    #[arg(long, value_name = "FILE|-", help_heading = "Web")]
    access_log: Option<PathBuf>,
    /// How its lines look: common, combined or json
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "combined",
        requires = "access_log",
        help_heading = "Web"
    )]
    access_format: Format,
}

/// The queue of an access log.
#[derive(Clone)]
pub(super) struct Requests(Lines);

impl Access {
    /// The log's format and queue, if there is to be one.
    pub(super) fn start(&self) -> Result<Option<(Format, Requests)>, Failure> {
        let Some(path) = &self.access_log else { return Ok(None) };
        let lines = if path.as_os_str() == "-" {
            Lines::new(|batch| deliver(&mut io::stderr(), batch))
        } else {
            let file = open(path).map_err(|error| {
                let what = format!("the access log {} cannot be written: {error}", path.display());
                Failure::new(Fault::Runtime, what)
            })?;
            to_file(path.clone(), file)
        };
        Ok(Some((self.access_format, Requests(lines))))
    }
}

impl Requests {
    /// Opens the file again: whoever rotates logs has moved it.
    pub(super) fn reopen(&self) {
        self.0.reopen();
    }

    /// Lines that were lost.
    pub(super) fn lost(&self) -> u64 {
        self.0.lost_in_all()
    }

    /// Waits until everything is written, but not for ever.
    pub(super) fn finish(&self) {
        self.0.finish();
    }
}

impl Sink for Requests {
    fn take(&self, line: &[u8]) {
        if let Err(error) = self.0.take(line) {
            log::error!(target: "readyloop", "the access log has no thread: {error}");
        }
    }
}

/// Others may not read who visited.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

fn to_file(path: PathBuf, mut file: File) -> Lines {
    Lines::new(move |batch| {
        if batch.reopen {
            match open(&path) {
                Ok(again) => file = again,
                Err(error) => {
                    log::error!(target: "readyloop", "the access log stays where it was: {error}");
                }
            }
        }
        deliver(&mut file, batch)
    })
}

fn deliver(output: &mut dyn Write, batch: Batch<'_>) -> io::Result<()> {
    if batch.lost > 0 {
        log::warn!(target: "readyloop", "{} lines of the access log were lost: it is written too slowly", batch.lost);
    }
    output.write_all(batch.bytes).inspect_err(|error| {
        log::warn!(target: "readyloop", "lines of the access log were lost: {error}");
    })
}
