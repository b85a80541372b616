//! Pages over TLS: who is trusted, and which HTTP is spoken.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::server::{Answer, Authority, Server};
use super::*;

const HTTP_1: &[&str] = &["http/1.1"];

fn url(server: &Server) -> String {
    format!("https://localhost:{}/", server.port())
}

fn client(server: &Server, roots: &[&Authority]) -> Client {
    let grants = [format!("localhost:{}", server.port())];
    let roots = roots.iter().map(|ca| ca.certificate.clone()).collect();
    Client::with(&[&grants[0]], WebLimits::default(), roots)
}

fn is_tls(page: &Page, says: &str) -> bool {
    matches!(page, Err(FetchError::Tls(text)) if text.contains(says))
}

#[test]
fn both_versions_of_http_are_spoken() {
    let ca = Authority::new("ours");
    for (protocols, body) in [
        (&["h2", "http/1.1"][..], "over h2"),
        (HTTP_1, "over 1.1"),
        (&[], "over 1.1"),
    ] {
        let server = Server::start_tls(ca.identity("localhost", protocols), |_| {
            Answer::ok("over 1.1")
        });
        let page = client(&server, &[&ca]).get(&url(&server)).expect("a page");
        assert_eq!(page.body, body.as_bytes());
    }
}

#[test]
fn a_ca_file_makes_its_servers_trusted() {
    let ca = Authority::new("ours");
    let server = Server::start_tls(ca.identity("localhost", HTTP_1), |_| Answer::ok("page"));
    let file = TemporaryFile::new(&format!("a comment\n{}", ca.pem));
    let side = Side::start().expect("a side thread");
    let grants = Grants::parse(&[format!("localhost:{}", server.port())]).expect("grants");
    // The real thing, with the system's own roots and names.
    let files = std::slice::from_ref(&file.0);
    let web = WebClient::new(&side, grants, WebLimits::default(), files).expect("a client");
    let client = Client { web, side };
    assert_eq!(client.get(&url(&server)).expect("a page").body, b"page");
}

#[test]
fn whom_nobody_vouches_for_is_refused() {
    let (ca, other) = (Authority::new("ours"), Authority::new("other"));
    let server = Server::start_tls(ca.identity("localhost", HTTP_1), |_| Answer::ok("page"));
    let page = client(&server, &[&other]).get(&url(&server));
    assert!(is_tls(&page, "UnknownIssuer"), "{page:?}");
    assert_eq!(server.events_so_far(), []);
}

#[test]
fn who_is_somebody_else_is_refused() {
    let ca = Authority::new("ours");
    let server = Server::start_tls(ca.identity("example.org", HTTP_1), |_| Answer::ok("page"));
    let page = client(&server, &[&ca]).get(&url(&server));
    assert!(is_tls(&page, "not valid for name"), "{page:?}");
}

#[test]
fn who_does_not_speak_tls_is_a_tls_error() {
    let ca = Authority::new("ours");
    let server = RawServer::answering(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let grant = format!("localhost:{}", server.port);
    let client = Client::with(&[&grant], WebLimits::default(), vec![ca.certificate]);
    let page = client.get(&format!("https://{grant}/"));
    assert!(is_tls(&page, ""), "{page:?}");
}

#[test]
fn without_any_root_plain_http_still_works() {
    let server = Server::start(|request| match request.starts_with("GET /leave") {
        true => Answer::redirect(302, "https://localhost/"),
        false => Answer::ok("page"),
    });
    let grant = format!("localhost:{}", server.port());
    let client = Client::new(&[&grant, "localhost"]);
    assert!(client.get(&format!("http://{grant}/")).is_ok());
    for url in ["https://localhost/", &format!("http://{grant}/leave")] {
        let page = client.get(url);
        assert!(is_tls(&page, "--ca"), "{page:?}");
    }
}

#[test]
fn encrypted_pages_do_not_lead_to_plain_ones() {
    let ca = Authority::new("ours");
    let plain = Server::start(|_| Answer::ok("page"));
    let to = format!("http://localhost:{}/", plain.port());
    let server = Server::start_tls(ca.identity("localhost", HTTP_1), move |_| {
        Answer::redirect(302, &to)
    });
    let grants = [&plain, &server].map(|server| format!("localhost:{}", server.port()));
    let roots = vec![ca.certificate.clone()];
    let client = Client::with(&[&grants[0], &grants[1]], WebLimits::default(), roots);
    let error = client.get_error(&url(&server));
    assert!(
        matches!(&error, FetchError::Denied(text) if text.contains("not encrypted")),
        "{error:?}"
    );
    assert_eq!(plain.events_so_far(), []);
}

#[test]
fn the_systems_roots_are_loaded_by_the_first_fetch() {
    static LOADED: AtomicBool = AtomicBool::new(false);
    let side = Side::start().expect("a side thread");
    let outside = Outside {
        system_roots: || {
            LOADED.store(true, Ordering::SeqCst);
            Vec::new()
        },
        lookup,
    };
    let server = Server::start(|_| Answer::ok("page"));
    let grants = Grants::parse(&[server.address.to_string()]).expect("grants");
    let web = WebClient::with_outside(&side, grants, WebLimits::default(), Vec::new(), outside);
    let client = Client { web, side };
    let denied = client.get("http://example.org/");
    assert!(matches!(denied, Err(FetchError::Denied(_))));
    assert!(!LOADED.load(Ordering::SeqCst));
    assert!(client.get(&format!("http://{}/", server.address)).is_ok());
    assert!(LOADED.load(Ordering::SeqCst));
}

/// Sends the same to everyone who connects, whatever they say.
struct RawServer {
    port: u16,
}

impl RawServer {
    fn answering(bytes: &'static [u8]) -> RawServer {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a listener");
        let port = listener.local_addr().expect("its address").port();
        std::thread::spawn(move || {
            if let Ok((mut stream, _)) = listener.accept() {
                let _ = stream.write_all(bytes);
                // Until the peer has had enough: closing sooner could reset what was sent.
                let _ = stream.read_to_end(&mut Vec::new());
            }
        });
        RawServer { port }
    }
}

struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(content: &str) -> TemporaryFile {
        let name = format!("wisted-test-ca-{}.pem", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).expect("a temporary file");
        TemporaryFile(path)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
