//! The echo guest over real sockets: bytes in every size and cut, both ways of closing, and peers that read slowly.
#![allow(missing_docs)]

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wisted_tests::{Client, End, Host, Neighbours};

/// Bytes that tell where they are.
fn pattern(length_bytes: usize) -> Vec<u8> {
    (0..length_bytes)
        .map(|position| (position % 251) as u8)
        .collect()
}

/// Sends in a thread of its own: a host with full buffers wants to be read from before it reads on.
fn exchange(client: &mut Client, data: &[u8]) {
    let mut sender = client.stream().try_clone().expect("a second handle");
    std::thread::scope(|scope| {
        scope.spawn(move || sender.write_all(data).expect("the host takes what is sent"));
        assert!(
            client.receive(data.len()) == data,
            "{} bytes came back changed",
            data.len()
        );
    });
}

#[test]
fn every_size() {
    let host = Host::run("echo").start();
    let mut client = host.connect();
    // Short ones take another way than long ones, each by its length.
    for length in (1..=300).chain(2_000..=2_100) {
        exchange(&mut client, &pattern(length));
    }
    for length in [
        1_023,
        1_024,
        1_025,
        4_095,
        4_096,
        4_097,
        65_535,
        65_536,
        65_537,
        1 << 20,
    ] {
        exchange(&mut client, &pattern(length));
    }
    client.finish_sending();
    assert_eq!(client.rest(), (Vec::new(), End::Closed));
    host.finish();
}

#[test]
fn nothing_is_echoed_as_nothing() {
    let host = Host::run("echo").start();
    let mut client = host.connect();
    client.finish_sending();
    assert_eq!(client.rest(), (Vec::new(), End::Closed));
}

#[test]
fn every_byte_value() {
    let host = Host::run("echo").start();
    let all: Vec<u8> = (0..=255).collect();
    exchange(&mut host.connect(), &all);
}

#[test]
fn one_byte_at_a_time() {
    let host = Host::run("echo").start();
    let mut client = host.connect();
    for byte in pattern(300) {
        client.check_echo([byte]);
    }
}

#[test]
fn in_order() {
    let host = Host::run("echo").start();
    let mut client = host.connect();
    for number in 0..5_000 {
        client.send(format!("{number}\n"));
    }
    for number in 0..5_000 {
        assert_eq!(client.line(), number.to_string());
    }
}

/// As `printf 'hello\n' | nc -q1 HOST PORT` does it.
#[test]
fn half_close_after_sending() {
    let host = Host::run("echo").start();
    let mut client = host.connect();
    client.send("hello\n");
    client.finish_sending();
    assert_eq!(client.rest(), (b"hello\n".to_vec(), End::Closed));
}

/// What was sent before the FIN comes back whole, however much it is.
#[test]
fn half_close_loses_nothing() {
    let host = Host::run("echo").start();
    let mut client = host.connect();
    let data = pattern(3 << 20);
    let mut sender = client.stream().try_clone().expect("a second handle");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            sender
                .write_all(&data)
                .expect("the host takes what is sent");
            sender
                .shutdown(std::net::Shutdown::Write)
                .expect("connected");
        });
        let (back, end) = client.rest();
        assert_eq!(end, End::Closed);
        assert!(
            back == data,
            "{} of {} bytes came back",
            back.len(),
            data.len()
        );
    });
}

#[test]
fn peers_that_reset() {
    let host = Host::run("echo").start();
    let neighbours = Neighbours::start(&host, 5);
    for number in 0..50 {
        let mut client = host.connect();
        if number % 2 == 0 {
            client.send("and gone");
        }
        client.reset();
    }
    neighbours.finish();
    host.finish();
}

#[test]
fn two_hundred_at_once() {
    let host = Host::run("echo").start();
    Neighbours::start(&host, 200).finish();
    host.finish();
}

/// A guest that may wait keeps a stack, and there is one for each connection that there may be.
#[test]
fn more_waiting_guests_than_spare_stacks() {
    const PEERS: usize = 1_100;
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("as many descriptors as may be had");
    let host = Host::run("hostile")
        .flag("--connections-max", "1200")
        .start();
    let mut peers: Vec<Client> = (0..PEERS).map(|_| host.connect()).collect();
    for _ in 0..2 {
        peers
            .iter_mut()
            .for_each(|peer| peer.check_echo("served\n"));
    }
    drop(peers);
    host.finish();
}

/// A peer that sends without reading is slowed down, not buffered for; when it reads, all is there.
#[test]
fn a_slow_reader_is_waited_for() {
    const LENGTH_BYTES: usize = 64 << 20;
    let host = Host::run("echo").start();
    let mut neighbour = host.connect();
    let mut slow = Client::connect_narrow(host.address());
    let sent = Arc::new(AtomicUsize::new(0));
    let mut sender = slow.stream().try_clone().expect("a second handle");
    let counter = sent.clone();
    let sending = std::thread::spawn(move || {
        let data = pattern(251 * 256);
        while counter.load(Ordering::Acquire) < LENGTH_BYTES {
            let length = sender
                .write(&data[counter.load(Ordering::Acquire) % 251..])
                .expect("the host is slow, not gone");
            counter.fetch_add(length, Ordering::AcqRel);
        }
        sender
            .shutdown(std::net::Shutdown::Write)
            .expect("connected");
    });
    // Stalled is: nothing more is taken while a neighbour is served a hundred times.
    loop {
        let before = sent.load(Ordering::Acquire);
        (0..100).for_each(|_| neighbour.check_echo("meanwhile\n"));
        if before > 0 && sent.load(Ordering::Acquire) == before {
            break;
        }
    }
    let stalled_at = sent.load(Ordering::Acquire);
    assert!(
        stalled_at < LENGTH_BYTES,
        "the host took {stalled_at} bytes without sending any on"
    );
    check_pattern(&mut slow);
    sending.join().expect("sent");
    neighbour.check_echo("afterwards\n");
}

/// Reads to the end, and insists on each byte.
fn check_pattern(client: &mut Client) {
    let mut position = 0_usize;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let length = client.stream().read(&mut buffer).expect("the rest comes");
        if length == 0 {
            break;
        }
        for byte in &buffer[..length] {
            assert_eq!(usize::from(*byte), position % 251, "at byte {position}");
            position += 1;
        }
    }
    assert!(position >= 64 << 20, "only {position} bytes came back");
}

#[test]
fn the_guest_closes() {
    let host = Host::run("hostile").start();
    let mut client = host.connect();
    client.send("do lose\n");
    assert_eq!(client.rest(), (b"bye\n".to_vec(), End::Closed));

    let mut client = host.connect();
    client.send("do abort\n");
    assert_eq!(client.rest(), (Vec::new(), End::Reset));
    host.wait_for_log("the abort", |record| {
        record.mentions(&["connection 1 lost", "Aborted"])
    });
}

#[test]
fn the_guest_closes_its_half() {
    let host = Host::run("hostile").start();
    let mut client = host.connect();
    client.send("do shutdown-write\n");
    assert_eq!(client.rest(), (b"last words\n".to_vec(), End::Closed));
    client.send("do log still heard\n");
    host.wait_for_log("what came after", |record| {
        record.mentions(&["still heard"])
    });
}

#[test]
fn the_guest_closes_after_everything_is_sent() {
    let host = Host::run("hostile")
        .flag("--write-buffer-max", "64MiB")
        .start();
    let mut client = Client::connect_narrow(host.address());
    client.send("arm drained lose\n");
    assert_eq!(client.line(), "armed");
    client.send("do write 16777216\ndo log written\n");
    // A peer that reads along may take it all at once: then nothing is ever queued, and nothing drains.
    host.wait_for_log("the write", |record| record.mentions(&["written"]));
    let (data, end) = client.rest();
    assert_eq!(end, End::Closed);
    assert!(
        data.starts_with(&pattern(16 << 20)),
        "{} bytes came",
        data.len()
    );
    assert!(data.ends_with(b"bye\n"));
}

/// What is sent to a guest that has paused reading waits until it resumes.
#[test]
fn the_guest_pauses_reading() {
    let host = Host::run("hostile").start();
    let mut client = host.connect();
    client.send("do pause\n");
    let mut other = host.connect();
    client.send("unread\n");
    other.check_echo("read\n");
    let mut third = host.connect();
    third.send("do pause-for 50\n");
    third.send("later\n");
    assert_eq!(
        (third.line(), third.line()),
        ("resumed".to_owned(), "later".to_owned())
    );
}

#[test]
fn the_guest_knows_both_addresses() {
    let host = Host::run("hostile").start();
    let mut client = host.connect();
    let own = client.stream().local_addr().expect("connected");
    let expected = format!(
        "peer 127.0.0.1 {} host 127.0.0.1 {}",
        own.port(),
        host.address().port()
    );
    assert_eq!(client.ask("do addresses"), expected);
}

#[test]
fn an_idle_connection_takes_little_memory() {
    /// Two pages of the guest's memory and what the host has for it, with a tenth to spare: 23 KiB by benches/.
    const EACH_MAX_BYTES: u64 = 26 << 10;
    const CONNECTIONS: u64 = 500;
    let host = Host::run("echo").flag("--reactors", "1").start();
    let serve = |count: u64| -> Vec<Client> {
        let serve_one = |_| {
            let mut client = host.connect();
            client.check_echo(pattern(64));
            client
        };
        (0..count).map(serve_one).collect()
    };
    // What the first few make is for all.
    let _first = serve(20);
    let before = host.memory_bytes();
    let _all = serve(CONNECTIONS);
    let each = host.memory_bytes().saturating_sub(before) / CONNECTIONS;
    assert!(each <= EACH_MAX_BYTES, "{each} bytes for each connection");
}
