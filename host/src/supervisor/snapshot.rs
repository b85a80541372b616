//! What files looked like, to see that they have changed. It polls rather than be told: there are few files, and what an editor does
//! to them differs from system to system.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;
use std::time::Duration;

/// A digest of files' names, lengths and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot(u64);

/// How often files are to be looked at. Whoever saves one often saves another: a change is one when two looks have seen it.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(200);

const FILES_MAX: usize = 20_000;

impl Snapshot {
    /// Of a file, or of a folder's sources, without what builds write there.
    ///
    /// # Errors
    /// When one cannot be looked at, as while it is being replaced; or when there are too many.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut hasher = DefaultHasher::new();
        let mut files = 0;
        let mut paths = vec![path.to_owned()];
        let at = |path: &Path, error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        };
        while let Some(path) = paths.pop() {
            let metadata = fs::metadata(&path).map_err(|error| at(&path, error))?;
            if metadata.is_dir() {
                let entries = fs::read_dir(&path).map_err(|error| at(&path, error))?;
                let entries = entries.filter_map(|entry| Some(entry.ok()?.path()));
                let mut entries: Vec<_> = entries.filter(|path| !is_output(path)).collect();
                entries.sort();
                paths.extend(entries);
                continue;
            }
            files += 1;
            if files > FILES_MAX {
                let problem = format!("more than {FILES_MAX} files are too many to watch");
                return Err(at(&path, io::Error::other(problem)));
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
