//! Builds with fake tools in a folder of each test's own: what is run, and what is said when it fails.

use super::*;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder of its own for each test, and the fake tools in it.
struct Bench(PathBuf);

impl Bench {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "wisted-build-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(path.join("guest")).unwrap();
        fs::create_dir_all(path.join("libraries")).unwrap();
        fs::write(path.join("guest/Cargo.toml"), "").unwrap();
        Self(path.canonicalize().unwrap())
    }

    /// Written by a shell: while this process has a script open, another test's fork makes it "text file busy".
    fn script(&self, name: &str, body: &str) -> OsString {
        let path = self.0.join(name);
        let script = format!("#!/bin/sh\ncd {}\n{body}\n", self.0.display());
        let write = r#"printf %s "$1" > "$2" && chmod +x "$2""#;
        let status = Command::new("sh")
            .args(["-c", write, "sh", &script])
            .arg(&path)
            .status()
            .unwrap();
        assert!(status.success());
        path.into()
    }

    /// Tools that work: the target is there, and `build` prints the file `messages` and exits as told.
    fn tools(&self, metadata: &Value, messages: &[Value], exit_code: u8) -> Tools {
        let messages: String = messages
            .iter()
            .map(|message| format!("{message}\n"))
            .collect();
        fs::write(self.0.join("metadata"), metadata.to_string()).unwrap();
        fs::write(self.0.join("messages"), messages).unwrap();
        let build =
            format!("env > environment; echo $OLDPWD $* > call; cat messages; exit {exit_code}");
        let cargo = format!("case $1 in metadata) cat metadata;; *) {build};; esac");
        Tools {
            cargo: self.script("cargo", &cargo),
            rustc: self.script("rustc", "echo $PWD/libraries"),
            rustup: self.script("rustup", "echo $* > installed; mkdir -p libraries"),
        }
    }

    fn guest(&self) -> PathBuf {
        self.0.join("guest")
    }

    fn package(&self, folder: &str, kind: &str) -> Value {
        let manifest = self.0.join(folder).join("Cargo.toml");
        fs::create_dir_all(manifest.parent().unwrap()).unwrap();
        fs::write(&manifest, "").unwrap();
        serde_json::json!({ "name": folder, "manifest_path": manifest, "targets": [{ "kind": [kind] }] })
    }

    fn artifact(&self, folder: &str) -> Value {
        serde_json::json!({
            "reason": "compiler-artifact",
            "manifest_path": self.0.join(folder).join("Cargo.toml"),
            "target": { "kind": ["cdylib", "rlib"] },
            "filenames": ["/target/lib.rlib", format!("/target/{folder}.wasm")],
        })
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn packages(packages: &[Value]) -> Value {
    serde_json::json!({ "packages": packages })
}

fn finished(success: bool) -> Value {
    serde_json::json!({ "reason": "build-finished", "success": success })
}

fn failure(tools: &Tools, folder: &Path) -> String {
    tools
        .build(folder, &mut |_| {})
        .expect_err("should not build")
        .to_string()
}

#[test]
fn a_crate_becomes_its_component() {
    let bench = Bench::new();
    let messages = [
        bench.artifact("dependency"),
        bench.artifact("guest"),
        finished(true),
    ];
    let metadata = packages(&[
        bench.package("guest", "cdylib"),
        bench.package("other", "cdylib"),
    ]);
    let tools = bench.tools(&metadata, &messages, 0);
    let mut steps = Vec::new();
    let component = tools
        .build(&bench.guest(), &mut |step| steps.push(step.to_owned()))
        .unwrap();
    assert_eq!(component, Path::new("/target/guest.wasm"));
    assert_eq!(steps, ["building the guest guest"]);
    let call = fs::read_to_string(bench.0.join("call")).unwrap();
    assert!(
        call.starts_with(&format!("{} build --release", bench.guest().display())),
        "{call}"
    );
    // This test runs under cargo, whose own variables must not reach the one for the guest.
    let environment = fs::read_to_string(bench.0.join("environment")).unwrap();
    assert!(
        !environment.contains("CARGO_MANIFEST_DIR=") && !environment.contains("CARGO_PKG_NAME=")
    );
    assert!(environment.contains("PATH="));
}

#[test]
fn a_missing_target_is_installed_once() {
    let bench = Bench::new();
    let metadata = packages(&[bench.package("guest", "cdylib")]);
    let tools = bench.tools(&metadata, &[bench.artifact("guest"), finished(true)], 0);
    fs::remove_dir(bench.0.join("libraries")).unwrap();
    let mut steps = Vec::new();
    tools
        .build(&bench.guest(), &mut |step| steps.push(step.to_owned()))
        .unwrap();
    assert_eq!(steps[0], "installing the Rust target wasm32-wasip2, once");
    assert_eq!(
        fs::read_to_string(bench.0.join("installed")).unwrap(),
        "target add wasm32-wasip2\n"
    );
    tools
        .build(&bench.guest(), &mut |step| steps.push(step.to_owned()))
        .unwrap();
    assert_eq!(steps[2..], ["building the guest guest"]);
}

#[test]
fn a_target_that_cannot_be_installed() {
    let bench = Bench::new();
    let mut tools = bench.tools(&packages(&[bench.package("guest", "cdylib")]), &[], 0);
    fs::remove_dir(bench.0.join("libraries")).unwrap();
    tools.rustup = bench.0.join("nowhere").into();
    assert!(failure(&tools, &bench.guest()).contains("no rustup to install it with"));
    tools.rustup = bench.script(
        "offline",
        "echo 'error: could not download file from https://…' >&2; exit 1",
    );
    assert!(
        failure(&tools, &bench.guest())
            .contains("once with a network: rustup target add wasm32-wasip2")
    );
    tools.rustup = bench.script("broken", "exit 7");
    assert!(failure(&tools, &bench.guest()).contains("exit status: 7"));
}

#[test]
fn no_tools_and_no_crate() {
    let bench = Bench::new();
    let mut tools = bench.tools(&packages(&[bench.package("guest", "lib")]), &[], 0);
    assert!(failure(&tools, &bench.guest()).contains("crate-type = [\"cdylib\"]"));
    tools.cargo = bench.script(
        "bad-manifest",
        "echo 'error: invalid manifest' >&2; exit 101",
    );
    assert!(
        failure(&tools, &bench.guest())
            .ends_with("bad-manifest metadata failed: error: invalid manifest")
    );
    tools.cargo = bench.0.join("nowhere/cargo").into();
    assert!(failure(&tools, &bench.guest()).contains("cargo is not installed"));
}

#[test]
fn workspaces() {
    let bench = Bench::new();
    let library = bench.package("library", "lib");
    let one = bench.package("one", "cdylib");
    let two = bench.package("two", "cdylib");
    let tools = bench.tools(&packages(&[library.clone(), one.clone(), two]), &[], 0);
    let error = failure(&tools, &bench.guest());
    assert!(
        error.contains("several guests; name one:") && error.contains("\n  /"),
        "{error}"
    );
    let tools = bench.tools(&packages(std::slice::from_ref(&library)), &[], 0);
    assert!(failure(&tools, &bench.guest()).contains("a workspace without any guest"));
    let tools = bench.tools(
        &packages(&[library, one]),
        &[bench.artifact("one"), finished(true)],
        0,
    );
    assert_eq!(
        tools.build(&bench.guest(), &mut |_| {}).unwrap(),
        Path::new("/target/one.wasm")
    );
}

#[test]
fn failures_of_cargo() {
    let bench = Bench::new();
    let metadata = packages(&[bench.package("guest", "cdylib")]);
    let tools = bench.tools(
        &metadata,
        &[bench.artifact("dependency"), finished(false)],
        101,
    );
    assert!(failure(&tools, &bench.guest()).contains("does not compile (exit status: 101)"));
    let tools = bench.tools(&metadata, &[], 101);
    assert!(failure(&tools, &bench.guest()).contains("cargo could not begin to build"));
    let tools = bench.tools(&metadata, &[finished(true)], 0);
    assert!(failure(&tools, &bench.guest()).contains("no .wasm file"));
}
