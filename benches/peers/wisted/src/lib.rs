//! The peer `wisted` for lines: sends each line back in upper case, wherever the network cut it.

#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use wisted_guest::{Protocol, Transport, export, no_std};

/// A longer line ends its connection.
const LINE_MAX_BYTES: usize = 64 * 1024;

#[derive(Default)]
struct UpperCase {
    /// What has come of a line that is not complete.
    partial: Vec<u8>,
}

impl Protocol for UpperCase {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        // Upper-casing touches no newline, so that complete lines can be answered together.
        let end = data.iter().rposition(|&byte| byte == b'\n');
        let (complete, rest) = data.split_at(end.map_or(0, |end| end + 1));
        if !complete.is_empty() {
            self.partial.extend_from_slice(complete);
            self.partial.make_ascii_uppercase();
            transport.write(&self.partial);
            self.partial.clear();
        }
        self.partial.extend_from_slice(rest);
        if self.partial.len() > LINE_MAX_BYTES {
            transport.abort_connection();
        }
    }
}

export!(UpperCase);
no_std!();

#[cfg(test)]
mod tests {
    use super::*;
    use wisted_guest::testing::Server;

    #[test]
    fn lines_are_found_wherever_they_are_cut() {
        let server = Server::<UpperCase>::start(&[]).unwrap();
        let (one, two) = (server.connect(), server.connect());
        one.send_bytewise(b"hello\nworld\n");
        two.send(b"One\ntwo\nthr");
        assert_eq!(one.received(), b"HELLO\nWORLD\n");
        assert_eq!(two.take_received(), b"ONE\nTWO\n");
        two.send(b"ee\n\n");
        assert_eq!(two.take_received(), b"THREE\n\n");
    }

    #[test]
    fn a_line_is_bounded() {
        let server = Server::<UpperCase>::start(&[]).unwrap();
        let peer = server.connect();
        peer.send(&[b'x'; LINE_MAX_BYTES]);
        assert!(!peer.is_disconnected());
        peer.send(b"x");
        assert!(peer.is_disconnected());
        assert_eq!(peer.received(), b"");
    }
}
