//! What is watched looked like, to see that it has changed. It polls rather than be told: there are few files, and what an editor
//! does to them differs from system to system.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::build::Snapshot;

/// How often files are to be looked at. Whoever saves one often saves another: a change is one when two looks have seen it.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Of a file, or of a folder's sources, without what builds write there.
///
/// # Errors
/// When one cannot be looked at, as while it is being replaced; or when there are too many.
pub fn snapshot(path: &Path) -> io::Result<Snapshot> {
    Snapshot::of(path, is_output)
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
    fn what_builds_write_and_editors_hide_is_not_watched() {
        for output in [
            "a/target",
            "a/.git",
            "a/x.rs~",
            "a/Cargo.lock",
            "a/package-lock.json",
        ] {
            assert!(is_output(Path::new(output)), "{output}");
        }
        for source in ["a/src", "a/lib.rs", "a/targets", "a/lock.rs"] {
            assert!(!is_output(Path::new(source)), "{source}");
        }
    }
}
