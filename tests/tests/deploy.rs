//! deploy/: what systemd, a container and Kubernetes are given is valid, agrees with itself, and is what the host does when a
//! service manager starts it.
#![allow(missing_docs)]

#[path = "deploy/managed.rs"]
mod managed;
#[path = "deploy/units.rs"]
mod units;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use units::values;
use wisted_tests::host::{self, Scratch};
use wisted_tests::packages;
use wisted_tests::workspace::root;

const ECHO: &str = include_str!("fixtures/echo.wat");

/// The oldest Kubernetes that knows everything in the manifests, and the newest whose schemas there are.
const KUBERNETES: [&str; 2] = ["1.30", "1.37"];

fn deploy(path: &str) -> PathBuf {
    root().join("deploy").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(deploy(path)).unwrap_or_else(|error| panic!("deploy/{path}: {error}"))
}

fn run(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// A configuration as TOML, after `wisted check` has found it right with a component where it says that there is one.
#[track_caller]
fn checked(text: &str) -> toml::Table {
    let scratch = Scratch::new();
    let component = scratch.file("echo.wat", ECHO);
    let installed = "\"/srv/wisted/echo.wasm\"";
    assert!(text.contains(installed), "{text}");
    let here = text.replace(installed, &format!("\"{}\"", component.display()));
    let file = scratch.file("wisted.toml", here);
    let output = host::run(&["check".as_ref(), file.as_os_str()]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output), "1 service, 1 endpoint: no problems\n");
    text.parse().expect("TOML")
}

/// A number of seconds, as `"20s"` or `45`.
fn seconds(value: &str) -> u32 {
    let number = value.trim_end_matches('s').parse();
    number.unwrap_or_else(|_| panic!("{value:?} is no number of seconds"))
}

fn drain_max_s(config: &toml::Table) -> u32 {
    seconds(config["host"]["drain_max"].as_str().expect("a duration"))
}

/// A guest may still run for so long after the drain, if the configuration does not say otherwise.
const FAREWELL_MAX_S: u32 = 5;

fn port(config: &toml::Table) -> u64 {
    let endpoint = config["services"]["echo"]["listen"].as_str();
    let port = endpoint.and_then(|endpoint| endpoint.strip_prefix("tcp:"));
    port.and_then(|port| port.parse().ok()).expect("a port")
}

fn admin_port(config: &toml::Table) -> u64 {
    let endpoint = config["admin"]["listen"].as_str().expect("an endpoint");
    let port = endpoint
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    port.expect("a port")
}

#[test]
fn units_agree_with_their_configuration() {
    let (service, socket) = (
        read("systemd/wisted.service"),
        read("systemd/wisted.socket"),
    );
    let config = checked(&read("systemd/wisted.toml"));
    let limit = |key| seconds(values(&service, key)[0]);
    assert!(limit("TimeoutStopSec") > drain_max_s(&config) + FAREWELL_MAX_S);
    assert!(limit("WatchdogSec") > drain_max_s(&config));
    let listening = format!("0.0.0.0:{}", port(&config));
    assert_eq!(values(&socket, "ListenStream"), [listening]);
    let runtime = values(&service, "RuntimeDirectory")[0];
    let admin = format!("unix:/run/{runtime}/wisted.sock");
    assert_eq!(config["admin"]["listen"].as_str(), Some(admin.as_str()));
}

#[test]
fn the_container_is_described_well() {
    let file = deploy("container/Containerfile");
    let output = run(Command::new(packages::hadolint().join("hadolint"))
        .arg("--no-color")
        .arg(&file));
    assert!(output.status.success(), "{}", said(&output));
    let config = checked(&read("container/wisted.toml"));
    let text = read("container/Containerfile");
    let has = |line: &str| assert!(text.lines().any(|found| found == line), "no line {line:?}");
    has(&format!("EXPOSE {}", port(&config)));
    has(&format!(
        "ENV WISTED_ADMIN=tcp:127.0.0.1:{}",
        admin_port(&config)
    ));
    // The one compiler of the workspace.
    let toolchain = fs::read_to_string(root().join("rust-toolchain.toml")).expect("readable");
    let toolchain: toml::Table = toolchain.parse().expect("TOML");
    let version = toolchain["toolchain"]["channel"].as_str().expect("a text");
    has(&format!("ARG RUST_VERSION={version}"));
}

/// The manifests by their kind, kustomization.yaml too.
fn manifests() -> HashMap<String, Value> {
    // What validates them reads YAML, too.
    let to_json = "import json, sys, yaml\n\
                   print(json.dumps([yaml.safe_load(open(path)) for path in sys.argv[1:]]))";
    let python = packages::kubernetes_validate().join("python");
    let output = run(Command::new(python)
        .args(["-c", to_json])
        .args(manifest_files())
        .arg(deploy("kubernetes/kustomization.yaml")));
    assert!(output.status.success(), "{}", said(&output));
    let manifests: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let kind = |manifest: &Value| manifest["kind"].as_str().expect("a kind").to_owned();
    manifests.into_iter().map(|one| (kind(&one), one)).collect()
}

/// The files that kustomization.yaml is not.
fn manifest_files() -> Vec<PathBuf> {
    let entries = fs::read_dir(deploy("kubernetes")).expect("a folder");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.retain(|path| !path.ends_with("kustomization.yaml"));
    files.sort();
    files
}

#[test]
fn the_manifests_are_valid() {
    let validate = packages::kubernetes_validate().join("kubernetes-validate");
    for version in KUBERNETES {
        let output = run(Command::new(&validate)
            .args(["--strict", "--kubernetes-version", version])
            .args(manifest_files()));
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        let passed = said.lines().filter(|line| line.contains(" passed "));
        assert_eq!(passed.count(), manifest_files().len(), "{said}");
    }
    // It finds what is wrong.
    let scratch = Scratch::new();
    let text = read("kubernetes/deployment.yaml").replace("replicas: 2", "replicsa: 2");
    let wrong = scratch.file("deployment.yaml", text);
    let output = run(Command::new(&validate).arg("--strict").arg(wrong));
    assert!(!output.status.success(), "{}", said(&output));
}

#[test]
fn manifests_agree_with_their_configuration() {
    let manifests = manifests();
    let config = &manifests["ConfigMap"];
    let text = config["data"]["wisted.toml"].as_str().expect("a text");
    let config = checked(text);
    let pod = &manifests["Deployment"]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];

    let ports = container["ports"].as_array().expect("a list");
    let ports: HashMap<&str, u64> = ports
        .iter()
        .filter_map(|port| Some((port["name"].as_str()?, port["containerPort"].as_u64()?)))
        .collect();
    let expected = [("echo", port(&config)), ("admin", admin_port(&config))];
    assert_eq!(ports, HashMap::from(expected));
    assert_eq!(config["admin"]["allow_remote"].as_bool(), Some(true));
    let scraped = &manifests["Deployment"]["spec"]["template"]["metadata"]["annotations"];
    let scraped = scraped["prometheus.io/port"].as_str();
    assert_eq!(scraped, Some(admin_port(&config).to_string().as_str()));
    for (probe, path) in [
        ("startupProbe", "/readyz"),
        ("readinessProbe", "/readyz"),
        ("livenessProbe", "/healthz"),
    ] {
        let get = &container[probe]["httpGet"];
        assert_eq!(
            (&get["path"], &get["port"]),
            (&path.into(), &"admin".into())
        );
    }
    let service = manifests["Service"]["spec"]["ports"].as_array();
    let service: Vec<_> = service.into_iter().flatten().collect();
    assert!(
        service.iter().all(|port| port["targetPort"] == "echo"),
        "the admin port is nobody's service"
    );
    assert_eq!(service[0]["port"].as_u64(), Some(port(&config)));

    let number = |value: &Value| u32::try_from(value.as_u64().expect("a number")).expect("small");
    let grace = number(&pod["terminationGracePeriodSeconds"]);
    let pre_stop = number(&container["lifecycle"]["preStop"]["sleep"]["seconds"]);
    assert!(grace > pre_stop + drain_max_s(&config) + FAREWELL_MAX_S);

    let labels = &manifests["Deployment"]["spec"]["selector"]["matchLabels"];
    assert!(labels.is_object());
    let spec = |kind: &str| &manifests[kind]["spec"];
    for selector in [
        &spec("Service")["selector"],
        &spec("PodDisruptionBudget")["selector"]["matchLabels"],
        &spec("NetworkPolicy")["podSelector"]["matchLabels"],
        &spec("Deployment")["template"]["metadata"]["labels"],
    ] {
        assert_eq!(selector, labels);
    }

    // The image's user, its folders and its version.
    let file = read("container/Containerfile");
    let user = number(&pod["securityContext"]["runAsUser"]);
    assert!(file.contains(&format!("\nUSER {user}:{user}\n")));
    let mounts = container["volumeMounts"].as_array().expect("a list");
    let cache = mounts.iter().find(|mount| mount["name"] == "cache");
    let cache = cache.and_then(|mount| mount["mountPath"].as_str());
    let cache = cache.expect("a path");
    assert!(file.contains(&format!("\nVOLUME [\"{cache}\"]\n")));
    let kustomization = &manifests["Kustomization"];
    let version = kustomization["images"][0]["newTag"].as_str();
    assert_eq!(version, Some(env!("CARGO_PKG_VERSION")));
    let listed = kustomization["resources"].as_array().expect("a list");
    let listed: BTreeSet<_> = listed.iter().filter_map(Value::as_str).collect();
    let files = manifest_files();
    let files = files.iter().filter_map(|path| path.file_name()?.to_str());
    assert_eq!(listed, files.collect());
}
