//! What a configuration asks for becomes services that run. It must not know how they are shown to people, nor what the
//! command line is.
//!
//! - `component`: a path becomes a component's file: what is a folder is built;
//! - [`pool`]: how much is reserved for how many guests;
//! - [`loading`]: components become code, and that with its limits and grants a [`Service`](crate::service::Service);
//! - `fleet`: the services that run, and how they become what a configuration says;
//! - `keeper`: the thread that does that, when ordered or when files change;
//! - `snapshot`: what files looked like;
//! - `notify`: what a service manager is told.
//!
//! A [`Loader`] is used from any thread, also while the drivers run.

mod component;
mod fleet;
mod keeper;
pub mod loading;
mod notify;
pub mod pool;
mod snapshot;

use std::io;
use std::sync::Arc;

pub use component::ComponentFile;
pub use fleet::Fleet;
pub use keeper::{Keeper, Watched};
pub use loading::{Components, LoadFailure, Loader};
pub use snapshot::{LOOK_INTERVAL, snapshot};

use crate::config::{Config, Problem, Problems};
use crate::driver::{Bound, Crew};

/// What takes long enough to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A folder is built: what its tools say.
    Building(&'a str),
    /// The component of this name is compiled for this machine.
    Compiling(&'a str),
}

/// Is told each step.
pub type Progress<'a> = &'a mut dyn FnMut(Step<'_>);

/// Services that listen.
#[derive(Debug)]
pub struct Started {
    /// Loads further services, or others, for these drivers.
    pub loader: Arc<Loader>,
    /// Serves when it is run, in the context of [`Loader::side`].
    pub crew: Crew,
    /// The services, to be kept as a configuration says.
    pub fleet: Fleet,
}

/// Why nothing runs.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong in ways that show when its components are loaded.
    #[error(transparent)]
    Wrong(#[from] Problems),
    /// There is no room for guests.
    #[error(transparent)]
    Loader(#[from] LoadFailure),
    /// The operating system gives no descriptors, or refuses the signal handlers.
    #[error("the reactors cannot be started: {0}")]
    Reactors(io::Error),
}

/// Loads everything and listens; `inherited` are sockets that somebody else has opened for it. Folders are built and components compiled if need be, which takes as long as it takes.
///
/// # Errors
/// All that is wrong with the components, or what the operating system refuses.
pub fn start(
    config: &Config,
    inherited: Vec<Bound>,
    progress: Progress<'_>,
) -> Result<Started, StartError> {
    let mut components = Components::find(&config.services, progress);
    let mut pool = pool::pool_size(&config.host, &config.services);
    pool.memory_images = components.suit_memory_images();
    // Nobody knows whether guests that come later will wait.
    pool.stacks_max = pool.instances_max;
    let reactors = config.host.reactors.unwrap_or_else(pool::cores);
    let loader = Loader::new(&pool, reactors, config.host.cache.open())?;
    let loader = Arc::new(loader);
    let crew = Crew::new(loader.host(), config.host.drain_max, reactors);
    let crew = crew.map_err(StartError::Reactors)?;
    let mut fleet = Fleet::new(Arc::clone(&loader), crew.roster());
    fleet
        .begin(config, &mut components, inherited, progress)
        .map_err(|problems| config.problems(problems))?;
    Ok(Started {
        loader,
        crew,
        fleet,
    })
}

/// Loads everything and serves nothing: what is wrong that the file alone does not show.
///
/// # Errors
/// When there is no room for guests at all.
pub fn check(config: &Config, progress: Progress<'_>) -> Result<Vec<Problem>, LoadFailure> {
    let mut components = Components::find(&config.services, progress);
    let mut pool = pool::pool_size(&config.host, &config.services);
    pool.memory_images = components.suit_memory_images();
    pool.instances_max = 1;
    pool.stacks_max = 1;
    let loader = Loader::new(&pool, 1, config.host.cache.open())?;
    let mut problems = Vec::new();
    for service in &config.services {
        if let Err(failure) = loader.load_service(service, &mut components, progress) {
            let is_said = matches!(*failure, LoadFailure::ListensNowhere)
                && config.listen_is_wrong(&service.name);
            if !is_said {
                problems.push(problem(config, &service.name, &failure));
            }
        }
    }
    Ok(problems)
}

/// A service that cannot be loaded, as a problem with the place in the configuration.
pub fn problem(config: &Config, service: &str, failure: &LoadFailure) -> Problem {
    let text = failure.to_string();
    // What the command line calls differently is rare enough to be put right here.
    let text = text.replace("--memory-max", "`memory_max` in its limits");
    let (message, hint) = text
        .split_once("\n  fix: ")
        .unwrap_or((&text, failure.hint()));
    config.problem(service, failure.part(), message, hint)
}
