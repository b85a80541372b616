//! Compiled code on disk, so that a component is compiled once. Knows nothing of what the code does.
//!
//! An entry is named after the component's bytes and the engine's settings, and ends with a digest of its own content: what
//! is damaged or half written is compiled anew, never loaded. The folder is the user's own (mode 0700), like the binary
//! that runs it: who can write there can already do all that the user can.
//!
//! An entry is mapped, not read: of a Python guest's 35 MB of code, and of the 11 MB of data that its instances begin with, only
//! what is used costs anything. So an entry is never changed in its place, only replaced.

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

use super::window;

/// A folder of compiled code.
#[derive(Clone, Debug)]
pub struct CodeCache {
    folder: PathBuf,
}

const DIGEST_BYTES: usize = blake3::OUT_LEN;

impl CodeCache {
    /// The user's cache folder: `$XDG_CACHE_HOME/wisted`, or `~/.cache/wisted`. `None` without a home.
    pub fn of_user() -> Option<Self> {
        let absolute = |path: PathBuf| path.is_absolute().then_some(path);
        let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let base = base.and_then(absolute).or_else(|| {
            let home = std::env::var_os("HOME").map(PathBuf::from);
            home.and_then(absolute).map(|home| home.join(".cache"))
        })?;
        Some(Self::in_folder(base.join("wisted")))
    }

    /// A cache in this folder, which is made when something is stored.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The compiled component, if it is there. A cache that cannot be read costs time and a log record, nothing else.
    ///
    /// # Errors
    /// When the component's own bytes cannot be read.
    pub(super) fn find(&self, engine: &Engine, wasm: impl Read) -> io::Result<Option<Component>> {
        let file = self.folder.join(entry_name(engine, wasm)?);
        let found = check_entry(&file).and_then(|()| map_entry(engine, &file));
        Ok(match found {
            Ok(component) => Some(component),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "the cache entry is not usable; compiling anew");
                None
            }
        })
    }

    /// Stores what was compiled from these bytes. If it cannot, that costs time and a log record, nothing else.
    pub(super) fn keep(&self, engine: &Engine, wasm: &[u8], component: &Component) {
        let stored = entry_name(engine, wasm).and_then(|name| {
            let code = component.serialize().map_err(io::Error::other)?;
            self.store(&self.folder.join(name), &code)
        });
        if let Err(error) = stored {
            tracing::warn!(folder = %self.folder.display(), %error, "the compiled component could not be cached");
        }
    }

    fn store(&self, file: &Path, code: &[u8]) -> io::Result<()> {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        // Written aside and renamed: another process sees the whole entry or none.
        let aside = file.with_extension(format!("{}.tmp", std::process::id()));
        let result = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&aside)
            .and_then(|mut entry| {
                entry.write_all(code)?;
                entry.write_all(named_digest(file).update(code).finalize().as_bytes())
            })
            .and_then(|()| std::fs::rename(&aside, file));
        if result.is_err() {
            // It may not exist; the error that counts is the first.
            let _ = std::fs::remove_file(&aside);
        }
        result
    }
}

/// The digest of an entry begins with its name: another one in its place is no better than a damaged one.
fn named_digest(file: &Path) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    hasher.update(file.file_name().unwrap_or_default().as_encoded_bytes());
    hasher
}

/// Whether an entry's digest fits its name and content.
fn check_entry(file: &Path) -> io::Result<()> {
    let wrong = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "its digest does not fit its name and content",
        )
    };
    let mut entry = File::open(file)?;
    let length = entry.metadata()?.len();
    let code_bytes = length.checked_sub(DIGEST_BYTES as u64).ok_or_else(wrong)?;
    // Through a small buffer: memory for all of it would cost more than its digest.
    let digest = named_digest(file)
        .update_reader(Read::by_ref(&mut entry).take(code_bytes))?
        .finalize();
    let mut expected = [0; DIGEST_BYTES];
    entry.seek(SeekFrom::Start(code_bytes))?;
    entry.read_exact(&mut expected)?;
    if digest == expected {
        Ok(())
    } else {
        Err(wrong())
    }
}

/// The component in an entry that was checked.
fn map_entry(engine: &Engine, file: &Path) -> io::Result<Component> {
    // SAFETY: both demand bytes that `serialize` made, and the first that nobody changes the file. The digest says that these are
    // the bytes that we stored, in a folder that only this user can write, and entries are replaced by renaming only.
    #[allow(unsafe_code)]
    let mapped = unsafe { Component::deserialize_file(engine, file) };
    let component = mapped.or_else(|_| {
        // There are file systems from which nothing may be executed.
        let code = std::fs::read(file)?;
        #[allow(unsafe_code)]
        unsafe {
            Component::deserialize(engine, &code[..code.len().saturating_sub(DIGEST_BYTES)])
        }
    });
    component.map_err(io::Error::other)
}

fn entry_name(engine: &Engine, wasm: impl Read) -> io::Result<String> {
    let mut hasher = EntryHasher(blake3::Hasher::new());
    hasher.0.update_reader(wasm)?;
    FORMAT.hash(&mut hasher);
    window::LAYOUT.hash(&mut hasher);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    Ok(format!("{}.cwasm", hasher.0.finalize().to_hex()))
}

/// Of an entry: the code, then the digest. Another number where the same component is compiled into something else.
const FORMAT: u32 = 8;

struct EntryHasher(blake3::Hasher);

impl Hasher for EntryHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.finalize();
        let first = digest.as_bytes().first_chunk().copied();
        u64::from_le_bytes(first.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_used_again_and_a_damaged_one_is_compiled_anew() {
        let folder = std::env::temp_dir().join(format!("wisted-cache-{}", std::process::id()));
        let cache = CodeCache::in_folder(folder.clone());
        let engine = Engine::default();
        let wasm = b"(component)";
        let mut compiled = 0;
        let mut load = || {
            if cache.find(&engine, &wasm[..]).unwrap().is_none() {
                compiled += 1;
                let component = Component::new(&engine, wasm).unwrap();
                cache.keep(&engine, wasm, &component);
            }
            compiled
        };
        assert_eq!((load(), load()), (1, 1));
        let file = folder.join(entry_name(&engine, &wasm[..]).unwrap());
        let mut entry = std::fs::read(&file).unwrap();
        let last = entry.len() - 1;
        entry[last] ^= 1;
        std::fs::write(&file, &entry).unwrap();
        assert_eq!((load(), load()), (2, 2));
        entry[last] ^= 1;
        entry[last / 2] ^= 1;
        std::fs::write(&file, &entry).unwrap();
        assert_eq!((load(), load()), (3, 3));
        std::fs::write(&file, b"short").unwrap();
        assert_eq!((load(), load()), (4, 4));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
