//! The walls of ARCHITECTURE.md, checked on the source text: a crossed wall fails here, not in a review.
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use wisted_tests::workspace::root;

const LINES_MAX: usize = 600;

/// A source file of the host or of the SDK.
struct Source {
    /// From the crate's `src/`, such as `driver/accept.rs`.
    path: String,
    text: String,
}

impl Source {
    fn is_in(&self, room: &str) -> bool {
        self.path.starts_with(&format!("{room}/")) || self.path == format!("{room}.rs")
    }

    fn is_test(&self) -> bool {
        self.path.contains("tests/") || self.path.ends_with("tests.rs")
    }

    /// The lines that are code, numbered; without the tests, which stand last in a file or in files of their own.
    fn code(&self) -> Vec<(usize, &str)> {
        if self.is_test() {
            return Vec::new();
        }
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        let begins_tests = |pair: &[&str]| {
            pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
        };
        let end = lines
            .windows(2)
            .position(begins_tests)
            .unwrap_or(lines.len());
        let numbered = lines
            .into_iter()
            .take(end)
            .enumerate()
            .map(|(index, line)| (index + 1, line));
        numbered
            .filter(|(_, line)| !line.starts_with("//"))
            .collect()
    }

    /// All lines of code, the tests' too.
    fn code_and_tests(&self) -> Vec<(usize, &str)> {
        let numbered = self
            .text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line.trim()));
        numbered
            .filter(|(_, line)| !line.starts_with("//"))
            .collect()
    }
}

fn sources(of: &str) -> Vec<Source> {
    let base = root().join(of);
    let mut paths = Vec::new();
    collect(&base, &mut paths);
    assert!(!paths.is_empty(), "no sources in {}", base.display());
    paths.sort();
    let source = |path: PathBuf| Source {
        text: fs::read_to_string(&path).expect("readable"),
        path: path
            .strip_prefix(&base)
            .expect("below")
            .to_str()
            .expect("UTF-8")
            .to_owned(),
    };
    paths.into_iter().map(source).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// The words of a line, with what follows each: `mio` in `mio::Poll`, but not in `signal_hook_mio::v1_0`.
fn words(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_part = |symbol: char| symbol.is_alphanumeric() || symbol == '_';
    let mut rest = line;
    std::iter::from_fn(move || {
        let start = rest.find(is_part)?;
        let end = rest[start..]
            .find(|symbol| !is_part(symbol))
            .map_or(rest.len(), |end| start + end);
        let word = &rest[start..end];
        rest = &rest[end..];
        Some((word, rest))
    })
}

/// Whether a line names a crate: `mio::…`, `use mio…`.
fn names_crate(line: &str, name: &str) -> bool {
    words(line).any(|(word, after)| {
        word == name && (after.starts_with("::") || line.contains(&format!("use {name}")))
    })
}

/// The rooms that a file names as `crate::ROOM` or in `crate::{ROOM, …}`.
fn rooms_named(source: &Source) -> BTreeSet<String> {
    let code: String = source
        .code()
        .iter()
        .flat_map(|(_, line)| [line, "\n"])
        .collect();
    let mut rooms = BTreeSet::new();
    for (start, _) in code.match_indices("crate::") {
        let after = &code[start + "crate::".len()..];
        if let Some(group) = after.strip_prefix('{') {
            let mut depth = 0_i32;
            let mut item = String::new();
            for symbol in group.chars() {
                match symbol {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        rooms.extend(words(&item).next().map(|(word, _)| word.to_owned()));
                        item.clear();
                        continue;
                    }
                    _ => {}
                }
                item.push(symbol);
            }
            rooms.extend(words(&item).next().map(|(word, _)| word.to_owned()));
        } else {
            rooms.extend(words(after).next().map(|(word, _)| word.to_owned()));
        }
    }
    rooms
}

fn check(breaches: &[String]) {
    assert!(
        breaches.is_empty(),
        "ARCHITECTURE.md says otherwise:\n{}",
        breaches.join("\n")
    );
}

#[test]
fn each_library_is_named_in_one_room() {
    const WALLS: [(&str, &str); 14] = [
        ("axum", "admin"),
        ("crossterm", "cli"),
        ("hyper_util", "admin"),
        ("lz4_flex", "guest"),
        ("opentelemetry", "telemetry"),
        ("opentelemetry_http", "telemetry"),
        ("opentelemetry_otlp", "telemetry"),
        ("opentelemetry_sdk", "telemetry"),
        ("prometheus", "admin"),
        ("mio", "reactor"),
        ("signal_hook_mio", "reactor"),
        ("wasmtime", "guest"),
        ("wasmtime_wasi", "guest"),
        ("clap", "cli"),
    ];
    let mut breaches = Vec::new();
    for source in sources("host/src") {
        for (library, room) in WALLS.iter().filter(|(_, room)| !source.is_in(room)) {
            for (line, text) in source.code_and_tests() {
                if names_crate(text, library) {
                    breaches.push(format!(
                        "{}:{line} names {library}, which only {room}/ may: {text}",
                        source.path
                    ));
                }
            }
        }
    }
    check(&breaches);
}

#[test]
fn only_the_clock_reads_a_clock() {
    let mut breaches = Vec::new();
    for source in sources("host/src")
        .iter()
        .filter(|source| source.path != "clock.rs")
    {
        for (line, text) in source.code() {
            if ["Instant::now", "SystemTime::now"]
                .iter()
                .any(|name| text.contains(name))
            {
                breaches.push(format!("{}:{line} reads a clock: {text}", source.path));
            }
        }
    }
    check(&breaches);
}

#[test]
fn data_flows_one_way() {
    // What stands further up, and so must not be known.
    const UPWARDS: [(&str, &[&str]); 9] = [
        (
            "admin",
            &["build", "cli", "guest", "reactor", "supervisor", "web"],
        ),
        (
            "core",
            &[
                "admin",
                "build",
                "cli",
                "clock",
                "config",
                "driver",
                "endpoint",
                "guest",
                "logs",
                "reactor",
                "service",
                "side",
                "supervisor",
                "telemetry",
                "web",
            ],
        ),
        (
            "reactor",
            &[
                "admin",
                "build",
                "cli",
                "clock",
                "config",
                "driver",
                "guest",
                "logs",
                "service",
                "side",
                "supervisor",
                "telemetry",
                "web",
            ],
        ),
        (
            "guest",
            &[
                "admin",
                "build",
                "cli",
                "config",
                "driver",
                "reactor",
                "side",
                "supervisor",
                "telemetry",
            ],
        ),
        (
            "web",
            &[
                "admin",
                "build",
                "cli",
                "config",
                "driver",
                "guest",
                "reactor",
                "supervisor",
                "telemetry",
            ],
        ),
        (
            "telemetry",
            &[
                "admin",
                "build",
                "cli",
                "config",
                "driver",
                "guest",
                "reactor",
                "service",
                "supervisor",
            ],
        ),
        ("driver", &["admin", "build", "cli", "config", "supervisor"]),
        (
            "config",
            &[
                "admin",
                "build",
                "cli",
                "clock",
                "core",
                "driver",
                "guest",
                "reactor",
                "side",
                "supervisor",
            ],
        ),
        ("supervisor", &["cli", "reactor"]),
    ];
    let mut breaches = Vec::new();
    for source in sources("host/src")
        .iter()
        .filter(|source| !source.is_test())
    {
        let named = rooms_named(source);
        for (_, forbidden) in UPWARDS.iter().filter(|(room, _)| source.is_in(room)) {
            for room in forbidden.iter().filter(|room| named.contains(**room)) {
                breaches.push(format!("{} names crate::{room}", source.path));
            }
        }
        if source.is_in("core") {
            for (line, text) in source.code() {
                let sockets = ["std::net", "socket2", "tokio", "tracing"];
                if let Some(name) = sockets.iter().find(|name| text.contains(*name)) {
                    breaches.push(format!(
                        "{}:{line} names {name}, and core/ is pure: {text}",
                        source.path
                    ));
                }
            }
        }
    }
    check(&breaches);
}

#[test]
fn no_statics_on_the_loop() {
    let mut breaches = Vec::new();
    let rooms = ["core", "driver", "reactor", "guest"];
    for source in sources("host/src")
        .iter()
        .filter(|source| rooms.iter().any(|room| source.is_in(room)))
    {
        for (line, text) in source.code() {
            let is_static = [
                "static ",
                "pub static ",
                "pub(crate) static ",
                "pub(super) static ",
            ]
            .iter()
            .any(|start| text.starts_with(start));
            if is_static || text.contains("thread_local!") {
                breaches.push(format!("{}:{line} has a static: {text}", source.path));
            }
        }
    }
    check(&breaches);
}

#[test]
fn files_open_with_their_job_and_stay_short() {
    let mut breaches = Vec::new();
    for crate_sources in [
        "host/src",
        "guest-sdk/rust/src",
        "tests/src",
        "tests/tests",
        "tests/guests/hostile/src",
    ] {
        for source in sources(crate_sources) {
            let path = format!("{crate_sources}/{}", source.path);
            if !source.text.starts_with("//! ") {
                breaches.push(format!(
                    "{path} does not open with a sentence that says its job (//! …)"
                ));
            }
            let lines = source.text.lines().count();
            if lines > LINES_MAX {
                breaches.push(format!(
                    "{path} has {lines} lines: more than {LINES_MAX} usually hide a second room"
                ));
            }
        }
    }
    check(&breaches);
}

/// What the map names: each path, and whether what is in it is named too.
fn map() -> Vec<(PathBuf, bool)> {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let map = page
        .split("```")
        .find(|block| block.starts_with("text\n"))
        .expect("a map");
    let mut named: Vec<(PathBuf, bool)> = Vec::new();
    let mut folders: Vec<(usize, PathBuf)> = Vec::new();
    for line in map.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        let depth = line.len() - line.trim_start().len();
        let name = line.split_whitespace().next().expect("not empty");
        folders.retain(|(folder_depth, _)| *folder_depth < depth);
        let above = folders
            .last()
            .map_or_else(PathBuf::new, |(_, folder)| folder.clone());
        if let Some((_, is_listed)) = named.iter_mut().find(|(path, _)| *path == above) {
            *is_listed = true;
        }
        let path = above.join(name.trim_end_matches('/'));
        if name.ends_with('/') {
            folders.push((depth, path.clone()));
        }
        named.push((path, false));
    }
    named
}

#[test]
fn the_map_is_true() {
    let named = map();
    let mut breaches: Vec<String> = named
        .iter()
        .filter(|(path, _)| !root().join(path).exists())
        .map(|(path, _)| format!("the map names {}, which doesn't exist", path.display()))
        .collect();
    for source in sources("host/src")
        .iter()
        .filter(|source| !source.is_test())
    {
        let mut path = Path::new("host/src").join(&source.path);
        if path.ends_with("mod.rs") {
            // The folder speaks for it.
            path.pop();
        }
        // Named itself, or in a folder that the map doesn't look into, or part of the file that its folder belongs to.
        let is_on_the_map = path.ancestors().any(|above| {
            let is_whole = |(name, is_listed): &(PathBuf, bool)| {
                name == above && (above == path || !is_listed)
            };
            named.iter().any(is_whole)
                || named
                    .iter()
                    .any(|(name, _)| *name == above.with_extension("rs"))
        });
        if !is_on_the_map {
            breaches.push(format!("the map doesn't name {}", path.display()));
        }
    }
    check(&breaches);
}

/// The checks themselves: a wall that nothing can cross is no proof.
#[test]
fn breaches_are_seen() {
    assert!(
        names_crate("use mio::Poll;", "mio") && names_crate("let poll = mio::Poll::new();", "mio")
    );
    assert!(
        !names_crate("use signal_hook_mio::v1_0;", "mio") && !names_crate("let mio = 1;", "mio")
    );
    let text = "use crate::{driver::{accept, turn}, web};\n// crate::cli\nlet x = crate::side::now();\n\
                #[cfg(test)]\nmod tests {\nuse crate::guest;\n";
    let source = Source {
        path: "core/x.rs".to_owned(),
        text: text.to_owned(),
    };
    let rooms: Vec<String> = rooms_named(&source).into_iter().collect();
    assert_eq!(rooms, ["driver", "side", "web"]);
    assert!(
        map()
            .iter()
            .any(|(path, is_listed)| path == Path::new("host/src/core") && *is_listed)
    );
}
