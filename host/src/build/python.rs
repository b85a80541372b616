//! A guest in Python becomes a component, through componentize-py from PyPI. It must not know of other languages.

use std::path::{Path, PathBuf};

use super::process::{Ran, absolute, command, run_quietly, show};
use super::{BuildError, Progress, Snapshot, Toolchains, output_folder};

/// The pinned packages, with the hash of each platform's wheel.
const REQUIREMENTS: &str = include_str!("python/requirements.txt");

/// What the component is built against: the contract that this host speaks.
const CONTRACT: &str = include_str!("../../../wit/reactor.wit");

const MANIFEST: &str = "pyproject.toml";

/// Builds a folder with a pyproject.toml that has `[tool.wisted]`. What componentize-py says is shown when it fails, without
/// its own call stack.
pub(super) fn build(
    folder: &Path,
    toolchains: &Toolchains,
    progress: Progress<'_>,
) -> Result<PathBuf, BuildError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| BuildError::Io { path, source }
    };
    let guest = |problem| BuildError::Guest {
        folder: folder.to_owned(),
        problem,
    };
    let manifest = folder.join(MANIFEST);
    let text = std::fs::read_to_string(&manifest).map_err(io(&manifest))?;
    let settings = Settings::parse(&text).map_err(guest)?;
    let paths = settings.module_paths(folder).map_err(guest)?;

    let output = output_folder(folder)?;
    let component = output.join(format!("{}.wasm", settings.app));
    // componentize-py takes seconds, and makes another component each time, which would be compiled anew.
    let inputs = inputs_of(&paths);
    let stamp = component.with_extension("inputs");
    if component.is_file() && inputs.is_some() && std::fs::read_to_string(&stamp).ok() == inputs {
        return Ok(component);
    }
    // What is there is not to be taken for the new one if that fails.
    let _ = std::fs::remove_file(&stamp);
    let venv = toolchains.python("componentize-py", REQUIREMENTS, progress)?;
    progress(&format!("building the guest {}", settings.app));
    let contract = output.join("wit");
    std::fs::create_dir_all(&contract).map_err(io(&contract))?;
    let contract = contract.join("reactor.wit");
    std::fs::write(&contract, CONTRACT).map_err(io(&contract))?;
    let mut tool = command(folder, venv.join("bin/componentize-py"));
    tool.arg("-q").arg("-d").arg(absolute(&contract));
    tool.args(["-w", &settings.world, "componentize", &settings.app, "-o"]);
    tool.arg(absolute(&component));
    for path in &paths {
        tool.arg("-p").arg(absolute(path));
    }
    match run_quietly(&mut tool).map_err(io(&venv))? {
        Ran::Well => {
            if let Some(inputs) = inputs {
                std::fs::write(&stamp, inputs).map_err(io(&stamp))?;
            }
            Ok(component)
        }
        Ran::Failed(status, said) => {
            show(&essence(&said, &paths));
            Err(BuildError::Compile {
                folder: folder.to_owned(),
                tool: "componentize-py",
                status,
            })
        }
        Ran::Missing => Err(guest(format!(
            "{} is not complete; remove it, and it is installed anew",
            venv.display()
        ))),
    }
}

/// All that a component depends on, in a line; `None` when there are too many files to tell, and then each build is a new one.
fn inputs_of(paths: &[PathBuf]) -> Option<String> {
    let mut digest = blake3::Hasher::new();
    digest
        .update(REQUIREMENTS.as_bytes())
        .update(CONTRACT.as_bytes());
    for path in paths {
        // However its folder was typed.
        let path = path.canonicalize().ok()?;
        let snapshot = Snapshot::of(&path, is_no_input).ok()?;
        digest.update(&snapshot.number().to_le_bytes());
    }
    Some(digest.finalize().to_hex().to_string())
}

/// Python and other tools leave these between builds.
fn is_no_input(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name == "__pycache__"
}

/// What stands in `[tool.wisted]`.
#[derive(Debug, PartialEq, Eq)]
struct Settings {
    /// The module that exports the guest.
    app: String,
    /// The SDK's folder. A guest that speaks the bare contract has none.
    sdk: Option<String>,
    /// The world of the contract.
    world: String,
}

impl Settings {
    fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table = text
            .parse()
            .map_err(|error| format!("its {MANIFEST} cannot be read: {error}"))?;
        let tool = table.get("tool").and_then(|tool| tool.get("wisted"));
        let Some(settings) = tool.and_then(toml::Value::as_table) else {
            return Err(format!(
                "this is no guest: its {MANIFEST} does not say which module is one. Add to it:\n\n\
                 [tool.wisted]\napp = \"app\""
            ));
        };
        let word = |key: &str| match settings.get(key) {
            None => Ok(None),
            Some(toml::Value::String(word)) => Ok(Some(word.clone())),
            Some(_) => Err(format!(
                "{key} in [tool.wisted] of its {MANIFEST} is no text"
            )),
        };
        if let Some(key) = settings.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(format!(
                "{key} in [tool.wisted] of its {MANIFEST} means nothing; there are {}",
                KEYS.join(", ")
            ));
        }
        let app = word("app")?.unwrap_or_else(|| "app".to_owned());
        let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
        if app.is_empty() || !app.chars().all(is_letter) {
            return Err(format!(
                "app = {app:?} in [tool.wisted] of its {MANIFEST} is no name of a module"
            ));
        }
        Ok(Self {
            app,
            sdk: word("sdk")?,
            world: word("world")?.unwrap_or_else(|| "protocol".to_owned()),
        })
    }

    /// Where modules are looked for: the guest's own, and the SDK's.
    fn module_paths(&self, folder: &Path) -> Result<Vec<PathBuf>, String> {
        let app = &self.app;
        let is_there = [format!("{app}.py"), format!("{app}/__init__.py")]
            .iter()
            .any(|file| folder.join(file).is_file());
        if !is_there {
            return Err(format!(
                "there is no {app}.py, which [tool.wisted] of its {MANIFEST} names as the guest"
            ));
        }
        let mut paths = vec![folder.to_owned()];
        if let Some(sdk) = &self.sdk {
            let modules = folder.join(sdk).join("src");
            if !modules.join("wisted/__init__.py").is_file() {
                return Err(format!(
                    "sdk = {sdk:?} in [tool.wisted] of its {MANIFEST} is not the folder of Wisted's Python SDK, which \
                     `wisted new` puts into a project as wisted-sdk"
                ));
            }
            paths.push(modules);
        }
        Ok(paths)
    }
}

const KEYS: [&str; 3] = ["app", "sdk", "world"];

/// Of what componentize-py says, the guest's own traceback, with the paths that it has outside. All the rest is how
/// componentize-py got there.
fn essence(said: &str, paths: &[PathBuf]) -> String {
    let (_, text) = said.split_once("AssertionError: ").unwrap_or(("", said));
    let (text, _) = text.split_once("\n\nCaused by:").unwrap_or((text, ""));
    let mut text = text.trim_end().to_owned();
    if text.contains("has no attribute 'ConnectionHandler'")
        || text.contains("has no attribute 'Program'")
    {
        text += "\nThe module exports no guest: its last line should be `wisted.export(…)`.";
    }
    for (index, path) in paths.iter().enumerate() {
        // Its own files are given as they are seen from the guest's folder.
        let outside = match index {
            0 => String::new(),
            _ => format!("{}/", path.display()),
        };
        text = text.replace(&format!("\"/{index}/"), &format!("\"{outside}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_and_what_is_wrong_with_them() {
        let parse = |text: &str| Settings::parse(&format!("[tool.wisted]\n{text}"));
        let least = parse("").unwrap();
        assert_eq!((&*least.app, &*least.world), ("app", "protocol"));
        let all = parse("app = \"main\"\nsdk = \"wisted-sdk\"\nworld = \"standalone\"").unwrap();
        assert_eq!(
            (&*all.app, all.sdk.as_deref(), &*all.world),
            ("main", Some("wisted-sdk"), "standalone")
        );
        for (text, words) in [
            ("app = 1", "is no text"),
            ("app = \"a.b\"", "no name of a module"),
            ("apt = \"app\"", "apt in [tool.wisted]"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        for (text, words) in [
            ("[project]\nname = \"x\"", "[tool.wisted]\napp = \"app\""),
            ("]", "cannot be read"),
        ] {
            let error = Settings::parse(text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        let nowhere = Path::new("/no/such/folder");
        let settings = Settings::parse("[tool.wisted]").unwrap();
        let error = settings.module_paths(nowhere).unwrap_err();
        assert!(error.contains("there is no app.py"), "{error}");
    }

    #[test]
    fn the_guests_own_traceback_is_shown() {
        let said = "Traceback (most recent call last):\n  File \"…/bin/componentize-py\", line 8, in <module>\n\
                    AssertionError: Traceback (most recent call last):\n  File \"/0/app.py\", line 3, in <module>\n  \
                    File \"/1/wisted/export.py\", line 34, in export\nTypeError: no\n\n\nCaused by:\n    TypeError: no\n\n\
                    Stack backtrace:\n   0: anyhow";
        let paths = [PathBuf::from("guest"), PathBuf::from("/sdk/src")];
        assert_eq!(
            essence(said, &paths),
            "Traceback (most recent call last):\n  File \"app.py\", line 3, in <module>\n  \
             File \"/sdk/src/wisted/export.py\", line 34, in export\nTypeError: no"
        );
        assert_eq!(essence("killed\n", &paths), "killed");
    }
}
