//! wisted.toml as plain values, or all that is wrong in it. It must not know how services are run.
//!
//! ```text
//! text ── toml ──▶ tables (settings, values) ── resolve ──▶ Config
//!                                     └──────── problems, each with its place
//! ```
//!
//! - `settings`: every key, with its type, default and meaning;
//! - `values`: what a key may hold; `table`: how tables are read, each key alone;
//! - `resolve`: defaults are inherited, files are looked for, what makes no sense together is found;
//! - [`rules`]: limits that contradict each other;
//! - `secret`: values from the environment and from files;
//! - `problem`: problems with their places;
//! - [`mod@reference`]: the JSON Schema and the reference of all keys.

mod problem;
pub mod reference;
mod resolve;
pub mod rules;
mod secret;
mod settings;
mod table;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use problem::{Paint, Problem, Problems, Source, Span};
pub use secret::{GuestValue, Outside, Secret};

use crate::endpoint::{AdminEndpoint, Endpoint};
use crate::limits::{DRAIN_MAX, Limits};
use crate::logs::LogFormat;
use crate::service::{Choice, Isolation, Recycle};
use crate::telemetry::CollectorUrl;
use crate::web::Grants;

/// What a wisted.toml says, checked as far as that goes without loading components.
#[derive(Clone, Debug)]
pub struct Config {
    /// See [`HostConfig`].
    pub host: HostConfig,
    /// See [`LogConfig`].
    pub log: LogConfig,
    /// Where the host is administered, if anywhere. A TCP address is a loopback one, unless others were allowed.
    pub admin: Option<AdminEndpoint>,
    /// Whether the file says where; otherwise the host does without if it cannot be had.
    pub admin_is_given: bool,
    /// Names by which clients may call the admin endpoint over TCP, besides its address and `localhost`.
    pub admin_names: Vec<String>,
    /// See [`TelemetryConfig`].
    pub telemetry: TelemetryConfig,
    /// The services, in the order of the file.
    pub services: Vec<ServiceConfig>,
    source: Arc<Source>,
    places: BTreeMap<String, Places>,
}

/// The process as a whole. Whatever differs here takes a new process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// Threads that serve; as many as there are cores if not set.
    pub reactors: Option<usize>,
    /// Connections of all services together that have an instance of their own; the largest `connections_max` of a service
    /// if not set.
    pub connections_max: Option<u32>,
    /// How much memory an instance may be given at all, in bytes; the largest `memory_max` of a service if not set.
    pub instance_memory_max_bytes: Option<usize>,
    /// How long connections may take to finish when the host is asked to stop.
    pub drain_max: Duration,
    /// See [`Cache`].
    pub cache: Cache,
}

/// Where compiled code is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cache {
    /// In the user's cache folder.
    #[default]
    OfUser,
    /// In this folder.
    Folder(PathBuf),
    /// Nowhere.
    Off,
}

/// How log records are written, to standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Their shape.
    pub format: LogFormat,
    /// Which are written, as [`logs::start`](crate::logs::start) reads it.
    pub filter: String,
    /// Whether the end of each connection is one.
    pub access: bool,
}

/// Traces. Whatever differs here takes a new process.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryConfig {
    /// Where they go; without it there are none.
    pub collector: Option<CollectorUrl>,
    /// Which part of all connections is traced, from 0 to 1.
    pub sample_ratio: f64,
}

/// One service. Two of these are equal if nothing has to be done to make the one of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceConfig {
    /// Its name, unlike all others.
    pub name: String,
    /// A component's file, or a folder that is built.
    pub component: PathBuf,
    /// Where it listens. Empty for programs.
    pub listen: Vec<Endpoint>,
    /// See [`Isolation`].
    pub isolation: Isolation,
    /// How many instances share the connections; one with isolation `connection`.
    pub instances: NonZero<u16>,
    /// Which of them a new connection gets.
    pub choice: Choice,
    /// When an instance has served enough; never with isolation `connection`.
    pub recycle: Recycle,
    /// Values for the guest, sorted by their keys.
    pub config: Vec<(String, GuestValue)>,
    /// What the guest may fetch.
    pub grants: Grants,
    /// PEM files with certificates to trust besides the system's.
    pub ca_files: Vec<PathBuf>,
    /// See [`Limits`].
    pub limits: Limits,
}

/// Where parts of a service stand in the file.
#[derive(Clone, Debug)]
struct Places {
    name: Span,
    component: Span,
    /// As many as the service has endpoints.
    listen: Vec<Span>,
    ca_files: Option<Span>,
    /// `listen` is there, but wrong, and was complained about.
    listen_is_wrong: bool,
}

/// A part of a service that something may be wrong with that shows only when it is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its component.
    Component,
    /// What it listens on; the service itself if there is nothing.
    Listen,
    /// Its files with certificates.
    CaFiles,
}

/// What could be made of a file, and what was wrong with the rest.
#[derive(Debug)]
pub struct Draft {
    /// Without the services whose component is not known.
    pub config: Config,
    /// In no order.
    pub problems: Vec<Problem>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is read, and wrong.
    #[error(transparent)]
    Wrong(#[from] Problems),
}

/// The longest configuration that is read, in bytes.
const FILE_MAX_BYTES: u64 = 4 << 20;

impl LogConfig {
    /// Which records are written, with the access log or without.
    pub fn filter(&self) -> String {
        let access = if self.access { "info" } else { "off" };
        format!("{},access={access}", self.filter)
    }
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            collector: None,
            sample_ratio: 1.0,
        }
    }
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            reactors: None,
            connections_max: None,
            instance_memory_max_bytes: None,
            drain_max: DRAIN_MAX,
            cache: Cache::default(),
        }
    }
}

impl Config {
    /// Reads the file and what it names: files with secrets, the environment.
    ///
    /// # Errors
    /// When it cannot be read, or with all that is wrong in it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Ok(Self::draft(path)?.finish()?)
    }

    /// The same, for whoever wants to find more that is wrong.
    ///
    /// # Errors
    /// When it cannot be read or is no TOML.
    pub fn draft(path: &Path) -> Result<Draft, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut file = file.take(FILE_MAX_BYTES + 1);
        let length = file.read_to_string(&mut text).map_err(unreadable)?;
        if length as u64 > FILE_MAX_BYTES {
            let too_long = format!("it is longer than {FILE_MAX_BYTES} bytes");
            return Err(unreadable(io::Error::other(too_long)));
        }
        let outside = Outside {
            variable: &|name| std::env::var_os(name),
        };
        Ok(Self::parse(path, text, &outside)?)
    }

    /// The same for a text; relative paths begin at `path`'s folder.
    ///
    /// # Errors
    /// When it is no TOML.
    pub fn parse(path: &Path, text: String, outside: &Outside<'_>) -> Result<Draft, Problems> {
        resolve::draft(Source::new(path, text), outside)
    }

    /// The file that it was read from.
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// A problem with a part of the service of this name.
    pub fn problem(
        &self,
        service: &str,
        part: Part,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Problem {
        let span = self.places.get(service).map(|places| match part {
            Part::Component => places.component.clone(),
            Part::Listen => places.listen.first().unwrap_or(&places.name).clone(),
            Part::CaFiles => places.ca_files.as_ref().unwrap_or(&places.name).clone(),
        });
        Problem::new(span.unwrap_or_default(), message, hint)
    }

    /// Whether the service's `listen` was complained about already.
    pub fn listen_is_wrong(&self, service: &str) -> bool {
        let places = self.places.get(service);
        places.is_some_and(|places| places.listen_is_wrong)
    }

    /// All that was found wrong with it, to be shown.
    pub fn problems(&self, list: Vec<Problem>) -> Problems {
        Problems::new(&self.source, list)
    }
}

impl Draft {
    /// The configuration, if nothing is wrong.
    ///
    /// # Errors
    /// With all that is.
    pub fn finish(self) -> Result<Config, Problems> {
        match self.problems.is_empty() {
            true => Ok(self.config),
            false => Err(self.config.problems(self.problems)),
        }
    }
}
