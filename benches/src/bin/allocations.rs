//! How often the host allocates while it serves messages: the host inside this process, its clients on another thread, and
//! an allocator that counts by thread. Prints one JSON object. It must not know what is too often.
#![allow(
    unsafe_code,
    reason = "a global allocator can only be wrapped by an unsafe implementation; this one adds a count and nothing else"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use serde_json::json;
use wisted::service::Isolation;
use wisted_bench::inside::{self, Plan};
use wisted_bench::load::Load;
use wisted_bench::messages::Messages;

#[global_allocator]
static COUNTING: Counting = Counting;

/// The system's allocator with a count.
struct Counting;

/// Whose allocations a thread's are.
#[derive(Clone, Copy, PartialEq)]
enum Whose {
    Reactor,
    /// The host's other threads: its side thread, its ticker.
    OtherThreads,
    Load,
}

thread_local! {
    static WHOSE: Cell<Whose> = const { Cell::new(Whose::OtherThreads) };
}

/// The next allocation that is counted is to be shown.
static TRACE: AtomicBool = AtomicBool::new(false);

static REACTOR: Count = Count::new();
static OTHER_THREADS: Count = Count::new();

struct Count {
    calls: AtomicU64,
    bytes: AtomicU64,
}

impl Count {
    const fn new() -> Count {
        Count {
            calls: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    fn now(&self) -> (u64, u64) {
        let Count { calls, bytes } = self;
        (calls.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed))
    }
}

fn count(bytes: usize) {
    // A thread that ends has no such variable any more; it is none of those that are measured.
    let count = match WHOSE.try_with(Cell::get) {
        Ok(Whose::Reactor) => &REACTOR,
        Ok(Whose::OtherThreads) => &OTHER_THREADS,
        Ok(Whose::Load) | Err(_) => return,
    };
    count.calls.fetch_add(1, Ordering::Relaxed);
    if TRACE.swap(false, Ordering::Relaxed) {
        // It allocates, but is no longer asked for.
        eprintln!("{bytes} bytes at\n{}", Backtrace::force_capture());
    }
    count.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
}

// SAFETY: every method hands its arguments to the system's allocator as they are and returns what that returns. Counting does
// not unwind, and allocates only for the one trace that may be asked for, when that is no longer asked for.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: likewise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count(bytes);
        // SAFETY: likewise.
        unsafe { System.realloc(pointer, layout, bytes) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: likewise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Counts the host's allocations.
#[derive(Parser)]
struct Arguments {
    /// A component that echoes
    guest: PathBuf,

    /// Where compiled code is kept
    #[arg(long)]
    cache: PathBuf,

    #[arg(long, default_value = "connection")]
    isolation: Isolation,

    #[arg(long, default_value_t = 50)]
    connections: usize,

    #[arg(long, default_value_t = 64)]
    bytes: usize,

    #[arg(long, default_value_t = 1000)]
    milliseconds: u64,

    /// Show where the first allocation after the warm-up comes from
    #[arg(long)]
    trace: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let connections = u32::try_from(arguments.connections).context("too many connections")?;
    let plan = Plan {
        guest: &arguments.guest,
        cache: &arguments.cache,
        isolation: arguments.isolation,
        instances_max: connections + 8,
    };
    let address = inside::serve(&plan, || WHOSE.set(Whose::Reactor))?;
    WHOSE.set(Whose::Load);
    let length = Duration::from_millis(arguments.milliseconds);
    let messages = Messages::binary(arguments.bytes);
    let mut load = Load::connect(address, arguments.connections, messages)?;
    load.run(length / 2, || false)?;
    TRACE.store(arguments.trace, Ordering::Relaxed);
    let before = (REACTOR.now(), OTHER_THREADS.now());
    let window = load.run(length, || false)?;
    let after = (REACTOR.now(), OTHER_THREADS.now());
    load.finish()?;
    let each = |before: u64, after: u64| (after - before) as f64 / window.requests as f64;
    println!(
        "{}",
        json!({
            "messages": window.requests,
            "reactor": after.0.0 - before.0.0,
            "reactor_per_message": each(before.0.0, after.0.0),
            "reactor_bytes_per_message": each(before.0.1, after.0.1),
            "other_threads": after.1.0 - before.1.0,
        })
    );
    // The driver runs until the process ends.
    std::process::exit(0);
}
