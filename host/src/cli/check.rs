//! `wisted check`: what a guest exports and imports, and whether and how it can be served.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};

use super::CheckArgs;
use super::guest_file::{self, GuestFile};
use wisted::guest::{self, GuestCode, GuestHost, PoolSize};
use wisted::limits::Limits;

pub(super) fn check(args: &CheckArgs) -> Result<ExitCode> {
    let file = GuestFile::find(&args.guest)?;
    let host = host_of_one(&file)?;
    let cache = guest_file::cache(&args.guest);
    let say = &mut || file.say_compiling();
    let surface = guest::inspect(&host, &file.path, cache.as_ref(), say)
        .with_context(|| file.path.display().to_string())?;
    let mut text = format!("{}\n", file.path.display());
    list(&mut text, "exports", &surface.exports);
    list(&mut text, "imports", &surface.imports);
    let loaded = GuestCode::load(&host, &file.path, cache.as_ref(), say);
    if let Ok(code) = &loaded {
        text += &verdict(code, &args.guest.path.display().to_string());
    }
    // A reader that has seen enough, such as `head`, is no error.
    let _ = std::io::stdout().write_all(text.as_bytes());
    match loaded {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(anyhow!(error).context(format!("{} cannot be served", file.name))),
    }
}

/// Where a guest can be loaded, to look at it.
pub(super) fn host_of_one(file: &GuestFile) -> Result<Arc<GuestHost>> {
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
