//! The server: connections, how many there are, and how long a slow client may take. It must not know what is asked.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_io_timeout::TimeoutWriter;

use super::Operations;
use super::listener::{Listener, SocketFile, listen};
use super::routes;
use crate::endpoint::AdminEndpoint;

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

/// How long answers under way may take when the host ends.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

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

/// A running admin endpoint. When it is dropped it accepts nobody any more, ends when what was asked is answered, and removes its
/// socket's file. That takes a second at most, and must not be done on the side thread.
#[derive(Debug)]
pub struct Server {
    endpoint: AdminEndpoint,
    stop: watch::Sender<bool>,
    /// Its other end is dropped when all answers are given.
    stopped: mpsc::Receiver<Infallible>,
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
        let (stop, stopping) = watch::channel(false);
        let (running, stopped) = mpsc::channel();
        let clients = Clients {
            router,
            stopping,
            _running: running,
        };
        let task =
            match listener {
                Listener::Unix(listener) => {
                    let listener = UnixListener::from_std(listener).map_err(failed)?;
                    side.spawn(clients.accept_all(async move || {
                        listener.accept().await.map(|(stream, _)| stream)
                    }))
                }
                Listener::Tcp(listener) => {
                    let listener = TcpListener::from_std(listener).map_err(failed)?;
                    side.spawn(clients.accept_all(async move || {
                        listener.accept().await.map(|(stream, _)| stream)
                    }))
                }
            };
        Ok(Self {
            endpoint,
            stop,
            stopped,
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
        // Who has asked for the host's end is told that it was done.
        self.stop.send_replace(true);
        let _ = self.stopped.recv_timeout(STOP_TIMEOUT);
        // Its connections are the task's, and end with it.
        self.accepting.abort();
    }
}

/// What the clients' task has.
struct Clients {
    router: axum::Router,
    stopping: watch::Receiver<bool>,
    _running: mpsc::Sender<Infallible>,
}

impl Clients {
    async fn accept_all<S>(mut self, accept: impl AsyncFn() -> io::Result<S>)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        let next = async || {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, accept().await)
        };
        loop {
            let (place, accepted) = tokio::select! {
                next = next() => next,
                _ = self.stopping.changed() => break,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok(stream) => {
                    let taken = CONNECTIONS_MAX - places.available_permits();
                    let client = Client {
                        stopping: self.stopping.clone(),
                        is_kept: taken <= CONNECTIONS_KEPT_MAX,
                        _place: place.ok(),
                    };
                    connections.spawn(client.serve(stream, self.router.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a client of the admin endpoint could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Nobody is to be accepted any more, and then to be let down.
        drop(accept);
        while connections.join_next().await.is_some() {}
    }
}

/// One connection.
struct Client {
    stopping: watch::Receiver<bool>,
    /// Whether it may ask for more than one thing.
    is_kept: bool,
    _place: Option<OwnedSemaphorePermit>,
}

impl Client {
    async fn serve<S>(mut self, stream: S, router: axum::Router)
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
            .keep_alive(self.is_kept)
            .serve_connection(
                TokioIo::new(Box::pin(stream)),
                TowerToHyperService::new(router),
            );
        let mut connection = pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            _ = self.stopping.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        // What a client does wrong is the client's affair.
        if let Err(error) = served {
            tracing::debug!(%error, "a connection of the admin endpoint has failed");
        }
    }
}
