//! The other side of the admin endpoint, for commands: one request, one answer. It must not know what they are for.

use std::io::{self, ErrorKind};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::guard::ADMIN_HEADER;
use super::model::Problem;
use crate::endpoint::AdminEndpoint;

/// How long a host may take to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it may take to answer; it waits for busy reactors itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a reload may take: large components are compiled.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(600);

/// An answer, in bytes. A thousand services fit.
const ANSWER_MAX_BYTES: usize = 64 << 20;

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody is there.
    #[error("nobody listens on {0}: is `wisted serve` running?")]
    Nobody(AdminEndpoint),
    /// Somebody is there, but not for this user.
    #[error("{0} is not for this user: {1}")]
    Forbidden(AdminEndpoint, io::Error),
    /// It cannot be reached.
    #[error("{0} cannot be reached: {1}")]
    Unreachable(AdminEndpoint, io::Error),
    /// It does not answer.
    #[error("{0} does not answer within {1:?}")]
    Silent(AdminEndpoint, Duration),
    /// It answers with something else than Wisted does.
    #[error("{0} answers with what is no answer of Wisted's: {1}")]
    Strange(AdminEndpoint, String),
    /// It says no, and why.
    #[error("{0}")]
    Refused(String),
    /// There is no thread or descriptor for asking.
    #[error("cannot ask: {0}")]
    Here(io::Error),
}

/// Asks one host.
#[derive(Debug)]
pub struct Client {
    endpoint: AdminEndpoint,
    runtime: Runtime,
}

impl Client {
    /// For a host's endpoint. Connects to nobody yet.
    ///
    /// # Errors
    /// When the system has no descriptors.
    pub fn new(endpoint: AdminEndpoint) -> Result<Self, ClientError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Self {
            endpoint,
            runtime: runtime.map_err(ClientError::Here)?,
        })
    }

    /// Whom it asks.
    #[must_use]
    pub fn endpoint(&self) -> &AdminEndpoint {
        &self.endpoint
    }

    /// `GET`s a path and reads the answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.ask(Method::GET, path, ANSWER_TIMEOUT)
    }

    /// `POST`s to a path and reads the answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.ask(Method::POST, path, ANSWER_TIMEOUT)
    }

    /// As [`post`](Self::post), for what takes long.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn post_patiently<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.ask(Method::POST, path, RELOAD_TIMEOUT)
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        patience: Duration,
    ) -> Result<T, ClientError> {
        let (status, body) = self.runtime.block_on(async {
            let answer = timeout(patience, self.exchange(method, path));
            let silent = |_| ClientError::Silent(self.endpoint.clone(), patience);
            answer.await.map_err(silent)?
        })?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| self.strange(error));
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(ClientError::Refused(problem.error)),
            Err(_) => Err(self.strange(status)),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let host = match &self.endpoint {
            AdminEndpoint::Unix(_) => "localhost".to_owned(),
            AdminEndpoint::Tcp(address) => address.to_string(),
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(hyper::header::HOST, host)
            .header(ADMIN_HEADER, "1")
            .body(Empty::<Bytes>::new());
        let request = request.map_err(|error| self.strange(error))?;
        match &self.endpoint {
            AdminEndpoint::Unix(path) => {
                let stream = self.connected(UnixStream::connect(path)).await?;
                self.send(stream, request).await
            }
            AdminEndpoint::Tcp(address) => {
                let stream = self.connected(TcpStream::connect(address)).await?;
                self.send(stream, request).await
            }
        }
    }

    async fn connected<S>(
        &self,
        connect: impl Future<Output = io::Result<S>>,
    ) -> Result<S, ClientError> {
        let endpoint = || self.endpoint.clone();
        match timeout(CONNECT_TIMEOUT, connect).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                    ClientError::Nobody(endpoint())
                }
                ErrorKind::PermissionDenied => ClientError::Forbidden(endpoint(), error),
                _ => ClientError::Unreachable(endpoint(), error),
            }),
            Err(_) => Err(ClientError::Silent(endpoint(), CONNECT_TIMEOUT)),
        }
    }

    async fn send<S>(
        &self,
        stream: S,
        request: Request<Empty<Bytes>>,
    ) -> Result<(StatusCode, Bytes), ClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|error| self.strange(error))?;
        tokio::spawn(connection);
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| self.strange(error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES);
        let body = body.collect().await.map_err(|error| self.strange(error))?;
        Ok((status, body.to_bytes()))
    }

    fn strange(&self, what: impl ToString) -> ClientError {
        ClientError::Strange(self.endpoint.clone(), what.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nobody_listens_the_error_says_so() {
        let client = Client::new("unix:/no/such/wisted.sock".parse().unwrap()).unwrap();
        let error = client.get::<Problem>("/").unwrap_err().to_string();
        assert_eq!(
            error,
            "nobody listens on unix:/no/such/wisted.sock: is `wisted serve` running?"
        );
    }
}
