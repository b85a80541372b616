//! A host: `wisted run GUEST …` as a child process on a port of its own, or `wisted serve CONFIG …` on those of its services.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::logs::{Lines, Record};
use crate::{Client, workspace};

/// A host to be started.
pub struct Builder {
    /// `run` or `serve`.
    command: &'static str,
    arguments: Vec<OsString>,
    /// Variables of its environment.
    variables: Vec<(String, OsString)>,
    /// What a shell does before it becomes the host, such as to set a limit.
    before: Option<String>,
}

/// A host that listens. It is killed when it is dropped.
pub struct Host {
    child: Child,
    address: SocketAddr,
    stdout: Lines,
    stderr: Lines,
}

/// The command `wisted ARGUMENTS…`, with the cache that all tests share. For what isn't a server.
#[must_use]
pub fn wisted<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(workspace::wisted());
    command.args(arguments);
    prepare(&mut command);
    command
}

/// Runs `wisted ARGUMENTS…` to its end.
#[must_use]
pub fn run<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    wisted(arguments).output().expect("wisted runs")
}

fn prepare(command: &mut Command) {
    command
        .env("XDG_CACHE_HOME", workspace::cache())
        .env("WISTED_TOOLCHAINS", workspace::toolchains())
        .env_remove("RUST_LOG")
        .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
        .stdin(Stdio::null());
}

impl Builder {
    /// One more argument, such as `--isolation`.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// A flag and its value.
    #[must_use]
    pub fn flag(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.arg(name).arg(value)
    }

    /// `--config KEY=VALUE`.
    #[must_use]
    pub fn config(self, key: &str, value: &str) -> Self {
        self.flag("--config", format!("{key}={value}"))
    }

    /// A variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let value = value.as_ref().to_owned();
        self.variables.push((name.to_owned(), value));
        self
    }

    /// Gives the host no more than this many file descriptors.
    #[must_use]
    pub fn descriptors_max(self, descriptors_max: u32) -> Self {
        self.after(&format!("ulimit -n {descriptors_max}"))
    }

    /// Lets a shell do this before it becomes the host: setting a limit between fork and exec would need unsafe code.
    #[must_use]
    pub fn after(mut self, command: &str) -> Self {
        self.before = Some(command.to_owned());
        self
    }

    /// Starts the host and waits until it says that it listens.
    ///
    /// # Panics
    ///
    /// When it ends or [`crate::PATIENCE`] does before that.
    #[must_use]
    pub fn start(self) -> Host {
        let mut command = match self.before {
            None => Command::new(workspace::wisted()),
            Some(before) => {
                let mut command = Command::new("sh");
                command.args(["-c", &format!(r#"{before} && exec "$0" "$@""#)]);
                command.arg(workspace::wisted());
                command
            }
        };
        prepare(&mut command);
        let mut child = command
            .arg(self.command)
            .args(&self.arguments)
            .envs(self.variables)
            .args(["--log-format", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("wisted starts");
        let stdout = Lines::collect(child.stdout.take().expect("piped"));
        let stderr = Lines::collect(child.stderr.take().expect("piped"));
        let listening = stdout.wait_for(|record| address(&record.line).is_some());
        let Some(address) = listening.and_then(|record| address(&record.line)) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!(
                "wisted does not listen\nstdout:\n{}stderr:\n{}",
                stdout.tail(),
                stderr.tail()
            );
        };
        Host {
            child,
            address,
            stdout,
            stderr,
        }
    }
}

/// The address in a line such as `serving echo on tcp:127.0.0.1:40001`.
fn address(line: &str) -> Option<SocketAddr> {
    // Any loopback address.
    let start = line.find("127.")?;
    let end = line[start..].find(|symbol: char| !symbol.is_ascii_digit() && !".:".contains(symbol));
    let address = &line[start..end.map_or(line.len(), |end| start + end)];
    address.trim_end_matches(['.', ':']).parse().ok()
}

impl Host {
    /// A host for a guest of this workspace.
    #[must_use]
    pub fn run(guest: &str) -> Builder {
        Self::run_file(&workspace::guest(guest))
    }

    /// A host for a component.
    #[must_use]
    pub fn run_file(component: &Path) -> Builder {
        Builder {
            command: "run",
            arguments: vec![
                component.into(),
                "--listen".into(),
                "tcp:127.0.0.1:0".into(),
            ],
            variables: Vec::new(),
            before: None,
        }
    }

    /// A host for the services of a configuration, which listen on ports of 127.0.0.1.
    #[must_use]
    pub fn serve(config: &Path) -> Builder {
        Builder {
            command: "serve",
            arguments: vec![config.into()],
            variables: Vec::new(),
            before: None,
        }
    }

    /// Where this service listens.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[must_use]
    #[track_caller]
    pub fn address_of(&self, service: &str) -> SocketAddr {
        let line = format!("serving {service} on ");
        let said = self
            .stdout
            .wait_for(|record| record.line.starts_with(&line));
        let said = said.and_then(|record| address(&record.line));
        said.unwrap_or_else(|| panic!("{service} is not served:\n{}", self.stdout.tail()))
    }

    /// Where it listens; of several services, the first one.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new peer.
    #[must_use]
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Its standard output.
    #[must_use]
    pub fn stdout(&self) -> &Lines {
        &self.stdout
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Lines {
        &self.stderr
    }

    /// The first log record that fits, waited for.
    ///
    /// # Panics
    ///
    /// When there is none within [`crate::PATIENCE`].
    #[track_caller]
    pub fn wait_for_log(&self, what: &str, fits: impl Fn(&Record) -> bool) -> Record {
        match self.stderr.wait_for(fits) {
            Some(record) => record,
            None => panic!("no log record about {what} in:\n{}", self.stderr.tail()),
        }
    }

    /// The first warning or error with all of these words, waited for.
    #[track_caller]
    pub fn wait_for_complaint(&self, words: &[&str]) -> Record {
        self.wait_for_log(&format!("{words:?}"), |record| {
            record.is_record() && record.is_complaint() && record.mentions(words)
        })
    }

    /// The CPU time that the whole host has used, in clock ticks of 10 ms.
    ///
    /// # Panics
    ///
    /// When the host is gone.
    #[must_use]
    pub fn cpu_ticks(&self) -> u64 {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("alive");
        // The name in parentheses may hold anything; utime and stime are the 14th and 15th field.
        let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
        fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().expect("a number"))
            .sum()
    }

    /// The most memory that it has had so far, in bytes.
    ///
    /// # Panics
    ///
    /// When the host is gone.
    #[must_use]
    pub fn memory_peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// The memory that it has, in bytes.
    ///
    /// # Panics
    ///
    /// When the host is gone.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("alive");
        let value = status.lines().find_map(|line| line.strip_prefix(field));
        let value = value.expect("a field of this name").trim();
        let kib: u64 = value.trim_end_matches(" kB").parse().expect("a number");
        kib << 10
    }

    /// Asks it to stop, as an operator does (SIGTERM).
    ///
    /// # Panics
    ///
    /// When it is gone.
    pub fn signal_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to read its configuration again, as an operator does (SIGHUP).
    ///
    /// # Panics
    ///
    /// When it is gone.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Asks it to stop, as Ctrl-C does (SIGINT).
    ///
    /// # Panics
    ///
    /// When it is gone.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the host is alive");
    }

    /// Waits for its end, and makes sure that it did not panic on its way.
    ///
    /// # Panics
    ///
    /// When it goes on beyond [`crate::PATIENCE`], or has panicked.
    #[track_caller]
    pub fn wait(mut self) -> ExitStatus {
        assert!(
            self.stderr.wait_for_end(),
            "the host goes on; its log:\n{}",
            self.stderr.tail()
        );
        let status = self.child.wait().expect("a child is waited for");
        self.check_no_panic();
        status
    }

    /// Asks it to stop and waits for its end.
    #[track_caller]
    pub fn terminate(self) -> ExitStatus {
        self.signal_to_stop();
        self.wait()
    }

    /// Asks it to stop, and insists on an orderly end. For a peer that is still connected it waits for the whole drain, ten seconds:
    /// drop those first.
    ///
    /// # Panics
    ///
    /// When its exit code is not 0, or there is none in time.
    #[track_caller]
    pub fn finish(self) {
        let log = self.stderr.clone();
        let status = self.terminate();
        assert!(
            status.success(),
            "the host ended with {status}; its log:\n{}",
            log.tail()
        );
    }

    #[track_caller]
    fn check_no_panic(&self) {
        // A guest's panic is a log record; a bare line is the host's own.
        let panic = self
            .stderr
            .so_far()
            .into_iter()
            .find(|record| !record.is_record() && record.mentions(&["panicked at"]));
        assert!(
            panic.is_none(),
            "the host panicked:\n{}",
            self.stderr.tail()
        );
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            self.check_no_panic();
        }
    }
}

/// A folder for a test's own files, removed with the value.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    /// An empty folder.
    ///
    /// # Panics
    ///
    /// When there can't be any.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it touches the disk")]
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Writes a file and returns its path.
    ///
    /// # Panics
    ///
    /// When it can't be written.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("in the folder")).expect("a folder is made");
        std::fs::write(&path, content).expect("a file is written");
        path
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
