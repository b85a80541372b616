//! Twisted's Echo server: sends back what it receives.

#![no_std]

use wisted_guest::{Protocol, Transport, export, no_std};

#[derive(Default)]
struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

export!(Echo);
no_std!();

#[cfg(test)]
mod tests {
    use super::*;
    use wisted_guest::testing::Server;

    #[test]
    fn it_sends_back_what_it_receives_wherever_it_is_cut() {
        let server = Server::<Echo>::start(&[]).unwrap();
        let (one, two) = (server.connect(), server.connect());
        one.send_bytewise(b"hello");
        two.send(b"\0\xff");
        assert_eq!(one.received(), b"hello");
        assert_eq!(two.received(), b"\0\xff");
    }

    #[test]
    fn it_closes_when_the_peer_does() {
        let server = Server::<Echo>::start(&[]).unwrap();
        let peer = server.connect();
        peer.send(b"bye");
        peer.close();
        assert!(peer.is_disconnected());
        assert_eq!(peer.received(), b"bye");
    }
}
