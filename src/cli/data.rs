//! `--data`: where the notes live.
//!
//! Read by `serve`. A folder that was named, or a file in it that cannot be used, ends the command:
//! whoever writes notes must be able to rely on them.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::Args;

use super::banner::Note;
use super::devcert::data_folder;
use super::failure::{Failure, Kind};
use crate::app::notes::{Notes, Options, Store, Unusable};

/// The file in the folder.
const FILE: &str = "notes.redb";

/// The data's flag.
#[derive(Debug, Args)]
#[command(next_help_heading = "Web")]
pub(super) struct Data {
    /// Keep the notes in this folder; off: in memory alone, until the end [default: the user's data
    /// folder]
    #[arg(long, value_name = "DIR|off")]
    data: Option<PathBuf>,
}

/// Notes, and where they are.
pub(super) struct Opened {
    pub(super) notes: Rc<Notes>,
    pub(super) note: Note,
}

impl Data {
    /// The notes.
    pub(super) fn open(&self) -> Result<Opened, Failure> {
        let folder = match &self.data {
            Some(folder) if folder.as_os_str() == "off" => return forgetful("as --data off asks"),
            Some(folder) => Some(folder.clone()),
            None => data_folder(),
        };
        let Some(folder) = folder else { return forgetful("the user has no data folder") };
        match prepare(&folder) {
            Ok(()) => {}
            Err(error) if self.data.is_none() => {
                let why = format!("{}: {error}", folder.display());
                log::warn!(target: "readyloop", "notes are not kept: {why}");
                return forgetful(&why);
            }
            Err(error) => {
                let what = format!("--data {}: {error}", folder.display());
                return Err(Failure::new(Kind::Data, what)
                    .advise("it must be a folder that can be written"));
            }
        }
        let file = folder.join(FILE);
        let store = Store::open(&file, Options::default());
        let store = store.map_err(|error| unusable(&file, &error))?;
        let lines = vec![format!("kept in {}", file.display())];
        Ok(Opened { notes: Notes::new(store), note: Note { name: "notes", lines } })
    }
}

fn forgetful(why: &str) -> Result<Opened, Failure> {
    let store = Store::in_memory(Options::default())
        .map_err(|error| Failure::new(Kind::Data, format!("notes cannot be kept: {error}")))?;
    let lines = vec![format!("in memory alone: {why}")];
    Ok(Opened { notes: Notes::new(store), note: Note { name: "notes", lines } })
}

/// The folder is the owner's alone, if it is made here.
fn prepare(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn unusable(file: &Path, error: &Unusable) -> Failure {
    let failure = Failure::new(Kind::Data, format!("the notes in {}: {error}", file.display()));
    let failure = match error {
        Unusable::InUse => failure.advise(format!("who has it:      fuser {}", file.display())),
        Unusable::Foreign | Unusable::Damaged(_) => {
            let aside = file.with_extension("aside");
            failure.advise(format!("begin anew:      mv {} {}", file.display(), aside.display()))
        }
        Unusable::System(_) => failure,
    };
    failure.advise("another folder:  --data DIR").advise("keep nothing:    --data off")
}
