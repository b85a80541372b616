//! A guest without the standard library, which fails as it is told, one command at a time:
//!
//! - `panic TEXT`, or `panic displaying`, where it is the text that panics;
//! - `allocate BYTES`;
//! - anything else is answered, with a tick of the clock, by a timer.

#![no_std]

extern crate alloc;

use alloc::format;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use wisted_guest::{Protocol, Transport, call_later, export, no_std};

#[derive(Default)]
struct Bare;

struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("while displaying")
    }
}

impl Protocol for Bare {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        let command = str::from_utf8(data).unwrap_or_default().trim_end();
        match command.split_once(' ') {
            Some(("panic", "displaying")) => panic!("before {Unspeakable}"),
            Some(("panic", text)) => panic!("{text}"),
            Some(("allocate", bytes)) => {
                let bytes: Vec<u8> = Vec::with_capacity(bytes.parse().unwrap_or_default());
                transport.write(format!("{} bytes\n", bytes.capacity()));
            }
            _ => {
                let transport = transport.clone();
                let answer = format!("{} bytes received\n", data.len());
                call_later(Duration::from_millis(1), move || transport.write(answer));
            }
        }
    }
}

export!(Bare);
no_std!();
