//! Compiled code on disk, so that a component is compiled once. Knows nothing of what the code does.
//!
//! An entry is named after the component's bytes and the engine's settings, and carries a digest of its own content: what
//! is damaged or half written is compiled anew, never loaded. The folder is the user's own (mode 0700), like the binary
//! that runs it: who can write there can already do all that the user can.

use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use wasmtime::component::Component;
use wasmtime::{Engine, Result};

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

    /// The compiled component, from the cache or by calling `compile`, whose result is stored. A cache that cannot be read
    /// or written costs time and a log record, nothing else.
    pub(super) fn load(
        &self,
        engine: &Engine,
        wasm: &[u8],
        compile: impl FnOnce() -> Result<Component>,
    ) -> Result<Component> {
        let file = self.folder.join(entry_name(engine, wasm));
        match read_entry(&file) {
            Ok(code) => {
                // SAFETY: `deserialize` demands bytes that `serialize` made. The digest says that these are the bytes that
                // we stored, in a folder that only this user can write.
                #[allow(unsafe_code)]
                let component = unsafe { Component::deserialize(engine, &code) };
                match component {
                    Ok(component) => return Ok(component),
                    Err(error) => {
                        tracing::warn!(file = %file.display(), %error, "the cache entry does not fit; compiling anew");
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "the cache entry is not usable; compiling anew");
            }
        }
        let component = compile()?;
        let stored = component
            .serialize()
            .map_err(io::Error::other)
            .and_then(|code| self.store(&file, &code));
        if let Err(error) = stored {
            tracing::warn!(file = %file.display(), %error, "the compiled component could not be cached");
        }
        Ok(component)
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
                entry.write_all(blake3::hash(code).as_bytes())?;
                entry.write_all(code)
            })
            .and_then(|()| std::fs::rename(&aside, file));
        if result.is_err() {
            // It may not exist; the error that counts is the first.
            let _ = std::fs::remove_file(&aside);
        }
        result
    }
}

/// The code of an entry whose digest fits.
fn read_entry(file: &Path) -> io::Result<Vec<u8>> {
    let mut entry = std::fs::read(file)?;
    let fits = entry
        .split_first_chunk::<DIGEST_BYTES>()
        .is_some_and(|(digest, code)| blake3::hash(code) == *digest);
    if !fits {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "its digest does not fit its content",
        ));
    }
    entry.drain(..DIGEST_BYTES);
    Ok(entry)
}

fn entry_name(engine: &Engine, wasm: &[u8]) -> String {
    let mut hasher = EntryHasher(blake3::Hasher::new());
    hasher.0.update(wasm);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{}.cwasm", hasher.0.finalize().to_hex())
}

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
            cache
                .load(&engine, wasm, || {
                    compiled += 1;
                    Component::new(&engine, wasm)
                })
                .unwrap();
            compiled
        };
        assert_eq!((load(), load()), (1, 1));
        let file = folder.join(entry_name(&engine, wasm));
        let mut entry = std::fs::read(&file).unwrap();
        let last = entry.len() - 1;
        entry[last] ^= 1;
        std::fs::write(&file, &entry).unwrap();
        assert_eq!((load(), load()), (2, 2));
        std::fs::write(&file, b"short").unwrap();
        assert_eq!((load(), load()), (3, 3));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
