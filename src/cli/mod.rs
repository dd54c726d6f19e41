//! The `readyloop` command: arguments in, exit code out. One file per sub-command.
//!
//! Everything that only a program may do is here: signals, the limit of open files, files with
//! certificates, the terminal. A library's user needs none of it.

mod access;
mod banner;
mod burn;
mod compare;
mod completions;
mod cpus;
mod data;
pub mod devcert;
mod failure;
mod flight;
mod folder;
mod knobs;
pub mod learn;
mod lines;
mod load;
mod logger;
mod man;
mod model;
mod place;
mod row;
mod scope;
mod serve;
mod services;
mod signals;
mod tls;
mod top;
mod units;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// A single-threaded event loop that serves TCP, UDP, TLS and HTTP/1.1.
#[derive(Debug, Parser)]
#[command(name = "readyloop", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_long_help = failure::EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Serve>),
    Load(Box<load::Load>),
    Compare(Box<compare::Compare>),
    Scope(scope::Scope),
    Learn(learn::Learn),
    Top(Box<top::Top>),
    Completions(completions::Completions),
    Man(man::Man),
}

/// The whole command.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve(serve) => serve.run(),
        Command::Load(load) => load.run(),
        Command::Compare(compare) => compare.run(),
        Command::Scope(scope) => scope.run(),
        Command::Learn(learn) => learn.run(),
        Command::Top(top) => top.run(),
        Command::Completions(completions) => completions.run(&mut Arguments::command()),
        Command::Man(man) => man.run(Arguments::command()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }
}
