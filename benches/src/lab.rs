//! What every scenario is given: files, cores, settings; it must not know the scenarios.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::artifacts::{Artifacts, Guest};
use crate::children;
use crate::cores::{Cores, Place};
use crate::server::{Kind, Server};

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
    /// The numbers of connections of `echo`.
    pub connections: Vec<usize>,
    /// The message sizes of `echo`.
    pub sizes_bytes: Vec<usize>,
    /// The number of connections of `idle`; `None` for the default.
    pub idle: Option<usize>,
    /// Added to every `wisted run`.
    pub wisted_arguments: Vec<String>,
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
            "idle": self.idle,
            "wisted_arguments": self.wisted_arguments,
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
        })
    }

    /// Starts a server of `kind` on the server's core. `arguments` are for the host only.
    pub fn start(&self, kind: Kind, guest: Guest, arguments: &[String]) -> Result<Server> {
        let cache = self.cache.path().to_owned();
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
            None => Command::new(self.artifacts.native()),
            Some(isolation) => {
                let mut command = Command::new(self.artifacts.wisted()?);
                command.arg("run").arg(self.artifacts.guest(guest)?);
                command.args(["--listen", "tcp:127.0.0.1:0", "--isolation", isolation]);
                command
                    .args(arguments)
                    .args(&self.settings.wisted_arguments);
                command
            }
        };
        command.env("XDG_CACHE_HOME", cache);
        Server::start(command, kind, &self.cores, place)
    }
}
