//! The command.
pub mod devcert;
