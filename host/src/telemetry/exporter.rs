//! Requests to the collector: OTLP as protobuf over HTTP, with the HTTP client that the host has anyway. It must not know what is
//! sent when.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::{Key, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, RetryPolicy, SpanExporter, WithExportConfig as _,
    WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use reqwest::redirect::Policy;

use super::CollectorUrl;
use crate::limits::{COLLECTOR_ANSWER_MAX_BYTES, COLLECTOR_CONNECT_MAX, EXPORT_MAX};
use crate::web::tls;

/// Why no request to the collector could be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// There is no certificate to verify it with.
    #[error(
        "there is no root certificate to verify the collector with: install the system's CA certificates, or name a file of them in SSL_CERT_FILE"
    )]
    NobodyTrusted,
    /// The HTTP client cannot be made.
    #[error("the HTTP client for traces cannot be made: {0}")]
    Client(String),
    /// The environment asks for what this cannot do.
    #[error("traces cannot be sent as the environment's OTEL_EXPORTER_OTLP_* say: {0}")]
    Exporter(#[from] ExporterBuildError),
}

/// Why the last request failed, in more words than the exporter passes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Reason(Arc<Mutex<Option<String>>>);

impl Reason {
    /// Takes it, if there is one.
    pub fn take(&self) -> Option<String> {
        self.lock().take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What sends spans, and where it leaves its reasons.
pub(super) fn exporter(collector: &CollectorUrl) -> Result<(SpanExporter, Reason), SetupError> {
    let reason = Reason::default();
    let client = Client {
        http: http_client(collector)?,
        reason: reason.clone(),
    };
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(collector.of_traces())
        .with_timeout(EXPORT_MAX)
        .with_retry_policy(RetryPolicy::recommended())
        .build()?;
    exporter.set_resource(&resource());
    Ok((exporter, reason))
}

/// Who sends the spans: what the environment says (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`), and else this program.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let ours = Resource::builder_empty().with_attribute(version).build();
    let of_environment = Resource::builder().build();
    let name = of_environment.get(&Key::from_static_str("service.name"));
    let is_unknown = name.is_none_or(|name| name.as_str().starts_with("unknown_service"));
    let attributes = ours.iter().chain(of_environment.iter());
    let attributes = attributes.map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let resource = Resource::builder_empty().with_attributes(attributes);
    match is_unknown {
        true => resource.with_service_name("wisted").build(),
        false => resource.build(),
    }
}

fn http_client(collector: &CollectorUrl) -> Result<reqwest::Client, SetupError> {
    let broken = |error: &dyn Error| SetupError::Client(error.to_string());
    let system_roots = match collector.is_secure() {
        true => tls::system_roots(),
        false => Vec::new(),
    };
    let (trusts_anybody, config) =
        tls::client_config(system_roots, &[]).map_err(|error| broken(&error))?;
    if collector.is_secure() && !trusts_anybody {
        return Err(SetupError::NobodyTrusted);
    }
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .no_proxy()
        // The specification knows none, and headers with credentials must not go elsewhere.
        .redirect(Policy::none())
        .referer(false)
        .user_agent(concat!("wisted/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(COLLECTOR_CONNECT_MAX)
        .build()
        .map_err(|error| broken(&error))
}

#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    reason: Reason,
}

impl HttpClient for Client {
    fn send_bytes<'client, 'sending>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sending>>
    where
        'client: 'sending,
        Self: 'sending,
    {
        Box::pin(async move {
            let answer = self.send(request).await;
            *self.reason.lock() = match &answer {
                Ok(answer) if answer.status().is_success() => None,
                Ok(answer) => Some(format!("it answers {}", answer.status())),
                Err(error) => Some(innermost(&**error)),
            };
            answer
        })
    }
}

impl Client {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut received = self.http.execute(request.try_into()?).await?;
        let mut body = Vec::new();
        while let Some(chunk) = received.chunk().await? {
            if body.len() + chunk.len() > COLLECTOR_ANSWER_MAX_BYTES {
                let message =
                    format!("its answer is longer than {COLLECTOR_ANSWER_MAX_BYTES} bytes");
                return Err(io::Error::other(message).into());
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = Response::new(Bytes::from(body));
        *answer.status_mut() = received.status();
        *answer.headers_mut() = std::mem::take(received.headers_mut());
        Ok(answer)
    }
}

/// The reason that people can act on.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
