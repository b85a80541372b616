//! The load generator notices servers that lie, and counts those that do not.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use wisted_bench::churn::Churn;
use wisted_bench::load::{Load, Window};
use wisted_bench::messages::Messages;

const WINDOW: Duration = Duration::from_millis(100);

/// An echo server, a thread for each connection, that hands each of a connection's reads, numbered, to `distort`.
fn server(distort: fn(usize, &mut Vec<u8>)) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut buffer = vec![0; 65536];
                for read in 0.. {
                    let count = stream.read(&mut buffer).unwrap_or(0);
                    let mut answer = buffer[..count].to_vec();
                    distort(read, &mut answer);
                    if count == 0 || stream.write_all(&answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Only later reads are distorted: the first is the connection's first words.
fn failure(distort: fn(usize, &mut Vec<u8>)) -> String {
    let mut load = Load::connect(server(distort), 3, Messages::binary(64)).unwrap();
    let result = load.run(WINDOW, || false).and_then(|_| load.finish());
    format!("{:#}", result.err().expect("a lie was not noticed"))
}

#[test]
fn honest_answers_are_counted() {
    for size_bytes in [1, 64, 200_000] {
        let mut load = Load::connect(server(|_, _| {}), 5, Messages::binary(size_bytes)).unwrap();
        let window = load.run(WINDOW, || false).unwrap();
        assert!(window.requests >= 5 && window.latency_ns.len() == window.requests);
        assert!(window.elapsed >= WINDOW);
        assert!(load.finish().unwrap().requests <= 5);
    }
}

#[test]
fn a_changed_byte_is_noticed() {
    let error = failure(|read, answer| {
        if let (20, Some(byte)) = (read, answer.last_mut()) {
            *byte ^= 1;
        }
    });
    assert!(error.contains("differs from what was due"), "{error}");
}

#[test]
fn an_extra_byte_is_noticed() {
    let error = failure(|read, answer| answer.extend((read == 20).then_some(0)));
    assert!(error.contains("bytes came"), "{error}");
}

#[test]
fn a_close_is_noticed() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 64];
        stream.read_exact(&mut buffer).unwrap();
        stream.write_all(&buffer).unwrap();
        stream.read_exact(&mut buffer).unwrap();
    });
    let mut load = Load::connect(address, 1, Messages::binary(64)).unwrap();
    let error = format!("{:#}", load.run(WINDOW, || false).err().unwrap());
    assert!(
        error.contains("the server closed the connection"),
        "{error}"
    );
}

#[test]
fn short_connections_are_counted_to_their_end() {
    let mut churn = Churn::begin(server(|_, _| {}), 4, Messages::binary(64)).unwrap();
    let window = churn.run(WINDOW).unwrap();
    assert!(window.requests > 4 && window.latency_ns.len() == window.requests);
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let mut load = Load::connect(server(|_, _| {}), 5, Messages::binary(64)).unwrap();
    let begin = Instant::now();
    let window = load.run_at(2000, Duration::from_millis(250)).unwrap();
    assert_eq!((window.requests, window.latency_ns.len()), (500, 500));
    assert!(begin.elapsed() >= Duration::from_micros(249_500));
    assert_eq!(load.finish().unwrap().requests, 0);
}

#[test]
fn an_open_loop_verifies_answers() {
    let mut load = Load::connect(
        server(|read, answer| answer[0] ^= u8::from(read == 20)),
        3,
        Messages::binary(64),
    )
    .unwrap();
    let error = load.run_at(10_000, WINDOW).err().unwrap();
    assert!(format!("{error:#}").contains("differs"), "{error:#}");
}

#[test]
fn an_open_loop_goes_on_after_a_closed_one() {
    let mut load = Load::connect(server(|_, _| {}), 5, Messages::binary(64)).unwrap();
    load.run(WINDOW, || false).unwrap();
    assert_eq!(load.run_at(1000, WINDOW).unwrap().requests, 100);
    assert!(load.run(WINDOW, || false).unwrap().requests >= 5);
}

/// A server that does nothing for a fifth of the time. In a closed loop that delays one request of thousands, since nobody
/// asks meanwhile; in an open one all the requests that were due meanwhile.
#[test]
fn a_stall_shows_in_the_open_loop() {
    const STALL: Duration = Duration::from_millis(200);
    fn stall(read: usize, _: &mut Vec<u8>) {
        if read == 50 {
            std::thread::sleep(STALL);
        }
    }
    let window = 5 * STALL;
    let at = |window: &Window, quantile| {
        Duration::from_nanos(window.latency_ns.value_at_quantile(quantile))
    };
    let mut load = Load::connect(server(stall), 1, Messages::binary(64)).unwrap();
    let closed = load.run(window, || false).unwrap();
    assert!(closed.latency_ns.max() >= STALL.as_nanos() as u64);
    assert!(at(&closed, 0.99) < STALL / 4, "{:?}", at(&closed, 0.99));
    let mut load = Load::connect(server(stall), 1, Messages::binary(64)).unwrap();
    let open = load.run_at(1000, window).unwrap();
    assert!(at(&open, 0.99) > STALL / 2, "{:?}", at(&open, 0.99));
    assert!(at(&open, 0.9) > STALL / 8, "{:?}", at(&open, 0.9));
}

/// Waking it would be the server's work. Either way the time in which nothing came counts as idle.
#[test]
fn it_spins_while_it_waits_unless_others_need_its_core() {
    fn slow(_: usize, _: &mut Vec<u8>) {
        std::thread::sleep(Duration::from_millis(20));
    }
    /// In nanoseconds.
    fn own_cpu() -> u64 {
        let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        line.split(' ').next().unwrap().parse().unwrap()
    }
    let cpu_and_busy = |mut load: Load| {
        let before = own_cpu();
        let window = load.run(3 * WINDOW, || false).unwrap();
        (own_cpu() - before, window.busy())
    };
    let load = || Load::connect(server(slow), 1, Messages::binary(64)).unwrap();
    let (spun, busy) = cpu_and_busy(load());
    assert!(busy < 0.5, "{busy}");
    let (slept, busy) = cpu_and_busy(load().on_a_shared_core());
    assert!(busy < 0.5, "{busy}");
    assert!(spun > 4 * slept, "{spun} and {slept} ns");
}

#[test]
fn a_server_that_cannot_keep_up_is_an_error_and_not_a_figure() {
    fn slow(_: usize, _: &mut Vec<u8>) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut load = Load::connect(server(slow), 1, Messages::binary(64)).unwrap();
    let error = load.run_at(5000, WINDOW).err().unwrap();
    assert!(
        format!("{error:#}").contains("cannot keep up with 5000"),
        "{error:#}"
    );
}

#[test]
fn lines_come_back_in_upper_case() {
    let upper_case = server(|_, answer| answer.make_ascii_uppercase());
    let messages = || Messages::lines_to_upper_case(10_000);
    let mut load = Load::connect(upper_case, 3, messages()).unwrap();
    assert!(load.run(WINDOW, || false).unwrap().requests >= 3);
    assert!(Load::connect(server(|_, _| {}), 1, messages()).is_err());
}
