//! The load generator notices servers that lie, and counts those that do not.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use wisted_bench::churn::Churn;
use wisted_bench::load::Load;
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
    assert!(error.contains("differs from what was sent"), "{error}");
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
