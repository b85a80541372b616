//! Components become code, each once, and with limits, values and grants a service. It must not know which services run
//! already.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::component::ComponentFile;
use super::pool::web_limits;
use super::{Progress, Step};
use crate::build::BuildError;
use crate::config::{Part, ServiceConfig};
use crate::guest::{self, CodeCache, GuestCode, GuestHost, LoadError, Origin, PoolSize};
use crate::service::Service;
use crate::side::Side;
use crate::web::{WebClient, WebSetupError};

/// What all guests of this process share, and what loads them. Slow, and so not for a reactor's thread.
#[derive(Debug)]
pub struct Loader {
    host: Arc<GuestHost>,
    side: Side,
    cache: Option<CodeCache>,
    pool: PoolSize,
    reactors: usize,
}

/// Components that services share: each is built and loaded once, for the service that asks first. Make a new one where files
/// may have changed.
#[derive(Debug, Default)]
pub struct Components {
    files: HashMap<PathBuf, Shared<ComponentFile>>,
    codes: HashMap<PathBuf, Shared<Arc<GuestCode>>>,
}

type Shared<T> = Result<T, Arc<LoadFailure>>;

/// Why a service cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadFailure {
    /// No address space, or no thread.
    #[error("the guests' memory cannot be reserved: {0}")]
    Host(String),
    /// The side thread.
    #[error("the side thread cannot be started: {0}")]
    Side(io::Error),
    /// There is no such path, or it may not be looked at.
    #[error("the guest {} cannot be opened: {reason}", path.display())]
    Missing {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// Such as a device.
    #[error("{} is neither a file nor a folder", .0.display())]
    NoFile(PathBuf),
    /// The folder is no guest, or its source is wrong.
    #[error("{} cannot be built: {reason}", path.display())]
    Build {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: BuildError,
    },
    /// It is no component that can be served.
    #[error("{} cannot be served: {reason}", path.display())]
    Code {
        /// The component.
        path: PathBuf,
        /// Why.
        reason: LoadError,
    },
    /// A program was given endpoints.
    #[error(
        "{0} is a program: it has no `data-received` to serve connections with, so it listens nowhere"
    )]
    ProgramListens(String),
    /// It serves connections, and was given no endpoint.
    #[error("it serves connections, and listens nowhere")]
    ListensNowhere,
    /// Its files with certificates.
    #[error(transparent)]
    Web(WebSetupError),
    /// The pool that was reserved when the process began has smaller places.
    #[error(
        "an instance may have {asked} bytes of memory, and this host reserved {reserved} for each when it started"
    )]
    Pool {
        /// What its limits say, in bytes.
        asked: usize,
        /// What there is, in bytes.
        reserved: usize,
    },
}

impl LoadFailure {
    /// Which part of the service is wrong.
    pub fn part(&self) -> Part {
        match self {
            Self::ProgramListens(_) | Self::ListensNowhere => Part::Listen,
            Self::Web(_) => Part::CaFiles,
            _ => Part::Component,
        }
    }

    /// What to do about it, where that is not said by itself.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::ProgramListens(_) => "leave `listen` out",
            Self::ListensNowhere => "add listen = \"tcp:8000\"",
            Self::Pool { .. } => {
                "start the host anew, or set `instance_memory_max` in [host] high enough from the start"
            }
            _ => "",
        }
    }
}

impl Loader {
    /// Reserves the pool and starts the side thread. Call it once in a process.
    ///
    /// # Errors
    /// When the operating system refuses either.
    pub fn new(
        pool: &PoolSize,
        reactors: usize,
        cache: Option<CodeCache>,
    ) -> Result<Self, LoadFailure> {
        Ok(Self {
            host: reserve(pool, reactors)?,
            side: Side::start().map_err(LoadFailure::Side)?,
            cache,
            pool: *pool,
            reactors,
        })
    }

    /// The same with a stack for each instance, for guests that turned out to wait. What it has loaded is of no use to the new
    /// one.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_all_stacks(self) -> Result<Self, LoadFailure> {
        let Self {
            host,
            side,
            cache,
            mut pool,
            reactors,
        } = self;
        drop(host);
        pool.stacks_max = pool.instances_max;
        let host = reserve(&pool, reactors)?;
        Ok(Self {
            host,
            side,
            cache,
            pool,
            reactors,
        })
    }

    /// What the guests run in.
    pub fn host(&self) -> &Arc<GuestHost> {
        &self.host
    }

    /// The side thread, in whose context drivers run.
    pub fn side(&self) -> &Side {
        &self.side
    }

    /// Where compiled code is kept.
    pub fn cache(&self) -> Option<&CodeCache> {
        self.cache.as_ref()
    }

    /// What was reserved.
    pub fn pool(&self) -> &PoolSize {
        &self.pool
    }

    /// Loads a component, from the cache if that has it.
    ///
    /// # Errors
    /// When it cannot be served.
    pub fn load_code(
        &self,
        file: &ComponentFile,
        progress: Progress<'_>,
    ) -> Result<Arc<GuestCode>, LoadFailure> {
        let say = &mut || progress(Step::Compiling(&file.name));
        GuestCode::load(&self.host, &file.path, self.cache.as_ref(), say).map_err(|reason| {
            LoadFailure::Code {
                path: file.path.clone(),
                reason,
            }
        })
    }

    /// Makes a service: its component is built and loaded unless `components` has it.
    ///
    /// # Errors
    /// When it cannot be served like that.
    pub fn load_service(
        &self,
        config: &ServiceConfig,
        components: &mut Components,
        progress: Progress<'_>,
    ) -> Result<Service, Arc<LoadFailure>> {
        let file = components.file(&config.component, progress)?;
        let code = components.code(self, &config.component, &file, progress)?;
        if config.limits.memory_max_bytes > self.pool.memory_max_bytes {
            return Err(Arc::new(LoadFailure::Pool {
                asked: config.limits.memory_max_bytes,
                reserved: self.pool.memory_max_bytes,
            }));
        }
        code.fits(config.limits.memory_max_bytes)
            .map_err(|reason| LoadFailure::Code {
                path: file.path.clone(),
                reason,
            })?;
        match (code.exports().connection, config.listen.is_empty()) {
            (false, false) => return Err(Arc::new(LoadFailure::ProgramListens(file.name))),
            (true, true) => return Err(Arc::new(LoadFailure::ListensNowhere)),
            _ => {}
        }
        let web = WebClient::new(
            &self.side,
            config.grants.clone(),
            web_limits(&config.limits),
            &config.ca_files,
        );
        let value = |(key, value): &(String, crate::config::GuestValue)| {
            (key.clone(), value.reveal().to_owned())
        };
        Ok(Service {
            origin: Arc::new(Origin::new(
                config.name.clone(),
                file.name,
                config.config.iter().map(value).collect(),
            )),
            endpoints: config.listen.clone(),
            isolation: config.isolation,
            instances: config.instances,
            choice: config.choice,
            recycle: config.recycle,
            limits: Arc::new(config.limits.clone()),
            is_sole: false,
            code,
            web: web.map_err(|error| Arc::new(LoadFailure::Web(error)))?,
        })
    }
}

fn reserve(pool: &PoolSize, reactors: usize) -> Result<Arc<GuestHost>, LoadFailure> {
    GuestHost::new(pool, reactors).map_err(|error| LoadFailure::Host(format!("{error:#}")))
}

impl Components {
    /// Finds all of them, and builds those that are folders: a pool is reserved for what they are. What goes wrong is said
    /// when the service is loaded.
    pub fn find(services: &[ServiceConfig], progress: Progress<'_>) -> Self {
        let mut components = Self::default();
        for service in services {
            let _ = components.file(&service.component, progress);
        }
        components
    }

    /// Whether one of them has so much data that instances should begin as images of it.
    pub fn suit_memory_images(&self) -> bool {
        let files = self.files.values().filter_map(|file| file.as_ref().ok());
        let mut files = files.map(|file| &file.path);
        files.any(|path| guest::memory_images_suit(path))
    }

    /// The component that this path names.
    ///
    /// # Errors
    /// When there is nothing, or it cannot be built.
    pub fn file(
        &mut self,
        path: &Path,
        progress: Progress<'_>,
    ) -> Result<ComponentFile, Arc<LoadFailure>> {
        let find = || ComponentFile::find(path, progress).map_err(Arc::new);
        self.files.entry(key(path)).or_insert_with(find).clone()
    }

    fn code(
        &mut self,
        loader: &Loader,
        path: &Path,
        file: &ComponentFile,
        progress: Progress<'_>,
    ) -> Shared<Arc<GuestCode>> {
        let load = || loader.load_code(file, progress).map_err(Arc::new);
        self.codes.entry(key(path)).or_insert_with(load).clone()
    }

    /// Keeps code that was loaded already.
    pub fn keep(&mut self, path: &Path, file: ComponentFile, code: Arc<GuestCode>) {
        self.files.insert(key(path), Ok(file));
        self.codes.insert(key(path), Ok(code));
    }
}

/// The same file by any of its names.
fn key(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
