//! `wisted run --watch`: when the guest's source changes it is built again, and new connections get the new build. It polls, on
//! a thread of its own: a project has few files, and what an editor does to them differs from system to system.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use wisted::build::{Snapshot, build_guest};
use wisted::driver::Reloader;
use wisted::guest::{CodeCache, GuestCode, GuestHost};

/// What is watched, and what is needed to load it again.
pub(super) struct Watch {
    /// As it was typed: a folder with source, or a component's file.
    pub guest: PathBuf,
    pub host: Arc<GuestHost>,
    pub cache: Option<CodeCache>,
    pub reloader: Reloader,
}

impl Watch {
    /// Begins to watch, until the process ends.
    ///
    /// # Errors
    ///
    /// When there are too many files, or no thread.
    pub fn start(self) -> Result<()> {
        let first = Snapshot::of(&self.guest, is_output)?;
        let thread = thread::Builder::new().name("wisted-watch".into());
        thread
            .spawn(move || self.watch(first))
            .context("the thread that watches cannot be started")?;
        Ok(())
    }

    fn watch(&self, mut built: Snapshot) {
        loop {
            thread::sleep(POLL_INTERVAL);
            // A file that is just being replaced may be missing for a moment: so it is looked at again.
            let Ok(now) = Snapshot::of(&self.guest, is_output) else {
                continue;
            };
            if now == built {
                continue;
            }
            // Whoever saves one file often saves another: build when there is quiet.
            thread::sleep(POLL_INTERVAL);
            if Snapshot::of(&self.guest, is_output).ok() != Some(now) {
                continue;
            }
            // What changes while it is being built is another change.
            built = now;
            match self.rebuild() {
                Ok(()) => eprintln!("new connections get the new build"),
                Err(error) => {
                    eprintln!("{}: {error:#}\nthe old build goes on", super::error_label())
                }
            }
        }
    }

    fn rebuild(&self) -> Result<()> {
        let component = if self.guest.is_dir() {
            build_guest(&self.guest, &mut |step| eprintln!("{step}"))?
        } else {
            self.guest.clone()
        };
        let code = GuestCode::load(&self.host, &component, self.cache.as_ref(), &mut || {});
        let code = code.map_err(|error| anyhow!(error))?;
        if !code.exports().connection {
            bail!("the new build has no `data-received` to serve connections with");
        }
        // There is one service.
        self.reloader.reload(0, &code);
        Ok(())
    }
}

/// What builds write, in any language, and what editors hide.
fn is_output(path: &Path) -> bool {
    const OUTPUTS: [&str; 7] = [
        "target",
        "node_modules",
        "__pycache__",
        "build",
        "dist",
        "zig-out",
        "venv",
    ];
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_lock = name.ends_with(".lock") || name.ends_with("-lock.json");
    name.starts_with('.') || name.ends_with('~') || is_lock || OUTPUTS.contains(&&*name)
}

/// How often files are looked at. A change is built after one to two of these.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_watched() {
        let output = |path: &str| is_output(Path::new(path));
        assert!(output("a/target") && output("a/.git") && output("a/x.py~"));
        assert!(output("a/Cargo.lock") && output("a/package-lock.json"));
        assert!(!output("a/src") && !output("target/lib.rs"));
    }
}
