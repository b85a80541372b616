//! The one thread that advances wasmtime's epoch, so that guests that compute are interrupted: more often while some compute for
//! long, since others wait for each of their slices. It sleeps while nobody computes, so that an idle host uses no CPU.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::EngineWeak;

use crate::limits::{CPU_SLICE, CPU_SLICE_CONTENDED};

/// After so many ticks without a turn of any reactor the ticker sleeps until the next one.
const IDLE_TICKS_MAX: u32 = 20;
/// So many ticks come in short intervals after a guest has used up its slice: longer than one that is held to its share pauses.
const SHORT_TICKS: u32 = 400;
/// A bound on that sleep, against nothing but our own mistakes.
const SLEEP_MAX: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Flags {
    /// For each reactor, whether it is in a turn, so that guests may be running.
    in_turn: Vec<InTurn>,
    /// Ticks that are still to come in short intervals.
    short_ticks: AtomicU32,
    asleep: AtomicBool,
    stop: AtomicBool,
}

/// On a cache line of its own: each reactor writes its flag twice a turn, and must not wait for another's.
#[derive(Debug, Default)]
#[repr(align(128))]
struct InTurn(AtomicBool);

/// Stops its thread when dropped.
#[derive(Debug)]
pub(super) struct Ticker {
    flags: Arc<Flags>,
    thread: Option<JoinHandle<()>>,
}

impl Flags {
    fn next_interval(&self) -> Duration {
        let one_less = |ticks: u32| ticks.checked_sub(1);
        let short = self
            .short_ticks
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        match short {
            Ok(_) => CPU_SLICE_CONTENDED,
            Err(_) => CPU_SLICE,
        }
    }

    fn is_any_in_turn(&self) -> bool {
        self.in_turn
            .iter()
            .any(|reactor| reactor.0.load(Ordering::SeqCst))
    }
}

impl Ticker {
    pub fn start(engine: EngineWeak, reactors: usize) -> io::Result<Self> {
        let flags = Arc::new(Flags {
            in_turn: (0..reactors).map(|_| InTurn::default()).collect(),
            short_ticks: AtomicU32::new(0),
            asleep: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let thread = thread::Builder::new().name("wisted-ticker".into()).spawn({
            let flags = Arc::clone(&flags);
            move || tick(&flags, &engine)
        })?;
        Ok(Self {
            flags,
            thread: Some(thread),
        })
    }

    /// Guests of this reactor may run from here until [`turn_ends`](Self::turn_ends).
    pub fn turn_begins(&self, reactor: usize) {
        // Sequentially consistent with the ticker's store of `asleep` and load of `in_turn`: one of the two sees the other.
        self.flags.in_turn[reactor].0.store(true, Ordering::SeqCst);
        if self.flags.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    /// No guest of this reactor runs until the next turn.
    pub fn turn_ends(&self, reactor: usize) {
        self.flags.in_turn[reactor]
            .0
            .store(false, Ordering::Relaxed);
    }

    /// A guest has used up its slice, and is not done.
    pub fn slice_was_used_up(&self) {
        self.flags.short_ticks.store(SHORT_TICKS, Ordering::Relaxed);
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.flags.stop.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // It has nothing to say; a panic in it has been printed.
            let _ = thread.join();
        }
    }
}

fn tick(flags: &Flags, engine: &EngineWeak) {
    let mut idle_ticks = 0;
    while !flags.stop.load(Ordering::SeqCst) {
        if idle_ticks < IDLE_TICKS_MAX {
            thread::park_timeout(flags.next_interval());
        } else {
            flags.asleep.store(true, Ordering::SeqCst);
            if !flags.is_any_in_turn() && !flags.stop.load(Ordering::SeqCst) {
                thread::park_timeout(SLEEP_MAX);
            }
            flags.asleep.store(false, Ordering::SeqCst);
            idle_ticks = 0;
            continue;
        }
        if flags.is_any_in_turn() {
            idle_ticks = 0;
            let Some(engine) = engine.upgrade() else {
                return;
            };
            engine.increment_epoch();
        } else {
            idle_ticks += 1;
        }
    }
}
