//! Hints to the processor to fetch what will be touched soon, so that it comes while something else is done. They change nothing.
//! Knows addresses, not what lies there.

/// What a processor fetches at once; on some it is more.
const LINE_BYTES: usize = 64;

/// Fetches a value, or its first bytes, if it has more than so many.
pub fn value<T>(value: &T, bytes_max: usize) {
    let address = std::ptr::from_ref(value).addr();
    bytes(address, size_of::<T>().min(bytes_max));
}

/// Fetches so many bytes from an address on. There may be nothing.
pub fn bytes(address: usize, bytes: usize) {
    let first = address & !(LINE_BYTES - 1);
    for address in (first..address.saturating_add(bytes)).step_by(LINE_BYTES) {
        line(address);
    }
}

#[cfg(target_arch = "x86_64")]
fn line(address: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch reads nothing, and faults at no address (Intel's manual, volume 2, PREFETCHh).
    #[allow(unsafe_code)]
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(address));
    }
}

/// Elsewhere Rust has no stable way to say it.
#[cfg(not(target_arch = "x86_64"))]
fn line(_address: usize) {}

#[cfg(test)]
mod tests {
    #[test]
    fn no_address_is_wrong() {
        super::bytes(0, 1000);
        super::bytes(usize::MAX, 1000);
        super::value(&[7_u8; 1000], usize::MAX);
        super::value(&(), 0);
    }
}
