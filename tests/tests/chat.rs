//! Isolation `service`: one instance serves everyone. The chat guest, and what a trap in such an instance means.
#![allow(missing_docs)]

use wisted_tests::{Client, End, Host};

/// Reads lines until one has the words.
fn hear(client: &mut Client, words: &str) {
    while !client.line().contains(words) {}
}

#[test]
fn everyone_hears_everyone() {
    let host = Host::run("chat").flag("--isolation", "service").start();
    let join = |_| {
        let mut speaker = host.connect();
        hear(&mut speaker, "you are");
        speaker
    };
    let mut people: Vec<Client> = (0..5).map(join).collect();
    for speaker in 0..people.len() {
        let words = format!("words of number {speaker}");
        people[speaker].send(format!("{words}\n"));
        for listener in (0..people.len()).filter(|listener| *listener != speaker) {
            hear(&mut people[listener], &words);
        }
    }
    drop(people.pop());
    hear(&mut people[1], "5 left");
    people[0].send("still here\n");
    hear(&mut people[1], "still here");
    drop(people);
    host.finish();
}

#[test]
fn in_isolation_everyone_is_alone_in_the_room() {
    let host = Host::run("chat").start();
    for _ in 0..3 {
        assert!(host.connect().line().contains("you are 1, with 0 others"));
    }
}

#[test]
fn a_trap_restarts_the_service() {
    let host = Host::run("hostile").flag("--isolation", "service").start();
    let mut bystander = host.connect();
    bystander.check_echo("before\n");
    for _ in 0..3 {
        let mut offender = host.connect();
        offender.send("do trap\n");
        assert_eq!(offender.wait_for_end(), End::Reset);
        assert_eq!(bystander.wait_for_end(), End::Reset);
        // Accepted when the instance has been started again.
        bystander = host.connect();
        bystander.check_echo("after\n");
    }
    let record = host.wait_for_complaint(&["unreachable", "data-received"]);
    assert!(record.mentions(&["hostile"]), "{}", record.line);
    host.wait_for_log("the restart", |record| {
        record.mentions(&["restart"]) || record.mentions(&["started again"])
    });
    drop(bystander);
    host.finish();
}

/// One instance, one memory: what is other connections' is not foreign to it.
#[test]
fn a_service_reaches_all_its_connections() {
    let host = Host::run("hostile").flag("--isolation", "service").start();
    let mut first = host.connect();
    first.check_echo("first\n");
    let mut second = host.connect();
    second.check_echo("second\n");
    second.send("do foreign-write 1\n");
    assert_eq!(first.receive(15), b"from a stranger");
    second.send("do foreign-abort 1\n");
    assert_eq!(first.wait_for_end(), End::Reset);
    second.check_echo("goes on\n");
}

/// Events of an instance wait while one of its handlers is suspended, and then come in order.
#[test]
fn events_queue_behind_a_suspended_handler() {
    let host = Host::run("hostile").flag("--isolation", "service").start();
    let mut sleeper = host.connect();
    let mut other = host.connect();
    other.check_echo("before\n");
    sleeper.send("do sleep 200\n");
    sleeper.send("after the sleep\n");
    other.send("meanwhile\n");
    assert_eq!(sleeper.line(), "slept Ok(())");
    assert_eq!(sleeper.line(), "after the sleep");
    assert_eq!(other.line(), "meanwhile");
}
