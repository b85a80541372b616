//! A guest's source folder becomes a component, with its language's own tools. It must not know what becomes of the
//! component, nor how progress is shown.
//!
//! One room a language, and [`LANGUAGES`] lists them: a folder's manifest says which one builds it. What several of them
//! need stands beside them: [`toolchain`] installs what comes from PyPI and npm, [`componentize`] makes a component of a
//! core module, `ziglang` is a compiler of three languages, `npm` what guests have that are npm's packages, `snapshot`
//! tells whether sources have changed, and `process` runs tools.
//!
//! A language plugs in with a file `LANG.rs` here that has a function of the type [`Build`], and one line in [`LANGUAGES`].

mod assemblyscript;
mod c;
pub mod componentize;
mod go;
mod javascript;
mod npm;
mod process;
mod python;
mod rust;
mod snapshot;
pub mod toolchain;
mod zig;
mod ziglang;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

pub use componentize::ComponentError;
pub use rust::RustError;
pub use snapshot::Snapshot;
pub use toolchain::{ToolchainError, Toolchains};

/// Is told each step in a few words.
pub type Progress<'a> = &'a mut dyn FnMut(&str);

/// Builds the guest in a folder that has the language's manifest and returns the path of its component. Outputs go where the
/// language's tools put them, or into [`output_folder`]. What tools say goes to standard error: as they say it, or only when
/// they fail.
pub type Build = fn(&Path, &Toolchains, Progress<'_>) -> Result<PathBuf, BuildError>;

/// A language that guests may be written in.
pub struct Language {
    /// As people call it.
    pub name: &'static str,
    /// The file by which a guest's folder is recognised.
    pub manifest: &'static str,
    build: Build,
}

/// All of them, in the order in which manifests are looked for: where a folder may have two (AssemblyScript's has npm's
/// package.json as well), the more particular one stands first.
pub const LANGUAGES: &[Language] = &[
    Language {
        name: "Rust",
        manifest: "Cargo.toml",
        build: rust::build,
    },
    Language {
        name: "AssemblyScript",
        manifest: "asconfig.json",
        build: assemblyscript::build,
    },
    Language {
        name: "JavaScript and TypeScript",
        manifest: "package.json",
        build: javascript::build,
    },
    Language {
        name: "Go",
        manifest: "go.mod",
        build: go::build,
    },
    Language {
        name: "C or C++",
        manifest: "CMakeLists.txt",
        build: c::build,
    },
    Language {
        name: "Zig",
        manifest: "build.zig",
        build: zig::build,
    },
    Language {
        name: "Python",
        manifest: "pyproject.toml",
        build: python::build,
    },
];

/// Builds the guest in `folder` and returns the path of its component.
///
/// Blocks for as long as the build takes, and at first for as long as its tools take to install: not for the reactor's
/// thread.
///
/// # Errors
///
/// When the folder is no guest in a language that is supported, a tool is missing, or the build fails.
pub fn build_guest(folder: &Path, progress: Progress<'_>) -> Result<PathBuf, BuildError> {
    let language = language_of(folder)?;
    (language.build)(folder, &Toolchains::of_guest(folder), progress)
}

/// The language of the guest in `folder`.
///
/// # Errors
///
/// When there is no such folder, or it has the manifest of no language that is supported.
pub fn language_of(folder: &Path) -> Result<&'static Language, BuildError> {
    if !folder.is_dir() {
        return Err(BuildError::NoFolder(folder.to_owned()));
    }
    LANGUAGES
        .iter()
        .find(|language| folder.join(language.manifest).is_file())
        .ok_or_else(|| BuildError::NoGuest(folder.to_owned()))
}

/// Where a language puts its outputs whose tools have no place of their own: `.wisted/build` of the guest's folder, which
/// exists afterwards and which git ignores.
///
/// # Errors
///
/// When it cannot be made.
pub fn output_folder(guest: &Path) -> Result<PathBuf, BuildError> {
    let folder = guest.join(toolchain::FOLDER);
    let io = |source| BuildError::Io {
        path: folder.clone(),
        source,
    };
    toolchain::create_ignored(&folder).map_err(io)?;
    let output = folder.join("build");
    std::fs::create_dir_all(&output).map_err(io)?;
    Ok(output)
}

/// Makes a component of a core module that a guest's compiler has written, and returns its path, which is the one given.
fn write_component(folder: &Path, module: &Path, path: PathBuf) -> Result<PathBuf, BuildError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| BuildError::Io { path, source }
    };
    let module = std::fs::read(module).map_err(io(module))?;
    let component = componentize::component(&module, None);
    let component = component.map_err(|source| BuildError::Component {
        folder: folder.to_owned(),
        source,
    })?;
    std::fs::write(&path, component).map_err(io(&path))?;
    Ok(path)
}

/// What a compiler's exit status means, whose messages went to standard error.
fn compiled(folder: &Path, tool: &'static str, status: ExitStatus) -> Result<(), BuildError> {
    if status.success() {
        return Ok(());
    }
    Err(BuildError::Compile {
        folder: folder.to_owned(),
        tool,
        status,
    })
}

/// Why there is no component. Each text says what to do next.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum BuildError {
    #[error("{}: there is no such folder", .0.display())]
    NoFolder(PathBuf),
    #[error(
        "{}: there is no guest to build here. Supported now: {}; everything else is given as a .wasm component or a .wat",
        .0.display(), supported()
    )]
    NoGuest(PathBuf),
    #[error(transparent)]
    Rust(#[from] RustError),
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    #[error("{}: {source}", folder.display())]
    Component {
        folder: PathBuf,
        source: ComponentError,
    },
    /// What is wrong with the guest's own files, such as a manifest that lacks something.
    #[error("{}: {problem}", folder.display())]
    Guest { folder: PathBuf, problem: String },
    #[error("{}: the guest does not compile ({tool}: {status}); the messages are above", folder.display())]
    Compile {
        folder: PathBuf,
        tool: &'static str,
        status: ExitStatus,
    },
    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// `a folder with Cargo.toml (Rust) or go.mod (Go)`.
fn supported() -> String {
    let manifests: Vec<_> = LANGUAGES
        .iter()
        .map(|language| format!("{} ({})", language.manifest, language.name))
        .collect();
    format!("a folder with {}", manifests.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_guest() {
        let error = |folder: &Path| {
            language_of(folder)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        assert!(error(Path::new("/no/such/folder")).contains("no such folder"));
        assert!(error(&std::env::temp_dir()).contains("a folder with Cargo.toml (Rust)"));
    }

    #[test]
    fn manifests_are_told_apart() {
        for (index, language) in LANGUAGES.iter().enumerate() {
            let earlier = &LANGUAGES[..index];
            assert!(
                earlier
                    .iter()
                    .all(|other| other.manifest != language.manifest),
                "{} would never be found",
                language.name
            );
        }
    }
}
