//! Keeps the services that run as their configuration file says, on a thread of its own: it may take long to build, to compile and
//! to start them, and no reactor waits for that. It must not know who gives the orders.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::Step;
use super::fleet::Fleet;
use super::notify::Manager;
use super::snapshot::{LOOK_INTERVAL, snapshot};
use crate::admin::{Operations, ReloadFailure, ReloadOutcome, ServiceFacts};
use crate::build::Snapshot;
use crate::clock;
use crate::config::{Config, HostConfig, TelemetryConfig};
use crate::driver::{Control, Hangups};
use crate::telemetry::{HostWork, Record, SpanCounts, Traces, What, cut};

/// The handle of the thread; cheap to clone. The thread lasts as long as the process.
#[derive(Clone, Debug)]
pub struct Keeper {
    orders: Sender<Order>,
    control: Control,
    shown: Arc<Shown>,
    traces: Option<Traces>,
}

/// What others may look at meanwhile.
#[derive(Debug, Default)]
struct Shown {
    facts: Mutex<Vec<ServiceFacts>>,
    has_started: AtomicBool,
    is_stopping: AtomicBool,
}

#[derive(Debug)]
enum Order {
    Reload(Option<Sender<Result<ReloadOutcome, String>>>),
    Drain(String, Sender<bool>),
    /// The host has begun to drain.
    Stop,
}

/// What the thread works with.
struct Desk {
    fleet: Fleet,
    path: PathBuf,
    host: HostConfig,
    telemetry: TelemetryConfig,
    traces: Option<Traces>,
    shown: Arc<Shown>,
    manager: Manager,
    /// What the files looked like that are watched, if they are: the last look, and what runs.
    watched: Option<Watched>,
}

/// Files that are looked at from time to time.
#[derive(Debug)]
pub struct Watched {
    paths: Vec<PathBuf>,
    running: Vec<Option<Snapshot>>,
    last: Vec<Option<Snapshot>>,
}

impl Keeper {
    /// Begins to keep a fleet as `config` says, whose services have begun to start. SIGHUP is an order to reload; so is a change of
    /// what is `watched`, if anything is. The start and each reload become spans of `traces`.
    ///
    /// # Errors
    /// When a thread cannot be had.
    pub fn start(
        fleet: Fleet,
        config: &Config,
        hangups: Hangups,
        watched: Option<Watched>,
        traces: Option<Traces>,
    ) -> io::Result<Self> {
        let (orders, received) = channel();
        let shown = Arc::new(Shown::default());
        let control = fleet.roster().control().clone();
        let hangup = orders.clone();
        hangups.on_each(move || {
            // If the thread is gone, so is what it kept.
            let _ = hangup.send(Order::Reload(None));
        })?;
        let mut desk = Desk {
            fleet,
            path: config.path().to_owned(),
            host: config.host.clone(),
            telemetry: config.telemetry.clone(),
            traces: traces.clone(),
            shown: Arc::clone(&shown),
            manager: Manager::from_environment(),
            watched,
        };
        desk.show();
        thread::Builder::new()
            .name("wisted-keeper".into())
            .spawn(move || desk.work(&received))?;
        Ok(Self {
            orders,
            control,
            shown,
            traces,
        })
    }

    /// The running drivers.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Whether every service has started, or failed to and will be started again.
    pub fn has_started(&self) -> bool {
        self.shown.has_started.load(Ordering::SeqCst)
    }

    /// A service takes no more connections, and ends when its last one has gone; a reload brings it back. Blocks until that has
    /// begun. False where there is none of this name.
    pub fn drain(&self, name: &str) -> bool {
        let (answer, answered) = channel();
        let order = Order::Drain(name.to_owned(), answer);
        self.orders.send(order).is_ok() && answered.recv().unwrap_or(false)
    }

    /// The host has begun to drain: nothing is changed any more.
    pub fn stop(&self) {
        self.shown.is_stopping.store(true, Ordering::SeqCst);
        let _ = self.orders.send(Order::Stop);
    }
}

impl Operations for Keeper {
    fn control(&self) -> &Control {
        &self.control
    }

    fn services(&self) -> Vec<ServiceFacts> {
        let facts = self.shown.facts.lock();
        facts.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_ready(&self) -> bool {
        self.has_started() && !self.shown.is_stopping.load(Ordering::SeqCst)
    }

    fn spans(&self) -> Option<SpanCounts> {
        self.traces.as_ref().map(Traces::counts)
    }

    fn reload(&self) -> Result<ReloadOutcome, String> {
        let (answer, answered) = channel();
        let gone = || Err("the host is stopping".to_owned());
        if self.orders.send(Order::Reload(Some(answer))).is_err() {
            return gone();
        }
        answered.recv().unwrap_or_else(|_| gone())
    }

    fn drain_service(&self, name: &str) -> Result<(), String> {
        match self.drain(name) {
            true => Ok(()),
            false => Err(format!("no service {name} runs")),
        }
    }
}

impl Desk {
    fn work(mut self, orders: &Receiver<Order>) {
        let begun_at = clock::now();
        let failed = self.fleet.wait_for_starts();
        for ReloadFailure { service, error } in &failed {
            tracing::error!(service, error, "the service could not start");
        }
        let started = ReloadOutcome {
            added: self
                .fleet
                .facts()
                .into_iter()
                .map(|facts| facts.name)
                .collect(),
            failed,
            ..ReloadOutcome::default()
        };
        self.trace("start", begun_at, &Ok(started));
        self.shown.has_started.store(true, Ordering::SeqCst);
        self.manager.ready();
        if let Err(error) = self.manager.keep_watch(self.fleet.roster().control()) {
            tracing::error!(%error, "the service manager will not be told that all is well");
        }
        loop {
            let look = self.watched.as_ref().map(|_| LOOK_INTERVAL);
            let order = match look {
                Some(pause) => orders.recv_timeout(pause),
                None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match order {
                Ok(Order::Reload(answer)) => {
                    let outcome = self.reload();
                    if let Some(answer) = answer {
                        // Whoever asked may have given up.
                        let _ = answer.send(outcome);
                    }
                }
                Ok(Order::Drain(name, answer)) => {
                    let drained = self.fleet.drain(&name);
                    self.show();
                    let _ = answer.send(drained);
                }
                Ok(Order::Stop) => return self.manager.stopping(),
                Err(RecvTimeoutError::Timeout) => {
                    if self.watched.as_mut().is_some_and(Watched::has_changed) {
                        // It has logged what came of it.
                        let _ = self.reload();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn reload(&mut self) -> Result<ReloadOutcome, String> {
        self.manager.reloading();
        let begun_at = clock::now();
        let outcome = self.read_and_apply();
        self.trace("reload", begun_at, &outcome);
        self.manager.ready();
        match &outcome {
            Ok(outcome) => log(outcome),
            Err(error) => {
                tracing::error!(
                    "the configuration was not reloaded, and nothing has changed: {error}"
                );
            }
        }
        outcome
    }

    fn read_and_apply(&mut self) -> Result<ReloadOutcome, String> {
        // What changes while it is being read is another change.
        let watched = self.watched.as_ref().map(|_| Watched::file(&self.path));
        let config = Config::read(&self.path).map_err(|error| error.to_string())?;
        self.watched = watched.map(|watched| watched.and_components(&config));
        if config.host != self.host {
            tracing::warn!("what [host] says takes a new process: it goes on as it was");
        }
        if config.telemetry != self.telemetry {
            tracing::warn!("what [telemetry] says takes a new process: it goes on as it was");
        }
        let outcome = self.fleet.apply(&config, &mut |step| match step {
            Step::Building(line) => tracing::info!("building: {line}"),
            Step::Compiling(name) => tracing::info!("compiling {name} for this machine"),
        });
        self.show();
        Ok(outcome)
    }

    fn trace(
        &self,
        name: &'static str,
        begun_at: Instant,
        outcome: &Result<ReloadOutcome, String>,
    ) {
        if let Some(traces) = &self.traces {
            let took = clock::now().saturating_duration_since(begun_at);
            let what = What::Host(Box::new(host_work(name, outcome)));
            traces.record(Record::new(traces.root(), None, took, what));
        }
    }

    fn show(&mut self) {
        let facts = self.fleet.facts();
        let shown = self.shown.facts.lock();
        *shown.unwrap_or_else(PoisonError::into_inner) = facts;
    }
}

impl Watched {
    /// A configuration, before it is read: what changes afterwards is a change.
    pub fn file(path: &Path) -> Self {
        let paths = vec![path.to_owned()];
        let now = look(&paths);
        Self {
            paths,
            running: now.clone(),
            last: now,
        }
    }

    /// Also the components that it names, before they are loaded.
    #[must_use]
    pub fn and_components(mut self, config: &Config) -> Self {
        let components = config.services.iter().map(|one| one.component.clone());
        let components: BTreeSet<PathBuf> = components.collect();
        let components: Vec<_> = components.into_iter().collect();
        let now = look(&components);
        self.paths.extend(components);
        self.running.extend(now.iter().copied());
        self.last.extend(now);
        self
    }

    /// Whether they differ from what runs, and have been quiet since the last look. A change is told once.
    fn has_changed(&mut self) -> bool {
        let now = look(&self.paths);
        let is_quiet = now == self.last;
        self.last.clone_from(&now);
        // A file that is just being replaced may be missing for a moment.
        let is_whole = now.iter().all(Option::is_some);
        let has_changed = is_quiet && is_whole && now != self.running;
        if has_changed {
            self.running = now;
        }
        has_changed
    }
}

fn look(paths: &[PathBuf]) -> Vec<Option<Snapshot>> {
    paths.iter().map(|path| snapshot(path).ok()).collect()
}

fn host_work(name: &'static str, outcome: &Result<ReloadOutcome, String>) -> HostWork {
    let (services, error) = match outcome {
        Ok(outcome) => {
            let failed = outcome.failed.iter();
            let failed: Vec<_> = failed
                .map(|failure| format!("{}: {}", failure.service, failure.error))
                .collect();
            let services = vec![
                ("added", outcome.added.clone()),
                ("changed", outcome.changed.clone()),
                ("removed", outcome.removed.clone()),
            ];
            (services, (!failed.is_empty()).then(|| failed.join("; ")))
        }
        Err(error) => (Vec::new(), Some(error.clone())),
    };
    HostWork {
        name,
        services,
        error: error.map(|error| cut(&error)),
    }
}

fn log(outcome: &ReloadOutcome) {
    for failure in &outcome.failed {
        tracing::error!(
            service = failure.service,
            error = failure.error,
            "the service was not changed: it goes on as it was"
        );
    }
    let list = |names: &[String]| names.join(", ");
    tracing::info!(
        added = list(&outcome.added),
        changed = list(&outcome.changed),
        removed = list(&outcome.removed),
        failed = outcome.failed.len(),
        "reloaded"
    );
}
