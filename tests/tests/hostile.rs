//! Hostile guests: whatever one connection's guest does, it loses its own connection at most, its neighbours notice
//! nothing, and the log says what happened.
#![allow(missing_docs)]

use wisted_tests::host::{Builder, Scratch};
use wisted_tests::{Client, End, Host, Neighbours};

/// Above this, a guest has made the host itself grow.
const MEMORY_MAX_BYTES: u64 = 1 << 30;

/// A host with limits that are soon reached.
fn strict() -> Builder {
    Host::run("hostile")
        .flag("--call-cpu-max", "300ms")
        .flag("--call-suspended-max", "1s")
        .flag("--pending-max", "500")
}

/// Neighbours before, meanwhile and after; the host is there at the end and stops in an orderly way.
fn undisturbed(host: Host, misbehave: impl FnOnce(&Host)) {
    let neighbours = Neighbours::start(&host, 8);
    misbehave(&host);
    neighbours.finish();
    let peak = host.memory_peak_bytes();
    assert!(
        peak < MEMORY_MAX_BYTES,
        "the host has used {} MiB",
        peak >> 20
    );
    host.finish();
}

/// The action ends its own connection, and the log has a complaint with all of these words.
fn ends(action: &str, words: &[&str]) {
    ends_when(true, action, words);
}

fn ends_when(warm: bool, action: &str, words: &[&str]) {
    undisturbed(strict().start(), |host| {
        let mut offender = host.connect();
        // What a guest's first message takes, the later ones may not.
        if warm {
            offender.check_echo("and before\n");
        }
        let port = offender
            .stream()
            .local_addr()
            .expect("connected")
            .port()
            .to_string();
        offender.send(format!("do {action}\n"));
        assert_eq!(offender.wait_for_end(), End::Reset, "after {action}");
        let words = [&["data-received", &port], words].concat();
        let record = host.wait_for_complaint(&words);
        for field in ["service", "connection", "peer", "reason"] {
            assert!(
                !record.field(field).is_empty(),
                "no {field} in {}",
                record.line
            );
        }
    });
}

/// The action does no harm; its connection answers with a line and goes on.
fn is_harmless(action: &str) -> String {
    let mut answer = String::new();
    undisturbed(strict().start(), |host| {
        let mut offender = host.connect();
        offender.check_echo("and before\n");
        answer = offender.ask(&format!("do {action}"));
        offender.check_echo("and goes on\n");
    });
    assert!(answer.len() < 64 << 10, "{} bytes of answer", answer.len());
    answer
}

#[test]
fn infinite_loop() {
    ends("spin", &["cpu"]);
}

/// Measured in CPU time of the host, not by the clock: this machine may have others to serve.
#[test]
fn infinite_loops_end_within_twice_their_deadline() {
    let host = Host::run("hostile").flag("--call-cpu-max", "1s").start();
    let mut offender = host.connect();
    offender.check_echo("warm\n");
    let before = host.cpu_ticks();
    offender.send("do spin\n");
    assert_eq!(offender.wait_for_end(), End::Reset);
    let used_ms = (host.cpu_ticks() - before) * 10;
    assert!(
        (900..=2_000).contains(&used_ms),
        "the loop was let use {used_ms} ms of 1000"
    );
}

#[test]
fn a_hundred_neighbours_of_infinite_loops() {
    let host = strict().start();
    let neighbours = Neighbours::start(&host, 100);
    let mut offenders: Vec<Client> = (0..5).map(|_| host.connect()).collect();
    let begun = neighbours.rounds();
    offenders
        .iter_mut()
        .for_each(|offender| offender.send("do spin\n"));
    for offender in &mut offenders {
        assert_eq!(offender.wait_for_end(), End::Reset);
    }
    // 5 loops of 300 ms each: neighbours that got no turn in between would not have made a single round.
    assert!(
        neighbours.rounds() > begun + 1,
        "only {} rounds",
        neighbours.rounds() - begun
    );
    neighbours.finish();
    host.finish();
}

/// A guest that never waits is called without a fiber and cannot be interrupted for others' sake. It is so once at most:
/// after that all of its kind run on fibers.
#[test]
fn infinite_loops_without_a_fiber() {
    const ECHO: &str = include_str!("fixtures/echo.wat");
    let loops = "(i32.eq (i32.load8_u (local.get $data)) (i32.const 33))";
    let spins = ECHO.replace("(call $write (local.get $connection)", &format!(
        "(if {loops} (then (loop $again (br $again))))\n      (call $write (local.get $connection)"
    )).replace(
        r#"(import "transport" "write""#,
        r#"(import "buffer" "memory" (memory 1)) (import "transport" "write""#,
    ).replace(
        r#"(with "transport""#,
        r#"(with "buffer" (instance $buffer)) (with "transport""#,
    );
    let scratch = Scratch::new();
    let host = Host::run_file(&scratch.file("spins.wat", spins))
        .flag("--call-cpu-max", "500ms")
        .start();
    let neighbours = Neighbours::start(&host, 8);
    for first in [true, false] {
        let mut offender = host.connect();
        offender.check_echo("hello\n");
        let begun = neighbours.rounds();
        offender.send("! loop\n");
        assert_eq!(offender.wait_for_end(), End::Reset);
        // On its fiber it let the others have a turn in every second slice.
        assert!(
            first || neighbours.rounds() > begun + 5,
            "only {} rounds",
            neighbours.rounds() - begun
        );
    }
    host.wait_for_complaint(&["cpu", "data-received"]);
    neighbours.finish();
    host.finish();
}

#[test]
fn memory_bomb() {
    ends("bomb", &["memory-max"]);
}

#[test]
fn endless_recursion() {
    ends("overflow", &["stack"]);
}

#[test]
fn trap() {
    ends("trap", &["unreachable", "backtrace", "hostile"]);
}

#[test]
fn panic() {
    ends("panic", &["unreachable"]);
}

#[test]
fn panics_say_why() {
    let host = strict().start();
    host.connect().send("do panic\n");
    host.wait_for_log("the panic's message", |record| {
        record.mentions(&["this guest panics on purpose"])
    });
}

#[test]
fn exit() {
    ends("exit 0", &["exit"]);
    ends("exit 3", &["exit"]);
}

/// Short writes are recorded by another way than those behind an import that waits or asks.
#[test]
fn writes_keep_their_order_whatever_is_between_them() {
    assert_eq!(is_harmless("write-and-sleep a b c"), "a b c");
    assert_eq!(is_harmless("write-and-ask a b"), "a (2) b(7)");
}

#[test]
fn a_write_from_beyond_its_memory() {
    for address in ["4294967295", "4294967196", "2147483648"] {
        let action = format!("wild-write {address}");
        ends_when(false, &action, &["out of bounds"]);
        let words = ["out of bounds", "wisted:write", "wisted:data-received"];
        ends_when(true, &action, &words);
    }
}

#[test]
fn writes_without_end() {
    ends("flood", &["one handler", "bytes"]);
}

#[test]
fn writes_of_a_gigabyte() {
    ends("gig", &["one handler", "bytes"]);
}

#[test]
fn a_million_empty_writes() {
    ends("pieces", &[]);
}

#[test]
fn a_million_commands() {
    ends("commands", &["commands"]);
}

/// The peer doesn't read, and the guest doesn't stop writing: what waits is bounded, and the reason is named.
#[test]
fn writes_to_a_peer_that_does_not_read() {
    undisturbed(
        strict().flag("--call-suspended-max", "60s").start(),
        |host| {
            let mut offender = Client::connect_narrow(host.address());
            offender.send("do flood-slowly\n");
            host.wait_for_log("the limit", |record| record.mentions(&["write-buffer-max"]));
            offender.wait_for_end();
        },
    );
}

/// Less than the limit, but nobody ever takes it.
#[test]
fn a_peer_that_never_reads() {
    undisturbed(
        strict()
            .flag("--write-buffer-max", "64MiB")
            .flag("--write-stall-max", "300ms")
            .start(),
        |host| {
            let mut offender = Client::connect_narrow(host.address());
            offender.send("do write 16777216\n");
            host.wait_for_log("the limit", |record| record.mentions(&["write-stall-max"]));
            offender.wait_for_end();
        },
    );
}

#[test]
fn a_million_timers() {
    ends("timers", &["pending"]);
}

#[test]
fn ten_thousand_fetches() {
    ends("fetches http://127.0.0.1:1/", &["pending"]);
}

#[test]
fn huge_requests() {
    let answer = is_harmless("huge-url");
    assert!(answer.contains("error="), "{answer}");
    ends("huge-request http://127.0.0.1:1/", &[]);
}

#[test]
fn sleeping_forever() {
    ends("sleep-forever", &["suspended"]);
    ends("std-sleep-forever", &["suspended"]);
}

#[test]
fn sleepers_beyond_their_number() {
    let host = Host::run("hostile").flag("--suspended-max", "3").start();
    let mut sleepers: Vec<Client> = (0..4).map(|_| host.connect()).collect();
    sleepers
        .iter_mut()
        .for_each(|sleeper| sleeper.check_echo("awake\n"));
    sleepers
        .iter_mut()
        .for_each(|sleeper| sleeper.send("do sleep 4294967295\n"));
    host.wait_for_complaint(&["suspended"]);
    host.connect().check_echo("a newcomer\n");
}

#[test]
fn connections_of_others() {
    for action in ["write", "abort", "pause", "peer"] {
        for id in [0, 2, 3, u32::MAX] {
            ends(&format!("foreign-{action} {id}"), &["never given"]);
        }
    }
}

#[test]
fn outcomes_of_others() {
    assert_eq!(
        is_harmless("foreign-pending"),
        "foreign cancelled=0 waited=0"
    );
    ends("foreign-page 1", &[]);
}

#[test]
fn files() {
    let answer = is_harmless("files");
    assert!(
        answer.starts_with("files write=") && !answer.contains("ALLOWED"),
        "{answer}"
    );
    assert!(!std::path::Path::new("/tmp/wisted-hostile").exists());
}

#[test]
fn sockets() {
    let answer = is_harmless("sockets 127.0.0.1:1");
    assert!(
        answer.starts_with("sockets connect=") && !answer.contains("ALLOWED"),
        "{answer}"
    );
    // Denied, not tried: port 1 would have been refused.
    assert!(!answer.contains("connect=ConnectionRefused"), "{answer}");
}

#[test]
fn the_environment() {
    let answer = is_harmless("env");
    assert!(answer.starts_with("env vars=0 "), "{answer}");
}

#[test]
fn log_floods() {
    // Its own end is logged all the same.
    ends("log-flood", &["cpu"]);
    ends("stdout-flood", &["cpu"]);
}

#[test]
fn huge_log_messages_are_cut() {
    let host = strict().start();
    let mut client = host.connect();
    assert_eq!(client.ask("do huge-log"), "logged");
    let record = host.wait_for_log("the message", |record| {
        record.mentions(&["lllllllllllllllll"])
    });
    assert!(
        record.line.len() < 16 << 10,
        "{} bytes in a record",
        record.line.len()
    );
}

#[test]
fn output_becomes_log_records() {
    let host = strict().start();
    let mut client = host.connect();
    assert_eq!(client.ask("do stdout 100000"), "printed");
    for text in ["to the output", "to the errors", "without an end"] {
        // What has no end of line is logged at the latest when the instance ends.
        if text == "without an end" {
            client.finish_sending();
        }
        let record = host.wait_for_log(text, |record| record.mentions(&[text]));
        for field in ["service", "guest", "connection"] {
            assert!(
                !record.field(field).is_empty(),
                "no {field} in {}",
                record.line
            );
        }
    }
    let longest = host
        .log()
        .so_far()
        .iter()
        .map(|record| record.line.len())
        .max();
    assert!(longest < Some(16 << 10), "{longest:?} bytes in a record");
}

#[test]
fn randomness() {
    ends("random-huge", &[]);
    ends("random-huge 65537", &[]);
    assert_eq!(is_harmless("random 65536"), "random 65536");
}

#[test]
fn refusing_to_start() {
    let host = strict().config("refuse", "not today").start();
    host.connect().wait_for_end();
    host.wait_for_complaint(&["not today"]);
    host.finish();
}

/// Brings the host to call a handler of the offender's guest, in which the action waits.
fn provoke(host: &Host, handler: &str, action: &str) {
    let mut offender = Client::connect_narrow(host.address());
    offender.send(format!("arm {handler} {action}\n"));
    assert_eq!(offender.line(), "armed");
    match handler {
        "data-received" => offender.try_send("now\n"),
        "read-closed" => offender.finish_sending(),
        "drained" => {
            // More than the sockets' buffers hold. A peer that keeps up is never told: it reads when all is written, which is so
            // when every reactor has had another turn.
            offender.send("do write 16777216\ndo log written\n");
            host.wait_for_log("the write", |record| record.message() == "written");
            (0..16).for_each(|_| host.connect().check_echo("a turn\n"));
        }
        "connection-lost" | "stop" => return drop(offender),
        _ => {}
    }
    assert_eq!(offender.wait_for_end(), End::Reset, "in {handler}");
}

fn in_every_handler(action: &str, words: &[&str]) {
    const HANDLERS: [&str; 7] = [
        "data-received",
        "read-closed",
        "drained",
        "connection-lost",
        "timer-fired",
        "page-received",
        "stop",
    ];
    undisturbed(
        strict().flag("--write-buffer-max", "64MiB").start(),
        |host| {
            for handler in HANDLERS {
                provoke(host, handler, action);
                host.wait_for_complaint(&[&[handler], words].concat());
            }
        },
    );
}

#[test]
fn infinite_loops_in_every_handler() {
    in_every_handler("spin", &["cpu"]);
}

#[test]
fn traps_in_every_handler() {
    in_every_handler("trap", &["unreachable"]);
}

/// Nobody is left whom it could keep waiting, but its place in the pool.
#[test]
fn sleeping_forever_after_the_end() {
    undisturbed(strict().start(), |host| {
        provoke(host, "connection-lost", "sleep-forever");
        host.wait_for_complaint(&["connection-lost"]);
    });
}

/// Whom the guest attacks in `connection-made` it knows by the peer's address.
#[test]
fn in_connection_made() {
    for (action, words) in [("trap", "unreachable"), ("spin", "cpu")] {
        let config = strict()
            .config("at", "connection-made")
            .config("do", action)
            .config("peer", "127.0.0.66");
        undisturbed(config.start(), |host| {
            let mut offender = Client::connect_from([127, 0, 0, 66].into(), host.address());
            assert_eq!(offender.wait_for_end(), End::Reset);
            host.wait_for_complaint(&["connection-made", words]);
        });
    }
}

/// In `start` there is no peer yet: every other instance misbehaves, and only the connections of those are lost.
#[test]
fn in_start() {
    for (action, words) in [("trap", "unreachable"), ("spin", "cpu")] {
        let host = strict()
            .config("at", "start")
            .config("do", action)
            .config("chance", "half")
            .start();
        let (mut served, mut refused) = (Vec::new(), 0);
        while served.len() < 3 || refused < 3 {
            let mut client = host.connect();
            if client.echoes(b"served\n") {
                served.push(client);
            } else {
                refused += 1;
            }
        }
        served
            .iter_mut()
            .for_each(|client| client.check_echo("undisturbed\n"));
        host.wait_for_complaint(&["start", words]);
        drop(served);
        host.finish();
    }
}
