//! What an echo costs in each language: by itself, and on sockets beside native programs. It orders the two and writes their
//! figures into docs/languages.md; it must not know how a language is built: the host's own command does it.

mod alone;
mod on_sockets;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::artifacts::workspace;
use crate::children;
use crate::lab::Lab;
use crate::report::{Outcome, Table};

/// A language, and its echo's folder.
const LANGUAGES: [(&str, &str); 9] = [
    ("Rust", "guests/echo"),
    ("C", "guests/c/echo"),
    ("C++", "guests/cpp/echo"),
    ("Zig", "guests/zig/echo"),
    ("AssemblyScript", "guests/assemblyscript/echo"),
    ("Go", "guests/go/echo"),
    ("JavaScript", "guests/javascript/echo"),
    ("TypeScript", "guests/typescript/echo"),
    ("Python", "guests/python/echo"),
];

/// Where the tools of the languages go, unless it is set: the same place as the tests'.
const TOOLCHAINS: &str = "WISTED_TOOLCHAINS";

const PAGE: &str = "docs/languages.md";
/// Where the figures begin and end in the page.
const PLACE: (&str, &str) = (
    "<!-- figures: written by the bench -->\n",
    "<!-- end of figures -->",
);

/// A language's echo, built.
struct Guest {
    language: &'static str,
    component: PathBuf,
}

pub fn run(lab: &Lab) -> Result<Outcome> {
    let folder = children::temporary_folder()?;
    let guests = LANGUAGES
        .iter()
        .map(|&(language, guest)| build(lab, language, guest, folder.path()))
        .collect::<Result<Vec<_>>>()?;
    let (alone, alone_raw) = alone::run(lab, &guests)?;
    let on_sockets = on_sockets::run(lab, &guests)?;
    let mut tables = vec![alone];
    tables.extend(on_sockets.tables);
    if !lab.settings.quick {
        write_down(lab, &tables, &on_sockets.versions).context(PAGE)?;
        eprintln!("languages: wrote {PAGE}");
    }
    Ok(Outcome {
        tables,
        raw: json!({ "alone": alone_raw, "on_sockets": on_sockets.raw }),
    })
}

/// Builds an echo with the command that people type, and compiles it into this run's cache.
fn build(lab: &Lab, language: &'static str, guest: &str, folder: &Path) -> Result<Guest> {
    eprintln!("languages: building {guest}");
    let component = folder.join(format!("{language}.wasm"));
    let wisted = |arguments: &[&Path]| -> Result<()> {
        let mut command = Command::new(lab.host()?);
        command.args(arguments);
        if arguments[0] == Path::new("compile") {
            // Building has caches of its own there, without which it takes minutes.
            command.env("XDG_CACHE_HOME", lab.cache());
        }
        if std::env::var_os(TOOLCHAINS).is_none() {
            command.env(TOOLCHAINS, lab.target().join("toolchains"));
        }
        let status = lab.on_all_cores(|| command.status())??;
        ensure!(status.success(), "{command:?} failed");
        Ok(())
    };
    let source = workspace().join(guest);
    wisted(&["build".as_ref(), &source, "-o".as_ref(), &component])?;
    wisted(&["compile".as_ref(), &component])?;
    Ok(Guest {
        language,
        component,
    })
}

fn write_down(lab: &Lab, tables: &[Table], versions: &[String]) -> Result<()> {
    let path = workspace().join(PAGE);
    let page = fs::read_to_string(&path)?;
    let (before, rest) = page
        .split_once(PLACE.0)
        .context("a place for the figures")?;
    let (_, after) = rest.split_once(PLACE.1).context("an end of the figures")?;
    let mut text = String::new();
    for table in tables {
        // They are parts of a section here.
        text += &table.markdown().replace("\n## ", "\n### ");
    }
    text += "\n### Measured with\n\n";
    let machine = lab.machine().into_iter();
    let machine = machine.map(|(what, value)| format!("{what}: {value}"));
    for line in versions.iter().cloned().chain(machine) {
        text += &format!("- {line}\n");
    }
    text += "\n";
    fs::write(path, [before, PLACE.0, &text, PLACE.1, after].concat())?;
    Ok(())
}
