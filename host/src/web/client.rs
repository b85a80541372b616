//! The life of a fetch, from admission to its page; knows neither guests nor the reactor.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::{Action, Attempt, Policy};
use rustls::pki_types::CertificateDer;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use crate::side::Side;
use crate::web::resolver::{GrantedResolver, Lookup, system_lookup};
use crate::web::{FetchError, Grants, Page, Request, Response, WebLimits, WebSetupError};
use crate::web::{failure, request, tls};

/// What each request says it was sent by, unless the guest says otherwise.
const USER_AGENT: &str = concat!("wisted/", env!("CARGO_PKG_VERSION"));
/// How many idle connections to one host are kept for the next fetch.
const IDLE_CONNECTIONS_MAX: usize = 4;
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How much room is made for a body before any of it has arrived, in bytes: its length is only a claim.
const BODY_ROOM_MAX_BYTES: u64 = 64 << 10;

/// The web client of one service: its grants, its limits, its connections. Cheap to clone: a clone shares them.
#[derive(Clone, Debug)]
pub struct WebClient {
    side: Handle,
    shared: Arc<Shared>,
}

impl WebClient {
    /// Sets up the client. Call it once for each service, at start-up. It reads the CA files and nothing else; the
    /// system's root certificates are loaded on the side thread by the first fetch.
    ///
    /// # Errors
    ///
    /// When a CA file cannot be read or holds no certificate.
    pub fn new(
        side: &Side,
        grants: Grants,
        limits: WebLimits,
        ca_files: &[PathBuf],
    ) -> Result<WebClient, WebSetupError> {
        let outside = Outside {
            system_roots: tls::system_roots,
            lookup: system_lookup,
        };
        let operator_roots = tls::read_ca_files(ca_files)?;
        Ok(WebClient::with_outside(
            side,
            grants,
            limits,
            operator_roots,
            outside,
        ))
    }

    /// The same with another idea of what the operating system knows: for tests.
    pub(super) fn with_outside(
        side: &Side,
        grants: Grants,
        limits: WebLimits,
        operator_roots: Vec<CertificateDer<'static>>,
        outside: Outside,
    ) -> WebClient {
        let under_way = limits.fetches_max.max(1) as usize;
        let admitted = under_way.saturating_add(limits.fetches_queued_max as usize);
        let permits = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        let shared = Shared {
            admitted: permits(admitted),
            under_way: permits(under_way),
            bodies: permits(limits.bodies_max_bytes as usize),
            grants: Arc::new(grants),
            limits,
            operator_roots,
            outside,
            http: OnceCell::new(),
        };
        WebClient {
            side: side.handle().clone(),
            shared: Arc::new(shared),
        }
    }

    /// Fetches a page. It returns at once; `deliver` is called with the outcome on the side thread, exactly once, which
    /// may be before this returns. It must not block.
    ///
    /// `deliver` is not called when the returned [`Fetch`] is dropped first, or when the [`Side`] ends. A fetch that
    /// waits for its turn does so within its timeout.
    pub fn fetch(&self, request: Request, deliver: impl FnOnce(Page) + Send + 'static) -> Fetch {
        // Counted here and not on the side thread, so that a guest in a loop is refused before it fills the memory.
        let admission = self.shared.admit(&request);
        let shared = self.shared.clone();
        let deliver = Delivery(Some(deliver));
        let task = self.side.spawn(async move {
            let page = match admission {
                Ok(admission) => {
                    let page = shared.fetch_in_time(request).await;
                    // Whoever is told may ask for the next one at once, and finds the place free.
                    drop(admission);
                    page
                }
                Err(error) => Err(error),
            };
            deliver.now(page);
        });
        Fetch {
            task: task.abort_handle(),
        }
    }
}

/// A fetch under way. Dropping it cancels the request: its connection is closed, and nobody is told any more, unless the
/// outcome was being delivered at that very moment.
#[derive(Debug)]
#[must_use = "dropping a fetch cancels it"]
pub struct Fetch {
    task: AbortHandle,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the operating system knows about the world.
#[derive(Debug)]
pub(super) struct Outside {
    pub(super) system_roots: fn() -> Vec<CertificateDer<'static>>,
    pub(super) lookup: Lookup,
}

/// Makes sure that whoever waits for a page is told: also when there is a bug on the way to it.
struct Delivery<F: FnOnce(Page)>(Option<F>);

impl<F: FnOnce(Page)> Delivery<F> {
    fn now(mut self, page: Page) {
        if let Some(deliver) = self.0.take() {
            deliver(page);
        }
    }
}

impl<F: FnOnce(Page)> Drop for Delivery<F> {
    fn drop(&mut self) {
        // Dropped without a panic it was cancelled.
        if let Some(deliver) = self.0.take().filter(|_| std::thread::panicking()) {
            let text = "the web client has failed, which is a bug in wisted".to_owned();
            deliver(Err(FetchError::Protocol(text)));
        }
    }
}

/// Places that a fetch takes, and gives back when dropped.
struct Admission {
    _place: OwnedSemaphorePermit,
    _body: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Shared {
    grants: Arc<Grants>,
    limits: WebLimits,
    operator_roots: Vec<CertificateDer<'static>>,
    outside: Outside,
    /// Made by the first fetch.
    http: OnceCell<Http>,
    /// One for each fetch that is under way or waits for its turn.
    admitted: Arc<Semaphore>,
    /// One for each that is under way.
    under_way: Arc<Semaphore>,
    /// One for each byte of the requests' bodies.
    bodies: Arc<Semaphore>,
}

#[derive(Debug)]
struct Http {
    client: reqwest::Client,
    /// Whether there is a root certificate at all.
    trusts_anybody: bool,
}

impl Shared {
    fn admit(&self, request: &Request) -> Result<Admission, FetchError> {
        let body_max = self.limits.bodies_max_bytes;
        let body = u32::try_from(request.body.len()).ok();
        let Some(body) = body.filter(|length| *length <= body_max) else {
            let text = format!("the body is longer than {body_max} bytes");
            return Err(FetchError::InvalidRequest(text));
        };
        let full = |_| FetchError::TooManyRequests(self.limits.fetches_queued_max);
        let place = self.admitted.clone().try_acquire_owned();
        let bytes = self.bodies.clone().try_acquire_many_owned(body);
        Ok(Admission {
            _place: place.map_err(full)?,
            _body: bytes.map_err(full)?,
        })
    }

    async fn fetch_in_time(&self, request: Request) -> Page {
        let longest = self.limits.fetch_timeout_max_ms;
        let timeout_ms = match request.timeout_ms {
            0 => longest,
            wanted => wanted.min(longest),
        };
        let timeout = Duration::from_millis(timeout_ms.into());
        let page = tokio::time::timeout(timeout, self.fetch(request));
        page.await.unwrap_or(Err(FetchError::Timeout))
    }

    async fn fetch(&self, request: Request) -> Page {
        let url = request::parse_url(&request.url)?;
        self.grants.check_url(&url)?;
        let request = request::prepare(url, request)?;
        // Closed it is never; an error here would be our own bug.
        let turn = self.under_way.acquire().await;
        let _turn = turn.map_err(|error| FetchError::Protocol(error.to_string()))?;
        let http = self.http.get_or_try_init(|| self.make_http()).await?;
        if request.url().scheme() == "https" && !http.trusts_anybody {
            return Err(nobody_trusted());
        }
        let response = http.client.execute(request).await;
        let response = response.map_err(|error| failure::from_reqwest(&error))?;
        self.read(response).await
    }

    async fn make_http(&self) -> Result<Http, FetchError> {
        let system_roots = tokio::task::spawn_blocking(self.outside.system_roots).await;
        let broken = |error: &dyn std::error::Error| FetchError::Tls(error.to_string());
        let system_roots = system_roots.map_err(|error| broken(&error))?;
        let (trusts_anybody, config) = tls::client_config(system_roots, &self.operator_roots)
            .map_err(|error| broken(&error))?;

        let limits = &self.limits;
        let resolver =
            GrantedResolver::new(self.grants.clone(), self.outside.lookup, limits.lookups_max);
        // A wildcard allows any number of hosts, and idle connections to each would use up the process's descriptors.
        let idle_max = match self.grants.has_wildcard() {
            true => 0,
            false => IDLE_CONNECTIONS_MAX,
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            // The environment's proxies would go around the grants.
            .no_proxy()
            .dns_resolver(resolver)
            .redirect(redirect_policy(
                self.grants.clone(),
                limits.redirects_max,
                trusts_anybody,
            ))
            .referer(false)
            .user_agent(USER_AGENT)
            .connect_timeout(Duration::from_millis(limits.connect_timeout_ms.into()))
            .pool_max_idle_per_host(idle_max)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http2_max_header_list_size(limits.headers_max_bytes)
            .build()
            .map_err(|error| broken(&error))?;
        Ok(Http {
            client,
            trusts_anybody,
        })
    }

    async fn read(&self, mut response: reqwest::Response) -> Page {
        let headers = self.read_headers(response.headers())?;
        let body_max = self.limits.page_max_bytes;
        let claimed = response.content_length().unwrap_or(0);
        if claimed > body_max {
            return Err(FetchError::TooLarge(body_max));
        }
        let mut body = Vec::with_capacity(claimed.min(BODY_ROOM_MAX_BYTES) as usize);
        loop {
            let chunk = response.chunk().await;
            let Some(chunk) = chunk.map_err(|error| failure::from_reqwest(&error))? else {
                break;
            };
            if (body.len() + chunk.len()) as u64 > body_max {
                return Err(FetchError::TooLarge(body_max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response {
            status: response.status().as_u16(),
            headers,
            body,
            url: response.url().to_string(),
        })
    }

    fn read_headers(
        &self,
        headers: &reqwest::header::HeaderMap,
    ) -> Result<Vec<(String, String)>, FetchError> {
        let sizes = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len());
        let length_max = self.limits.headers_max_bytes;
        if sizes.sum::<usize>() > length_max as usize {
            let text = format!("the response's headers are longer than {length_max} bytes");
            return Err(FetchError::Protocol(text));
        }
        let read = headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), header_text(value.as_bytes())));
        Ok(read.collect())
    }
}

/// UTF-8, or else Latin-1.
fn header_text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Redirects must be granted as the request's own URL must. From `https` none leads to `http`: what the guest believes
/// to be private (headers, a body sent again) would cross the network in the clear.
fn redirect_policy(grants: Arc<Grants>, redirects_max: u32, trusts_anybody: bool) -> Policy {
    let check = move |attempt: &Attempt| {
        // The first of the previous ones is the request's own.
        if attempt.previous().len() > redirects_max as usize {
            return Err(FetchError::TooManyRedirects(redirects_max));
        }
        let url = attempt.url();
        request::check_url_form(url)
            .map_err(|error| FetchError::Denied(format!("a redirect was not followed: {error}")))?;
        let from_https = attempt
            .previous()
            .last()
            .is_some_and(|p| p.scheme() == "https");
        if from_https && url.scheme() != "https" {
            let to = url.origin().ascii_serialization();
            let text =
                format!("a redirect from https to {to}/ was not followed: it is not encrypted");
            return Err(FetchError::Denied(text));
        }
        grants.check_url(url)?;
        match url.scheme() == "https" && !trusts_anybody {
            true => Err(nobody_trusted()),
            false => Ok(()),
        }
    };
    Policy::custom(move |attempt| -> Action {
        match check(&attempt) {
            Ok(()) => attempt.follow(),
            Err(error) => attempt.error(error),
        }
    })
}

fn nobody_trusted() -> FetchError {
    FetchError::Tls(
        "there is no root certificate to verify anybody with: the system has none; install its CA certificates, \
         or give a file with --ca"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_bug_on_the_way_is_delivered() {
        let mut page = None;
        let delivery = Delivery(Some(|outcome| page = Some(outcome)));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _delivery = delivery;
            panic!("a bug, in a test");
        }));
        assert!(panicked.is_err());
        assert!(matches!(page, Some(Err(FetchError::Protocol(_)))));
    }

    #[test]
    fn what_is_cancelled_is_not_delivered() {
        let mut delivered = false;
        drop(Delivery(Some(|_| delivered = true)));
        assert!(!delivered);
    }

    #[test]
    fn header_values_are_utf8_or_latin_1() {
        assert_eq!(header_text("ä€".as_bytes()), "ä€");
        assert_eq!(header_text(b"\xe4\x80"), "ä\u{80}");
    }
}
