//! `wisted serve`: the services of a configuration, until the host is asked to stop.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};

use super::guest_file::say;
use super::run::{exit_code, instances, places, print};
use super::{ServeArgs, problems};
use wisted::clock;
use wisted::config::{Config, ConfigError};
use wisted::logs;
use wisted::supervisor::{self, StartError, Started, Step, pool};

pub(super) fn serve(args: &ServeArgs) -> Result<ExitCode> {
    let begun = clock::now();
    let config = match Config::read(&args.config) {
        Ok(config) => config,
        Err(ConfigError::Wrong(wrong)) => return Ok(problems::show(&wrong)),
        Err(error) => return Err(error.into()),
    };
    let format = args.log_format.map_or(config.log.format, Into::into);
    let filter = args.log.as_ref().unwrap_or(&config.log.filter);
    let _log_guard =
        logs::start(format, filter).map_err(|error| anyhow!("--log {filter:?}: {error}"))?;
    pool::raise_descriptor_limit();

    let started = match supervisor::start(&config, &mut show) {
        Ok(started) => started,
        Err(StartError::Wrong(wrong)) => return Ok(problems::show(&wrong)),
        Err(error) => return Err(error.into()),
    };
    let took_ms = clock::now().saturating_duration_since(begun).as_millis();
    say_what_is_served(&config, &started, took_ms);
    let Started { loader, crew, .. } = started;
    // WASI's timers are created on the reactors' threads and run on the side thread.
    let exit = crew.run(|| loader.side().handle().enter());
    let exit = exit.context("a reactor failed")?;
    Ok(exit_code(&exit))
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
fn say_what_is_served(config: &Config, started: &Started, took_ms: u128) {
    let mut text = String::new();
    for (service, started) in config.services.iter().zip(&started.services) {
        text += &match started.is_program {
            true => format!("running {}\n", service.name),
            false => format!(
                "serving {} on {} ({})\n",
                service.name,
                places(&started.addresses),
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
    print(&text);
}
