//! The services that run, kept as the configuration says. What differs is changed with as little as can be: what only limits and
//! grants say is exchanged in place, anything else by a successor; what cannot be had leaves the old as it was. It must not
//! know who asks for that.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::SystemTime;

use super::loading::{Components, Loader};
use super::{Progress, problem};
use crate::admin::{ReloadFailure, ReloadOutcome, ServiceFacts};
use crate::config::{Config, Part, Problem, ServiceConfig};
use crate::driver::{Bound, ListenerId, Placed, Roster};
use crate::endpoint::Endpoint;
use crate::service::Service;

/// See the file's header.
#[derive(Debug)]
pub struct Fleet {
    loader: Arc<Loader>,
    roster: Roster,
    running: BTreeMap<String, Running>,
}

/// A service, and what it was made of.
#[derive(Debug)]
struct Running {
    config: ServiceConfig,
    component: Stamp,
    placed: Placed,
    listening: Vec<Listening>,
}

#[derive(Clone, Debug)]
struct Listening {
    endpoint: Endpoint,
    id: ListenerId,
    address: SocketAddr,
}

/// What tells that a file is another one than before: when it was written, how long it is, and its number, since times are too
/// coarse to tell two writes within some milliseconds apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp(Option<(SystemTime, u64, u64)>);

/// What is to be done with a service that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    Nothing,
    /// It listens elsewhere.
    Endpoints,
    /// Also what can be exchanged in place.
    InPlace,
    /// Also what an instance is made of.
    Successor,
    /// It does not run yet.
    New,
}

/// What is to listen for a service.
enum Socket {
    /// It listened for another one.
    Idle(Listening),
    New(Endpoint, Bound),
}

impl Fleet {
    /// Nothing runs yet.
    pub fn new(loader: Arc<Loader>, roster: Roster) -> Self {
        Self {
            loader,
            roster,
            running: BTreeMap::new(),
        }
    }

    /// What decides for the drivers.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// What runs, by name.
    pub fn facts(&self) -> Vec<ServiceFacts> {
        let facts = |(name, running): (&String, &Running)| ServiceFacts {
            name: name.clone(),
            addresses: running.listening.iter().map(|one| one.address).collect(),
            component: running.config.component.display().to_string(),
            isolation: running.config.isolation,
            is_program: !running.placed.service().serves_connections(),
        };
        self.running.iter().map(facts).collect()
    }

    /// Begins to run all services of a configuration: all or none of them. `inherited` are sockets that somebody else has
    /// opened, for the endpoints that have their addresses.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn begin(
        &mut self,
        config: &Config,
        components: &mut Components,
        mut inherited: Vec<Bound>,
        progress: Progress<'_>,
    ) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        let mut ready = Vec::new();
        for service in &config.services {
            let stamp = Stamp::of(service, components, progress);
            match self.loader.load_service(service, components, progress) {
                Ok(loaded) => ready.push((service, stamp, loaded)),
                Err(failure) => problems.push(problem(config, &service.name, &failure)),
            }
        }
        let mut bound = Vec::new();
        for (service, _, _) in &ready {
            let mut sockets = Vec::new();
            for endpoint in &service.listen {
                let socket = match inherited_for(endpoint, &mut inherited) {
                    Some(socket) => Ok(socket),
                    None => Bound::to(endpoint),
                };
                match socket {
                    Ok(socket) => sockets.push(socket),
                    Err(error) => {
                        let message = cannot_listen(endpoint, &error);
                        problems.push(config.problem(&service.name, Part::Listen, message, ""));
                    }
                }
            }
            bound.push(sockets);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        for ((config, component, service), sockets) in ready.into_iter().zip(bound) {
            let Ok(placed) = self.roster.add(service, true) else {
                continue;
            };
            let listening = config.listen.iter().zip(sockets);
            let listening = listening.map(|(endpoint, socket)| Listening {
                endpoint: *endpoint,
                address: socket.address(),
                id: self.roster.listen(socket, &placed),
            });
            let running = Running {
                config: config.clone(),
                component,
                listening: listening.collect(),
                placed,
            };
            self.running.insert(config.name.clone(), running);
        }
        Ok(())
    }

    /// Waits until each service has started or failed to. Returns the failures; those services are started again by themselves.
    pub fn wait_for_starts(&mut self) -> Vec<ReloadFailure> {
        let started = |(name, running): (&String, &mut Running)| {
            let error = running.placed.wait_for_start().err()?;
            let service = name.clone();
            Some(ReloadFailure { service, error })
        };
        self.running.iter_mut().filter_map(started).collect()
    }

    /// Makes what runs as this configuration says.
    pub fn apply(&mut self, config: &Config, progress: Progress<'_>) -> ReloadOutcome {
        let mut outcome = ReloadOutcome::default();
        // Read anew: files may have changed.
        let mut components = Components::default();
        let is_wanted = |name: &str| config.services.iter().any(|service| service.name == name);
        let gone: Vec<_> = self
            .running
            .extract_if(.., |name, _| !is_wanted(name))
            .collect();
        // What nobody listens on any more may be what another service is to listen on.
        let mut idle = Vec::new();
        for (name, running) in gone {
            idle.extend(running.listening);
            self.roster.close(running.placed);
            outcome.removed.push(name);
        }
        for running in self.running.values_mut() {
            let others = || {
                let others = config.services.iter();
                others.filter(|service| service.name != running.config.name)
            };
            // With port 0 each has another one, which is its own.
            let moves = |one: &mut Listening| {
                let picked = one.endpoint.socket_address().port() == 0;
                !picked && others().any(|other| other.listen.contains(&one.endpoint))
            };
            idle.extend(running.listening.extract_if(.., moves));
        }
        for service in &config.services {
            let name = service.name.clone();
            let done = match self.running.remove(&name) {
                Some(running) => {
                    self.change(running, service, &mut components, &mut idle, progress)
                }
                None => self
                    .add(service, &mut components, &mut idle, progress)
                    .map(|()| Difference::New),
            };
            match done {
                Ok(Difference::Nothing) => outcome.unchanged.push(name),
                Ok(Difference::Endpoints | Difference::InPlace | Difference::Successor) => {
                    outcome.changed.push(name);
                }
                Ok(Difference::New) => outcome.added.push(name),
                Err(error) => {
                    let service = name;
                    outcome.failed.push(ReloadFailure { service, error });
                }
            }
        }
        for listening in idle {
            self.roster.unlisten(listening.id);
        }
        outcome
    }

    /// A service takes no more connections, and ends when its last one has gone. It comes back when the configuration is applied
    /// again. False where there is none of this name.
    pub fn drain(&mut self, name: &str) -> bool {
        let Some(running) = self.running.remove(name) else {
            return false;
        };
        for listening in running.listening {
            self.roster.unlisten(listening.id);
        }
        self.roster.close(running.placed);
        true
    }

    fn add(
        &mut self,
        config: &ServiceConfig,
        components: &mut Components,
        idle: &mut Vec<Listening>,
        progress: Progress<'_>,
    ) -> Result<(), String> {
        let component = Stamp::of(config, components, progress);
        let service = self.load(config, components, progress)?;
        let sockets = acquire(&config.listen, idle)?;
        let started = self.roster.add(service, true);
        let started = started.map_err(|error| error.to_string());
        let started = started.and_then(|mut placed| match placed.wait_for_start() {
            Ok(()) => Ok(placed),
            Err(error) => {
                self.roster.close(placed);
                Err(cannot_start(&error))
            }
        });
        match started {
            Ok(placed) => {
                let mut running = Running {
                    config: config.clone(),
                    component,
                    placed,
                    listening: Vec::new(),
                };
                self.listen(&mut running, sockets);
                self.running.insert(config.name.clone(), running);
                Ok(())
            }
            Err(error) => {
                give_back(sockets, idle);
                Err(error)
            }
        }
    }

    fn change(
        &mut self,
        mut running: Running,
        config: &ServiceConfig,
        components: &mut Components,
        idle: &mut Vec<Listening>,
        progress: Progress<'_>,
    ) -> Result<Difference, String> {
        let changed = self.try_change(&mut running, config, components, idle, progress);
        self.running.insert(config.name.clone(), running);
        changed
    }

    fn try_change(
        &mut self,
        running: &mut Running,
        config: &ServiceConfig,
        components: &mut Components,
        idle: &mut Vec<Listening>,
        progress: Progress<'_>,
    ) -> Result<Difference, String> {
        let component = Stamp::of(config, components, progress);
        let difference = running.difference(config, component);
        let missing: Vec<Endpoint> = config
            .listen
            .iter()
            .filter(|endpoint| !running.listens_on(endpoint))
            .copied()
            .collect();
        if difference == Difference::Nothing && missing.is_empty() {
            return Ok(difference);
        }
        let service = self.load(config, components, progress)?;
        let sockets = acquire(&missing, idle)?;
        match difference {
            Difference::Nothing | Difference::Endpoints | Difference::New => {}
            Difference::InPlace => {
                let old = running.placed.service();
                let service = Service {
                    origin: Arc::clone(&old.origin),
                    code: Arc::clone(&old.code),
                    ..service
                };
                self.roster.update(&mut running.placed, service);
            }
            Difference::Successor => {
                let ids: Vec<_> = running.listening.iter().map(|one| one.id).collect();
                if let Err(error) = self.roster.succeed(&mut running.placed, service, &ids) {
                    give_back(sockets, idle);
                    return Err(cannot_start(&error));
                }
            }
        }
        self.listen(running, sockets);
        let unwanted = |one: &mut Listening| !config.listen.contains(&one.endpoint);
        idle.extend(running.listening.extract_if(.., unwanted));
        running.config = config.clone();
        running.component = component;
        Ok(difference)
    }

    fn load(
        &self,
        config: &ServiceConfig,
        components: &mut Components,
        progress: Progress<'_>,
    ) -> Result<Service, String> {
        let service = self.loader.load_service(config, components, progress);
        service.map_err(|failure| failure.to_string())
    }

    fn listen(&mut self, running: &mut Running, sockets: Vec<Socket>) {
        for socket in sockets {
            let listening = match socket {
                Socket::Idle(listening) => {
                    self.roster.repoint(listening.id, &running.placed);
                    listening
                }
                Socket::New(endpoint, bound) => Listening {
                    endpoint,
                    address: bound.address(),
                    id: self.roster.listen(bound, &running.placed),
                },
            };
            running.listening.push(listening);
        }
    }
}

impl Running {
    fn listens_on(&self, endpoint: &Endpoint) -> bool {
        self.listening.iter().any(|one| one.endpoint == *endpoint)
    }

    fn difference(&self, config: &ServiceConfig, component: Stamp) -> Difference {
        let elsewhere = ServiceConfig {
            listen: config.listen.clone(),
            ..self.config.clone()
        };
        let in_place = ServiceConfig {
            listen: self.config.listen.clone(),
            choice: self.config.choice,
            recycle: self.config.recycle,
            grants: self.config.grants.clone(),
            ca_files: self.config.ca_files.clone(),
            limits: self.config.limits.clone(),
            ..config.clone()
        };
        if component != self.component || in_place != self.config {
            Difference::Successor
        } else if elsewhere != *config {
            Difference::InPlace
        } else if self.config != *config {
            Difference::Endpoints
        } else {
            Difference::Nothing
        }
    }
}

impl Stamp {
    fn of(config: &ServiceConfig, components: &mut Components, progress: Progress<'_>) -> Self {
        let file = components.file(&config.component, progress).ok();
        let metadata = file.and_then(|file| std::fs::metadata(file.path).ok());
        let stamp = |metadata: std::fs::Metadata| {
            Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
        };
        Self(metadata.and_then(stamp))
    }
}

/// Sockets for these endpoints: idle ones, or new ones. All or none.
fn acquire(endpoints: &[Endpoint], idle: &mut Vec<Listening>) -> Result<Vec<Socket>, String> {
    let mut sockets = Vec::new();
    for endpoint in endpoints {
        let known = idle.iter().position(|one| one.endpoint == *endpoint);
        // With port 0 each has another one.
        let known = known.filter(|_| endpoint.socket_address().port() != 0);
        let socket = match known {
            Some(index) => Ok(Socket::Idle(idle.swap_remove(index))),
            None => Bound::to(endpoint).map(|bound| Socket::New(*endpoint, bound)),
        };
        match socket {
            Ok(socket) => sockets.push(socket),
            Err(error) => {
                give_back(sockets, idle);
                return Err(cannot_listen(endpoint, &error));
            }
        }
    }
    Ok(sockets)
}

fn give_back(sockets: Vec<Socket>, idle: &mut Vec<Listening>) {
    let listening = |socket| match socket {
        Socket::Idle(listening) => Some(listening),
        Socket::New(..) => None,
    };
    idle.extend(sockets.into_iter().filter_map(listening));
}

/// Takes the inherited socket for an endpoint, if there is one.
fn inherited_for(endpoint: &Endpoint, inherited: &mut Vec<Bound>) -> Option<Bound> {
    let wanted = endpoint.socket_address();
    let index = inherited
        .iter()
        .position(|bound| bound.address() == wanted)?;
    Some(inherited.swap_remove(index))
}

fn cannot_listen(endpoint: &Endpoint, error: &io::Error) -> String {
    format!("cannot listen on {endpoint}: {error}")
}

fn cannot_start(error: &str) -> String {
    format!("it cannot start: {error}")
}
