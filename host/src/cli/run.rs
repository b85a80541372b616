//! `wisted run`: one guest becomes a service, and the driver runs until it is asked to stop.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};

use super::admin_flags::OneService;
use super::guest_file::{self, GuestFile};
use super::watch::Watch;
use super::{RunArgs, error_label};
use wisted::admin::{ServiceFacts, model::isolation_name};
use wisted::driver::{Crew, Exit};
use wisted::endpoint::Endpoint;
use wisted::guest::{self, CodeCache, GuestCode, GuestHost, LogBudget, Origin, PoolSize};
use wisted::limits::Limits;
use wisted::logs;
use wisted::service::{Isolation, Recycle, Service};
use wisted::side::Side;
use wisted::web::{Grants, WebClient, WebLimits};

const DEFAULT_ENDPOINT: &str = "tcp:127.0.0.1:8000";

/// Instances and stacks beyond those that the limits name: programs, shared instances.
const SPARE: u32 = 16;

pub(super) fn run(args: RunArgs) -> Result<ExitCode> {
    let limits = args.limits.limits().map_err(|error| anyhow!(error))?;
    let grants = Grants::parse(&args.allow_fetch).context("--allow-fetch")?;
    let admin = args.admin.settings()?;
    let file = GuestFile::find(&args.guest)?;
    let _log_guard = logs::start(args.logs.log_format.into(), &args.logs.log)
        .map_err(|error| anyhow!("--log {:?}: {error}", args.logs.log))?;
    raise_descriptor_limit();

    let isolation = args.isolation.into();
    let recycle = args.recycling.recycle();
    if isolation == Isolation::Connection && recycle != Recycle::default() {
        bail!(
            "recycling makes sense only with --isolation service: otherwise an instance ends with its connection anyway"
        );
    }
    let instances = args.instances.unwrap_or(NonZero::<u16>::MIN);
    if isolation == Isolation::Connection && args.instances.is_some() {
        bail!(
            "--instances makes sense only with --isolation service: otherwise each connection has its own anyway"
        );
    }
    let reactors = args.reactors.map_or_else(cores, usize::from);
    let cache = guest_file::cache(&args.guest);
    let mut pool = pool_size(isolation, instances, &limits);
    pool.memory_images = guest::memory_images_suit(&file.path);
    if args.watch || admin.is_some() || pool.memory_images {
        // Nobody knows whether the next build's guest will wait. A large one is a language's runtime, which may, and loading
        // it once more to find out would take longer than the stacks.
        pool.stacks_max = pool.instances_max;
    }
    let (host, code) = load(&file, cache.as_ref(), &pool, reactors)?;
    if args.watch && !code.exports().connection {
        bail!(
            "{} is a program, which runs once: --watch makes no sense",
            file.name
        );
    }
    let endpoints = endpoints(args.endpoints, &code, &file)?;

    let side = Side::start().context("the side thread cannot be started")?;
    let web = WebClient::new(&side, grants, web_limits(&limits), &args.ca_files)?;
    let service = Service {
        origin: Arc::new(Origin {
            service: file.name.clone(),
            guest: file.name.clone(),
            config: sorted_config(args.config)?,
            log_budget: LogBudget::default(),
        }),
        endpoints,
        isolation,
        instances,
        choice: args.instances_by.into(),
        recycle,
        limits: Arc::new(limits),
        code,
        web,
    };
    let serves = service.serves_connections();
    let mut crew = Crew::new(&host, vec![service], args.drain_max, reactors)
        .context("the reactors cannot be started")?;
    let addresses = crew.listen()?;
    let source = Watch {
        guest: args.guest.path,
        host,
        cache,
        control: crew.control(),
    };
    if args.watch {
        source.clone().start().context("--watch")?;
    }
    say_what_is_served(
        &file.name,
        serves,
        (isolation, instances),
        crew.reactors(),
        &addresses,
    );
    let facts = ServiceFacts {
        name: file.name.clone(),
        endpoints: addresses
            .iter()
            .map(|(_, address)| format!("tcp:{address}"))
            .collect(),
        component: file.path.display().to_string(),
        isolation: isolation_name(isolation),
    };
    let one_service = OneService {
        facts,
        control: crew.control(),
        source: serves.then_some(source),
        is_stopping: false.into(),
    };
    let _admin = admin
        .map(|settings| one_service.administer(&side, settings))
        .transpose()?;
    // WASI's timers are created on the reactors' threads and run on the side thread.
    let exit = crew.run(|| side.handle().enter());
    let exit = exit.context("a reactor failed")?;
    Ok(exit_code(&exit))
}

/// Loads the guest, with a pool that suits it.
fn load(
    file: &GuestFile,
    cache: Option<&CodeCache>,
    pool: &PoolSize,
    reactors: usize,
) -> Result<(Arc<GuestHost>, Arc<GuestCode>)> {
    let load = |pool: &PoolSize| {
        let host = GuestHost::new(pool, reactors)
            .map_err(|error| anyhow!("the guests' memory cannot be reserved: {error:#}"))?;
        let say = &mut || file.say_compiling();
        let code = GuestCode::load(&host, &file.path, cache, say)
            .with_context(|| format!("{} cannot be served", file.path.display()))?;
        anyhow::Ok((host, code))
    };
    let (host, code) = load(pool)?;
    if !code.may_wait() || pool.stacks_max >= pool.instances_max {
        return Ok((host, code));
    }
    // Each of its instances needs a stack: that is known only now, and most guests start faster without so many.
    drop((host, code));
    load(&PoolSize {
        stacks_max: pool.instances_max,
        ..*pool
    })
}

/// The cores that this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn exit_code(exit: &Exit) -> ExitCode {
    match exit {
        Exit::Drained | Exit::Finished => ExitCode::SUCCESS,
        Exit::Aborted(signal) => ExitCode::from(signal.exit_code()),
        Exit::Failed { guest, error } => {
            eprintln!("{}: {guest}: {error}", error_label());
            ExitCode::FAILURE
        }
    }
}

fn endpoints(given: Vec<Endpoint>, code: &GuestCode, file: &GuestFile) -> Result<Vec<Endpoint>> {
    match (code.exports().connection, given.is_empty()) {
        (false, false) => bail!(
            "{} is a program: it has no `data-received` to serve connections with, so --listen makes no sense",
            file.name
        ),
        (true, true) => Ok(vec![DEFAULT_ENDPOINT.parse()?]),
        _ => Ok(given),
    }
}

fn sorted_config(mut config: Vec<(String, String)>) -> Result<Vec<(String, String)>> {
    config.sort();
    if let Some(pair) = config.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        bail!("--config {} is given twice", pair[0].0);
    }
    Ok(config)
}

/// Stacks for guests that are not known to wait: for those that compute for long.
const STACKS_AT_FIRST: u32 = 1_024;

fn pool_size(isolation: Isolation, instances: NonZero<u16>, limits: &Limits) -> PoolSize {
    let instances = match isolation {
        Isolation::Connection => limits.connections_max,
        // The others; each may be succeeded by as many as the first.
        Isolation::Service => (u32::from(instances.get()) - 1) * SPARE,
    };
    let instances_max = instances + SPARE;
    PoolSize {
        instances_max,
        stacks_max: instances_max.min(STACKS_AT_FIRST),
        memory_max_bytes: limits.memory_max_bytes,
        table_max_elements: limits.table_max_elements,
        memory_images: false,
    }
}

fn web_limits(limits: &Limits) -> WebLimits {
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

/// Each connection is a descriptor, and the soft limit is often 1,024 where the hard one is far higher.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit on descriptors could not be raised");
    }
}

fn say_what_is_served(
    name: &str,
    serves: bool,
    (isolation, instances): (Isolation, NonZero<u16>),
    reactors: usize,
    addresses: &[(usize, SocketAddr)],
) {
    let mut text = String::new();
    if serves {
        let places: Vec<_> = addresses
            .iter()
            .map(|(_, address)| format!("tcp:{address}"))
            .collect();
        let instances = match isolation {
            Isolation::Connection => "an instance for each connection".into(),
            Isolation::Service if instances.get() == 1 => "one instance for all connections".into(),
            Isolation::Service => format!("{instances} instances share the connections"),
        };
        let reactors = match reactors {
            1 => String::new(),
            several => format!(", {several} reactors"),
        };
        text += &format!(
            "serving {name} on {} ({instances}{reactors})\n",
            places.join(", ")
        );
        if std::io::stdout().is_terminal() {
            text += "Ctrl-C stops it\n";
        }
    } else if std::io::stdout().is_terminal() {
        text += &format!("running {name}\n");
    }
    // Whoever started us may have closed standard output; serving is what counts.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
