//! What the host does when a service manager starts it: what it tells, and the sockets that it is given.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use wisted_tests::host::Scratch;
use wisted_tests::logs::Lines;
use wisted_tests::{Client, PATIENCE, workspace};

use super::ECHO;

/// A host under a service manager that this test plays: `wisted serve CONFIG`. It is killed when it is dropped.
pub struct Served {
    child: Child,
    stdout: Lines,
    log: Lines,
}

impl Served {
    /// `before` is run by a shell in the same process, before the host takes its place.
    pub fn start(before: &str, config: &Path, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!(r#"{before}; exec "$0" "$@""#)])
            .arg(workspace::wisted())
            .args(["serve", "--watch", "--log-format", "json"])
            .arg(config)
            .env("XDG_CACHE_HOME", workspace::cache())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        prepare(&mut command);
        let mut child = command.spawn().expect("a shell starts");
        Self {
            stdout: Lines::collect(child.stdout.take().expect("piped")),
            log: Lines::collect(child.stderr.take().expect("piped")),
            child,
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the host is alive");
    }

    #[track_caller]
    pub fn wait_for_log(&self, words: &[&str]) {
        let found = self.log.wait_for(|record| record.mentions(words));
        assert!(found.is_some(), "no {words:?} in:\n{}", self.log.tail());
    }

    /// Where this service listens, once it does.
    #[track_caller]
    pub fn address_of(&self, service: &str) -> SocketAddr {
        let line = format!("serving {service} on tcp:");
        let said = self
            .stdout
            .wait_for(|record| record.line.starts_with(&line));
        let said = said.unwrap_or_else(|| panic!("{service}:\n{}", self.log.tail()));
        let address = said.line[line.len()..].split(' ').next();
        let address = address.and_then(|address| address.parse().ok());
        address.unwrap_or_else(|| panic!("no address in {:?}", said.line))
    }

    #[track_caller]
    pub fn wait(mut self) -> ExitStatus {
        assert!(
            self.log.wait_for_end(),
            "the host goes on:\n{}",
            self.log.tail()
        );
        self.child.wait().expect("a child is waited for")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A configuration with the service `echo` at this endpoint.
pub fn echo_at(scratch: &Scratch, endpoint: &str) -> PathBuf {
    let component = scratch.file("echo.wat", ECHO);
    let component = component.display();
    let text = format!("[services.echo]\ncomponent = \"{component}\"\nlisten = \"{endpoint}\"\n");
    scratch.file("wisted.toml", text)
}

/// The socket on which a service manager is told.
struct Manager(UnixDatagram);

impl Manager {
    fn new(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self(socket)
    }

    /// The next message, split into its lines.
    #[track_caller]
    fn told(&self) -> Vec<String> {
        let mut message = [0; 4096];
        let length = self.0.recv(&mut message).expect("the manager is told");
        let message = String::from_utf8_lossy(&message[..length]);
        message.lines().map(str::to_owned).collect()
    }

    /// The next message that is not about the watchdog.
    #[track_caller]
    fn told_of_state(&self) -> Vec<String> {
        loop {
            let message = self.told();
            if message != ["WATCHDOG=1"] {
                return message;
            }
        }
    }
}

#[test]
fn a_service_manager_is_told() {
    let scratch = Scratch::new();
    let path = scratch.path().join("notify");
    let manager = Manager::new(&path);
    let config = echo_at(&scratch, "tcp:127.0.0.1:0");
    let host = Served::start(":", &config, |command| {
        // As short as a busy machine can keep.
        command
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "600000");
    });
    assert_eq!(manager.told(), ["READY=1"], "first of all");
    for _ in 0..2 {
        assert_eq!(manager.told(), ["WATCHDOG=1"]);
    }
    let mut peer = Client::connect(host.address_of("echo"));
    peer.check_echo("ready\n");

    host.signal(Signal::HUP);
    let reloading = manager.told_of_state();
    assert_eq!(reloading[0], "RELOADING=1");
    // What Type=notify-reload needs.
    let at = reloading[1].strip_prefix("MONOTONIC_USEC=");
    assert!(
        at.is_some_and(|at| at.parse::<u64>().is_ok()),
        "{reloading:?}"
    );
    assert_eq!(manager.told_of_state(), ["READY=1"]);
    assert_eq!(manager.told(), ["WATCHDOG=1"]);
    peer.check_echo("still connected\n");

    // A configuration that is wrong is no reason to be anything but ready.
    fs::write(&config, "[services.echo]\n").expect("a file is written");
    host.signal(Signal::HUP);
    assert_eq!(manager.told_of_state()[0], "RELOADING=1");
    assert_eq!(manager.told_of_state(), ["READY=1"]);
    host.wait_for_log(&["was not reloaded"]);
    peer.check_echo("nothing has changed\n");

    host.signal(Signal::TERM);
    let stopping = loop {
        let message = manager.told_of_state();
        // The file's change may have been seen as well.
        if message != ["READY=1"] && message[0] != "RELOADING=1" {
            break message;
        }
    };
    assert_eq!(stopping, ["STOPPING=1"]);
    peer.check_echo("drained\n");
    drop(peer);
    assert!(host.wait().success());
}

#[test]
fn a_service_manager_listens() {
    let scratch = Scratch::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let config = echo_at(&scratch, &format!("tcp:{address}"));
    let start = || {
        let socket = OwnedFd::from(listener.try_clone().expect("a descriptor"));
        // The process must be named in the variables: the shell's number is the host's.
        let pass = "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=wisted";
        Served::start(pass, &config, |command| {
            command.stdin(socket);
        })
    };
    // Nobody is refused before there is a host …
    let mut early = Client::connect(address);
    let host = start();
    early.check_echo("before the host\n");
    // … nor while it drains …
    host.signal(Signal::TERM);
    host.wait_for_log(&["draining"]);
    let mut late = Client::connect(address);
    early.check_echo("drained\n");
    drop(early);
    assert!(host.wait().success());
    // … nor until there is the next one.
    let host = start();
    late.check_echo("after the host\n");
    drop(late);
    host.signal(Signal::TERM);
    assert!(host.wait().success());
}

/// As the kubelet exchanges a ConfigMap's files: all at once, by a link.
#[test]
fn an_exchanged_config_map_is_served() {
    let scratch = Scratch::new();
    let first = echo_at(&scratch, "tcp:127.0.0.1:0");
    let text = fs::read_to_string(&first).expect("readable");
    let folder = scratch.path().join("mount");
    let more = text.replace("services.echo", "services.more");
    let versions = [("..1", text.clone()), ("..2", [text, more].concat())];
    for (version, text) in versions {
        let _ = scratch.file(&format!("mount/{version}/wisted.toml"), text);
    }
    symlink("..1", folder.join("..data")).expect("a link");
    let config = folder.join("wisted.toml");
    symlink("..data/wisted.toml", &config).expect("a link");
    let socket = scratch.path().join("notify");
    let manager = Manager::new(&socket);
    let host = Served::start(":", &config, |command| {
        command.env("NOTIFY_SOCKET", &socket);
    });
    // It serves before it watches.
    assert_eq!(manager.told(), ["READY=1"]);
    let mut peer = Client::connect(host.address_of("echo"));
    symlink("..2", folder.join("..data_tmp")).expect("a link");
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("a name");
    host.wait_for_log(&["reloaded", "\"added\":\"more\""]);
    peer.check_echo("still connected\n");
    drop(peer);
    host.signal(Signal::TERM);
    assert!(host.wait().success());
}
