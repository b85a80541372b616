//! Recycling: a service's one instance is succeeded by a new one while peers are served, and they notice nothing.
#![allow(missing_docs)]

use wisted_tests::host::{self, Builder};
use wisted_tests::web::Web;
use wisted_tests::{Client, Host, Neighbours};

fn service(flag: &str, value: &str) -> Builder {
    Host::run("conformance")
        .flag("--isolation", "service")
        .flag(flag, value)
}

/// How often the host has said this.
fn count(host: &Host, words: &str) -> usize {
    let records = host.log().so_far();
    records
        .iter()
        .filter(|record| record.mentions(&[words]))
        .count()
}

fn wait_for(host: &Host, words: &str) {
    let _ = host.wait_for_log(words, |record| record.mentions(&[words]));
}

#[test]
fn old_connections_end_on_the_old_instance_and_new_ones_begin_on_the_new() {
    let host = service("--recycle-after-connections", "2").start();
    let mut old: Vec<Client> = (0..2).map(|_| host.connect()).collect();
    old.iter_mut()
        .for_each(|peer| assert_eq!(peer.ask("line before"), "before"));
    wait_for(&host, "served enough");
    let mut new = host.connect();
    assert_eq!(new.ask("line new"), "new");
    // A timer of the old one still fires, and a handler still sleeps.
    old[0].send("later 20 tea\nsleep 10\n");
    assert_eq!(
        (old[0].line(), old[0].line()),
        ("slept".into(), "later tea".into())
    );
    assert_eq!(old[1].ask("line after"), "after");
    assert_eq!(count(&host, "stopped"), 0);
    drop(old);
    wait_for(&host, "stopped");
    assert_eq!(new.ask("line and on"), "and on");
    drop(new);
    host.finish();
}

#[test]
fn neighbours_notice_nothing_while_instances_come_and_go() {
    let host = service("--recycle-after-connections", "5").start();
    let mut resident = host.connect();
    for round in 0..100 {
        let mut guests: Vec<Client> = (0..3).map(|_| host.connect()).collect();
        for guest in &mut guests {
            assert_eq!(guest.ask("line in"), "in");
        }
        assert_eq!(resident.ask(&format!("line {round}")), round.to_string());
    }
    wait_for(&host, "stopped");
    assert!(count(&host, "served enough") > 20);
    drop(resident);
    host.finish();
}

#[test]
fn calls_are_counted() {
    let host = Host::run("hostile")
        .flag("--isolation", "service")
        .flag("--recycle-after-calls", "1000")
        .start();
    let neighbours = Neighbours::start(&host, 20);
    let mut peers = 0;
    while count(&host, "served enough") < 3 {
        host.connect().check_echo("passing\n");
        peers += 1;
        assert!(peers < 100_000, "it is never recycled");
    }
    neighbours.finish();
    host.finish();
}

#[test]
fn memory_is_looked_at() {
    let web = Web::start();
    let host = service("--recycle-memory", "3MiB")
        .flag("--allow-fetch", web.grant())
        .start();
    let mut greedy = host.connect();
    assert_eq!(greedy.ask("line small"), "small");
    assert_eq!(count(&host, "served enough"), 0);
    let page = web.url("/size/3145728");
    assert_eq!(
        greedy.ask(&format!("fetch-wait {page}")),
        "page 200 3145728"
    );
    wait_for(&host, "served enough");
    // The new one has not grown.
    for _ in 0..10 {
        assert_eq!(host.connect().ask("line small"), "small");
    }
    assert_eq!(
        greedy.ask("line the old one goes on"),
        "the old one goes on"
    );
    assert_eq!(count(&host, "served enough"), 1);
    drop(greedy);
    wait_for(&host, "stopped");
    host.finish();
}

/// Old instances whose connections never end must not fill the memory.
#[test]
fn there_are_only_so_many_old_instances() {
    let host = service("--recycle-after-connections", "1").start();
    let mut peers: Vec<Client> = Vec::new();
    for _ in 0..20 {
        let mut peer = host.connect();
        assert_eq!(peer.ask("line in"), "in");
        peers.push(peer);
    }
    wait_for(
        &host,
        "older instances of the service still have connections",
    );
    peers
        .iter_mut()
        .for_each(|peer| assert_eq!(peer.ask("line still"), "still"));
    drop(peers);
    wait_for(&host, "stopped");
    host.finish();
}

/// A fault of an old instance is its own connections' alone, and the service goes on.
#[test]
fn a_fault_of_an_old_instance() {
    let host = service("--recycle-after-connections", "1").start();
    let mut old = host.connect();
    assert_eq!(old.ask("line old"), "old");
    let mut new = host.connect();
    assert_eq!(new.ask("line new"), "new");
    old.send("trap\n");
    let _ = old.wait_for_end();
    let _ = host.wait_for_complaint(&["data-received"]);
    assert_eq!(new.ask("line unharmed"), "unharmed");
    assert_eq!(host.connect().ask("line newcomer"), "newcomer");
    assert_eq!(count(&host, "will be started again"), 0);
}

#[test]
fn only_a_shared_instance_is_recycled() {
    let output = host::run(&["run", "x.wat", "--recycle-after-calls", "5"]);
    assert!(!output.status.success());
    let output = host::run(&["run", "guests/echo", "--recycle-after-calls", "0"]);
    assert!(!output.status.success());
}
