//! What the languages share whose guests are packages of npm: package.json, and Node.js, which runs their tools. It must not
//! know these languages.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use super::{BuildError, ToolchainError};

pub(super) const MANIFEST: &str = "package.json";
pub(super) const NODE: &str = "node";

/// What the package.json in a guest's folder says.
pub(super) fn manifest(folder: &Path) -> Result<Value, BuildError> {
    let path = folder.join(MANIFEST);
    let problem = match fs::read_to_string(&path) {
        Ok(text) => match serde_json::from_str(&text) {
            Ok(package) => return Ok(package),
            Err(error) => format!("{MANIFEST} is no JSON: {error}"),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {
            format!("there is no {MANIFEST}, by which a guest depends on its SDK")
        }
        Err(source) => return Err(BuildError::Io { path, source }),
    };
    Err(BuildError::Guest {
        folder: folder.to_owned(),
        problem,
    })
}

/// What is said about a package that does not depend on the SDK of this name.
pub(super) fn no_guest(sdk: &str) -> String {
    format!(
        "{MANIFEST} is no guest's, for a guest depends on {sdk}; add \"dependencies\": {{ \"{sdk}\": \"file:FOLDER\" }}, \
         with the folder of the SDK"
    )
}

/// The package's name as a file's: without its scope, and without what file systems take amiss. Without a name, the folder's.
pub(super) fn file_name(package: &Value, folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_default();
    let folder = folder.file_name().unwrap_or_default().to_string_lossy();
    let name = package["name"].as_str().unwrap_or(&folder);
    let name = name.rsplit('/').next().unwrap_or(name);
    let sound = |letter: &char| letter.is_alphanumeric() || "-_.".contains(*letter);
    let name: String = name.chars().filter(sound).collect();
    match name.trim_start_matches('.') {
        "" => "guest".to_owned(),
        name => name.to_owned(),
    }
}

/// What it means that Node.js could not be started.
pub(super) fn not_run(source: std::io::Error) -> BuildError {
    match source.kind() {
        ErrorKind::NotFound => BuildError::Toolchain(ToolchainError::Missing {
            name: "Node.js".to_owned(),
            registry: "npm",
            program: NODE.to_owned(),
        }),
        _ => BuildError::Io {
            path: NODE.into(),
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names() {
        let name = |name: &str| file_name(&json!({ "name": name }), Path::new("/tmp"));
        assert_eq!(name("@me/my-guest"), "my-guest");
        assert_eq!(name("a b/../.."), "guest");
        assert_eq!(file_name(&json!({}), Path::new("/tmp")), "tmp");
        assert_eq!(file_name(&json!({}), Path::new("/no/such/folder")), "guest");
    }

    #[test]
    fn manifests_that_are_none() {
        let folder = std::env::temp_dir().join(format!("wisted-npm-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let problem = || manifest(&folder).unwrap_err().to_string();
        assert!(problem().contains("there is no package.json"));
        fs::write(folder.join(MANIFEST), "{").unwrap();
        assert!(problem().contains("no JSON"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
