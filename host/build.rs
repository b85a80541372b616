//! Puts the files of scaffold/ and of ../guest-sdk/ into the binary, for `wisted new`: as constants in embedded.rs. It must
//! not know what any language's files are for.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let host = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let mut text = String::new();
    for (name, folder) in [
        ("SCAFFOLDS", host.join("scaffold")),
        ("SDKS", host.join("../guest-sdk")),
    ] {
        writeln!(text, "const {name}: &[Tree] = &[").expect("memory");
        for language in entries(&folder) {
            let mut files = Vec::new();
            collect(&language, &language, &mut files);
            let total_bytes: u64 = files.iter().map(|(_, _, bytes)| bytes).sum();
            assert!(
                total_bytes <= TREE_MAX_BYTES,
                "{} has {total_bytes} bytes: has somebody left build outputs there?",
                language.display()
            );
            let language = language.file_name().expect("a name");
            writeln!(text, "    ({:?}, &[", language.to_string_lossy()).expect("memory");
            for (name, path, _) in files {
                // Of the SDKs files alone, not their folders: tests leave outputs in those, which would build the host anew.
                println!("cargo::rerun-if-changed={}", path.display());
                writeln!(text, "        ({name:?}, include_bytes!({path:?})),").expect("memory");
            }
            text += "    ]),\n";
        }
        text += "];\n";
    }
    let output = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo")).join("embedded.rs");
    fs::write(output, text).expect("written");
    // With all that is below, so that what is added is noticed as well.
    println!(
        "cargo::rerun-if-changed={}",
        host.join("scaffold").display()
    );
    println!("cargo::rerun-if-changed=build.rs");
}

/// All source files below, with their names from `base` on and their lengths. Symbolic links are followed: the contract is one.
fn collect(base: &Path, folder: &Path, files: &mut Vec<(String, PathBuf, u64)>) {
    for path in entries(folder) {
        if path.is_dir() {
            collect(base, &path, files);
        } else {
            let name = path.strip_prefix(base).expect("below");
            let name = name.to_str().expect("UTF-8").to_owned();
            let bytes = fs::metadata(&path).expect("readable").len();
            files.push((name, path, bytes));
        }
    }
}

/// What is in a folder, sorted, but for build outputs.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        panic!("{} cannot be read", folder.display());
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths.filter(|path| !is_output(path)).collect();
    paths.sort();
    paths
}

fn is_output(path: &Path) -> bool {
    const OUTPUTS: [&str; 9] = [
        "target",
        "node_modules",
        "__pycache__",
        "build",
        "dist",
        "out",
        "zig-out",
        "venv",
        "Cargo.lock",
    ];
    const ENDINGS: [&str; 5] = ["wasm", "pyc", "egg-info", "o", "a"];
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_hidden = name.starts_with('.') && name != ".gitignore" && name != ".cargo";
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    is_hidden || OUTPUTS.contains(&&*name) || ENDINGS.contains(&&*ending)
}

/// One language's files; the largest has some 200 KiB.
const TREE_MAX_BYTES: u64 = 4 << 20;
