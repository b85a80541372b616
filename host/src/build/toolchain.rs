//! Tools from PyPI and npm, pinned by version and hash, in a folder of the project. It must not know what a tool is for.
//!
//! Each set of pins has a folder of its own, named by what it holds and the pins' digest: other pins, another folder, so
//! that two versions of Wisted can build one project. What is there is used without a network. `rm -r .wisted` is always safe.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::Progress;
use super::process::{Ran, command, run_quietly, show};

/// The folder in a guest's project.
pub const FOLDER: &str = ".wisted";

/// Names another folder for tools, which several projects may share.
pub const VARIABLE: &str = "WISTED_TOOLCHAINS";

/// Tells that an installation was completed.
const STAMP: &str = "complete";

/// Where the tools of a guest's languages are, or will be.
pub struct Toolchains {
    root: PathBuf,
    python: OsString,
    npm: OsString,
}

impl Toolchains {
    /// The folder that the environment variable [`VARIABLE`] names, or else [`FOLDER`] in the guest's own folder.
    #[must_use]
    pub fn of_guest(guest: &Path) -> Self {
        let shared = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
        Self::at(shared.map_or_else(|| guest.join(FOLDER), PathBuf::from))
    }

    fn at(root: PathBuf) -> Self {
        // Tools are run in other folders than this one.
        let root = std::path::absolute(&root).unwrap_or(root);
        Self {
            root,
            python: "python3".into(),
            npm: "npm".into(),
        }
    }

    /// Packages from PyPI in a virtual environment of their own, whose folder is returned: programs are in its `bin`.
    ///
    /// `requirements` is pip's file, with `NAME==VERSION --hash=sha256:…` for each package, the dependencies' too: what is not
    /// pinned is not installed. `name` says in a word what it is, such as `componentize-py`. Wheels only: nothing of a package
    /// runs while it is installed.
    ///
    /// # Errors
    ///
    /// When there is no Python, no network, or PyPI has something else under that version.
    pub fn python(
        &self,
        name: &str,
        requirements: &str,
        progress: Progress<'_>,
    ) -> Result<PathBuf, ToolchainError> {
        let files = [("requirements.txt", requirements)];
        self.installed(name, "PyPI", &files, progress, |folder| {
            let venv = folder.join("venv");
            let make = ["-m", "venv", "--clear"].map(OsString::from);
            let make = make.into_iter().chain([venv.clone().into()]).collect();
            let flags = "--disable-pip-version-check --no-input --only-binary=:all: --require-hashes -r requirements.txt";
            let pip = ["-m", "pip", "install"].into_iter();
            let pip = pip.chain(flags.split(' ')).map(OsString::from).collect();
            vec![
                (self.python.clone(), make),
                (venv.join("bin/python").into(), pip),
            ]
        })
        .map(|folder| folder.join("venv"))
    }

    /// Packages from npm, as a lock file has them with the hash of each, in a folder of their own, which is returned: programs
    /// are in its `node_modules/.bin`. No script of a package runs while it is installed.
    ///
    /// # Errors
    ///
    /// When there is no npm, no network, or the registry has something else under that version.
    pub fn npm(
        &self,
        name: &str,
        package: &str,
        lock: &str,
        progress: Progress<'_>,
    ) -> Result<PathBuf, ToolchainError> {
        let files = [("package.json", package), ("package-lock.json", lock)];
        self.installed(name, "npm", &files, progress, |_| {
            // Its own patience with a network that isn't there is more than a minute.
            let flags = "ci --ignore-scripts --no-audit --no-fund --no-update-notifier --fetch-retries=1 \
                         --fetch-retry-mintimeout=1000";
            let arguments = flags.split(' ').map(OsString::from).collect();
            vec![(self.npm.clone(), arguments)]
        })
    }

    /// A folder with `files` in which `steps` have succeeded, now or earlier. One build at a time installs; the others wait.
    fn installed(
        &self,
        name: &str,
        registry: &'static str,
        files: &[(&str, &str)],
        progress: Progress<'_>,
        steps: impl Fn(&Path) -> Vec<(OsString, Vec<OsString>)>,
    ) -> Result<PathBuf, ToolchainError> {
        let mut digest = blake3::Hasher::new();
        for (file, content) in files {
            digest.update(file.as_bytes()).update(&[0]);
            digest.update(content.as_bytes()).update(&[0]);
        }
        let digest = digest.finalize().to_hex();
        let folder = self
            .root
            .join(format!("{name}-{}", &digest[..DIGEST_LETTERS]));
        if folder.join(STAMP).is_file() {
            return Ok(folder);
        }
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| ToolchainError::Io { path, source }
        };
        create_ignored(&self.root).map_err(io(&self.root))?;
        let lock = folder.with_extension("lock");
        // Held until the end of this function; the system lets it go with the process.
        let lock_file = File::create(&lock).map_err(io(&lock))?;
        match lock_file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                progress(&format!("waiting for another build that installs {name}"));
                lock_file.lock().map_err(io(&lock))?;
            }
            Err(TryLockError::Error(error)) => return Err(io(&lock)(error)),
        }
        if folder.join(STAMP).is_file() {
            return Ok(folder);
        }
        progress(&format!(
            "installing {name} from {registry} into {}, once",
            self.root.display()
        ));
        // What an interrupted installation has left is of no use.
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io(&folder)(error));
            }
            _ => {}
        }
        fs::create_dir_all(&folder).map_err(io(&folder))?;
        for (file, content) in files {
            let path = folder.join(file);
            fs::write(&path, content).map_err(io(&path))?;
        }
        let steps = steps(&folder);
        for (program, arguments) in &steps {
            let ran = run_quietly(command(&folder, program).args(arguments));
            let (status, said) = match ran.map_err(io(Path::new(program)))? {
                Ran::Well => continue,
                Ran::Missing => {
                    return Err(ToolchainError::Missing {
                        name: name.to_owned(),
                        registry,
                        program: Path::new(program).display().to_string(),
                    });
                }
                Ran::Failed(status, said) => (status, said),
            };
            show(&said);
            let name = name.to_owned();
            return Err(match Trouble::of(&said) {
                Trouble::Offline => ToolchainError::Offline {
                    by_hand: by_hand(&folder, &steps),
                    name,
                    registry,
                },
                Trouble::Hashes => ToolchainError::Hashes { name, registry },
                Trouble::NoVenv => ToolchainError::NoVenv { name },
                Trouble::Other => ToolchainError::Failed {
                    program: Path::new(program).display().to_string(),
                    name,
                    registry,
                    status,
                },
            });
        }
        let stamp = folder.join(STAMP);
        File::create(&stamp).map_err(io(&stamp))?;
        Ok(folder)
    }
}

/// Why tools are not there. Each text says what to do next.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum ToolchainError {
    #[error(
        "{name} is needed and comes from {registry}, but {program} is not installed (or not on the PATH); {}",
        get(program)
    )]
    Missing {
        name: String,
        registry: &'static str,
        program: String,
    },
    #[error(
        "{name} is needed, but this Python cannot make virtual environments. On Debian: apt-get install python3-venv"
    )]
    NoVenv { name: String },
    #[error(
        "{name} is needed, and {registry} cannot be reached. Build once with a network, or by hand: {by_hand}"
    )]
    Offline {
        name: String,
        registry: &'static str,
        by_hand: String,
    },
    #[error(
        "{name} is needed, and what {registry} gave is not what this version of Wisted was tested with: its hash differs, so \
         it was not installed. A mirror or a proxy may have changed it"
    )]
    Hashes {
        name: String,
        registry: &'static str,
    },
    #[error(
        "{name} is needed and could not be installed from {registry} ({program}: {status}); its own messages are above"
    )]
    Failed {
        name: String,
        registry: &'static str,
        program: String,
        status: std::process::ExitStatus,
    },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Where a missing program comes from.
fn get(program: &str) -> &'static str {
    match program {
        "npm" | "node" => {
            "install Node.js from https://nodejs.org, or on Debian: apt-get install npm"
        }
        _ => {
            "install Python from https://www.python.org, or on Debian: apt-get install python3-venv"
        }
    }
}

/// What can be typed to install the same without us.
fn by_hand(folder: &Path, steps: &[(OsString, Vec<OsString>)]) -> String {
    let mut text = format!("cd {}", folder.display());
    for (program, arguments) in steps {
        text += &format!(" && {}", Path::new(program).display());
        for argument in arguments {
            text += &format!(" {}", argument.display());
        }
    }
    text + " && touch " + STAMP
}

/// What a failed installer was about, as far as its words tell.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    Offline,
    Hashes,
    NoVenv,
    Other,
}

impl Trouble {
    fn of(said: &str) -> Self {
        const SIGNS: [(Trouble, &[&str]); 3] = [
            (Trouble::Hashes, &["DO NOT MATCH THE HASHES", "EINTEGRITY"]),
            (
                Trouble::NoVenv,
                &["ensurepip is not available", "No module named venv"],
            ),
            (
                Trouble::Offline,
                &[
                    "NewConnectionError",
                    "Failed to establish a new connection",
                    "name resolution",
                    "ConnectTimeoutError",
                    "ProxyError",
                    "Network is unreachable",
                    "ENOTFOUND",
                    "EAI_AGAIN",
                    "ECONNREFUSED",
                    "ECONNRESET",
                    "ENETUNREACH",
                    "ETIMEDOUT",
                ],
            ),
        ];
        for (trouble, signs) in SIGNS {
            if signs.iter().any(|sign| said.contains(sign)) {
                return trouble;
            }
        }
        Self::Other
    }
}

/// Makes a folder that git ignores, whatever the project's own settings say.
pub(super) fn create_ignored(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        fs::write(ignore, "*\n")?;
    }
    Ok(())
}

/// Of the pins' digest, in a folder's name: 48 bits tell a project's few sets of pins apart.
const DIGEST_LETTERS: usize = 12;

#[cfg(test)]
mod tests;
