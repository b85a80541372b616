//! What Linux tells about a process: CPU time, memory, maps; it must not know whose process it is.

use std::fs;
use std::iter::Sum;

use anyhow::{Context as _, Result};

/// No server has more processes than this.
const FAMILY_MAX: usize = 1000;

/// The CPU time that all threads of a process have used, in nanoseconds.
///
/// It comes from the scheduler's own sums, which are current to the last switch or timer tick. Where the kernel keeps
/// none, it comes from the process's times in ticks of 10 ms.
pub fn cpu_ns(pid: u32) -> Result<u64> {
    match scheduled_ns(pid) {
        Some(ns) if ns > 0 => Ok(ns),
        _ => ticks_ns(pid),
    }
}

/// A process and its children, and theirs, as far as the kernel tells (`CONFIG_PROC_CHILDREN`).
pub fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut asked = 0;
    while asked < family.len() && family.len() < FAMILY_MAX {
        let tasks = fs::read_dir(format!("/proc/{}/task", family[asked]));
        asked += 1;
        // One that has ended meanwhile has no folder any more.
        for task in tasks.into_iter().flatten().flatten() {
            let line = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            family.extend(
                line.split_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
        }
    }
    family
}

fn scheduled_ns(pid: u32) -> Option<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        // A thread that has ended meanwhile has no file any more.
        if let Ok(line) = fs::read_to_string(task.ok()?.path().join("schedstat")) {
            sum += first_number(&line)?;
        }
    }
    Some(sum)
}

fn first_number(line: &str) -> Option<u64> {
    line.split_whitespace().next()?.parse().ok()
}

fn ticks_ns(pid: u32) -> Result<u64> {
    /// USER_HZ, which is 100 wherever Linux runs Rust's standard library.
    const NS_PER_TICK: u64 = 10_000_000;
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The name in parentheses may itself contain spaces; what follows the last one may not.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<u64>().ok())
    };
    let (user, system) = ticks(11)
        .zip(ticks(12))
        .with_context(|| format!("{path} is malformed"))?;
    Ok((user + system) * NS_PER_TICK)
}

/// The memory of a process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Resident, pages shared with others included.
    pub rss_kib: u64,
    /// Resident, shared pages divided among those who share them.
    pub pss_kib: u64,
    /// Memory maps, which `vm.max_map_count` limits.
    pub maps: u64,
}

impl Sum for Memory {
    fn sum<I: Iterator<Item = Memory>>(memories: I) -> Memory {
        memories.fold(Memory::default(), |sum, one| Memory {
            rss_kib: sum.rss_kib + one.rss_kib,
            pss_kib: sum.pss_kib + one.pss_kib,
            maps: sum.maps + one.maps,
        })
    }
}

/// Reads the memory of a process. Not while it is being timed: the kernel walks all its pages.
pub fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let rollup = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let kib = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(first_number)
            .with_context(|| format!("{path} lacks {name}"))
    };
    let maps_path = format!("/proc/{pid}/maps");
    let maps =
        fs::read_to_string(&maps_path).with_context(|| format!("cannot read {maps_path}"))?;
    Ok(Memory {
        rss_kib: kib("Rss:")?,
        pss_kib: kib("Pss:")?,
        maps: maps.lines().count() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_belong_to_the_family() {
        let mut shell = std::process::Command::new("sh")
            .args(["-c", "sleep 20 & echo; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0];
        std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut line).unwrap();
        let family = family(shell.id());
        let sleep = rustix::process::Pid::from_raw(family[1] as i32).unwrap();
        rustix::process::kill_process(sleep, rustix::process::Signal::KILL).unwrap();
        shell.wait().unwrap();
        assert_eq!((family[0], family.len()), (shell.id(), 2));
    }

    #[test]
    fn this_process_has_figures() {
        let pid = std::process::id();
        let begin = std::time::Instant::now();
        while begin.elapsed().as_millis() < 30 {}
        assert!(cpu_ns(pid).unwrap() > 10_000_000);
        assert!(ticks_ns(pid).is_ok());
        let memory = memory(pid).unwrap();
        assert!(
            memory.rss_kib >= memory.pss_kib && memory.pss_kib > 0 && memory.maps > 5,
            "{memory:?}"
        );
    }
}
