//! A new guest's project: the files of `scaffold/LANG`, and the language's SDK beside them. It must not know how a project is
//! built, nor what is printed about it.
//!
//! The SDKs are in no registry, so each project gets a copy. [`LANGUAGES`] lists the languages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What `wisted new --lang` may name.
pub struct Language {
    /// As it is typed, and the folder in `scaffold/`.
    pub id: &'static str,
    /// Other spellings.
    pub aliases: &'static [&'static str],
    /// As people call it.
    pub name: &'static str,
    /// The folder in `guest-sdk/` that is copied.
    sdk: &'static str,
    /// Where in the project it is copied to.
    sdk_folder: &'static str,
    /// How a new project is tested: one command.
    pub test: &'static str,
}

/// All of them, in the order in which they are listed.
pub const LANGUAGES: &[Language] = &[
    Language {
        id: "rust",
        aliases: &["rs"],
        name: "Rust",
        sdk: "rust",
        sdk_folder: "wisted-sdk",
        test: "cargo test",
    },
    Language {
        id: "python",
        aliases: &["py"],
        name: "Python",
        sdk: "python",
        sdk_folder: "wisted-sdk",
        test: "PYTHONPATH=wisted-sdk/src python3 -m unittest",
    },
    Language {
        id: "javascript",
        aliases: &["js"],
        name: "JavaScript",
        sdk: "javascript",
        sdk_folder: "wisted-sdk",
        test: "npm install && npm test",
    },
    Language {
        id: "typescript",
        aliases: &["ts"],
        name: "TypeScript",
        sdk: "javascript",
        sdk_folder: "wisted-sdk",
        test: "npm install && npm test",
    },
    Language {
        id: "c",
        aliases: &[],
        name: "C",
        sdk: "c",
        sdk_folder: "wisted-sdk",
        test: "sh test.sh",
    },
    Language {
        id: "cpp",
        aliases: &["cxx"],
        name: "C++",
        sdk: "cpp",
        sdk_folder: "wisted-sdk",
        test: "sh test.sh",
    },
    Language {
        id: "go",
        aliases: &["golang"],
        name: "Go",
        sdk: "go",
        sdk_folder: "wisted-sdk",
        // Where there is no Go yet, the build installs one.
        test: "wisted build . && .wisted/go test",
    },
    Language {
        id: "zig",
        aliases: &[],
        name: "Zig",
        sdk: "zig",
        sdk_folder: "wisted-sdk",
        test: "sh test.sh",
    },
    Language {
        id: "assemblyscript",
        aliases: &["as"],
        name: "AssemblyScript",
        sdk: "assemblyscript",
        sdk_folder: "wisted-sdk",
        test: "npm ci && npm test",
    },
];

impl Language {
    /// The language that people call so, in any case.
    #[must_use]
    pub fn find(word: &str) -> Option<&'static Self> {
        LANGUAGES.iter().find(|language| {
            [language.id, language.name]
                .iter()
                .chain(language.aliases)
                .any(|name| name.eq_ignore_ascii_case(word))
        })
    }
}

/// Writes a new project into `parent/name` and returns its folder. A folder of that name may be there if it is empty.
///
/// # Errors
///
/// When the name is no name for a project, the folder has something in it, or a file cannot be written.
pub fn create(parent: &Path, name: &str, language: &Language) -> Result<PathBuf, ScaffoldError> {
    check_name(name)?;
    let project = parent.join(name);
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| ScaffoldError::Io { path, source }
    };
    match fs::read_dir(&project).map(|mut entries| entries.next().is_none()) {
        Ok(true) => {}
        Ok(false) => return Err(ScaffoldError::NotEmpty(project)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(ScaffoldError::NotAFolder(project));
        }
        Err(error) => return Err(io(&project)(error)),
    }
    let write = |file: PathBuf, content: &[u8]| {
        let folder = file.parent().unwrap_or(&project);
        fs::create_dir_all(folder).map_err(io(folder))?;
        fs::write(&file, content).map_err(io(&file))
    };
    for (file, content) in tree(SCAFFOLDS, language.id) {
        let content = String::from_utf8_lossy(content).replace(PLACEHOLDER, name);
        write(project.join(file), content.as_bytes())?;
    }
    for (file, content) in tree(SDKS, language.sdk) {
        write(project.join(language.sdk_folder).join(file), content)?;
    }
    Ok(project)
}

/// Why there is no new project. Each text says what to do next.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum ScaffoldError {
    #[error(
        "{0:?} is no name for a project: wanted are up to {NAME_MAX_BYTES} lower-case letters, digits, - and _, a letter first \
         and no - or _ last"
    )]
    BadName(String),
    #[error("{0:?} cannot be a project's name: it means something else to some language's tools")]
    Reserved(String),
    #[error("{}: there is something in this folder already; choose another name", .0.display())]
    NotEmpty(PathBuf),
    #[error("{}: this is a file already; choose another name", .0.display())]
    NotAFolder(PathBuf),
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// One rule for all languages: a name becomes a package's, a module's and a folder's.
fn check_name(name: &str) -> Result<(), ScaffoldError> {
    let is_letter = |byte: &u8| byte.is_ascii_lowercase();
    let is_last = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let is_name = bytes.len() <= NAME_MAX_BYTES
        && bytes.first().is_some_and(is_letter)
        && bytes.last().is_some_and(is_last)
        && bytes
            .iter()
            .all(|byte| is_last(byte) || b"-_".contains(byte));
    if !is_name {
        return Err(ScaffoldError::BadName(name.to_owned()));
    }
    if RESERVED.contains(&name) || name.starts_with("wisted") {
        return Err(ScaffoldError::Reserved(name.to_owned()));
    }
    Ok(())
}

fn tree(trees: &[Tree], name: &str) -> Files {
    trees
        .iter()
        .find_map(|(tree, files)| (*tree == name).then_some(*files))
        .unwrap_or_default()
}

type Files = &'static [(&'static str, &'static [u8])];
type Tree = (&'static str, Files);

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Stands for the project's name in the files of `scaffold/`.
const PLACEHOLDER: &str = "{{name}}";

const NAME_MAX_BYTES: usize = 64;

/// Rust's and other languages' words, and the names of what projects depend on.
const RESERVED: [&str; 79] = [
    "abstract",
    "all",
    "alloc",
    "and",
    "app",
    "as",
    "async",
    "auto",
    "await",
    "become",
    "box",
    "break",
    "case",
    "class",
    "clean",
    "const",
    "continue",
    "core",
    "crate",
    "def",
    "default",
    "defer",
    "delete",
    "do",
    "dyn",
    "edit_cache",
    "else",
    "enum",
    "export",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "func",
    "function",
    "go",
    "help",
    "if",
    "impl",
    "import",
    "in",
    "install",
    "int",
    "interface",
    "internal",
    "let",
    "loop",
    "macro",
    "main",
    "match",
    "mod",
    "module",
    "move",
    "mut",
    "new",
    "package",
    "package_source",
    "preinstall",
    "pub",
    "rebuild_cache",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "switch",
    "test",
    "trait",
    "true",
    "type",
    "union",
    "unsafe",
    "use",
    "var",
    "where",
    "while",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_its_files() {
        for language in LANGUAGES {
            assert!(!tree(SCAFFOLDS, language.id).is_empty(), "{}", language.id);
            assert!(!tree(SDKS, language.sdk).is_empty(), "{}", language.id);
            assert_eq!(
                Language::find(language.name).map(|found| found.id),
                Some(language.id)
            );
        }
        assert!(Language::find("RUST").is_some() && Language::find("cobol").is_none());
    }

    #[test]
    fn the_contract_comes_with_the_sdk() {
        let files = tree(SDKS, "rust");
        let contract = files.iter().find(|(name, _)| *name == "wit/reactor.wit");
        assert!(contract.is_some());
    }

    #[test]
    fn names() {
        for name in ["a", "echo", "my-server_2", &"x".repeat(NAME_MAX_BYTES)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        let too_long = "x".repeat(NAME_MAX_BYTES + 1);
        for name in [
            "", "-", "-a", "a-", "1st", "Echo", "a b", "a/b", "..", "ünicode", "a\n", &too_long,
        ] {
            assert!(
                matches!(check_name(name), Err(ScaffoldError::BadName(_))),
                "{name}"
            );
        }
        for name in ["fn", "test", "std", "wisted-guest"] {
            assert!(
                matches!(check_name(name), Err(ScaffoldError::Reserved(_))),
                "{name}"
            );
        }
    }
}
