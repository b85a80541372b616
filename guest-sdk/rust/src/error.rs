//! What can go wrong with something pending: one error type for all of it, and its two causes that come from the
//! host.

use crate::CloseReason;
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use core::fmt;

/// Why a [`Deferred`](crate::Deferred) has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There is no page.
    Fetch(FetchError),
    /// The wait ended before the outcome was there.
    Wait(WaitError),
    /// [`Deferred::cancel`](crate::Deferred::cancel) was called. Not logged when nobody handles it.
    Cancelled,
    /// A callback's own error, made of any text with `into()`.
    Message(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Fetch(error) => error.fmt(f),
            Error::Wait(error) => error.fmt(f),
            Error::Cancelled => f.write_str("cancelled"),
            Error::Message(text) => f.write_str(text),
        }
    }
}

impl core::error::Error for Error {}

impl From<FetchError> for Error {
    fn from(error: FetchError) -> Error {
        Error::Fetch(error)
    }
}

impl From<WaitError> for Error {
    fn from(error: WaitError) -> Error {
        Error::Wait(error)
    }
}

impl From<String> for Error {
    fn from(text: String) -> Error {
        Error::Message(text)
    }
}

impl From<&str> for Error {
    fn from(text: &str) -> Error {
        Error::Message(text.to_owned())
    }
}

/// So that `?` works in `execute` and `start`, whose errors are texts.
impl From<Error> for String {
    fn from(error: Error) -> String {
        error.to_string()
    }
}

// The bindings build this type themselves, so its variants are those of the contract's `fetch-error`.
/// Why there is no response. A response of any status is a page and no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchError {
    /// The operator has not granted this host; the text says what to grant.
    Denied(String),
    /// The URL, the method or a header is malformed, or the scheme is not `http` or `https`.
    InvalidRequest(String),
    /// The name could not be resolved.
    Dns(String),
    /// No connection could be made, or it broke.
    Connect(String),
    /// The certificate could not be verified, or the TLS handshake failed.
    Tls(String),
    /// The peer does not speak HTTP properly.
    Protocol(String),
    /// It took longer than it may.
    Timeout,
    /// The body is longer than this many bytes, the service's `page-max-bytes`.
    TooLarge(u64),
    /// More redirects than this.
    TooManyRedirects(u32),
    /// More requests wait than this service may have; try later.
    TooManyRequests(u32),
}

impl FetchError {
    /// Its name in the contract, such as `too-large`: for logs and metrics that programs read.
    pub fn kind(&self) -> &'static str {
        match self {
            FetchError::Denied(_) => "denied",
            FetchError::InvalidRequest(_) => "invalid-request",
            FetchError::Dns(_) => "dns",
            FetchError::Connect(_) => "connect",
            FetchError::Tls(_) => "tls",
            FetchError::Protocol(_) => "protocol",
            FetchError::Timeout => "timeout",
            FetchError::TooLarge(_) => "too-large",
            FetchError::TooManyRedirects(_) => "too-many-redirects",
            FetchError::TooManyRequests(_) => "too-many-requests",
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Denied(text) => write!(f, "denied: {text}"),
            FetchError::InvalidRequest(text) => write!(f, "invalid request: {text}"),
            FetchError::Dns(text) => write!(f, "the name could not be resolved: {text}"),
            FetchError::Connect(text) => write!(f, "no connection: {text}"),
            FetchError::Tls(text) => write!(f, "TLS: {text}"),
            FetchError::Protocol(text) => write!(f, "not proper HTTP: {text}"),
            FetchError::Timeout => f.write_str("the request timed out"),
            FetchError::TooLarge(bytes) => write!(f, "the page is longer than {bytes} bytes"),
            FetchError::TooManyRedirects(count) => write!(f, "more than {count} redirects"),
            FetchError::TooManyRequests(count) => {
                write!(f, "more than {count} requests are waiting")
            }
        }
    }
}

impl core::error::Error for FetchError {}

// The bindings build this type themselves, so its variants are those of the contract's `wait-error`.
/// Why a wait or a sleep ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitError {
    /// The connection whose handler is running was lost. Return soon: `connection_lost` comes next, and every further
    /// wait in this handler ends at once with this error.
    ConnectionLost(CloseReason),
    /// There is nothing to wait for: it was cancelled or has been delivered.
    UnknownId,
    /// The host is stopping.
    Stopping,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitError::ConnectionLost(reason) => write!(f, "gave up waiting: {reason}"),
            WaitError::UnknownId => f.write_str("there is nothing to wait for"),
            WaitError::Stopping => f.write_str("gave up waiting: the host is stopping"),
        }
    }
}

impl core::error::Error for WaitError {}

impl From<WaitError> for String {
    fn from(error: WaitError) -> String {
        error.to_string()
    }
}
