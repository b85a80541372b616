//! The `wisted` command: hands the command line to [`cli`] and its result to the operating system.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
