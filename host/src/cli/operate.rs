//! The commands that ask and order a running host: `wisted status`, `connections`, `kill`, `drain`, `reload` and `top`.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::figures::{age, harmless, time};
use super::table::{Side, Table};
use super::{error_label, top};
use wisted::admin::model::{Connection, Connections, Service, ServiceFailure, Status};
use wisted::admin::{Client, ReloadOutcome};
use wisted::clock;
use wisted::endpoint::AdminEndpoint;
use wisted::units::{self, count, size};

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum OperateCommand {
    Status(StatusArgs),
    Connections(ConnectionsArgs),
    Kill(KillArgs),
    Drain(DrainArgs),
    Reload(ReloadArgs),
    Top(TopArgs),
}

/// Say how a running host and its services are
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Only this service, with its last failures and their backtraces
    service: Option<String>,

    #[command(flatten)]
    host: HostArg,

    /// As JSON
    #[arg(long)]
    json: bool,
}

/// List the open connections of a running host
#[derive(Debug, Args)]
pub(super) struct ConnectionsArgs {
    /// Only this service's
    #[arg(long)]
    service: Option<String>,

    /// Those with a higher id than this
    #[arg(
        long,
        value_name = "ID",
        default_value = "0",
        hide_default_value = true
    )]
    after: u64,

    /// So many at most
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,

    #[command(flatten)]
    host: HostArg,

    /// As JSON
    #[arg(long)]
    json: bool,
}

/// End connections at once: their peers get a reset
#[derive(Debug, Args)]
pub(super) struct KillArgs {
    /// The connections' ids, as `wisted connections` and log records name them
    #[arg(value_name = "ID", required = true)]
    ids: Vec<u64>,

    #[command(flatten)]
    host: HostArg,
}

/// Let a service take no new connections any more; it ends when its last one has
#[derive(Debug, Args)]
pub(super) struct DrainArgs {
    /// The service's name
    service: String,

    #[command(flatten)]
    host: HostArg,
}

/// Let a running host read its configuration and components again: new connections get what is new
#[derive(Debug, Args)]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    host: HostArg,

    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Watch the services of a running host
///
/// Keys: c sorts by CPU, b by bytes, n by connections, s by name; q quits. Where standard output is no terminal it prints one
/// picture and ends.
#[derive(Debug, Args)]
pub(super) struct TopArgs {
    /// What comes first
    #[arg(long, value_enum, default_value = "cpu")]
    pub sort: top::Order,

    /// How often it looks
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = units::duration)]
    pub interval: Duration,

    #[command(flatten)]
    pub host: HostArg,
}

#[derive(Debug, Args)]
pub(super) struct HostArg {
    /// The host's admin endpoint: unix:PATH or tcp:ADDRESS:PORT [default: unix:$XDG_RUNTIME_DIR/wisted.sock, or
    /// unix:/run/wisted/wisted.sock where there is no such folder]
    #[arg(
        long,
        value_name = "ENDPOINT",
        env = "WISTED_ADMIN",
        hide_env_values = true
    )]
    admin: Option<AdminEndpoint>,
}

impl HostArg {
    pub fn client(&self) -> Result<Client> {
        let endpoint = self.admin.clone().unwrap_or_else(AdminEndpoint::of_user);
        Ok(Client::new(endpoint)?)
    }
}

pub(super) fn operate(command: &OperateCommand) -> Result<ExitCode> {
    match command {
        OperateCommand::Status(args) => status(args),
        OperateCommand::Connections(args) => connections(args),
        OperateCommand::Kill(args) => kill(args),
        OperateCommand::Drain(args) => drain(args),
        OperateCommand::Reload(args) => reload(args),
        OperateCommand::Top(args) => top::top(args),
    }
}

fn status(args: &StatusArgs) -> Result<ExitCode> {
    let mut status: Status = args.host.client()?.get("/api/v1/status")?;
    if let Some(name) = &args.service {
        status.services.retain(|service| service.name == *name);
        if status.services.is_empty() {
            anyhow::bail!("there is no service {name:?}: `wisted status` lists them");
        }
    }
    if args.json {
        return print_json(&status);
    }
    let mut lines = vec![headline(&status), String::new()];
    lines.extend(services(&status.services).lines());
    if args.service.is_some() {
        lines.extend(status.services.iter().flat_map(details));
    } else {
        lines.extend(last_failures(&status.services));
    }
    print(&lines)
}

/// What is said of the host as a whole.
pub(super) fn headline(status: &Status) -> String {
    let reactors = status.reactors.iter();
    let silent = reactors.filter(|reactor| reactor.state == "silent");
    let silent: Vec<String> = silent.map(|reactor| reactor.index.to_string()).collect();
    let mut line = format!(
        "wisted {}, up {}, {}, {}",
        harmless(&status.version),
        age(status.uptime_seconds),
        if status.ready { "ready" } else { "not ready" },
        plural(status.reactors.len() as u64, "reactor"),
    );
    if !silent.is_empty() {
        line += &format!(", no answer from {}", silent.join(", "));
    }
    line
}

fn services(services: &[Service]) -> Table {
    let mut table = Table::new(&[
        ("SERVICE", Side::Left),
        ("STATE", Side::Left),
        ("CONNS", Side::Right),
        ("RECEIVED", Side::Right),
        ("SENT", Side::Right),
        ("CALLS", Side::Right),
        ("P50", Side::Right),
        ("P99", Side::Right),
        ("BUSY", Side::Right),
        ("MEMORY", Side::Right),
        ("FAILURES", Side::Right),
        ("LISTENS ON", Side::Left),
    ]);
    for service in services {
        table.row(vec![
            harmless(&service.name),
            harmless(&service.condition),
            count(service.connections),
            size(service.used.received_bytes),
            size(service.used.sent_bytes),
            count(service.used.calls),
            time(service.call_seconds.p50),
            time(service.call_seconds.p99),
            time(service.used.busy_seconds),
            size(service.memory_bytes),
            count(service.failures),
            harmless(&service.endpoints.join(" ")),
        ]);
    }
    table
}

fn last_failures(services: &[Service]) -> Vec<String> {
    let last = |service: &Service| {
        let failure = service.recent_failures.last()?;
        let text = format!("{} failed {}", harmless(&service.name), summary(failure));
        Some(text)
    };
    let mut lines: Vec<String> = services.iter().filter_map(last).collect();
    if !lines.is_empty() {
        lines.insert(0, String::new());
        lines.push("`wisted status SERVICE` shows the backtraces".to_owned());
    }
    lines
}

fn summary(failure: &ServiceFailure) -> String {
    let now = clock::time_of_day().duration_since(UNIX_EPOCH);
    let at = Duration::from_millis(failure.at_ms);
    let ago = now.unwrap_or_default().saturating_sub(at);
    let mut text = format!(
        "{} ago, {} in {}: {}",
        age(ago.as_secs_f64()),
        harmless(&failure.kind),
        harmless(&failure.handler),
        harmless(&failure.message),
    );
    if let (Some(connection), Some(peer)) = (failure.connection, &failure.peer) {
        text += &format!(" (connection {connection}, {})", harmless(peer));
    }
    text
}

fn details(service: &Service) -> Vec<String> {
    let used = &service.used;
    let times = &service.call_seconds;
    let mut lines = vec![String::new()];
    let mut fact = |name: &str, value: String| lines.push(format!("  {name:<21}{value}"));
    fact("component", harmless(&service.component));
    fact("isolation", harmless(&service.isolation));
    fact(
        "connections",
        format!(
            "{} open, {} made, {} refused",
            service.connections, service.connections_made, service.connections_refused
        ),
    );
    fact("instances", service.instances.to_string());
    fact("unsent", size(service.buffered_bytes));
    fact(
        "calls",
        format!(
            "p50 {}, p90 {}, p99 {}, p99.9 {}, longest {}",
            time(times.p50),
            time(times.p90),
            time(times.p99),
            time(times.p999),
            time(times.max)
        ),
    );
    fact("longest run", time(used.longest_run_seconds));
    fact(
        "timers and fetches",
        format!(
            "{} and {}, {} pending",
            used.timers, used.fetches, service.pending
        ),
    );
    fact("waits for its share", service.share_waits.to_string());
    fact(
        "failures",
        format!("{}, {} restarts", service.failures, service.restarts),
    );
    for failure in service.recent_failures.iter().rev() {
        lines.push(String::new());
        lines.push(format!("  {}", summary(failure)));
        let backtrace = failure.backtrace.lines();
        lines.extend(backtrace.map(|line| format!("    {}", harmless(line))));
    }
    lines
}

fn connections(args: &ConnectionsArgs) -> Result<ExitCode> {
    /// What one answer holds.
    const PAGE_MAX: u64 = 1_000;
    let client = args.host.client()?;
    let mut all = Connections {
        next: Some(args.after),
        ..Connections::default()
    };
    while let Some(after) = all.next
        && let left = args.limit - all.connections.len() as u64
        && left > 0
    {
        let mut query = format!("after={after}&limit={}", left.min(PAGE_MAX));
        if let Some(service) = &args.service {
            let name: String = url::form_urlencoded::byte_serialize(service.as_bytes()).collect();
            query += &format!("&service={name}");
        }
        let page: Connections = client.get(&format!("/api/v1/connections?{query}"))?;
        all.connections.extend(page.connections);
        all.next = page.next;
        all.silent_reactors = all.silent_reactors.max(page.silent_reactors);
    }
    if args.json {
        return print_json(&all);
    }
    let mut lines = listed(&all.connections).lines();
    if all.connections.is_empty() {
        lines = vec!["no open connections".to_owned()];
    }
    if let Some(next) = all.next {
        lines.push(format!(
            "there are more: --after {next}, or a higher --limit"
        ));
    }
    if all.silent_reactors > 0 {
        lines.push(format!(
            "{} did not answer: their connections are missing",
            plural(all.silent_reactors as u64, "reactor")
        ));
    }
    print(&lines)
}

fn listed(connections: &[Connection]) -> Table {
    let mut table = Table::new(&[
        ("ID", Side::Right),
        ("SERVICE", Side::Left),
        ("PEER", Side::Left),
        ("AGE", Side::Right),
        ("RECEIVED", Side::Right),
        ("SENT", Side::Right),
        ("UNSENT", Side::Right),
        ("CALLS", Side::Right),
        ("BUSY", Side::Right),
        ("MEMORY", Side::Right),
    ]);
    for connection in connections {
        table.row(vec![
            connection.id.to_string(),
            harmless(&connection.service),
            harmless(&connection.peer),
            age(connection.age_seconds),
            size(connection.used.received_bytes),
            size(connection.used.sent_bytes),
            size(connection.buffered_bytes),
            count(connection.used.calls),
            time(connection.used.busy_seconds),
            connection
                .memory_bytes
                .map_or_else(|| "shared".to_owned(), size),
        ]);
    }
    table
}

fn kill(args: &KillArgs) -> Result<ExitCode> {
    let client = args.host.client()?;
    let mut code = ExitCode::SUCCESS;
    for id in &args.ids {
        match order(&client, &format!("/api/v1/connections/{id}/kill")) {
            Ok(()) => print(&[format!("connection {id} is killed")])?,
            Err(error) => {
                eprintln!("{}: {error:#}", error_label());
                code = ExitCode::FAILURE;
                code
            }
        };
    }
    Ok(code)
}

fn drain(args: &DrainArgs) -> Result<ExitCode> {
    let mut url = Url::parse("http://localhost/api/v1/services")?;
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.push(&args.service).push("drain");
    }
    order(&args.host.client()?, url.path())?;
    print(&[format!(
        "{} takes no new connections any more",
        args.service
    )])
}

fn order(client: &Client, path: &str) -> Result<()> {
    let _: serde_json::Value = client.post(path)?;
    Ok(())
}

fn reload(args: &ReloadArgs) -> Result<ExitCode> {
    let outcome: ReloadOutcome = args.host.client()?.post_patiently("/api/v1/reload")?;
    let code = match outcome.failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    };
    if args.json {
        print_json(&outcome)?;
        return Ok(code);
    }
    let mut lines = Vec::new();
    for (what, names) in [
        ("added", &outcome.added),
        ("changed", &outcome.changed),
        ("removed", &outcome.removed),
        ("unchanged", &outcome.unchanged),
    ] {
        if !names.is_empty() {
            lines.push(format!(
                "{:<11}{}",
                format!("{what}:"),
                harmless(&names.join(", "))
            ));
        }
    }
    if lines.is_empty() && outcome.failed.is_empty() {
        lines.push("there is nothing to reload".to_owned());
    }
    print(&lines)?;
    for failure in &outcome.failed {
        eprintln!(
            "{}: {} goes on as it was: {}",
            error_label(),
            harmless(&failure.service),
            harmless(&failure.error)
        );
    }
    Ok(code)
}

fn plural(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn print_json<T: Serialize + DeserializeOwned>(value: &T) -> Result<ExitCode> {
    print(&[serde_json::to_string_pretty(value)?])
}

/// A reader that has seen enough, such as `head`, is no error.
pub(super) fn print(lines: &[String]) -> Result<ExitCode> {
    let _ = std::io::stdout().write_all((lines.join("\n") + "\n").as_bytes());
    Ok(ExitCode::SUCCESS)
}
