//! Which core runs the server and which the load generator; it must not know what they do.

use anyhow::{Context as _, Result, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores of a run.
pub struct Cores {
    all: CpuSet,
    server: CpuSet,
    load: CpuSet,
    /// For the reader of the figures.
    pub description: String,
}

/// Where a process is to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the server's core only.
    ServerCore,
    /// On every core that this process was given.
    AllCores,
}

impl Cores {
    /// Takes the last core that this process may use for the server and the first for the load: interrupts tend to
    /// land on the first.
    pub fn choose() -> Result<Cores> {
        let all = sched_getaffinity(None).context("cannot read the CPU affinity")?;
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|&core| all.is_set(core));
        let (Some(first), Some(last)) = (allowed.next(), allowed.next_back()) else {
            bail!("two cores are needed, one for the server and one for the load generator");
        };
        let description = format!("server on core {last}, load generator on core {first}");
        Ok(Cores {
            all,
            server: only(last),
            load: only(first),
            description,
        })
    }

    /// Moves the calling thread, and the threads that it starts from here on, to the load generator's core.
    pub fn enter_load_core(&self) -> Result<()> {
        sched_setaffinity(None, &self.load).context("cannot move to the load generator's core")
    }

    /// Runs `spawn` so that a process started in it begins, with its first thread, at `place`: children inherit the
    /// affinity of the thread that starts them, and nothing is left to be moved later.
    pub fn spawning_at<T>(&self, place: Place, spawn: impl FnOnce() -> T) -> Result<T> {
        let before = sched_getaffinity(None).context("cannot read the CPU affinity")?;
        let target = if place == Place::ServerCore {
            &self.server
        } else {
            &self.all
        };
        sched_setaffinity(None, target).context("cannot set the CPU affinity")?;
        let result = spawn();
        sched_setaffinity(None, &before).context("cannot set the CPU affinity back")?;
        Ok(result)
    }
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}
