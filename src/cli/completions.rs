//! `readyloop completions`: a script that teaches a shell to complete the command's arguments.

use clap::Args;
use clap_complete::Shell;

use super::failure::Failure;

/// Print a completion script for a shell
///
/// For example: readyloop completions bash > ~/.local/share/bash-completion/completions/readyloop
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, command: &mut clap::Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, command, "readyloop", &mut script);
        super::banner::print(&script);
        Ok(())
    }
}
