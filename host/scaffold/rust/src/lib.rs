//! A protocol: sends back what it receives.

use wisted_guest::{Protocol, Transport, export};

#[derive(Default)]
struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

export!(Echo);

#[cfg(test)]
mod tests {
    use super::*;
    use wisted_guest::testing::Server;

    #[test]
    fn it_sends_back_what_it_receives_wherever_it_is_cut() {
        let server = Server::<Echo>::start(&[]).unwrap();
        let peer = server.connect();
        peer.send_bytewise(b"hello");
        assert_eq!(peer.received(), b"hello");
    }
}
