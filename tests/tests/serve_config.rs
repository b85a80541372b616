//! `wisted serve wisted.toml` and `wisted check wisted.toml`: many services in one host, and what is wrong with a file.
#![allow(missing_docs)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use wisted_tests::host::{self, Scratch};
use wisted_tests::programs::program;
use wisted_tests::{Client, Host, workspace};

const ECHO: &str = include_str!("fixtures/echo.wat");
const TOKEN: &str = "t0ken-of-the-environment";
const PASSWORD: &str = "passw0rd-of-a-file";

/// What `wisted check FILE` says: its exit code, its standard output, and its standard error.
fn check(file: &Path) -> (Option<i32>, String, String) {
    let output = host::run(&["check".as_ref(), file.as_os_str()]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stderr);
    assert!(!said.contains("panicked at"), "{said}");
    (output.status.code(), text(&output.stdout), said)
}

/// The line and the message of each problem.
fn problems(said: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = said.lines().collect();
    let place = |line: &str| -> Option<usize> {
        let place = line.trim_start().strip_prefix("--> ")?;
        place.rsplit(':').nth(1)?.parse().ok()
    };
    let mut problems = Vec::new();
    let mut message = String::new();
    for line in lines {
        match (line.strip_prefix("error: "), place(line)) {
            (Some(text), _) => message = text.to_owned(),
            (_, Some(number)) => problems.push((number, message.clone())),
            _ => {}
        }
    }
    problems
}

#[track_caller]
fn reports(said: &str, expected: &[(usize, &str)]) {
    let found = problems(said);
    assert_eq!(found.len(), expected.len(), "{said}");
    for ((line, message), (expected_line, words)) in found.iter().zip(expected) {
        assert_eq!(line, expected_line, "{words}:\n{said}");
        assert!(message.contains(words), "{words:?} is not in {message:?}");
    }
    let count = format!("error: {} problem", expected.len());
    assert!(said.contains(&count), "{said}");
}

#[test]
fn fifty_services_of_three_components_answer() {
    let scratch = Scratch::new();
    let text = scratch.file("echo.wat", ECHO);
    let (echo, hostile) = (workspace::guest("echo"), workspace::guest("hostile"));
    let components = [text, echo, hostile];
    let mut config = String::new();
    for number in 0..50 {
        let component = components[number % 3].display();
        let isolation = ["connection", "service"][number % 2];
        write!(
            config,
            "[services.s{number}]\ncomponent = \"{component}\"\nlisten = \"tcp:127.0.0.1:0\"\nisolation = \"{isolation}\"\n"
        )
        .expect("memory");
    }
    let file = scratch.file("wisted.toml", config);
    let host = Host::serve(&file).start();
    let names: Vec<_> = (0..50).map(|number| format!("s{number}")).collect();
    let mut clients: Vec<_> = names
        .iter()
        .map(|name| Client::connect(host.address_of(name)))
        .collect();
    for (client, name) in clients.iter_mut().zip(&names) {
        client.check_echo(format!("{name}\n"));
    }
    let ready = host
        .stdout()
        .wait_for(|record| record.mentions(&["50 services on", "ready after"]));
    assert!(ready.is_some(), "{}", host.stdout().tail());
    drop(clients);
    host.finish();
}

#[test]
fn ten_mistakes_are_ten_problems() {
    let scratch = Scratch::new();
    scratch.file("echo.wat", ECHO);
    let file = scratch.file(
        "wisted.toml",
        r#"[host]
reactors = 0

[defaults.limits]
memory_max = "64MB"
write_buffer_low = "1MiB"

[services.one]
component = "echo.wat"
listen = ["tcp:8000", "tcp:127.0.0.1:80000"]
isolatoin = "service"

[services.two]
component = "echo.wat"
listen = "tcp:127.0.0.1:8000"
instances = 4
ca_files = ["gone.pem"]

[services.three]
component = "gone.wasm"
listen = "tcp:8003"
config = { token = "${WISTED_TESTS_NO_SUCH_VARIABLE}" }
"#,
    );
    let (code, stdout, said) = check(&file);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    reports(
        &said,
        &[
            (2, "0 is out of range"),
            (5, "\"MB\" is not a unit of size"),
            (
                6,
                "`write_buffer_low` (1MiB) is more than `write_buffer_high` (64KiB)",
            ),
            (10, "the port 80000 is not between 0 and 65535"),
            (11, "`isolatoin` is unknown here"),
            (
                15,
                "tcp:127.0.0.1:8000 clashes with tcp:0.0.0.0:8000 of the service one",
            ),
            (
                16,
                "`instances` makes sense only with isolation = \"service\"",
            ),
            (17, "gone.pem cannot be read"),
            (20, "gone.wasm cannot be opened"),
            (
                22,
                "the environment has no variable WISTED_TESTS_NO_SUCH_VARIABLE",
            ),
        ],
    );
    assert!(said.contains("= help: did you mean `isolation`?"), "{said}");
    // Serving begins with the same.
    let output = host::run(&["serve".as_ref(), file.as_os_str()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), said);
}

#[test]
fn components_that_do_not_suit_are_told_with_the_rest() {
    let scratch = Scratch::new();
    scratch.file("echo.wat", ECHO);
    scratch.file("nothing.wat", "(component)");
    scratch.file("module.wat", "(module)");
    scratch.file("bad.pem", "no certificate");
    scratch.file("empty/README", "");
    let program = workspace::guest("kingslayer");
    let file = scratch.file(
        "wisted.toml",
        format!(
            r#"[services.nothing]
component = "nothing.wat"
[services.module]
component = "module.wat"
listen = "tcp:0"
[services.program]
component = "{program}"
listen = "tcp:8000"
[services.silent]
component = "echo.wat"
[services.folder]
component = "empty"
listen = "tcp:0"
[services.pem]
component = "echo.wat"
listen = "tcp:0"
ca_files = ["bad.pem"]
limits.memory_max = "lots"
"#,
            program = program.display()
        ),
    );
    let (code, _, said) = check(&file);
    assert_eq!(code, Some(1));
    reports(
        &said,
        &[
            (2, "nothing.wat cannot be served"),
            (4, "module.wat cannot be served"),
            (8, "is a program: it has no `data-received`"),
            (9, "it serves connections, and listens nowhere"),
            (12, "empty cannot be built"),
            (17, "is not usable"),
            (18, "\"lots\" is not a unit of size"),
        ],
    );
    assert!(
        said.contains("func(connection: connection-id, data: list<u8>)"),
        "{said}"
    );
}

#[test]
fn what_is_right_is_summed_up() {
    let scratch = Scratch::new();
    scratch.file("echo.wat", ECHO);
    let file = scratch.file(
        "wisted.toml",
        "[services.a]\ncomponent = \"echo.wat\"\nlisten = \"tcp:0\"\n\
         [services.b]\ncomponent = \"./echo.wat\"\nlisten = [\"tcp:8001\", \"tcp:[::1]:8002\"]\n",
    );
    let (code, stdout, said) = check(&file);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert_eq!(stdout, "2 services, 3 endpoints: no problems\n");
    let (code, _, said) = check(&scratch.path().join("gone.toml"));
    assert_eq!(code, Some(1));
    assert!(said.contains("gone.toml cannot be read"), "{said}");
}

#[test]
fn secrets_reach_the_guest_and_nobody_else() {
    let scratch = Scratch::new();
    scratch.file("secrets/password", format!("{PASSWORD}\n"));
    let component = workspace::guest("hostile");
    // The compiler's own records are many, and know nothing of secrets.
    let compiled = host::run(&["compile".as_ref(), component.as_os_str()]);
    assert!(compiled.status.success());
    let text = format!(
        "[defaults]\ncomponent_is_here = false\n[services.s]\ncomponent = \"{}\"\nlisten = \"tcp:127.0.0.1:0\"\n\
         config = {{ token = \"<${{WISTED_TESTS_TOKEN}}>\", password = \"file:secrets/password\", plain = \"seen\" }}\n",
        component.display()
    );
    let right = text.replace("component_is_here = false\n", "");
    let file = scratch.file("wisted.toml", right);
    let host = Host::serve(&file)
        .variable("WISTED_TESTS_TOKEN", TOKEN)
        .flag("--log", "debug")
        .start();
    let answer = host.connect().ask("do config");
    for value in [format!("<{TOKEN}>"), PASSWORD.to_owned(), "seen".to_owned()] {
        assert!(
            answer.contains(&format!("{value:?}")),
            "{value} is not in {answer}"
        );
    }
    // What is logged about a trap names everything that is known.
    host.connect().send("do trap\n");
    host.wait_for_log("the trap", |record| {
        record.level() == "ERROR" || record.level() == "WARN"
    });
    let said = [host.stdout().tail(), host.log().tail()].concat();
    let everything: String = host
        .log()
        .so_far()
        .iter()
        .map(|record| record.line.clone())
        .collect();
    for secret in [TOKEN, PASSWORD] {
        assert!(
            !said.contains(secret) && !everything.contains(secret),
            "{said}"
        );
    }
    host.finish();
    // A mistake beside them.
    let file = scratch.file("wrong.toml", text);
    let mut command = host::wisted(&["check".as_ref(), file.as_os_str()]);
    let output = command
        .env("WISTED_TESTS_TOKEN", TOKEN)
        .output()
        .expect("wisted runs");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(
        said.contains("`component_is_here` is unknown here"),
        "{said}"
    );
    assert!(!said.contains(TOKEN) && !said.contains(PASSWORD), "{said}");
}

#[test]
fn programs_run_beside_services() {
    let scratch = Scratch::new();
    let echo = scratch.file("echo.wat", ECHO);
    let program = workspace::guest("kingslayer");
    let file = scratch.file(
        "wisted.toml",
        format!(
            "[services.king]\ncomponent = \"{}\"\n[services.echo]\ncomponent = \"{}\"\nlisten = \"tcp:127.0.0.1:0\"\n",
            program.display(),
            echo.display()
        ),
    );
    let host = Host::serve(&file).start();
    host.wait_for_log("the program", |record| {
        record.mentions(&["draws his sword"])
    });
    Client::connect(host.address_of("echo")).check_echo("still here\n");
    host.finish();
}

#[test]
fn the_limits_of_a_service_are_its_own() {
    let scratch = Scratch::new();
    let component = workspace::guest("hostile");
    let file = scratch.file(
        "wisted.toml",
        format!(
            "[host]\nreactors = 1\n[defaults]\nlimits.call_cpu_max = \"20ms\"\n\
             [services.short]\ncomponent = \"{0}\"\nlisten = \"tcp:127.0.0.1:0\"\n\
             [services.small]\ncomponent = \"{0}\"\nlisten = \"tcp:127.0.0.1:0\"\nlimits.memory_max = \"2MiB\"\n\
             limits.call_cpu_max = \"10s\"\n",
            component.display()
        ),
    );
    let host = Host::serve(&file).start();
    let mut spinning = Client::connect(host.address_of("short"));
    spinning.send("do spin\n");
    host.wait_for_complaint(&["short", "20"]);
    let mut bomb = Client::connect(host.address_of("small"));
    bomb.send("do bomb\n");
    host.wait_for_complaint(&["small", "memory"]);
    Client::connect(host.address_of("small")).check_echo("well\n");
    host.finish();
}

#[test]
fn a_component_that_begins_with_more_memory_than_its_service_may_have_is_found() {
    let scratch = Scratch::new();
    let component = workspace::guest("echo");
    let file = scratch.file(
        "wisted.toml",
        format!(
            "[services.large]\ncomponent = \"{0}\"\nlisten = \"tcp:127.0.0.1:0\"\n\
             [services.small]\ncomponent = \"{0}\"\nlisten = \"tcp:127.0.0.1:0\"\nlimits.memory_max = \"512KiB\"\n",
            component.display()
        ),
    );
    let (code, _, said) = check(&file);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("more memory from the start")
            && said.contains("1048576 bytes, above 524288")
            && said.contains("`memory_max` in its limits")
            && said.contains("wisted.toml:5:")
            && said.contains("1 problem"),
        "{said}"
    );
}

#[test]
fn the_example_is_right() {
    let example = workspace::root().join("deploy/wisted.toml");
    let (code, stdout, said) = check(&example);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        stdout.contains("4 services, 5 endpoints: no problems"),
        "{stdout}"
    );
}

/// An editor that has the schema says what `wisted check` says.
#[test]
fn the_schema_knows_right_from_wrong() {
    let scratch = Scratch::new();
    let printed = host::run(&["check", "--schema"]);
    let schema = scratch.file("schema.json", printed.stdout);
    let validator = program("jsonschema", "python3-jsonschema");
    let complaint = |config: &str| {
        let config: serde_json::Value = toml::from_str(config).expect("TOML");
        let instance = scratch.file("instance.json", config.to_string());
        let mut command = Command::new(&validator);
        let command = command.arg("--instance").args([&instance, &schema]);
        let output = command.output().expect("jsonschema runs");
        (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let example = std::fs::read_to_string(workspace::root().join("deploy/wisted.toml"));
    assert_eq!(complaint(&example.expect("readable")), None);
    for (wrong, words) in [
        ("[services.a]\nlisten = \"tcp:0\"", "component"),
        (
            "[services.a]\ncomponent = \"a.wasm\"\nisolatoin = \"service\"",
            "isolatoin",
        ),
        (
            "[services.a]\ncomponent = \"a.wasm\"\nisolation = \"none\"",
            "none",
        ),
        (
            "[services.a]\ncomponent = \"a.wasm\"\nlimits.memory_max = \"64MB\"",
            "64MB",
        ),
        (
            "[services.a]\ncomponent = \"a.wasm\"\nlimits.memory_max = \"none\"",
            "none",
        ),
        (
            "[services.a]\ncomponent = \"a.wasm\"\nlimits.cpu_share_max = 25",
            "25",
        ),
        ("[services]\n[host]\nreactors = 100", "100"),
        ("[log]\nformat = \"text\"", "services"),
    ] {
        let said = complaint(wrong).unwrap_or_else(|| panic!("{wrong} is right"));
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
}
