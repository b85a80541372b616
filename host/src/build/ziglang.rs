//! Zig from PyPI: one installation for all languages that it compiles. It must not know these languages.

use std::fs;
use std::path::{Path, PathBuf};

use super::{BuildError, Progress, Toolchains};

/// An installed Zig.
pub(super) struct Ziglang {
    pub program: PathBuf,
    /// Where it may keep what it compiles, its C library above all, once for all projects that share the tools.
    pub cache: PathBuf,
}

/// Of the SDK's build.zig.zon as well.
pub(super) const VERSION: &str = "0.17.1";

/// Finds or installs it.
pub(super) fn installed(
    toolchains: &Toolchains,
    progress: Progress<'_>,
) -> Result<Ziglang, BuildError> {
    let venv = toolchains.python("zig", REQUIREMENTS, progress)?;
    Ok(Ziglang {
        program: program_in(&venv)?,
        cache: venv.with_file_name("zig-cache"),
    })
}

/// The program in the package `ziglang`, which is a folder of Python's own.
fn program_in(venv: &Path) -> Result<PathBuf, BuildError> {
    let libraries = venv.join("lib");
    let pythons = fs::read_dir(&libraries).into_iter().flatten().flatten();
    let zigs = pythons.map(|python| python.path().join("site-packages/ziglang/zig"));
    let mut zigs = zigs.filter(|zig| zig.is_file());
    zigs.next().ok_or_else(|| BuildError::Io {
        path: libraries.join("python3/site-packages/ziglang/zig"),
        source: std::io::ErrorKind::NotFound.into(),
    })
}

/// pip's pins, for each kind of machine that PyPI has a wheel for.
const REQUIREMENTS: &str = include_str!("ziglang/requirements.txt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_agree() {
        let manifest = include_str!("../../../guest-sdk/zig/build.zig.zon");
        assert!(manifest.contains(&format!(".minimum_zig_version = \"{VERSION}\"")));
        assert!(REQUIREMENTS.contains(&format!("ziglang=={VERSION} ")));
    }

    #[test]
    fn it_is_found_whatever_the_python() {
        let venv = std::env::temp_dir().join(format!("wisted-ziglang-{}", std::process::id()));
        assert!(program_in(&venv).is_err());
        let package = venv.join("lib/python3.99/site-packages/ziglang");
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("zig"), "").unwrap();
        assert_eq!(program_in(&venv).unwrap(), package.join("zig"));
        fs::remove_dir_all(&venv).unwrap();
    }
}
