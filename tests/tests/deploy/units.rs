//! The units: valid, hardened, and no harder than what the host needs.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use wisted_tests::host::Scratch;
use wisted_tests::programs::program;
use wisted_tests::{Client, workspace};

use super::managed::{Served, echo_at};
use super::{read, run, said};

/// In tenths: what `systemd-analyze security` calls OK ends at 5.0.
const EXPOSURE_MAX: &str = "20";

/// The units in a folder of their own, with the host where it is: systemd looks whether there is one.
fn units(scratch: &Scratch) -> [PathBuf; 2] {
    let service = read("systemd/wisted.service");
    let installed = "ExecStart=/usr/bin/wisted ";
    assert!(service.contains(installed), "{service}");
    let here = format!("ExecStart={} ", workspace::wisted().display());
    [
        scratch.file("wisted.service", service.replace(installed, &here)),
        scratch.file("wisted.socket", read("systemd/wisted.socket")),
    ]
}

fn systemd_analyze() -> Command {
    let mut command = Command::new(program("systemd-analyze", "systemd"));
    command.env("SYSTEMD_COLORS", "0");
    command
}

#[test]
fn the_units_are_valid() {
    // ExecReload runs it.
    let _ = program("kill", "procps");
    let scratch = Scratch::new();
    let output = run(systemd_analyze()
        .args(["verify", "--man=no"])
        .args(units(&scratch)));
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output), "");
}

#[test]
fn the_service_is_hardened() {
    let scratch = Scratch::new();
    let [service, _] = units(&scratch);
    let output = run(systemd_analyze()
        .args(["security", "--offline=true", "--no-pager", "--threshold"])
        .arg(EXPOSURE_MAX)
        .arg(service));
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    let score = said
        .lines()
        .find(|line| line.contains("Overall exposure level"));
    let score = score.unwrap_or_else(|| panic!("no score in {said}"));
    println!("{score}");
    // docs/deploy.md shows the score of one version of systemd; others know more to ask for.
    assert!(score.contains(" OK "), "{score}");
}

/// The values of a unit's key, in order.
pub fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    lines
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value)
        .collect()
}

/// The system calls that the unit allows, by systemd's own names for sets of them.
fn allowed(unit: &str) -> BTreeSet<String> {
    let output = run(systemd_analyze().args(["syscall-filter", "--no-pager"]));
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut sets: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut set = "";
    for line in text.lines() {
        match line.trim() {
            name if name.starts_with('#') || name.is_empty() => {}
            name if line.starts_with('@') => set = name,
            member => sets.entry(set).or_default().push(member),
        }
    }
    let expand = |names: &str| {
        let mut left: Vec<&str> = names.split_whitespace().collect();
        let mut calls = BTreeSet::new();
        while let Some(name) = left.pop() {
            match sets.get(name) {
                Some(members) => left.extend(members),
                None => {
                    assert!(!name.starts_with('@'), "{name} is no set of system calls");
                    calls.insert(name.to_owned());
                }
            }
        }
        calls
    };
    let mut allowed = expand("@default");
    for filter in values(unit, "SystemCallFilter") {
        match filter.strip_prefix('~') {
            None => allowed.extend(expand(filter)),
            Some(denied) => {
                let denied = expand(denied);
                allowed.retain(|call| !denied.contains(call));
            }
        }
    }
    allowed
}

/// What is compiled, served, reloaded and drained asks the system for nothing that the unit forbids.
#[test]
fn the_system_calls_suffice() {
    let allowed = allowed(&read("systemd/wisted.service"));
    assert!(allowed.contains("epoll_wait") && !allowed.contains("mount"));
    assert!(!allowed.contains("io_uring_setup"));
    let scratch = Scratch::new();
    let trace = scratch.path().join("trace");
    let config = echo_at(&scratch, "tcp:127.0.0.1:0");
    // As a grandchild it leaves the host the process that signals are sent to.
    let strace = program("strace", "strace");
    let before = format!(
        r#"exec "{}" -D -f -qq -e signal=none -o "{}" "$0" "$@""#,
        strace.display(),
        trace.display()
    );
    let host = Served::start(&before, &config, |command| {
        // Nothing is there yet: it is compiled.
        command.env("XDG_CACHE_HOME", scratch.path().join("cache"));
    });
    let mut peer = Client::connect(host.address_of("echo"));
    peer.check_echo("traced\n");
    host.signal(Signal::HUP);
    host.wait_for_log(&["reloaded"]);
    drop(peer);
    host.signal(Signal::TERM);
    assert!(host.wait().success());
    let trace = fs::read_to_string(trace).expect("a trace");
    let mut used = BTreeSet::new();
    for line in trace.lines() {
        // `PID name(…` or `PID <... name resumed>…`.
        let call = line.split_once(' ').map_or(line, |(_, call)| call.trim());
        let call = call.strip_prefix("<... ").unwrap_or(call);
        let end = call.find(|symbol: char| !symbol.is_ascii_alphanumeric() && symbol != '_');
        used.insert(call[..end.unwrap_or(call.len())].to_owned());
    }
    used.remove("");
    assert!(
        used.contains("accept4") && used.contains("epoll_wait"),
        "{used:?}"
    );
    let forbidden: Vec<_> = used.difference(&allowed).collect();
    assert!(forbidden.is_empty(), "{forbidden:?}");
}
