//! What a guest needs in the standard library's place. Knows nothing of what the guest does.

#![allow(unsafe_code)]

/// For guests that declare `#![no_std]`, which are smaller than others: without the standard library and its texts an idle
/// isolated echo takes a third less memory, its component half as much. To be used once, beside [`export!`](macro@crate::export)
/// or its like. Natively it does nothing.
///
/// A panic is logged as an error, up to 512 bytes of it, and traps. The global allocator is the one of the feature `allocator`;
/// without that feature the guest declares its own.
///
/// Nothing that the guest depends on may link the standard library. Cargo unifies features: build it by itself, not together with
/// guests that have it (`cargo build -p echo`, as `wisted build` does).
///
/// ```ignore (an attribute of the crate)
/// #![no_std]
///
/// wisted_guest::export!(Echo);
/// wisted_guest::no_std!();
/// ```
#[macro_export]
macro_rules! no_std {
    () => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[panic_handler]
            fn panicked(info: &::core::panic::PanicInfo<'_>) -> ! {
                $crate::no_std::panicked(info)
            }

            // With the standard library it is libc's.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn cabi_realloc(
                old: *mut u8,
                old_bytes: usize,
                align_bytes: usize,
                new_bytes: usize,
            ) -> *mut u8 {
                // SAFETY: the host calls it as the canonical ABI has it.
                unsafe { $crate::no_std::cabi_realloc(old, old_bytes, align_bytes, new_bytes) }
            }

            $crate::__global_allocator!();
        };
    };
}

#[cfg(feature = "allocator")]
#[doc(hidden)]
#[macro_export]
macro_rules! __global_allocator {
    () => {
        #[global_allocator]
        static GLOBAL: $crate::heap::Malloc = $crate::heap::Malloc;
    };
}

#[cfg(not(feature = "allocator"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __global_allocator {
    () => {};
}

#[cfg(target_arch = "wasm32")]
pub use real::{cabi_realloc, panicked};

#[cfg(target_arch = "wasm32")]
mod real {
    use crate::host;
    use crate::log::Level;
    use crate::single::Single;
    use alloc::alloc::{Layout, alloc, realloc};
    use core::arch::wasm32::unreachable;
    use core::cell::Cell;
    use core::fmt::{self, Write as _};
    use core::panic::PanicInfo;

    // `memcpy` and its kin, which the compiler calls: with the standard library they come along.
    #[link(name = "c")]
    unsafe extern "C" {}

    /// A longer panic is cut. It is put together on the stack, since what failed may be an allocation.
    const PANIC_MAX_BYTES: usize = 512;

    struct Text {
        bytes: [u8; PANIC_MAX_BYTES],
        length: usize,
    }

    impl Text {
        fn as_str(&self) -> &str {
            let text = self.bytes.get(..self.length).unwrap_or_default();
            // SAFETY: whole characters were written.
            unsafe { str::from_utf8_unchecked(text) }
        }
    }

    // Nothing here can panic, which would bring its own texts into each guest.
    impl fmt::Write for Text {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let room = self.bytes.get_mut(self.length..).unwrap_or_default();
            let length = text.floor_char_boundary(room.len());
            for (place, &byte) in room.iter_mut().zip(text.as_bytes().iter().take(length)) {
                *place = byte;
            }
            self.length += length;
            Ok(())
        }
    }

    static IS_PANICKING: Single<Cell<bool>> = Single::new(Cell::new(false));

    #[doc(hidden)]
    pub fn panicked(info: &PanicInfo<'_>) -> ! {
        // The second time it is what was to be displayed that panics.
        if !IS_PANICKING.with(|is_panicking| is_panicking.replace(true)) {
            let mut text = Text {
                bytes: [0; PANIC_MAX_BYTES],
                length: 0,
            };
            let _ = write!(text, "{info}");
            host::log(Level::Error, text.as_str());
        }
        unreachable()
    }

    /// The canonical ABI's `realloc`. Traps when there is no memory.
    ///
    /// # Safety
    /// `old` must have been returned by it or by the global allocator, for this alignment and `old_bytes`, unless these are 0.
    #[doc(hidden)]
    pub unsafe fn cabi_realloc(
        old: *mut u8,
        old_bytes: usize,
        align_bytes: usize,
        new_bytes: usize,
    ) -> *mut u8 {
        if new_bytes == 0 {
            return align_bytes as *mut u8;
        }
        // SAFETY: the caller's, and the alignment is a type's.
        let new = unsafe {
            if old_bytes == 0 {
                alloc(Layout::from_size_align_unchecked(new_bytes, align_bytes))
            } else {
                let layout = Layout::from_size_align_unchecked(old_bytes, align_bytes);
                realloc(old, layout, new_bytes)
            }
        };
        if new.is_null() {
            unreachable();
        }
        new
    }
}
