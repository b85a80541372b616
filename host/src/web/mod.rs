//! The web client that guests may use: requests and outcomes as plain values; knows neither guests nor the reactor.
//!
//! ```text
//! Request → WebClient::fetch ──(side thread)── grants → connection → redirects → body → deliver(Page)
//! ```
//!
//! - [`grants`]: which hosts the operator has granted;
//! - `addresses`: which addresses a name may not lead to unasked;
//! - [`client`]: the life of a fetch: admission, deadline, redirects, body, cancellation;
//! - `request`: a guest's request is checked and made ready;
//! - `resolver`: names become addresses, and the addresses are checked where the connection is made;
//! - `tls`: whom we trust;
//! - `failure`: the libraries' errors become a [`FetchError`].
//!
//! Nothing is granted by default. What is granted holds for the request's URL, for every redirect, and for every address
//! that a name resolves to. Environment variables such as `HTTP_PROXY` are ignored, because a proxy would go around it.

use std::path::PathBuf;

mod addresses;
pub mod client;
mod failure;
pub mod grants;
mod request;
mod resolver;
#[cfg(test)]
mod tests;
pub(crate) mod tls;

pub use client::{Fetch, WebClient};
pub use grants::{GrantError, Grants};

/// What to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Such as `GET`; a method unknown to HTTP is sent as it is, `CONNECT` is refused.
    pub method: String,
    /// Absolute, `http` or `https`, without user name and password, at most 8 KiB.
    pub url: String,
    /// In the order given; at most 100 and 64 KiB. Those that frame the message (`Host`, `Content-Length` and their like)
    /// are the client's own and refused.
    pub headers: Vec<(String, String)>,
    /// Empty for none.
    pub body: Vec<u8>,
    /// How long it all may take, in milliseconds; 0, and anything above it: the service's limit.
    pub timeout_ms: u32,
    /// The header `traceparent`, unless the guest has set one itself.
    pub traceparent: Option<String>,
}

impl Request {
    /// A GET of `url`, with nothing else said.
    pub fn get(url: String) -> Request {
        Request {
            method: "GET".to_owned(),
            url,
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: 0,
            traceparent: None,
        }
    }
}

/// A response of any status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 100 to 999; redirects that were followed do not show.
    pub status: u16,
    /// Names in lower case. Values that are not UTF-8 are read as Latin-1.
    pub headers: Vec<(String, String)>,
    /// As it was sent: nothing is decompressed. At most [`WebLimits::page_max_bytes`].
    pub body: Vec<u8>,
    /// Where it came from, after redirects.
    pub url: String,
}

/// Why there is no response. Texts are for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The operator has not granted this; the text says what to grant.
    #[error("{0}")]
    Denied(String),
    /// The URL, the method, a header or the body cannot be sent.
    #[error("invalid request: {0}")]
    InvalidRequest(String),
    /// The name could not be resolved.
    #[error("name resolution failed: {0}")]
    Dns(String),
    /// No connection could be made, or it broke.
    #[error("connection failed: {0}")]
    Connect(String),
    /// The certificate could not be verified, or the handshake failed.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The peer does not speak HTTP properly.
    #[error("not proper HTTP: {0}")]
    Protocol(String),
    /// It took longer than it may.
    #[error("it took longer than it may")]
    Timeout,
    /// The body is longer than this many bytes, [`WebLimits::page_max_bytes`].
    #[error("the page is longer than {0} bytes")]
    TooLarge(u64),
    /// More redirects than this, [`WebLimits::redirects_max`].
    #[error("more than {0} redirects")]
    TooManyRedirects(u32),
    /// As many requests wait as may ([`WebLimits::fetches_queued_max`], the number here), or their bodies are as long as
    /// they may be together ([`WebLimits::bodies_max_bytes`]); try later.
    #[error("too many requests wait (at most {0} may); try later")]
    TooManyRequests(u32),
}

impl FetchError {
    /// For a trace's `error.type`: the same for all errors of a kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::InvalidRequest(_) => "invalid_request",
            Self::Dns(_) => "dns",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Protocol(_) => "protocol",
            Self::Timeout => "timeout",
            Self::TooLarge(_) => "too_large",
            Self::TooManyRedirects(_) => "too_many_redirects",
            Self::TooManyRequests(_) => "too_many_requests",
        }
    }
}

/// The outcome of a fetch.
pub type Page = Result<Response, FetchError>;

/// The limits of one service's web client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebLimits {
    /// The longest body of a response, in bytes.
    pub page_max_bytes: u64,
    /// How long a fetch may take, in milliseconds: waiting for its turn, redirects and the body included.
    pub fetch_timeout_max_ms: u32,
    /// How long making one connection may take, in milliseconds: names, TCP and TLS.
    pub connect_timeout_ms: u32,
    /// How many fetches may be under way at once. At least 1.
    pub fetches_max: u32,
    /// How many more may wait for their turn.
    pub fetches_queued_max: u32,
    /// How long the bodies of all requests, under way and waiting, may be together, in bytes.
    pub bodies_max_bytes: u32,
    /// How many redirects a fetch follows; one more is an error.
    pub redirects_max: u32,
    /// The longest headers of a response, all names and values together, in bytes.
    pub headers_max_bytes: u32,
    /// How many names may be resolved at once. Each takes a thread while it lasts, and goes on even when its fetch is
    /// cancelled. At least 1.
    pub lookups_max: u32,
}

impl Default for WebLimits {
    fn default() -> WebLimits {
        WebLimits {
            page_max_bytes: 4 << 20,
            fetch_timeout_max_ms: 30_000,
            connect_timeout_ms: 10_000,
            fetches_max: 16,
            fetches_queued_max: 1_000,
            bodies_max_bytes: 16 << 20,
            redirects_max: 10,
            headers_max_bytes: 64 << 10,
            lookups_max: 8,
        }
    }
}

/// Why a web client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum WebSetupError {
    /// A file given with `--ca` cannot be read.
    #[error("cannot read the CA file {}: {reason}", file.display())]
    CaUnreadable {
        /// As it was given.
        file: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// A file given with `--ca` has no certificate in PEM format, or one that is none.
    #[error("the CA file {} is not usable: {reason}", file.display())]
    CaInvalid {
        /// As it was given.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
