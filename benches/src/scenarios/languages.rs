//! What each language's echo costs by itself: its size, its compilation, an instance, a call, memory. Without sockets. It must
//! not know how a language is built: the host's own command does it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::call::Subject;
use crate::artifacts::workspace;
use crate::lab::Lab;
use crate::report::{Outcome, Table, figure};
use crate::stats::median;
use crate::{children, proc};

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

/// Instances that are alive while memory is looked at.
const ALIVE: u32 = 32;

/// Where the figures begin and end in the page.
const PLACE: (&str, &str) = (
    "<!-- figures: written by the bench -->\n",
    "<!-- end of figures -->",
);

const SIZE_BYTES: usize = 64;

pub fn run(lab: &Lab) -> Result<Outcome> {
    let folder = children::temporary_folder()?;
    let mut table = Table::new(
        "languages: an echo in each, without sockets",
        1,
        &[
            "language",
            "component KiB",
            "compile ms",
            "load ms",
            "instance µs",
            "call ns",
            "instance KiB",
        ],
    );
    table.note("compile: for the first time; load: from the cache");
    table.note(
        "instance µs: a whole one, start to stop; KiB: resident, of one that has served a message",
    );
    table.note("call: data-received of 64 B and the write of them");
    let mut raw = Vec::new();
    for (name, guest) in LANGUAGES {
        if !workspace().join(guest).is_dir() {
            eprintln!("languages: there is no {guest}");
            continue;
        }
        eprintln!("languages: {name}");
        let component = build(
            lab,
            &workspace().join(guest),
            &folder.path().join(format!("{name}.wasm")),
        )
        .with_context(|| format!("the echo in {name}"))?;
        let figures = measure(lab, &component, folder.path())?;
        table.row(
            std::iter::once(name.to_owned()).chain(figures.iter().map(|value| figure(*value))),
        );
        raw.push(json!({ "language": name, "figures": figures }));
    }
    if !lab.settings.quick {
        write_down(lab, &table)?;
    }
    Ok(Outcome {
        tables: vec![table],
        raw: Value::Array(raw),
    })
}

fn build(lab: &Lab, guest: &Path, output: &Path) -> Result<PathBuf> {
    let mut command = Command::new(lab.host()?);
    command.arg("build").arg(guest).arg("-o").arg(output);
    ensure!(command.status()?.success(), "it cannot be built");
    Ok(output.to_owned())
}

/// In the order of the table's columns.
fn measure(lab: &Lab, component: &Path, folder: &Path) -> Result<[f64; 6]> {
    let cache = tempfile::tempdir_in(folder)?;
    let size = fs::metadata(component)?.len();
    let timed_load = || -> Result<(f64, Subject)> {
        let begin = Instant::now();
        let subject = Subject::load_file(component, cache.path(), ALIVE)?;
        Ok((begin.elapsed().as_secs_f64() * 1e3, subject))
    };
    let (compile_ms, _) = timed_load()?;
    let (load_ms, subject) = timed_load()?;
    let (rounds, window) = (lab.settings.rounds(5, 2), lab.settings.window(300, 30));
    let median_of = |measure: &dyn Fn() -> Result<f64>| -> Result<f64> {
        let figures = (0..rounds).map(|_| measure()).collect::<Result<Vec<_>>>()?;
        Ok(median(figures))
    };
    let life_ns = median_of(&|| subject.time_lives(window))?;
    let call_ns = median_of(&|| subject.time_calls(SIZE_BYTES, window))?;
    let own = std::process::id();
    let before = proc::memory(own)?.rss_kib;
    let alive = subject.served_once(ALIVE, SIZE_BYTES)?;
    let grown = proc::memory(own)?.rss_kib.saturating_sub(before);
    drop(alive);
    Ok([
        size as f64 / 1024.0,
        compile_ms,
        load_ms,
        life_ns / 1e3,
        call_ns,
        grown as f64 / f64::from(ALIVE),
    ])
}

fn write_down(lab: &Lab, table: &Table) -> Result<()> {
    let path = workspace().join("docs/languages.md");
    let page = fs::read_to_string(&path).context("docs/languages.md")?;
    let (before, rest) = page
        .split_once(PLACE.0)
        .context("a place for the figures")?;
    let (_, after) = rest.split_once(PLACE.1).context("an end of the figures")?;
    let mut text = table.markdown();
    text.push('\n');
    for (what, value) in lab.machine() {
        text.push_str(&format!("- {what}: {value}\n"));
    }
    fs::write(path, [before, PLACE.0, &text, PLACE.1, after].concat())?;
    Ok(())
}
