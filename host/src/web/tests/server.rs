//! A scripted server on 127.0.0.1, plain or with TLS; knows nothing of the client.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::PATIENCE;
use crate::side::Side;

/// What the server does about a request.
pub(super) enum Answer {
    /// Sends this and waits for the next request.
    Bytes(Vec<u8>),
    /// Sends this and closes the connection.
    Last(Vec<u8>),
    /// Sends this and then nothing more, until the peer closes.
    Stall(Vec<u8>),
    /// The first, once there is a permit, which it uses up.
    Gated(Arc<Semaphore>, Vec<u8>),
}

impl Answer {
    pub(super) fn ok(body: &str) -> Answer {
        let length = body.len();
        Answer::text(&format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    pub(super) fn text(text: &str) -> Answer {
        Answer::Bytes(text.as_bytes().to_vec())
    }

    pub(super) fn redirect(status: u16, to: &str) -> Answer {
        Answer::text(&format!(
            "HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
        ))
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Head and body, as they came. With HTTP/2: method, a space, and the URI.
    Request(String),
    /// A connection was closed by the peer.
    Closed,
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    events: mpsc::Receiver<Event>,
    _side: Side,
}

type Script = dyn Fn(&str) -> Answer + Send + Sync;

impl Server {
    pub(super) fn start(script: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Server {
        Server::start_with(None, Arc::new(script))
    }

    /// With TLS it speaks what was negotiated: HTTP/2 if `identity` offers it.
    pub(super) fn start_tls(
        identity: Identity,
        script: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Server {
        Server::start_with(Some(identity.acceptor), Arc::new(script))
    }

    fn start_with(acceptor: Option<TlsAcceptor>, script: Arc<Script>) -> Server {
        let side = Side::start().expect("a side thread");
        let (tell, events) = mpsc::channel();
        let context = side.handle().enter();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("its address");
        let listener = TcpListener::from_std(listener).expect("tokio's listener");
        side.handle().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, script, tell) = (acceptor.clone(), script.clone(), tell.clone());
                tokio::spawn(async move {
                    let Some(acceptor) = acceptor else {
                        return serve(stream, &*script, &tell).await;
                    };
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    match stream.get_ref().1.alpn_protocol() {
                        Some(b"h2") => serve_h2(stream, &tell).await,
                        _ => serve(stream, &*script, &tell).await,
                    }
                });
            }
        });
        drop(context);
        Server {
            address,
            events,
            _side: side,
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("an event")
    }

    /// The next request; closed connections don't count.
    pub(super) fn request(&self) -> String {
        loop {
            if let Event::Request(request) = self.event() {
                return request;
            }
        }
    }

    /// What happened and was not asked for yet.
    pub(super) fn events_so_far(&self) -> Vec<Event> {
        self.events.try_iter().collect()
    }
}

async fn serve<S>(mut stream: S, script: &Script, tell: &mpsc::Sender<Event>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(request) = read_request(&mut stream).await {
        let answer = script(&request);
        let _ = tell.send(Event::Request(request));
        let (bytes, last) = match answer {
            Answer::Bytes(bytes) => (bytes, false),
            Answer::Last(bytes) => (bytes, true),
            Answer::Stall(bytes) => (bytes, false),
            Answer::Gated(gate, bytes) => {
                gate.acquire().await.expect("never closed").forget();
                (bytes, false)
            }
        };
        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
            break;
        }
        if last {
            let _ = stream.shutdown().await;
            return;
        }
    }
    let _ = tell.send(Event::Closed);
}

/// `None` when the peer closes.
async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        request.push(char::from(stream.read_u8().await.ok()?));
    }
    let length = request.to_ascii_lowercase();
    let length = length.split("\r\ncontent-length: ").nth(1);
    let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    for _ in 0..length.unwrap_or(0_usize) {
        request.push(char::from(stream.read_u8().await.ok()?));
    }
    Some(request)
}

/// Answers every request with `over h2`.
async fn serve_h2<S>(stream: S, tell: &mpsc::Sender<Event>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let line = format!("{} {}", request.method(), request.uri());
        let _ = tell.send(Event::Request(line));
        if let Ok(mut body) = respond.send_response(http::Response::new(()), false) {
            let _ = body.send_data("over h2".into(), true);
        }
    }
    let _ = tell.send(Event::Closed);
}

/// A certificate authority of our own.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) certificate: CertificateDer<'static>,
    pub(super) pem: String,
}

impl Authority {
    /// Two of the same name would be taken for each other until the signatures are checked.
    pub(super) fn new(name: &str) -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        Authority {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    pub(super) fn identity(&self, name: &str, protocols: &[&str]) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("an identity");
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        Identity {
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }
}

/// Who a server with TLS is.
pub(super) struct Identity {
    acceptor: TlsAcceptor,
}
