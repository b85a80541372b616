//! `wisted run`: one guest becomes a service, and the driver runs until it is asked to stop.

use std::io::{IsTerminal, Write};
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, anyhow, bail};

use super::admin_flags::OneService;
use super::guest_file::{cache_of, say};
use super::watch::Watch;
use super::{RunArgs, error_label, trace_flags};
use wisted::admin::ServiceFacts;
use wisted::config::{GuestValue, HostConfig, ServiceConfig};
use wisted::driver::{Crew, Exit};
use wisted::endpoint::Endpoint;
use wisted::guest;
use wisted::limits::{DRAIN_MAX, Limits};
use wisted::logs;
use wisted::reactor::Bound;
use wisted::service::{Isolation, Recycle, Service};
use wisted::supervisor::{ComponentFile, Components, Loader, pool};
use wisted::web::Grants;

const DEFAULT_ENDPOINT: &str = "tcp:127.0.0.1:8000";

pub(super) fn run(args: RunArgs) -> Result<ExitCode> {
    let limits = args.limits.limits().map_err(|error| anyhow!(error))?;
    let grants = Grants::parse(&args.allow_fetch).context("--allow-fetch")?;
    let admin = args.admin.settings()?;
    let collector = args.traces.collector()?;
    let file = ComponentFile::find(&args.guest.path, &mut say)?;
    let _log_guard = logs::start(args.logs.log_format.into(), &args.logs.log)
        .map_err(|error| anyhow!("--log {:?}: {error}", args.logs.log))?;
    pool::raise_descriptor_limit();

    let mut service = service(&args, &file, limits, grants)?;
    let host = host(&args, &service);
    let drain_max = host.drain_max;
    let reactors = host.reactors.unwrap_or_else(pool::cores);
    let mut size = pool::pool_size(&host, std::slice::from_ref(&service));
    size.memory_images = guest::memory_images_suit(&file.path);
    if args.watch || admin.is_some() || size.memory_images {
        // Nobody knows whether the next build's guest will wait. A large one is a language's runtime, which may, and loading
        // it once more to find out would take longer than the stacks.
        size.stacks_max = size.instances_max;
    }
    let mut loader = Loader::new(&size, reactors, host.cache.open())?;
    let mut code = loader.load_code(&file, &mut say)?;
    if code.may_wait() && size.stacks_max < size.instances_max {
        // Each of its instances needs a stack: that is known only now, and most guests start faster without so many.
        drop(code);
        loader = loader.with_all_stacks()?;
        code = loader.load_code(&file, &mut say)?;
    }
    let serves = code.exports().connection;
    if args.watch && !serves {
        bail!(
            "{} is a program, which runs once: --watch makes no sense",
            file.name
        );
    }
    if !serves && !service.listen.is_empty() {
        bail!(
            "{} is a program: it has no `data-received` to serve connections with, so --listen makes no sense",
            file.name
        );
    }
    if serves && service.listen.is_empty() {
        service.listen.push(DEFAULT_ENDPOINT.parse()?);
    }
    let mut components = Components::default();
    components.keep(&service.component, file.clone(), code);
    let loaded = loader.load_service(&service, &mut components, &mut say);
    let loaded = loaded.map_err(|failure| anyhow!("{failure}"))?;
    let loaded = Service {
        is_sole: true,
        ..loaded
    };
    let bound = bind(&service.listen)?;
    let addresses: Vec<_> = bound.iter().map(Bound::address).collect();
    let reactors = Crew::useful_reactors(&loaded, reactors);
    let crew = Crew::new(loader.host(), drain_max, reactors);
    let mut crew = crew.context("the reactors cannot be started")?;
    let traces = trace_flags::start(loader.side(), collector, 1.0)?;
    if let Some(traces) = &traces {
        crew.trace(traces);
    }
    let mut roster = crew.roster();
    let placed = roster.add(loaded, false)?;
    let listen = |bound| roster.listen(bound, &placed);
    let listeners = bound.into_iter().map(listen).collect();
    let control = roster.control().clone();
    let source = Arc::new(Mutex::new(Watch {
        guest: args.guest.path,
        host: loader.host().clone(),
        cache: loader.cache().cloned(),
        roster,
        placed,
        listeners,
    }));
    if args.watch {
        Watch::start(&source).context("--watch")?;
    }
    let facts = ServiceFacts {
        name: file.name.clone(),
        addresses,
        component: file.path.display().to_string(),
        isolation: service.isolation,
        is_program: !serves,
    };
    if serves {
        say_what_is_served(&facts, &service, reactors);
    } else if std::io::stdout().is_terminal() {
        print(&format!("running {}\n", file.name));
    }
    let one_service = OneService {
        facts,
        control,
        source: serves.then_some(source),
        is_stopping: false.into(),
        traces: traces.clone(),
    };
    let _admin = admin
        .map(|settings| one_service.administer(loader.side(), settings))
        .transpose()?;
    // WASI's timers are created on the reactors' threads and run on the side thread.
    let exit = crew.run(|| loader.side().handle().enter());
    let exit = exit.context("a reactor failed")?;
    trace_flags::finish(traces.as_ref(), &exit);
    Ok(exit_code(&exit))
}

/// Listens on all endpoints, before anything else is done: what is taken is known at once.
fn bind(endpoints: &[Endpoint]) -> Result<Vec<Bound>> {
    let bind = |endpoint: &Endpoint| {
        Bound::to(endpoint).with_context(|| format!("cannot listen on {endpoint}"))
    };
    endpoints.iter().map(bind).collect()
}

/// The service that the flags make.
fn service(
    args: &RunArgs,
    file: &ComponentFile,
    limits: Limits,
    grants: Grants,
) -> Result<ServiceConfig> {
    let isolation = args.isolation.into();
    let recycle = args.recycling.recycle();
    if isolation == Isolation::Connection && recycle != Recycle::default() {
        bail!(
            "recycling makes sense only with --isolation service: otherwise an instance ends with its connection anyway"
        );
    }
    if isolation == Isolation::Connection && args.instances.is_some() {
        bail!(
            "--instances makes sense only with --isolation service: otherwise each connection has its own anyway"
        );
    }
    Ok(ServiceConfig {
        name: file.name.clone(),
        component: args.guest.path.clone(),
        listen: args.endpoints.clone(),
        isolation,
        instances: args.instances.unwrap_or(NonZero::<u16>::MIN),
        choice: args.instances_by.into(),
        recycle,
        config: sorted_config(args.config.clone())?,
        grants,
        ca_files: args.ca_files.clone(),
        limits,
    })
}

/// The process that the flags make.
fn host(args: &RunArgs, service: &ServiceConfig) -> HostConfig {
    HostConfig {
        reactors: args.reactors.map(usize::from),
        connections_max: (service.isolation == Isolation::Service).then_some(0),
        drain_max: args.drain_max.unwrap_or(DRAIN_MAX),
        cache: cache_of(&args.guest),
        ..HostConfig::default()
    }
}

pub(super) fn exit_code(exit: &Exit) -> ExitCode {
    match exit {
        Exit::Drained | Exit::Finished => ExitCode::SUCCESS,
        Exit::Aborted(signal) => ExitCode::from(signal.exit_code()),
        Exit::Failed { guest, error } => {
            eprintln!("{}: {guest}: {error}", error_label());
            ExitCode::FAILURE
        }
    }
}

fn sorted_config(mut config: Vec<(String, String)>) -> Result<Vec<(String, GuestValue)>> {
    config.sort();
    if let Some(pair) = config.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        bail!("--config {} is given twice", pair[0].0);
    }
    let plain = |(key, value)| (key, GuestValue::Plain(value));
    Ok(config.into_iter().map(plain).collect())
}

/// A line that says what is served where and how.
pub(super) fn say_what_is_served(facts: &ServiceFacts, service: &ServiceConfig, reactors: usize) {
    let reactors = match reactors {
        1 => String::new(),
        several => format!(", {several} reactors"),
    };
    let mut text = format!(
        "serving {} on {} ({}{reactors})\n",
        facts.name,
        facts.endpoints().join(", "),
        instances(service)
    );
    if std::io::stdout().is_terminal() {
        text += "Ctrl-C stops it\n";
    }
    print(&text);
}

/// How connections share instances.
pub(super) fn instances(service: &ServiceConfig) -> String {
    match service.isolation {
        Isolation::Connection => "an instance for each connection".into(),
        Isolation::Service if service.instances.get() == 1 => {
            "one instance for all connections".into()
        }
        Isolation::Service => format!("{} instances share the connections", service.instances),
    }
}

/// Whoever started us may have closed standard output; serving is what counts.
pub(super) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
