//! The web client against servers of our own on 127.0.0.1: what is here is shared; knows no internet, no fixed port and
//! no sleep.

mod admission;
mod encrypted;
mod plain;
mod redirects;
mod server;

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use crate::side::Side;
use crate::web::client::Outside;
use crate::web::{Fetch, FetchError, Grants, Page, Request, WebClient, WebLimits};

/// How long a test waits for what must come. Only a failing one waits that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client with a side thread of its own.
struct Client {
    web: WebClient,
    side: Side,
}

impl Client {
    fn new(grants: &[&str]) -> Client {
        Client::with(grants, WebLimits::default(), Vec::new())
    }

    fn with_limits(grants: &[&str], limits: WebLimits) -> Client {
        Client::with(grants, limits, Vec::new())
    }

    fn with(grants: &[&str], limits: WebLimits, roots: Vec<CertificateDer<'static>>) -> Client {
        let grants: Vec<String> = grants.iter().map(|grant| (*grant).to_owned()).collect();
        let grants = Grants::parse(&grants).expect("grants");
        let side = Side::start().expect("a side thread");
        let outside = Outside {
            system_roots: Vec::new,
            lookup,
        };
        let web = WebClient::with_outside(&side, grants, limits, roots, outside);
        Client { web, side }
    }

    fn start(&self, request: Request) -> (Fetch, mpsc::Receiver<Page>) {
        let (tell, told) = mpsc::channel();
        let fetch = self.web.fetch(request, move |page| {
            let _ = tell.send(page);
        });
        (fetch, told)
    }

    /// Returns when the side thread has begun all that it was given before.
    fn catch_up(&self) {
        let (tell, told) = mpsc::channel();
        self.side.handle().spawn(async move {
            let _ = tell.send(());
        });
        told.recv_timeout(PATIENCE).expect("the side thread runs");
    }

    fn send(&self, request: Request) -> Page {
        let (_fetch, told) = self.start(request);
        told.recv_timeout(PATIENCE).expect("an outcome")
    }

    fn get(&self, url: &str) -> Page {
        self.send(Request::get(url.to_owned()))
    }

    fn get_error(&self, url: &str) -> FetchError {
        self.get(url).expect_err("no page")
    }
}

/// The names of these tests.
fn lookup(name: &str) -> io::Result<Vec<SocketAddr>> {
    match name {
        "localhost" | "other.test" | "rebound.test" => {
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))])
        }
        "nowhere.test" => Ok(Vec::new()),
        _ => crate::web::resolver::system_lookup(name),
    }
}
