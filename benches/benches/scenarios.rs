//! The entry point of `cargo bench`; it only knows where cargo has put this crate's binaries.

use std::process::ExitCode;

use wisted_bench::artifacts::Binaries;

fn main() -> ExitCode {
    wisted_bench::cli::main(Binaries {
        native: env!("CARGO_BIN_EXE_native-echo").into(),
        tokio: env!("CARGO_BIN_EXE_tokio-peer").into(),
        wasi_host: env!("CARGO_BIN_EXE_wasi-host").into(),
        allocations: env!("CARGO_BIN_EXE_allocations").into(),
    })
}
