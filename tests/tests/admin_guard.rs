//! Whom the admin endpoint lets in, and that no client keeps it or the host busy.
#![allow(missing_docs)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use wisted_tests::admin::AdminSocket;
use wisted_tests::host::{self, Builder};
use wisted_tests::{Admin, Host, workspace};

fn over_tcp(builder: Builder) -> (Host, Admin) {
    let host = builder.flag("--admin", "tcp:127.0.0.1:0").start();
    let admin = Admin::of(&host);
    (host, admin)
}

/// No page of another site reaches a host through somebody's browser, and ours asks nobody else for anything.
#[test]
fn the_page_runs_nothing_but_its_own() {
    let socket = AdminSocket::new();
    let (host, admin) = socket.start(Host::run("echo"));
    let page = admin.get("/");
    assert_eq!(page.status, 200);
    let policy = page.field("content-security-policy").to_owned();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let nonce = policy
        .split("script-src 'nonce-")
        .nth(1)
        .and_then(|rest| rest.split('\'').next());
    let nonce = nonce.expect("a nonce");
    assert!(page.body.contains(&format!("<script nonce=\"{nonce}\">")));
    assert!(!page.body.contains("{{nonce}}"));
    let names_another = ["http://", "https://", "src=\"//"].iter().any(|text| {
        page.body
            .replace("http://www.w3.org/2000/svg", "")
            .contains(text)
    });
    assert!(!names_another);
    let again = admin.get("/");
    assert!(!again.body.contains(nonce), "a nonce is used once");
    for path in ["/", "/metrics", "/nowhere", "/api/v1/status"] {
        let answer = admin.get(path);
        assert_eq!(answer.field("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.field("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.field("cache-control"), "no-store", "{path}");
        assert_eq!(answer.field("access-control-allow-origin"), "", "{path}");
    }
    host.finish();
}

#[test]
fn over_tcp_only_our_own_pages_and_clients_are_let_in() {
    let (host, admin) = over_tcp(Host::run("echo").flag("--admin-name", "wisted.example"));
    let with_host = |host: &str, method: &str, path: &str, fields: &str| {
        admin.raw(format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n"
        ))
    };
    for name in ["127.0.0.1:1", "[::1]", "localhost", "wisted.example:9000"] {
        assert_eq!(with_host(name, "GET", "/healthz", "").status, 200, "{name}");
    }
    for name in [
        "evil.example",
        "127.0.0.1.evil.example",
        "",
        "wisted.example.evil.example",
    ] {
        let answer = with_host(name, "GET", "/api/v1/status", "");
        assert!(
            matches!(answer.status, 400 | 421),
            "{name}: {}",
            answer.status
        );
    }
    let answer = admin.raw("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(matches!(answer.status, 400 | 421), "{}", answer.status);
    let form = "Content-Type: text/plain\r\nContent-Length: 0\r\nOrigin: http://localhost\r\n";
    with_host("localhost", "POST", "/api/v1/reload", form).check(403, &["Wisted-Admin"]);
    let preflight = "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n";
    let answer = with_host("localhost", "OPTIONS", "/api/v1/reload", preflight);
    assert_eq!(
        (answer.status, answer.field("access-control-allow-origin")),
        (405, "")
    );
    admin.post("/api/v1/connections/7/kill").check(404, &[]);
    host.finish();
}

#[test]
fn other_machines_are_let_in_only_when_somebody_says_so() {
    let guest = workspace::guest("echo");
    let run = |admin: &str| {
        let arguments = [
            "run".as_ref(),
            guest.as_os_str(),
            "--admin".as_ref(),
            admin.as_ref(),
        ];
        let output = host::run(&arguments);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(run("tcp:0.0.0.0:0").contains("--admin-exposed"));
    assert!(run("ftp:1").contains("unix:/run/wisted.sock"));
    let host = Host::run("echo")
        .arg("--admin-exposed")
        .flag("--admin", "tcp:0.0.0.0:0")
        .start();
    let Admin::Tcp(mut address) = Admin::of(&host) else {
        panic!("it is TCP");
    };
    address.set_ip([127, 0, 0, 1].into());
    assert_eq!(Admin::Tcp(address).get("/healthz").status, 200);
    host.finish();
}

#[test]
fn what_clients_send_too_much_of() {
    let socket = AdminSocket::new();
    let (host, admin) = socket.start(Host::run("echo"));
    let long = format!("X: {}\r\n", "x".repeat(100 << 10));
    assert!(matches!(
        admin.request("GET", "/healthz", &long).status,
        0 | 431
    ));
    let many = "X: y\r\n".repeat(1_000);
    assert!(matches!(
        admin.request("GET", "/healthz", &many).status,
        0 | 431
    ));
    let path = format!("/{}", "x".repeat(100 << 10));
    assert!(matches!(admin.get(&path).status, 0 | 414 | 431));
    let large = format!("Content-Length: {}\r\n\r\n{}", 1 << 20, "x".repeat(1 << 20));
    assert!(matches!(
        admin.request("POST", "/api/v1/reload", &large).status,
        0 | 413
    ));
    let chunked = format!(
        "Transfer-Encoding: chunked\r\n\r\n{}",
        format!("400\r\n{}\r\n", "x".repeat(0x400)).repeat(1_000)
    );
    assert!(matches!(
        admin.request("POST", "/api/v1/reload", &chunked).status,
        0 | 413
    ));
    for garbage in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        assert!(
            matches!(admin.raw(garbage).status, 0 | 400 | 505),
            "{garbage:?}"
        );
    }
    assert_eq!(admin.get("/healthz").status, 200);
    host.finish();
}

/// They hold a place each for some seconds, and then the next one gets it.
#[test]
fn slow_clients_keep_nobody_out() {
    let (host, admin) = over_tcp(Host::run("echo"));
    let Admin::Tcp(address) = admin else {
        panic!("it is TCP");
    };
    let slow: Vec<TcpStream> = (0..80)
        .map(|number| {
            let mut stream = TcpStream::connect(address).expect("the host listens");
            // Some say nothing, some begin, and some read nothing of their answers.
            let text = match number % 3 {
                0 => "",
                1 => "GET /heal",
                _ => "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            };
            stream.write_all(text.as_bytes()).expect("taken");
            stream
        })
        .collect();
    assert_eq!(admin.get("/healthz").status, 200);
    host.connect().check_echo("served meanwhile\n");
    for mut stream in slow {
        stream
            .set_read_timeout(Some(wisted_tests::PATIENCE))
            .expect("a timeout");
        let mut rest = Vec::new();
        // Closed or reset, but ended.
        if let Err(error) = stream.read_to_end(&mut rest) {
            let kind = error.kind();
            assert_eq!(kind, std::io::ErrorKind::ConnectionReset, "{error}");
        }
    }
    assert_eq!(admin.get("/healthz").status, 200);
    host.finish();
}

/// An answer that nobody reads is given up.
#[test]
fn clients_that_read_nothing_are_let_go() {
    let socket = AdminSocket::new();
    let (host, admin) = socket.start(Host::run("echo"));
    let mut stream =
        UnixStream::connect(socket.scratch.path().join("admin.sock")).expect("listens");
    stream
        .set_write_timeout(Some(wisted_tests::PATIENCE))
        .expect("a timeout");
    // Pipelined: the answers fill the socket's buffer.
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000);
    let error = loop {
        if let Err(error) = stream.write_all(request.as_bytes()) {
            break error;
        }
    };
    let kind = error.kind();
    assert!(
        matches!(
            kind,
            std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset
        ),
        "{error}"
    );
    assert_eq!(admin.get("/healthz").status, 200);
    host.finish();
}
