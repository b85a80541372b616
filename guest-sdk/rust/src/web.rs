//! Web pages: requests, responses, and how to ask for them. Knows nothing of how pages are fetched.

use crate::deferred::{Deferred, Source};
use crate::host;
use crate::pending::{Outcome, PendingId};
use crate::time::milliseconds;
use crate::{Error, WaitError};
use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// Fetches `url` with GET and returns at once: Twisted's `getPage`. The operator must have granted the host.
///
/// ```
/// # wisted_guest::testing::Clock::new();
/// use wisted_guest::{get_page, info};
///
/// get_page("https://example.org/").and_then(|page| {
///     info!("{} bytes", page.body.len());
///     Ok(())
/// });
/// ```
pub fn get_page(url: &str) -> Deferred<Response> {
    page(host::get_page(url))
}

/// Sends any request and returns at once; like [`get_page`] in everything else.
pub fn request(request: Request) -> Deferred<Response> {
    page(host::send_request(&request))
}

fn page(id: PendingId) -> Deferred<Response> {
    let source = Source {
        id,
        take: |id| Outcome::Page(host::take_page(id)),
    };
    Deferred::pending(source, |outcome| match outcome {
        Outcome::Page(page) => page.map_err(Error::Fetch),
        // The host gives pages only to page ids.
        Outcome::Fired | Outcome::Cancelled => Err(Error::Wait(WaitError::UnknownId)),
    })
}

// The bindings read the fields, so they are those of the contract's `request`.
/// A request to be sent with [`request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: u32,
}

impl Request {
    /// A request of any method, such as `GET`, for an absolute URL.
    pub fn new(method: &str, url: &str) -> Request {
        Request {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: 0,
        }
    }

    /// A GET request.
    pub fn get(url: &str) -> Request {
        Request::new("GET", url)
    }

    /// A POST request with a body.
    pub fn post(url: &str, body: impl Into<Vec<u8>>) -> Request {
        Request::new("POST", url).body(body)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push(Header {
            name: name.to_owned(),
            value: value.to_owned(),
        });
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self
    }

    /// How long the whole request may take, redirects included. Without it, and at most, the service's limit.
    pub fn timeout(mut self, timeout: Duration) -> Request {
        // 0 means the service's limit in the contract, and that is not what a tiny timeout means.
        self.timeout = milliseconds(timeout).max(1);
        self
    }

    /// The URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }
}

/// An HTTP header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name; case doesn't matter.
    pub name: String,
    /// The value.
    pub value: String,
}

// The bindings build this type themselves, so its fields are those of the contract's `response`.
/// A response of any status: a 404 is a page, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status, such as 200.
    pub status: u16,
    /// The headers as they came.
    pub headers: Vec<Header>,
    /// The body, at most the service's `page-max-bytes`.
    pub body: Vec<u8>,
    /// Where the page came from, after redirects.
    pub url: String,
}

impl Response {
    /// Whether the status is in the 200s.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.as_str())
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}
