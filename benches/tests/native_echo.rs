//! The native baseline is an honest echo server: all comes back, also to peers that do not read for a while.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct Native {
    process: Child,
    address: SocketAddr,
}

impl Native {
    fn start(protocol: &str) -> Native {
        let mut command = Command::new(env!("CARGO_BIN_EXE_native-echo"));
        command.arg(protocol);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().rsplit("tcp:").next().unwrap().parse().unwrap();
        Native { process, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_peer_that_reads_late_gets_everything() {
    const BYTES: usize = 32 * 1024 * 1024;
    let native = Native::start("echo");
    let mut writing = native.connect();
    let mut reading = writing.try_clone().unwrap();
    let sent: Vec<u8> = (0..BYTES).map(|index| (index / 7 % 251) as u8).collect();
    let expected = sent.clone();
    let writer = std::thread::spawn(move || {
        writing.write_all(&sent).unwrap();
        writing.shutdown(Shutdown::Write).unwrap();
    });
    // The writer is stuck by now, and so is the server: both directions' buffers are full.
    std::thread::sleep(Duration::from_millis(300));
    assert!(!writer.is_finished(), "the server buffers without bound");
    let mut received = Vec::new();
    reading.read_to_end(&mut received).unwrap();
    writer.join().unwrap();
    assert!(
        received == expected,
        "{} of {BYTES} bytes came back, or other ones",
        received.len()
    );
}

#[test]
fn a_reset_ends_one_connection_only() {
    let native = Native::start("echo");
    let mut neighbour = native.connect();
    let mut rude = native.connect();
    rude.write_all(&[1; 100_000]).unwrap();
    // Unread answers make the close a reset.
    std::thread::sleep(Duration::from_millis(50));
    drop(rude);
    let mut answer = [0; 5];
    neighbour.write_all(b"hello").unwrap();
    neighbour.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
}

#[test]
fn a_half_closed_peer_gets_its_answer_and_the_end() {
    let native = Native::start("echo");
    let mut stream = native.connect();
    stream.write_all(b"last words").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "last words");
}

#[test]
fn lines_are_answered_in_upper_case_wherever_they_are_cut() {
    let native = Native::start("line");
    let mut stream = native.connect();
    stream.set_nodelay(true).unwrap();
    let mut answers = [0; 4];
    for (sent, answer) in [
        ("ab", ""),
        ("c\nde", "ABC\n"),
        ("f\n", "DEF\n"),
        ("x\ny\n", "X\nY\n"),
    ] {
        stream.write_all(sent.as_bytes()).unwrap();
        stream.read_exact(&mut answers[..answer.len()]).unwrap();
        assert_eq!(&answers[..answer.len()], answer.as_bytes());
    }
}

#[test]
fn an_endless_line_ends_its_connection() {
    let native = Native::start("line");
    let mut stream = native.connect();
    stream.write_all(&[b'x'; 64 * 1024 + 1]).unwrap();
    assert!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)));
}
