//! Drops large instances on a thread of its own. Giving memory back to the operating system takes 0.1 ms for each MiB that was
//! touched, and a reactor has others to serve.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::instance::Instance;

/// Linear memory from which on an instance is large, in bytes. Handing one over costs a switch of threads, and the next one gets a
/// place in the pool that is cold. So that is not for an interpreter's 13 MiB either, most of which nobody writes to.
const LARGE_BYTES: usize = 16 << 20;

/// Instances that may wait to be dropped. Beyond them whoever has one drops it: a tenant who fills memory faster than it can be
/// given back waits for that.
const WAITING_MAX: usize = 8;

/// Instances that are gone for their service and still have their places in the pool: those that wait, and the one whose turn it
/// is.
pub const REAPED_MAX: u32 = WAITING_MAX as u32 + 1;

/// The thread's mailbox. It ends with this.
#[derive(Debug)]
pub(super) struct Reaper {
    mailbox: SyncSender<Instance>,
    /// The operating system has refused memory for an instance.
    memory_is_short: AtomicBool,
}

impl Reaper {
    /// # Errors
    /// When the thread cannot be started.
    pub fn start() -> io::Result<Self> {
        let (sender, instances) = sync_channel::<Instance>(WAITING_MAX);
        let reap = move || instances.into_iter().for_each(drop);
        thread::Builder::new()
            .name("wisted-reaper".into())
            .spawn(reap)?;
        Ok(Self {
            mailbox: sender,
            memory_is_short: AtomicBool::new(false),
        })
    }

    /// From here on instances are dropped by whoever has them. wasmtime's pool tries the place first that was freed last: when the
    /// thread frees one that has memory while an instantiation fails in one that has none, that is the latter, for ever.
    pub fn memory_is_short(&self) {
        self.memory_is_short.store(true, Ordering::Relaxed);
    }

    pub fn drop_instance(&self, instance: Instance) {
        if instance.memory_bytes() >= LARGE_BYTES && !self.memory_is_short.load(Ordering::Relaxed) {
            // What was not taken is dropped here.
            let _ = self.mailbox.try_send(instance);
        }
    }
}
