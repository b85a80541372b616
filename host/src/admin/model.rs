//! What the admin endpoint answers as JSON, and what its clients read: plain values. Durations are in seconds, sizes in bytes.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::ServiceFacts;
use crate::driver::{Condition, ConnectionReport, Failure, Report, ServiceReport};
use crate::service::Isolation;

/// `GET /api/v1/status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Wisted's version.
    pub version: String,
    /// Since the endpoint listens. On the host's steady clock: what rates are to be computed with.
    pub uptime_seconds: f64,
    /// As `/readyz` says.
    pub ready: bool,
    /// Each reactor.
    pub reactors: Vec<Reactor>,
    /// Each service.
    pub services: Vec<Service>,
}

/// A reactor thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reactor {
    /// Counted from 0.
    pub index: usize,
    /// `answers`, `silent` when it did not in time, or `ended`, which each does for itself while the host drains. If it does not
    /// answer, its part of the figures is what it said last.
    pub state: String,
}

/// A service. Counters are since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub endpoints: Vec<String>,
    /// Its component, or its source.
    pub component: String,
    /// `connection` or `service`.
    pub isolation: String,
    /// `up`, `draining`, `starting`, `restarting` or `broken`; `unknown` when no reactor has said.
    pub condition: String,
    /// Open connections.
    pub connections: u64,
    /// Connections that were made.
    pub connections_made: u64,
    /// Peers that were turned away because of a limit.
    pub connections_refused: u64,
    /// Live instances.
    pub instances: u64,
    /// Those of them whose memory is packed, since they rest.
    pub instances_packed: u64,
    /// Their linear memory.
    pub memory_bytes: u64,
    /// Timers and pages that they wait for.
    pub pending: u64,
    /// Unsent bytes of the connections.
    pub buffered_bytes: u64,
    /// What it has used.
    #[serde(flatten)]
    pub used: Used,
    /// How long handler calls kept the guest busy.
    pub call_seconds: CallSeconds,
    /// How many calls took so long: the upper bound in nanoseconds, and the count, for those above 0. Only when asked for with
    /// `?buckets=true`: with two of them percentiles of the time between can be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub call_buckets: Vec<(u64, u64)>,
    /// Instances that ended against their will.
    pub failures: u64,
    /// Shared instances that were started again after that.
    pub restarts: u64,
    /// How often the service had used up its share of the CPU and had to wait.
    pub share_waits: u64,
    /// The last failures, the latest last.
    pub recent_failures: Vec<ServiceFailure>,
}

/// What a connection or a service has used since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Used {
    /// Handlers that were called.
    pub calls: u64,
    /// How long guests ran.
    pub busy_seconds: f64,
    /// The longest that a guest ran without giving the others a turn.
    pub longest_run_seconds: f64,
    /// Bytes from peers.
    pub received_bytes: u64,
    /// Bytes to peers.
    pub sent_bytes: u64,
    /// Timers that were set.
    pub timers: u64,
    /// Pages that were asked for.
    pub fetches: u64,
}

/// Percentiles of how long calls took, to a sixteenth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "their names say it")]
pub struct CallSeconds {
    pub count: u64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// An instance that ended against its will. Its texts come from the guest, cut to some KiB, and may hold anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFailure {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The handler that ran.
    pub handler: String,
    /// `limit`, `trap`, `exit`, `refused` or `host`.
    pub kind: String,
    /// In words.
    pub message: String,
    /// The wasm frames, innermost first, one a line.
    pub backtrace: String,
    /// The connection that the instance served, if it was only one.
    pub connection: Option<u64>,
    /// Its peer.
    pub peer: Option<String>,
}

/// `GET /api/v1/connections`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Connections {
    /// In the order of their ids.
    pub connections: Vec<Connection>,
    /// What to ask for with `after` next, when there are more.
    pub next: Option<u64>,
    /// Reactors that did not answer in time: their connections are missing.
    pub silent_reactors: usize,
}

/// An open connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// As log records name it.
    pub id: u64,
    /// The service's name.
    pub service: String,
    /// Where it comes from.
    pub peer: String,
    /// The reactor that serves it.
    pub reactor: usize,
    /// How long it has been open.
    pub age_seconds: f64,
    /// Unsent bytes.
    pub buffered_bytes: u64,
    /// The linear memory of its instance, if that is its own.
    pub memory_bytes: Option<u64>,
    /// What it has used.
    #[serde(flatten)]
    pub used: Used,
}

/// What a reload did: the services' names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadOutcome {
    /// Served from now on.
    pub added: Vec<String>,
    /// New connections get the new component, or limits have changed.
    pub changed: Vec<String>,
    /// As they were.
    pub unchanged: Vec<String>,
    /// Draining.
    pub removed: Vec<String>,
    /// Those that go on as they were, since what is new does not start.
    pub failed: Vec<ReloadFailure>,
}

/// A service that could not be reloaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadFailure {
    /// Its name.
    pub service: String,
    /// Why.
    pub error: String,
}

/// What is answered when a request fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// In words.
    pub error: String,
}

/// What every reactor has said of the services, added up, in the order of the facts; others, such as one that has just been
/// removed, come last.
pub(super) fn services(
    facts: Vec<ServiceFacts>,
    reports: &[Report],
    with_buckets: bool,
) -> Vec<Service> {
    let mut said = added_up(reports);
    let mut services: Vec<Service> = facts
        .into_iter()
        .map(|facts| {
            let mut service = match said.remove(&facts.name) {
                Some(report) => Service::of(&report, with_buckets),
                None => Service {
                    condition: UNKNOWN.to_owned(),
                    ..Service::default()
                },
            };
            service.endpoints = facts.endpoints();
            service.name = facts.name;
            service.component = facts.component;
            service.isolation = isolation_name(facts.isolation).to_owned();
            service
        })
        .collect();
    let others = said
        .values()
        .map(|report| Service::of(report, with_buckets));
    services.extend(others);
    services
}

/// When no reactor has said how a service is.
const UNKNOWN: &str = "unknown";

/// Each service's parts, added up.
pub(super) fn added_up(reports: &[Report]) -> BTreeMap<String, ServiceReport> {
    let mut services: BTreeMap<String, ServiceReport> = BTreeMap::new();
    for report in reports.iter().flat_map(|report| &report.services) {
        match services.get_mut(&report.name) {
            Some(service) => service.add(report),
            None => drop(services.insert(report.name.clone(), report.clone())),
        }
    }
    services
}

impl Service {
    fn of(report: &ServiceReport, with_buckets: bool) -> Self {
        let totals = &report.totals;
        let times = &totals.call_times;
        Self {
            name: report.name.clone(),
            isolation: isolation_name(report.isolation).to_owned(),
            condition: condition_name(report.condition).to_owned(),
            connections: report.connections,
            connections_made: totals.connections_made,
            connections_refused: totals.connections_refused,
            instances: report.instances,
            instances_packed: report.instances_packed,
            memory_bytes: report.memory_bytes,
            pending: report.pending,
            buffered_bytes: report.buffered_bytes,
            used: Used::from(&totals.ledger),
            call_seconds: CallSeconds::of(times),
            call_buckets: match with_buckets {
                true => times
                    .iter_recorded()
                    .map(|step| (step.value_iterated_to(), step.count_at_value()))
                    .collect(),
                false => Vec::new(),
            },
            failures: totals.failures,
            restarts: totals.restarts,
            share_waits: totals.share_waits,
            recent_failures: totals.recent_failures.iter().map(failure).collect(),
            ..Self::default()
        }
    }

    /// Whether it counts as serving: new connections find somebody, or are not to.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        ["up", "draining"].contains(&self.condition.as_str())
    }
}

impl From<&crate::core::Ledger> for Used {
    fn from(ledger: &crate::core::Ledger) -> Self {
        Self {
            calls: ledger.calls,
            busy_seconds: ledger.busy.as_secs_f64(),
            longest_run_seconds: ledger.longest_run.as_secs_f64(),
            received_bytes: ledger.received_bytes,
            sent_bytes: ledger.sent_bytes,
            timers: ledger.timers,
            fetches: ledger.fetches,
        }
    }
}

impl CallSeconds {
    #[expect(clippy::cast_precision_loss, reason = "it is exact to a sixteenth")]
    fn of(times: &Histogram<u64>) -> Self {
        let at = |quantile: f64| times.value_at_quantile(quantile) as f64 / NANOS_PER_SECOND;
        if times.is_empty() {
            return Self::default();
        }
        Self {
            count: times.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: times.max() as f64 / NANOS_PER_SECOND,
        }
    }
}

/// Nanoseconds in a second.
pub(super) const NANOS_PER_SECOND: f64 = 1e9;

impl From<&ConnectionReport> for Connection {
    fn from(report: &ConnectionReport) -> Self {
        Self {
            id: report.id,
            service: report.service.clone(),
            peer: report.peer.to_string(),
            reactor: report.reactor,
            age_seconds: report.age.as_secs_f64(),
            buffered_bytes: report.buffered_bytes,
            memory_bytes: report.memory_bytes,
            used: Used::from(&report.ledger),
        }
    }
}

fn failure(failure: &Failure) -> ServiceFailure {
    ServiceFailure {
        at_ms: ms_since_1970(failure.at),
        handler: failure.handler.clone(),
        kind: failure.kind.to_owned(),
        message: cut(&failure.message, MESSAGE_MAX_BYTES),
        backtrace: cut(&failure.backtrace, BACKTRACE_MAX_BYTES),
        connection: failure.connection,
        peer: failure.peer.map(|peer| peer.to_string()),
    }
}

fn ms_since_1970(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A guest names its functions as it likes, and at any length.
const BACKTRACE_MAX_BYTES: usize = 8 << 10;
const MESSAGE_MAX_BYTES: usize = 2 << 10;

fn cut(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(max_bytes)])
}

/// As it is written and read.
pub(super) fn condition_name(condition: Condition) -> &'static str {
    match condition {
        Condition::Up => "up",
        Condition::Draining => "draining",
        Condition::Starting => "starting",
        Condition::Restarting => "restarting",
        Condition::Broken => "broken",
    }
}

/// All of them, from best to worst.
pub(super) const CONDITIONS: [Condition; 5] = [
    Condition::Up,
    Condition::Draining,
    Condition::Starting,
    Condition::Restarting,
    Condition::Broken,
];

/// As it is written and read.
fn isolation_name(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::Connection => "connection",
        Isolation::Service => "service",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_of_guests_are_cut_between_characters() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("aéé", 4), "aé…");
    }

    #[test]
    fn percentiles_are_in_seconds() {
        let mut times = Histogram::new_with_bounds(100, 60_000_000_000, 1).unwrap();
        assert_eq!(CallSeconds::of(&times), CallSeconds::default());
        for _ in 0..999 {
            times.saturating_record(1_000_000);
        }
        times.saturating_record(2_000_000_000);
        let told = CallSeconds::of(&times);
        assert_eq!(told.count, 1_000);
        assert!((0.000_9..0.001_1).contains(&told.p50), "{told:?}");
        assert!((1.8..2.2).contains(&told.max), "{told:?}");
    }

    #[test]
    fn a_service_that_no_reactor_knows_is_not_ready() {
        let facts = ServiceFacts {
            name: "echo".into(),
            addresses: vec![([127, 0, 0, 1], 1).into()],
            component: "echo.wasm".into(),
            isolation: Isolation::Connection,
            is_program: false,
        };
        let services = services(vec![facts], &[], false);
        assert_eq!(services[0].name, "echo");
        assert!(!services[0].is_ready());
    }
}
