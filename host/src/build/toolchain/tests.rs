//! Installs with fake tools in a folder of each test's own: what is run, how often, and what is said when it fails.

use super::*;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder of its own for each test, and the fake tools in it.
struct Bench(PathBuf);

impl Bench {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wisted-toolchain-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    /// A program that writes down how it was called and then does as told. Written by a shell: while this process has a script
    /// open, another test's fork makes it "text file busy".
    fn script(&self, body: &str) -> OsString {
        let path = self.0.join("tool");
        let script = format!(
            "#!/bin/sh\necho \"$@\" >> {}/calls\n{body}\n",
            self.0.display()
        );
        let write = r#"printf %s "$1" > "$2" && chmod +x "$2""#;
        let status = Command::new("sh")
            .args(["-c", write, "sh", &script])
            .arg(&path)
            .status();
        assert!(status.unwrap().success());
        path.into()
    }

    fn toolchains(&self, body: &str) -> Toolchains {
        let tool = self.script(body);
        Toolchains {
            python: tool.clone(),
            npm: tool,
            ..Toolchains::at(self.0.join("tools"))
        }
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.0.join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A fake python3 that makes a venv whose own python is the same script.
const VENV: &str = r#"case "$2" in venv) mkdir -p "$4/bin" && cp "$0" "$4/bin/python";; esac"#;

fn npm(toolchains: &Toolchains, lock: &str) -> Result<PathBuf, ToolchainError> {
    toolchains.npm("typescript", "{}", lock, &mut |_| {})
}

#[test]
fn packages_are_installed_once() {
    let bench = Bench::new();
    let toolchains = bench.toolchains(VENV);
    let mut steps = Vec::new();
    for _ in 0..2 {
        let venv = toolchains
            .python("zig", "ziglang==1 --hash=sha256:00", &mut |step| {
                steps.push(step.to_owned())
            })
            .unwrap();
        assert!(venv.join("bin/python").is_file());
        let pins = fs::read_to_string(venv.with_file_name("requirements.txt")).unwrap();
        assert_eq!(pins, "ziglang==1 --hash=sha256:00");
    }
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert!(
        steps[0].starts_with("installing zig from PyPI into /"),
        "{steps:?}"
    );
    let calls = bench.calls();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(
        calls[1].contains("--require-hashes -r requirements.txt"),
        "{calls:?}"
    );
    assert!(calls[1].contains("--only-binary=:all:"), "{calls:?}");
    // Git sees nothing of it.
    assert_eq!(
        fs::read_to_string(bench.0.join("tools/.gitignore")).unwrap(),
        "*\n"
    );
}

#[test]
fn other_pins_are_another_folder() {
    let bench = Bench::new();
    let toolchains = bench.toolchains("");
    let one = npm(&toolchains, "one").unwrap();
    let two = npm(&toolchains, "two").unwrap();
    assert_ne!(one, two);
    assert_eq!(npm(&toolchains, "one").unwrap(), one);
    assert_eq!(bench.calls().len(), 2);
}

#[test]
fn what_was_interrupted_is_done_again() {
    let bench = Bench::new();
    let broken = bench.toolchains("touch half; exit 1");
    assert!(npm(&broken, "lock").is_err());
    let folder = npm(&bench.toolchains(""), "lock").unwrap();
    assert!(!folder.join("half").exists() && folder.join("package-lock.json").is_file());
}

#[test]
fn two_builds_at_once_install_once() {
    let bench = Bench::new();
    // The first one installs until the second one says that it waits.
    let script = format!(
        "while ! test -e {}/waiting; do sleep 0.01; done",
        bench.0.display()
    );
    let toolchains = bench.toolchains(&script);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let progress = &mut |step: &str| {
                    if step.starts_with("waiting for another build") {
                        fs::write(bench.0.join("waiting"), "").unwrap();
                    }
                };
                toolchains
                    .npm("typescript", "{}", "lock", progress)
                    .unwrap();
            });
        }
    });
    assert_eq!(bench.calls().len(), 1);
}

#[test]
fn failures_say_what_to_do() {
    let bench = Bench::new();
    let says = |words: &str| {
        let toolchains = bench.toolchains(&format!("echo '{words}' >&2; exit 1"));
        npm(&toolchains, "lock").unwrap_err().to_string()
    };
    let offline = says("npm error code ENOTFOUND");
    assert!(offline.contains("npm cannot be reached"), "{offline}");
    assert!(
        offline.contains(" ci --ignore-scripts") && offline.ends_with("touch complete"),
        "{offline}"
    );
    assert!(says("THESE PACKAGES DO NOT MATCH THE HASHES FROM THE…").contains("its hash differs"));
    assert!(says("npm error code EINTEGRITY").contains("its hash differs"));
    assert!(says("ensurepip is not available").contains("apt-get install python3-venv"));
    assert!(says("something else").contains("exit status: 1"));
    let toolchains = Toolchains {
        npm: "no-such-npm".into(),
        ..bench.toolchains("")
    };
    let missing = npm(&toolchains, "lock").unwrap_err().to_string();
    assert!(
        missing.contains("no-such-npm is not installed"),
        "{missing}"
    );
    assert!(!missing.contains('\n') && !offline.contains('\n'));
}
