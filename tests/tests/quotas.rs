//! The limits of a configuration's services, each reached by real peers: who is over one is held or loses its own, and the
//! neighbours notice nothing.
#![allow(missing_docs)]

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use wisted_tests::logs::Record;
use wisted_tests::serve::puppet;
use wisted_tests::{Client, End, Neighbours, Serving};

/// One reactor, so that all services share it; and a service that does no wrong.
fn beside_a_neighbour(name: &str, limits: &str) -> Serving {
    let services = puppet("good", "") + &puppet(name, limits);
    Serving::start(&format!("[host]\nreactors = 1\n\n{services}"))
}

/// Neighbours before, meanwhile and after, on a host that ends in an orderly way.
fn undisturbed(name: &str, limits: &str, act: impl FnOnce(&Serving, &Neighbours)) {
    let host = beside_a_neighbour(name, limits);
    let neighbours = Neighbours::start_at(host.address_of("good"), 4);
    act(&host, &neighbours);
    neighbours.finish();
    host.finish();
}

/// The access log's record of how a peer's connection ended.
fn end_of(host: &Serving, peer: &str) -> Record {
    host.wait_for_log("the end of a connection", |record| {
        record.message() == "connection lost" && record.field("peer") == peer
    })
}

fn own_address(client: &Client) -> String {
    client.stream().local_addr().expect("connected").to_string()
}

/// What the hostile guest writes, so that a hole or a swap shows.
fn pattern(length_bytes: usize) -> Vec<u8> {
    (0..length_bytes)
        .map(|position| (position % 251) as u8)
        .collect()
}

#[test]
fn connections_of_a_service() {
    undisturbed("small", "connections_max = 3", |host, _| {
        let mut served: Vec<Client> = (0..3).map(|_| host.peer_of("small")).collect();
        for client in &mut served {
            client.check_echo("served\n");
        }
        let mut waiting = host.peer_of("small");
        waiting.send("in time\n");
        host.wait_for_complaint(&["small", "connections-max"]);
        host.peer_of("good").check_echo("not full\n");
        for client in &mut served {
            client.check_echo("still served\n");
        }
        drop(served.pop());
        assert_eq!(waiting.line(), "in time");
    });
}

#[test]
fn connections_of_one_peer() {
    undisturbed("shop", "connections_per_peer_max = 2", |host, _| {
        let address = host.address_of("shop");
        let mut served: Vec<Client> = (0..2).map(|_| host.peer_of("shop")).collect();
        for client in &mut served {
            client.check_echo("served\n");
        }
        let mut third = host.peer_of("shop");
        assert_eq!(third.wait_for_end(), End::Reset);
        host.wait_for_log("the peer", |record| {
            record.mentions(&["shop", "127.0.0.1", "connections_per_peer_max"])
        });
        let other: IpAddr = [127, 0, 0, 2].into();
        let mut others: Vec<Client> = (0..2)
            .map(|_| Client::connect_from(other, address))
            .collect();
        for client in others.iter_mut().chain(&mut served) {
            client.check_echo("in time\n");
        }
        let mut fifth = Client::connect_from(other, address);
        assert_eq!(fifth.wait_for_end(), End::Reset);
        // A place is free when its connection has ended, which the host may notice later than the peer.
        drop(served.pop());
        let again = (0..1_000).any(|_| host.peer_of("shop").echoes(b"again\n"));
        assert!(again, "{}", host.log().tail());
    });
}

#[test]
fn accepts_in_a_second() {
    const PER_SECOND: usize = 20;
    const PEERS: usize = 60;
    let limits = format!("accepts_per_second_max = {PER_SECOND}");
    undisturbed("door", &limits, |host, neighbours| {
        let begun = Instant::now();
        let rounds = neighbours.rounds();
        let mut peers: Vec<Client> = (0..PEERS).map(|_| host.peer_of("door")).collect();
        for peer in &mut peers {
            peer.send("me too\n");
        }
        for peer in &mut peers {
            assert_eq!(peer.line(), "me too");
        }
        // A second's worth comes at once.
        let least = Duration::from_secs_f64((PEERS - PER_SECOND) as f64 / PER_SECOND as f64);
        let took = begun.elapsed();
        assert!(took >= least.mul_f64(0.95), "{took:?} of {least:?}");
        assert!(neighbours.rounds() > rounds + 1);
    });
}

#[test]
fn idle_connections() {
    undisturbed("inn", "idle_max = \"400ms\"", |host, _| {
        let mut idle = host.peer_of("inn");
        idle.check_echo("good night\n");
        let address = own_address(&idle);
        let begun = Instant::now();
        // Whoever talks stays: longer than it may be idle.
        let mut talker = host.peer_of("inn");
        while begun.elapsed() < Duration::from_millis(1_200) {
            talker.check_echo("still here\n");
        }
        assert_eq!(idle.rest(), (Vec::new(), End::Closed));
        assert!(end_of(host, &address).field("reason").contains("idle_max"));
        talker.check_echo("and still\n");
        host.wait_for_log("what the guest was told", |record| {
            record.mentions(&["\"target\":\"guest\"", "lost", "idle_max"])
        });
    });
}

#[test]
fn lifetimes() {
    undisturbed("visit", "lifetime_max = \"500ms\"", |host, _| {
        let mut visitor = host.peer_of("visit");
        let begun = Instant::now();
        let address = own_address(&visitor);
        visitor.check_echo("hello\n");
        while visitor.echoes(b"on and on\n") {
            assert!(begun.elapsed() < wisted_tests::PATIENCE, "it goes on");
        }
        assert!(begun.elapsed() >= Duration::from_millis(450));
        let end = end_of(host, &address);
        assert!(end.field("reason").contains("lifetime_max"), "{}", end.line);
        host.wait_for_log("what the guest was told", |record| {
            record.mentions(&["\"target\":\"guest\"", "lost", "lifetime_max"])
        });
    });
}

#[test]
fn bytes_sent_in_a_second() {
    const BYTES: usize = 600_000;
    let limits = "write_bytes_per_second_max = \"400K\"";
    undisturbed("tap", limits, |host, neighbours| {
        let rounds = neighbours.rounds();
        let mut thirsty = host.peer_of("tap");
        let begun = Instant::now();
        thirsty.send(format!("do write {BYTES}\n"));
        assert!(thirsty.receive(BYTES) == pattern(BYTES));
        // A tenth of a second's worth comes at once.
        let took = begun.elapsed();
        let least = Duration::from_secs_f64(BYTES as f64 / 409_600.0 - 0.1);
        assert!(took >= least.mul_f64(0.95), "{took:?} of {least:?}");
        assert!(neighbours.rounds() > rounds + 1);
        thirsty.check_echo("and goes on\n");
    });
}

#[test]
fn bytes_received_in_a_second() {
    const BYTES: usize = 600_000;
    let limits = "read_bytes_per_second_max = \"400K\"";
    undisturbed("ear", limits, |host, neighbours| {
        let rounds = neighbours.rounds();
        let talker = host.peer_of("ear");
        let data = pattern(BYTES);
        let begun = Instant::now();
        let mut writer = talker.stream().try_clone().expect("a second handle");
        let sent = data.clone();
        let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &sent));
        let mut talker = talker;
        assert!(talker.receive(BYTES) == data);
        writing.join().expect("a writer").expect("all is taken");
        let took = begun.elapsed();
        let least = Duration::from_secs_f64(BYTES as f64 / 409_600.0 - 0.1);
        assert!(took >= least.mul_f64(0.95), "{took:?} of {least:?}");
        assert!(neighbours.rounds() > rounds + 1);
    });
}

/// 300 ms of computing take three seconds with a tenth of the CPU, and the neighbour on the same reactor has the rest.
#[test]
fn share_of_the_cpu() {
    let limits = "cpu_share_max = 0.1, call_cpu_max = \"300ms\"";
    undisturbed("spinner", limits, |host, neighbours| {
        let mut spinner = host.peer_of("spinner");
        spinner.check_echo("warm\n");
        let rounds = neighbours.rounds();
        let begun = Instant::now();
        spinner.send("do spin\n");
        assert_eq!(spinner.wait_for_end(), End::Reset);
        let took = begun.elapsed();
        let made = neighbours.rounds() - rounds;
        assert!(took >= Duration::from_millis(2_400), "only {took:?}");
        assert!(made > 100, "the neighbours made {made} rounds in {took:?}");
        host.wait_for_complaint(&["spinner", "cpu"]);
    });
}

/// Its own connections wait, and nothing of theirs is lost.
#[test]
fn share_of_the_cpu_among_its_own() {
    let limits = "cpu_share_max = 0.2, call_cpu_max = \"100ms\"";
    undisturbed("crowd", limits, |host, _| {
        let mut bystanders: Vec<Client> = (0..5).map(|_| host.peer_of("crowd")).collect();
        for bystander in &mut bystanders {
            bystander.check_echo("warm\n");
        }
        for _ in 0..3 {
            let mut spinner = host.peer_of("crowd");
            spinner.send("do spin\n");
            for bystander in &mut bystanders {
                bystander.send("later\n");
            }
            for bystander in &mut bystanders {
                assert_eq!(bystander.line(), "later");
            }
            assert_eq!(spinner.wait_for_end(), End::Reset);
        }
    });
}

/// Handlers that compute are interrupted, and do not count as such that wait.
#[test]
fn handlers_that_wait() {
    let limits = "suspended_max = 1, call_cpu_max = \"100ms\"";
    undisturbed("motley", limits, |host, _| {
        let mut sleeper = host.peer_of("motley");
        sleeper.check_echo("awake\n");
        sleeper.send("do sleep 700\n");
        let mut spinners: Vec<Client> = (0..3).map(|_| host.peer_of("motley")).collect();
        for spinner in &mut spinners {
            spinner.send("do spin\n");
        }
        for spinner in &mut spinners {
            assert_eq!(spinner.wait_for_end(), End::Reset);
        }
        assert_eq!(sleeper.line(), "slept Ok(())");
        host.wait_for_logs("the spinners' ends", 3, |record| {
            record.mentions(&["guest failed", "call-cpu-max"])
        });
        let mut sleepers: Vec<Client> = (0..2).map(|_| host.peer_of("motley")).collect();
        for sleeper in &mut sleepers {
            sleeper.send("do sleep 60000\n");
        }
        host.wait_for_complaint(&["motley", "suspended-max"]);
    });
}

#[test]
fn memory_of_a_service() {
    let limits = "memory_max = \"2MiB\", service_memory_max = \"8MiB\"";
    undisturbed("hoard", limits, |host, _| {
        let mut served = Vec::new();
        let refused = loop {
            let mut client = host.peer_of("hoard");
            if !client.echoes(b"in\n") {
                break client;
            }
            served.push(client);
            assert!(served.len() < 100, "nobody is refused");
        };
        drop(refused);
        // An instance of this guest has more than one MiB.
        assert!((2..8).contains(&served.len()), "{} fit", served.len());
        host.wait_for_complaint(&["hoard", "service_memory_max"]);
        for client in &mut served {
            client.check_echo("unharmed\n");
        }
        host.peer_of("good").check_echo("nor is this one\n");
        // Whose memory is free again is another's: when the host has noticed that the peer is gone.
        drop(served.pop());
        let again = (0..1_000).any(|_| host.peer_of("hoard").echoes(b"again\n"));
        assert!(again, "{}", host.log().tail());
    });
}

#[test]
fn memory_of_an_instance() {
    undisturbed("bomb", "memory_max = \"3MiB\"", |host, _| {
        let mut bystander = host.peer_of("bomb");
        bystander.check_echo("before\n");
        let mut bomber = host.peer_of("bomb");
        bomber.send("do bomb\n");
        assert_eq!(bomber.wait_for_end(), End::Reset);
        host.wait_for_complaint(&["bomb", "memory-max", "3145728"]);
        bystander.check_echo("after\n");
    });
}

#[test]
fn timers_of_an_instance() {
    undisturbed("clock", "pending_max = 50", |host, _| {
        let mut modest = host.peer_of("clock");
        for number in 0..50 {
            modest.send(format!("do later {number}\n"));
        }
        for _ in 0..50 {
            assert!(modest.line().starts_with("fired"));
        }
        let mut greedy = host.peer_of("clock");
        greedy.send("do timers\n");
        assert_eq!(greedy.wait_for_end(), End::Reset);
        host.wait_for_complaint(&["clock", "pending"]);
        modest.check_echo("unharmed\n");
    });
}

#[test]
fn records_of_a_service() {
    undisturbed("chatter", "call_cpu_max = \"200ms\"", |host, _| {
        let begun = Instant::now();
        for _ in 0..4 {
            let mut flooder = host.peer_of("chatter");
            flooder.send("do log-flood\n");
            let mut neighbour = host.peer_of("good");
            neighbour.send("do log amid the flood\nwritten\n");
            assert_eq!(neighbour.line(), "written");
            assert_eq!(flooder.wait_for_end(), End::Reset);
        }
        host.wait_for_complaint(&["chatter", "1000 records", "dropping"]);
        host.wait_for_logs("all neighbours", 4, |record| {
            record.message() == "amid the flood"
        });
        // Whole seconds begin and end within this time.
        let seconds = begun.elapsed().as_secs() as usize + 2;
        let log = host.log().so_far();
        let flood = log.iter().filter(|one| one.message() == "flooding the log");
        let flooded = flood.count();
        assert!(
            (1..=1_000 * seconds).contains(&flooded),
            "{flooded} records in {seconds} s"
        );
    });
}

/// What came too early is not lost where limits are combined: a peer whose turn comes late gets everything.
#[test]
fn several_limits_together() {
    let limits = "connections_max = 4, accepts_per_second_max = 50, \
                  read_bytes_per_second_max = \"200K\", write_bytes_per_second_max = \"200K\", cpu_share_max = 0.5";
    undisturbed("narrow", limits, |host, _| {
        let address: SocketAddr = host.address_of("narrow");
        let peers: Vec<_> = (0..16)
            .map(|number: usize| {
                std::thread::spawn(move || {
                    let mut peer = Client::connect(address);
                    let data = format!("{number:03} ").repeat(5_000);
                    peer.check_echo(data);
                    peer.finish_sending();
                    assert_eq!(peer.rest(), (Vec::new(), End::Closed));
                })
            })
            .collect();
        for peer in peers {
            peer.join().expect("everybody is served");
        }
    });
}
