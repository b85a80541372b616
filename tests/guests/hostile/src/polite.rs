//! What a good guest does, one word each: for tests of the host that need a guest to do just that.

use std::io::Write;
use std::sync::Mutex;

use crate::bindings::wisted::reactor::web::{self, FetchError, Response};
use crate::bindings::wisted::reactor::{config, logging, pending, random, timers, transport};
use crate::guest::{connection, report};
use crate::hostile::number;

/// Does the action, if there is one of this name.
pub fn perform(action: &str, argument: &str) -> bool {
    match action {
        "abort" => transport::abort_connection(connection()),
        "lose" => {
            report("bye");
            transport::lose_connection(connection());
            report("never sent");
        }
        "shutdown-write" => {
            report("last words");
            transport::shutdown_write(connection());
            report("never sent");
        }
        "pause" => transport::pause_reading(connection()),
        "pause-for" => {
            transport::pause_reading(connection());
            let _ = timers::sleep(number(argument, 1));
            transport::resume_reading(connection());
            report("resumed");
        }
        "write" => write(number(argument, 0)),
        "write-and-sleep" => {
            for letter in argument.split_inclusive(' ') {
                transport::write(connection(), letter.as_bytes());
                let _ = timers::sleep(1);
            }
            report("");
        }
        "write-and-ask" => {
            for letter in argument.split_inclusive(' ') {
                transport::write(connection(), letter.as_bytes());
                let buffered = transport::buffered_bytes(connection());
                transport::write(connection(), format!("({buffered}) ").as_bytes());
            }
            report("");
        }
        "buffered" => report(&format!(
            "buffered {}",
            transport::buffered_bytes(connection())
        )),
        "addresses" => addresses(),
        "config" => report(&format!(
            "config {:?} missing={:?}",
            config::get_all(),
            config::get("no such key")
        )),
        "random" => report(&format!(
            "random {}",
            random::get_random_bytes(number(argument, 16)).len()
        )),
        "log" => logging::log(logging::Level::Warn, argument),
        "get" => {
            for url in argument.split(' ') {
                web::get_page(url);
            }
        }
        "post" => post(argument),
        "wait" => wait_in_turn(argument),
        "cancel-page" => report(&format!(
            "cancelled {}",
            pending::cancel(web::get_page(argument))
        )),
        "sleep" => report(&format!("slept {:?}", timers::sleep(number(argument, 1)))),
        "std-sleep" => {
            std::thread::sleep(std::time::Duration::from_millis(number(argument, 1).into()));
            report("slept");
        }
        "later" => {
            timers::call_later(number(argument, 1));
        }
        "wait-timer" => {
            let outcome = pending::wait(timers::call_later(number(argument, 1)));
            report(&format!("waited {outcome:?}"));
        }
        "keep" => keep(argument),
        "kept" => kept(),
        "stdout" => stdout(argument),
        "env" => report(&format!(
            "env vars={} args={}",
            std::env::vars().count(),
            std::env::args().count()
        )),
        _ => return false,
    }
    true
}

/// A page on one line: what tests compare.
pub fn describe(page: &Result<Response, FetchError>) -> String {
    match page {
        Ok(page) => {
            let body = String::from_utf8_lossy(&page.body);
            let head: String = body.chars().take(100).collect();
            format!(
                "status={} length={} url={} body={head:?}",
                page.status,
                page.body.len(),
                page.url
            )
        }
        Err(error) => format!("error={error:?}"),
    }
}

/// Bytes that tell where they are: a hole or a swap in what arrives shows.
fn write(length_bytes: u32) {
    const PIECE_BYTES: u32 = 64 << 10;
    let mut next = 0;
    while next < length_bytes {
        let end = length_bytes.min(next + PIECE_BYTES);
        let piece: Vec<u8> = (next..end).map(|position| (position % 251) as u8).collect();
        transport::write(connection(), &piece);
        next = end;
    }
}

fn addresses() {
    let peer = transport::peer(connection());
    let host = transport::host(connection());
    report(&format!(
        "peer {} {} host {} {}",
        peer.host, peer.port, host.host, host.port
    ));
}

/// Asks for all of the pages at once, then waits for them in the order asked for.
fn wait_in_turn(urls: &str) {
    let ids: Vec<u32> = urls.split(' ').map(web::get_page).collect();
    report("waiting");
    for id in ids {
        match pending::wait(id) {
            Ok(()) => report(&format!("page {id} {}", describe(&web::take_page(id)))),
            Err(error) => {
                // The peer may be the reason: the log is what is certain to be read.
                logging::log(logging::Level::Warn, &format!("wait ended: {error:?}"));
                report(&format!("wait ended: {error:?}"));
            }
        }
    }
}

fn post(url: &str) {
    web::send_request(&web::Request {
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers: vec![web::Header {
            name: "x-test".to_owned(),
            value: "marked".to_owned(),
        }],
        body: b"a body".to_vec(),
        timeout: 0,
    });
}

fn stdout(argument: &str) {
    println!("to the output");
    eprintln!("to the errors");
    println!("{}", "o".repeat(number(argument, 0) as usize));
    print!("without an end");
    // Or else the guest's own buffer would keep it.
    let _ = std::io::stdout().flush();
    report("printed");
}

/// What this instance keeps in its memory.
static KEPT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Keeps so many KiB more, of `words` that are the same again and again or of `noise` that nobody can compress.
fn keep(argument: &str) {
    let (what, kib) = argument.split_once(' ').unwrap_or((argument, "1"));
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let bytes = (0..number(kib, 1) << 10).map(|position| {
        // Marsaglia's xorshift64.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        match what {
            "noise" => random as u8,
            _ => b"words that are the same again and again, "[position as usize % 41],
        }
    });
    if let Ok(mut kept) = KEPT.lock() {
        kept.extend(bytes);
    }
    report("kept");
}

/// Tells a checksum of what is kept (Adler-32, RFC 1950).
fn kept() {
    let Ok(kept) = KEPT.lock() else { return };
    let (low, high) = kept.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    report(&format!("{} bytes: {:08x}", kept.len(), high << 16 | low));
}
