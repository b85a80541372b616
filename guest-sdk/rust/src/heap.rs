//! The guest's allocator, laid out so that an idle instance touches few pages of memory. Knows nothing of what is allocated.
//!
//! An isolated connection pays for each page that its instance touches, in memory and, with many connections, in time: a cold
//! page costs more than the call itself. The standard library's allocator begins in a page of its own and keeps a record at
//! the end of each 64 KiB. This one begins right behind the guest's static data and takes 4 KiB at a time.
//!
//! It takes the place of C's `malloc` and its kin, not of Rust's global allocator alone: lists that the host passes are allocated
//! by whichever `cabi_realloc` is linked, wasi-libc's own or the bindings', and freed by Rust or by C. So all must be one.

#![allow(unsafe_code)]

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::cell::Cell;
use core::ptr::{self, NonNull};

use talc::base::binning::Binning;
use talc::base::{CHUNK_UNIT, Talc};
use talc::cell::TalcSyncCell;
use talc::source::Source;
use talc::wasm::WasmBinning;

/// All of it in one place, so that what is used for each message lies in few cache lines and in one page.
#[repr(C, align(64))]
struct Heap {
    talc: TalcSyncCell<PageByPage, WasmBinning>,
    /// The allocation that was freed last, kept for the next one: most messages are allocated and freed in turn.
    spare: Cell<*mut u8>,
}

// SAFETY: the guest has one thread.
unsafe impl Sync for Heap {}

static HEAP: Heap = Heap {
    talc: TalcSyncCell::new_wasm(PageByPage::new()),
    spare: Cell::new(ptr::null_mut()),
};

unsafe extern "C" {
    /// The end of the guest's static data, where the linker leaves the rest of the memory to the heap.
    static __heap_base: u8;
}

/// A larger allocation is not kept but given back.
const SPARE_MAX_BYTES: usize = 16 << 10;
/// A larger one is spare only until something else is allocated, which may need its place.
const LASTING_SPARE_MAX_BYTES: usize = 1 << 10;
/// What the host backs with memory at a time.
const PAGE_BYTES: usize = 4 << 10;
/// What WebAssembly's memory grows by.
const WASM_PAGE_BYTES: usize = 64 << 10;
/// A large heap grows by an eighth of itself, so that growing stays cheap, up to so much.
const STEP_MAX_BYTES: usize = 1 << 20;

/// What stands before each allocation, so that C can free it without knowing its layout.
#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    size_bytes: usize,
    /// Of the allocation and so of what stands before it: the header is the end of that.
    align_bytes: usize,
}

/// The least alignment, which is `max_align_t`'s.
const ALIGN_BYTES: usize = 16;

impl Header {
    /// The header of something that `malloc` or its kin have returned.
    ///
    /// # Safety
    /// It must still be allocated.
    unsafe fn of(pointer: *mut u8) -> Self {
        // SAFETY: `allocate` has written it there.
        unsafe { pointer.cast::<Self>().sub(1).read() }
    }

    fn layout(self) -> Option<Layout> {
        let whole = self.size_bytes.checked_add(self.align_bytes)?;
        Layout::from_size_align(whole, self.align_bytes).ok()
    }
}

fn allocate(size_bytes: usize, align_bytes: usize) -> *mut u8 {
    // So that messages of somewhat different lengths find the spare one large enough.
    let size_bytes = size_bytes.saturating_add(ALIGN_BYTES - 1) & !(ALIGN_BYTES - 1);
    let align_bytes = align_bytes.max(ALIGN_BYTES);
    if size_bytes <= SPARE_MAX_BYTES && align_bytes == ALIGN_BYTES {
        let spare = HEAP.spare.get();
        // SAFETY: nobody else has it, so its header is as it was written.
        if !spare.is_null() && unsafe { Header::of(spare) }.size_bytes == size_bytes {
            HEAP.spare.set(ptr::null_mut());
            return spare;
        }
    }
    allocate_anew(size_bytes, align_bytes)
}

/// Apart, as is [`give_back`], so that the usual way stays short.
#[cold]
#[inline(never)]
fn allocate_anew(size_bytes: usize, align_bytes: usize) -> *mut u8 {
    let header = Header {
        size_bytes,
        align_bytes,
    };
    let Some(layout) = header.layout() else {
        return ptr::null_mut();
    };
    let spare = HEAP.spare.get();
    // SAFETY: nobody else has the spare one; the layout has a size, since the alignment is part of it.
    let whole = unsafe {
        if !spare.is_null() && Header::of(spare).size_bytes > LASTING_SPARE_MAX_BYTES {
            HEAP.spare.set(ptr::null_mut());
            give_back(spare);
        }
        HEAP.talc.alloc(layout)
    };
    if whole.is_null() {
        return whole;
    }
    // SAFETY: what was allocated is that much larger, and a header fits in the least alignment.
    unsafe {
        let pointer = whole.add(align_bytes);
        pointer.cast::<Header>().sub(1).write(header);
        pointer
    }
}

/// C11 7.22.3.4
#[unsafe(no_mangle)]
extern "C" fn malloc(size_bytes: usize) -> *mut u8 {
    allocate(size_bytes, ALIGN_BYTES)
}

/// C11 7.22.3.2
#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, size_bytes: usize) -> *mut u8 {
    let Some(size_bytes) = count.checked_mul(size_bytes) else {
        return ptr::null_mut();
    };
    let pointer = allocate(size_bytes, ALIGN_BYTES);
    if !pointer.is_null() {
        // SAFETY: so much was allocated.
        unsafe { pointer.write_bytes(0, size_bytes) };
    }
    pointer
}

/// C11 7.22.3.1
#[unsafe(no_mangle)]
extern "C" fn aligned_alloc(align_bytes: usize, size_bytes: usize) -> *mut u8 {
    if align_bytes.is_power_of_two() {
        allocate(size_bytes, align_bytes)
    } else {
        ptr::null_mut()
    }
}

/// POSIX.1-2017
#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(
    place: *mut *mut u8,
    align_bytes: usize,
    size_bytes: usize,
) -> i32 {
    const EINVAL: i32 = 28;
    const ENOMEM: i32 = 48;
    if !align_bytes.is_power_of_two() || !align_bytes.is_multiple_of(size_of::<usize>()) {
        return EINVAL;
    }
    let pointer = allocate(size_bytes, align_bytes);
    if pointer.is_null() {
        return ENOMEM;
    }
    // SAFETY: the caller says that it may be written.
    unsafe { place.write(pointer) };
    0
}

/// C11 7.22.3.5
#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(pointer: *mut u8, size_bytes: usize) -> *mut u8 {
    if pointer.is_null() {
        return malloc(size_bytes);
    }
    // SAFETY: the caller says that it is still allocated.
    let header = unsafe { Header::of(pointer) };
    let new = Header {
        size_bytes,
        ..header
    };
    let (Some(layout), Some(new_layout)) = (header.layout(), new.layout()) else {
        return ptr::null_mut();
    };
    // SAFETY: it was allocated with this layout, and what stands before it moves along.
    unsafe {
        let whole = HEAP
            .talc
            .realloc(pointer.sub(header.align_bytes), layout, new_layout.size());
        if whole.is_null() {
            return whole;
        }
        let pointer = whole.add(header.align_bytes);
        pointer.cast::<Header>().sub(1).write(new);
        pointer
    }
}

/// C11 7.22.3.3
#[unsafe(no_mangle)]
unsafe extern "C" fn free(pointer: *mut u8) {
    if pointer.is_null() {
        return;
    }
    // SAFETY: the caller says that it is still allocated.
    unsafe {
        let header = Header::of(pointer);
        let mut freed = pointer;
        if header.size_bytes <= SPARE_MAX_BYTES && header.align_bytes == ALIGN_BYTES {
            freed = HEAP.spare.replace(pointer);
            if freed.is_null() {
                return;
            }
        }
        give_back(freed);
    }
}

/// # Safety
/// It must still be allocated, and nobody uses it any more.
#[cold]
#[inline(never)]
unsafe fn give_back(pointer: *mut u8) {
    // SAFETY: the caller's.
    unsafe {
        let header = Header::of(pointer);
        if let Some(layout) = header.layout() {
            HEAP.talc.dealloc(pointer.sub(header.align_bytes), layout);
        }
    }
}

/// What a guest without the standard library allocates with.
#[doc(hidden)]
#[derive(Debug)]
pub struct Malloc;

// SAFETY: it hands out what the functions above do, whose callers have to know no more than these.
unsafe impl GlobalAlloc for Malloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        allocate(layout.size(), layout.align())
    }

    unsafe fn dealloc(&self, pointer: *mut u8, _: Layout) {
        // SAFETY: the caller's.
        unsafe { free(pointer) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, _: Layout, size_bytes: usize) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { realloc(pointer, size_bytes) }
    }
}

/// Gives the allocator a few pages at a time.
#[derive(Debug)]
struct PageByPage {
    /// The end of what the allocator has.
    heap_end: Option<NonNull<u8>>,
    /// The end of what lies behind it and is ours.
    room_end: *mut u8,
    /// All that was given.
    given_bytes: usize,
}

impl PageByPage {
    const fn new() -> Self {
        Self {
            heap_end: None,
            room_end: ptr::null_mut(),
            given_bytes: 0,
        }
    }

    /// How much to give for an allocation that did not fit.
    fn step_bytes(&self, needed_bytes: usize) -> usize {
        needed_bytes.max((self.given_bytes / 8).min(STEP_MAX_BYTES))
    }
}

// SAFETY: it allocates nothing. All that it gives was its alone: what lies behind the static data, which only C's allocator
// would use, whose place this one takes, and pages that `memory.grow` has just made.
unsafe impl Source for PageByPage {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let needed = layout.size().checked_add(4 * CHUNK_UNIT + layout.align());
        let needed = needed.ok_or(())?;
        let mut step = talc.source.step_bytes(needed);
        let Some(heap_end) = talc.source.heap_end else {
            step += talc::min_first_heap_size::<B>();
            let base = (&raw const __heap_base).cast_mut();
            let mut rest = memory_size::<0>() * WASM_PAGE_BYTES - base as usize;
            if rest < step {
                // The static data ends right before the end of the memory.
                grow(step).ok_or(())?;
                rest += step.next_multiple_of(WASM_PAGE_BYTES);
            }
            let room_end = base.wrapping_add(rest);
            let end = page_end(base, step, room_end);
            // SAFETY: see above.
            let heap_end = unsafe { talc.claim(base, end as usize - base as usize) };
            talc.source.heap_end = heap_end;
            talc.source.room_end = room_end;
            talc.source.given_bytes = end as usize - base as usize;
            return heap_end.map(|_| ()).ok_or(());
        };
        let room_end = talc.source.room_end;
        let mut end = page_end(heap_end.as_ptr(), step, room_end);
        if end as usize - (heap_end.as_ptr() as usize) < step {
            let base = grow(step).or_else(|| {
                step = needed;
                grow(needed)
            });
            let base = base.ok_or(())?;
            let new_room_end = base.wrapping_add(step.next_multiple_of(WASM_PAGE_BYTES));
            talc.source.room_end = new_room_end;
            if base != room_end {
                // Somebody else's memory lies between: the rest of the room is given, and another heap begins.
                let end = page_end(base, step, new_room_end);
                talc.source.given_bytes += end as usize - base as usize;
                // SAFETY: see above.
                unsafe { talc.extend(heap_end, room_end) };
                // SAFETY: see above.
                talc.source.heap_end = unsafe { talc.claim(base, end as usize - base as usize) };
                return talc.source.heap_end.map(|_| ()).ok_or(());
            }
            end = page_end(heap_end.as_ptr(), step, new_room_end);
        }
        talc.source.given_bytes += end as usize - heap_end.as_ptr() as usize;
        // SAFETY: see above.
        talc.source.heap_end = Some(unsafe { talc.extend(heap_end, end) });
        Ok(())
    }
}

/// The end of the page in which `length_bytes` from `base` on end, or of the room.
fn page_end(base: *mut u8, length_bytes: usize, room_end: *mut u8) -> *mut u8 {
    let end = (base as usize)
        .saturating_add(length_bytes)
        .min(usize::MAX - PAGE_BYTES)
        .next_multiple_of(PAGE_BYTES);
    base.wrapping_add(end.min(room_end as usize) - base as usize)
}

/// Makes the memory larger by at least so much, and returns where that begins.
fn grow(length_bytes: usize) -> Option<*mut u8> {
    match memory_grow::<0>(length_bytes.div_ceil(WASM_PAGE_BYTES)) {
        usize::MAX => None,
        pages => Some((pages * WASM_PAGE_BYTES) as *mut u8),
    }
}
