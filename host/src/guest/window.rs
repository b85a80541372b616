//! A window of the host's memory through which a guest's shortcuts (shortcut.rs) take short data and write them, without the host's
//! help. Knows addresses and whose bytes lie there, not what becomes of them.
//!
//! Guests do not see it. The code that reaches through it is ours, added to their modules when they are compiled; it writes where the
//! window says, and not more than it says. What the host does to the memory behind it, it does when the window is
//! [closed](Window::close).
//!
//! All fields are atomic since both sides change them, on one thread, without a borrow that the other could see.

use std::mem::{MaybeUninit, offset_of};
use std::sync::atomic::{AtomicU64, Ordering};

use super::exchange::ConnectionNumber;

/// Longer data go the usual way, where the host copies them: the shortcuts have no loops, but code for each length.
pub(super) const SHORT_MAX_BYTES: u32 = 2047;

/// What the shortcuts read as a word may begin with the last of so many bytes, and so does what they write.
pub(super) const SLACK_BYTES: usize = 8;

/// See the file's header. Addresses and sizes are words, whatever the machine's are.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Window {
    /// Where the data of the running `data-received` lie.
    pub data: AtomicU64,
    /// How many these are: 0 once they were taken.
    pub data_bytes: AtomicU64,
    /// The connection that may be written to, or [`CLOSED`].
    pub connection: AtomicU64,
    /// Where its next bytes go.
    pub at: AtomicU64,
    /// Where the room for them ends. [`SLACK_BYTES`] more are there.
    pub end: AtomicU64,
    /// Where in the guest's memory the last ones were.
    pub from: AtomicU64,
    /// How many pages that memory had then.
    pub memory_pages: AtomicU64,
    /// Where the first bytes went. Not for the guest's side.
    start: AtomicU64,
}

/// No connection's number.
const CLOSED: u64 = u64::MAX;

/// What compiled shortcuts go by: code in the cache that goes by another one is not this host's.
pub(super) const LAYOUT: [usize; 9] = [
    SHORT_MAX_BYTES as usize,
    SLACK_BYTES,
    offset_of!(Window, data),
    offset_of!(Window, data_bytes),
    offset_of!(Window, connection),
    offset_of!(Window, at),
    offset_of!(Window, end),
    offset_of!(Window, from),
    offset_of!(Window, memory_pages),
];

/// More would be a further line of the processor's cache for each message.
const _: () = assert!(size_of::<Window>() <= 64);

/// What was written through a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub connection: ConnectionNumber,
    pub bytes: usize,
    /// Where in the guest's memory the last of these were.
    pub from: usize,
    /// How many pages that memory had then.
    pub memory_pages: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            data: AtomicU64::new(0),
            data_bytes: AtomicU64::new(0),
            connection: AtomicU64::new(CLOSED),
            at: AtomicU64::new(0),
            end: AtomicU64::new(0),
            from: AtomicU64::new(0),
            memory_pages: AtomicU64::new(0),
            start: AtomicU64::new(0),
        }
    }
}

impl Window {
    /// As the shortcuts know it.
    pub fn address(&self) -> u64 {
        std::ptr::from_ref(self).expose_provenance() as u64
    }

    /// Shows the guest's side, once, the first so many bytes of a buffer, which stays where it is until the handler that they are for
    /// has returned. Returns how many these are, unless that cannot be done.
    pub fn show(&self, buffer: &[u8], bytes: usize) -> Option<u32> {
        let shown = u32::try_from(bytes).ok()?;
        if shown > SHORT_MAX_BYTES || buffer.len() < bytes + SLACK_BYTES {
            return None;
        }
        let data = buffer.as_ptr().expose_provenance() as u64;
        self.data.store(data, Ordering::Relaxed);
        self.data_bytes.store(u64::from(shown), Ordering::Relaxed);
        Some(shown)
    }

    /// Lets the guest's side write to a connection so many bytes at the most, less [`SLACK_BYTES`], into memory that stays where it is
    /// until the window is [closed](Self::close).
    pub fn open(&self, connection: ConnectionNumber, room: &mut [MaybeUninit<u8>]) {
        let start = room.as_mut_ptr().expose_provenance();
        let bytes = room.len().saturating_sub(SLACK_BYTES);
        self.start.store(start as u64, Ordering::Relaxed);
        self.at.store(start as u64, Ordering::Relaxed);
        self.end.store((start + bytes) as u64, Ordering::Relaxed);
        self.connection
            .store(u64::from(connection), Ordering::Relaxed);
    }

    /// From here on nothing is written. Returns what was, if it was open: so many first bytes of the room are those.
    pub fn close(&self) -> Option<Written> {
        let connection = self.connection.load(Ordering::Relaxed);
        // CLOSED is none.
        let connection = ConnectionNumber::try_from(connection).ok()?;
        self.connection.store(CLOSED, Ordering::Relaxed);
        let word = |field: &AtomicU64| field.load(Ordering::Relaxed) as usize;
        Some(Written {
            connection,
            bytes: word(&self.at) - word(&self.start),
            from: word(&self.from),
            memory_pages: word(&self.memory_pages),
        })
    }
}
