//! The memory of an instance that rests: its pages are given back to the operating system, and what was in them lies compressed on
//! the host's heap. Knows pages and where memories lie, not when an instance rests or runs.
//!
//! An idle connection's instance has written to a page or a few, most of which is zeros and static data.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use lz4_flex::block;
use wasmtime::Result;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext};
use wasmtime::component::{ComponentType, Lift, WasmList};

use crate::limits::{PACKED_MAX_BYTES, PACKED_MEMORY_MAX_BYTES};

/// Where a linear memory lies, and how long it was when the guest last named something in it. It never moves, and never gets
/// shorter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LinearMemory {
    address: usize,
    bytes: usize,
}

impl LinearMemory {
    pub fn new(address: usize, bytes: usize) -> Self {
        Self { address, bytes }
    }

    /// Whether the guest has named something in it.
    pub fn is_known(self) -> bool {
        self.address != 0
    }

    /// How long it is now, in pages of WebAssembly.
    pub fn has_pages(&mut self, pages: usize) {
        const PAGE_BYTES: usize = 64 << 10;
        self.bytes = pages * PAGE_BYTES;
    }

    /// Where something in it lies for the host.
    pub fn address_of(self, offset: usize) -> usize {
        self.address + offset
    }
}

/// A list that a guest hands over, and the memory that it lies in. No interface of wasmtime's tells where a component's memory
/// lies but the one that reads parameters from it, which its own generated code implements, and so do we.
pub(super) struct InMemory<T> {
    pub list: WasmList<T>,
    pub memory: LinearMemory,
}

impl<T> InMemory<T> {
    fn new(list: WasmList<T>, cx: &LiftContext<'_>) -> Self {
        let memory = cx.memory();
        Self {
            list,
            memory: LinearMemory::new(memory.as_ptr().expose_provenance(), memory.len()),
        }
    }
}

// SAFETY: all of it is the list's.
#[allow(unsafe_code)]
unsafe impl<T: ComponentType> ComponentType for InMemory<T> {
    type Lower = <WasmList<T> as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = <WasmList<T> as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        <WasmList<T> as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl<T: Lift> Lift for InMemory<T> {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        src: &Self::Lower,
    ) -> Result<Self> {
        Ok(Self::new(WasmList::linear_lift_from_flat(cx, ty, src)?, cx))
    }

    fn linear_lift_from_memory(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        bytes: &[u8],
    ) -> Result<Self> {
        let list = WasmList::linear_lift_from_memory(cx, ty, bytes)?;
        Ok(Self::new(list, cx))
    }
}

/// What the operating system says of this process' pages (proc_pid_pagemap(5)).
#[derive(Debug)]
pub(super) struct Pagemap {
    file: File,
    page_bytes: usize,
}

impl Pagemap {
    /// # Errors
    /// When the operating system does not say, as all but Linux.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            file: File::open("/proc/self/pagemap")?,
            page_bytes: page_size::get(),
        })
    }

    /// The addresses of the pages that have been written to and are in memory, those side by side together. Stops looking when
    /// there are more than `bytes_max` of them.
    fn written(&self, memory: LinearMemory, bytes_max: usize) -> io::Result<Vec<Range<usize>>> {
        const PRESENT: u64 = 1 << 63;
        /// Of a file, and so of a copy-on-write image that nobody has written to.
        const OF_A_FILE: u64 = 1 << 61;
        /// Nobody else's, unlike the page of zeros that is shown to those who only read.
        const EXCLUSIVE: u64 = 1 << 56;
        const ENTRY_BYTES: usize = size_of::<u64>();
        let mut entries = [0; 512 * ENTRY_BYTES];
        let mut found: Vec<Range<usize>> = Vec::new();
        let mut found_bytes = 0;
        let end = memory.address + memory.bytes / self.page_bytes * self.page_bytes;
        let mut address = memory.address;
        while address < end && found_bytes <= bytes_max {
            let pages = (end - address) / self.page_bytes;
            let entries_bytes = entries.len().min(pages * ENTRY_BYTES);
            let entries = &mut entries[..entries_bytes];
            let first = address / self.page_bytes * ENTRY_BYTES;
            self.file.read_exact_at(entries, first as u64)?;
            for entry in entries.as_chunks::<ENTRY_BYTES>().0 {
                let next = address + self.page_bytes;
                if u64::from_ne_bytes(*entry) & (PRESENT | OF_A_FILE | EXCLUSIVE)
                    == PRESENT | EXCLUSIVE
                {
                    found_bytes += self.page_bytes;
                    match found.last_mut() {
                        Some(last) if last.end == address => last.end = next,
                        _ => found.push(address..next),
                    }
                }
                address = next;
            }
        }
        Ok(found)
    }
}

/// What was in an instance's memory.
#[derive(Debug, Default)]
pub(super) struct Packed {
    pieces: Vec<Piece>,
    /// What is not packed yet.
    left: Vec<Range<usize>>,
}

/// What was in some pages side by side.
#[derive(Debug)]
struct Piece {
    pages: Range<usize>,
    compressed: Box<[u8]>,
}

/// The longest piece, in bytes: what LZ4 can look back on.
const PIECE_MAX_BYTES: usize = 64 << 10;

impl Packed {
    /// Begins to pack this memory; none of it is packed yet. Nothing is to be done where nobody has written to it, or to more than
    /// [`PACKED_MAX_BYTES`] of it, or it is longer than [`PACKED_MEMORY_MAX_BYTES`].
    ///
    /// # Errors
    /// When the operating system does not say what was.
    pub fn begin(memory: LinearMemory, pagemap: &Pagemap) -> io::Result<Self> {
        if memory.bytes > PACKED_MEMORY_MAX_BYTES {
            return Ok(Self::default());
        }
        let written = pagemap.written(memory, PACKED_MAX_BYTES)?;
        let written_bytes: usize = written.iter().map(ExactSizeIterator::len).sum();
        let pieces = written.into_iter().flat_map(|pages| {
            let starts = pages.clone().step_by(PIECE_MAX_BYTES);
            starts.map(move |start| start..pages.end.min(start + PIECE_MAX_BYTES))
        });
        let mut left: Vec<_> = match written_bytes {
            0..=PACKED_MAX_BYTES => pieces.collect(),
            _ => Vec::new(),
        };
        left.reverse();
        Ok(Self {
            pieces: Vec::new(),
            left,
        })
    }

    /// Packs the next piece. Returns how many bytes it was; none when all is done.
    ///
    /// # Safety
    /// The memory belongs to an instance that is there. From here to [`unpack`](Self::unpack) nothing may look at it: neither the
    /// guest's code nor what it imports runs, and nobody has a reference to it.
    #[allow(unsafe_code)]
    pub unsafe fn pack_on(&mut self) -> Option<usize> {
        let Some(pages) = self.left.pop() else {
            self.left = Vec::new();
            self.pieces.shrink_to_fit();
            return None;
        };
        // SAFETY: pages of one memory, which is there, by our caller's word, and was written to.
        let contents = unsafe {
            let start = std::ptr::with_exposed_provenance(pages.start);
            std::slice::from_raw_parts(start, pages.len())
        };
        let compressed = block::compress(contents);
        // Else it was not worth it.
        if compressed.len() <= contents.len() / 4 * 3 {
            self.pieces.push(Piece {
                pages: pages.clone(),
                compressed: compressed.into(),
            });
            // SAFETY: whole pages of anonymous memory, or of a private image of a file. What they had is kept.
            unsafe { give_back(&pages) };
        }
        Some(pages.len())
    }

    /// Puts everything back.
    ///
    /// # Errors
    /// When what was kept is damaged, which is our own mistake.
    ///
    /// # Safety
    /// As for [`pack_on`](Self::pack_on).
    #[allow(unsafe_code)]
    pub unsafe fn unpack(self) -> Result<()> {
        for Piece { pages, compressed } in self.pieces {
            // SAFETY: as where it was packed.
            let contents = unsafe {
                let start = std::ptr::with_exposed_provenance_mut(pages.start);
                std::slice::from_raw_parts_mut(start, pages.len())
            };
            let length = block::decompress_into(&compressed, contents)?;
            wasmtime::ensure!(length == pages.len(), "{length} bytes of {}", pages.len());
        }
        Ok(())
    }

    /// Whether anything was worth it.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

/// Gives pages back to the operating system. Where it does not want them they stay as they are, which does no harm.
///
/// # Safety
/// Nobody needs what is in them, or has a reference to it.
#[allow(unsafe_code)]
unsafe fn give_back(pages: &Range<usize>) {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{Advice, madvise};
        let start = std::ptr::with_exposed_provenance_mut(pages.start);
        // SAFETY: by our caller's word.
        let _ = unsafe { madvise(start, pages.len(), Advice::LinuxDontNeed) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = pages;
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use proptest::prelude::*;
    use wasmtime::{Config, Engine, Instance, Memory, Module, Store};

    use super::*;

    const WASM_PAGE_BYTES: usize = 64 << 10;

    /// A memory of 512 KiB, into which no huge page fits, with a word of static data, in an image of it or copied.
    fn with_memory<T>(image: bool, test: impl FnOnce(Store<()>, Memory) -> T) -> T {
        let engine = Engine::new(Config::new().memory_init_cow(image)).unwrap();
        let text = r#"(module (memory (export "memory") 8) (data (i32.const 400000) "static"))"#;
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        test(store, memory)
    }

    fn place(store: &Store<()>, memory: Memory) -> LinearMemory {
        LinearMemory::new(memory.data_ptr(store).addr(), memory.data_size(store))
    }

    fn packed(store: &Store<()>, memory: Memory) -> Packed {
        let mut packed = Packed::begin(place(store, memory), &Pagemap::open().unwrap()).unwrap();
        // SAFETY: nobody looks at it until it is unpacked.
        #[allow(unsafe_code)]
        while unsafe { packed.pack_on() }.is_some() {}
        packed
    }

    fn unpack(packed: Packed) {
        // SAFETY: its memory is still there.
        #[allow(unsafe_code)]
        unsafe { packed.unpack() }.unwrap();
    }

    /// Bytes of the memory that are its own and in memory.
    fn written(store: &Store<()>, memory: Memory) -> usize {
        let pagemap = Pagemap::open().unwrap();
        let written = pagemap.written(place(store, memory), usize::MAX).unwrap();
        written.iter().map(ExactSizeIterator::len).sum()
    }

    /// Bytes that don't compress.
    fn noise(length: usize) -> impl Iterator<Item = u8> {
        let states = std::iter::successors(Some(1_u64), |state| {
            Some(
                state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1),
            )
        });
        states.map(|state| (state >> 56) as u8).take(length)
    }

    #[test]
    fn only_what_was_written_to_and_gets_smaller_is_packed() {
        let page = page_size::get();
        for image in [false, true] {
            with_memory(image, |mut store, memory| {
                // An image's page that nobody has written to is no memory of the instance's.
                assert_eq!(written(&store, memory), if image { 0 } else { page });
                let data = memory.data_mut(&mut store);
                data[..3 * page].fill(7);
                let noisy = 8 * page..10 * page;
                data[noisy.clone()]
                    .iter_mut()
                    .zip(noise(2 * page))
                    .for_each(|(byte, noise)| *byte = noise);
                data[400_010] = 9;
                let before = data.to_vec();
                assert_eq!(written(&store, memory), 6 * page);
                let packed = packed(&store, memory);
                assert_eq!(packed.pieces.len(), 2, "image: {image}");
                assert_eq!(written(&store, memory), 2 * page, "image: {image}");
                assert_eq!(memory.data(&store)[noisy.start], before[noisy.start]);
                unpack(packed);
                assert!(memory.data(&store) == before, "image: {image}");
                assert_eq!(&before[400_000..400_006], b"static");
            });
        }
    }

    #[test]
    fn so_much_is_packed_and_no_more() {
        with_memory(false, |mut store, memory| {
            memory.data_mut(&mut store)[..PACKED_MAX_BYTES - WASM_PAGE_BYTES].fill(1);
            let fits = packed(&store, memory);
            assert!(!fits.is_empty());
            assert_eq!(written(&store, memory), 0);
            unpack(fits);
            memory.data_mut(&mut store)[..PACKED_MAX_BYTES].fill(1);
            // The static data is one page more.
            assert!(packed(&store, memory).is_empty());
            assert_eq!(written(&store, memory), PACKED_MAX_BYTES + page_size::get());
        });
    }

    #[test]
    fn a_long_memory_is_not_looked_at() {
        with_memory(false, |mut store, memory| {
            memory.data_mut(&mut store)[0] = 1;
            let mut place = place(&store, memory);
            let pagemap = Pagemap::open().unwrap();
            assert!(!Packed::begin(place, &pagemap).unwrap().left.is_empty());
            place.bytes = PACKED_MEMORY_MAX_BYTES + WASM_PAGE_BYTES;
            assert!(Packed::begin(place, &pagemap).unwrap().left.is_empty());
        });
    }

    #[test]
    fn half_packed_is_unpacked_whole() {
        with_memory(false, |mut store, memory| {
            memory.data_mut(&mut store)[..=PIECE_MAX_BYTES].fill(3);
            let before = memory.data(&store).to_vec();
            let pagemap = Pagemap::open().unwrap();
            let mut packed = Packed::begin(place(&store, memory), &pagemap).unwrap();
            // SAFETY: nobody looks at it until it is unpacked.
            #[allow(unsafe_code)]
            let bytes = unsafe { packed.pack_on() };
            assert_eq!(bytes, Some(PIECE_MAX_BYTES));
            unpack(packed);
            assert!(memory.data(&store) == before);
        });
    }

    #[test]
    fn what_is_damaged_is_an_error() {
        with_memory(false, |mut store, memory| {
            memory.data_mut(&mut store)[0] = 1;
            for damage in [
                |bytes: &mut Vec<u8>| bytes.truncate(3),
                |bytes: &mut Vec<u8>| bytes.fill(0xff),
            ] {
                let mut packed = packed(&store, memory);
                let mut bytes = packed.pieces[0].compressed.to_vec();
                damage(&mut bytes);
                packed.pieces[0].compressed = bytes.into();
                // SAFETY: its memory is still there.
                #[allow(unsafe_code)]
                let unpacked = unsafe { packed.unpack() };
                assert!(unpacked.is_err());
                memory.data_mut(&mut store)[0] = 1;
            }
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Whatever was written, wherever.
        #[test]
        fn all_comes_back(
            image: bool,
            writes in prop::collection::vec(
                (0..7 * WASM_PAGE_BYTES, prop::collection::vec(any::<u8>(), 1..6_000)),
                0..40,
            ),
        ) {
            with_memory(image, |mut store, memory| {
                for (start, bytes) in &writes {
                    memory.data_mut(&mut store)[*start..start + bytes.len()].copy_from_slice(bytes);
                }
                let before = memory.data(&store).to_vec();
                for _ in 0..2 {
                    unpack(packed(&store, memory));
                    prop_assert!(memory.data(&store) == before);
                }
                Ok(())
            })?;
        }
    }
}
