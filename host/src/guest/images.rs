//! Whether instances of a component should begin as copy-on-write images of its data. It must not know of engines.
//!
//! Copying data costs some 0.7 ms a mebibyte, whether the instance ever looks at it or not; an image costs two memory maps and
//! a page fault for each page that is touched. A snapshotted interpreter has 11 MB of data and touches a tenth of it.

use std::ops::ControlFlow;
use std::path::Path;

use wasmparser::{Parser, Payload};

/// Whether the component in this file has so much data that copying it for each instance costs more than an image. No for
/// what cannot be read: that is said when it is loaded.
pub fn suit(file: &Path) -> bool {
    std::fs::read(file).is_ok_and(|wasm| data_bytes(&wasm) >= DATA_MIN_BYTES)
}

/// The initial data of all memories together.
fn data_bytes(wasm: &[u8]) -> usize {
    let mut bytes = 0_usize;
    let read = Parser::new(0).parse_all(wasm).try_for_each(|payload| {
        match payload {
            Ok(Payload::DataSection(section)) => bytes += section.range().len(),
            Ok(_) => {}
            Err(_) => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    });
    match read {
        ControlFlow::Continue(()) => bytes,
        ControlFlow::Break(()) => 0,
    }
}

/// Rust's, C's and Go's guests have less, and fit some 15,000 instances into Linux's 65,530 maps for it.
const DATA_MIN_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_of_all_modules_counts() {
        let module = |bytes: usize| {
            format!(
                "(core module (memory 100) (data (i32.const 0) \"{}\"))",
                "x".repeat(bytes)
            )
        };
        let text = format!("(component {} {})", module(1000), module(2000));
        let wasm = wat::parse_str(text).unwrap();
        assert!((3000..3100).contains(&data_bytes(&wasm)));
        assert_eq!(data_bytes(b"(component)"), 0);
        assert_eq!(data_bytes(&wasm[..wasm.len() - 1]), 0);
        assert!(!suit(Path::new("/no/such/file")));
    }
}
