//! `wisted run --watch`: when the guest's source changes it is built again, and new connections get the new build. It polls, on
//! a thread of its own: a project has few files, and what an editor does to them differs from system to system.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use wisted::build::build_guest;
use wisted::driver::Control;
use wisted::guest::{CodeCache, GuestCode, GuestHost};

/// What is watched, and what is needed to load it again.
#[derive(Clone)]
pub(super) struct Watch {
    /// As it was typed: a folder with source, or a component's file.
    pub guest: PathBuf,
    pub host: Arc<GuestHost>,
    pub cache: Option<CodeCache>,
    pub control: Control,
}

impl Watch {
    /// Begins to watch, until the process ends.
    ///
    /// # Errors
    ///
    /// When there are too many files, or no thread.
    pub fn start(self) -> Result<()> {
        let first = Snapshot::of(&self.guest)?;
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
            let Ok(now) = Snapshot::of(&self.guest) else {
                continue;
            };
            if now == built {
                continue;
            }
            // Whoever saves one file often saves another: build when there is quiet.
            thread::sleep(POLL_INTERVAL);
            if Snapshot::of(&self.guest).ok() != Some(now) {
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

    /// Builds and loads it again: new connections get the new build.
    pub fn rebuild(&self) -> Result<()> {
        let component = if self.guest.is_dir() {
            build_guest(&self.guest, &mut |step| eprintln!("{step}"))?
        } else {
            self.guest.clone()
        };
        let code = GuestCode::load(&self.host, &component, self.cache.as_ref(), &mut || {});
        let code = code
            .map_err(|error| anyhow!(error))
            .with_context(|| format!("{} cannot be served", component.display()))?;
        if !code.exports().connection {
            bail!("the new build has no `data-received` to serve connections with");
        }
        // There is one service.
        self.control.reload(0, &code);
        Ok(())
    }
}

/// What the source looked like: a digest of its files' names, lengths and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Snapshot(u64);

impl Snapshot {
    fn of(guest: &Path) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        let mut files = 0;
        let mut paths = vec![guest.to_owned()];
        while let Some(path) = paths.pop() {
            let metadata = fs::metadata(&path).with_context(|| path.display().to_string())?;
            if metadata.is_dir() {
                let entries = fs::read_dir(&path).with_context(|| path.display().to_string())?;
                let entries = entries.filter_map(|entry| Some(entry.ok()?.path()));
                let mut entries: Vec<_> = entries.filter(|path| !is_output(path)).collect();
                entries.sort();
                paths.extend(entries);
                continue;
            }
            files += 1;
            if files > FILES_MAX {
                bail!(
                    "{}: more than {FILES_MAX} files are too many to watch",
                    guest.display()
                );
            }
            path.hash(&mut hasher);
            metadata.len().hash(&mut hasher);
            metadata.modified().ok().hash(&mut hasher);
        }
        Ok(Self(hasher.finish()))
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

const FILES_MAX: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_sources_are_seen_and_outputs_are_not() {
        let folder = std::env::temp_dir().join(format!("wisted-watch-{}", std::process::id()));
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::create_dir_all(folder.join("target")).unwrap();
        let source = folder.join("src/lib.rs");
        fs::write(&source, "one").unwrap();
        let first = Snapshot::of(&folder).unwrap();
        fs::write(folder.join("target/out"), "x").unwrap();
        fs::write(folder.join(".hidden"), "x").unwrap();
        assert_eq!(Snapshot::of(&folder).unwrap(), first);
        fs::write(&source, "longer").unwrap();
        let second = Snapshot::of(&folder).unwrap();
        assert_ne!(second, first);
        fs::write(folder.join("src/new.rs"), "").unwrap();
        assert_ne!(Snapshot::of(&folder).unwrap(), second);
        assert!(Snapshot::of(&folder.join("nowhere")).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
