//! `wisted serve` on a configuration that a test writes, and changes while the host runs.

use std::cell::Cell;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::host::{Builder, Host, Scratch};
use crate::logs::Record;
use crate::{Client, workspace};

/// A host with the services of a configuration. It is killed when it is dropped, and its files are removed.
pub struct Serving {
    host: Host,
    config: PathBuf,
    /// Reloads that have been waited for.
    reloads: Cell<usize>,
    scratch: Scratch,
}

#[expect(clippy::missing_panics_doc, reason = "that is how tests fail")]
impl Serving {
    /// Serves what this configuration says.
    #[must_use]
    #[track_caller]
    pub fn start(config: &str) -> Self {
        Self::start_in(Scratch::new(), config, |builder| builder)
    }

    /// The same in a folder that has files already, with whatever the host needs further.
    #[must_use]
    #[track_caller]
    pub fn start_in(
        scratch: Scratch,
        config: &str,
        prepare: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let config = scratch.file("wisted.toml", config);
        let host = prepare(Host::serve(&config)).start();
        // Every line about a service comes before this one.
        let ready = host
            .stdout()
            .wait_for(|record| record.mentions(&["ready after"]));
        assert!(ready.is_some(), "{}", host.stdout().tail());
        Self {
            host,
            config,
            reloads: Cell::new(0),
            scratch,
        }
    }

    /// The folder with the configuration.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// A new peer of a service that was there from the start.
    #[must_use]
    #[track_caller]
    pub fn peer_of(&self, service: &str) -> Client {
        Client::connect(self.host.address_of(service))
    }

    /// Puts another configuration in its place and has it read. Returns what the host says came of it.
    #[track_caller]
    pub fn reload(&self, config: &str) -> Record {
        replace(&self.config, config);
        self.reload_as_it_is()
    }

    /// Has the configuration read again, and the components.
    #[track_caller]
    pub fn reload_as_it_is(&self) -> Record {
        self.host.hang_up();
        let awaited = self.reloads.get() + 1;
        self.reloads.set(awaited);
        let seen = Cell::new(0);
        let what = format!("the outcome of reload {awaited}");
        self.host.wait_for_log(&what, |record| {
            let message = record.message();
            let is_over = message == "reloaded" || message.starts_with("the configuration was not");
            seen.set(seen.get() + usize::from(is_over));
            is_over && seen.get() == awaited
        })
    }

    /// Waits until so many log records fit.
    #[track_caller]
    pub fn wait_for_logs(&self, what: &str, times: usize, fits: impl Fn(&Record) -> bool) {
        // Each record is looked at once.
        let seen = Cell::new(0);
        self.host.wait_for_log(what, |record| {
            seen.set(seen.get() + usize::from(fits(record)));
            seen.get() >= times
        });
    }

    /// Asks it to stop, and insists on an orderly end.
    #[track_caller]
    pub fn finish(self) {
        self.host.finish();
    }

    /// Ends it as a crash does, and returns its folder.
    #[must_use]
    pub fn kill(self) -> Scratch {
        // Dropping a host kills it.
        drop(self.host);
        self.scratch
    }
}

impl Deref for Serving {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

/// Replaces a file as editors do it: whoever looks sees the old one or the new one.
///
/// # Panics
///
/// When it cannot be written.
pub fn replace(path: &Path, content: impl AsRef<[u8]>) {
    let aside = path.with_extension("aside");
    fs::write(&aside, content).expect("written");
    fs::rename(&aside, path).expect("renamed");
}

/// A service's table in a configuration; `more` are its further lines. It listens on a free port.
#[must_use]
pub fn service(name: &str, component: &Path, more: &str) -> String {
    let component = component.display();
    format!(
        "[services.{name}]\ncomponent = \"{component}\"\nlisten = \"tcp:127.0.0.1:0\"\n{more}\n\n"
    )
}

/// The same for the guest that does what it is told; `limits` is the inside of a table.
#[must_use]
pub fn puppet(name: &str, limits: &str) -> String {
    let component = workspace::guest("hostile");
    service(name, &component, &format!("limits = {{ {limits} }}"))
}

/// Addresses that stay free until somebody listens there who was told of them: for services whose endpoint is to move, or to be
/// the same after a restart. They are loopback addresses that nothing else uses.
#[must_use]
pub fn places(count: usize) -> Vec<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = std::process::id();
    let free = |_| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let [_, _, high, low] = process.to_be_bytes();
        let host = Ipv4Addr::new(127, 100 + number[1] % 100, high, low.clamp(1, 254));
        let free = TcpListener::bind((host, 0)).expect("a loopback address");
        free.local_addr().expect("bound")
    };
    (0..count).map(free).collect()
}
