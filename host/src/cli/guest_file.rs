//! What `GUEST` names: a component, its text, or a folder whose source is built first.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::GuestArg;
use wisted::build;
use wisted::guest::CodeCache;

/// A component's file, and what to call it.
#[derive(Debug)]
pub(super) struct GuestFile {
    pub path: PathBuf,
    pub name: String,
}

impl GuestFile {
    /// Finds it, building it if need be, with progress on standard error.
    pub fn find(arg: &GuestArg) -> Result<Self> {
        let path = &arg.path;
        let metadata = std::fs::metadata(path)
            .with_context(|| format!("the guest {} cannot be opened", path.display()))?;
        let name = name_of(path);
        if metadata.is_dir() {
            let built = build::build_guest(path, &mut |step| eprintln!("{step}"))
                .with_context(|| format!("{} cannot be built", path.display()))?;
            return Ok(Self { path: built, name });
        }
        if !metadata.is_file() {
            bail!("{} is neither a file nor a folder", path.display());
        }
        Ok(Self {
            path: path.clone(),
            name,
        })
    }

    /// Says that the component is being compiled, where somebody may be waiting.
    pub fn say_compiling(&self) {
        if std::io::stderr().is_terminal() {
            eprintln!(
                "compiling {} for this machine (the result is cached)",
                self.name
            );
        }
    }
}

/// The folder's or the file's name, without its ending.
fn name_of(path: &Path) -> String {
    let full = path.canonicalize();
    let full = full.as_deref().unwrap_or(path);
    let name = if full.is_dir() {
        full.file_name()
    } else {
        full.file_stem()
    };
    name.map_or_else(
        || "guest".into(),
        |name| name.to_string_lossy().into_owned(),
    )
}

pub(super) fn cache(arg: &GuestArg) -> Option<CodeCache> {
    if arg.no_cache {
        return None;
    }
    CodeCache::of_user()
}
