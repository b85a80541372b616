//! Several reactors: peers are spread over them, limits hold for all together, and all of them stop.
#![allow(missing_docs)]

use std::collections::BTreeSet;

use wisted_tests::{Client, End, Host, Neighbours};

/// The reactors on which connections were made, once the host has ended and its log is complete.
fn spread(host: Host) -> BTreeSet<String> {
    let log = host.log().clone();
    host.finish();
    let made = log.so_far().into_iter();
    let made = made.filter(|record| record.mentions(&["connection made"]));
    made.map(|record| record.field("reactor")).collect()
}

#[test]
fn peers_are_served_by_each_in_turn() {
    let host = Host::run("echo")
        .flag("--reactors", "3")
        .flag("--log", "debug")
        .start();
    Neighbours::start(&host, 9).finish();
    assert_eq!(spread(host).len(), 3);
}

#[test]
fn one_instance_for_all_connections_has_one_reactor() {
    let host = Host::run("chat")
        .flag("--reactors", "3")
        .flag("--isolation", "service")
        .flag("--log", "debug")
        .start();
    let mut first = host.connect();
    assert!(first.line().contains("you are 1"));
    assert!(host.connect().line().contains("you are 2"));
    drop(first);
    assert_eq!(spread(host).len(), 1);
}

/// Whichever reactor a connection ends on, the first one learns that it may accept again.
#[test]
fn the_limit_on_connections_holds_for_all_together() {
    let host = Host::run("echo")
        .flag("--reactors", "3")
        .flag("--connections-max", "4")
        .start();
    let mut served: Vec<Client> = (0..4).map(|_| host.connect()).collect();
    served
        .iter_mut()
        .for_each(|client| client.check_echo("served\n"));
    for _ in 0..12 {
        let mut waiting = host.connect();
        waiting.send("in time\n");
        served[0].check_echo("meanwhile\n");
        drop(served.remove(0));
        assert_eq!(waiting.line(), "in time");
        served.push(waiting);
    }
    drop(served);
    host.finish();
}

#[test]
fn a_second_signal_aborts_on_all() {
    let host = Host::run("echo")
        .flag("--reactors", "3")
        .flag("--drain-max", "1h")
        .start();
    let mut clients: Vec<Client> = (0..6).map(|_| host.connect()).collect();
    clients
        .iter_mut()
        .for_each(|client| client.check_echo("served\n"));
    host.signal_to_stop();
    host.wait_for_log("the drain", |record| record.mentions(&["draining"]));
    host.signal_to_stop();
    for client in &mut clients {
        assert!(matches!(client.wait_for_end(), End::Closed | End::Reset));
    }
    let status = host.wait();
    assert_eq!(status.code(), Some(143), "128 and SIGTERM: {status}");
}

fn shared(instances: &str) -> wisted_tests::host::Builder {
    Host::run("chat")
        .flag("--isolation", "service")
        .flag("--instances", instances)
        .flag("--reactors", "2")
        .flag("--log", "debug")
}

/// How many others were in the room that each of so many peers found.
fn rooms(host: &Host, peers: usize) -> Vec<String> {
    let mut everyone: Vec<Client> = Vec::new();
    let mut greetings = Vec::new();
    for _ in 0..peers {
        let mut client = host.connect();
        greetings.push(client.line());
        everyone.push(client);
    }
    greetings
}

#[test]
fn several_shared_instances_take_peers_in_turn() {
    let host = shared("3").start();
    let greetings = rooms(&host, 6);
    for (greeting, place) in greetings.iter().zip([1, 1, 1, 2, 2, 2]) {
        assert!(
            greeting.contains(&format!("you are {place}")),
            "{greetings:?}"
        );
    }
    assert_eq!(spread(host).len(), 2);
}

#[test]
fn the_same_address_gets_the_same_instance() {
    let host = shared("8").flag("--instances-by", "peer").start();
    let greetings = rooms(&host, 3);
    assert!(greetings[2].contains("you are 3"), "{greetings:?}");
    host.finish();
}
