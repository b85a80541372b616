//! The web that guests fetch from: a server on a loopback port, over HTTP and HTTPS, with a certificate authority of its
//! own. Never the internet.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;

use crate::PATIENCE;
use crate::host::Scratch;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What the server has seen, in order: `GET /fixed` when a request arrives, and `GET /fixed x-wisted: 1` if
/// it has that header, or `traceparent`; `aborted /slow/a` when its peer gives it up.
#[derive(Clone, Default)]
struct Seen(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Seen {
    fn add(&self, what: String) {
        self.0
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(what);
        self.0.1.notify_all();
    }
}

/// What a request handler needs.
#[derive(Clone)]
struct Pages {
    seen: Seen,
    /// The slow pages that may be answered now.
    released: watch::Receiver<HashSet<String>>,
}

/// The server. It stops when it is dropped.
///
/// | path | what comes |
/// |---|---|
/// | `/fixed` | `a fixed page` |
/// | `/size/N` | N bytes |
/// | `/slow/NAME` | `slow NAME`, once the test has called [`Web::release`] with this name |
/// | `/redirect?URL` | 302 to the URL, as it stands |
/// | `/loop` | 302 to itself |
/// | `/version` | the version of HTTP that was spoken |
/// | `/echo` | the method, the header `x-test` and the body |
/// | `/endless` | bytes without an end |
/// | everything else | 404, `no such page` |
pub struct Web {
    runtime: Option<tokio::runtime::Runtime>,
    http: SocketAddr,
    https: SocketAddr,
    seen: Seen,
    release: watch::Sender<HashSet<String>>,
    authority: PathBuf,
    _scratch: Scratch,
}

#[expect(clippy::missing_panics_doc, reason = "that is how tests fail")]
impl Web {
    /// Starts the server on ports of its own.
    #[must_use]
    pub fn start() -> Self {
        let scratch = Scratch::new();
        let (tls, authority) = certificates();
        let authority = scratch.file("ca.pem", authority);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let seen = Seen::default();
        let (release, released) = watch::channel(HashSet::new());
        let pages = Pages {
            seen: seen.clone(),
            released,
        };
        let (plain, secure) = runtime.block_on(async {
            let plain = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let secure = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            (plain, secure)
        });
        let http = plain.local_addr().expect("bound");
        let https = secure.local_addr().expect("bound");
        runtime.spawn(serve(plain, None, pages.clone()));
        runtime.spawn(serve(secure, Some(tls), pages));
        Self {
            runtime: Some(runtime),
            http,
            https,
            seen,
            release,
            authority,
            _scratch: scratch,
        }
    }

    /// A page over HTTP.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    /// A page over HTTPS.
    #[must_use]
    pub fn secure_url(&self, path: &str) -> String {
        format!("https://{}{path}", self.https)
    }

    /// What `--allow-fetch` needs for the pages over HTTP.
    #[must_use]
    pub fn grant(&self) -> String {
        self.http.to_string()
    }

    /// What `--allow-fetch` needs for the pages over HTTPS.
    #[must_use]
    pub fn secure_grant(&self) -> String {
        self.https.to_string()
    }

    /// The file with the authority that signed this server's certificate.
    #[must_use]
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// Lets `/slow/NAME` be answered, now and from now on.
    pub fn release(&self, name: &str) {
        self.release.send_modify(|released| {
            released.insert(name.to_owned());
        });
    }

    /// Waits until the server has seen so many of these, such as `GET /slow/a`.
    #[track_caller]
    pub fn wait_for(&self, what: &str, count: usize) {
        let fits = |seen: &mut Vec<String>| seen.iter().filter(|one| *one == what).count() < count;
        let seen = self.seen.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, _) = self
            .seen
            .0
            .1
            .wait_timeout_while(seen, PATIENCE, fits)
            .unwrap_or_else(PoisonError::into_inner);
        let found = seen.iter().filter(|one| *one == what).count();
        assert!(
            found >= count,
            "{count} times {what:?} is not among {seen:?}"
        );
    }

    /// What it has seen until now.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.seen
            .0
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Slow pages that nobody released would be waited for otherwise.
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, pages: Pages) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, pages) = (tls.clone(), pages.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, pages.clone()));
            let connection = auto::Builder::new(TokioExecutor::new());
            // Failures are the client's to report: it is what is tested.
            let _ = match tls {
                None => {
                    connection
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                }
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => {
                        connection
                            .serve_connection(TokioIo::new(stream), service)
                            .await
                    }
                    Err(_) => return,
                },
            };
        });
    }
}

/// Tells when it is dropped before it was defused: hyper drops the future of a request whose peer has gone.
struct AbortNotice {
    seen: Seen,
    path: Option<String>,
}

impl Drop for AbortNotice {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            self.seen.add(format!("aborted {path}"));
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    mut pages: Pages,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    pages.seen.add(format!("{} {path}", request.method()));
    for name in ["x-wisted", "traceparent"] {
        if let Some(value) = request.headers().get(name) {
            let value = value.to_str().unwrap_or("?");
            pages
                .seen
                .add(format!("{} {path} {name}: {value}", request.method()));
        }
    }
    if let Some(name) = path.strip_prefix("/slow/") {
        let mut notice = AbortNotice {
            seen: pages.seen.clone(),
            path: Some(path.clone()),
        };
        let _ = pages
            .released
            .wait_for(|released| released.contains(name))
            .await;
        notice.path = None;
        return Ok(text(format!("slow {name}")));
    }
    if let Some(length) = path.strip_prefix("/size/") {
        return Ok(text("p".repeat(length.parse().unwrap_or(0))));
    }
    Ok(match path.as_str() {
        "/fixed" => text("a fixed page"),
        "/version" => text(format!("{:?}", request.version())),
        "/echo" => echo(request).await,
        "/redirect" => redirect(request.uri().query().unwrap_or_default()),
        "/loop" => redirect("/loop"),
        "/endless" => endless(),
        _ => {
            let mut response = text("no such page");
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    })
}

fn text(text: impl Into<Bytes>) -> Response<Body> {
    Response::new(Full::new(text.into()).boxed_unsync())
}

fn redirect(target: &str) -> Response<Body> {
    let mut response = text("moved");
    *response.status_mut() = StatusCode::FOUND;
    if let Ok(target) = target.parse() {
        response.headers_mut().insert(header::LOCATION, target);
    }
    response
}

async fn echo(request: Request<Incoming>) -> Response<Body> {
    let method = request.method().to_string();
    let header = request
        .headers()
        .get("x-test")
        .map_or("", |value| value.to_str().unwrap_or("?"))
        .to_owned();
    let body = request
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    text(format!(
        "{method} {header} {}",
        String::from_utf8_lossy(&body)
    ))
}

fn endless() -> Response<Body> {
    let frames =
        futures_util::stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[b'e'; 4096]))));
    Response::new(StreamBody::new(frames).boxed_unsync())
}

/// A server's certificate for the loopback addresses, and the authority that signed it, in PEM.
fn certificates() -> (TlsAcceptor, String) {
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::default();
    // The same name as the server's certificate would make that one look self-signed.
    authority
        .distinguished_name
        .push(DnType::CommonName, "the tests' authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_pem = authority
        .self_signed(&authority_key)
        .expect("a certificate")
        .pem();
    let issuer = Issuer::new(authority, authority_key);

    let key = KeyPair::generate().expect("a key");
    let mut server = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    server
        .subject_alt_names
        .push(SanType::IpAddress([127, 0, 0, 1].into()));
    let certificate = server.signed_by(&key, &issuer).expect("a certificate");

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .expect("a usable certificate");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (TlsAcceptor::from(Arc::new(config)), authority_pem)
}
