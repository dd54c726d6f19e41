//! The `readyloop` command; its sub-commands are in `cli/`.

fn main() -> std::process::ExitCode {
    readyloop::cli::main()
}
