//! What the admin endpoint answers. It must not know sockets or browsers.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde::Deserialize;

use super::Operations;
use super::gather::{Gathered, Gatherer};
use super::guard::{self, Guard, problem};
use super::metrics;
use super::model::{self, Connection, Connections, Reactor, Status};
use super::server::Settings;
use crate::clock;
use crate::driver::ConnectionQuery;

/// How long a healthy reactor takes to answer, at most.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the reactors are waited for: a guest may keep one busy that long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Connections on one page.
const PAGE_MAX: usize = 1_000;

/// Connections on a page that does not say how many.
const PAGE_DEFAULT: usize = 100;

/// What all requests share.
#[derive(Clone)]
struct Shared {
    operations: Arc<dyn Operations>,
    gatherer: Arc<Gatherer>,
    started_at: Instant,
    reloading: Arc<tokio::sync::Mutex<()>>,
}

pub(super) fn router(operations: Arc<dyn Operations>, settings: &Settings) -> Router {
    let shared = Shared {
        operations,
        gatherer: Arc::new(Gatherer::new()),
        started_at: clock::now(),
        reloading: Arc::default(),
    };
    let guard = Guard::new(settings);
    Router::new()
        .route("/", get(dashboard))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/connections", get(connections))
        .route("/api/v1/connections/{id}/kill", post(kill))
        .route("/api/v1/services/{name}/drain", post(drain))
        .route("/api/v1/reload", post(reload))
        .fallback(async || problem(StatusCode::NOT_FOUND, "there is nothing of this name"))
        .method_not_allowed_fallback(async || {
            problem(
                StatusCode::METHOD_NOT_ALLOWED,
                "that is not how to ask for this",
            )
        })
        .layer(middleware::from_fn_with_state(guard, guard::guard))
        .with_state(shared)
}

impl Shared {
    async fn gather(&self, timeout: Duration) -> Gathered {
        let control = self.operations.control();
        self.gatherer.reports(control, timeout).await
    }

    async fn status(&self, with_buckets: bool) -> Status {
        let gathered = self.gather(ANSWER_TIMEOUT).await;
        let facts = self.operations.services();
        let services = model::services(facts, &gathered.reports, with_buckets);
        let uptime = clock::now().saturating_duration_since(self.started_at);
        let reactor = |index: usize| {
            let state = if gathered.ended.contains(&index) {
                "ended"
            } else if gathered.silent.contains(&index) {
                "silent"
            } else {
                "answers"
            };
            Reactor {
                index,
                state: state.to_owned(),
            }
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: uptime.as_secs_f64(),
            ready: self.operations.is_ready() && services.iter().all(model::Service::is_ready),
            reactors: (0..self.operations.control().reactors())
                .map(reactor)
                .collect(),
            services,
        }
    }
}

async fn healthz(State(shared): State<Shared>) -> Response {
    let gathered = shared.gather(HEALTH_TIMEOUT).await;
    if gathered.silent.is_empty() {
        return "ok\n".into_response();
    }
    let mut text = String::new();
    for reactor in &gathered.silent {
        let _ = writeln!(
            text,
            "reactor {reactor} does not answer within {HEALTH_TIMEOUT:?}"
        );
    }
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn readyz(State(shared): State<Shared>) -> Response {
    let status = shared.status(false).await;
    if status.ready {
        return "ok\n".into_response();
    }
    let mut text = String::new();
    if !shared.operations.is_ready() {
        text += "the host is starting or stopping\n";
    }
    for service in status.services.iter().filter(|service| !service.is_ready()) {
        let _ = writeln!(text, "service {} is {}", service.name, service.condition);
    }
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let gathered = shared.gather(ANSWER_TIMEOUT).await;
    match metrics::text(&gathered, shared.operations.spans()) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        }
    }
}

#[derive(Deserialize)]
struct StatusQuery {
    #[serde(default)]
    buckets: bool,
}

async fn status(
    State(shared): State<Shared>,
    query: Result<Query<StatusQuery>, QueryRejection>,
) -> Response {
    match query {
        Ok(Query(query)) => Json(shared.status(query.buckets).await).into_response(),
        Err(error) => problem(StatusCode::BAD_REQUEST, error.body_text()),
    }
}

#[derive(Deserialize)]
struct Page {
    service: Option<String>,
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

async fn connections(
    State(shared): State<Shared>,
    query: Result<Query<Page>, QueryRejection>,
) -> Response {
    let page = match query {
        Ok(Query(page)) => page,
        Err(error) => return problem(StatusCode::BAD_REQUEST, error.body_text()),
    };
    let limit = page.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        let error = format!("`limit` is a number from 1 to {PAGE_MAX}");
        return problem(StatusCode::BAD_REQUEST, error);
    }
    let query = ConnectionQuery {
        service: page.service,
        after: page.after,
        count_max: limit,
    };
    let control = shared.operations.control();
    let asked = shared.gatherer.connections(control, &query, ANSWER_TIMEOUT);
    let (found, is_more, silent_reactors) = asked.await;
    let last = found.last().map(|connection| connection.id);
    Json(Connections {
        connections: found.iter().map(Connection::from).collect(),
        next: last.filter(|_| is_more),
        silent_reactors,
    })
    .into_response()
}

async fn kill(State(shared): State<Shared>, id: Result<Path<u64>, PathRejection>) -> Response {
    let Ok(Path(id)) = id else {
        return problem(StatusCode::BAD_REQUEST, "a connection's id is a number");
    };
    let control = shared.operations.control();
    match shared.gatherer.kill(control, id, ANSWER_TIMEOUT).await {
        Some(true) => Json(serde_json::json!({ "killed": id })).into_response(),
        Some(false) => problem(
            StatusCode::NOT_FOUND,
            format!("there is no connection {id}; it may have ended"),
        ),
        None => problem(
            StatusCode::GATEWAY_TIMEOUT,
            format!("connection {id}'s reactor is busy; it will be killed when the reactor can"),
        ),
    }
}

async fn drain(
    State(shared): State<Shared>,
    name: Result<Path<String>, PathRejection>,
) -> Response {
    let Ok(Path(name)) = name else {
        return problem(StatusCode::BAD_REQUEST, "a service's name is UTF-8");
    };
    let operations = Arc::clone(&shared.operations);
    let is_known = |name: &str| operations.services().iter().any(|facts| facts.name == name);
    if !is_known(&name) {
        let error = format!("there is no service {name:?}");
        return problem(StatusCode::NOT_FOUND, error);
    }
    let of = name.clone();
    let drained = tokio::task::spawn_blocking(move || operations.drain_service(&of));
    match drained.await {
        Ok(Ok(())) => Json(serde_json::json!({ "draining": name })).into_response(),
        Ok(Err(error)) => problem(StatusCode::CONFLICT, error),
        Err(error) => ended_badly(&error),
    }
}

async fn reload(State(shared): State<Shared>) -> Response {
    let Ok(turn) = Arc::clone(&shared.reloading).try_lock_owned() else {
        return problem(StatusCode::CONFLICT, "a reload is under way");
    };
    let operations = Arc::clone(&shared.operations);
    // It goes on to its end when the client goes away, and only then may the next one begin.
    let reloaded = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        operations.reload()
    });
    match reloaded.await {
        Ok(Ok(outcome)) => Json(outcome).into_response(),
        Ok(Err(error)) => problem(StatusCode::UNPROCESSABLE_ENTITY, error),
        Err(error) => ended_badly(&error),
    }
}

fn ended_badly(error: &tokio::task::JoinError) -> Response {
    tracing::error!(%error, "an order of the admin endpoint has failed");
    problem(
        StatusCode::INTERNAL_SERVER_ERROR,
        "this has failed; the log says more",
    )
}

/// With a number that is used once: the page's own script and style are the only ones that the browser runs.
async fn dashboard() -> Response {
    let mut random = [0; 16];
    if let Err(error) = getrandom::fill(&mut random) {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    }
    let nonce = format!("{:032x}", u128::from_ne_bytes(random));
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let Ok(policy) = HeaderValue::try_from(policy) else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be made");
    };
    let page = DASHBOARD.replace("{{nonce}}", &nonce);
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
}

const DASHBOARD: &str = include_str!("dashboard.html");
