//! What a bad guest may try. Most of it never returns.

use std::hint::black_box;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::Duration;

use crate::bindings::wisted::reactor::{logging, pending, random, timers, transport, web};
use crate::guest::{connection, report};

/// Does the action, if there is one of this name.
pub fn perform(action: &str, argument: &str) -> bool {
    match action {
        "spin" => spin(),
        "bomb" => bomb(),
        "overflow" => {
            overflow(1);
        }
        "trap" => core::arch::wasm32::unreachable(),
        "panic" => panic!("this guest panics on purpose"),
        "exit" => std::process::exit(number(argument, 0) as i32),
        "flood" => write_forever(64 << 10),
        "flood-slowly" => flood_slowly(),
        "gig" => write_gig(),
        "pieces" => write_pieces(),
        "commands" => {
            for _ in 0..1_000_000 {
                transport::pause_reading(connection());
            }
        }
        "timers" => {
            for _ in 0..1_000_000 {
                timers::call_later(u32::MAX);
            }
        }
        "fetches" => {
            for _ in 0..10_000 {
                web::get_page(argument);
            }
        }
        "huge-url" => {
            web::get_page(&"u".repeat(16 << 20));
        }
        "huge-request" => huge_request(argument),
        "sleep-forever" => loop {
            // A refusal to sleep doesn't stop this one.
            let _ = timers::sleep(u32::MAX);
        },
        "std-sleep-forever" => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
        "foreign-write" => transport::write(number(argument, 2), b"from a stranger"),
        "wild-write" => wild_write(number(argument, u32::MAX)),
        "foreign-abort" => transport::abort_connection(number(argument, 2)),
        "foreign-pause" => transport::pause_reading(number(argument, 2)),
        "foreign-peer" => drop(transport::peer(number(argument, 2))),
        "foreign-pending" => foreign_pending(),
        "foreign-page" => drop(web::take_page(number(argument, 1))),
        "files" => files(),
        "sockets" => sockets(argument),
        "log-flood" => loop {
            logging::log(logging::Level::Info, "flooding the log");
        },
        "huge-log" => {
            logging::log(
                logging::Level::Info,
                &"l".repeat(number(argument, 16 << 20) as usize),
            );
            report("logged");
        }
        "stdout-flood" => loop {
            println!("flooding the output");
        },
        "random-huge" => drop(random::get_random_bytes(number(argument, u32::MAX))),
        _ => return false,
    }
    true
}

pub fn number(argument: &str, default: u32) -> u32 {
    argument.parse().unwrap_or(default)
}

fn spin() {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn bomb() {
    let mut hoard = Vec::new();
    loop {
        // Touched: memory that is only reserved costs the host nothing.
        hoard.push(black_box(vec![1_u8; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "that is the point")]
fn overflow(depth: u64) -> u64 {
    // Little of it on the stack that is in linear memory: the call stack is to be used up first.
    overflow(black_box(depth) + 1) + black_box(1)
}

fn write_forever(piece_bytes: usize) {
    let piece = vec![b'f'; piece_bytes];
    loop {
        transport::write(connection(), &piece);
    }
}

/// Lets the host do what was recorded before it writes more: no single handler call writes too much.
fn flood_slowly() {
    let piece = vec![b's'; 256 << 10];
    loop {
        transport::write(connection(), &piece);
        let _ = timers::sleep(1);
    }
}

fn write_gig() {
    let piece = vec![b'g'; 16 << 20];
    for _ in 0..64 {
        transport::write(connection(), &piece);
    }
}

/// A few bytes from an address that need not be there.
#[allow(unsafe_code)]
fn wild_write(address: u32) {
    #[link(wasm_import_module = "wisted:reactor/transport@0.1.0")]
    unsafe extern "C" {
        #[link_name = "write"]
        fn write(connection: u32, address: u32, length: u32);
    }
    // SAFETY: whatever the host does, this memory is not changed.
    unsafe { write(connection(), address, 100) };
}

/// Nothing is written, but the host has to take every piece into its hands.
fn write_pieces() {
    let pieces = vec![Vec::new(); 1_000_000];
    loop {
        transport::write_many(connection(), &pieces);
    }
}

fn huge_request(url: &str) {
    let header = web::Header {
        name: "x".repeat(100),
        value: "y".repeat(100),
    };
    let request = web::Request {
        method: "M".repeat(1 << 20),
        url: url.to_owned(),
        headers: vec![header; 50_000],
        body: vec![b'b'; 8 << 20],
        timeout: u32::MAX,
    };
    loop {
        let _ = web::send_request(&request);
    }
}

/// Ids of outcomes that it never asked for are answered, not punished.
fn foreign_pending() {
    let cancelled = (0..10_000).filter(|id| pending::cancel(*id)).count();
    let waited = (0..10_000).filter(|id| pending::wait(*id).is_ok()).count();
    report(&format!("foreign cancelled={cancelled} waited={waited}"));
}

/// Each attempt that succeeds is a hole in the sandbox.
fn files() {
    let attempts = [
        ("write", std::fs::write("/tmp/wisted-hostile", "was here")),
        ("write-here", std::fs::write("wisted-hostile", "was here")),
        ("read", std::fs::read("/etc/passwd").map(drop)),
        ("list", std::fs::read_dir("/").map(drop)),
        ("list-here", std::fs::read_dir(".").map(drop)),
        ("make", std::fs::create_dir("wisted-hostile-folder")),
    ];
    tell("files", &attempts);
}

fn sockets(target: &str) {
    let attempts = [
        ("connect", TcpStream::connect(target).map(drop)),
        ("listen", TcpListener::bind("127.0.0.1:0").map(drop)),
        ("datagram", UdpSocket::bind("127.0.0.1:0").map(drop)),
        ("name", ("localhost", 80).to_socket_addrs().map(drop)),
    ];
    tell("sockets", &attempts);
}

fn tell(kind: &str, attempts: &[(&str, std::io::Result<()>)]) {
    let words: Vec<String> = attempts
        .iter()
        .map(|(name, outcome)| match outcome {
            Ok(()) => format!("{name}=ALLOWED"),
            Err(error) => format!("{name}={:?}", error.kind()),
        })
        .collect();
    report(&format!("{kind} {}", words.join(" ")));
}
