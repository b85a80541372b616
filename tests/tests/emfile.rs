//! A host without file descriptors left: it accepts nobody for a while, says so once, and goes on when it has some again.
#![allow(missing_docs)]

use wisted_tests::{Client, Host};

#[test]
fn out_of_descriptors() {
    let host = Host::run("hostile").descriptors_max(100).start();
    // More than fit; the rest waits in the kernel's queue.
    let mut served: Vec<Client> = (0..120).map(|_| host.connect()).collect();
    let mut waiting = served.split_off(80);
    let is_about_descriptors = |line: &str| {
        let line = line.to_lowercase();
        ["descriptor", "too many open files", "emfile"]
            .iter()
            .any(|words| line.contains(words))
    };
    host.wait_for_log("descriptors", |record| {
        record.is_complaint() && is_about_descriptors(&record.line)
    });
    // The first are served as ever, also while accepting is tried again several times.
    assert_eq!(served[0].ask("do sleep 500"), "slept Ok(())");
    served[1].check_echo("undisturbed\n");
    let complaints = host
        .log()
        .so_far()
        .into_iter()
        .filter(|record| record.is_complaint());
    let complaints = complaints
        .filter(|record| is_about_descriptors(&record.line))
        .count();
    assert_eq!(
        complaints,
        1,
        "logged once, not at each attempt:\n{}",
        host.log().tail()
    );
    drop(served);
    for client in &mut waiting {
        client.check_echo("at last\n");
    }
    drop(waiting);
    host.finish();
}

/// The service's own limit does the same, without any shortage.
#[test]
fn out_of_connections() {
    let host = Host::run("hostile").flag("--connections-max", "3").start();
    let mut served: Vec<Client> = (0..3).map(|_| host.connect()).collect();
    served
        .iter_mut()
        .for_each(|client| client.check_echo("served\n"));
    let mut waiting = host.connect();
    waiting.send("in time\n");
    served
        .iter_mut()
        .for_each(|client| client.check_echo("still served\n"));
    drop(served.pop());
    assert_eq!(waiting.line(), "in time");
}
