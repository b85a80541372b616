//! A client of the admin endpoint that sends exactly what a test says: one request a connection, over a Unix socket or TCP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::host::{Builder, Scratch};
use crate::{Host, PATIENCE};

/// Where a host is administered.
#[derive(Clone, Debug)]
pub enum Admin {
    /// At this socket.
    Unix(PathBuf),
    /// At this address.
    Tcp(SocketAddr),
}

/// A Unix socket in a folder of its own, for a host's admin endpoint.
pub struct AdminSocket {
    /// The folder.
    pub scratch: Scratch,
    /// What `--admin` is given.
    pub endpoint: String,
}

impl AdminSocket {
    /// A socket that does not exist yet.
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        let scratch = Scratch::new();
        let endpoint = format!("unix:{}", scratch.path().join("admin.sock").display());
        Self { scratch, endpoint }
    }

    /// Starts a host that is administered there.
    pub fn start(&self, builder: Builder) -> (Host, Admin) {
        let host = builder.flag("--admin", &self.endpoint).start();
        let admin = Admin::of(&host);
        (host, admin)
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code; 0 when the connection was closed instead.
    pub status: u16,
    head: String,
    /// The body.
    pub body: String,
}

trait Stream: Read + Write {
    fn patience(&self, patience: Duration);
}

impl Stream for UnixStream {
    fn patience(&self, patience: Duration) {
        self.set_read_timeout(Some(patience)).expect("a timeout");
    }
}

impl Stream for TcpStream {
    fn patience(&self, patience: Duration) {
        self.set_read_timeout(Some(patience)).expect("a timeout");
    }
}

/// Every method panics when the host does not do its part within [`PATIENCE`].
#[expect(clippy::missing_panics_doc, reason = "that is how tests fail")]
impl Admin {
    /// The endpoint that a host says it has.
    #[must_use]
    #[track_caller]
    pub fn of(host: &Host) -> Self {
        let said = host
            .stdout()
            .wait_for(|record| record.line.starts_with(SAID));
        let said = said.unwrap_or_else(|| panic!("no admin endpoint: {}", host.log().tail()));
        Self::at(&said.line[SAID.len()..])
    }

    /// As it is written: `unix:PATH` or `tcp:ADDRESS`.
    #[must_use]
    pub fn at(endpoint: &str) -> Self {
        match endpoint.split_once(':') {
            Some(("unix", path)) => Self::Unix(path.into()),
            Some(("tcp", address)) => Self::Tcp(address.parse().expect("an address")),
            _ => panic!("{endpoint:?} is no endpoint"),
        }
    }

    /// As it is written.
    #[must_use]
    pub fn endpoint(&self) -> String {
        match self {
            Self::Unix(path) => format!("unix:{}", path.display()),
            Self::Tcp(address) => format!("tcp:{address}"),
        }
    }

    fn connect(&self) -> Box<dyn Stream> {
        let stream: Box<dyn Stream> = match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).expect("the host listens")),
            Self::Tcp(address) => Box::new(TcpStream::connect(address).expect("the host listens")),
        };
        stream.patience(PATIENCE);
        stream
    }

    /// Sends these bytes, and returns what comes until the host closes.
    #[must_use]
    pub fn raw(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut stream = self.connect();
        // The host may have seen enough before the end.
        let _ = stream.write_all(request.as_ref());
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer) {
            let is_reset = error.kind() == std::io::ErrorKind::ConnectionReset;
            assert!(is_reset, "the connection goes on: {error}");
        }
        Answer::parse(&String::from_utf8_lossy(&answer))
    }

    /// A request with these header fields besides `Host` and `Connection`, each with its line's end.
    #[must_use]
    pub fn request(&self, method: &str, path: &str, fields: &str) -> Answer {
        self.raw(format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n"
        ))
    }

    /// `GET`.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "")
    }

    /// `POST`, as one of our own clients sends it.
    #[must_use]
    pub fn post(&self, path: &str) -> Answer {
        self.request("POST", path, "Wisted-Admin: 1\r\nContent-Length: 0\r\n")
    }

    /// `GET` of something that is there.
    #[must_use]
    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    /// What the host says of its only service, or of the first by name.
    #[must_use]
    #[track_caller]
    pub fn service(&self) -> Value {
        self.json("/api/v1/status")["services"][0].clone()
    }

    /// Asks for the status until its only service, or the first by name, is as wanted.
    #[track_caller]
    pub fn wait_for(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let service = self.service();
            if is_so(&service) {
                return service;
            }
            assert!(Instant::now() < deadline, "not {what}: {service:#}");
        }
    }
}

const SAID: &str = "admin on ";

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Self {
            status: status.unwrap_or(0),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// A field of the head; empty if it isn't there.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        let of = |line: &'_ str| {
            let (key, _) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(key.len() + 1)
        };
        let mut lines = self.head.lines();
        let found = lines.find_map(|line| of(line).map(|start| line[start..].trim()));
        found.unwrap_or_default()
    }

    /// The body as JSON.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// Insists on this status and, unless it is a success, on an explanation in JSON with these words.
    #[track_caller]
    pub fn check(&self, status: u16, words: &[&str]) {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        let error = self.json()["error"].as_str().unwrap_or_default().to_owned();
        for word in words {
            assert!(error.contains(word), "{word:?} is not in {error:?}");
        }
    }
}
