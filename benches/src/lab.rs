//! What every scenario is given: files, cores, settings; it must not know the scenarios.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::artifacts::{Artifacts, Binaries, Guest, workspace};
use crate::children;
use crate::cores::{Cores, Place};
use crate::peers::{Contender, Protocol};
use crate::server::{Identity, Kind, Server};

/// How long and how much, as the command line says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Short windows and few repetitions: shows that all works, not what it costs.
    pub quick: bool,
    /// Rounds of every comparison; `None` for the scenario's default.
    pub rounds: Option<usize>,
    /// The length of a measured window; `None` for the scenario's default.
    pub window: Option<Duration>,
    /// Which servers are compared, in the order of a round.
    pub kinds: Vec<Kind>,
    /// The numbers of connections of `echo` and `turns`.
    pub connections: Vec<usize>,
    /// The message sizes of `echo` and `turns`.
    pub sizes_bytes: Vec<usize>,
    /// Another build of the host, for `turns`.
    pub against: Option<PathBuf>,
    /// The number of connections of `idle`; `None` for the default.
    pub idle: Option<usize>,
    /// Added to every `wisted run`.
    pub wisted_arguments: Vec<String>,
    /// What `peers` compares.
    pub peers: PeerSettings,
}

/// What `peers` compares.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// Which servers, in the order of a round.
    pub contenders: Vec<Contender>,
    /// What is spoken.
    pub protocols: Vec<Protocol>,
    /// Numbers of connections and message sizes in bytes; `None` for the default.
    pub cells: Option<Vec<(usize, usize)>>,
    /// Requests per second of the open loop.
    pub rate_per_second: u64,
    /// Where `peers.md` and `peers.svg` are written; `None` for the default.
    pub docs: Option<PathBuf>,
}

impl Settings {
    /// The number of rounds, of which a scenario wants `full` or `quick`.
    pub fn rounds(&self, full: usize, quick: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { quick } else { full })
    }

    /// The length of a window, of which a scenario wants `full_ms` or `quick_ms`.
    pub fn window(&self, full_ms: u64, quick_ms: u64) -> Duration {
        self.window.unwrap_or(Duration::from_millis(if self.quick {
            quick_ms
        } else {
            full_ms
        }))
    }

    /// For the raw figures.
    pub fn json(&self) -> Value {
        json!({
            "quick": self.quick,
            "rounds": self.rounds,
            "window_s": self.window.map(|window| window.as_secs_f64()),
            "servers": self.kinds.iter().map(Kind::to_string).collect::<Vec<_>>(),
            "connections": self.connections,
            "sizes_bytes": self.sizes_bytes,
            "against": self.against,
            "idle": self.idle,
            "wisted_arguments": self.wisted_arguments,
            "rate_per_second": self.peers.rate_per_second,
        })
    }

    /// The servers to compare, without the baseline's second run: that belongs to comparisons of cost only.
    pub fn kinds_once(&self) -> impl Iterator<Item = Kind> {
        self.kinds
            .iter()
            .copied()
            .filter(|&kind| kind != Kind::NativeAgain)
    }
}

/// The bench that the scenarios work at.
pub struct Lab {
    /// How long and how much.
    pub settings: Settings,
    artifacts: Artifacts,
    cores: Cores,
    /// The host's cache of compiled guests: of this run only, so that the user's is left alone.
    cache: TempDir,
    load_average: String,
}

impl Lab {
    /// A bench with `artifacts` on it.
    pub fn new(settings: Settings, artifacts: Artifacts, cores: Cores) -> Result<Lab> {
        let cache = children::temporary_folder()?;
        Ok(Lab {
            settings,
            artifacts,
            cores,
            cache,
            load_average: fs::read_to_string("/proc/loadavg")
                .unwrap_or_default()
                .trim()
                .to_owned(),
        })
    }

    /// Starts a server of `kind` on the server's core. `arguments` are for the host only.
    pub fn start(&self, kind: Kind, guest: Guest, arguments: &[String]) -> Result<Server> {
        let cache = self.cache().to_owned();
        self.start_with_cache(kind, guest, arguments, cache, Place::ServerCore)
    }

    /// Starts a server with a cache of compiled guests of the caller's choice.
    pub fn start_with_cache(
        &self,
        kind: Kind,
        guest: Guest,
        arguments: &[String],
        cache: PathBuf,
        place: Place,
    ) -> Result<Server> {
        let mut command = match kind.isolation() {
            None => Command::new(&self.binaries().native),
            Some(isolation) => self.wisted(isolation, kind.guest(guest), arguments)?,
        };
        command.env("XDG_CACHE_HOME", cache);
        Server::start(command, kind.into(), &self.cores, place)
    }

    /// What runs the host, with this run's cache of compiled guests.
    pub fn wisted(&self, isolation: &str, guest: Guest, arguments: &[String]) -> Result<Command> {
        self.wisted_serving(isolation, self.artifacts.guest(guest)?, arguments)
    }

    /// The same for any component.
    pub fn wisted_serving(
        &self,
        isolation: &str,
        component: &Path,
        arguments: &[String],
    ) -> Result<Command> {
        let binary = self.artifacts.wisted()?;
        Ok(self.build_serving(binary, isolation, component, arguments))
    }

    fn build_serving(
        &self,
        binary: &Path,
        isolation: &str,
        component: &Path,
        arguments: &[String],
    ) -> Command {
        let mut command = Command::new(binary);
        command.arg("run").arg(component);
        command.args(["--listen", "tcp:127.0.0.1:0", "--isolation", isolation]);
        command
            .args(arguments)
            .args(&self.settings.wisted_arguments);
        command.env("XDG_CACHE_HOME", self.cache.path());
        command
    }

    /// Starts a host of another build on the server's core, with a cache of its own: it may compile guests
    /// differently.
    pub fn start_build(&self, binary: &Path, kind: Kind, guest: Guest) -> Result<Server> {
        let component = self.artifacts.guest(kind.guest(guest))?;
        let isolation = kind.isolation().context("only the host has builds")?;
        let mut command = self.build_serving(binary, isolation, component, &[]);
        command.env("XDG_CACHE_HOME", self.cache().join("before"));
        Server::start(command, kind.into(), &self.cores, Place::ServerCore)
    }

    /// Serves a configuration, with a cache of compiled guests of the caller's choice. It must listen on 127.0.0.1.
    pub fn serve(&self, config: &Path, cache: &Path, place: Place) -> Result<Server> {
        let mut command = Command::new(self.artifacts.wisted()?);
        command.arg("serve").arg(config);
        command.env("XDG_CACHE_HOME", cache);
        Server::start(command, Kind::Connection.into(), &self.cores, place)
    }

    /// This run's folder of compiled guests.
    pub fn cache(&self) -> &Path {
        self.cache.path()
    }

    /// Starts any other server on the server's core.
    pub fn start_command(&self, command: Command, identity: Identity) -> Result<Server> {
        Server::start(command, identity, &self.cores, Place::ServerCore)
    }

    /// Runs `spawn` so that a process started in it has all cores: for what is not measured.
    pub fn on_all_cores<T>(&self, spawn: impl FnOnce() -> T) -> Result<T> {
        self.cores.spawning_at(Place::AllCores, spawn)
    }

    /// What the figures were measured on.
    pub fn machine(&self) -> Vec<(&'static str, String)> {
        let first_line = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.lines().next().unwrap_or("unknown").to_owned()
        };
        let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu_info
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        // Without what a distribution or a provider adds to it.
        let kernel = first_line("/proc/sys/kernel/osrelease");
        vec![
            ("CPU", model.unwrap_or("unknown").to_owned()),
            (
                "kernel",
                kernel.split('-').next().unwrap_or_default().to_owned(),
            ),
            ("load average at the start", self.load_average.clone()),
            ("cores", self.cores.description.clone()),
        ]
    }

    /// The folder where cargo puts what it builds.
    pub fn target(&self) -> &Path {
        let target = self.binaries().native.ancestors().nth(2);
        target.unwrap_or(workspace())
    }

    /// The host's binary.
    pub fn host(&self) -> Result<&Path> {
        self.artifacts.wisted()
    }

    /// The binaries of this crate.
    pub fn binaries(&self) -> &Binaries {
        self.artifacts.binaries()
    }

    /// A guest's component.
    pub fn guest(&self, guest: Guest) -> Result<&Path> {
        self.artifacts.guest(guest)
    }
}
