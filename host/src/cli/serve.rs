//! `wisted serve`: the services of a configuration, until the host is asked to stop.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use listenfd::ListenFd;

use super::guest_file::say;
use super::run::{exit_code, instances, print};
use super::{ServeArgs, problems, trace_flags};
use wisted::admin::{Server, Settings};
use wisted::clock;
use wisted::config::{Config, ConfigError};
use wisted::driver::{Bound, Hangups};
use wisted::logs;
use wisted::side::Side;
use wisted::supervisor::{self, Keeper, StartError, Started, Step, Watched, pool};

pub(super) fn serve(args: &ServeArgs) -> Result<ExitCode> {
    let begun = clock::now();
    let hangups = Hangups::keep().context("SIGHUP cannot be handled")?;
    let watched = args.watch.then(|| Watched::file(&args.config));
    let config = match Config::read(&args.config) {
        Ok(config) => config,
        Err(ConfigError::Wrong(wrong)) => return Ok(problems::show(&wrong)),
        Err(error) => return Err(error.into()),
    };
    let format = args.log_format.map_or(config.log.format, Into::into);
    let filter = args.log.clone().unwrap_or_else(|| config.log.filter());
    let _log_guard =
        logs::start(format, &filter).map_err(|error| anyhow!("--log {filter:?}: {error}"))?;
    let collector = args.traces.collector()?;
    pool::raise_descriptor_limit();

    let watched = watched.map(|watched| watched.and_components(&config));
    let inherited = inherited_sockets()?;
    let started = match supervisor::start(&config, inherited, &mut show) {
        Ok(started) => started,
        Err(StartError::Wrong(wrong)) => return Ok(problems::show(&wrong)),
        Err(error) => return Err(error.into()),
    };
    let took_ms = clock::now().saturating_duration_since(begun).as_millis();
    let served = what_is_served(&config, &started, took_ms);
    let Started {
        loader,
        mut crew,
        fleet,
    } = started;
    let collector = collector.or_else(|| config.telemetry.collector.clone());
    let ratio = config.telemetry.sample_ratio;
    let traces = trace_flags::start(loader.side(), collector, ratio)?;
    if let Some(traces) = &traces {
        crew.trace(traces);
    }
    let keeper = Keeper::start(fleet, &config, hangups, watched, traces.clone());
    let keeper = keeper.context("the thread that keeps the services cannot be started")?;
    let admin = administer(&config, &keeper, loader.side())?;
    // Whoever reads this may ask for a reload at once.
    print(&served);
    if let Some(admin) = &admin {
        print(&format!("admin on {}\n", admin.endpoint()));
    }
    crew.on_drain(move || keeper.stop());
    // WASI's timers are created on the reactors' threads and run on the side thread.
    let exit = crew.run(|| loader.side().handle().enter());
    let exit = exit.context("a reactor failed")?;
    trace_flags::finish(traces.as_ref(), &exit);
    Ok(exit_code(&exit))
}

/// Starts the admin endpoint, if there is to be one.
fn administer(config: &Config, keeper: &Keeper, side: &Side) -> Result<Option<Server>> {
    let Some(endpoint) = &config.admin else {
        return Ok(None);
    };
    let settings = Settings {
        endpoint: endpoint.clone(),
        host_names: config.admin_names.clone(),
    };
    match Server::start(side.handle(), settings, Arc::new(keeper.clone())) {
        Ok(server) => Ok(Some(server)),
        Err(error) if config.admin_is_given => Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, "going on without an admin endpoint: `listen` in [admin] says where to have it, or that it is off");
            Ok(None)
        }
    }
}

/// Sockets that a service manager has opened for this process (sd_listen_fds(3)): they serve the endpoints with their addresses.
fn inherited_sockets() -> Result<Vec<Bound>> {
    let mut inherited = ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..inherited.len() {
        let socket = inherited.take_tcp_listener(index);
        let socket =
            socket.with_context(|| format!("the inherited socket {index} is no TCP socket"))?;
        if let Some(socket) = socket {
            let socket = Bound::from_std(socket);
            sockets.push(socket.with_context(|| format!("the inherited socket {index}"))?);
        }
    }
    Ok(sockets)
}

/// Compiling takes long enough to be said to whoever waits, and to be found in the log where nobody does.
fn show(step: Step<'_>) {
    match step {
        Step::Compiling(component) if !std::io::stderr().is_terminal() => {
            tracing::info!(
                component,
                "compiling for this machine; the result is cached"
            );
        }
        step => say(step),
    }
}

/// A line for each service, and one for all.
fn what_is_served(config: &Config, started: &Started, took_ms: u128) -> String {
    let mut text = String::new();
    let facts = started.fleet.facts();
    for service in &config.services {
        let Some(facts) = facts.iter().find(|facts| facts.name == service.name) else {
            continue;
        };
        text += &match facts.is_program {
            true => format!("running {}\n", service.name),
            false => format!(
                "serving {} on {} ({})\n",
                service.name,
                facts.endpoints().join(", "),
                instances(service)
            ),
        };
    }
    let count = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        several => format!("{several} {one}s"),
    };
    text += &format!(
        "{} on {}, ready after {took_ms} ms\n",
        count(config.services.len(), "service"),
        count(started.crew.reactors(), "reactor"),
    );
    if std::io::stdout().is_terminal() {
        text += "Ctrl-C stops it\n";
    }
    text
}
