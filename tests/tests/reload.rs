//! SIGHUP: a host becomes what its configuration says now, and nobody who is connected or connecting notices.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wisted_tests::host::Scratch;
use wisted_tests::serve::{places, puppet, replace, service};
use wisted_tests::{Client, End, Serving, workspace};

const ECHO: &str = include_str!("fixtures/echo.wat");

/// An echo server that first tells every peer which build it is.
fn build(mark: char) -> String {
    const MEMORY: &str = r#"(memory (export "memory") 4)"#;
    const MADE: &str = r#"(func (export "connection-made") (param i32))"#;
    assert!(ECHO.contains(MEMORY) && ECHO.contains(MADE));
    let marked = format!(r#"{MEMORY} (data (i32.const 0) "{mark}")"#);
    let tells = r#"(func (export "connection-made") (param $connection i32)
      (call $write (local.get $connection) (i32.const 0) (i32.const 1)))"#;
    ECHO.replace(MEMORY, &marked).replace(MADE, tells)
}

/// Which build serves a peer.
fn mark(client: &mut Client) -> char {
    char::from(client.receive(1)[0])
}

/// A new peer, which gets this build.
#[track_caller]
fn newcomer(address: SocketAddr, expected: char) -> Client {
    let mut client = Client::connect(address);
    assert_eq!(mark(&mut client), expected);
    client
}

/// Connections that come, echo and go all the time, in a few threads.
struct Traffic {
    stop: Arc<AtomicBool>,
    connections: Arc<AtomicU64>,
    threads: Vec<JoinHandle<BTreeMap<char, u64>>>,
}

impl Traffic {
    const THREADS: usize = 4;
    const OF_THREAD: usize = 50;
    /// Ports are few: each that was used stays so for a minute.
    const CONNECTIONS_MAX: u64 = 15_000;

    fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(AtomicU64::new(0));
        let run = |_| {
            let (stop, connections) = (Arc::clone(&stop), Arc::clone(&connections));
            std::thread::spawn(move || {
                let mut served = BTreeMap::new();
                let mut connect = || {
                    connections.fetch_add(1, Ordering::Relaxed);
                    let mut client = Client::connect(address);
                    *served.entry(mark(&mut client)).or_default() += 1;
                    client
                };
                let mut clients: Vec<_> = (0..Self::OF_THREAD).map(|_| connect()).collect();
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    echo(&mut clients, round);
                    for (place, client) in clients.iter_mut().enumerate() {
                        let may = connections_left(&connections);
                        if (place + round) % 4 == 0 && may {
                            leave(std::mem::replace(client, connect()));
                        }
                    }
                }
                echo(&mut clients, usize::MAX);
                clients.into_iter().for_each(leave);
                served
            })
        };
        let threads = (0..Self::THREADS).map(run).collect();
        Self {
            stop,
            connections,
            threads,
        }
    }

    /// How many connections there were so far.
    fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Waits until there have been so many more: what is to be served is served meanwhile.
    fn wait_for(&self, more: u64) {
        let awaited = (self.connections() + more).min(Self::CONNECTIONS_MAX);
        let begun = Instant::now();
        while self.connections() < awaited {
            let is_over = self.threads.iter().any(JoinHandle::is_finished);
            assert!(!is_over, "a peer was disturbed");
            assert!(begun.elapsed() < wisted_tests::PATIENCE, "no peers come");
            std::thread::yield_now();
        }
    }

    /// Ends it. Returns how many connections each build has served.
    fn finish(self) -> BTreeMap<char, u64> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = BTreeMap::new();
        for thread in self.threads {
            let served = thread.join().expect("a peer was disturbed");
            for (mark, count) in served {
                *all.entry(mark).or_default() += count;
            }
        }
        all
    }
}

fn connections_left(connections: &AtomicU64) -> bool {
    connections.load(Ordering::Relaxed) < Traffic::CONNECTIONS_MAX
}

/// All send before the first one reads.
fn echo(clients: &mut [Client], round: usize) {
    let text = |place: usize| format!("{place} in round {round}: {}\n", "~".repeat(place * 7));
    for (place, client) in clients.iter_mut().enumerate() {
        client.send(text(place));
    }
    for (place, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.line(), text(place).trim_end());
    }
}

/// Ends a connection in an orderly way, and insists that the other side does.
fn leave(mut client: Client) {
    client.finish_sending();
    assert_eq!(client.rest(), (Vec::new(), End::Closed));
}

/// Without records of connections: there are very many.
fn quiet(services: &str) -> String {
    format!(
        "[host]\nreactors = 2\n\n[admin]\nlisten = \"off\"\n\n[log]\naccess = false\n\n{services}"
    )
}

fn nobody_notices_reloads(more: &str) {
    const RELOADS: usize = 20;
    let scratch = Scratch::new();
    let component = scratch.file("echo.wat", build('A'));
    let host = Serving::start_in(
        scratch,
        &quiet(&service("echo", &component, more)),
        |builder| builder,
    );
    let traffic = Traffic::start(host.address_of("echo"));
    let mut resident = host.peer_of("echo");
    assert_eq!(mark(&mut resident), 'A');
    traffic.wait_for(200);
    for reload in 1..=RELOADS {
        replace(&component, build(if reload % 2 == 0 { 'A' } else { 'B' }));
        let outcome = host.reload_as_it_is();
        assert_eq!(outcome.field("changed"), "echo", "{}", outcome.line);
        traffic.wait_for(50);
        resident.check_echo("at home\n");
    }
    let served = traffic.finish();
    assert!(served[&'A'] > 100 && served[&'B'] > 100, "{served:?}");
    let complaints: Vec<_> = host.log().so_far();
    let complaint = complaints.iter().find(|record| record.is_complaint());
    assert!(complaint.is_none(), "{complaint:?}");
    leave(resident);
    host.finish();
}

#[test]
fn nobody_notices_twenty_reloads_with_an_instance_for_each_connection() {
    nobody_notices_reloads("");
}

#[test]
fn nobody_notices_twenty_reloads_with_shared_instances() {
    nobody_notices_reloads("isolation = \"service\"\ninstances = 2");
}

/// The chat room's state is how many have come: the new instance goes on counting, on whichever reactor it lives.
#[test]
fn a_new_instance_takes_over_what_the_old_one_leaves() {
    let scratch = Scratch::new();
    let component = std::fs::read(workspace::guest("chat")).expect("readable");
    let chat = scratch.file("chat.wasm", &component);
    let more = "isolation = \"service\"";
    let host = Serving::start_in(scratch, &quiet(&service("chat", &chat, more)), |builder| {
        builder
    });
    let mut first = host.peer_of("chat");
    assert_eq!(first.line(), "* you are 1, with 0 others here");
    for number in 2..6 {
        // The same bytes, at another time: another build, as far as anybody can tell.
        replace(&chat, &component);
        let outcome = host.reload_as_it_is();
        assert_eq!(outcome.field("changed"), "chat", "{}", outcome.line);
        let greeting = format!("* you are {number}, with 0 others here");
        assert_eq!(host.peer_of("chat").line(), greeting);
    }
    leave(first);
    host.finish();
}

/// Reloads something that cannot be had. Whoever is connected goes on, and so does who comes.
#[track_caller]
fn is_rolled_back(host: &Serving, resident: &mut Client, config: &str, words: &[&str]) {
    let outcome = host.reload(config);
    assert_eq!(outcome.field("failed"), "1", "{}", outcome.line);
    assert_eq!(outcome.field("changed"), "", "{}", outcome.line);
    let all = [&["it goes on as it was", "guest"], words].concat();
    host.wait_for_complaint(&all);
    resident.check_echo("unharmed\n");
    host.peer_of("guest").check_echo("a newcomer\n");
}

#[test]
fn what_cannot_start_is_rolled_back() {
    let scratch = Scratch::new();
    let broken = scratch.file("broken.wasm", "no component");
    for isolation in ["connection", "service"] {
        let more = |config: &str| {
            format!(
                "isolation = \"{isolation}\"\nlimits = {{ call_cpu_max = \"100ms\" }}\nconfig = {{ {config} }}"
            )
        };
        let hostile = workspace::guest("hostile");
        let of = |config: &str| service("guest", &hostile, &more(config));
        let host = Serving::start(&of("mood = \"good\""));
        let mut resident = host.peer_of("guest");
        resident.check_echo("there\n");
        let mut rolled_back =
            |config: &str, words: &[&str]| is_rolled_back(&host, &mut resident, config, words);
        rolled_back(&service("guest", &broken, &more("")), &["broken.wasm"]);
        rolled_back(&of("refuse = \"not today\""), &["not today"]);
        rolled_back(&of("at = \"start\", do = \"trap\""), &["unreachable"]);
        rolled_back(&of("at = \"start\", do = \"spin\""), &["cpu"]);
        // What is right again is taken.
        let outcome = host.reload(&of("mood = \"better\""));
        assert_eq!(outcome.field("changed"), "guest", "{}", outcome.line);
        resident.check_echo("still there\n");
        drop(resident);
        host.finish();
    }
}

#[test]
fn a_wrong_configuration_changes_nothing() {
    let config = puppet("guest", "");
    let host = Serving::start(&config);
    let mut resident = host.peer_of("guest");
    resident.check_echo("there\n");
    let wrong = [
        ("[services.guest", "wisted.toml:1:"),
        ("", "services"),
        (&config.replace("listen", "listne"), "listne"),
        (&puppet("guest", "idle_max = \"soon\""), "soon"),
        (&service("guest", Path::new("gone.wasm"), ""), "gone.wasm"),
        // One that is right beside it is not added.
        (
            &(puppet("other", "") + &puppet("guest", "idle_max = \"0s\"")),
            "zero",
        ),
    ];
    for (config, word) in wrong {
        let said = host.reload(config);
        assert!(said.is_complaint() && said.mentions(&["nothing has changed", word]));
        resident.check_echo("unharmed\n");
        host.peer_of("guest").check_echo("a newcomer\n");
    }
    std::fs::remove_file(host.folder().join("wisted.toml")).expect("removed");
    let said = host.reload_as_it_is();
    assert!(said.mentions(&["nothing has changed", "cannot be read"]));
    let outcome = host.reload(&config);
    for field in ["added", "changed", "removed"] {
        assert_eq!(outcome.field(field), "", "{}", outcome.line);
    }
    drop(resident);
    host.finish();
}

/// A service of one build at one address.
fn at(name: &str, component: &Path, address: SocketAddr) -> String {
    service(name, component, "").replace("tcp:127.0.0.1:0", &format!("tcp:{address}"))
}

#[test]
fn services_come_and_go_and_endpoints_move() {
    let scratch = Scratch::new();
    let a = scratch.file("a.wat", build('A'));
    let b = scratch.file("b.wat", build('B'));
    let [first, second, third] = places(3)[..] else {
        unreachable!()
    };
    let start = at("one", &a, first) + &at("two", &b, second);
    let host = Serving::start_in(scratch, &start, |builder| builder);
    let mut of_one = newcomer(first, 'A');
    let mut of_two = newcomer(second, 'B');

    // One more.
    let outcome = host.reload(&(start.clone() + &at("three", &a, third)));
    assert_eq!(outcome.field("added"), "three", "{}", outcome.line);
    let mut of_three = newcomer(third, 'A');

    // They change places, under the eyes of peers that keep coming.
    let outcome = host.reload(&(at("one", &a, second) + &at("two", &b, first)));
    assert_eq!(outcome.field("changed"), "one, two", "{}", outcome.line);
    assert_eq!(outcome.field("removed"), "three", "{}", outcome.line);
    newcomer(second, 'A');
    newcomer(first, 'B');
    for resident in [&mut of_one, &mut of_two, &mut of_three] {
        resident.check_echo("still here\n");
    }
    let refused = std::net::TcpStream::connect(third).is_err();
    assert!(refused, "a service that is gone listens");

    // One takes what the other leaves, and comes back.
    let both = at("one", &a, first).replace(
        &format!("\"tcp:{first}\""),
        &format!("[\"tcp:{first}\", \"tcp:{second}\"]"),
    );
    let outcome = host.reload(&both);
    assert_eq!(outcome.field("removed"), "two", "{}", outcome.line);
    newcomer(first, 'A');
    newcomer(second, 'A');
    of_two.check_echo("and on\n");
    let outcome = host.reload(&start);
    assert_eq!(outcome.field("added"), "two", "{}", outcome.line);
    newcomer(second, 'B');
    newcomer(first, 'A');
    [of_one, of_two, of_three].into_iter().for_each(leave);
    host.finish();
}

/// Port 0 is another one for each service, and stays so.
#[test]
fn ports_that_were_picked_stay() {
    let scratch = Scratch::new();
    let a = scratch.file("a.wat", build('A'));
    let b = scratch.file("b.wat", build('B'));
    let config = service("one", &a, "") + &service("two", &b, "");
    let host = Serving::start_in(scratch, &config, |builder| builder);
    for limits in [
        "",
        "limits.idle_max = \"1h\"",
        "limits.memory_max = \"8MiB\"",
    ] {
        host.reload(&(service("one", &a, limits) + &service("two", &b, limits)));
        newcomer(host.address_of("one"), 'A');
        newcomer(host.address_of("two"), 'B');
    }
    host.finish();
}

#[test]
fn limits_hold_at_once() {
    let host = Serving::start(&puppet("guest", ""));
    let mut idle = host.peer_of("guest");
    idle.check_echo("good night\n");
    let mut busy = host.peer_of("guest");
    let outcome = host.reload(&puppet("guest", "idle_max = \"300ms\""));
    assert_eq!(outcome.field("changed"), "guest", "{}", outcome.line);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(600) {
        busy.check_echo("here\n");
    }
    assert_eq!(idle.rest(), (Vec::new(), End::Closed));

    // What would take an hour takes no time when the limit is gone, and what was to be sent comes in full.
    host.reload(&puppet("guest", "write_bytes_per_second_max = \"1K\""));
    const BYTES: usize = 2 << 20;
    busy.send(format!("do write {BYTES}\n"));
    let first = busy.receive(100);
    host.reload(&puppet("guest", ""));
    let rest = busy.receive(BYTES - 100);
    let all: Vec<u8> = first.into_iter().chain(rest).collect();
    let fits = |(place, byte): (usize, &u8)| *byte == (place % 251) as u8;
    assert!(all.iter().enumerate().all(fits));

    // The same in the other direction: from now on it is slow.
    host.reload(&puppet("guest", "write_bytes_per_second_max = \"200K\""));
    let begun = Instant::now();
    busy.send("do write 204800\n");
    let _ = busy.receive(204_800);
    assert!(begun.elapsed() >= Duration::from_millis(800));

    // Memory and timers of instances that there are already.
    host.reload(&puppet("guest", "memory_max = \"4MiB\", pending_max = 3"));
    let mut greedy = host.peer_of("guest");
    for resident in [&mut busy, &mut greedy] {
        resident.check_echo("there\n");
        resident.send("do timers\n");
        assert_eq!(resident.wait_for_end(), End::Reset);
    }
    host.wait_for_complaint(&["more than 3", "pending-max"]);
    host.finish();
}

/// Who stayed with an older build counts, and whoever waits is served when one of those leaves.
#[test]
fn limits_on_connections_hold_across_builds() {
    let scratch = Scratch::new();
    let component = scratch.file("echo.wat", build('A'));
    let config = |limits| quiet(&service("echo", &component, limits));
    let limits = "limits = { connections_max = 3, connections_per_peer_max = 3 }";
    let host = Serving::start_in(scratch, &config(limits), |builder| builder);
    let mut residents: Vec<_> = (0..2).map(|_| host.peer_of("echo")).collect();
    for resident in &mut residents {
        assert_eq!(mark(resident), 'A');
    }
    replace(&component, build('B'));
    host.reload_as_it_is();
    let mut third = newcomer(host.address_of("echo"), 'B');
    let mut waiting = host.peer_of("echo");
    host.wait_for_complaint(&["echo", "connections-max"]);
    leave(residents.remove(0));
    assert_eq!(mark(&mut waiting), 'B');

    // The same address, where that is what is full.
    let limits = "limits = { connections_per_peer_max = 3 }";
    host.reload(&config(limits));
    let mut fourth = host.peer_of("echo");
    assert_eq!(fourth.wait_for_end(), End::Reset);
    leave(residents.remove(0));
    // The host may notice that later than the peer. The first byte that comes back is the build's mark.
    let again = (0..1_000).any(|_| host.peer_of("echo").echoes(b"B"));
    assert!(again, "{}", host.log().tail());
    third.check_echo("still here\n");
    drop((residents, third, waiting, fourth));
    host.finish();
}

/// Each reload has new code and new places, and gives back the old ones.
#[test]
fn many_reloads_take_no_memory() {
    const RELOADS: usize = 300;
    const GROWTH_MAX_BYTES: u64 = 8 << 20;
    let scratch = Scratch::new();
    let component = scratch.file("echo.wat", build('A'));
    let services = service("echo", &component, "")
        + &service(
            "shared",
            &component,
            "isolation = \"service\"\ninstances = 2",
        );
    let host = Serving::start_in(scratch, &quiet(&services), |builder| builder);
    let mut at_first = 0;
    for reload in 1..=RELOADS {
        replace(&component, build(if reload % 2 == 0 { 'A' } else { 'B' }));
        let outcome = host.reload_as_it_is();
        assert_eq!(outcome.field("failed"), "0", "{}", outcome.line);
        for name in ["echo", "shared"] {
            let mut passing = host.peer_of(name);
            let _ = mark(&mut passing);
            passing.check_echo("passing\n");
            leave(passing);
        }
        if reload == RELOADS / 6 {
            at_first = host.memory_bytes();
        }
    }
    let growth = host.memory_bytes().saturating_sub(at_first);
    assert!(
        growth < GROWTH_MAX_BYTES,
        "{growth} bytes more after {RELOADS} reloads"
    );
    host.finish();
}

#[test]
fn an_old_shared_instance_ends_with_its_last_connection() {
    let hostile = workspace::guest("hostile");
    let of = |mood: &str| {
        let more = format!("isolation = \"service\"\nconfig = {{ mood = \"{mood}\" }}");
        service("guest", &hostile, &more)
    };
    let stopped = |host: &Serving| {
        let log = host.log().so_far();
        log.iter().filter(|one| one.message() == "stopped").count()
    };
    let host = Serving::start(&of("good"));
    let mut old: Vec<Client> = (0..2).map(|_| host.peer_of("guest")).collect();
    for peer in &mut old {
        assert!(peer.ask("do config").contains("good"));
    }
    host.reload(&of("better"));
    let new = (0..1_000).find_map(|_| {
        let mut client = host.peer_of("guest");
        client.ask("do config").contains("better").then_some(client)
    });
    let mut new = new.expect("the new one serves");
    drop(old.pop());
    assert!(old[0].ask("do config").contains("good"));
    assert_eq!(stopped(&host), 0);
    drop(old);
    host.wait_for_logs("the old one's end", 1, |one| one.message() == "stopped");
    assert!(new.ask("do config").contains("better"));
    assert_eq!(stopped(&host), 1);
    drop(new);
    host.finish();
}

/// With `--watch` a changed component or configuration is an order to reload, and a wrong one changes nothing.
#[test]
fn watched_files_are_read_again() {
    let scratch = Scratch::new();
    let component = scratch.file("echo.wat", build('A'));
    let echo = service("echo", &component, "");
    let host = Serving::start_in(scratch, &quiet(&echo), |builder| builder.arg("--watch"));
    let mut resident = host.peer_of("echo");
    assert_eq!(mark(&mut resident), 'A');

    replace(&component, build('B'));
    host.wait_for_log("another build", |record| {
        record.message() == "reloaded" && record.field("changed") == "echo"
    });
    newcomer(host.address_of("echo"), 'B');
    resident.check_echo("at home\n");

    let config = host.folder().join("wisted.toml");
    replace(
        &config,
        quiet(&(echo.clone() + &service("second", &component, ""))),
    );
    let outcome = host.wait_for_log("a service more", |record| {
        record.message() == "reloaded" && record.field("added") == "second"
    });
    assert_eq!(outcome.field("changed"), "", "{}", outcome.line);

    replace(&config, quiet(&echo).replace("component", "compnent"));
    host.wait_for_complaint(&["nothing has changed", "compnent"]);
    assert_eq!(mark(&mut host.peer_of("echo")), 'B');
    resident.check_echo("still at home\n");

    replace(&config, quiet(&echo));
    host.wait_for_log("a service less", |record| {
        record.message() == "reloaded" && record.field("removed") == "second"
    });
    leave(resident);
    host.finish();
}
