//! Every script of the conformance suite against every language's guest, and the page that says what came of it.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use wisted_tests::conformance::{self, Script};
use wisted_tests::{host, workspace};

/// A language, and where its guest is.
struct Language {
    name: &'static str,
    /// The folder of its guest, from the workspace's root.
    guest: &'static str,
    /// Scripts that it does not pass, each with the reason, and the number of the issue where that is another project's.
    fails: &'static [(&'static str, &'static str)],
}

const LANGUAGES: &[Language] = &[
    Language {
        name: "Rust",
        guest: "guests/conformance",
        fails: &[],
    },
    Language {
        name: "Python",
        guest: "guests/python/conformance",
        fails: &[],
    },
    Language {
        name: "JavaScript",
        guest: "guests/javascript/conformance",
        fails: &[],
    },
    Language {
        name: "TypeScript",
        guest: "guests/typescript/conformance",
        fails: &[],
    },
    Language {
        name: "C",
        guest: "guests/c/conformance",
        fails: &[],
    },
    Language {
        name: "C++",
        guest: "guests/cpp/conformance",
        fails: &[],
    },
    Language {
        name: "Go",
        guest: "guests/go/conformance",
        fails: &[],
    },
    Language {
        name: "Zig",
        guest: "guests/zig/conformance",
        fails: &[],
    },
    Language {
        name: "AssemblyScript",
        guest: "guests/assemblyscript/conformance",
        fails: &[],
    },
];

/// Limits the run to these languages, separated by commas: to try one, or to split a slow run. The page is then checked for
/// them alone.
const ONLY: &str = "WISTED_CONFORMANCE";

/// A component from elsewhere to be tested instead: for whoever writes an SDK.
const GUEST: &str = "WISTED_CONFORMANCE_GUEST";

/// Writes the page instead of checking it.
const WRITE: &str = "WISTED_WRITE_DOCS";

const PAGE: &str = "docs/languages.md";

/// Where the table of results begins and ends in the page.
const TABLE: (&str, &str) = (
    "<!-- results: written by the tests -->\n",
    "<!-- end of results -->",
);

impl Language {
    /// Its guest, built with the same command that people type.
    fn component(&self) -> PathBuf {
        if self.name == "Rust" {
            return workspace::guest("conformance");
        }
        let folder = workspace::root().join(self.guest);
        let output = workspace::cache().join(format!("conformance-{}.wasm", self.name));
        fs::create_dir_all(workspace::cache()).expect("a folder");
        let (folder, file) = (folder.as_os_str(), output.as_os_str());
        succeeds(&["build".as_ref(), folder, "-o".as_ref(), file]);
        // Into the cache: a large one takes longer than a host is waited for, on a busy machine.
        succeeds(&["compile".as_ref(), file]);
        output
    }

    fn reason(&self, script: &Script) -> Option<&'static str> {
        let mut reasons = self.fails.iter().filter(|(name, _)| *name == script.name);
        reasons.next().map(|(_, reason)| *reason)
    }
}

fn succeeds(arguments: &[&OsStr]) {
    let output = host::wisted(arguments).output().expect("wisted runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Which scripts of each feature a language passes, and how many there are.
#[derive(Default)]
struct Score {
    passed: usize,
    all: usize,
}

#[test]
fn every_language_does_the_same() {
    if let Some(component) = std::env::var_os(GUEST) {
        return check_guest(Path::new(&component));
    }
    let only = std::env::var(ONLY).unwrap_or_default();
    let chosen: Vec<&Language> = LANGUAGES
        .iter()
        .filter(|language| only.is_empty() || only.split(',').any(|name| name == language.name))
        .collect();
    assert!(
        !chosen.is_empty(),
        "{ONLY}={only}: there is no such language"
    );
    let scripts = conformance::scripts();
    let results = run_all(&chosen, &scripts);
    let mut surprises = String::new();
    let mut scores: BTreeMap<(&str, &str), Score> = BTreeMap::new();
    for (language, script, passed) in results {
        let name = language.name;
        match (passed, language.reason(script)) {
            (true, None) | (false, Some(_)) => {}
            (false, None) => surprises += &format!("{name} fails {:?}\n", script.name),
            (true, Some(_)) => {
                surprises += &format!("{name} passes {:?}, and is said to fail\n", script.name);
            }
        }
        let score = scores.entry((&script.feature, name)).or_default();
        score.all += 1;
        score.passed += usize::from(passed);
    }
    assert!(surprises.is_empty(), "the messages are above:\n{surprises}");
    check_page(&chosen, &features(&scripts), &scores);
}

fn check_guest(component: &Path) {
    conformance::compile(component);
    let scripts = conformance::scripts();
    let failed = scripts.iter().filter(|script| {
        let run = || conformance::run(script, component);
        catch_unwind(AssertUnwindSafe(run)).is_err()
    });
    let names: Vec<_> = failed.map(|script| &script.name).collect();
    assert!(
        names.is_empty(),
        "{} of {} fail: {names:?}",
        names.len(),
        scripts.len()
    );
}

/// A language, a script, and whether it passes.
type Result<'a> = (&'a Language, &'a Script, bool);

/// A language at a time on each core: most scripts wait for a while.
fn run_all<'a>(languages: &[&'a Language], scripts: &'a [Script]) -> Vec<Result<'a>> {
    let left = Mutex::new(languages.iter().copied());
    let results = Mutex::new(Vec::new());
    let work = || {
        loop {
            let next = left.lock().expect("nobody panics with it").next();
            let Some(language) = next else { return };
            let component = language.component();
            conformance::compile(&component);
            for script in scripts {
                let run = || conformance::run(script, &component);
                let passed = catch_unwind(AssertUnwindSafe(run)).is_ok();
                let mut results = results.lock().expect("nobody panics with it");
                results.push((language, script, passed));
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        (0..cores.min(languages.len())).for_each(|_| drop(scope.spawn(work)));
    });
    results.into_inner().expect("nobody panics with it")
}

/// In the order in which the scripts have them.
fn features(scripts: &[Script]) -> Vec<&str> {
    let mut features: Vec<&str> = Vec::new();
    for script in scripts {
        if !features.contains(&&*script.feature) {
            features.push(&script.feature);
        }
    }
    features
}

/// A row a feature, a column a language; where not all passes, how much does.
fn check_page(languages: &[&Language], features: &[&str], scores: &BTreeMap<(&str, &str), Score>) {
    let cell = |feature: &str, language: &str| match scores.get(&(feature, language)) {
        Some(score) if score.passed == score.all => "passes".to_owned(),
        Some(score) if score.passed == 0 => "no".to_owned(),
        Some(score) => format!("{} of {}", score.passed, score.all),
        None => "not run".to_owned(),
    };
    let path = workspace::root().join(PAGE);
    let page = fs::read_to_string(&path).expect(PAGE);
    let (before, rest) = page.split_once(TABLE.0).expect("a place for the table");
    let (table, after) = rest.split_once(TABLE.1).expect("an end of the table");
    if std::env::var_os(WRITE).is_some() {
        assert_eq!(
            languages.len(),
            LANGUAGES.len(),
            "only a whole run is written down"
        );
        let mut text = String::from("\n| feature |");
        languages
            .iter()
            .for_each(|language| write!(text, " {} |", language.name).expect("memory"));
        text += "\n|---|";
        languages.iter().for_each(|_| text += "---|");
        text += "\n";
        for feature in features {
            write!(text, "| {feature} |").expect("memory");
            languages.iter().for_each(|language| {
                write!(text, " {} |", cell(feature, language.name)).expect("memory")
            });
            text += "\n";
        }
        for language in languages {
            for (script, reason) in language.fails {
                writeln!(text, "\n- {}, {script:?}: {reason}", language.name).expect("memory");
            }
        }
        text += "\n";
        fs::write(&path, [before, TABLE.0, &text, TABLE.1, after].concat()).expect("written");
        return;
    }
    let written = read_table(table);
    for feature in features {
        for language in languages {
            let says = written.get(&((*feature).to_owned(), language.name.to_owned()));
            assert_eq!(
                says,
                Some(&cell(feature, language.name)),
                "{PAGE} is stale about {feature:?} in {}; write it anew: {WRITE}=1 cargo test -p wisted-tests --test conformance",
                language.name
            );
        }
    }
}

/// The page's cells by feature and language.
fn read_table(table: &str) -> BTreeMap<(String, String), String> {
    let row = |line: &str| -> Vec<String> {
        let line = line.trim_matches('|');
        line.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut rows = table.lines().filter(|line| line.starts_with('|')).map(row);
    let head = rows.next().unwrap_or_default();
    let mut cells = BTreeMap::new();
    for row in rows.skip(1) {
        for (language, cell) in head.iter().zip(&row).skip(1) {
            cells.insert((row[0].clone(), language.clone()), cell.clone());
        }
    }
    cells
}

/// A guest that nobody lists is tested by nobody.
#[test]
fn every_guest_is_listed() {
    let guests = workspace::root().join("guests");
    for entry in fs::read_dir(guests).expect("a folder") {
        let folder = entry.expect("an entry").path();
        if folder.join("conformance").is_dir() {
            let guest = format!(
                "guests/{}/conformance",
                folder.file_name().expect("a name").display()
            );
            let is_listed = LANGUAGES.iter().any(|language| language.guest == guest);
            assert!(is_listed, "{guest} is not in LANGUAGES");
        }
    }
}
