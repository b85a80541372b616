//! The regression guard: counts the instructions of the host's hot paths and compares them with those of this build's profile in
//! `instructions.toml` or `instructions-dev.toml`.
//!
//! Instructions in user space, by valgrind, of the host and its one client in one process: run with N and 2N operations,
//! the difference is N of them. They vary by a tenth of a percent from run to run, where times vary by ten, so that a
//! small loss shows. They tell nothing of the kernel, of caches and of waiting.
//!
//! The process that is counted is this program, too, told which operation to do.

mod operations;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Parser, ValueEnum};
use operations::{Arguments, Operation};
use wisted_bench::artifacts::{self, Guest};
use wisted_bench::baseline::Baseline;
use wisted_bench::peers::tools;

/// The file of what was counted last in a build like this one, and the command that writes it anew.
const BASELINE: (&str, &str) = if cfg!(debug_assertions) {
    (
        "benches/instructions/instructions-dev.toml",
        // Incremental compilation divides a crate into other pieces, which inlines less.
        "CARGO_INCREMENTAL=0 cargo bench --profile dev --workspace --bench instructions -- --update",
    )
} else {
    (
        "benches/instructions/instructions.toml",
        "cargo bench -p wisted-instructions -- --update",
    )
};
/// A counted run takes seconds; its guest may then exceed the host's own deadline for a call.
const ATTEMPTS_MAX: usize = 3;

/// Counts the instructions of the hot paths. The exit code is 1 when one is more than 3 % away from what is kept in
/// instructions.toml, or in instructions-dev.toml for a build with the profile `dev`.
#[derive(Parser)]
#[command(
    args_conflicts_with_subcommands = true,
    bin_name = "cargo bench -p wisted-instructions --"
)]
struct Cli {
    /// Write that file anew
    #[arg(long)]
    update: bool,

    /// What cargo says to a bench
    #[arg(long, hide = true)]
    bench: bool,

    #[command(subcommand)]
    counted: Option<Counted>,
}

#[derive(clap::Subcommand)]
enum Counted {
    /// Does one operation many times, for a counter outside
    #[command(hide = true)]
    Do(Arguments),
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.counted {
        Some(Counted::Do(arguments)) => operations::run(&arguments),
        None => guard(cli.update),
    }
}

fn guard(update: bool) -> Result<()> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        tools::install_from_debian(&["valgrind"])?;
    }
    // Only the guest: the host is in the program that is counted.
    let components = artifacts::components(&[Guest::Echo])?;
    let (_, guest) = &components[0];
    let cache = tempfile::tempdir().context("no folder for compiled code")?;
    // Fills the cache, so that no run that is counted compiles.
    let filled = counted(Operation::Message, 1, guest, cache.path())?;
    ensure!(filled.is_some(), "the host does not run under valgrind");

    let mut measured = Baseline {
        toolchain: version(&mut Command::new("rustc"))?,
        valgrind: version(&mut Command::new("valgrind"))?,
        ..Baseline::default()
    };
    for operation in Operation::value_variants() {
        let count = each(*operation, guest, cache.path())?;
        measured.operations.insert(operation.name(), count);
    }
    let (file, command) = BASELINE;
    let path = artifacts::workspace().join(file);
    if update {
        std::fs::write(&path, measured.to_toml())
            .with_context(|| format!("cannot write {file}"))?;
        println!("wrote {file}");
        return Ok(());
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
    let comparison = Baseline::parse(&text)?.compare(&measured);
    println!("{}", comparison.lines.join("\n"));
    ensure!(
        comparison.within_tolerance,
        "instructions per operation differ from {file}; if that is meant: {command}"
    );
    Ok(())
}

/// Instructions of one operation.
fn each(operation: Operation, guest: &Path, cache: &Path) -> Result<u64> {
    let times = operation.times();
    for _ in 0..ATTEMPTS_MAX {
        let once = counted(operation, times, guest, cache)?;
        let twice = counted(operation, 2 * times, guest, cache)?;
        if let (Some(once), Some(twice)) = (once, twice)
            && twice > once
        {
            return Ok((twice - once) / u64::from(times));
        }
    }
    bail!(
        "{} failed {ATTEMPTS_MAX} times under valgrind",
        operation.name()
    )
}

/// Instructions of a whole run; `None` when it failed.
fn counted(operation: Operation, times: u32, guest: &Path, cache: &Path) -> Result<Option<u64>> {
    eprintln!("counting: {} × {times}", operation.name());
    let output = Command::new("valgrind")
        // Cachegrind and not callgrind: fibers switch stacks, which a call graph does not survive.
        .args(["--tool=cachegrind", "--cache-sim=no"])
        // No cache is simulated, but without these it looks for the machine's and warns of what it finds.
        .args(["--I1=32768,8,64", "--D1=32768,8,64", "--LL=8388608,16,64"])
        .arg("--cachegrind-out-file=/dev/null")
        .arg(std::env::current_exe().context("this program has no file")?)
        .args(["do", &operation.name(), &times.to_string(), "--guest"])
        .arg(guest)
        .arg("--cache")
        .arg(cache)
        .output()
        .context("cannot run valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        eprintln!("{} × {times}: {}\n{said}", operation.name(), output.status);
        return Ok(None);
    }
    // `==123== I   refs:      9,827,910`
    let line = said.lines().rfind(|line| line.contains(" refs:"));
    let figure = line.and_then(|line| line.rsplit(':').next());
    Ok(figure.and_then(|figure| figure.trim().replace(',', "").parse().ok()))
}

fn version(tool: &mut Command) -> Result<String> {
    let output = tool
        .arg("--version")
        .output()
        .with_context(|| format!("cannot run {}", tool.get_program().display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
