//! The `readyloop` command.
fn main() {}
