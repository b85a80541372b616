//! Files with mistakes, and what is said about them; files without, and what they mean.

use std::path::Path;
use std::time::Duration;

use super::*;

/// Where the files of these tests stand: with the guests' components beside them.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tests/fixtures");

fn draft(text: &str) -> Draft {
    let variable = |name: &str| match name {
        "TOKEN" => Some("s3cret".into()),
        "XDG_RUNTIME_DIR" => Some("/run/user/7".into()),
        _ => None,
    };
    let outside = Outside {
        variable: &variable,
    };
    let path = Path::new(FOLDER).join("wisted.toml");
    Config::parse(&path, text.to_owned(), &outside).unwrap_or_else(|problems| panic!("{problems}"))
}

fn read(text: &str) -> Config {
    draft(text)
        .finish()
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// Each problem as `LINE:COLUMN MESSAGE | HINT`.
fn wrong(text: &str) -> Vec<String> {
    let Draft { config, problems } = draft(text);
    let problems = config.problems(problems);
    let problem = |(line, column, problem): (usize, usize, &Problem)| {
        format!("{line}:{column} {} | {}", problem.message, problem.hint)
    };
    problems.iter().map(problem).collect()
}

/// What is said about a service that has nothing wrong but these lines, the first of which is line 4.
fn wrong_in_service(lines: &str) -> Vec<String> {
    wrong(&format!(
        "[services.echo]\ncomponent = \"echo.wat\"\nlisten = \"tcp:0\"\n{lines}\n"
    ))
}

#[track_caller]
fn says(said: &[String], expected: &[&str]) {
    let fits = said.len() == expected.len()
        && said
            .iter()
            .zip(expected)
            .all(|(said, expected)| said.starts_with(expected));
    assert!(fits, "{said:#?}\nis not\n{expected:#?}");
}

const LEAST: &str = "[services.echo]\ncomponent = \"echo.wat\"\nlisten = \"tcp:0\"\n";

#[test]
fn the_least_has_the_defaults() {
    let config = read(LEAST);
    assert_eq!(config.host, HostConfig::default());
    assert_eq!(config.log.filter, "info");
    assert!(config.log.access);
    let admin = AdminEndpoint::Unix("/run/user/7/wisted.sock".into());
    assert_eq!(config.admin, Some(admin));
    assert_eq!(config.telemetry, TelemetryConfig::default());
    let [service] = config.services.as_slice() else {
        panic!("one service");
    };
    assert_eq!(
        (service.name.as_str(), service.isolation),
        ("echo", Isolation::Connection)
    );
    assert_eq!(service.component, Path::new(FOLDER).join("echo.wat"));
    assert_eq!(service.listen, ["tcp:0".parse().unwrap()]);
    assert_eq!(service.limits, Limits::default());
}

#[test]
fn services_inherit_the_defaults_key_by_key() {
    let config = read(
        r#"
        [defaults]
        isolation = "service"
        instances = 4
        config = { colour = "red", size = "1" }
        allow_fetch = ["example.org"]
        [defaults.recycle]
        after_calls = 100
        memory = "32MiB"
        [defaults.limits]
        memory_max = "16MiB"
        idle_max = "5m"
        cpu_share_max = 0.25
        [services.z]
        component = "echo.wat"
        listen = ["tcp:0", "tcp:127.0.0.1:0"]
        config = { colour = "${TOKEN}" }
        recycle = { after_calls = 7 }
        limits = { idle_max = "none", read_bytes_per_second_max = "1MiB" }
        allow_fetch = []
        [services.a]
        component = "./echo.wat"
        listen = "tcp:0"
        isolation = "connection"
        "#,
    );
    let [z, a] = config.services.as_slice() else {
        panic!("two services, in the order of the file");
    };
    assert_eq!((z.name.as_str(), a.name.as_str()), ("z", "a"));
    assert_eq!((z.instances.get(), z.listen.len()), (4, 2));
    assert_eq!(
        z.recycle,
        Recycle {
            after_calls: Some(7),
            after_connections: None,
            memory_bytes: Some(32 << 20),
        }
    );
    let values: Vec<_> = z
        .config
        .iter()
        .map(|(key, value)| (key.as_str(), value.reveal()))
        .collect();
    assert_eq!(values, [("colour", "s3cret"), ("size", "1")]);
    assert!(z.grants.is_empty() && !a.grants.is_empty());
    assert_eq!(
        z.limits,
        Limits {
            memory_max_bytes: 16 << 20,
            cpu_share_max_permille: NonZero::new(250),
            read_bytes_per_second_max: NonZero::new(1 << 20),
            ..Limits::default()
        }
    );
    // What is inherited and makes no sense for it counts nothing.
    assert_eq!((a.instances.get(), a.recycle), (1, Recycle::default()));
    assert_eq!(a.limits.idle_max, Some(Duration::from_secs(300)));
}

#[test]
fn limits_that_follow_are_raised_and_others_fit_the_host() {
    let config = read(&format!(
        "{LEAST}[services.echo.limits]\npage_max = \"64MiB\"\nwrite_buffer_max = \"64MiB\"\n\
         [host]\nconnections_max = 100\ninstance_memory_max = \"1MiB\"\n"
    ));
    let limits = &config.services[0].limits;
    assert_eq!(
        (limits.pages_held_max_bytes, limits.outbox_max_bytes),
        (64 << 20, 64 << 20)
    );
    assert_eq!(
        (limits.connections_max, limits.memory_max_bytes),
        (100, 1 << 20)
    );
}

#[test]
fn a_service_is_another_one_when_anything_of_it_differs() {
    let one = read(LEAST);
    let moved = read(&format!("# a comment\n{LEAST}[log]\nformat = \"json\"\n"));
    assert_eq!(one.services, moved.services);
    let changed = read(&format!("{LEAST}config = {{ a = \"1\" }}\n"));
    assert_ne!(one.services, changed.services);
}

#[test]
fn secrets_are_shown_to_nobody() {
    let config = read(&format!("{LEAST}config = {{ a = \"-${{TOKEN}}-\" }}\n"));
    assert_eq!(config.services[0].config[0].1.reveal(), "-s3cret-");
    assert!(!format!("{config:#?}").contains("s3cret"));
}

#[test]
fn a_syntax_error_has_its_place() {
    for (text, place) in [
        ("[services.echo]\nlisten = \n", "wisted.toml:2:"),
        ("[host", "wisted.toml:1:"),
        ("a = 1\na = 2\n", "wisted.toml:2:1"),
    ] {
        let outside = Outside {
            variable: &|_| None,
        };
        let problems = Config::parse(Path::new("wisted.toml"), text.to_owned(), &outside);
        let problems = problems.expect_err(text);
        assert_eq!(problems.len(), 1);
        assert!(problems.to_string().contains(place), "{problems}");
    }
}

#[test]
fn keys_and_types() {
    says(
        &wrong_in_service("isolatoin = \"service\"\nallow_fetch = \"example.org\"\nca_files = [1]"),
        &[
            "4:1 `isolatoin` is unknown here | did you mean `isolation`?",
            "5:15 expected a list, found a text | write it in brackets",
            "6:13 expected a path, found a number | write it in quotes",
        ],
    );
    says(
        &wrong_in_service(
            "colour = 1\n[service.b]\n[log]\naccess = \"no\"\nformat = \"xml\"\nfilter = \"info,[\"",
        ),
        &[
            "4:1 `colour` is unknown here | there are component, listen, isolation",
            "5:2 `service` is unknown here | did you mean `services`?",
            "7:10 expected true or false, found a text",
            "8:10 `xml` is not a log format | it is one of text, json",
            "9:10 ",
        ],
    );
    says(
        &wrong("services = 1\nhost = []\n"),
        &[
            "1:12 expected a table, found a number",
            "2:8 expected a table, found a list",
        ],
    );
}

#[test]
fn units_and_ranges() {
    says(
        &wrong_in_service(
            "[services.echo.limits]\nmemory_max = \"64MB\"\nidle_max = \"0s\"\nlifetime_max = 5\n\
             cpu_share_max = 25\nconnections_max = 0\nfetches_max = 1.5\nmemory_max2 = true\n\
             accepts_per_second_max = \"many\"",
        ),
        &[
            "5:14 \"MB\" is not a unit of size | write 65536, 64KiB, 4MiB or 1GiB",
            "6:12 it cannot be zero: nothing would get through | write \"none\" for no limit",
            "7:16 expected a duration, found a number | write 100ms, 2s, 5m or 1h, or \"none\" for no limit",
            "8:17 25 is not a share of one reactor's CPU time | write a fraction such as 0.25",
            "9:19 0 is out of range | it may be from 1 to 100000",
            "10:15 expected a whole number, found a fraction",
            "11:1 `memory_max2` is unknown here | did you mean `memory_max`?",
            "12:26 expected a whole number, found a text | write \"none\" for no limit",
        ],
    );
}

#[test]
fn limits_that_contradict_each_other() {
    says(
        &wrong_in_service(
            "limits = { idle_max = \"2h\", connections_per_peer_max = 20_000 }\n\
             [defaults.limits]\nlifetime_max = \"1h\"\nwrite_buffer_low = \"1MiB\"\n\
             [services.other]\ncomponent = \"echo.wat\"\nlisten = \"tcp:0\"\nlimits.memory_max = \"2GiB\"\n\
             [host]\ninstance_memory_max = \"1GiB\"",
        ),
        &[
            "4:23 `idle_max` (2h) is more than `lifetime_max` (60m)",
            "4:56 `connections_per_peer_max` (20000) is more than `connections_max` (10000)",
            // Both services inherit it, and it is said once.
            "7:20 `write_buffer_low` (1MiB) is more than `write_buffer_high` (64KiB)",
            "11:21 `memory_max` is more than `instance_memory_max` in [host]",
        ],
    );
    says(
        &wrong_in_service("limits.connections_max = 200\n[host]\nconnections_max = 100"),
        &["4:26 `connections_max` (200) is more than all services together may have (100)"],
    );
}

#[test]
fn options_that_make_no_sense_together() {
    says(
        &wrong_in_service("instances = 2\nrecycle = { after_calls = 1 }"),
        &[
            "4:13 `instances` makes sense only with isolation = \"service\"",
            "5:11 `recycle` makes sense only with isolation = \"service\"",
        ],
    );
    assert!(wrong_in_service("isolation = \"service\"\ninstances = 2").is_empty());
}

#[test]
fn ports_that_clash() {
    let file = |one: &str, other: &str| {
        wrong(&format!(
            "[services.a]\ncomponent = \"echo.wat\"\nlisten = {one}\n\
             [services.b]\ncomponent = \"echo.wat\"\nlisten = {other}\n"
        ))
    };
    for (one, other) in [
        ("\"tcp:8000\"", "\"tcp:8000\""),
        ("\"tcp:8000\"", "\"tcp:127.0.0.1:8000\""),
        ("\"tcp:[::]:8000\"", "\"tcp:127.0.0.1:8000\""),
        ("\"tcp:[::1]:8000\"", "\"tcp:[::]:8000\""),
        ("\"tcp:8000\"", "\"tcp:[::]:8000\""),
        ("\"tcp:1\"", "[\"tcp:2\", \"tcp:1\"]"),
        ("[\"tcp:1\", \"tcp:1\"]", "\"tcp:2\""),
    ] {
        let said = file(one, other);
        assert_eq!(said.len(), 1, "{one} {other}: {said:?}");
        assert!(said[0].contains(" clashes with "), "{said:?}");
        assert!(said[0].contains("wisted.toml:3:1"), "{said:?}");
    }
    for (one, other) in [
        ("\"tcp:0\"", "\"tcp:0\""),
        ("\"tcp:8000\"", "\"tcp:8001\""),
        ("\"tcp:8000\"", "\"tcp:[::1]:8000\""),
        ("\"tcp:127.0.0.1:8000\"", "\"tcp:127.0.0.2:8000\""),
    ] {
        assert!(file(one, other).is_empty(), "{one} {other}");
    }
    says(
        &wrong(&format!(
            "{}[admin]\nlisten = \"tcp:127.0.0.1:90\"",
            LEAST.replace("tcp:0", "tcp:90")
        )),
        &["5:10 tcp:127.0.0.1:90 clashes with tcp:0.0.0.0:90 of the service echo"],
    );
}

#[test]
fn what_is_missing() {
    says(
        &wrong(
            "[services.a]\nlisten = \"tcp:0\"\n[services.b]\ncomponent = \"gone.wasm\"\n\
             ca_files = [\"gone.pem\"]\nconfig = { a = \"${GONE}\", b = \"file:gone\", c = 1 }\n",
        ),
        &[
            "1:11 the service a has no component",
            "4:13 the component ",
            "5:13 ",
            "6:16 the environment has no variable GONE",
            "6:31 ",
            "6:48 expected a text, found a number",
        ],
    );
    says(&wrong(""), &["1:1 there are no services"]);
    says(&wrong("[services]\n"), &["1:1 there are no services"]);
    says(
        &wrong(&format!(
            "{LEAST}[services.\"a b\"]\ncomponent = \"echo.wat\"\n"
        )),
        &["4:11 `a b` cannot be a service's name"],
    );
}

#[test]
fn grants_and_endpoints() {
    says(
        &wrong_in_service(
            "allow_fetch = [\"example.org\", \"https://example.org\", \"*\"]\n[services.b]\n\
             component = \"echo.wat\"\nlisten = [\"8000\", \"tcp:0\", \"tcp:x\"]\n[services.c]\n\
             component = \"echo.wat\"\nlisten = []",
        ),
        &[
            "4:31 cannot grant `https://example.org`",
            "4:54 cannot grant `*`",
            "7:11 endpoint \"8000\": an endpoint begins with its kind",
            "7:28 endpoint \"tcp:x\": the port \"x\" is not a number",
            "10:10 the list is empty",
        ],
    );
}

#[test]
fn admin_and_telemetry() {
    let admin = |listen: &str| draft(&format!("{LEAST}[admin]\nlisten = \"{listen}\"\n"));
    for (listen, expected) in [
        ("off", None),
        ("unix:/run/w.sock", Some("unix:/run/w.sock".to_owned())),
        ("unix:w.sock", Some(format!("unix:{FOLDER}/w.sock"))),
        ("tcp:127.0.0.1:9100", Some("tcp:127.0.0.1:9100".to_owned())),
        ("tcp:9100", Some("tcp:127.0.0.1:9100".to_owned())),
    ] {
        let admin = admin(listen).finish().expect(listen).admin;
        assert_eq!(admin.map(|admin| admin.to_string()), expected);
    }
    for (listen, problem) in [
        (
            "tcp:0.0.0.0:9100",
            "0.0.0.0:9100 can be reached by other machines",
        ),
        ("tcp:no", "is not a number"),
        ("9100", "\"9100\" is not an admin endpoint"),
        (
            &format!("unix:/{}", "x".repeat(107)),
            "a socket's at most 107",
        ),
    ] {
        let error = admin(listen).finish().expect_err(listen).to_string();
        assert!(error.contains(problem), "{error}");
    }
    let remote = format!("{LEAST}[admin]\nlisten = \"tcp:0.0.0.0:9100\"\nallow_remote = true\n");
    assert!(matches!(read(&remote).admin, Some(AdminEndpoint::Tcp(_))));
    let telemetry = |url: &str| wrong(&format!("{LEAST}[telemetry]\notlp_endpoint = \"{url}\"\n"));
    assert!(telemetry("http://127.0.0.1:4318").is_empty());
    says(
        &telemetry("127.0.0.1"),
        &["5:17 it is not the URL of a web server"],
    );
    let ratio = |ratio: &str| format!("{LEAST}[telemetry]\nsample_ratio = {ratio}\n");
    for (written, expected) in [("0", 0.0), ("0.25", 0.25), ("1", 1.0)] {
        assert_eq!(read(&ratio(written)).telemetry.sample_ratio, expected);
    }
    for written in ["-0.1", "1.01", "2", "nan"] {
        says(
            &wrong(&ratio(written)),
            &[&format!("5:16 {written} is out of range")],
        );
    }
    says(
        &wrong(&ratio("\"all\"")),
        &["5:16 expected a ratio, found a text"],
    );
}

#[test]
fn the_schema_and_the_reference_have_every_limit() {
    let schema: serde_json::Value = serde_json::from_str(&reference::schema()).unwrap();
    let limits = schema["$defs"]["LimitsTable"]["properties"]
        .as_object()
        .unwrap();
    assert_eq!(limits["memory_max"]["default"], "64MiB");
    assert_eq!(limits["idle_max"]["default"], "none");
    assert_eq!(limits["call_cpu_max"]["default"], "100ms");
    let reference = reference::sections();
    for key in limits.keys() {
        assert!(reference.contains(&format!("| `{key}` |")), "{key}");
    }
}

/// What the schema and the reference name as a default is read as exactly that.
#[test]
fn written_defaults_are_the_defaults() {
    let schema: serde_json::Value = serde_json::from_str(&reference::schema()).unwrap();
    let limits = schema["$defs"]["LimitsTable"]["properties"]
        .as_object()
        .unwrap();
    let written = limits
        .iter()
        .map(|(key, limit)| format!("{key} = {}\n", limit["default"]));
    let written = format!(
        "{LEAST}[services.echo.limits]\n{}",
        written.collect::<String>()
    );
    assert_eq!(read(&written).services, read(LEAST).services);
}

proptest::proptest! {
    #[test]
    fn no_file_panics(lines in proptest::collection::vec(
        "(\\[(host|log|admin|defaults|services\\.[ab]|defaults.limits|services.a.(limits|recycle|config))\\]|\
         (listen|component|memory_max|idle_max|reactors|config|isolation|a|cpu_share_max) = \
         (\"(tcp:[0-9]{1,6}|\\$\\{[A-Z}]{0,3}|file:|[0-9]{1,25}(MiB|s|x)?|service)\"|-?[0-9]{1,25}|[0-9]\\.[0-9]|\
         true|\\[[0-9]?\\]|\\{\\}|nan|1979-05-27))", 0..12)
    ) {
        let outside = Outside { variable: &|_| None };
        if let Ok(draft) = Config::parse(Path::new("/no/wisted.toml"), lines.join("\n"), &outside) {
            let _ = draft.finish().map_err(|problems| problems.to_string());
        }
    }
}
