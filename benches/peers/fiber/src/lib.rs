//! An echo that may wait: it imports `sleep`, so that the host calls it on a fiber, and does not sleep while it is measured.

#![no_std]

use core::time::Duration;

use wisted_guest::{Protocol, Transport, export, no_std, sleep};

#[derive(Default)]
struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        if data == b"sleep\n" && sleep(Duration::from_millis(1)).is_err() {
            return;
        }
        transport.write(data);
    }
}

export!(Echo);
no_std!();
