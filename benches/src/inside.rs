//! The host inside this process: its driver on a thread, for what cannot be seen from outside. It must not know what is
//! looked for.

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use wisted::driver::Crew;
use wisted::guest::{CodeCache, GuestCode, GuestHost, Origin, PoolSize, memory_images_suit};
use wisted::limits::Limits;
use wisted::reactor::Bound;
use wisted::service::{Choice, Isolation, Recycle, Service};
use wisted::side::Side;
use wisted::web::{Grants, WebClient, WebLimits};

/// What is served, and how much room its instances have.
pub struct Plan<'a> {
    /// The component.
    pub guest: &'a Path,
    /// Where its compiled code is kept.
    pub cache: &'a Path,
    /// See [`Isolation`].
    pub isolation: Isolation,
    /// Instances at once. Each reserves address space.
    pub instances_max: u32,
}

/// Serves until this process ends. `on_reactor_thread` runs there first. Returns where it listens.
pub fn serve(plan: &Plan, on_reactor_thread: fn()) -> Result<SocketAddr> {
    let limits = Limits::default();
    let pool = PoolSize {
        instances_max: plan.instances_max,
        stacks_max: plan.instances_max,
        memory_max_bytes: limits.memory_max_bytes,
        table_max_elements: limits.table_max_elements,
        memory_images: memory_images_suit(plan.guest),
    };
    let host = GuestHost::new(&pool, 1)
        .map_err(|error| anyhow!("the guests' memory cannot be reserved: {error:#}"))?;
    let cache = CodeCache::in_folder(plan.cache.to_owned());
    let code = GuestCode::load(&host, plan.guest, Some(&cache), &mut || {})
        .with_context(|| format!("{} cannot be served", plan.guest.display()))?;
    let side = Side::start().context("the side thread cannot be started")?;
    let no_grants = Grants::parse(&[]).context("no grants are wrong grants")?;
    let service = Service {
        origin: Arc::new(Origin::new("inside".into(), "inside".into(), Vec::new())),
        endpoints: vec![
            "tcp:127.0.0.1:0"
                .parse()
                .map_err(|error| anyhow!("{error}"))?,
        ],
        isolation: plan.isolation,
        instances: NonZero::<u16>::MIN,
        choice: Choice::default(),
        recycle: Recycle::default(),
        limits: Arc::new(limits),
        is_sole: true,
        code,
        web: WebClient::new(&side, no_grants, WebLimits::default(), &[])?,
    };
    let (tell, told) = mpsc::channel();
    thread::Builder::new()
        .name("reactor".into())
        .spawn(move || {
            on_reactor_thread();
            let listening = Crew::new(&host, Duration::ZERO, 1)
                .context("the reactor cannot be started")
                .and_then(|crew| {
                    let bound = Bound::to(&service.endpoints[0]).context("nothing listens")?;
                    let address = bound.address();
                    let mut roster = crew.roster();
                    let placed = roster.add(service, false)?;
                    roster.listen(bound, &placed);
                    Ok((crew, address))
                });
            match listening {
                Ok((crew, address)) => {
                    let _ = tell.send(Ok(address));
                    if let Err(error) = crew.run(|| side.handle().enter()) {
                        eprintln!("error: the reactor failed: {error}");
                        std::process::exit(1);
                    }
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        })
        .context("cannot start a thread")?;
    told.recv().context("the reactor's thread ended")?
}
