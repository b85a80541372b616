//! Whether instances of a component should begin as copy-on-write images of its data. It must not know of engines.
//!
//! Copying data costs some 0.7 ms a mebibyte, whether the instance ever looks at it or not; an image costs two memory maps and
//! a page fault for each page that is touched. A snapshotted interpreter has 11 MB of data and touches a tenth of it.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

/// Whether the component in this file has so much data that copying it for each instance costs more than an image. No for
/// what is no component in the binary format: what is wrong with it is said when it is loaded.
pub fn suit(file: &Path) -> bool {
    let bytes = File::open(file).and_then(|file| {
        let length = file.metadata()?.len();
        data_bytes(&mut BufReader::new(file), length, 0)
    });
    bytes.is_ok_and(|bytes| bytes >= DATA_MIN_BYTES)
}

/// The initial data of all memories of a component or module together, which has this length. Goes from one section's head to
/// the next, for to read a large file takes longer than all else here.
fn data_bytes<W: Read + Seek>(
    wasm: &mut BufReader<W>,
    length: u64,
    depth: usize,
) -> io::Result<u64> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let mut preamble = [0; 8];
    wasm.read_exact(&mut preamble)?;
    let is_module = match preamble {
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0] => true,
        [b'\0', b'a', b's', b'm', _, _, 1, 0] if depth < NESTED_MAX => false,
        _ => return Err(wrong()),
    };
    let mut left = length.checked_sub(8).ok_or_else(wrong)?;
    let mut bytes = 0;
    while left > 0 {
        let mut section = [0];
        wasm.read_exact(&mut section)?;
        let (content, head) = leb128(wasm)?;
        left = left.checked_sub(1 + head + content).ok_or_else(wrong)?;
        match (is_module, section[0]) {
            // A module or a component in a component.
            (false, 1 | 4) => bytes += data_bytes(wasm, content, depth + 1)?,
            (is_module, number) => {
                if is_module && number == DATA_SECTION {
                    bytes += content;
                }
                wasm.seek_relative(content.try_into().map_err(|_| wrong())?)?;
            }
        }
    }
    Ok(bytes)
}

/// A number of 32 bits in seven at a time, and how many bytes it took.
fn leb128(wasm: &mut impl Read) -> io::Result<(u64, u64)> {
    let mut value = 0;
    for index in 0..5 {
        let mut byte = [0];
        wasm.read_exact(&mut byte)?;
        value |= u64::from(byte[0] & 0x7f) << (7 * index);
        if byte[0] < 0x80 {
            return Ok((value, index + 1));
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

const DATA_SECTION: u8 = 11;
/// Components in components: real ones have two or three.
const NESTED_MAX: usize = 20;
/// Rust's, C's and Go's guests have less, and fit some 15,000 instances into Linux's 65,530 maps for it.
const DATA_MIN_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn the_data_of_all_modules_counts() {
        let module = |bytes: usize| {
            format!(
                "(core module (memory 100) (data (i32.const 0) \"{}\"))",
                "x".repeat(bytes)
            )
        };
        let bytes = |wasm: &[u8]| {
            let length = wasm.len() as u64;
            data_bytes(&mut BufReader::new(Cursor::new(wasm)), length, 0)
        };
        let text = format!("(component {} (component {}))", module(1000), module(2000));
        let wasm = wat::parse_str(text).unwrap();
        assert!((3000..3100).contains(&bytes(&wasm).unwrap()));
        assert!(bytes(b"(component)").is_err());
        assert!(bytes(&wasm[..wasm.len() - 1]).is_err());
        let mut nested = "(component)".to_owned();
        (0..30).for_each(|_| nested = format!("(component {nested})"));
        assert!(bytes(&wat::parse_str(nested).unwrap()).is_err());
        assert!(!suit(Path::new("/no/such/file")));
    }
}
