//! How much is reserved for how many guests, and what the operating system must allow for it.

use crate::config::{Cache, HostConfig, ServiceConfig};
use crate::guest::{CodeCache, PoolSize, REAPED_MAX};
use crate::limits::Limits;
use crate::service::Isolation;
use crate::web::WebLimits;

/// Instances beyond those that the limits name: programs, and those that succeed one another where they are shared.
const SPARE: u32 = 16;

/// Stacks for guests that are not known to wait: for those that compute for long.
const STACKS_AT_FIRST: u32 = 1_024;

/// The pool for these services, and for what may come in their place. It has stacks for few guests that wait.
pub fn pool_size(host: &HostConfig, services: &[ServiceConfig]) -> PoolSize {
    let largest = services
        .iter()
        .map(|service| service.limits.connections_max);
    let connections = host.connections_max.or(largest.max()).unwrap_or(0);
    // The others; each may be succeeded by as many as the first.
    let shared = services
        .iter()
        .filter(|service| service.isolation == Isolation::Service)
        .map(|service| u32::from(service.instances.get()) * SPARE);
    let shared: u32 = shared.fold(0, u32::saturating_add);
    let instances_max = connections.saturating_add(shared.max(SPARE) + REAPED_MAX);
    let most = |of: fn(&Limits) -> usize| {
        let most = services.iter().map(|service| of(&service.limits)).max();
        most.unwrap_or_else(|| of(&Limits::default()))
    };
    PoolSize {
        instances_max,
        stacks_max: instances_max.min(STACKS_AT_FIRST),
        memory_max_bytes: host
            .instance_memory_max_bytes
            .unwrap_or_else(|| most(|limits| limits.memory_max_bytes)),
        table_max_elements: most(|limits| limits.table_max_elements),
        memory_images: false,
    }
}

/// The cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Each connection is a descriptor, and the soft limit is often 1,024 where the hard one is far higher.
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit on descriptors could not be raised");
    }
}

/// The part of a service's limits that its web client keeps.
pub fn web_limits(limits: &Limits) -> WebLimits {
    let timeout_ms = limits.fetch_timeout_max.as_millis();
    WebLimits {
        page_max_bytes: limits.page_max_bytes,
        fetch_timeout_max_ms: u32::try_from(timeout_ms).unwrap_or(u32::MAX),
        fetches_max: limits.fetches_max,
        fetches_queued_max: limits.fetches_queued_max,
        redirects_max: limits.redirects_max,
        ..WebLimits::default()
    }
}

impl Cache {
    /// The cache that this means: none when it is off, or the user has no folder for it.
    pub fn open(&self) -> Option<CodeCache> {
        match self {
            Self::OfUser => CodeCache::of_user(),
            Self::Folder(folder) => Some(CodeCache::in_folder(folder.clone())),
            Self::Off => None,
        }
    }
}
