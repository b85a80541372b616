//! What an operating system may refuse or do: memory, disk, a cache that is damaged, a clock that jumps, a crash. None ends the
//! host but the crash, and the log says what happened. `emfile.rs` has the descriptors.
#![allow(missing_docs)]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, prlimit};

use wisted_tests::admin::Admin;
use wisted_tests::host::Scratch;
use wisted_tests::programs::program;
use wisted_tests::serve::{places, puppet, replace, service};
use wisted_tests::{Client, End, Host, Neighbours, Serving};

const ECHO: &str = include_str!("fixtures/echo.wat");

/// Peers until one is not served. Returns those that are.
fn until_refused(host: &Serving, name: &str) -> Vec<Client> {
    let mut served = Vec::new();
    loop {
        let mut client = host.peer_of(name);
        if !client.echoes(b"in\n") {
            return served;
        }
        served.push(client);
        assert!(served.len() < 200, "nobody is refused");
    }
}

/// Who is there goes on; and when somebody has left, somebody else is served.
fn recovers(host: &Serving, name: &str, mut served: Vec<Client>) {
    for client in &mut served {
        client.check_echo("unharmed\n");
    }
    drop(served);
    // The host may notice later than the peers that they are gone.
    let again = (0..1_000).any(|_| host.peer_of(name).echoes(b"again\n"));
    assert!(again, "{}", host.log().tail());
}

/// The services' limits together are more than the places that the host has reserved.
#[test]
fn no_place_for_an_instance() {
    let crowds = ["one", "two", "three", "four"];
    let mut config =
        "[host]\nconnections_max = 10\n\n[defaults.limits]\nconnections_max = 10\n\n".to_owned();
    config += &puppet("good", "");
    for crowd in crowds {
        config += &puppet(crowd, "");
    }
    let host = Serving::start(&config);
    let neighbours = Neighbours::start_at(host.address_of("good"), 2);
    let mut served: Vec<Client> = Vec::new();
    for crowd in &crowds[..3] {
        served.extend((0..10).map(|_| host.peer_of(crowd)));
    }
    for client in &mut served {
        client.check_echo("in\n");
    }
    let some = until_refused(&host, crowds[3]);
    assert!(some.len() < 10, "there is room for all");
    host.wait_for_complaint(&[crowds[3], "guest failed", "a higher connections_max"]);
    served.extend(some);
    recovers(&host, crowds[3], served);
    neighbours.finish();
    host.finish();
}

/// The operating system gives no more memory for instances: a limit that it keeps is set while the host runs.
#[test]
fn no_memory_for_an_instance() {
    const INSTANCE_BYTES: u64 = 32 << 20;
    // What a guest has from its first moment.
    let large = ECHO.replace(
        r#"(memory (export "memory") 4)"#,
        r#"(memory (export "memory") 512)"#,
    );
    let scratch = Scratch::new();
    let small = scratch.file("small.wat", ECHO);
    let large = scratch.file("large.wat", large);
    let services = service("good", &small, "") + &service("large", &large, "");
    let config = format!("[host]\nreactors = 1\nconnections_max = 50\n\n{services}");
    let host = Serving::start_in(scratch, &config, |builder| builder);
    let neighbours = Neighbours::start_at(host.address_of("good"), 4);
    let status = fs::read_to_string(format!("/proc/{}/status", host.process().as_raw_nonzero()));
    let status = status.expect("the host is alive");
    let data = status.lines().find_map(|line| line.strip_prefix("VmData:"));
    let data = data.expect("a field of this name").trim();
    let kib: u64 = data.trim_end_matches(" kB").parse().expect("a number");
    // Enough for two and a half of them, so that the host's own heap is not at its limit when the third is refused.
    let most = (kib << 10) + INSTANCE_BYTES * 5 / 2;
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    prlimit(Some(host.process()), Resource::Data, limit).expect("it is our child");
    let served = until_refused(&host, "large");
    assert!((1..=2).contains(&served.len()), "{} fit", served.len());
    host.wait_for_complaint(&["large", "guest failed", "vm.max_map_count"]);
    recovers(&host, "large", served);
    neighbours.finish();
    host.finish();
}

/// As many large instances as there may be, all gone at once, and as many again: what is dropped beside the reactor takes no place
/// from those that come.
#[test]
fn large_instances_that_end_together() {
    const CONNECTIONS: usize = 30;
    let large = ECHO.replace(
        r#"(memory (export "memory") 4)"#,
        r#"(memory (export "memory") 512)"#,
    );
    let scratch = Scratch::new();
    let large = scratch.file("large.wat", large);
    let limits = format!("limits = {{ connections_max = {CONNECTIONS} }}");
    let services = service("large", &large, &limits);
    let config = format!("[host]\nconnections_max = {CONNECTIONS}\n\n{services}");
    let host = Serving::start_in(scratch, &config, |builder| builder);
    for _ in 0..10 {
        let mut served: Vec<_> = (0..CONNECTIONS).map(|_| host.peer_of("large")).collect();
        for client in &mut served {
            client.check_echo("all here\n");
        }
    }
    let log = host.log().so_far();
    let failed = log.iter().find(|record| record.mentions(&["failed"]));
    assert!(failed.is_none(), "{failed:?}");
    host.finish();
}

/// A host with a cache of its own, on an echo server.
fn with_cache(scratch: &Scratch, guest: &Path) -> wisted_tests::host::Builder {
    Host::run_file(guest).variable("XDG_CACHE_HOME", scratch.path().join("cache"))
}

#[track_caller]
fn serves(host: Host) {
    host.connect().check_echo("served\n");
    host.finish();
}

fn entries(scratch: &Scratch) -> Vec<PathBuf> {
    let folder = scratch.path().join("cache/wisted");
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

#[test]
fn no_room_for_the_cache() {
    let scratch = Scratch::new();
    let guest = scratch.file("echo.wat", ECHO);
    // No file may become larger: the next write is what a full disk's would be, an error.
    let host = with_cache(&scratch, &guest)
        .after("trap '' XFSZ && ulimit -f 1")
        .start();
    host.wait_for_complaint(&["could not be cached"]);
    serves(host);
    assert_eq!(entries(&scratch), Vec::<PathBuf>::new(), "half an entry");
}

#[test]
fn a_cache_that_cannot_be_made() {
    let scratch = Scratch::new();
    let guest = scratch.file("echo.wat", ECHO);
    let _ = scratch.file("cache", "a file, where a folder is wanted");
    let host = with_cache(&scratch, &guest).start();
    host.wait_for_complaint(&["could not be cached"]);
    serves(host);
}

/// Damages the cache's entry, and insists that it is not believed but replaced.
fn is_compiled_anew(damage: impl FnOnce(&Path)) {
    let scratch = Scratch::new();
    let guest = scratch.file("echo.wat", ECHO);
    serves(with_cache(&scratch, &guest).start());
    let [entry] = &entries(&scratch)[..] else {
        panic!("one component is one entry")
    };
    let whole = fs::read(entry).expect("readable");
    damage(entry);
    let host = with_cache(&scratch, &guest).start();
    host.wait_for_complaint(&["compiling anew"]);
    serves(host);
    // A folder in its place may be in the way for ever; anything else was replaced.
    if entry.is_file() {
        assert!(fs::read(entry).expect("readable").len() >= whole.len() / 2);
        let host = with_cache(&scratch, &guest).start();
        let log = host.log().clone();
        serves(host);
        let complaint = log.so_far().into_iter().find(|one| one.is_complaint());
        assert!(complaint.is_none(), "{complaint:?}");
    }
}

#[test]
fn a_damaged_entry_of_the_cache() {
    is_compiled_anew(|entry| {
        let mut bytes = fs::read(entry).expect("readable");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(entry, bytes).expect("written");
    });
}

#[test]
fn a_truncated_entry_of_the_cache() {
    is_compiled_anew(|entry| {
        let bytes = fs::read(entry).expect("readable");
        fs::write(entry, &bytes[..bytes.len() / 3]).expect("written");
    });
    is_compiled_anew(|entry| fs::write(entry, "").expect("written"));
}

#[test]
fn an_unreadable_entry_of_the_cache() {
    is_compiled_anew(|entry| {
        fs::remove_file(entry).expect("removed");
        fs::create_dir(entry).expect("a folder in its place");
    });
}

/// Each entry is whole, but another component's.
#[test]
fn swapped_entries_of_the_cache() {
    const CALL: &str =
        "(call $write (local.get $connection) (local.get $data) (local.get $length))";
    let scratch = Scratch::new();
    let once = scratch.file("once.wat", ECHO);
    let twice = scratch.file("twice.wat", ECHO.replace(CALL, &CALL.repeat(2)));
    let answer = |host: Host| {
        let mut client = host.connect();
        client.send("x");
        client.finish_sending();
        let (answer, _) = client.rest();
        host.finish();
        answer.len()
    };
    assert_eq!(answer(with_cache(&scratch, &once).start()), 1);
    assert_eq!(answer(with_cache(&scratch, &twice).start()), 2);
    let [one, other] = &entries(&scratch)[..] else {
        panic!("two components are two entries")
    };
    let aside = one.with_extension("aside");
    fs::rename(one, &aside).expect("moved");
    fs::rename(other, one).expect("moved");
    fs::rename(&aside, other).expect("moved");
    for (guest, length) in [(&once, 1), (&twice, 2)] {
        let host = with_cache(&scratch, guest).start();
        host.wait_for_complaint(&["compiling anew"]);
        assert_eq!(answer(host), length, "another component's code runs");
    }
}

/// The clock on the wall goes ten years back and twenty on: timers, sleeps and limits go by one that does not.
#[test]
fn a_clock_that_jumps() {
    let faketime = program("faketime", "faketime");
    assert!(faketime.is_file());
    let scratch = Scratch::new();
    let jump = scratch.file("clock", "+0\n");
    let library = fs::read_dir("/usr/lib")
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .path()
                .join("faketime/libfaketimeMT.so.1")
        })
        .find(|library| library.is_file());
    let library = library.expect("its library is where Debian puts it");
    let services = puppet("good", "") + &puppet("strict", "idle_max = \"600ms\"");
    let host = Serving::start_in(scratch, &services, |builder| {
        builder
            .variable("LD_PRELOAD", &library)
            .variable("FAKETIME_TIMESTAMP_FILE", &jump)
            .variable("FAKETIME_NO_CACHE", "1")
            .variable("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .variable("DONT_FAKE_MONOTONIC", "1")
    });
    let neighbours = Neighbours::start_at(host.address_of("good"), 2);
    let mut years = Vec::new();
    for offset in ["-10y", "+10y", "-10y", "+0"] {
        let mut sleeper = host.peer_of("good");
        let mut timer = host.peer_of("good");
        let mut idle = host.peer_of("strict");
        for client in [&mut sleeper, &mut timer, &mut idle] {
            client.check_echo("awake\n");
        }
        sleeper.send("do sleep 400\n");
        timer.send("do later 400\n");
        let begun = Instant::now();
        replace(&jump, format!("{offset}\n"));
        assert_eq!(sleeper.line(), "slept Ok(())");
        assert!(begun.elapsed() >= Duration::from_millis(300));
        assert!(timer.line().starts_with("fired"));
        assert_eq!(idle.rest(), (Vec::new(), End::Closed));
        assert!(begun.elapsed() >= Duration::from_millis(500));
        assert!(begun.elapsed() < Duration::from_secs(20), "it took long");
        sleeper.send(format!("do log at {offset}\n"));
        let record = host.wait_for_log("the time", |one| one.message() == format!("at {offset}"));
        let begin = record.line.find("\"timestamp\":\"").expect("a time");
        years.push(record.line[begin + 13..begin + 17].to_owned());
    }
    // It did jump.
    assert!(years[0] == years[2] && years[0] < years[1], "{years:?}");
    neighbours.finish();
    host.finish();
}

#[test]
fn a_crash_and_a_start_with_a_warm_cache() {
    let places = places(10);
    let scratch = Scratch::new();
    let echo = scratch.file("echo.wat", ECHO);
    let config: String = places
        .iter()
        .enumerate()
        .map(|(number, place)| {
            let table = service(&format!("s{number}"), &echo, "");
            table.replace("tcp:127.0.0.1:0", &format!("tcp:{place}"))
        })
        .collect();
    let cache = scratch.path().join("cache");
    let start = |scratch| {
        Serving::start_in(scratch, &config, |builder| {
            builder.variable("XDG_CACHE_HOME", &cache)
        })
    };
    let all_answer = |places: &[SocketAddr]| -> Vec<Client> {
        let mut clients: Vec<Client> = places.iter().copied().map(Client::connect).collect();
        for client in &mut clients {
            client.check_echo("here\n");
        }
        clients
    };
    let host = start(scratch);
    let connected = all_answer(&places);
    // With connections open: their ports must not be in the way.
    let scratch = host.kill();
    let host = start(scratch);
    for mut client in connected {
        client.wait_for_end();
    }
    let compiled = host.log().so_far();
    let compiled = compiled.iter().any(|one| one.mentions(&["compiling"]));
    assert!(!compiled, "{}", host.log().tail());
    drop(all_answer(&places));
    host.finish();
}

/// An instance that fails each time: its peers are turned away at once, the status says why, neighbours notice nothing, and a
/// reload with other limits or another build ends that.
#[test]
fn a_shared_instance_that_fails_each_time() {
    const FAILURES: usize = 3;
    let config = |mood: &str| {
        let limits = format!("failures_in_a_row_max = {FAILURES}, broken_pause = \"1h\"");
        let bad = puppet("bad", &limits)
            + "isolation = \"service\"\nconfig = { mood = \""
            + mood
            + "\" }\n\n";
        format!("[admin]\nlisten = \"tcp:0\"\n\n{}{bad}", puppet("good", ""))
    };
    let host = Serving::start(&config("dull"));
    let admin = Admin::of(&host);
    let neighbours = Neighbours::start_at(host.address_of("good"), 4);
    for _ in 0..FAILURES {
        // Until the instance has been started again, this one waits to be accepted.
        let mut offender = host.peer_of("bad");
        offender.check_echo("served\n");
        offender.send("do trap\n");
        assert_eq!(offender.rest().1, End::Reset);
    }
    host.wait_for_complaint(&["bad", "fails each time", "turned away"]);
    for _ in 0..10 {
        assert!(!host.peer_of("bad").echoes(b"anybody?\n"));
    }
    // Of all services by name, it is the first.
    let bad = admin.wait_for("broken", |bad| bad["condition"] == "broken");
    let cause = &bad["recent_failures"][0];
    assert_eq!(
        (&cause["kind"], &cause["handler"]),
        (&"trap".into(), &"data-received".into())
    );
    let outcome = host.reload(&config("cheerful"));
    assert_eq!(outcome.field("changed"), "bad", "{}", outcome.line);
    host.peer_of("bad").check_echo("served again\n");
    admin.wait_for("up", |bad| bad["condition"] == "up");
    neighbours.finish();
    host.finish();
}
