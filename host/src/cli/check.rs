//! `wisted check`: what a guest exports and imports, and whether and how it can be served; or all that is wrong with a
//! configuration.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};

use super::guest_file::{self, say, say_compiling};
use super::{CheckArgs, GuestArg};
use wisted::config::{Cache, Config, ConfigError, Draft, reference};
use wisted::guest::{self, GuestCode, GuestHost, PoolSize};
use wisted::limits::Limits;
use wisted::supervisor::{self, ComponentFile};

pub(super) fn check(args: &CheckArgs) -> Result<ExitCode> {
    let Some(path) = args.path.clone().filter(|_| !args.schema) else {
        super::run::print(&reference::schema());
        return Ok(ExitCode::SUCCESS);
    };
    let guest = GuestArg {
        path,
        no_cache: args.no_cache,
    };
    let is_config = guest
        .path
        .extension()
        .is_some_and(|ending| ending == "toml");
    match is_config && !guest.path.is_dir() {
        true => check_config(&guest),
        false => check_guest(&guest),
    }
}

/// Everything but listening: it is built, loaded, and all that is wrong is said at once.
fn check_config(arg: &GuestArg) -> Result<ExitCode> {
    let Draft {
        mut config,
        mut problems,
    } = match Config::draft(&arg.path) {
        Ok(draft) => draft,
        Err(ConfigError::Wrong(wrong)) => return Ok(super::problems::show(&wrong)),
        Err(error) => return Err(error.into()),
    };
    if arg.no_cache {
        config.host.cache = Cache::Off;
    }
    if !config.services.is_empty() {
        problems.extend(supervisor::check(&config, &mut say)?);
    }
    let problems = config.problems(problems);
    if !problems.is_empty() {
        return Ok(super::problems::show(&problems));
    }
    let count = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        several => format!("{several} {one}s"),
    };
    let endpoints = config.services.iter().map(|service| service.listen.len());
    super::run::print(&format!(
        "{}, {}: no problems\n",
        count(config.services.len(), "service"),
        count(endpoints.sum(), "endpoint"),
    ));
    Ok(ExitCode::SUCCESS)
}

fn check_guest(arg: &GuestArg) -> Result<ExitCode> {
    let file = ComponentFile::find(&arg.path, &mut say)?;
    let host = host_of_one(&file)?;
    let cache = guest_file::cache(arg);
    let say = &mut || say_compiling(&file.name);
    let surface = guest::inspect(&host, &file.path, cache.as_ref(), say)
        .with_context(|| file.path.display().to_string())?;
    let mut text = format!("{}\n", file.path.display());
    list(&mut text, "exports", &surface.exports);
    list(&mut text, "imports", &surface.imports);
    let loaded = GuestCode::load(&host, &file.path, cache.as_ref(), say);
    if let Ok(code) = &loaded {
        text += &verdict(code, &arg.path.display().to_string());
    }
    // A reader that has seen enough, such as `head`, is no error.
    let _ = std::io::stdout().write_all(text.as_bytes());
    match loaded {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(anyhow!(error).context(format!("{} cannot be served", file.name))),
    }
}

/// Where a guest can be loaded, to look at it.
pub(super) fn host_of_one(file: &ComponentFile) -> Result<Arc<GuestHost>> {
    let limits = Limits::default();
    let pool = PoolSize {
        instances_max: 1,
        stacks_max: 1,
        memory_max_bytes: limits.memory_max_bytes,
        table_max_elements: limits.table_max_elements,
        memory_images: guest::memory_images_suit(&file.path),
    };
    GuestHost::new(&pool, 1).map_err(|error| anyhow!("{error:#}"))
}

fn list(text: &mut String, title: &str, names: &[String]) {
    *text += &format!("  {title}:\n");
    for name in names {
        *text += &format!("    {name}\n");
    }
    if names.is_empty() {
        *text += "    nothing\n";
    }
}

fn verdict(code: &GuestCode, guest: &str) -> String {
    let exports = code.exports();
    if !exports.connection {
        return format!("  it is a program: wisted run {guest}\n");
    }
    let mut text = format!("  it serves connections: wisted run {guest}\n");
    text += match code.may_wait() {
        true => "  it may wait or sleep: its handlers are called on fibers\n",
        false => "  it never waits: its handlers are called plainly, which costs less\n",
    };
    for (present, remark) in [
        (
            exports.half_close,
            "no half-close-handler: when a peer closes its side, the connection is closed",
        ),
        (
            exports.flow,
            "no flow-handler: it is not told when a slow peer has caught up",
        ),
        (
            exports.timer,
            "no timer-handler: it can wait for timers but is not called back",
        ),
        (
            exports.page,
            "no page-handler: it can wait for pages but is not called back",
        ),
    ] {
        if !present {
            text += &format!("  note: {remark}\n");
        }
    }
    text
}
