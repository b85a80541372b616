//! nginx as a child process, with a configuration of its own, on a port of its own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use wisted_tests::PATIENCE;
use wisted_tests::host::Scratch;
use wisted_tests::programs::program;

/// nginx, which answers every request with 200. It is killed when it is dropped.
pub struct Nginx {
    child: Child,
    address: SocketAddr,
    _prefix: Scratch,
}

/// Another process may take the port between its choice and nginx's start.
const ATTEMPTS_MAX: u32 = 5;

impl Nginx {
    /// Starts it and waits until it accepts.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn start() -> Self {
        (0..ATTEMPTS_MAX)
            .find_map(|_| Self::try_start())
            .expect("nginx starts")
    }

    fn try_start() -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("bound");
        drop(free);
        let prefix = Scratch::new();
        let configuration = prefix.file("nginx.conf", configuration(address));
        let mut child = Command::new(program("nginx", "nginx-light"))
            .arg("-p")
            .arg(prefix.path())
            .arg("-c")
            .arg(configuration)
            .args(["-e", "error.log"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx runs");
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "nginx does not listen");
            if child.try_wait().expect("a child").is_some() {
                return None;
            }
            std::thread::yield_now();
        }
        let nginx = Self {
            child,
            address,
            _prefix: prefix,
        };
        Some(nginx)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(address: SocketAddr) -> String {
    let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {kind};\n"))
        .concat();
    format!(
        "daemon off;
        master_process off;
        pid nginx.pid;
        events {{}}
        http {{
            access_log off;
            client_header_timeout 2s;
            client_body_timeout 2s;
            lingering_timeout 1s;
            client_max_body_size 16m;
            {folders}
            server {{
                listen {address};
                location / {{ return 200 'ok'; }}
            }}
        }}
        "
    )
}
