//! Instances that rest: their memory is packed, which the operating system notices and neither they nor their peers do.
#![allow(missing_docs)]

use serde_json::Value;

use wisted_tests::serve::{puppet, service};
use wisted_tests::{Admin, Client, Serving, workspace};

/// The configuration of a host with one reactor and these services.
fn config(services: &str) -> String {
    let host = "[host]\nreactors = 1\n\n[admin]\nlisten = \"tcp:127.0.0.1:0\"\n\n";
    host.to_owned() + services
}

/// Such a host.
fn serving(services: &str) -> (Serving, Admin) {
    let serving = Serving::start(&config(services));
    let admin = Admin::of(&serving);
    (serving, admin)
}

const SOON: &str = "pack_memory_after = \"100ms\"";

/// Waits until so many instances of the only service rest, after more than so many calls: what the host says may be a little
/// old. Returns how many calls there were.
#[track_caller]
fn wait_for_rest(admin: &Admin, count: u64, after: u64) -> u64 {
    let calls = |service: &Value| service["calls"].as_u64().expect("a number");
    let service = admin.wait_for(&format!("{count} at rest"), |service| {
        packed(service) == count && calls(service) > after
    });
    calls(&service)
}

fn packed(service: &Value) -> u64 {
    service["instances_packed"].as_u64().expect("a number")
}

/// What the puppet says of what it keeps.
fn kept(client: &mut Client) -> String {
    client.ask("do kept")
}

#[test]
fn what_a_guest_keeps_is_there_again() {
    let (host, admin) = serving(&puppet("puppet", SOON));
    let mut client = host.peer_of("puppet");
    assert_eq!(client.ask("do keep words 16"), "kept");
    // Of this nothing is packed: it would not get smaller.
    assert_eq!(client.ask("do keep noise 12"), "kept");
    assert_eq!(client.ask("do keep words 4"), "kept");
    let before = kept(&mut client);
    assert!(before.starts_with("32768 bytes: "), "{before}");
    let mut calls = 0;
    for _ in 0..3 {
        calls = wait_for_rest(&admin, 1, calls);
        assert_eq!(kept(&mut client), before);
    }
    drop(client);
    host.finish();
}

#[test]
fn a_shared_instance_that_never_waits_rests_too() {
    let resp = service(
        "resp",
        &workspace::guest("resp"),
        &format!("isolation = \"service\"\nlimits = {{ {SOON} }}"),
    );
    let (host, admin) = serving(&resp);
    let mut client = host.peer_of("resp");
    for number in 0..50 {
        client.send(format!("SET key:{number} value:{number}\r\n"));
        assert_eq!(client.line(), "+OK");
    }
    wait_for_rest(&admin, 1, 0);
    let mut other = host.peer_of("resp");
    for number in (0..50).rev() {
        other.send(format!("GET key:{number}\r\n"));
        let value = format!("value:{number}");
        assert_eq!(other.line(), format!("${}", value.len()));
        assert_eq!(other.line(), value);
    }
    drop((client, other));
    host.finish();
}

#[test]
fn memory_of_those_that_rest_is_the_system_s() {
    const CONNECTIONS: usize = 1_000;
    /// A page less what is left of its contents, compressed.
    const FREED_BYTES: u64 = 2_000;
    let guest = workspace::guest("echo");
    let echo = |limit: &str| service("echo", &guest, &format!("limits = {{ {limit} }}"));
    let (host, admin) = serving(&echo("pack_memory_after = \"none\""));
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| host.peer_of("echo")).collect();
    for client in &mut clients {
        client.check_echo([b'x'; 64]);
    }
    // To be asked takes memory, too.
    assert_eq!(packed(&admin.service()), 0);
    let awake = host.memory_bytes();
    host.reload(&config(&echo(SOON)));
    wait_for_rest(&admin, CONNECTIONS as u64, 0);
    let at_rest = host.memory_bytes();
    assert!(
        at_rest + FREED_BYTES * (CONNECTIONS as u64) < awake,
        "{at_rest} bytes at rest, {awake} awake"
    );
    for client in &mut clients {
        client.check_echo([b'y'; 64]);
    }
    drop(clients);
    // Those that rest when their peer goes are told as well.
    admin.wait_for("empty", |service| service["instances"] == 0);
    host.finish();
}

#[test]
fn who_has_much_memory_stays_awake() {
    let (host, admin) = serving(&puppet("puppet", SOON));
    let mut large = host.peer_of("puppet");
    assert_eq!(large.ask("do keep words 200"), "kept");
    let before = kept(&mut large);
    // It has the next place, and rests later.
    let mut small = host.peer_of("puppet");
    small.check_echo("here\n");
    let calls = wait_for_rest(&admin, 1, 0);
    small.check_echo("awake\n");
    wait_for_rest(&admin, 1, calls);
    assert_eq!(kept(&mut large), before);
    drop((large, small));
    host.finish();
}

#[test]
fn who_is_told_not_to_rest_does_not() {
    let never = puppet("always-awake", "pack_memory_after = \"none\"");
    let (host, admin) = serving(&(never + &puppet("puppet", SOON)));
    let mut awake = host.peer_of("always-awake");
    let mut resting = host.peer_of("puppet");
    awake.check_echo("here\n");
    resting.check_echo("here\n");
    let status = || admin.json("/api/v1/status")["services"].clone();
    admin.wait_for("at rest", |_| packed(&status()[1]) == 1);
    assert_eq!(packed(&status()[0]), 0);
    awake.check_echo("still\n");
    drop((awake, resting));
    host.finish();
}

#[test]
fn a_handler_that_waits_keeps_its_memory() {
    let (host, admin) = serving(&puppet("puppet", SOON));
    let mut waiting = host.peer_of("puppet");
    assert_eq!(waiting.ask("do keep words 20"), "kept");
    let before = kept(&mut waiting);
    waiting.send("do sleep 2500\n");
    let mut other = host.peer_of("puppet");
    other.check_echo("here\n");
    wait_for_rest(&admin, 1, 0);
    assert_eq!(waiting.line(), "slept Ok(())");
    assert_eq!(kept(&mut waiting), before);
    drop((waiting, other));
    host.finish();
}

#[test]
fn a_timer_wakes_who_rests() {
    let (host, admin) = serving(&puppet("puppet", SOON));
    let mut client = host.peer_of("puppet");
    assert_eq!(client.ask("arm timer-fired kept"), "armed");
    client.send("do later 3000\n");
    wait_for_rest(&admin, 1, 0);
    assert!(client.line().starts_with("0 bytes: "));
    drop(client);
    host.finish();
}
