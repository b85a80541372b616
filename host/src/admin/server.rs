//! The server: connections, how many there are, and how long a slow client may take. It must not know what is asked.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
use tokio_io_timeout::TimeoutWriter;

use super::Operations;
use super::endpoint::AdminEndpoint;
use super::listener::{Listener, SocketFile, listen};
use super::routes;

/// Connections at once. Others wait to be accepted; the limits below say for how long at most.
const CONNECTIONS_MAX: usize = 64;

/// With more connections than this, each ends after its answer, so that those who wait get their turn.
const CONNECTIONS_KEPT_MAX: usize = CONNECTIONS_MAX / 2;

/// How long a client may take for a request's head, the time before it included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may read nothing of its answer.
const WRITE_STALL_MAX: Duration = Duration::from_secs(10);

/// The head of a request.
const HEAD_MAX_BYTES: usize = 16 << 10;

/// The fields of a request's head.
const HEADERS_MAX: usize = 64;

/// How long accepting pauses when descriptors are used up.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where and for whom a host is administered.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where.
    pub endpoint: AdminEndpoint,
    /// Over TCP: the names by which clients may call this host, besides addresses and `localhost`. Any other name in a request
    /// could be one by which a web page makes a browser come here.
    pub host_names: Vec<String>,
}

impl From<AdminEndpoint> for Settings {
    fn from(endpoint: AdminEndpoint) -> Self {
        Self {
            endpoint,
            host_names: Vec::new(),
        }
    }
}

/// The endpoint cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot administer on {endpoint}: {source}")]
pub struct StartError {
    /// The endpoint.
    pub endpoint: AdminEndpoint,
    /// Why.
    pub source: io::Error,
}

/// A running admin endpoint. It ends, and removes its socket's file, when it is dropped.
#[derive(Debug)]
pub struct Server {
    endpoint: AdminEndpoint,
    accepting: AbortHandle,
    _file: Option<SocketFile>,
}

impl Server {
    /// Listens, and serves on the side thread, whose handle is given. To be called once everything that `operations` answers for
    /// is there.
    ///
    /// # Errors
    /// When the endpoint cannot be listened on: another process does, or the system says no.
    pub fn start(
        side: &Handle,
        settings: Settings,
        operations: Arc<dyn Operations>,
    ) -> Result<Self, StartError> {
        let wanted = settings.endpoint.clone();
        let failed = |source| StartError {
            endpoint: wanted.clone(),
            source,
        };
        let (listener, endpoint, file) = listen(&settings.endpoint).map_err(failed)?;
        let router = routes::router(operations, &settings);
        // Listeners register with the runtime that they are made in.
        let _context = side.enter();
        let task = match listener {
            Listener::Unix(listener) => {
                let listener = UnixListener::from_std(listener).map_err(failed)?;
                side.spawn(accept_all(router, async move || {
                    listener.accept().await.map(|(stream, _)| stream)
                }))
            }
            Listener::Tcp(listener) => {
                let listener = TcpListener::from_std(listener).map_err(failed)?;
                side.spawn(accept_all(router, async move || {
                    listener.accept().await.map(|(stream, _)| stream)
                }))
            }
        };
        Ok(Self {
            endpoint,
            accepting: task.abort_handle(),
            _file: file,
        })
    }

    /// Where it listens: with the port that it got if it asked for port 0.
    #[must_use]
    pub fn endpoint(&self) -> &AdminEndpoint {
        &self.endpoint
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its connections are the task's, and end with it.
        self.accepting.abort();
    }
}

async fn accept_all<S>(router: axum::Router, accept: impl AsyncFn() -> io::Result<S>)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        while connections.try_join_next().is_some() {}
        match accept().await {
            Ok(stream) => {
                let is_kept = CONNECTIONS_MAX - places.available_permits() <= CONNECTIONS_KEPT_MAX;
                connections.spawn(serve(stream, router.clone(), is_kept, place));
            }
            Err(error) => {
                tracing::warn!(%error, "a client of the admin endpoint could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve<S>(stream: S, router: axum::Router, is_kept: bool, _place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(WRITE_STALL_MAX));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_MAX_BYTES)
        .max_headers(HEADERS_MAX)
        .keep_alive(is_kept)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            TowerToHyperService::new(router),
        );
    // What a client does wrong is the client's affair.
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection of the admin endpoint has failed");
    }
}
