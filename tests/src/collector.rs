//! A collector of traces: it takes what OTLP exporters send over HTTP, keeps the spans, and answers as a test wants it to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

use crate::PATIENCE;

/// How it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answers {
    /// It takes everything.
    #[default]
    Takes,
    /// 503.
    Refuses,
    /// Never.
    Hangs,
}

/// A span, and who sent it.
#[derive(Clone, Debug)]
pub struct Sent {
    span: Span,
    resource: Vec<KeyValue>,
}

#[derive(Default)]
struct Seen {
    answers: Answers,
    requests: usize,
    spans: Vec<Sent>,
}

type Shared = Arc<(Mutex<Seen>, Condvar)>;

/// The collector. It stops when it is dropped.
pub struct Collector {
    runtime: Option<tokio::runtime::Runtime>,
    address: SocketAddr,
    seen: Shared,
}

impl Deref for Sent {
    type Target = Span;

    fn deref(&self) -> &Span {
        &self.span
    }
}

impl Sent {
    /// An attribute as text; empty if it isn't there.
    #[must_use]
    pub fn attribute(&self, key: &str) -> String {
        find(&self.span.attributes, key)
    }

    /// An attribute of who sent it.
    #[must_use]
    pub fn of_sender(&self, key: &str) -> String {
        find(&self.resource, key)
    }

    /// An attribute of an event; empty if there is no such event either.
    #[must_use]
    pub fn of_event(&self, name: &str, key: &str) -> String {
        let event = self.span.events.iter().find(|event| event.name == name);
        event.map_or_else(String::new, |event| find(&event.attributes, key))
    }

    /// The code of its status: 0 for none, 2 for an error.
    #[must_use]
    pub fn status_code(&self) -> i32 {
        self.span.status.as_ref().map_or(0, |status| status.code)
    }

    /// How long it took.
    #[must_use]
    pub fn took(&self) -> Duration {
        Duration::from_nanos(self.end_time_unix_nano - self.start_time_unix_nano)
    }

    /// What a request says that this span makes.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", hex(&self.trace_id), hex(&self.span_id))
    }
}

/// As W3C Trace Context writes ids.
#[must_use]
pub fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn find(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|one| one.key == key);
    found.map_or_else(String::new, |found| text(found.value.as_ref()))
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(Value::ArrayValue(list)) => {
            let items = list.values.iter().map(|item| text(Some(item)));
            items.collect::<Vec<_>>().join(",")
        }
        _ => String::new(),
    }
}

#[expect(clippy::missing_panics_doc, reason = "that is how tests fail")]
impl Collector {
    /// Starts it on a port of its own.
    #[must_use]
    pub fn start() -> Self {
        Self::that(Answers::Takes)
    }

    /// The same with other manners.
    #[must_use]
    pub fn that(answers: Answers) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let seen = Shared::default();
        lock(&seen).answers = answers;
        runtime.spawn(serve(listener, Arc::clone(&seen)));
        Self {
            runtime: Some(runtime),
            address,
            seen,
        }
    }

    /// What `--otlp-endpoint` needs.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From here on it answers so.
    pub fn answer(&self, answers: Answers) {
        lock(&self.seen).answers = answers;
    }

    /// What it has taken until now.
    #[must_use]
    pub fn spans(&self) -> Vec<Sent> {
        lock(&self.seen).spans.clone()
    }

    /// The requests that have come until now, whatever was answered.
    #[must_use]
    pub fn requests(&self) -> usize {
        lock(&self.seen).requests
    }

    /// Waits for a span that fits.
    #[must_use]
    #[track_caller]
    pub fn wait_for(&self, what: &str, fits: impl Fn(&Sent) -> bool) -> Sent {
        let seen = self.wait(|seen| seen.spans.iter().any(&fits));
        let found = seen.spans.iter().find(|span| fits(span));
        let names: Vec<_> = seen.spans.iter().map(|span| &span.name).collect();
        found
            .unwrap_or_else(|| panic!("no span of {what} among {names:?}"))
            .clone()
    }

    /// Waits until so many requests have come.
    #[track_caller]
    pub fn wait_for_requests(&self, count: usize) {
        let seen = self.wait(|seen| seen.requests >= count);
        assert!(seen.requests >= count, "only {} requests", seen.requests);
    }

    fn wait(&self, is_there: impl Fn(&Seen) -> bool) -> std::sync::MutexGuard<'_, Seen> {
        let waited = self
            .seen
            .1
            .wait_timeout_while(lock(&self.seen), PATIENCE, |seen| !is_there(seen));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // What hangs would be waited for otherwise.
            runtime.shutdown_background();
        }
    }
}

fn lock(seen: &Shared) -> std::sync::MutexGuard<'_, Seen> {
    seen.0.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, seen: Shared) {
    while let Ok((stream, _)) = listener.accept().await {
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&seen)));
            let connection = auto::Builder::new(TokioExecutor::new());
            // Failures are the client's to report: it is what is tested.
            let _ = connection
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: Shared,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_otlp = request.method() == "POST"
        && request.uri().path() == "/v1/traces"
        && request.headers()[header::CONTENT_TYPE] == "application/x-protobuf";
    let body = request.into_body().collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let sent = ExportTraceServiceRequest::decode(body).ok();
    let answers = {
        let mut seen = lock(&seen);
        seen.requests += 1;
        seen.answers
    };
    seen.1.notify_all();
    let (Some(sent), true) = (sent, is_otlp) else {
        return Ok(status(StatusCode::BAD_REQUEST));
    };
    match answers {
        Answers::Takes => {
            lock(&seen).spans.extend(spans(sent));
            seen.1.notify_all();
            let taken = ExportTraceServiceResponse::default().encode_to_vec();
            Ok(Response::new(Full::new(taken.into())))
        }
        Answers::Refuses => Ok(status(StatusCode::SERVICE_UNAVAILABLE)),
        Answers::Hangs => std::future::pending().await,
    }
}

fn spans(sent: ExportTraceServiceRequest) -> Vec<Sent> {
    let mut spans = Vec::new();
    for of_sender in sent.resource_spans {
        let resource = of_sender.resource.unwrap_or_default().attributes;
        let found = of_sender.scope_spans.into_iter().flat_map(|one| one.spans);
        spans.extend(found.map(|span| Sent {
            span,
            resource: resource.clone(),
        }));
    }
    spans
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
