//! The regression guard: counts the instructions of the host's hot paths and compares them with `instructions.toml`.
//!
//! Instructions in user space, by valgrind, of the host and its one client in one process: run with N and 2N operations,
//! the difference is N of them. They vary by a tenth of a percent from run to run, where times vary by ten, so that a
//! small loss shows. They tell nothing of the kernel, of caches and of waiting.

use std::path::Path;
use std::process::Command;

use wisted_bench::artifacts::{self, Guest};
use wisted_bench::baseline::Baseline;
use wisted_bench::peers::tools;

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.toml");
/// Set to anything: the baseline is written anew.
const UPDATE: &str = "WISTED_UPDATE_BASELINE";
/// A counted run takes seconds; its guest may then exceed the host's own deadline for a call.
const ATTEMPTS_MAX: usize = 3;

/// Operations, and the N of each.
const OPERATIONS: [(&str, u32); 4] = [
    ("message", 500),
    ("message-shared", 500),
    ("accept", 200),
    ("timer", 2000),
];

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "counts optimised code: cargo test --release -p wisted-bench --test instructions"
)]
fn hot_paths_have_not_become_longer() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        tools::install_from_debian(&["valgrind"]).unwrap();
    }
    // Only the guest: the host is in the program that is counted.
    let components = artifacts::components(&[Guest::Echo]).unwrap();
    let (_, guest) = &components[0];
    let cache = tempfile::tempdir().unwrap();
    // Fills the cache, so that no run that is counted compiles.
    let filled = counted("message", 1, guest, cache.path());
    assert!(filled.is_some(), "the host does not run under valgrind");

    let measured = Baseline {
        toolchain: version(&mut Command::new("rustc")),
        valgrind: version(&mut Command::new("valgrind")),
        operations: OPERATIONS
            .map(|(name, times)| (name.to_owned(), each(name, times, guest, cache.path())))
            .into(),
    };
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(BASELINE, measured.to_toml()).unwrap();
        println!("wrote {BASELINE}");
        return;
    }
    let text = std::fs::read_to_string(BASELINE).unwrap();
    let comparison = Baseline::parse(&text).unwrap().compare(&measured);
    println!("{}", comparison.lines.join("\n"));
    assert!(
        comparison.within_tolerance,
        "instructions per operation differ from benches/instructions.toml:\n{}\n\
         if that is meant: {UPDATE}=1 cargo test --release -p wisted-bench --test instructions",
        comparison.lines.join("\n")
    );
}

/// Instructions of one operation.
fn each(operation: &str, times: u32, guest: &Path, cache: &Path) -> u64 {
    for _ in 0..ATTEMPTS_MAX {
        let runs = [times, 2 * times].map(|times| counted(operation, times, guest, cache));
        if let [Some(once), Some(twice)] = runs
            && twice > once
        {
            return (twice - once) / u64::from(times);
        }
    }
    panic!("{operation} failed {ATTEMPTS_MAX} times under valgrind");
}

/// Instructions of a whole run; `None` when it failed.
fn counted(operation: &str, times: u32, guest: &Path, cache: &Path) -> Option<u64> {
    let output = Command::new("valgrind")
        // Cachegrind and not callgrind: fibers switch stacks, which a call graph does not survive.
        .args(["--tool=cachegrind", "--cache-sim=no"])
        // No cache is simulated, but without these it looks for the machine's and warns of what it finds.
        .args(["--I1=32768,8,64", "--D1=32768,8,64", "--LL=8388608,16,64"])
        .arg("--cachegrind-out-file=/dev/null")
        .arg(env!("CARGO_BIN_EXE_instructions"))
        .args([operation, &times.to_string(), "--guest"])
        .arg(guest)
        .arg("--cache")
        .arg(cache)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        println!("{operation} × {times}: {}\n{said}", output.status);
        return None;
    }
    // `==123== I   refs:      9,827,910`
    let line = said.lines().rfind(|line| line.contains(" refs:"))?;
    let figure = line.rsplit(':').next()?.trim().replace(',', "");
    figure.parse().ok()
}

fn version(tool: &mut Command) -> String {
    let output = tool.arg("--version").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
