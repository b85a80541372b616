//! What source files looked like, so that a change is seen without reading them. It must not know what they are for.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

/// A digest of files' names, lengths and times. Equal ones mean the same files, as far as `make` would tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot(u64);

impl Snapshot {
    /// Of a file, or of all files in a folder but for those that `is_output` is true of.
    ///
    /// # Errors
    ///
    /// When a file cannot be looked at, which may be for a moment only, or there are more than 20,000.
    pub fn of(source: &Path, is_output: fn(&Path) -> bool) -> io::Result<Self> {
        let mut hasher = DefaultHasher::new();
        let mut files = 0;
        let mut paths = vec![source.to_owned()];
        let named = |path: &Path, error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        };
        while let Some(path) = paths.pop() {
            let metadata = fs::metadata(&path).map_err(|error| named(&path, error))?;
            if metadata.is_dir() {
                paths.extend(entries(&path, is_output).map_err(|error| named(&path, error))?);
                continue;
            }
            files += 1;
            if files > FILES_MAX {
                return Err(io::Error::other(format!(
                    "{}: there are more than {FILES_MAX} files",
                    source.display()
                )));
            }
            path.hash(&mut hasher);
            metadata.len().hash(&mut hasher);
            metadata.modified().ok().hash(&mut hasher);
        }
        Ok(Self(hasher.finish()))
    }

    /// To be written down and compared. Another version of this program may have another one for the same files.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

fn entries(folder: &Path, is_output: fn(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut entries: Vec<_> = entries.filter(|path| !is_output(path)).collect();
    entries.sort();
    Ok(entries)
}

const FILES_MAX: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_sources_are_seen_and_outputs_are_not() {
        let folder = std::env::temp_dir().join(format!("wisted-snapshot-{}", std::process::id()));
        let take = |folder: &Path| Snapshot::of(folder, |path| path.ends_with("target"));
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::create_dir_all(folder.join("target")).unwrap();
        let source = folder.join("src/lib.rs");
        fs::write(&source, "one").unwrap();
        let first = take(&folder).unwrap();
        fs::write(folder.join("target/out"), "x").unwrap();
        assert_eq!(take(&folder).unwrap(), first);
        fs::write(&source, "longer").unwrap();
        let second = take(&folder).unwrap();
        assert_ne!(second, first);
        fs::write(folder.join("src/new.rs"), "").unwrap();
        assert_ne!(take(&folder).unwrap(), second);
        let error = take(&folder.join("nowhere")).unwrap_err();
        assert!(error.to_string().contains("nowhere"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
