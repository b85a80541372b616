//! Traces: what a collector is told of connections, fetches and failures, and what a collector that is slow or gone costs (nobody
//! anything).
#![allow(missing_docs)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use wisted_tests::collector::{Answers, Sent};
use wisted_tests::host::Builder;
use wisted_tests::serve::{places, puppet, service};
use wisted_tests::web::Web;
use wisted_tests::{Admin, Collector, End, Host, Serving, workspace};

const ERROR: i32 = 2;

/// How far apart two looks at clocks may be on a shared machine, in nanoseconds.
const SLACK_NS: u64 = 100_000_000;

/// How long a host may take to stop when the collector hangs: what is promised, and time for a shared machine. Waiting for the
/// request to be given up would take longer.
const EXIT_MAX: Duration = Duration::from_secs(8);

fn traced(collector: &Collector) -> Builder {
    Host::run("hostile").flag("--otlp-endpoint", collector.url())
}

fn is_connection(span: &Sent) -> bool {
    span.kind == SpanKind::Server as i32
}

fn is_fetch(span: &Sent) -> bool {
    span.kind == SpanKind::Client as i32
}

fn now_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.expect("after 1970").as_nanos()).expect("before 2554")
}

#[test]
fn a_connection_is_a_span() {
    let collector = Collector::start();
    let host = traced(&collector)
        .variable(
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test",
        )
        .start();
    let before = now_nanos();
    let mut client = host.connect();
    let peer = client.stream().local_addr().expect("connected");
    client.check_echo("twelve bytes");
    let lasted = Instant::now();
    assert!(client.ask("do later 1").starts_with("fired"));
    let lasted = lasted.elapsed();
    drop(client);

    let span = collector.wait_for("the connection", is_connection);
    assert_eq!(span.name, "hostile");
    assert!(span.start_time_unix_nano >= before && span.end_time_unix_nano <= now_nanos());
    assert!(span.took() >= lasted, "{:?}, {lasted:?}", span.took());
    assert!(span.parent_span_id.is_empty() && span.status_code() == 0);
    for (key, expected) in [
        ("network.transport", "tcp".to_owned()),
        ("network.peer.address", peer.ip().to_string()),
        ("network.peer.port", peer.port().to_string()),
        ("server.address", host.address().ip().to_string()),
        ("server.port", host.address().port().to_string()),
        ("wisted.service", "hostile".to_owned()),
        ("wisted.connection.reason", "done".to_owned()),
        ("wisted.connection.received_bytes", "23".to_owned()),
        ("wisted.guest.timers", "1".to_owned()),
        ("wisted.guest.fetches", "0".to_owned()),
        ("error.type", String::new()),
    ] {
        assert_eq!(span.attribute(key), expected, "{key}");
    }
    assert!(span.attribute("wisted.guest.calls").parse::<u32>().unwrap() >= 4);
    assert!(
        span.attribute("wisted.guest.busy_seconds")
            .parse::<f64>()
            .unwrap()
            > 0.0
    );
    assert_eq!(span.of_sender("service.name"), "wisted");
    assert_eq!(span.of_sender("service.version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(span.of_sender("deployment.environment.name"), "test");
    host.finish();
}

#[test]
fn fetches_are_parts_of_their_connection() {
    let (collector, web) = (Collector::start(), Web::start());
    for isolation in ["connection", "service"] {
        let host = traced(&collector)
            .flag("--isolation", isolation)
            .flag("--allow-fetch", web.grant())
            .variable("OTEL_SERVICE_NAME", isolation)
            .start();
        // One more connection, whose trace is another one.
        host.connect().check_echo("hello\n");
        let mut client = host.connect();
        assert!(
            client
                .ask(&format!("do get {}", web.url("/fixed")))
                .contains("status=200")
        );
        assert!(
            client
                .ask(&format!("do get {}", web.url("/missing?sig=x")))
                .contains("status=404")
        );
        let denied = client.ask("do get http://wisted.test/");
        assert!(denied.contains("Denied"), "{denied}");
        drop(client);
        host.finish();

        let spans: Vec<Sent> = collector
            .spans()
            .into_iter()
            .filter(|span| span.of_sender("service.name") == isolation)
            .collect();
        let fetch = |url: &str| {
            let of_url = |span: &&Sent| is_fetch(span) && span.attribute("url.full") == url;
            spans
                .iter()
                .find(of_url)
                .unwrap_or_else(|| panic!("no fetch of {url}"))
        };
        let (found, missing) = (
            fetch(&web.url("/fixed")),
            fetch(&web.url("/missing?sig=REDACTED")),
        );
        let denied = fetch("http://wisted.test/");
        let connection = spans
            .iter()
            .find(|span| is_connection(span) && span.span_id == found.parent_span_id)
            .expect("the connection of the fetch");
        assert_eq!(connection.attribute("wisted.guest.fetches"), "3");
        for part in [found, missing, denied] {
            assert_eq!(part.trace_id, connection.trace_id);
            assert_eq!(part.parent_span_id, connection.span_id);
            // Time of day and duration are read one after the other, and something may come between.
            assert!(part.start_time_unix_nano + SLACK_NS >= connection.start_time_unix_nano);
            assert!(part.end_time_unix_nano <= connection.end_time_unix_nano + SLACK_NS);
        }
        assert_eq!(found.name, "GET");
        assert_eq!(found.attribute("http.response.status_code"), "200");
        assert_eq!(found.attribute("http.response.body.size"), "12");
        assert_eq!(found.attribute("server.address"), "127.0.0.1");
        assert_eq!(found.status_code(), 0);
        assert_eq!(missing.attribute("error.type"), "404");
        assert_eq!(missing.status_code(), ERROR);
        assert_eq!(denied.attribute("error.type"), "denied");
        let other = spans.iter().filter(|span| is_connection(span));
        let mut traces: Vec<_> = other.map(|span| &span.trace_id).collect();
        traces.dedup();
        assert_eq!(traces.len(), 2);
        for (part, path) in [(found, "/fixed"), (missing, "/missing")] {
            web.wait_for(
                &format!("GET {path} traceparent: {}", part.traceparent()),
                1,
            );
        }
    }
}

#[test]
fn a_cancelled_fetch_is_a_span() {
    let (collector, web) = (Collector::start(), Web::start());
    let host = traced(&collector)
        .flag("--allow-fetch", web.grant())
        .start();
    let mut client = host.connect();
    client.send(format!("do get {}\n", web.url("/slow/never")));
    web.wait_for("GET /slow/never", 1);
    drop(client);
    let fetch = collector.wait_for("the fetch", is_fetch);
    assert_eq!(fetch.attribute("error.type"), "cancelled");
    assert_eq!(fetch.attribute("http.response.status_code"), "");
    host.finish();
}

#[test]
fn a_trap_is_an_exception_of_its_connection() {
    let collector = Collector::start();
    let host = traced(&collector).start();
    let mut bystander = host.connect();
    let mut client = host.connect();
    client.send("do trap\n");
    assert_eq!(client.wait_for_end(), End::Reset);
    let span = collector.wait_for("the trap", is_connection);
    assert_eq!(
        span.attribute("wisted.connection.reason"),
        "the guest failed"
    );
    assert_eq!(span.attribute("error.type"), "trap");
    assert_eq!(span.attribute("wisted.guest.handler"), "data-received");
    assert_eq!(span.status_code(), ERROR);
    assert_eq!(span.of_event("exception", "exception.type"), "trap");
    let message = span.of_event("exception", "exception.message");
    assert!(message.contains("unreachable"), "{message}");
    let trace = span.of_event("exception", "exception.stacktrace");
    assert!(trace.contains("hostile::perform"), "{trace}");
    bystander.check_echo("unharmed\n");
    drop(bystander);
    host.finish();
}

#[test]
fn the_failure_of_a_shared_instance_is_a_span_that_its_connections_link_to() {
    let collector = Collector::start();
    let host = traced(&collector).flag("--isolation", "service").start();
    let mut bystander = host.connect();
    bystander.check_echo("before\n");
    let mut client = host.connect();
    client.send("do trap\n");
    assert_eq!(client.wait_for_end(), End::Reset);
    assert_eq!(bystander.wait_for_end(), End::Reset);
    let failure = collector.wait_for("the failure", |span| span.name == "hostile failed");
    assert_eq!(failure.kind, SpanKind::Internal as i32);
    assert_eq!(failure.of_event("exception", "exception.type"), "trap");
    host.finish();
    let ended: Vec<_> = collector
        .spans()
        .into_iter()
        .filter(is_connection)
        .collect();
    assert_eq!(ended.len(), 2);
    for span in ended {
        assert_eq!(span.status_code(), ERROR);
        assert!(span.events.is_empty());
        assert_eq!(span.links[0].span_id, failure.span_id);
    }
}

#[test]
fn nothing_is_sent_of_what_is_not_sampled() {
    let (collector, web) = (Collector::start(), Web::start());
    let (url, grant) = (collector.url(), web.grant());
    let mut config = format!("[telemetry]\notlp_endpoint = \"{url}\"\nsample_ratio = 0\n\n");
    let grant = format!("allow_fetch = [\"{grant}\"]");
    config += &service("puppet", &workspace::guest("hostile"), &grant);
    let host = Serving::start(&config);
    let mut client = host.peer_of("puppet");
    assert!(
        client
            .ask(&format!("do get {}", web.url("/fixed")))
            .contains("status=200")
    );
    client.send("do trap\n");
    assert_eq!(client.wait_for_end(), End::Reset);
    host.finish();
    assert_eq!(collector.requests(), 0);
    // Whoever comes next is told that this trace is not sampled.
    let seen = web.seen();
    let traceparent = seen.iter().find(|one| one.contains("traceparent"));
    assert!(
        traceparent.is_some_and(|one| one.ends_with("-00")),
        "{seen:?}"
    );
}

#[test]
fn nothing_is_sent_unless_configured() {
    let (collector, web) = (Collector::start(), Web::start());
    let host = Host::run("hostile")
        .flag("--allow-fetch", web.grant())
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", "")
        .start();
    let mut client = host.connect();
    assert!(
        client
            .ask(&format!("do get {}", web.url("/fixed")))
            .contains("status=200")
    );
    drop(client);
    host.finish();
    assert_eq!(web.seen(), ["GET /fixed"]);
    assert_eq!(collector.requests(), 0);
}

#[test]
fn an_absent_collector_costs_one_warning() {
    let absent = format!("http://{}", places(1)[0]);
    let host = Host::run("hostile")
        .flag("--otlp-endpoint", &absent)
        .start();
    host.connect().check_echo("first\n");
    let record = host.wait_for_complaint(&["collector takes no spans"]);
    assert!(record.mentions(&["refused", &absent]), "{}", record.line);
    for _ in 0..20 {
        host.connect().check_echo("served as ever\n");
    }
    let log = host.log().clone();
    let begun = Instant::now();
    host.finish();
    assert!(begun.elapsed() < EXIT_MAX, "{:?}", begun.elapsed());
    let complaints = log
        .so_far()
        .into_iter()
        .filter(|record| record.is_complaint());
    assert_eq!(complaints.count(), 1, "{}", log.tail());
}

#[test]
fn a_collector_that_hangs_delays_neither_serving_nor_the_exit() {
    let collector = Collector::that(Answers::Hangs);
    let host = traced(&collector).start();
    host.connect().check_echo("first\n");
    collector.wait_for_requests(1);
    for _ in 0..100 {
        host.connect().check_echo("served as ever\n");
    }
    let begun = Instant::now();
    host.finish();
    assert!(begun.elapsed() < EXIT_MAX, "{:?}", begun.elapsed());
}

#[test]
fn a_collector_that_comes_back_gets_what_is_new() {
    let collector = Collector::that(Answers::Refuses);
    let host = traced(&collector)
        .flag("--admin", "tcp:127.0.0.1:0")
        .start();
    host.connect().check_echo("lost\n");
    let record = host.wait_for_complaint(&["collector takes no spans"]);
    assert!(record.mentions(&["503"]), "{}", record.line);
    collector.answer(Answers::Takes);
    host.connect().check_echo("told\n");
    host.wait_for_log("the collector", |record| {
        record.mentions(&["takes spans again"])
    });
    let metrics = Admin::of(&host).get("/metrics").body;
    assert!(
        metrics.contains("\nwisted_trace_spans_dropped_total 1\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\nwisted_trace_spans_sent_total 1\n"),
        "{metrics}"
    );
    assert_eq!(collector.spans().len(), 1);
    host.finish();
}

#[test]
fn starts_and_reloads_are_spans_and_other_settings_take_a_new_process() {
    let collector = Collector::start();
    let serving = |more: &str, ratio: &str| {
        format!(
            "[telemetry]\nsample_ratio = {ratio}\n\n{}{more}",
            puppet("one", "")
        )
    };
    let host = Serving::start_in(
        wisted_tests::host::Scratch::new(),
        &serving("", "1"),
        |builder| builder.variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
    );
    let start = collector.wait_for("the start", |span| span.name == "start");
    assert_eq!(start.attribute("wisted.services.added"), "one");
    host.reload(&serving(&puppet("two", ""), "0.5"));
    host.wait_for_complaint(&["[telemetry]", "new process"]);
    let reload = collector.wait_for("the reload", |span| span.name == "reload");
    assert_eq!(reload.attribute("wisted.services.added"), "two");
    assert_eq!(reload.status_code(), 0);
    host.reload("[services]\nnonsense = 1\n");
    let failed = collector.wait_for("the failed reload", |span| span.status_code() == ERROR);
    assert_eq!(failed.attribute("error.type"), "reload_failed");
    host.finish();
}

#[test]
fn what_is_no_collector_is_refused() {
    let component = workspace::guest("hostile");
    let component = component.to_str().expect("UTF-8");
    let output = wisted_tests::host::run(&["run", component, "--otlp-endpoint", "localhost:4318"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("not the URL of a web server"),
        "{said}"
    );
}
