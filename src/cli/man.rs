//! `readyloop man`: the manual pages, made from the same arguments that the command parses.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;

/// Print the manual page, or write one per sub-command into a folder
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Write readyloop.1, readyloop-serve.1, … into this folder
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self, command: clap::Command) -> Result<(), Failure> {
        if let Some(folder) = &self.folder {
            std::fs::create_dir_all(folder)?;
            clap_mangen::generate_to(command, folder)?;
            return Ok(());
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        super::banner::print(&page);
        Ok(())
    }
}
