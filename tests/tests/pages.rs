//! Pages and timers: outcomes that come by callback or are waited for, what is denied, and what a waiting guest delays
//! (nobody).
#![allow(missing_docs)]

use std::time::{Duration, Instant};

use wisted_tests::web::Web;
use wisted_tests::{Host, Neighbours};

fn granted(web: &Web) -> Host {
    let host = Host::run("hostile")
        .flag("--allow-fetch", web.grant())
        .flag("--allow-fetch", web.secure_grant());
    host.flag("--ca", web.authority())
        .flag("--page-max", "1MiB")
        .start()
}

#[test]
fn callbacks_come_in_order_of_arrival() {
    let web = Web::start();
    let host = granted(&web);
    let mut client = host.connect();
    client.send(format!(
        "do get {} {}\n",
        web.url("/slow/first"),
        web.url("/slow/second")
    ));
    web.wait_for("GET /slow/first", 1);
    web.wait_for("GET /slow/second", 1);
    web.release("second");
    assert!(client.line().contains(r#"status=200 length=11"#));
    web.release("first");
    let line = client.line();
    assert!(
        line.contains("length=10") && line.contains(r#"body="slow first""#),
        "{line}"
    );
}

#[test]
fn a_handler_waits_for_two_at_once() {
    let web = Web::start();
    let host = granted(&web);
    let mut client = host.connect();
    client.send(format!(
        "do wait {} {}\n",
        web.url("/slow/first"),
        web.url("/slow/second")
    ));
    // A write before a wait goes out.
    assert_eq!(client.line(), "waiting");
    web.wait_for("GET /slow/first", 1);
    web.wait_for("GET /slow/second", 1);
    web.release("second");
    web.release("first");
    let (first, second) = (client.line(), client.line());
    assert!(first.contains(r#"body="slow first""#), "{first}");
    assert!(second.contains(r#"body="slow second""#), "{second}");
    client.check_echo("and goes on\n");
}

#[test]
fn a_waiting_handler_delays_nobody() {
    let web = Web::start();
    let host = granted(&web);
    let mut waiting = host.connect();
    let neighbours = Neighbours::start(&host, 5);
    waiting.send(format!("do wait {}\nqueued behind", web.url("/slow/page")));
    assert_eq!(waiting.line(), "waiting");
    web.wait_for("GET /slow/page", 1);
    let mut other = host.connect();
    (0..100).for_each(|_| other.check_echo("meanwhile\n"));
    web.release("page");
    assert!(waiting.line().contains(r#"body="slow page""#));
    neighbours.finish();
}

#[test]
fn a_sleeping_handler_delays_nobody() {
    const SLEEP: Duration = Duration::from_secs(3);
    let host = Host::run("hostile").start();
    for action in ["sleep", "std-sleep"] {
        let mut sleeper = host.connect();
        let mut other = host.connect();
        let begun = Instant::now();
        sleeper.send(format!("do {action} {}\n", SLEEP.as_millis()));
        (0..20).for_each(|_| other.check_echo("meanwhile\n"));
        let served = begun.elapsed();
        assert!(sleeper.line().starts_with("slept"));
        let slept = begun.elapsed();
        assert!(slept >= SLEEP, "{action}: slept only {slept:?}");
        assert!(
            served < SLEEP,
            "{action}: others were served after {served:?}"
        );
    }
}

#[test]
fn timers() {
    let host = Host::run("hostile").start();
    let mut client = host.connect();
    assert!(client.ask("do later 1").starts_with("fired "));
    assert_eq!(client.ask("do wait-timer 1"), "waited Ok(())");
    assert_eq!(client.ask("do sleep 1"), "slept Ok(())");
    assert!(client.ask("do later 0").starts_with("fired "));
}

#[test]
fn denied_unless_granted() {
    let web = Web::start();
    let host = Host::run("hostile").start();
    let mut client = host.connect();
    let line = client.ask(&format!("do get {}", web.url("/fixed")));
    assert!(
        line.contains("Denied") && line.contains("--allow-fetch"),
        "{line}"
    );
    assert!(line.contains("127.0.0.1"), "it says what to grant: {line}");
    assert!(web.seen().is_empty());
}

#[test]
fn a_grant_for_one_port_is_not_one_for_another() {
    let web = Web::start();
    let host = Host::run("hostile")
        .flag("--allow-fetch", web.grant())
        .start();
    let line = host
        .connect()
        .ask(&format!("do get {}", web.secure_url("/fixed")));
    assert!(line.contains("Denied"), "{line}");
    assert!(
        host.connect()
            .ask(&format!("do get {}", web.url("/fixed")))
            .contains("a fixed page")
    );
}

#[test]
fn https() {
    let web = Web::start();
    let host = granted(&web);
    let mut client = host.connect();
    let line = client.ask(&format!("do get {}", web.secure_url("/version")));
    assert!(
        line.contains("status=200") && line.contains("HTTP/2"),
        "{line}"
    );
    let line = client.ask(&format!("do get {}", web.url("/version")));
    assert!(line.contains("HTTP/1.1"), "{line}");
}

#[test]
fn https_from_an_unknown_authority() {
    let web = Web::start();
    let host = Host::run("hostile")
        .flag("--allow-fetch", web.secure_grant())
        .start();
    let line = host
        .connect()
        .ask(&format!("do get {}", web.secure_url("/fixed")));
    assert!(line.contains("Tls"), "{line}");
}

#[test]
fn whole_requests_and_every_status() {
    let web = Web::start();
    let host = granted(&web);
    let mut client = host.connect();
    assert!(
        client
            .ask(&format!("do post {}", web.url("/echo")))
            .contains("POST marked a body")
    );
    let line = client.ask(&format!("do get {}", web.url("/nowhere")));
    assert!(
        line.contains("status=404") && line.contains("no such page"),
        "{line}"
    );
    let line = client.ask("do get not a url");
    assert!(line.contains("InvalidRequest"), "{line}");
}

#[test]
fn pages_that_are_too_large() {
    let web = Web::start();
    let host = granted(&web);
    let mut client = host.connect();
    assert!(
        client
            .ask(&format!("do get {}", web.url("/size/1048576")))
            .contains("length=1048576")
    );
    for path in ["/size/1048577", "/endless"] {
        let line = client.ask(&format!("do get {}", web.url(path)));
        assert!(line.contains("TooLarge(1048576)"), "{path}: {line}");
    }
}

#[test]
fn redirects() {
    let web = Web::start();
    let host = granted(&web);
    let mut client = host.connect();
    let to = |target: &str| format!("do get {}", web.url(&format!("/redirect?{target}")));
    let target = web.secure_url("/fixed");
    let line = client.ask(&to(&target));
    assert!(
        line.contains("a fixed page") && line.contains(&format!("url={target}")),
        "{line}"
    );
    let line = client.ask(&to("http://127.0.0.1:1/secret"));
    assert!(
        line.contains("Denied"),
        "a redirect is granted no more than its start: {line}"
    );
    let line = client.ask(&format!("do get {}", web.url("/loop")));
    assert!(line.contains("TooManyRedirects"), "{line}");
}

#[test]
fn slow_pages_time_out() {
    let web = Web::start();
    let host = Host::run("hostile")
        .flag("--allow-fetch", web.grant())
        .flag("--fetch-timeout-max", "200ms")
        .start();
    let line = host
        .connect()
        .ask(&format!("do get {}", web.url("/slow/never")));
    assert!(line.contains("Timeout"), "{line}");
}

#[test]
fn more_pages_than_may_be_fetched_at_once_wait_their_turn() {
    let web = Web::start();
    let host = Host::run("hostile")
        .flag("--allow-fetch", web.grant())
        .flag("--fetches-max", "1")
        .start();
    let mut client = host.connect();
    client.send(format!(
        "do get {} {}\n",
        web.url("/slow/first"),
        web.url("/fixed")
    ));
    web.wait_for("GET /slow/first", 1);
    (0..20).for_each(|_| client.check_echo("meanwhile\n"));
    assert_eq!(web.seen(), ["GET /slow/first"]);
    web.release("first");
    assert!(client.line().contains("slow first"));
    assert!(client.line().contains("a fixed page"));
}

#[test]
fn a_lost_connection_ends_the_wait() {
    let web = Web::start();
    let host = granted(&web);
    let mut client = host.connect();
    client.send(format!("do wait {}\n", web.url("/slow/never")));
    web.wait_for("GET /slow/never", 1);
    client.reset();
    host.wait_for_log("the wait's end", |record| {
        record.mentions(&["wait ended", "ConnectionLost"])
    });
    host.wait_for_log("the connection's end", |record| {
        record.mentions(&["connection 1 lost"])
    });
    // Its owner has gone, and so has the request.
    web.wait_for("aborted /slow/never", 1);
}

#[test]
fn a_lost_connection_ends_sleep_and_fetches() {
    let web = Web::start();
    let host = granted(&web);
    let mut sleeper = host.connect();
    sleeper.send("do sleep 4294967295\n");
    let mut fetcher = host.connect();
    fetcher.send(format!("do get {}\n", web.url("/slow/never")));
    web.wait_for("GET /slow/never", 1);
    sleeper.reset();
    fetcher.reset();
    web.wait_for("aborted /slow/never", 1);
    host.connect().check_echo("and goes on\n");
    host.finish();
}

#[test]
fn cancelled_pages_never_come() {
    let web = Web::start();
    let host = granted(&web);
    let mut client = host.connect();
    assert_eq!(
        client.ask(&format!("do cancel-page {}", web.url("/fixed"))),
        "cancelled true"
    );
    assert!(
        client
            .ask(&format!("do get {}", web.url("/size/3")))
            .contains("length=3")
    );
}

/// The tutorial's program: both fetches begin at once, and the callbacks come in order of arrival after two naps.
#[test]
fn the_tutorial() {
    let web = Web::start();
    web.release("second");
    let (first, second) = (web.url("/slow/first"), web.url("/slow/second"));
    let host = Host::run("pages")
        .flag("--allow-fetch", web.grant())
        .config("url1", &first)
        .config("url2", &second)
        .start();
    let mut client = host.connect();
    let mut other = host.connect();
    client.send("go\n");
    other.send("go\n");
    web.wait_for("GET /slow/first", 2);
    web.wait_for("GET /slow/second", 2);
    for peer in [&mut client, &mut other] {
        assert_eq!(peer.line(), "done");
        assert_eq!(peer.line(), format!("{second} 11"));
    }
    web.release("first");
    assert_eq!(client.line(), format!("{first} 10"));
    assert_eq!(other.line(), format!("{first} 10"));
    let record = host.wait_for_log("the page's text", |record| {
        record.mentions(&["11 bytes", "slow second"])
    });
    assert!(
        !record.field("service").is_empty() && !record.field("connection").is_empty(),
        "{}",
        record.line
    );
    assert_eq!(client.ask("wait"), format!("{first} 10"));
    assert_eq!(client.line(), format!("{second} 11"));
    assert_eq!(client.line(), "done");
}
