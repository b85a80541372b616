//! Tables become a configuration: what is inherited, what is missing, and what makes no sense together. It must not know how
//! a value is written.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Problems, Source, Span};
use super::rules::{contradictions, raise_what_follows};
use super::secret::{GuestValue, Outside};
use super::settings::{
    AdminTable, DefaultsTable, File, HostTable, LimitsTable, LogTable, RecycleTable, ServiceTable,
};
use super::table::{At, Key, Read as _};
use super::values::{Granted, List, Sets as _};
use super::{Cache, Config, Draft, HostConfig, LogConfig, Places, ServiceConfig, TelemetryConfig};
use crate::endpoint::{AdminEndpoint, Endpoint};
use crate::limits::{DRAIN_MAX, Limits};
use crate::service::{Isolation, Recycle};
use crate::web::Grants;

pub(super) fn draft(source: Source, outside: &Outside<'_>) -> Result<Draft, Problems> {
    let source = Arc::new(source);
    let mut problems = Vec::new();
    let text = source.text();
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or(text.len()..text.len());
        let problem = Problem::new(span, error.message().replace('\n', "; "), "");
        Problems::new(&source, vec![problem])
    })?;
    let table = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
    let file = File::read(&table, &mut problems).unwrap_or_default();
    let folder = source.path().parent().unwrap_or(Path::new(""));
    let mut resolver = Resolver {
        source: &source,
        folder,
        outside,
        defaults: file.defaults.value().cloned().unwrap_or_default(),
        host: file.host.value().cloned().unwrap_or_default(),
        problems,
    };
    let host = resolver.host();
    let (services, places) = resolver.services(&file);
    let listening = listening(&file);
    let admin_table = file.admin.value().cloned().unwrap_or_default();
    let admin = resolver.admin(&admin_table);
    let admin_names = admin_table.names.value().map(|names| {
        let names = names.0.iter();
        names.map(|name| name.value.0.clone()).collect()
    });
    let telemetry = resolver.telemetry(&file);
    let admin_place = file.admin.value().and_then(|admin| admin.listen.span());
    resolver.ports(listening, admin.as_ref(), admin_place);
    let problems = resolver.problems;
    let config = Config {
        host,
        log: log(&file.log.value().cloned().unwrap_or_default()),
        admin,
        admin_is_given: admin_table.listen.value().is_some(),
        admin_names: admin_names.unwrap_or_default(),
        telemetry,
        services,
        source,
        places,
    };
    Ok(Draft { config, problems })
}

struct Resolver<'a> {
    source: &'a Source,
    folder: &'a Path,
    outside: &'a Outside<'a>,
    defaults: DefaultsTable,
    host: HostTable,
    problems: Vec<Problem>,
}

fn log(table: &LogTable) -> LogConfig {
    LogConfig {
        format: table.format.value().copied().unwrap_or_default(),
        filter: table
            .filter
            .value()
            .map_or("info", |filter| &filter.0)
            .to_owned(),
        access: table.access.value().is_none_or(|flag| flag.0),
    }
}

/// What the service says, or else the defaults.
fn inherited<'a, T>(own: &'a Key<T>, default: &'a Key<T>) -> Option<&'a T> {
    // What is wrong was said; the default would only hide that something else was meant.
    match own.is_given() {
        true => own.value(),
        false => default.value(),
    }
}

impl Resolver<'_> {
    fn complain(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(span, message, hint));
    }

    fn host(&self) -> HostConfig {
        let host = &self.host;
        let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        HostConfig {
            reactors: host.reactors.value().map(|count| number(count.0)),
            connections_max: host.connections_max.value().map(|count| count.get()),
            instance_memory_max_bytes: host.instance_memory_max.value().map(|size| size.get()),
            drain_max: host.drain_max.value().map_or(DRAIN_MAX, |time| time.0),
            cache: match host.cache.value() {
                None => Cache::OfUser,
                Some(path) if path.0 == Path::new("off") => Cache::Off,
                Some(path) => Cache::Folder(self.folder.join(&path.0)),
            },
        }
    }

    fn services(&mut self, file: &File) -> (Vec<ServiceConfig>, BTreeMap<String, Places>) {
        let mut tables: Vec<_> = file
            .services
            .value()
            .iter()
            .flat_map(|named| &named.0)
            .collect();
        tables.sort_by_key(|(_, (span, _))| span.start);
        if tables.is_empty() && !file.services.is_given() {
            let hint =
                "add a table [services.NAME] with component = \"…\" and listen = \"tcp:8000\"";
            self.complain(0..0, "there are no services", hint);
        } else if tables.is_empty() && self.problems.is_empty() {
            self.complain(
                file.services.span().unwrap_or_default(),
                "there are no services",
                "",
            );
        }
        let mut services = Vec::new();
        let mut places = BTreeMap::new();
        for (name, (span, table)) in tables {
            self.check_name(name, span);
            if let Some(service) = self.service(name, span, &table.value) {
                places.insert(name.clone(), places_of(span, &table.value));
                services.push(service);
            }
        }
        // Not inherited by anybody who would look for them.
        self.values(&self.defaults.clone());
        (services, places)
    }

    fn check_name(&mut self, name: &str, span: &Span) {
        const LENGTH_MAX: usize = 63;
        let is_part = |symbol: char| symbol.is_ascii_alphanumeric() || "-_.".contains(symbol);
        if name.is_empty() || name.len() > LENGTH_MAX || !name.chars().all(is_part) {
            let hint = format!("it has 1 to {LENGTH_MAX} letters, digits, `-`, `_` and `.`");
            let message = format!("`{}` cannot be a service's name", name.escape_debug());
            self.complain(span.clone(), message, hint);
        }
    }

    /// `None` when its component is not known.
    fn service(&mut self, name: &str, span: &Span, table: &ServiceTable) -> Option<ServiceConfig> {
        let defaults = self.defaults.clone();
        let isolation = inherited(&table.isolation, &defaults.isolation).copied();
        let isolation = isolation.unwrap_or_default();
        self.check_isolation(isolation, table);
        let is_shared = isolation == Isolation::Service;
        let instances = inherited(&table.instances, &defaults.instances).filter(|_| is_shared);
        let instances = instances.and_then(|count| NonZero::new(u16::try_from(count.0).ok()?));
        let recycle = if is_shared {
            recycle([&defaults.recycle, &table.recycle])
        } else {
            Recycle::default()
        };
        let limits = self.limits(table, isolation);
        let config = self.config(table);
        let ca_files = self.ca_files(table);
        let grants = inherited(&table.allow_fetch, &defaults.allow_fetch);
        let service = ServiceConfig {
            name: name.to_owned(),
            component: self.component(name, span, table)?,
            listen: listen(table),
            isolation,
            instances: instances.unwrap_or(NonZero::<u16>::MIN),
            choice: inherited(&table.instances_by, &defaults.instances_by)
                .copied()
                .unwrap_or_default(),
            recycle,
            config,
            grants: grants.map(grants_of).unwrap_or_default(),
            ca_files,
            limits,
        };
        Some(service)
    }

    /// What a service asks for itself. What it inherits may be meant for others.
    fn check_isolation(&mut self, isolation: Isolation, table: &ServiceTable) {
        if isolation == Isolation::Service
            || (table.isolation.is_given() && table.isolation.value().is_none())
        {
            return;
        }
        for (span, key, why) in [
            (
                table.instances.span(),
                "instances",
                "each connection has an instance of its own anyway",
            ),
            (
                table.instances_by.span(),
                "instances_by",
                "each connection has an instance of its own anyway",
            ),
            (
                table.recycle.span(),
                "recycle",
                "an instance ends with its connection anyway",
            ),
        ] {
            if let Some(span) = span {
                let message = format!(
                    "`{key}` makes sense only with isolation = \"service\": otherwise {why}"
                );
                self.complain(
                    span,
                    message,
                    "leave it out, or set isolation = \"service\"",
                );
            }
        }
    }

    fn limits(&mut self, table: &ServiceTable, isolation: Isolation) -> Limits {
        let none = LimitsTable::default();
        let defaults = self.defaults.limits.value().cloned().unwrap_or_default();
        let own = table.limits.value().unwrap_or(&none);
        let mut limits = Limits::default();
        defaults.apply(&mut limits);
        own.apply(&mut limits);
        let place = |key: &str| own.span_of(key).or_else(|| defaults.span_of(key));
        raise_what_follows(
            &mut limits,
            place("outbox_max").is_some(),
            place("pages_held_max").is_some(),
        );
        // Of several places the service's own is to blame, and of those the first that is named.
        for found in contradictions(&limits, &|key| format!("`{key}`")) {
            let keys = || found.keys.iter();
            let own = keys().find_map(|key| own.span_of(key));
            let place = own.or_else(|| keys().find_map(|key| defaults.span_of(key)));
            let hint = "what is not given has the default in docs/configuration.md";
            self.complain(place.unwrap_or_default(), found.problem, hint);
        }
        let host = self.host();
        if let Some(most) = host
            .connections_max
            .filter(|_| isolation == Isolation::Connection)
        {
            match place("connections_max") {
                Some(span) if limits.connections_max > most => {
                    let message = format!(
                        "`connections_max` ({}) is more than all services together may have ({most})",
                        limits.connections_max
                    );
                    self.complain(
                        span,
                        message,
                        "raise `connections_max` in [host], or leave it out there",
                    );
                }
                _ => limits.connections_max = limits.connections_max.min(most),
            }
        }
        if let Some(most) = host.instance_memory_max_bytes {
            match place("memory_max") {
                Some(span) if limits.memory_max_bytes > most => {
                    let message = "`memory_max` is more than `instance_memory_max` in [host]";
                    self.complain(
                        span,
                        message,
                        "raise `instance_memory_max`, or leave it out",
                    );
                }
                _ => limits.memory_max_bytes = limits.memory_max_bytes.min(most),
            }
        }
        limits
    }

    /// Values of a table's own, of those that are right.
    fn values(&mut self, defaults: &DefaultsTable) -> BTreeMap<String, GuestValue> {
        self.resolved(defaults.config.value().map(|named| &named.0))
    }

    fn config(&mut self, table: &ServiceTable) -> Vec<(String, GuestValue)> {
        let mut values = self.values(&self.defaults.clone());
        values.extend(self.resolved(table.config.value().map(|named| &named.0)));
        values.into_iter().collect()
    }

    fn resolved(
        &mut self,
        written: Option<&BTreeMap<String, (Span, At<super::values::Text>)>>,
    ) -> BTreeMap<String, GuestValue> {
        let mut values = BTreeMap::new();
        for (key, (_, at)) in written.into_iter().flatten() {
            match GuestValue::resolve(&at.value.0, self.folder, self.outside) {
                Ok(value) => drop(values.insert(key.clone(), value)),
                Err((message, hint)) => self.complain(at.span.clone(), message, hint),
            }
        }
        values
    }

    fn ca_files(&mut self, table: &ServiceTable) -> Vec<PathBuf> {
        let defaults = self.defaults.clone();
        let mut files = Vec::new();
        for at in inherited(&table.ca_files, &defaults.ca_files)
            .into_iter()
            .flat_map(|list| &list.0)
        {
            let path = self.folder.join(&at.value.0);
            match std::fs::File::open(&path) {
                Ok(_) => files.push(path),
                Err(error) => {
                    let message = format!("{} cannot be read: {error}", path.display());
                    let hint = "a relative path begins at the configuration's folder";
                    self.complain(at.span.clone(), message, hint);
                }
            }
        }
        files
    }

    fn component(&mut self, name: &str, span: &Span, table: &ServiceTable) -> Option<PathBuf> {
        if !table.component.is_given() {
            let message = format!("the service {name} has no component");
            self.complain(
                span.clone(),
                message,
                "add component = \"FILE.wasm\", or a folder with a guest's source",
            );
        }
        let path = self.folder.join(&table.component.value()?.0);
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() || metadata.is_dir() => return Some(path),
            Ok(_) => {
                let message = format!("{} is neither a file nor a folder", path.display());
                self.complain(table.component.span()?, message, "");
            }
            Err(error) => {
                let message = format!("the component {} cannot be opened: {error}", path.display());
                let hint = "a relative path begins at the configuration's folder";
                self.complain(table.component.span()?, message, hint);
            }
        }
        None
    }

    fn admin(&mut self, table: &AdminTable) -> Option<AdminEndpoint> {
        let Some(listen) = table.listen.value() else {
            let folder = (self.outside.variable)("XDG_RUNTIME_DIR").map(PathBuf::from);
            return Some(AdminEndpoint::in_runtime_folder(folder));
        };
        if listen.0 == "off" {
            return None;
        }
        let span = table.listen.span().unwrap_or_default();
        let mut endpoint: AdminEndpoint = match listen.0.parse() {
            Ok(endpoint) => endpoint,
            Err(error) => {
                self.complain(span, error, "off is for none");
                return None;
            }
        };
        if let AdminEndpoint::Unix(path) = &mut endpoint {
            /// What a socket's address holds, in bytes, the zero at its end left out.
            const PATH_MAX_BYTES: usize = 107;
            *path = self.folder.join(&path);
            let length = path.as_os_str().len();
            if length > PATH_MAX_BYTES {
                let message =
                    format!("the path has {length} bytes, and a socket's at most {PATH_MAX_BYTES}");
                self.complain(span, message, "");
            }
        } else if !endpoint.is_private() && !table.allow_remote.value().is_some_and(|flag| flag.0) {
            let message = format!(
                "{endpoint} can be reached by other machines, and whoever reaches it can stop the host"
            );
            let hint = "write tcp:127.0.0.1:PORT, or allow_remote = true if that is meant";
            self.complain(span, message, hint);
        }
        Some(endpoint)
    }

    fn telemetry(&mut self, file: &File) -> TelemetryConfig {
        let mut telemetry = TelemetryConfig::default();
        let Some(table) = file.telemetry.value() else {
            return telemetry;
        };
        if let Some(ratio) = table.sample_ratio.value() {
            telemetry.sample_ratio = ratio.0;
        }
        if let (Some(text), Some(span)) = (table.otlp_endpoint.value(), table.otlp_endpoint.span())
        {
            match text.0.parse() {
                Ok(collector) => telemetry.collector = Some(collector),
                Err(error) => {
                    self.complain(span, error.to_string(), "write http://127.0.0.1:4318");
                }
            }
        }
        telemetry
    }

    /// Whoever binds second is refused by the operating system: better said before anybody is served.
    fn ports(
        &mut self,
        listening: Vec<(SocketAddr, Span, String)>,
        admin: Option<&AdminEndpoint>,
        admin_place: Option<Span>,
    ) {
        let mut taken: Vec<(SocketAddr, Span, String)> = Vec::new();
        let of_admin = match (admin, admin_place) {
            (Some(AdminEndpoint::Tcp(address)), Some(span)) => {
                Some((*address, span, "[admin]".to_owned()))
            }
            _ => None,
        };
        for (address, span, who) in listening.into_iter().chain(of_admin) {
            let clash = taken.iter().find(|(other, _, _)| clash(*other, address));
            if let Some((other, other_span, other_who)) = clash {
                let message = format!("tcp:{address} clashes with tcp:{other} of {other_who}");
                let hint = format!(
                    "that is at {}; give one of them another port",
                    self.source.place(other_span)
                );
                self.complain(span.clone(), message, hint);
            }
            taken.push((address, span, who));
        }
    }
}

/// Every endpoint of the file, also of services that are wrong otherwise: its address, its place, and whose it is.
fn listening(file: &File) -> Vec<(SocketAddr, Span, String)> {
    let mut listening = Vec::new();
    for (name, (_, table)) in file.services.value().iter().flat_map(|named| &named.0) {
        for at in table
            .value
            .listen
            .value()
            .iter()
            .flat_map(|several| &several.0)
        {
            let who = format!("the service {name}");
            listening.push((at.value.socket_address(), at.span.clone(), who));
        }
    }
    listening.sort_by_key(|(_, span, _)| span.start);
    listening
}

fn listen(table: &ServiceTable) -> Vec<Endpoint> {
    endpoints(table).iter().map(|at| at.value).collect()
}

fn endpoints(table: &ServiceTable) -> &[At<Endpoint>] {
    table.listen.value().map_or(&[], |several| &several.0)
}

fn places_of(name: &Span, table: &ServiceTable) -> Places {
    Places {
        name: name.clone(),
        component: table.component.span().unwrap_or_else(|| name.clone()),
        listen: endpoints(table).iter().map(|at| at.span.clone()).collect(),
        ca_files: table.ca_files.span(),
        listen_is_wrong: table.listen.is_given() && endpoints(table).is_empty(),
    }
}

/// Each was looked at alone when it was read.
fn grants_of(list: &List<Granted>) -> Grants {
    let list: Vec<_> = list.0.iter().map(|at| at.value.0.clone()).collect();
    Grants::parse(&list).unwrap_or_default()
}

/// The later table's keys count.
fn recycle(tables: [&Key<RecycleTable>; 2]) -> Recycle {
    let mut recycle = Recycle::default();
    for table in tables.into_iter().filter_map(Key::value) {
        let count =
            |key: &Key<super::values::Count<1, { u64::MAX }>>| key.value().map(|count| count.0);
        recycle.after_calls = count(&table.after_calls).or(recycle.after_calls);
        recycle.after_connections = count(&table.after_connections).or(recycle.after_connections);
        let memory = table.memory.value().map(|size| size.get());
        recycle.memory_bytes = memory.or(recycle.memory_bytes);
    }
    recycle
}

/// Whether the operating system refuses the second of these. `[::]` takes the port of IPv4 as well.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let (ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
    let takes = |wide: IpAddr, narrow: IpAddr| {
        wide.is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4())
    };
    one.port() != 0
        && one.port() == other.port()
        && (ip == other_ip || takes(ip, other_ip) || takes(other_ip, ip))
}
