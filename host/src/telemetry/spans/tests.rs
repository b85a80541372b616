//! What has ended, and the span that it becomes.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanId, SpanKind, Status, TraceId};
use opentelemetry::{Array, Value};
use opentelemetry_sdk::trace::SpanData;

use super::*;
use crate::core::{CloseReason, Ledger};

const KEY: SpanKey = SpanKey {
    trace: 7,
    span: 8,
    is_sampled: true,
};
const TOOK: Duration = Duration::from_millis(1_500);

fn span_of(what: What) -> SpanData {
    span(Record::new(KEY, None, TOOK, what))
}

fn attribute(span: &SpanData, key: &str) -> Option<Value> {
    let found = span.attributes.iter().find(|one| one.key.as_str() == key);
    found.map(|found| found.value.clone())
}

fn text(span: &SpanData, key: &str) -> String {
    attribute(span, key).map_or_else(String::new, |value| value.to_string())
}

fn connection() -> ConnectionEnded {
    let mut ledger = Ledger {
        calls: 3,
        received_bytes: 10,
        sent_bytes: 20,
        timers: 1,
        fetches: 2,
        ..Ledger::default()
    };
    ledger.ran(Duration::from_millis(250));
    ConnectionEnded {
        service: "chat".into(),
        id: 42,
        peer: "[::ffff:192.0.2.1]:4242".parse().unwrap(),
        local: Some("127.0.0.1:8000".parse().unwrap()),
        ledger,
        reason: CloseReason::Done,
        failure: None,
        cause: None,
    }
}

fn failure() -> GuestFailure {
    GuestFailure {
        service: "chat".into(),
        handler: "data-received".into(),
        kind: "trap",
        message: "wasm trap".into(),
        backtrace: "0: guest::boom".into(),
    }
}

fn fetch(method: &str, url: &str, outcome: FetchOutcome) -> SpanData {
    span_of(What::Fetch(Box::new(FetchEnded {
        service: "pages".into(),
        method: method.into(),
        url: url.into(),
        body_bytes: 0,
        outcome,
    })))
}

#[test]
fn a_connection() {
    let before = SystemTime::now();
    let span = span_of(What::Connection(Box::new(connection())));
    assert_eq!(
        (span.name.as_ref(), &span.span_kind),
        ("chat", &SpanKind::Server)
    );
    assert_eq!(span.span_context.trace_id(), TraceId::from(7));
    assert_eq!(span.span_context.span_id(), SpanId::from(8));
    assert!(span.span_context.is_sampled() && span.parent_span_id == SpanId::INVALID);
    assert_eq!(span.end_time.duration_since(span.start_time).unwrap(), TOOK);
    assert!(span.end_time >= before && span.end_time <= SystemTime::now());
    assert_eq!((&span.status, span.events.len()), (&Status::Unset, 0));
    for (key, expected) in [
        ("network.transport", "tcp".into()),
        ("network.peer.address", "192.0.2.1".into()),
        ("network.peer.port", Value::I64(4242)),
        ("server.address", "127.0.0.1".into()),
        ("server.port", Value::I64(8000)),
        ("wisted.service", "chat".into()),
        ("wisted.connection.id", Value::I64(42)),
        ("wisted.connection.reason", "done".into()),
        ("wisted.connection.received_bytes", Value::I64(10)),
        ("wisted.connection.sent_bytes", Value::I64(20)),
        ("wisted.guest.calls", Value::I64(3)),
        ("wisted.guest.busy_seconds", Value::F64(0.25)),
        ("wisted.guest.longest_run_seconds", Value::F64(0.25)),
        ("wisted.guest.timers", Value::I64(1)),
        ("wisted.guest.fetches", Value::I64(2)),
    ] {
        assert_eq!(attribute(&span, key), Some(expected), "{key}");
    }
    assert_eq!(attribute(&span, "error.type"), None);
}

#[test]
fn a_connection_whose_guest_failed() {
    let span = span_of(What::Connection(Box::new(ConnectionEnded {
        reason: CloseReason::GuestFailed,
        failure: Some(failure()),
        ..connection()
    })));
    assert_eq!(span.status, Status::error("wasm trap"));
    assert_eq!(text(&span, "error.type"), "trap");
    assert_eq!(text(&span, "wisted.guest.handler"), "data-received");
    let event = &span.events[0];
    assert_eq!(event.name, "exception");
    let about: Vec<_> = event
        .attributes
        .iter()
        .map(|one| (one.key.as_str(), one.value.to_string()))
        .collect();
    assert_eq!(
        about,
        [
            ("exception.type", "trap".to_owned()),
            ("exception.message", "wasm trap".to_owned()),
            ("exception.stacktrace", "0: guest::boom".to_owned()),
        ]
    );
}

#[test]
fn a_connection_of_a_shared_instance_that_failed_links_to_that() {
    let cause = SpanKey { span: 9, ..KEY };
    let span = span_of(What::Connection(Box::new(ConnectionEnded {
        reason: CloseReason::GuestFailed,
        cause: Some((cause, "limit")),
        ..connection()
    })));
    assert_eq!(span.status, Status::error("the guest failed"));
    assert_eq!(text(&span, "error.type"), "limit");
    assert_eq!(span.events.len(), 0);
    assert_eq!(span.links[0].span_context.span_id(), SpanId::from(9));

    let failed = span_of(What::Failure(Box::new(failure())));
    assert_eq!(
        (failed.name.as_ref(), &failed.span_kind),
        ("chat failed", &SpanKind::Internal)
    );
    assert_eq!(failed.events[0].name, "exception");
}

#[test]
fn a_fetch_is_part_of_its_connection() {
    let outcome = FetchOutcome::Response {
        status: 200,
        body_bytes: 5,
    };
    let what = What::Fetch(Box::new(FetchEnded {
        service: "pages".into(),
        method: "POST".into(),
        url: "https://example.org/a?b=c".into(),
        body_bytes: 3,
        outcome,
    }));
    let child = SpanKey { span: 9, ..KEY };
    let span = span(Record::new(child, Some(KEY), TOOK, what));
    assert_eq!(
        (span.name.as_ref(), &span.span_kind),
        ("POST", &SpanKind::Client)
    );
    assert_eq!(span.parent_span_id, SpanId::from(8));
    for (key, expected) in [
        ("http.request.method", "POST".into()),
        ("http.request.body.size", Value::I64(3)),
        ("url.full", "https://example.org/a?b=c".into()),
        ("server.address", "example.org".into()),
        ("server.port", Value::I64(443)),
        ("http.response.status_code", Value::I64(200)),
        ("http.response.body.size", Value::I64(5)),
        ("wisted.service", "pages".into()),
    ] {
        assert_eq!(attribute(&span, key), Some(expected), "{key}");
    }
    assert_eq!(span.status, Status::Unset);
}

#[test]
fn fetches_that_fail() {
    let refused = FetchOutcome::Response {
        status: 404,
        body_bytes: 0,
    };
    let refused = fetch("GET", "http://example.org/", refused);
    assert_eq!(text(&refused, "error.type"), "404");
    assert_eq!(refused.status, Status::error(""));
    let failed = FetchOutcome::Failed {
        kind: "dns",
        message: "no such name".into(),
    };
    let failed = fetch("GET", "http://example.org/", failed);
    assert_eq!(text(&failed, "error.type"), "dns");
    assert_eq!(failed.status, Status::error("no such name"));
    assert_eq!(attribute(&failed, "http.response.status_code"), None);
    let cancelled = fetch("GET", "http://example.org/", FetchOutcome::Cancelled);
    assert_eq!(text(&cancelled, "error.type"), "cancelled");
}

#[test]
fn what_guests_make_up_names_no_span() {
    let span = fetch("FROB-1234", "http://example.org/", FetchOutcome::Cancelled);
    assert_eq!(span.name, "HTTP");
    assert_eq!(text(&span, "http.request.method"), "_OTHER");
    assert_eq!(text(&span, "http.request.method_original"), "FROB-1234");
}

#[test]
fn no_secret_of_a_url_is_shown() {
    for (url, shown) in [
        ("http://me:secret@example.org/", "http://example.org/"),
        (
            "http://example.org/?a=1&sig=secret&b=2",
            "http://example.org/?a=1&sig=REDACTED&b=2",
        ),
        (
            "http://example.org/?Signature=secret&X-Goog-Signature=x",
            "http://example.org/?Signature=REDACTED&X-Goog-Signature=REDACTED",
        ),
        (
            "http://example.org/?signed#part",
            "http://example.org/?signed#part",
        ),
        ("secret:but no url", "secret:but no url"),
        ("http//secret", ""),
    ] {
        let span = fetch("GET", url, FetchOutcome::Cancelled);
        assert_eq!(text(&span, "url.full"), shown);
    }
}

#[test]
fn what_the_host_does() {
    let span = span_of(What::Host(Box::new(HostWork {
        name: "reload",
        services: vec![("added", vec!["a".into(), "b".into()]), ("removed", vec![])],
        error: Some("c: it cannot start".into()),
    })));
    assert_eq!(
        (span.name.as_ref(), &span.span_kind),
        ("reload", &SpanKind::Internal)
    );
    let added = Value::Array(Array::String(vec!["a".into(), "b".into()]));
    assert_eq!(attribute(&span, "wisted.services.added"), Some(added));
    assert_eq!(attribute(&span, "wisted.services.removed"), None);
    assert_eq!(text(&span, "error.type"), "reload_failed");
    assert_eq!(span.status, Status::error("c: it cannot start"));
}
