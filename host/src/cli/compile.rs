//! `wisted compile`: a guest's machine code goes into the cache ahead of time, so that serving it starts at once.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use super::CompileArgs;
use super::check::host_of_one;
use super::guest_file::{self, say, say_compiling};
use wisted::guest::GuestCode;
use wisted::supervisor::ComponentFile;

pub(super) fn compile(args: &CompileArgs) -> Result<ExitCode> {
    let file = ComponentFile::find(&args.guest.path, &mut say)?;
    let Some(cache) = guest_file::cache(&args.guest) else {
        bail!(
            "there is no cache to compile into: XDG_CACHE_HOME or HOME must be set, and --no-cache must not be given"
        );
    };
    let host = host_of_one(&file)?;
    let mut compiled = false;
    GuestCode::load(&host, &file.path, Some(&cache), &mut || {
        compiled = true;
        say_compiling(&file.name);
    })
    .with_context(|| format!("{} cannot be served", file.path.display()))?;
    let text = match compiled {
        true => format!("compiled {}\n", file.path.display()),
        false => format!("{} was compiled already\n", file.path.display()),
    };
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}
