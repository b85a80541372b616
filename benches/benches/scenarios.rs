//! The entry point of `cargo bench`; it only knows where cargo has put the native baseline.

use std::process::ExitCode;

fn main() -> ExitCode {
    wisted_bench::cli::main(env!("CARGO_BIN_EXE_native-echo").into())
}
