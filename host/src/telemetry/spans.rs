//! What has ended as OpenTelemetry names it: kinds, statuses and attributes by its semantic conventions, `wisted.*` for the rest. It
//! must not know when or where spans are sent.

use std::net::SocketAddr;

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use url::Url;

use super::records::{
    ConnectionEnded, FetchEnded, FetchOutcome, GuestFailure, HostWork, Record, SpanKey, What,
};

/// Methods that the conventions know; another one is `_OTHER`, so that guests cannot invent names of spans.
const METHODS: [&str; 10] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
];

/// Keys of a URL's query whose values are signatures: the conventions say to hide them.
const SECRET_KEYS: [&str; 4] = ["AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature"];

/// The span of what has ended.
pub(super) fn span(record: Record) -> SpanData {
    let mut told = match record.what {
        What::Connection(connection) => of_connection(*connection),
        What::Fetch(fetch) => of_fetch(*fetch),
        What::Failure(failure) => of_failure(*failure),
        What::Host(work) => of_host(*work),
    };
    let mut events = SpanEvents::default();
    let exception = told.exception.take();
    events
        .events
        .extend(exception.map(|about| Event::new("exception", record.ended_at, about, 0)));
    let mut links = SpanLinks::default();
    links.links.extend(
        told.cause
            .map(|cause| Link::with_context(span_context(cause))),
    );
    let start_time = record.ended_at.checked_sub(record.took);
    SpanData {
        span_context: span_context(record.key),
        parent_span_id: record
            .parent
            .map_or(SpanId::INVALID, |parent| SpanId::from(parent.span)),
        parent_span_is_remote: false,
        span_kind: told.kind,
        name: told.name.into(),
        start_time: start_time.unwrap_or(record.ended_at),
        end_time: record.ended_at,
        attributes: told.attributes,
        dropped_attributes_count: 0,
        events,
        links,
        status: told.status,
        instrumentation_scope: InstrumentationScope::builder("wisted")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build(),
    }
}

/// What differs from span to span.
struct Told {
    name: String,
    kind: SpanKind,
    attributes: Vec<KeyValue>,
    status: Status,
    /// The attributes of an `exception` event.
    exception: Option<Vec<KeyValue>>,
    cause: Option<SpanKey>,
}

impl Told {
    fn new(name: String, kind: SpanKind, attributes: Vec<KeyValue>) -> Self {
        Self {
            name,
            kind,
            attributes,
            status: Status::Unset,
            exception: None,
            cause: None,
        }
    }

    fn failed(&mut self, error_type: impl Into<Value>, description: String) {
        self.attributes
            .push(KeyValue::new("error.type", error_type.into()));
        self.status = Status::error(description);
    }
}

fn span_context(key: SpanKey) -> SpanContext {
    let flags = TraceFlags::default().with_sampled(key.is_sampled);
    let (trace, span) = (TraceId::from(key.trace), SpanId::from(key.span));
    SpanContext::new(trace, span, flags, false, TraceState::NONE)
}

fn of_connection(connection: ConnectionEnded) -> Told {
    let ledger = &connection.ledger;
    let mut attributes = vec![
        KeyValue::new("network.transport", "tcp"),
        KeyValue::new("network.peer.address", address(connection.peer)),
        KeyValue::new("network.peer.port", i64::from(connection.peer.port())),
        KeyValue::new("wisted.service", connection.service.clone()),
        KeyValue::new("wisted.connection.id", whole(connection.id)),
        KeyValue::new("wisted.connection.reason", connection.reason.to_string()),
        KeyValue::new(
            "wisted.connection.received_bytes",
            whole(ledger.received_bytes),
        ),
        KeyValue::new("wisted.connection.sent_bytes", whole(ledger.sent_bytes)),
        KeyValue::new("wisted.guest.calls", whole(ledger.calls)),
        KeyValue::new("wisted.guest.busy_seconds", ledger.busy.as_secs_f64()),
        KeyValue::new(
            "wisted.guest.longest_run_seconds",
            ledger.longest_run.as_secs_f64(),
        ),
        KeyValue::new("wisted.guest.timers", whole(ledger.timers)),
        KeyValue::new("wisted.guest.fetches", whole(ledger.fetches)),
    ];
    if let Some(local) = connection.local {
        attributes.push(KeyValue::new("server.address", address(local)));
        attributes.push(KeyValue::new("server.port", i64::from(local.port())));
    }
    let mut told = Told::new(connection.service, SpanKind::Server, attributes);
    if let Some(failure) = connection.failure {
        tell_failure(&mut told, failure);
    } else if let Some((cause, kind)) = connection.cause {
        told.failed(kind, connection.reason.to_string());
        told.cause = Some(cause);
    }
    told
}

fn of_failure(failure: GuestFailure) -> Told {
    let attributes = vec![KeyValue::new("wisted.service", failure.service.clone())];
    let name = format!("{} failed", failure.service);
    let mut told = Told::new(name, SpanKind::Internal, attributes);
    tell_failure(&mut told, failure);
    told
}

fn tell_failure(told: &mut Told, failure: GuestFailure) {
    told.attributes
        .push(KeyValue::new("wisted.guest.handler", failure.handler));
    told.failed(failure.kind, failure.message.clone());
    let mut exception = vec![
        KeyValue::new("exception.type", failure.kind),
        KeyValue::new("exception.message", failure.message),
    ];
    if !failure.backtrace.is_empty() {
        exception.push(KeyValue::new("exception.stacktrace", failure.backtrace));
    }
    told.exception = Some(exception);
}

fn of_fetch(fetch: FetchEnded) -> Told {
    let known = METHODS.iter().find(|known| **known == fetch.method);
    let method = *known.unwrap_or(&"_OTHER");
    let mut attributes = vec![
        KeyValue::new("http.request.method", method),
        KeyValue::new("wisted.service", fetch.service),
    ];
    if known.is_none() {
        attributes.push(KeyValue::new("http.request.method_original", fetch.method));
    }
    if fetch.body_bytes > 0 {
        let size = whole(fetch.body_bytes as u64);
        attributes.push(KeyValue::new("http.request.body.size", size));
    }
    // What is no URL is not shown: it may be a secret with a slip of the pen.
    if let Ok(url) = Url::parse(&fetch.url) {
        let host = url.host_str().unwrap_or_default().to_owned();
        attributes.push(KeyValue::new("server.address", host));
        if let Some(port) = url.port_or_known_default() {
            attributes.push(KeyValue::new("server.port", i64::from(port)));
        }
        attributes.push(KeyValue::new("url.full", shown(url)));
    }
    let name = known.unwrap_or(&"HTTP");
    let mut told = Told::new((*name).to_owned(), SpanKind::Client, attributes);
    match fetch.outcome {
        FetchOutcome::Response { status, body_bytes } => {
            let code = i64::from(status);
            told.attributes
                .push(KeyValue::new("http.response.status_code", code));
            let size = whole(body_bytes as u64);
            told.attributes
                .push(KeyValue::new("http.response.body.size", size));
            if status >= 400 {
                told.failed(status.to_string(), String::new());
            }
        }
        FetchOutcome::Failed { kind, message } => told.failed(kind, message),
        FetchOutcome::Cancelled => told.failed("cancelled", String::new()),
    }
    told
}

fn of_host(work: HostWork) -> Told {
    let names = |names: Vec<String>| {
        let names = names.into_iter().map(StringValue::from);
        Value::Array(Array::String(names.collect()))
    };
    let services = work.services.into_iter();
    let services = services.filter(|(_, services)| !services.is_empty());
    let attributes = services
        .map(|(what, services)| KeyValue::new(format!("wisted.services.{what}"), names(services)));
    let mut told = Told::new(
        work.name.to_owned(),
        SpanKind::Internal,
        attributes.collect(),
    );
    if let Some(error) = work.error {
        told.failed(format!("{}_failed", work.name), error);
    }
    told
}

/// Without the port, and an IPv4 address as such.
fn address(address: SocketAddr) -> String {
    address.ip().to_canonical().to_string()
}

/// OpenTelemetry's whole numbers are signed.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A URL without what is secret in it.
fn shown(mut url: Url) -> String {
    // Both fail only for URLs that cannot have them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let is_secret = |pair: &str| {
        let key = pair.split_once('=').map_or(pair, |(key, _)| key);
        SECRET_KEYS.contains(&key)
    };
    let query = url.query().map(|query| {
        let pairs = query.split('&').map(|pair| match is_secret(pair) {
            true => format!("{}=REDACTED", pair.split('=').next().unwrap_or_default()),
            false => pair.to_owned(),
        });
        pairs.collect::<Vec<_>>().join("&")
    });
    url.set_query(query.as_deref());
    url.into()
}

#[cfg(test)]
mod tests;
