//! The flags of the folder whose files are served.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::failure::{Failure, Kind};
use super::units;
use crate::web::files::{Files, Options, Symlinks};

/// The settings of the files.
#[derive(Debug, Args)]
#[command(next_help_heading = "Files")]
pub(super) struct Folder {
    /// Serve the files of this folder, behind the routes that are built in
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// List folders that have no index.html
    #[arg(long, requires = "root")]
    listing: bool,
    /// Which symbolic links are followed
    #[arg(long, value_name = "WHICH", requires = "root", default_value = "within")]
    symlinks: Which,
    /// How long clients may use a file without asking again (Cache-Control: max-age)
    #[arg(long, value_name = "TIME", requires = "root", value_parser = units::parse_time)]
    max_age: Option<Duration>,
    /// Memory that small files may be kept in
    #[arg(long, value_name = "BYTES", requires = "root", default_value = "64m", value_parser = units::parse_size)]
    file_cache: u64,
    /// Do not compress files that have no compressed siblings
    #[arg(long, requires = "root")]
    no_compression: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    Never,
    /// Those that do not lead out of the folder
    Within,
    Any,
}

impl Folder {
    /// The files, if a folder was named.
    pub(super) fn open(&self) -> Result<Option<Rc<Files>>, Failure> {
        let Some(root) = &self.root else { return Ok(None) };
        let usual = Options::default();
        let options = Options {
            symlinks: match self.symlinks {
                Which::Never => Symlinks::Never,
                Which::Within => Symlinks::Within,
                Which::Any => Symlinks::Any,
            },
            listing: self.listing,
            max_age: self.max_age,
            bytes: usize::try_from(self.file_cache).unwrap_or(usize::MAX),
            compress: usual.compress.clone().filter(|_| !self.no_compression),
            ..usual
        };
        match Files::new(root, options) {
            Ok(files) => Ok(Some(files)),
            Err(error) => {
                let what = format!("--root {}: {error}", root.display());
                Err(Failure::new(Kind::Usage, what).advise("it must be a folder that can be read"))
            }
        }
    }
}
