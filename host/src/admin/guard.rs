//! Which requests are let in, and what every answer says to browsers: no web page may use an operator's browser to reach a host.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::model::Problem;
use super::server::Settings;
use crate::endpoint::AdminEndpoint;

/// A page of another site cannot send it without asking first, and is never answered that it may.
pub(super) const ADMIN_HEADER: HeaderName = HeaderName::from_static("wisted-admin");

/// No request needs a body.
const BODY_MAX_BYTES: usize = 4 << 10;

/// How long a client may take for one.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Whom the endpoint lets in.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    /// The names in requests that are ours; nothing where no browser gets to.
    names: Option<Arc<[String]>>,
}

impl Guard {
    pub fn new(settings: &Settings) -> Self {
        let names = settings.host_names.iter();
        let names = || names.map(|name| name.to_ascii_lowercase()).collect();
        Self {
            names: match settings.endpoint {
                AdminEndpoint::Unix(_) => None,
                AdminEndpoint::Tcp(_) => Some(names()),
            },
        }
    }

    fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(names) = &self.names else {
            return Ok(());
        };
        if !is_ours(headers.get(header::HOST), names) {
            return Err(Refusal(
                StatusCode::MISDIRECTED_REQUEST,
                "the request names another host: call this one by its address, or let it know the name with --admin-name",
            ));
        }
        if *method == Method::POST && !headers.contains_key(ADMIN_HEADER) {
            return Err(Refusal(
                StatusCode::FORBIDDEN,
                "over TCP a POST needs the header `Wisted-Admin: 1`",
            ));
        }
        Ok(())
    }
}

/// A name that an attacker controls may be made to lead here; an address cannot.
fn is_ours(host: Option<&HeaderValue>, names: &[String]) -> bool {
    let host = host.and_then(|host| host.to_str().ok());
    // No user's name belongs there, and what is one must not be taken for the host's.
    let host = host.filter(|host| !host.contains('@'));
    let Some(authority) = host.and_then(|host| host.parse::<Authority>().ok()) else {
        return false;
    };
    let name = authority.host().to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok() || name == "localhost" || names.contains(&name)
}

struct Refusal(StatusCode, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        problem(self.0, self.1)
    }
}

/// An answer that says what was wrong.
pub(super) fn problem(status: StatusCode, error: impl Into<String>) -> Response {
    let error = error.into();
    (status, Json(Problem { error })).into_response()
}

/// Stands before all routes.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let answer = async {
        guard.check(request.method(), request.headers())?;
        let request = without_body(request).await?;
        Ok::<_, Refusal>(next.run(request).await)
    };
    let mut answer = answer.await.into_response();
    let headers = answer.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    answer
}

/// A body is read, so that the connection can go on, and thrown away.
async fn without_body(request: Request) -> Result<Request, Refusal> {
    let (head, body) = request.into_parts();
    match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, BODY_MAX_BYTES)).await {
        Ok(Ok(_)) => Ok(Request::from_parts(head, Body::empty())),
        Ok(Err(_)) => Err(Refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is too long, or broken; none is needed",
        )),
        Err(_) => Err(Refusal(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not come in time",
        )),
    }
}

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_others_control_are_not_ours() {
        let names = ["wisted.example".to_owned()];
        let is_ours = |host: &str| is_ours(HeaderValue::from_str(host).ok().as_ref(), &names);
        for host in [
            "127.0.0.1:9000",
            "[::1]:9000",
            "10.1.2.3",
            "localhost:1",
            "LOCALHOST",
            "wisted.example:9000",
        ] {
            assert!(is_ours(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:9000",
            "wisted.example.evil.example",
            "evil.example@127.0.0.1:x",
        ] {
            assert!(!is_ours(host), "{host}");
        }
        assert!(!super::is_ours(None, &names));
    }
}
